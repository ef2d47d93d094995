# SPDX-License-Identifier: Apache-2.0
"""A mirror: a second copy of a log's public files that does not take the log's word for them.

Keeps: 1. The copy is built from the entries: every tile in it was computed here, and its root is
the signed one, or nothing is shown. 2. A mirror only grows: a smaller checkpoint, or one whose tree
does not continue the copy, changes nothing, and both signed notes are kept as evidence. 3. An
interrupted run continues where it stopped.
Standard: C2SP tlog-tiles; a mirror serves the same files as the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kizuna.model.errors import Absent, Problem, Tampered
from kizuna.model.trust import LogAnchor, WitnessAnchor
from kizuna.record.log.checkpoint import Checkpoint, SignedCheckpoint, read_checkpoint
from kizuna.record.log.disk import make_folder, replace_durably
from kizuna.record.log.evidence import keep_evidence
from kizuna.record.log.tiles import TILE_WIDTH, Source, TileReader, TileWriter, directory

__all__ = ["Mirrored", "mirror"]

_CHUNK: Final = 64 * TILE_WIDTH
_PROGRESS: Final = ".progress"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a run brought: the checkpoint now held, and how many entries were new."""

    checkpoint: Checkpoint
    witnesses: tuple[tuple[str, int], ...]
    added: int


def mirror(
    source: Source,
    into: str | Path,
    anchor: LogAnchor,
    *,
    witnesses: Iterable[WitnessAnchor] = (),
    progress: Progress = lambda _done, _total: None,
) -> Mirrored:
    """Bring a mirror up to the log's present checkpoint.

    Args:
        source: the log's files (``tiles.directory`` or a fetch over the network).
        into: folder of the mirror; empty or missing at first.
        anchor: origin and keys of the log, from whoever runs the mirror.
        witnesses: whose cosignatures to report.
        progress: called with (entries held, entries in all).

    Raises:
        Tampered: ``log.rolled-back``, ``log.forked``, ``log.tiles-differ``, ``log.not-signed`` ...
        Absent, Unavailable: when files are missing or out of reach; what was brought is kept.
    """
    folder = Path(into)
    make_folder(folder)
    witnesses = tuple(witnesses)
    note = source("checkpoint")
    offered = read_checkpoint(note, anchor, witnesses)
    held = _held(folder, anchor)
    before = held.checkpoint.size if held else 0
    if held is not None:
        _check_growth(held, offered, folder)
    target = offered.checkpoint
    writer = _resume(folder, before, target.size)
    reader = TileReader(source, target.size)
    progress(before, target.size)
    try:
        while writer.size < target.size:
            chunk: list[bytes] = []
            at = writer.size
            while at < target.size and len(chunk) < _CHUNK:
                number, skip = divmod(at, TILE_WIDTH)
                entries = reader.bundle(number)[skip:]
                chunk.extend(entries)
                at += len(entries)
            writer.append(chunk)
            replace_durably(folder / _PROGRESS, str(writer.size).encode())
            progress(writer.size, target.size)
        if writer.root() != target.root:
            raise _explain(held, offered, reader, folder)
    except Tampered:
        writer.truncate(before)
        (folder / _PROGRESS).unlink(missing_ok=True)
        raise
    merged = offered.note
    if held is not None and held.checkpoint == target:
        merged = merged.with_signatures(held.note.signatures)
    replace_durably(folder / "checkpoint", merged.to_bytes())
    (folder / _PROGRESS).unlink(missing_ok=True)
    writer.tidy()
    return Mirrored(target, offered.witnesses, target.size - before)


def _resume(folder: Path, held: int, target: int) -> TileWriter:
    """Continue where an interrupted run stopped: what it wrote is judged with the rest."""
    try:
        reached = int((folder / _PROGRESS).read_bytes()[:20])
        if held < reached <= target:
            return TileWriter(folder, reached)
    except (OSError, ValueError, Tampered, Absent):
        pass
    return TileWriter(folder, held)


def _held(folder: Path, anchor: LogAnchor) -> SignedCheckpoint | None:
    if not (folder / "checkpoint").exists():
        return None
    return read_checkpoint(directory(folder)("checkpoint"), anchor)


def _check_growth(held: SignedCheckpoint, offered: SignedCheckpoint, folder: Path) -> None:
    old, new = held.checkpoint, offered.checkpoint
    if new.size < old.size:
        keep_evidence(folder / "evidence", held.note.to_bytes(), offered.note.to_bytes())
        raise Tampered(
            "log.rolled-back",
            f"the log shows {new.size} entries and has shown {old.size}",
            why="it was restored from an old backup, or shows different trees to different people",
            hint="both checkpoints are kept in the mirror's evidence folder; tell its operator",
            signed=old.size,
            size=new.size,
        )
    if new.size == old.size and new.root != old.root:
        raise _forked(held, offered, folder)


def _explain(
    held: SignedCheckpoint | None, offered: SignedCheckpoint, reader: TileReader, folder: Path
) -> Tampered:
    """Whose fault it is that the entries do not give the signed root."""
    try:
        honest_files = reader.root() == offered.checkpoint.root
        if held is not None and honest_files:
            size = held.checkpoint.size
            if reader.root(size) != held.checkpoint.root:
                return _forked(held, offered, folder)
    except Problem:
        honest_files = False
    return Tampered(
        "log.tiles-differ",
        f"the entries do not give the root signed for size {offered.checkpoint.size}",
        why="entry bundles and tiles do not fit each other"
        if honest_files
        else "files of the log are damaged or were changed",
        hint="nothing was taken over; tell the log's operator, or mirror from another copy",
        size=offered.checkpoint.size,
    )


def _forked(held: SignedCheckpoint, offered: SignedCheckpoint, folder: Path) -> Tampered:
    keep_evidence(folder / "evidence", held.note.to_bytes(), offered.note.to_bytes())
    return Tampered(
        "log.forked",
        f"{offered.checkpoint.origin} has signed two histories",
        why="the tree it shows now does not continue the one it signed before",
        hint="both checkpoints are kept in the mirror's evidence folder: publish them",
        origin=offered.checkpoint.origin,
        size=offered.checkpoint.size,
    )
