# SPDX-License-Identifier: Apache-2.0
"""Backup and restore: a copy of a store that can be read at once and never forks its log.

Keeps: 1. A copy is of one instant: no writer is let in while files are copied. 2. Every file is in
the manifest with its hash; a copy that does not fit its manifest is not restored. 3. A restored
store reads, proves and judges, but does not write until its operator has shown it the newest
checkpoint anyone has (``resume``), because what was published after the backup may be missing.
4. Keys are not in the copy: they are their unit's to keep.

Layout: ``manifest.json``, ``tables`` (as the back end writes them), and the log's folder as it is,
without locks and without the map, which is made again from the tables.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from kizuna.model.errors import Malformed, Misconfigured, Refused, Tampered, Unavailable
from kizuna.model.verdict import Known
from kizuna.record.store.backend import Backend, disk_full
from kizuna.record.store.store import MAP, Store
from kizuna.record.store.version import CURRENT

__all__ = ["Manifest", "backup", "read_manifest", "restore"]

_TABLES: Final = "tables"
_LOG: Final = "log"
_FORMAT: Final = 1
_LEFT_OUT: Final = frozenset({MAP, "writer.lock", "lock"})
_BLOCK: Final = 1 << 20


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a backup is a backup of."""

    format: int
    schema: int
    backend: str
    origin: str
    size: int
    root: str
    made_at: int
    files: dict[str, tuple[int, str]]
    """Length and SHA-256 of each file, by its path in the backup."""

    @property
    def known(self) -> Known:
        """The checkpoint that the backup stands at."""
        return Known(origin=self.origin, size=self.size, root=self.root)


def backup(store: Store, target: Path, *, now: int) -> Manifest:
    """Copy a store, while it serves readers, to a new folder.

    Raises:
        Refused: ``backup.exists`` when there is something at ``target``.
        Unavailable: ``store.busy``, ``store.disk-full``.
    """
    if target.exists():
        raise Refused(
            "backup.exists",
            f"there is something at {target} already",
            hint="name a folder that does not exist yet",
            path=str(target),
        )
    unfinished = target.with_name(target.name + ".unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)  # what is restricted is in it
        (unfinished / _LOG).mkdir()
        with store.quiescent():
            store.refresh()
            head = store.head()
            store.backend.copy_to(str(unfinished / _TABLES))
            for path in _files(store.folder):
                copy = unfinished / _LOG / path.relative_to(store.folder)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
        manifest = Manifest(
            format=_FORMAT,
            schema=CURRENT,
            backend=store.backend.name,
            origin=head.origin,
            size=head.size,
            root=head.root,
            made_at=now,
            files={
                str(path.relative_to(unfinished)): (path.stat().st_size, _hash(path))
                for path in sorted(unfinished.rglob("*"))
                if path.is_file()
            },
        )
        (unfinished / "manifest.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        )
        _flush(unfinished)
        unfinished.rename(target)
    except OSError as fault:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise disk_full(str(fault)) from fault
    except Unavailable:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return manifest


def read_manifest(source: Path) -> Manifest:
    """The manifest of a backup, every file checked against it.

    Raises:
        Malformed: ``backup.malformed``. Tampered: ``backup.differs``.
    """
    try:
        manifest = msgspec.json.decode((source / "manifest.json").read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Malformed(
            "backup.malformed",
            f"{source} is no backup of a store",
            why=str(fault),
            hint="name the folder that `kizuna store backup` made",
            path=str(source),
        ) from fault
    for name, (length, digest) in manifest.files.items():
        path = source / name
        if (
            ".." in Path(name).parts
            or not path.is_file()
            or path.stat().st_size != length
            or _hash(path) != digest
        ):
            raise Tampered(
                "backup.differs",
                f"{name} is not the file that the backup was made with",
                why="it is missing, was cut short or was changed",
                hint="use another backup",
                file=name[:200],
            )
    return manifest


def restore(source: Path, folder: Path, backend: Backend) -> Manifest:
    """Make a store from a backup, in an empty folder and an empty database.

    The store reads at once; it writes after ``Store.resume``.

    Raises:
        Refused: ``store.exists`` when there is a store already.
        Misconfigured: ``backup.other-backend``, ``store.schema-newer``.
        Malformed, Tampered: as ``read_manifest``.
    """
    manifest = read_manifest(source)
    if manifest.backend != backend.name:
        raise Misconfigured(
            "backup.other-backend",
            f"the backup is of {manifest.backend}, the store's database is {backend.name}",
            hint="restore into the same kind of database; statements can be moved by rebuilding",
            found=manifest.backend,
            wanted=backend.name,
        )
    if backend.version() or (folder.exists() and any(folder.iterdir())):
        raise Refused(
            "store.exists",
            "there is a store here already",
            why="restoring over it would lose what it holds",
            hint="restore into an empty folder and an empty database",
            path=str(folder),
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in manifest.files:
            path = Path(name)
            if path.parts[0] == _LOG:
                copy = folder.joinpath(*path.parts[1:])
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / path, copy)
        backend.restore_from(str(source / _TABLES))
        backend.migrate()
        with backend.writing(10.0) as tables:
            tables.set_meta("restored", f"{manifest.size} {manifest.root}".encode())
    except OSError as fault:
        raise disk_full(str(fault)) from fault
    _flush(folder)
    return manifest


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in _LEFT_OUT and not path.name.startswith("."):
            yield path


def _hash(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def _flush(folder: Path) -> None:
    """Bring every file of a tree, and the folders that name them, to disk."""
    for path in (folder, *folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
