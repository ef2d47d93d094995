# SPDX-License-Identifier: Apache-2.0
"""The log as commands use it: checkpoints, proofs, checks, audits, mirrors, cosignatures.

Keeps: a mirror is told by its operator which log it copies and which keys that has. Those who look
and put their names to it stand in ``observers``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.entries import entry_named
from kizuna.app.wiring.network import checked_url, fetch
from kizuna.app.wiring.proofs import anchor_of, read_checkpoint
from kizuna.app.wiring.values import Progress, quiet
from kizuna.model.errors import Absent, Malformed, Refused, Tampered
from kizuna.model.trust import Anchors

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered
    from kizuna.record.log.audit import MapAudit
    from kizuna.record.log.fsck import Fault
    from kizuna.record.store import Store

__all__ = [
    "add_cosignature",
    "audit",
    "audit_told",
    "checkpoint",
    "fsck",
    "make_mirror",
    "prove",
    "replayed",
    "source_of",
]


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
    signed = 0
    try:
        again = store.recheck(lambda done: progress("phase.checking", done, len(rows)))
        signed = again.statements
        problems += [
            {"code": f.code, "what": f.what, "where": f"statement {f.index}"} for f in again.faults
        ]
    except (Tampered, Malformed, Absent) as fault:  # a file that ends the check is one more fault
        told = {"code": fault.code, "what": fault.what, "where": str(fault.about.get("path", ""))}
        problems += [told] if fault.code not in {p["code"] for p in problems} else []
    return {
        "origin": log.origin,
        "size": report.size,
        "signatures": signed,
        "root": report.root,
        "files": report.files,
        "checkpoints": report.checkpoints,
        "problems": problems,
        "awaits": "resume" if awaits else None,
    }


def audit(workspace: Workspace, *, progress: Progress = quiet) -> dict[str, Any]:
    """Replay every statement against every logged map head."""
    size = workspace.head().size
    with TemporaryDirectory(prefix="kizuna-audit-") as scratch:
        report = replayed(workspace, workspace.log.entries(), scratch, size, progress=progress)
    return audit_told(report)


def replayed(
    workspace: Workspace,
    entries: Iterable[bytes],
    scratch: str,
    size: int,
    *,
    progress: Progress = quiet,
) -> MapAudit:
    """The map made again from a store's statements, held against the ``entries`` of its log."""
    from kizuna.record.log.audit import audit_map

    store = workspace.store
    return audit_map(
        workspace.log.origin,
        store.reader().all(),
        entries,
        scratch,
        stored_keys=store.stored_keys,
        progress=lambda done: progress("phase.checking", done, size),
    )


def audit_told(report: MapAudit) -> dict[str, Any]:
    """What an audit found, as JSON."""
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
