# SPDX-License-Identifier: Apache-2.0
"""Taking processes in: read, signed and registered, or kept as somebody else registered them.

Keeps: a file that cannot be read changes nothing: the last good process stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.vcp.ground import ground_of
from kizuna.app.wiring.vcp.kept import keep, kept_as, own_name, stem_of
from kizuna.chain.process import process_subject
from kizuna.criteria.process import from_norm, is_bpmn, read_bpmn, read_process, to_norm
from kizuna.model.errors import Malformed, Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation

__all__ = ["import_process", "keep_registered"]


def import_process(
    organisation: Organisation, data: bytes, stem: str, name: str | None
) -> dict[str, Any]:
    """Read a process (YAML, JSON, BPMN), sign and register it, keep it under its name.

    Raises:
        Malformed: ``document.*``, ``vcp.bpmn``, ``vcp.point-nowhere``.
    """
    guesses: Sequence[str] = ()
    unknown: Mapping[str, int] = {}
    if is_bpmn(data):
        draft = read_bpmn(data, name or stem_of(Path(stem)))
        process, guesses, unknown = draft.process, draft.guesses, draft.not_understood
    else:
        process = read_process(data, stem)
    told: dict[str, Any] = {
        "name": process.name,
        "version": process.version,
        "digest": process.digest,
        "activities": len(process.activities),
        "points": len(process.points),
        "loose": list(process.loose),
        "guesses": list(guesses),
        "not_understood": dict(unknown),
    }
    before = kept_as(process.name, organisation.settings)
    if (
        before is not None
        and before.process.digest == process.digest
        and before.owner == organisation.identity
    ):
        return told | {"statement": before.statement, "unchanged": True}
    own_name(organisation.settings, process.name, organisation.identity)
    subject = process_subject(organisation.identity, process.name)
    signed = organisation.say(Kind.NORM, subject, to_norm(process))
    digest, index = organisation.register_one(signed.statement, signed.documents)
    keep(organisation.settings, process, organisation.identity, digest)
    return told | {"statement": digest, "index": index, "subject": subject, "unchanged": False}


def keep_registered(organisation: Organisation, which: str) -> dict[str, Any]:
    """Keep a process that somebody else registered, by the statement's index or digest.

    Raises:
        Absent: ``statement.unknown``. Malformed: ``vcp.norm``. Refused: ``vcp.foreign-name``.
    """
    statement = ground_of(organisation).named(which).statement
    if not isinstance(statement.payload, Norm):
        raise Malformed(
            "vcp.norm",
            f"the statement {which[:16]} carries no process",
            hint="name a statement of kind norm and type vcp",
            name=which[:64],
        )
    process = from_norm(statement.payload)
    if statement.subject != process_subject(statement.issuer, process.name):
        raise Refused(
            "vcp.foreign-name",
            f"the process {process.name} is not named by its own author",
            why="its subject lies in somebody else's name space",
            hint="take the process from whoever owns it",
            name=process.name,
        )
    keep(organisation.settings, process, statement.issuer, statement.digest.hex())
    return {
        "name": process.name,
        "version": process.version,
        "digest": process.digest,
        "owner": statement.issuer,
        "statement": statement.digest.hex(),
    }
