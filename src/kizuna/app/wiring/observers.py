# SPDX-License-Identifier: Apache-2.0
"""Those who look at a log from outside and put their names to what they saw: witness and auditor.

A witness vouches for growth. An auditor makes the map again from the statements, holds it against
every logged map head, and vouches for that as well: the checkpoint's lists are whole.

Keeps: 1. Each has a folder, a key and a memory of its own; a witness's key never audits, and an
auditor's never only witnesses. 2. An auditor cosigns what it replayed, entry by entry, up to the
root that the log's key signed, and only what continues what it cosigned before.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.folder import Folder
from kizuna.app.wiring.logs import audit_told, replayed, source_of
from kizuna.app.wiring.proofs import anchor_of, read_checkpoint
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Progress, quiet
from kizuna.model.errors import Malformed, Tampered
from kizuna.model.trust import Anchors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.log.merkle import Frontier
    from kizuna.record.log.signer import Signer
    from kizuna.record.log.witness import Witness
    from kizuna.roots.units import Unit

__all__ = ["audit_for", "witness"]

_ROLES: Final = ("witness", "auditor")


def witness(
    folder: str, where: str, anchors: Anchors, settings: Settings, *, name: str | None
) -> dict[str, Any]:
    """Look at a log, check that it only grew, cosign its checkpoint.

    Raises:
        Malformed: ``witness.name``, ``witness.role``.
        Tampered: ``log.rolled-back``, ``log.forked`` ...
    """
    observer = _at_home(folder, "witness", anchors, settings, name)
    source = source_of(where)
    seen = read_checkpoint(source("checkpoint"))
    lines = observer.observe(source, seen.origin, settings.clock())
    return _told(observer, seen.origin, seen.size, seen.root, lines)


def audit_for(
    workspace: Workspace,
    folder: str,
    anchors: Anchors,
    settings: Settings,
    *,
    name: str | None,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Replay a store's statements against every map head, and cosign its checkpoint as auditor.

    Args:
        workspace: the store, or a copy of it: whoever audits others takes a copy.
        folder: the auditor's own.
        anchors: by whose log keys the checkpoint counts.
        settings: the auditor's passphrase, and the present.
        name: what a new auditor is called.
        progress: is told how far it is.

    Raises:
        Malformed: ``witness.name``, ``witness.role``. Tampered: ``log.tiles-differ``,
            ``log.rolled-back``, ``log.forked`` ...
    """
    from kizuna.record.log.audit import must_hold
    from kizuna.record.log.checkpoint import read_checkpoint as checked
    from kizuna.record.log.merkle import Frontier

    observer = _at_home(folder, "auditor", anchors, settings, name)
    known = workspace.head()
    note = workspace.log.note(known.size).to_bytes()
    signed = checked(note, anchor_of(anchors, known.origin), anchors.witnesses)
    edge = Frontier()
    entries = _growing(workspace.log.entries(0, known.size), edge)
    with TemporaryDirectory(prefix="kizuna-audit-") as scratch:
        report = replayed(workspace, entries, scratch, known.size, progress=progress)
    found = audit_told(report)
    if not report.holds:
        return found
    if edge.root() != signed.checkpoint.root:
        raise Tampered(
            "log.tiles-differ",
            f"the tiles do not give the root published for size {known.size}",
            why="a tile was overwritten, or the files come from another log",
            hint="run `kizuna log fsck`; take the files from a mirror",
            size=known.size,
        )
    must_hold(report, signed)
    files = source_of(str(workspace.folder.path))
    lines = observer.observe(
        lambda file: note if file == "checkpoint" else files(file), known.origin, settings.clock()
    )
    return found | _told(observer, known.origin, known.size, known.root, lines)


def _growing(entries: Iterable[bytes], edge: Frontier) -> Iterator[bytes]:
    """The entries as they come, while the tree over them grows along."""
    for entry in entries:
        edge.append(sha256(b"\x00" + entry).digest())
        yield entry


def _at_home(
    folder: str, role: str, anchors: Anchors, settings: Settings, name: str | None
) -> Witness:
    """The observer whose folder this is; a new one where the folder is empty."""
    from kizuna.record.log.witness import Witness

    home = Path(folder)
    for other in _ROLES:
        if other != role and (home / f"{other}.json").is_file():
            raise Malformed(
                "witness.role",
                f"{folder} is the folder of one who acts as {other}",
                why="who vouches for growth, and who for the map, is told apart by the key",
                hint=f"name another folder for the {role}",
                path=folder,
                role=other,
            )
    described = home / f"{role}.json"
    signer = _signer(home, described, role, settings, name)
    observer = Witness(home / "state", signer, anchors.logs)
    if not described.is_file():
        described.write_text(json.dumps({"name": signer.name}), encoding="utf-8")
    return observer


def _signer(home: Path, described: Path, role: str, settings: Settings, name: str | None) -> Signer:
    from kizuna.record.log.signer import Signer
    from kizuna.roots.keys import Algorithm

    unit: Unit
    if described.is_file():
        told = json.loads(described.read_text(encoding="utf-8"))
        unit = Folder(home).open_unit(settings.passphrase)
        return Signer(str(told["name"]), unit, next(h for h in unit.handles() if h.label == role))
    if not name:
        raise Malformed(
            "witness.name",
            "a new witness or auditor needs a name",
            hint="give it one that is yours alone: --name witness.example",
        )
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    unit = Folder(home).create_unit(settings.passphrase)
    return Signer(name, unit, unit.generate(Algorithm.EDDSA, role))


def _told(
    observer: Witness, origin: str, size: int, root: str, lines: Iterable[Any]
) -> dict[str, Any]:
    return {
        "name": observer.key.name,
        "key": observer.anchor.key,
        "origin": origin,
        "size": size,
        "root": root,
        "cosignature": "".join(line.line() for line in lines),
    }
