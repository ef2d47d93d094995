# SPDX-License-Identifier: Apache-2.0
"""Keys that only a chip can open, kept as blobs in one file; and event logs beside it.

Keeps: 1. The file holds no secret: what is in it is encrypted by the chip. 2. It is written whole
or not at all, under a lock, so that two processes do not lose each other's keys. 3. It is bounded,
and a damaged one is named as that. Whoever changes it can take keys away, not make them work
differently: the chip authenticates each blob, and the public key is read out of that blob's own
public area.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from kizuna.model.errors import Misconfigured, Unavailable
from kizuna.roots.units.problems import full
from kizuna.roots.units.unit import Purpose

__all__ = ["Kept", "KeptFile"]

_MAX_FILE: Final = 16 << 20
_MAX_KEYS: Final = 10_000


class Kept(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key; without a purpose it is an AES key that the chip sealed."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    label: Annotated[str, Meta(max_length=200)]
    public: Annotated[bytes, Meta(max_length=1024)]
    private: Annotated[bytes, Meta(max_length=2048)]
    purpose: Purpose | None = None
    point: Annotated[bytes, Meta(max_length=64)] = b""
    selection: Annotated[tuple[int, ...], Meta(max_length=24)] = ()


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["kizuna-wrapped-keys-1"]
    keys: Annotated[list[Kept], Meta(max_length=_MAX_KEYS)]


class KeptFile:
    """The file of wrapped keys; made when the first key is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Kept]:
        """Every key, oldest first.

        Raises:
            Misconfigured: ``unit.damaged``, ``unit.unreadable``.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(_MAX_FILE + 1)
        except FileNotFoundError:
            return []
        except OSError as fault:
            raise Misconfigured(
                "unit.unreadable",
                f"the key file {self.path} cannot be read",
                why=fault.strerror or "",
                hint="let the user who runs kizuna read it",
                path=str(self.path),
            ) from fault
        try:
            return msgspec.msgpack.decode(data[:_MAX_FILE], type=_File).keys
        except (msgspec.DecodeError, ValueError) as fault:
            raise Misconfigured(
                "unit.damaged",
                f"not a key file, or cut short: {self.path}",
                hint="restore the file from its backup",
                path=str(self.path),
            ) from fault

    def add(self, key: Kept) -> None:
        """Keep one more.

        Raises:
            Misconfigured: ``unit.full``. Unavailable: ``unit.unwritable``.
        """
        with self._exclusive():
            kept = self.read()
            if len(kept) >= _MAX_KEYS:
                raise full("tpm", _MAX_KEYS)
            self._write([*kept, key])

    def remove(self, name: str) -> bool:
        """Take one out; whether it was there."""
        with self._exclusive():
            kept = self.read()
            left = [key for key in kept if key.id != name]
            if len(left) == len(kept):
                return False
            self._write(left)
            return True

    def _write(self, keys: list[Kept]) -> None:
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.msgpack.encode(_File("kizuna-wrapped-keys-1", keys)))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            raise self._unwritable(fault) from fault

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(
                self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600
            )
        except OSError as fault:
            raise self._unwritable(fault) from fault
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)

    def _unwritable(self, fault: OSError) -> Unavailable:
        return Unavailable(
            "unit.unwritable",
            f"the key file {self.path} cannot be written",
            why=fault.strerror or "",
            hint="make room on the disk, and let the user who runs kizuna write there",
            path=str(self.path),
        )
