# SPDX-License-Identifier: Apache-2.0
"""Files that last: what was written is on disk, with its name, when a call returns.

Keeps: 1. A file that takes another's place does so in one step: readers see the old one or the new
one. 2. A disk that fails or is full is always the same two problems, ``log.not-written`` and
``log.unreadable``, and never a file half written under its final name where one was replaced.
Does not: know what is in the files.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, RLock
from time import monotonic, sleep
from typing import Final

from kizuna.model.errors import Unavailable

__all__ = [
    "FolderLock",
    "append_durably",
    "flush_folder",
    "make_folder",
    "not_written",
    "replace_durably",
    "unreadable",
    "write_durably",
]

_PAUSE: Final = 0.01  # seconds between two tries for a lock


def write_durably(root: Path, files: dict[str, bytes]) -> None:
    """Write files below ``root`` and bring them and their folders to disk.

    Raises:
        Unavailable: ``log.not-written``.
    """
    folders: set[Path] = set()
    descriptors: list[int] = []
    try:
        try:
            for name, data in files.items():
                path = root / name
                try:
                    descriptor = _create(path)
                except FileNotFoundError:
                    folders.update(_make_folders(path.parent))
                    descriptor = _create(path)
                descriptors.append(descriptor)
                folders.add(path.parent)
                _write_all(descriptor, data)
            if len(descriptors) > 2:  # the disk takes several waiting writes at once
                list(_flushers().map(os.fsync, descriptors))
            else:
                for descriptor in descriptors:
                    os.fsync(descriptor)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        list(_flushers().map(flush_folder, folders))
    except OSError as fault:
        raise not_written(fault.filename or root, fault) from fault


def replace_durably(path: Path, data: bytes) -> None:
    """Put a file in the place of another in one step: readers see the old one or the new one.

    Raises:
        Unavailable: ``log.not-written``.
    """
    fresh = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
        flush_folder(path.parent)
    except OSError as fault:
        raise not_written(path, fault) from fault


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        Unavailable: ``log.not-written``.
    """
    try:
        for parent in _make_folders(path):
            flush_folder(parent)
    except OSError as fault:
        raise not_written(path, fault) from fault


def flush_folder(path: Path) -> None:
    """Bring the names in a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_pool: ThreadPoolExecutor | None = None
_pool_lock = Lock()


def _flushers() -> ThreadPoolExecutor:
    """Threads that wait for the disk; made when first needed, shared by all logs."""
    global _pool  # noqa: PLW0603 - one pool for the process, like the disk
    with _pool_lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="kizuna-log-flush")
        return _pool


def _forget_flushers() -> None:
    """A forked child has none of its parent's threads."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, Lock()


os.register_at_fork(after_in_child=_forget_flushers)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


def _make_folders(path: Path) -> list[Path]:
    """Make missing folders; returns every folder that got a new name in it."""
    missing: list[Path] = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
    return [folder.parent for folder in missing]


def append_durably(path: Path, text: str) -> None:
    """Add lines to a file that only grows; one that a crash cut short is ended first.

    Raises:
        Unavailable: ``log.not-written``.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            length = os.fstat(descriptor).st_size
            torn = length > 0 and os.pread(descriptor, 1, length - 1) != b"\n"
            _write_all(descriptor, (f"\n{text}" if torn else text).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as fault:
        raise not_written(path, fault) from fault


class FolderLock:
    """One writer at a time, of all threads and processes; a call inside a call shares its hold."""

    def __init__(self, file: Path, folder: Path) -> None:
        """A lock held by a file, over a folder that problems name."""
        self.file = file
        self.folder = folder
        self._threads = RLock()
        self._depth = 0

    @property
    def nested(self) -> bool:
        """Whether the holder asks from a call inside a call."""
        return self._depth > 1

    @contextmanager
    def held(self, patience: float) -> Iterator[None]:
        """Hold the folder for one call, after at most ``patience`` seconds.

        Raises:
            Unavailable: ``log.busy``, ``log.not-written``.
        """
        with self._threads:
            if self._depth:
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                return
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as fault:
                raise not_written(self.file, fault) from fault
            try:
                self._take(descriptor, patience)
                self._depth = 1
                try:
                    yield
                finally:
                    self._depth = 0
            finally:
                os.close(descriptor)

    def _take(self, descriptor: int, patience: float) -> None:
        """Wait for another process's single call to end."""
        end = monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as fault:
                if monotonic() > end:
                    raise Unavailable(
                        "log.busy",
                        f"another process is writing to the log in {self.folder}",
                        hint="wait for it, or stop the other server",
                        path=str(self.folder),
                    ) from fault
                sleep(_PAUSE)
            else:
                return


def not_written(path: str | Path, fault: OSError) -> Unavailable:
    """What to raise when the disk does not take something."""
    return Unavailable(
        "log.not-written",
        f"the log could not be written ({path})",
        why=fault.strerror or str(fault),
        hint="make room on the disk or mend its permissions, then try again",
        path=str(path),
    )


def unreadable(path: str | Path, fault: OSError) -> Unavailable:
    """What to raise when the disk does not give something back."""
    return Unavailable(
        "log.unreadable",
        f"cannot read {path}",
        why=fault.strerror or str(fault),
        hint="check the disk and permissions",
        path=str(path),
    )
