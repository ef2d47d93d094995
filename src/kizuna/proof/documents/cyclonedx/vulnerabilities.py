# SPDX-License-Identifier: Apache-2.0
"""Vulnerabilities of a CycloneDX document (VEX, VDR): notices, evidence, and reviews.

Keeps: 1. What is exploitable or still looked into makes a notice about the part it concerns, with
the worst severity that the document states. 2. What is not affected, a false positive or resolved
makes evidence and an entry of what is settled, never a notice. 3. A version list decides for the
version of the part at hand; where the list cannot be read for it, the analysis decides and the
place is remarked. 4. A review is claimed only for subjects all of whose entries were analysed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Notice, Severity
from kizuna.proof.documents.bill import (
    MAX_STATEMENT_BYTES,
    Bill,
    claim_values,
    draft,
    too_many_statements,
)
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.names import clean, machine_name
from kizuna.proof.documents.values import Draft, Remark, Settled

__all__ = ["instant", "read_vulnerabilities"]

Json = dict[str, Any]
Path = tuple[str | int, ...]
Resolve = Callable[[object, Path], SubjectId | None]

_SETTLED: Final = frozenset(
    {"resolved", "resolved_with_pedigree", "false_positive", "not_affected"}
)
_SEVERITIES: Final = {severity.value: severity for severity in Severity} | {"info": Severity.LOW}


def read_vulnerabilities(
    entries: list[Json], resolve: Resolve, bill: Bill, root: SubjectId | None
) -> tuple[list[Draft], list[Settled]]:
    """Notices, evidence and reviews of all vulnerabilities; remarks go to the bill.

    Raises:
        Malformed: ``document.too-many-statements``.
    """
    drafts: list[Draft] = []
    settled: list[Settled] = []
    tally: dict[SubjectId, dict[str, int]] = {}
    room = MAX_STATEMENT_BYTES
    for number, entry in enumerate(entries):
        path: Path = ("vulnerabilities", number)
        concerned = _concerned(entry, path, resolve, bill, root)
        name = _name(entry, number)
        made: dict[str, Notice | Claim] = {}
        for subject, state in concerned:
            counts = tally.setdefault(subject, {"exploitable": 0, "in_triage": 0, "settled": 0})
            if state in _SETTLED:
                counts["settled"] += 1
                settled.append(Settled(subject, name))
                said = made.setdefault(state, _settlement(entry, name, state))
                drafts.append(draft(Kind.EVIDENCE, subject, said))
            else:
                counts["exploitable" if state == "exploitable" else "in_triage"] += 1
                counts.setdefault("unanalysed", 0)
                counts["unanalysed"] += not state
                said = made.setdefault(state, _notice(entry, name, state))
                drafts.append(draft(Kind.NOTICE, subject, said))
            room -= len(drafts[-1].payload)
            if room < 0:
                raise too_many_statements()
    for subject, counts in tally.items():
        if not counts.pop("unanalysed", 0):
            review = Claim(type="vulnerability-review", imported=True, claims=dict(counts))
            drafts.append(draft(Kind.EVIDENCE, subject, review))
    return drafts, settled


def _concerned(
    entry: Json, path: Path, resolve: Resolve, bill: Bill, root: SubjectId | None
) -> list[tuple[SubjectId, str]]:
    """The subjects that a vulnerability is about, each with the state that counts for it."""
    state = str((entry.get("analysis") or {}).get("state") or "")
    affects = entry.get("affects")
    if not affects:
        if root is not None:
            return [(root, state)]
        bill.remarks.append(Remark(pointer(path), "vulnerability-of-nothing", _name(entry, 0)))
        return []
    made: dict[SubjectId, str] = {}
    for place, one in enumerate(affects):
        here = (*path, "affects", place)
        subject = resolve(one.get("ref"), (*here, "ref"))
        if subject is None:
            continue
        own = _state_of_version(one.get("versions") or [], bill, subject, state, here)
        if made.get(subject, "not_affected") in _SETTLED:
            made[subject] = own
    return list(made.items())


def _state_of_version(
    versions: list[Json], bill: Bill, subject: SubjectId, state: str, path: Path
) -> str:
    """What the list of versions says of the version at hand; else what the analysis says."""
    if not versions:
        return state
    part = bill.parts.get(subject)
    version = part.version if part else ""
    for one in versions:
        if version and one.get("version") == version:
            status = one.get("status", "affected")
            if status == "unaffected":
                return state if state in _SETTLED else "not_affected"
            return "exploitable" if status == "affected" and state in _SETTLED else state
    statuses = {one.get("status", "affected") for one in versions}
    if statuses == {"unaffected"}:
        return state if state in _SETTLED else "not_affected"
    bill.remarks.append(Remark(pointer([*path, "versions"]), "versions-undecided", version))
    return state


def _name(entry: Json, number: int) -> str:
    made = machine_name(entry.get("id"), lower=False)
    return made or machine_name(entry.get("bom-ref"), lower=False) or f"vulnerability-{number}"


def _severity(entry: Json) -> tuple[Severity, str]:
    """The worst severity stated, by word or by score; ``medium`` where none is."""
    stated: list[Severity] = []
    for rating in entry.get("ratings") or ():
        word = _SEVERITIES.get(rating.get("severity", ""))
        score = rating.get("score")
        if word is None and isinstance(score, int | float) and not isinstance(score, bool):
            word = next(
                (
                    severity
                    for least, severity in (
                        (9.0, Severity.CRITICAL),
                        (7.0, Severity.HIGH),
                        (4.0, Severity.MEDIUM),
                        (0.1, Severity.LOW),
                    )
                    if score >= least
                ),
                Severity.NONE,
            )
        if word is not None:
            stated.append(word)
    if not stated:
        return Severity.MEDIUM, "unknown"
    worst = max(stated, key=lambda severity: severity.rank)
    return worst, worst.value


def _notice(entry: Json, name: str, state: str) -> Notice:
    severity, stated = _severity(entry)
    analysis = entry.get("analysis") or {}
    return Notice(
        type="vulnerability",
        severity=severity,
        id=name,
        summary=clean(entry.get("description") or entry.get("detail")) or None,
        mend=clean(entry.get("recommendation") or analysis.get("detail")) or None,
        since=instant(entry.get("published") or entry.get("created")),
        imported=True,
        ext=claim_values(
            {
                "state": state or "unanalysed",
                "severity": stated,
                "source": (entry.get("source") or {}).get("name"),
                "source_url": (entry.get("source") or {}).get("url"),
                "response": analysis.get("response"),
                "cwes": entry.get("cwes"),
                "vectors": [rating.get("vector") for rating in entry.get("ratings") or ()],
                "workaround": entry.get("workaround"),
            }
        ),
    )


def _settlement(entry: Json, name: str, state: str) -> Claim:
    analysis = entry.get("analysis") or {}
    return Claim(
        type=f"vex:{name}"[:200],
        imported=True,
        claims=claim_values(
            {
                "vulnerability": name,
                "state": state,
                "justification": analysis.get("justification"),
                "response": analysis.get("response"),
                "detail": analysis.get("detail"),
                "source": (entry.get("source") or {}).get("name"),
            }
        ),
    )


def instant(text: object) -> datetime | None:
    """An RFC 3339 instant with a zone, or ``None``."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace("z", "Z"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and moment.utcoffset() is not None else None
