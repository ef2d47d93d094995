# SPDX-License-Identifier: Apache-2.0
"""The log as commands use it: checkpoints, proofs, audits, mirrors, witnesses.

Keeps: 1. A mirror and a witness are told by their operator which log they watch and which keys it
has. 2. A witness has its own folder and its own key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.entries import entry_named
from kizuna.app.wiring.folder import Folder
from kizuna.app.wiring.network import checked_url, fetch
from kizuna.app.wiring.proofs import anchor_of, read_checkpoint
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Progress, quiet
from kizuna.model.errors import Malformed, Refused
from kizuna.model.trust import Anchors

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered
    from kizuna.record.log.fsck import Fault
    from kizuna.record.store import Store

__all__ = [
    "add_cosignature",
    "audit",
    "checkpoint",
    "fsck",
    "make_mirror",
    "prove",
    "source_of",
    "witness",
]

_WITNESS_LABEL: Final = "witness"


def checkpoint(workspace: Workspace) -> dict[str, Any]:
    """The last published checkpoint."""
    known = workspace.head()
    note = workspace.log.checkpoint()
    return {
        "origin": known.origin,
        "size": known.size,
        "root": known.root,
        "published_at": workspace.log.published_at,
        "keys": [key.vkey for key in workspace.log.keys],
        "checkpoint": note.decode(),
    }


def prove(workspace: Workspace, which: str) -> dict[str, Any]:
    """That one entry, named by index or digest, is in the log.

    Raises:
        Absent: ``statement.unknown``, ``log.not-published``. Malformed: ``log.entry-unnamed``.
    """
    from kizuna.record.log.proof import LogProof

    found = entry_named(workspace, which)
    size = workspace.log.published_size
    proof = LogProof(
        found.index,
        workspace.log.inclusion(found.index, size),
        workspace.log.note(size).to_bytes(),
    )
    return {
        "index": found.index,
        "digest": found.statement.digest.hex(),
        "size": size,
        "root": workspace.log.root(size).hex(),
        "proof": proof.to_bytes().decode(),
        "receipt": base64.b64encode(workspace.log.receipt(found.index, size)).decode(),
    }


def fsck(workspace: Workspace, *, progress: Progress = quiet) -> dict[str, Any]:
    """Compute log and map again from the ground up, and check every signature again; ``problems``
    is empty where all holds. ``awaits`` says what a store that was restored still waits for.
    """
    from kizuna.record.log.fsck import check_log, check_map
    from kizuna.record.log.map_head import read_map_head

    store, log = workspace.store, workspace.log
    refusal = store.refusal()
    awaits = refusal is not None and refusal.code == "store.restored"
    reader = store.reader()
    rows = [row for page in reader.all() for row in page]
    report = check_log(
        log.path,
        log.anchor(),
        witnesses=workspace.anchors().witnesses,
        expected=(row.statement.digest for row in rows),
        progress=lambda done, total: progress("phase.checking", done, total),
    )
    problems = [_fault(f) for f in report.faults]
    if rows:
        head = read_map_head(rows[-1].statement, log.origin, rows[-1].index)
        pairs = (
            (key, row.index, bytes(row.statement.digest))
            for row in rows[:-1]
            for key in _keys(store, row)
        )
        problems += [
            _fault(f)
            for f in check_map(workspace.folder.map, pairs, head.size, head.root)
            if not (awaits and f.code == "map.behind")  # a restored map is made again later
        ]
    signed = store.recheck(lambda done: progress("phase.checking", done, len(rows)))
    problems += [
        {"code": f.code, "what": f.what, "where": f"statement {f.index}"} for f in signed.faults
    ]
    return {
        "origin": log.origin,
        "size": report.size,
        "signatures": signed.statements,
        "root": report.root,
        "files": report.files,
        "checkpoints": report.checkpoints,
        "problems": problems,
        "awaits": "resume" if awaits else None,
    }


def audit(workspace: Workspace, *, progress: Progress = quiet) -> dict[str, Any]:
    """Replay every statement against every logged map head."""
    from kizuna.record.log.audit import audit_map

    store = workspace.store
    size = workspace.head().size
    with TemporaryDirectory(prefix="kizuna-audit-") as scratch:
        report = audit_map(
            workspace.log.origin,
            store.reader().all(),
            workspace.log.entries(),
            scratch,
            stored_keys=store.stored_keys,
            progress=lambda done: progress("phase.checking", done, size),
        )
    return {
        "origin": report.origin,
        "entries": report.entries,
        "heads": report.heads,
        "on_trust": report.on_trust,
        "holds": report.holds,
        "problems": [_fault(f) for f in report.faults],
    }


def source_of(where: str) -> Callable[[str], bytes]:
    """The files of a log in a folder, or at an address."""
    from kizuna.record.log.tiles import directory

    if not where.startswith(("http://", "https://")):
        folder = Path(where)
        return directory(folder / "log" if (folder / "kizuna.json").is_file() else folder)
    base = checked_url(where)

    def take(name: str) -> bytes:
        return fetch(f"{base}/{name}", limit=16 << 20)

    return take


def make_mirror(
    where: str, into: str, anchors: Anchors, *, progress: Progress = quiet
) -> dict[str, Any]:
    """Bring a mirror up to the log's present checkpoint."""
    from kizuna.record.log.mirror import mirror

    source = source_of(where)
    origin = read_checkpoint(source("checkpoint")).origin
    brought = mirror(
        source,
        into,
        anchor_of(anchors, origin),
        witnesses=anchors.witnesses,
        progress=lambda done, total: progress("phase.copying", done, total),
    )
    return {
        "origin": brought.checkpoint.origin,
        "size": brought.checkpoint.size,
        "root": brought.checkpoint.known.root,
        "added": brought.added,
        "witnesses": [name for name, _ in brought.witnesses],
        "folder": into,
    }


def witness(
    folder: str, where: str, anchors: Anchors, settings: Settings, *, name: str | None
) -> dict[str, Any]:
    """Look at a log, check that it only grew, cosign its checkpoint.

    Raises:
        Malformed: ``witness.name``. Tampered: ``log.rolled-back``, ``log.forked`` ...
    """
    from kizuna.record.log.signer import Signer
    from kizuna.record.log.witness import Witness
    from kizuna.roots.keys import Algorithm
    from kizuna.roots.units import Unit

    home = Path(folder)
    described = home / "witness.json"
    unit: Unit
    if described.is_file():
        told = json.loads(described.read_text(encoding="utf-8"))
        unit = Folder(home).open_unit(settings.passphrase)
        handle = next(h for h in unit.handles() if h.label == _WITNESS_LABEL)
        chosen = str(told["name"])
    else:
        if not name:
            raise Malformed(
                "witness.name",
                "a new witness needs a name",
                hint="give it one that is yours alone: --name witness.example",
            )
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        unit = Folder(home).create_unit(settings.passphrase)
        handle = unit.generate(Algorithm.EDDSA, _WITNESS_LABEL)
        chosen = name
    observer = Witness(home / "state", Signer(chosen, unit, handle), anchors.logs)
    if not described.is_file():
        described.write_text(json.dumps({"name": chosen}), encoding="utf-8")
    source = source_of(where)
    seen = read_checkpoint(source("checkpoint"))
    lines = observer.observe(source, seen.origin, settings.clock())
    return {
        "name": chosen,
        "key": observer.anchor.key,
        "origin": seen.origin,
        "size": seen.size,
        "root": seen.root,
        "cosignature": "".join(line.line() for line in lines),
    }


def add_cosignature(workspace: Workspace, lines: bytes) -> dict[str, Any]:
    """Keep a witness's answer beside the log's checkpoint.

    Raises:
        Refused: ``log.no-witness`` where none of the lines is of a believed witness.
    """
    from kizuna.record.log import NoteKey

    witnesses = [NoteKey.parse(w.key) for w in workspace.anchors().witnesses]
    kept = workspace.log.add_cosignatures(lines, witnesses)
    if not kept:
        raise Refused(
            "log.no-witness",
            "no line is the cosignature of a witness that is believed here",
            hint="believe the witness first: `kizuna trust witness VKEY`",
        )
    return {"kept": kept, **checkpoint(workspace)}


def _keys(store: Store, row: Registered) -> Sequence[bytes]:
    """Map keys of a row: those stored at registration where its document is gone."""
    from kizuna.record.log.keys import keys_of

    said = row.statement
    if said.document is not None and said.payload is None:
        return store.stored_keys(said)
    return keys_of(said)


def _fault(fault: Fault) -> dict[str, str]:
    return {"code": fault.code, "what": fault.what, "where": fault.where}
