# SPDX-License-Identifier: Apache-2.0
"""The tree on disk: static files that any mirror can serve and any tlog client can read.

Keeps: 1. What ``append`` wrote is on disk (files and folders) when it returns; when it fails the
writer is as before. 2. A file that a published checkpoint needs is never written again: growth
makes new files, partial tiles carry their width in their name and go only once the full tile is
there. 3. A reader gets exactly the hashes a tree of its size has, or a clear problem: a file that
is short, long or absent never becomes a proof.
Standard: C2SP tlog-tiles v0.1.0 (tiles of height 8, partial tiles, entry bundles).
Does not: sign, publish, know what an entry means.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Final

from kizuna.model.errors import Absent, Malformed, Tampered
from kizuna.record.log.disk import unreadable, write_durably
from kizuna.record.log.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    MAX_TREE_SIZE,
    consistency_proof,
    inclusion_proof,
    root_of,
    subtree_root,
)

__all__ = [
    "MAX_ENTRY",
    "TILE_WIDTH",
    "Source",
    "TileReader",
    "TileWriter",
    "bundle_entries",
    "bundle_path",
    "directory",
    "partial_width",
    "tile_path",
]

TILE_WIDTH: Final = 256
MAX_ENTRY: Final = 0xFFFF
"""Longest entry of a bundle in bytes; ours have 32."""
MAX_BUNDLE: Final = TILE_WIDTH * (MAX_ENTRY + 2)
_CACHED_TILES: Final = 256
_TOP_LEVEL: Final = 7  # 256^8 > MAX_TREE_SIZE: no tile stands higher

Source = Callable[[str], bytes]
"""``fetch(path)``: the bytes of one file of a log, by its path below the log's prefix.

Raises ``Absent`` where there is no such file and ``Unavailable`` where it cannot be reached.
"""


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile below the log's prefix.

    Example:
        >>> tile_path(0, 1234067)
        'tile/0/x001/x234/067'
    """
    return f"tile/{level}/{_spelled(index, width)}"


def bundle_path(index: int, width: int = TILE_WIDTH) -> str:
    """Path of an entry bundle below the log's prefix."""
    return f"tile/entries/{_spelled(index, width)}"


def partial_width(level: int, size: int) -> int:
    """Width of the partial tile that a tree of ``size`` has at a level; 0 where it has none."""
    return (size >> 8 * level) % TILE_WIDTH


def directory(path: str | Path) -> Source:
    """The files of a log in a local folder."""
    root = Path(path)

    def fetch(name: str) -> bytes:
        try:
            return (root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as fault:
            raise Absent("log.file-absent", f"the log has no file {name}", path=name) from fault
        except OSError as fault:
            raise unreadable(name, fault) from fault

    return fetch


def bundle_entries(data: bytes, width: int, path: str = "an entry bundle") -> list[bytes]:
    """The entries of one bundle; ``path`` is what to call it.

    Raises:
        Tampered: ``log.bundle-malformed`` unless it holds exactly ``width`` entries.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) <= MAX_BUNDLE and len(entries) <= width:
        length = int.from_bytes(data[at : at + 2], "big")
        entry = data[at + 2 : at + 2 + length]
        if len(entry) != length or at + 2 > len(data):
            break
        entries.append(entry)
        at += 2 + length
    if at != len(data) or len(entries) != width:
        raise Tampered(
            "log.bundle-malformed",
            f"{path} does not hold exactly {width} entries",
            why="the file was cut or overwritten",
            hint="take the file from a mirror and run `kizuna log fsck`",
            path=path,
            width=width,
        )
    return entries


class TileReader:
    """Hashes and proofs of a log, read from its tiles.

    ``size`` is the size whose files exist (a published checkpoint, or the writer's own size);
    proofs may be asked for any size up to it.
    """

    def __init__(self, source: Source, size: int) -> None:
        if not 0 <= size <= MAX_TREE_SIZE:
            raise Malformed("log.sizes-wrong", f"no tree has {size} leaves", first=0, second=size)
        self._source = source
        self.size = size
        self._folded: OrderedDict[tuple[int, int, int], list[list[bytes]]] = OrderedDict()
        self._lock = Lock()

    def node(self, level: int, index: int) -> bytes:
        """Hash over the leaves ``index << level`` up to ``(index + 1) << level``."""
        if (index + 1) << level > self.size:
            raise Malformed(
                "log.index-outside",
                f"no complete subtree {index} at level {level} in a tree of {self.size}",
                index=index,
                size=self.size,
            )
        tile_level, inside = divmod(level, 8)
        number, offset = divmod(index << inside, TILE_WIDTH)
        return self._tile(tile_level, number)[inside][offset >> inside]

    def folded(self, number: int) -> list[list[bytes]]:
        """A tile of leaf hashes with everything above them in it: row by row, its root last where
        it is whole.
        """
        return self._tile(0, number)

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` leaves (default: all)."""
        size = self.size if size is None else size
        if not 0 <= size <= self.size:
            raise Malformed(
                "log.sizes-wrong",
                f"a tree of {self.size} leaves has no size {size}",
                first=size,
                second=self.size,
            )
        return root_of(size, self.node)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Inclusion proof of a leaf in the first ``size`` leaves."""
        return inclusion_proof(index, self.size if size is None else size, self.node)

    def consistency(self, first: int, second: int | None = None) -> tuple[bytes, ...]:
        """Consistency proof between two sizes."""
        return consistency_proof(first, self.size if second is None else second, self.node)

    def leaves(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Leaf hashes in order."""
        end = self.size if end is None else min(end, self.size)
        while start < end:
            row = self.hashes(0, start // TILE_WIDTH)
            stop = min(end - start + start % TILE_WIDTH, TILE_WIDTH)
            yield from row[start % TILE_WIDTH : stop]
            start += stop - start % TILE_WIDTH

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Entries in order, each checked against its leaf hash.

        Raises:
            Tampered: ``log.entry-wrong`` when a bundle does not fit its tile.
        """
        end = self.size if end is None else min(end, self.size)
        while start < end:
            number, first = divmod(start, TILE_WIDTH)
            found = self.bundle(number)
            row = self.hashes(0, number)
            stop = min(end - number * TILE_WIDTH, TILE_WIDTH)
            for at in range(first, stop):
                if sha256(b"\x00" + found[at]).digest() != row[at]:
                    raise Tampered(
                        "log.entry-wrong",
                        f"entry {number * TILE_WIDTH + at} does not fit its leaf hash",
                        hint="take the file from a mirror and run `kizuna log fsck`",
                        index=number * TILE_WIDTH + at,
                    )
                yield found[at]
            start = number * TILE_WIDTH + stop

    def bundle(self, number: int) -> list[bytes]:
        """The entries of one bundle, as wide as the tree's size makes it."""
        width = self._width(0, number)
        data, found = self._fetch(bundle_path, number, width)
        return bundle_entries(data, found, bundle_path(number, found))[:width]

    def hashes(self, level: int, number: int) -> list[bytes]:
        """The hashes of one tile, as wide as the tree's size makes it."""
        width = self._width(level, number)
        data, found = self._fetch(lambda index, wide: tile_path(level, index, wide), number, width)
        if len(data) != found * HASH_SIZE:
            raise Tampered(
                "log.tile-truncated",
                f"{tile_path(level, number, found)} has {len(data)} bytes, not {found * HASH_SIZE}",
                why="the file was cut or overwritten",
                hint="take the file from a mirror and run `kizuna log fsck`",
                path=tile_path(level, number, found),
                size=len(data),
                expected=found * HASH_SIZE,
            )
        return [data[at : at + HASH_SIZE] for at in range(0, width * HASH_SIZE, HASH_SIZE)]

    def _width(self, level: int, number: int) -> int:
        total = self.size >> 8 * level
        width = min(total - number * TILE_WIDTH, TILE_WIDTH)
        if width <= 0 or number < 0:
            raise Malformed(
                "log.index-outside",
                f"a tree of {self.size} leaves has no tile {number} at level {level}",
                index=number,
                size=self.size,
            )
        return width

    def _fetch(self, path: Callable[[int, int], str], number: int, width: int) -> tuple[bytes, int]:
        """The file for this width, or the full one where the partial one is gone already."""
        try:
            return self._source(path(number, width)), width
        except Absent:
            if width == TILE_WIDTH:
                raise
            try:
                return self._source(path(number, TILE_WIDTH)), TILE_WIDTH
            except Absent:
                raise Absent(
                    "log.file-absent",
                    f"the log has no file {path(number, width)}",
                    why="a checkpoint of this size was published, so the file must exist",
                    hint="take the file from a mirror and run `kizuna log fsck`",
                    path=path(number, width),
                ) from None

    def _tile(self, level: int, number: int) -> list[list[bytes]]:
        width = self._width(level, number)
        key = (level, number, width)
        with self._lock:
            known = self._folded.get(key)
            if known is not None:
                self._folded.move_to_end(key)
                return known
        row = self.hashes(level, number)
        folded = [row]
        while len(row) > 1:
            row = [
                sha256(b"\x01" + left + right).digest()
                for left, right in zip(row[::2], row[1::2], strict=False)
            ]
            folded.append(row)
        with self._lock:
            self._folded[key] = folded
            if len(self._folded) > _CACHED_TILES:
                self._folded.popitem(last=False)
        return folded


class TileWriter:
    """Appends to the tiles of a folder. One writer at a time: its owner holds the lock.

    Mutable state: ``size`` and the hashes of each level's partial tile; both change only after
    everything is on disk.
    """

    def __init__(self, path: str | Path, size: int = 0) -> None:
        """Continue a log of ``size`` leaves; files beyond it are left-overs and get overwritten.

        Raises:
            Tampered, Absent: when the files do not hold ``size`` leaves.
        """
        self.path = Path(path)
        reader = TileReader(directory(self.path), size)
        self.size = size
        self._superseded: list[str] = []
        self._rows: list[list[bytes]] = []
        self._entries: list[bytes] = []
        for level in range(_TOP_LEVEL + 1):
            if size >> 8 * level == 0:
                break
            row: list[bytes] = []
            if partial_width(level, size):
                row = reader.hashes(level, size >> 8 * level + 8)
            self._rows.append(row)
        if partial_width(0, size):
            self._entries = reader.bundle(size // TILE_WIDTH)

    def root(self) -> bytes:
        """Root of everything appended."""
        pieces: list[bytes] = []
        for row in self._rows:
            start = len(row)
            smaller: list[bytes] = []
            # a row of w hashes is a run of perfect subtrees, one for each bit of w
            at = 0
            for bit in reversed(range(start.bit_length())):
                if start >> bit & 1:
                    smaller.append(subtree_root(row[at : at + (1 << bit)]))
                    at += 1 << bit
            pieces = smaller + pieces
        if not pieces:
            return EMPTY_ROOT
        root = pieces[-1]
        for left in reversed(pieces[:-1]):
            root = sha256(b"\x01" + left + root).digest()
        return root

    def append(self, entries: Sequence[bytes]) -> None:
        """Add entries, durable when this returns.

        Raises:
            Malformed: ``log.entry-too-long``.
            Unavailable: ``log.not-written`` (disk full, permissions); nothing changed then.
        """
        if not entries:
            return
        if any(len(entry) > MAX_ENTRY for entry in entries):
            raise Malformed(
                "log.entry-too-long", f"an entry has at most {MAX_ENTRY} bytes", limit=MAX_ENTRY
            )
        rows = [list(row) for row in self._rows]
        files: dict[str, bytes] = {}
        superseded: list[str] = []
        bundle = list(self._entries)
        before = self.size
        number = before // TILE_WIDTH
        at = 0
        while at < len(entries):
            take = min(TILE_WIDTH - len(bundle), len(entries) - at)
            piece = entries[at : at + take]
            bundle.extend(piece)
            at += take
            if len(bundle) == TILE_WIDTH:
                files[bundle_path(number)] = _bundle(bundle)
                superseded.append(bundle_path(number, 1))
                bundle = []
                number += 1
        row = [sha256(b"\x00" + entry).digest() for entry in entries]
        level = 0
        while row:
            if level == len(rows):
                rows.append([])
            number = (before >> 8 * level) // TILE_WIDTH
            row = rows[level] + row
            above: list[bytes] = []
            full = len(row) // TILE_WIDTH
            for tile in range(full):
                hashes = row[tile * TILE_WIDTH : (tile + 1) * TILE_WIDTH]
                files[tile_path(level, number + tile)] = b"".join(hashes)
                superseded.append(tile_path(level, number + tile, 1))
                above.append(subtree_root(hashes))
            rows[level] = row[full * TILE_WIDTH :]
            if rows[level]:
                files[tile_path(level, number + full, len(rows[level]))] = b"".join(rows[level])
            row = above
            level += 1
        if bundle:
            number = (before + len(entries)) // TILE_WIDTH
            files[bundle_path(number, len(bundle))] = _bundle(bundle)
        write_durably(self.path, files)
        self.size = before + len(entries)
        self._rows, self._entries = rows, bundle
        self._superseded.extend(superseded)

    def tidy(self) -> None:
        """Remove partial tiles whose full tile is published: never before, a crash may need them.

        Best effort; what is left does no harm.
        """
        for name in self._superseded:
            _forget_partials(self.path / name)
        self._superseded.clear()

    def truncate(self, size: int) -> None:
        """Drop everything beyond ``size``: what a crash left before it was published.

        Raises:
            Malformed: ``log.sizes-wrong`` when ``size`` is larger than the log.
            Tampered, Absent: when the files do not hold ``size`` leaves.
        """
        fresh = TileWriter(self.path, size)
        # a partial tile that was tidied away is made again before its full tile goes
        files = {
            tile_path(level, size >> 8 * level + 8, len(row)): b"".join(row)
            for level, row in enumerate(fresh._rows)
            if row
        }
        if fresh._entries:
            files[bundle_path(size // TILE_WIDTH, len(fresh._entries))] = _bundle(fresh._entries)
        write_durably(
            self.path,
            {name: data for name, data in files.items() if not (self.path / name).is_file()},
        )
        self.size, self._rows, self._entries = size, fresh._rows, fresh._entries
        self._superseded.clear()
        for level in range(_TOP_LEVEL + 1):
            _drop_after(self.path, partial(tile_path, level), size >> 8 * level)
        _drop_after(self.path, bundle_path, size)


def _bundle(entries: Sequence[bytes]) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def _spelled(index: int, width: int) -> str:
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return name if width == TILE_WIDTH else f"{name}.p/{width}"


def _forget_partials(sample: Path) -> None:
    with suppress(OSError):
        for leftover in sample.parent.iterdir():
            leftover.unlink()
        sample.parent.rmdir()


def _drop_after(root: Path, path: Callable[[int, int], str], count: int) -> None:
    """Remove files that hold more than the first ``count`` hashes (or entries) of a level."""
    number, keep = divmod(count, TILE_WIDTH)
    while True:
        full = root / path(number, TILE_WIDTH)
        partials = (root / path(number, 1)).parent
        found = full.is_file()
        if found:
            full.unlink()
        if partials.is_dir():
            for leftover in list(partials.iterdir()):
                if not leftover.name.isdigit() or int(leftover.name) > keep:
                    leftover.unlink()
                    found = True
            if keep == 0:
                partials.rmdir()
        if not found and number * TILE_WIDTH >= count:
            return
        number, keep = number + 1, 0
