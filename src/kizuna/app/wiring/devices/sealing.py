# SPDX-License-Identifier: Apache-2.0
"""Secrets of a fleet at rest, of devices and of epochs: closed under a key of the store's unit.

::

    fleet/sealing   data keys, each closed under an AES key of the unit; the last one is in use

A data key closes each secret (AES-256-GCM, bound to the device's name, or to being that of epochs);
the unit is asked once a process, however many devices there are.

Keeps: 1. The folder of the fleet, copied alone, opens nothing: the unit's keys are needed, and what
opens them. 2. A secret under another device's name does not open. 3. Renewing closes everything
under a new data key before the old one ends; stopped in between, both open.
Does not protect: the running verifier holds the secrets, as it must, to check what devices send.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Misconfigured, Tampered
from kizuna.roots.units.soft import close_box, open_box

if TYPE_CHECKING:
    from kizuna.roots.units import Unit

__all__ = ["Sealing"]

LABEL: Final = "secrets of devices"
_BOUND: Final = b"kizuna fleet 1: data key "
_DEVICE: Final = b"kizuna fleet 1: device "
_EPOCHS: Final = b"kizuna fleet 1: epochs"
_SIZE: Final = 32
_MAX_FILE: Final = 64 << 10


class _Keeper(Protocol):
    """Whoever has the unit; asked for it only when a secret is closed or opened."""

    @property
    def unit(self) -> Unit:
        """Where the keys are."""
        ...


class _Key(Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    secret: str
    """The AES key of the unit, by id."""
    box: str
    """The data key, closed under it, in hexadecimal."""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    keys: list[_Key]


class Sealing:
    """Closes and opens the secrets of one fleet. Whoever closes holds the fleet's turn to write."""

    def __init__(self, keeper: _Keeper, file: Path) -> None:
        self._keeper = keeper
        self._file = file
        self._mark: tuple[int, int] = (0, 0)
        self._keys: dict[str, bytes] = {}

    def close(self, secret: bytes, subject: str) -> str:
        """A device's secret, closed, as text."""
        return self._close(secret, _DEVICE + subject.encode())

    def close_epochs(self, secret: bytes) -> str:
        """The secret of epochs, closed, as text."""
        return self._close(secret, _EPOCHS)

    def ready(self) -> None:
        """See that secrets can be closed, before anything is said that supposes it.

        Raises:
            Misconfigured: ``fleet.sealing-lost``. Refused: ``gate.*``. Unavailable: ``unit.*``.
        """
        if not self._data_keys():
            self._add([])

    def open(self, closed: str, subject: str) -> bytes:
        """What was closed for this device.

        Raises:
            Misconfigured: ``fleet.sealing-lost``. Tampered: ``fleet.secret-changed``.
        """
        try:
            return self._open(closed, _DEVICE + subject.encode())
        except (Tampered, ValueError) as fault:
            raise Tampered(
                "fleet.secret-changed",
                f"the shared secret of {subject[:200]} was changed where it is kept",
                why="its seal does not hold for this device",
                hint="restore fleet/devices and fleet/sealing from one backup, or enrol the device "
                "anew",
                subject=subject[:200],
            ) from fault

    def open_epochs(self, closed: str) -> bytes:
        """The secret of epochs.

        Raises:
            Misconfigured: ``fleet.sealing-lost``. Tampered: ``fleet.epochs-changed``.
        """
        try:
            return self._open(closed, _EPOCHS)
        except (Tampered, ValueError) as fault:
            raise Tampered(
                "fleet.epochs-changed",
                "the secret of this fleet's epochs was changed where it is kept",
                why="its seal does not hold",
                hint="restore fleet/secret and fleet/sealing from one backup, or take fleet/secret "
                "away: a new one is made, and devices answer anew",
            ) from fault

    def _close(self, secret: bytes, bound: bytes) -> str:
        self.ready()
        name, key = next(reversed(self._keys.items()))
        return f"{name}:{close_box(key, secret, bound).hex()}"

    def _open(self, closed: str, bound: bytes) -> bytes:
        name, _, box = closed.partition(":")
        key = self._data_keys().get(name)
        if key is None:
            raise self._lost("fleet/sealing holds not the key that closed them")
        return open_box(key, bytes.fromhex(box), bound)

    def renew(self) -> None:
        """Close with a new data key from now on; what was closed before still opens."""
        self._data_keys()
        self._add(list(self._read().keys) if self._file.exists() else [])

    def forget_former(self) -> None:
        """End every data key but the one in use: nothing is closed with them any more."""
        *former, last = self._read().keys
        self._write([last])
        unit, ended = self._keeper.unit, {one.secret for one in former}
        for secret in unit.secrets():
            if secret.id in ended:
                unit.destroy(secret)

    def _data_keys(self) -> dict[str, bytes]:
        """The data keys by name, the one in use last; another process may have renewed them."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            self._keys = {}
            return self._keys
        mark = (found.st_ino, found.st_mtime_ns)
        if mark != self._mark:
            self._keys = {one.id: self._opened(one) for one in self._read().keys}
            self._mark = mark
        return self._keys

    def _opened(self, one: _Key) -> bytes:
        unit = self._keeper.unit
        secret = next((s for s in unit.secrets() if s.id == one.secret), None)
        if secret is None:
            raise self._lost("the store's unit has not the key that closes them")
        try:
            return unit.decrypt(secret, bytes.fromhex(one.box), _BOUND + one.id.encode())
        except (Tampered, ValueError) as fault:
            raise self._lost("fleet/sealing was changed, or is of another store") from fault

    def _read(self) -> _File:
        try:
            with self._file.open("rb") as file:
                found = msgspec.json.decode(file.read(_MAX_FILE), type=_File)
        except (OSError, msgspec.DecodeError) as fault:
            raise self._lost("fleet/sealing cannot be read") from fault
        if found.format != 1 or not found.keys:
            raise self._lost("fleet/sealing is of another version of this program")
        return found

    def _add(self, former: list[_Key]) -> None:
        unit = self._keeper.unit
        secret, key, name = unit.generate_secret(LABEL), secrets.token_bytes(_SIZE), _name()
        box = unit.encrypt(secret, key, _BOUND + name.encode()).hex()
        self._write([*former, _Key(name, secret.id, box)])
        self._data_keys()

    def _write(self, keys: list[_Key]) -> None:
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(self._file, msgspec.json.encode(_File(1, keys)) + b"\n")

    def _lost(self, why: str) -> Misconfigured:
        return Misconfigured(
            "fleet.sealing-lost",
            "the secrets of this fleet cannot be opened",
            why=why,
            hint="restore fleet/sealing and the store's keys from one backup, or enrol the devices "
            "with shared keys anew",
        )


def _name() -> str:
    return secrets.token_hex(8)
