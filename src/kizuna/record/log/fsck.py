# SPDX-License-Identifier: Apache-2.0
"""Check a log's files from the ground up: everything that can be computed is computed again.

Keeps: 1. Every fault is reported, not only the first; nothing is changed. 2. Bundles against leaf
hashes, every tile of every level, partial tiles, every published root, every signature, the map
against its rows, and entries against the store's own list: what is not in the report was checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from kizuna.model.errors import Problem, Unavailable
from kizuna.model.trust import LogAnchor, WitnessAnchor
from kizuna.record.log.checkpoint import Checkpoint, parse_checkpoint, witness_keys
from kizuna.record.log.history import History
from kizuna.record.log.map import MemoryHeads, VerifiableMap
from kizuna.record.log.merkle import EMPTY_ROOT, Frontier, subtree_root
from kizuna.record.log.note import NOTE, Note, NoteKey, Signature, parse_note, signed_by
from kizuna.record.log.receipt import root_protected
from kizuna.record.log.tiles import (
    TILE_WIDTH,
    TileReader,
    bundle_path,
    directory,
    partial_width,
    tile_path,
)
from kizuna.roots.cose import Sign1, check_sign1, decode

__all__ = ["Checked", "Fault", "check_log", "check_map"]

MAX_FAULTS: Final = 1000

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong: a problem's code, in words, and where."""

    code: str
    what: str
    where: str


@dataclass(slots=True)
class Checked:
    """What a check found. ``size`` and ``root`` are those of the last published checkpoint."""

    origin: str
    size: int = 0
    root: str = EMPTY_ROOT.hex()
    faults: list[Fault] = field(default_factory=list)
    files: int = 0
    checkpoints: int = 0

    def add(self, code: str, what: str, where: str) -> None:
        """Note a fault; beyond the first thousand they are only counted in the last."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(code, what, where))


def check_log(
    path: str | Path,
    anchor: LogAnchor,
    *,
    witnesses: Iterable[WitnessAnchor] = (),
    expected: Iterable[bytes] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Checked:
    """Compute a log (or a mirror) again from its entries.

    Args:
        path: folder of the log.
        anchor: origin and keys of the log.
        witnesses: whose cosignatures to check as well.
        expected: the entries as another record has them, in order (the store's statements).
        progress: called with (entries checked, entries in all).
    """
    folder = Path(path)
    report = Checked(anchor.origin)
    keys = [key for key in (NoteKey.parse(text) for text in anchor.keys) if key.kind == NOTE]
    shown = _check_shown(folder, anchor, keys, tuple(witnesses), report)
    history = _history(folder, report)
    size = shown.size if shown else 0
    roots: dict[int, list[tuple[str, bytes]]] = {}
    if shown is not None:
        roots.setdefault(shown.size, []).append(("checkpoint", shown.root))
        report.size, report.root = shown.size, shown.root.hex()
    if history is not None:
        size = max(size, _check_history(history, anchor, keys, shown, roots, report))
    _check_tree(folder, size, roots, expected, report, progress)
    return report


def check_map(
    path: str | Path,
    rows: Iterable[tuple[bytes, int, bytes]],
    covered: int,
    root: bytes | None = None,
) -> list[Fault]:
    """Compute the map again from all rows (key, index, digest) in the order of the log.

    Every node of the file is compared, and ``root`` (of the logged map head) where it is given.
    """
    faults: list[Fault] = []
    heads = MemoryHeads()
    with TemporaryDirectory(prefix="kizuna-map-") as scratch:
        fresh = VerifiableMap(Path(scratch) / "map", heads)
        batch: list[tuple[bytes, int, bytes]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 50_000:
                fresh.apply(batch, fresh.covered)
                batch = []
        fresh.apply(batch, covered)
        found = VerifiableMap(path, heads)
        try:
            if root is not None and fresh.root != root:
                faults.append(
                    Fault("map.rows-wrong", "the rows do not give the logged map head", str(path))
                )
            if found.covered != covered:
                faults.append(
                    Fault(
                        "map.behind",
                        f"the map covers {found.covered} of {covered} entries",
                        str(path),
                    )
                )
            elif found.differs_from(fresh):
                faults.append(
                    Fault("map.file-damaged", "the map's file is not what its rows give", str(path))
                )
        finally:
            found.close()
            fresh.close()
    return faults


def _check_shown(
    folder: Path,
    anchor: LogAnchor,
    keys: list[NoteKey],
    witnesses: tuple[WitnessAnchor, ...],
    report: Checked,
) -> Checkpoint | None:
    """The checkpoint in place: form, origin, signatures."""
    where = "checkpoint"
    try:
        note = parse_note(directory(folder)(where))
        shown = parse_checkpoint(note.text)
        if shown.origin != anchor.origin:
            report.add("log.origin-wrong", f"a checkpoint of {shown.origin[:200]!r}", where)
        if not signed_by(note, keys):
            report.add("log.not-signed", "no key of the log signed the checkpoint", where)
        signed_by(note, witness_keys(witnesses))
    except Problem as problem:
        report.add(problem.code, problem.what, where)
        return None
    return shown


def _history(folder: Path, report: Checked) -> History | None:
    path = folder / "state" / "published"
    if not path.exists():
        return None  # a mirror: it holds the last checkpoint only
    try:
        return History(path)
    except Problem as problem:
        report.add(problem.code, problem.what, "state/published")
        return None


def _check_history(
    history: History,
    anchor: LogAnchor,
    keys: list[NoteKey],
    shown: Checkpoint | None,
    roots: dict[int, list[tuple[str, bytes]]],
    report: Checked,
) -> int:
    """Every record: its own check, both signatures; its root is compared later."""
    by_thumbprint = {key.public.thumbprint: key for key in keys}
    for number in range(len(history)):
        where = f"state/published record {number}"
        try:
            record = history[number]
        except Problem as problem:
            report.add(problem.code, problem.what, where)
            continue
        report.checkpoints += 1
        roots.setdefault(record.size, []).append((where, record.root))
        key = by_thumbprint.get(record.key)
        if key is None:
            report.add("log.not-signed", "signed with a key that the anchors do not name", where)
            continue
        text = Checkpoint(anchor.origin, record.size, record.root).text()
        try:
            line = Signature(key.name, record.key_id, record.note)
            held = signed_by(Note(text, (line,)), [key])
        except Problem as problem:
            report.add(problem.code, problem.what, where)
            held = ()
        if not held:
            report.add("log.not-signed", "the checkpoint's signature is not the key's", where)
        protected = root_protected(
            anchor.origin, record.key, record.time, history.growth(record.size)
        )
        message = Sign1(
            protected=decode(protected),
            protected_bytes=protected,
            unprotected={},
            payload=None,
            signature=record.receipt,
        )
        if not check_sign1(message, key.public, record.root):
            report.add("log.receipt-wrong", "the signature for receipts does not hold", where)
    last = history.sizes[-1] if len(history) else 0
    if len(history) and (shown is None or shown.size != last):
        report.add(
            "log.checkpoint-behind",
            f"the checkpoint in place is not the last one signed (size {last})",
            "checkpoint",
        )
    return last


def _check_tree(
    folder: Path,
    size: int,
    roots: dict[int, list[tuple[str, bytes]]],
    expected: Iterable[bytes] | None,
    report: Checked,
    progress: Progress,
) -> None:
    """Bundles → leaves → every tile → every published root."""
    source = directory(folder)
    reader = TileReader(source, size)
    frontier = Frontier()
    rows: list[list[bytes]] = [[]]
    numbers = [0]
    others: Iterator[bytes] | None = iter(expected) if expected is not None else None
    _compare_root(roots, frontier, report)
    for number in range(-(-size // TILE_WIDTH)):
        width = min(size - number * TILE_WIDTH, TILE_WIDTH)
        entries: list[bytes | None] = [None] * width
        where = bundle_path(number, width)
        try:
            entries = list(reader.bundle(number))
            report.files += 1
        except Problem as problem:
            report.add(problem.code, problem.what, where)
        leaves: list[bytes] = []
        try:
            leaves = reader.hashes(0, number)
        except Problem as problem:
            report.add(problem.code, problem.what, tile_path(0, number, width))
        for at, entry in enumerate(entries):
            index = number * TILE_WIDTH + at
            if others is not None:
                other = next(others, None)
                if entry is not None and other != entry:
                    report.add(
                        "log.entry-differs",
                        f"entry {index} is not the statement that the store has there",
                        f"{where} entry {at}",
                    )
            if entry is None:
                leaf = leaves[at] if leaves else b"\x00" * 32
            else:
                leaf = sha256(b"\x00" + entry).digest()
                if leaves and leaf != leaves[at]:
                    report.add(
                        "log.entry-wrong",
                        f"entry {index} does not fit its leaf hash",
                        f"{where} entry {at}",
                    )
            frontier.append(leaf)
            rows[0].append(leaf)
            if frontier.size in roots:
                _compare_root(roots, frontier, report)
            if len(rows[0]) == TILE_WIDTH:
                _close_tiles(reader, rows, numbers, report)
        progress(frontier.size, size)
    for level, row in enumerate(rows):
        if row and level > 0:
            _compare_tile(reader, level, numbers[level], row, report)
    _check_partials(folder, size, report)
    for published, named in roots.items():
        if published > size:
            for where, _ in named:
                report.add("log.rolled-back", f"a tree of {published} was signed", where)
    if others is not None and next(others, None) is not None:
        report.add("log.entry-missing", "the store has statements that the log has not", "entries")


def _compare_root(
    roots: dict[int, list[tuple[str, bytes]]], frontier: Frontier, report: Checked
) -> None:
    for where, root in roots.get(frontier.size, ()):
        if frontier.root() != root:
            report.add(
                "log.tiles-differ",
                f"the entries do not give the root published for size {frontier.size}",
                where,
            )


def _close_tiles(
    reader: TileReader, rows: list[list[bytes]], numbers: list[int], report: Checked
) -> None:
    level = 0
    while len(rows[level]) == TILE_WIDTH:
        row = rows[level]
        if level > 0:
            _compare_tile(reader, level, numbers[level], row, report)
        if level + 1 == len(rows):
            rows.append([])
            numbers.append(0)
        rows[level + 1].append(subtree_root(row))
        rows[level] = []
        numbers[level] += 1
        level += 1


def _compare_tile(
    reader: TileReader, level: int, number: int, row: list[bytes], report: Checked
) -> None:
    where = tile_path(level, number, len(row))
    try:
        found = reader.hashes(level, number)
        report.files += 1
    except Problem as problem:
        report.add(problem.code, problem.what, where)
        return
    if found != row:
        report.add("log.tile-wrong", "the tile is not what the entries give", where)


def _check_partials(folder: Path, size: int, report: Checked) -> None:
    """Partial tiles that stand beside the current one must be beginnings of it."""
    for level in range(8):
        width = partial_width(level, size)
        if not size >> 8 * level:
            break
        number = size >> 8 * level + 8
        if not width:
            continue
        for path, unit in ((tile_path(level, number, width), 32), (bundle_path(number, width), 0)):
            if unit == 0 and level:
                continue
            whole = folder / path
            try:
                current = whole.read_bytes() if whole.exists() else b""
                for other in sorted(whole.parent.glob("*")) if current else ():
                    data = other.read_bytes()
                    if other.name.isdigit() and int(other.name) < width:
                        report.files += 1
                        short = unit and len(data) != unit * int(other.name)
                        if short or not current.startswith(data):
                            report.add(
                                "log.tile-wrong",
                                "the partial tile is no beginning of the present one",
                                str(other.relative_to(folder)),
                            )
            except OSError as fault:
                problem = Unavailable("log.unreadable", f"cannot read {path}: {fault.strerror}")
                report.add(problem.code, problem.what, path)
