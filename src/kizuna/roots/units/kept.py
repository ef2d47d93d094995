# SPDX-License-Identifier: Apache-2.0
"""Imitated registers that outlive a process, but not a restart of the machine: as a chip's do.

Keeps: 1. The event log lies in one file, closed by a key of the unit, bound to the system's boot:
after a restart the registers begin at zero. 2. It is written before a register moves. 3. A file
that was changed is ``unit.registers-damaged``, never a clean beginning.
Does not: notice that the file was removed, or put back as it was earlier in the same boot.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from kizuna.model.errors import Tampered, Unavailable
from kizuna.roots.units.registers import Registers
from kizuna.roots.units.unit import Event

__all__ = ["KeptRegisters", "boot_id"]

_BOUND: Final = b"kizuna registers 1"
_MAX: Final = 8 << 20
_Seal = Callable[[bytes, bytes], bytes]


def boot_id() -> bytes:
    """What the system calls its present boot; empty where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:64]
    except OSError:
        return b""


class KeptRegisters(Registers):
    """Registers with their log in a file.

    Args:
        path: of the file; made with the first event.
        boot: the present boot.
        close: encrypts and authenticates, given associated data.
        open_: undoes it.
    """

    def __init__(self, path: Path, boot: bytes, close: _Seal, open_: _Seal) -> None:
        self._path = path
        self._bound = _BOUND + boot
        self._close = close
        super().__init__(_read(path, boot, open_))
        self._boot = boot

    def _keep(self, events: tuple[Event, ...]) -> None:
        data = msgspec.msgpack.encode([(e.register, e.digest, e.data) for e in events])
        box = msgspec.msgpack.encode([self._boot, self._close(data, self._bound)])
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(box)
            beside.replace(self._path)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            raise Unavailable(
                "unit.unwritable",
                f"the registers {self._path} cannot be written",
                why=fault.strerror or "",
                hint="make room on the disk, and let the user who runs kizuna write there",
                path=str(self._path),
            ) from fault


def _read(path: Path, boot: bytes, open_: _Seal) -> list[Event]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX)
    except OSError:
        return []
    try:
        of, box = msgspec.msgpack.decode(data, type=tuple[bytes, bytes])
        if of != boot:
            return []
        rows = msgspec.msgpack.decode(
            open_(box, _BOUND + boot), type=list[tuple[int, bytes, bytes]]
        )
    except (msgspec.DecodeError, Tampered) as fault:
        raise Tampered(
            "unit.registers-damaged",
            f"the registers in {path} were changed by somebody without the unit",
            hint="restart the machine, or remove the file: the registers then begin at zero",
            path=str(path),
        ) from fault
    return [Event(*row) for row in rows]
