# SPDX-License-Identifier: Apache-2.0
"""What a unit does beside signing, for people: random bytes, sealing, registers, secrets of two.

Keeps: 1. The unit does it: keys never pass through here, and a gate before the unit is asked as for
any other use. 2. What was sealed to registers opens only while they are as they were; whether the
unit compares or our program does is said by ``kizuna key units``. 3. A box names nothing: without
the unit it is noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.keys.certifying import Borrowed
from kizuna.model.errors import Absent
from kizuna.roots.units import Handle, Purpose, Secret

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.units import Unit

__all__ = ["UnitUse"]

_INFO: Final = "kizuna key agree: "


class UnitUse:
    """One unit of a store, by its short name."""

    def __init__(self, workspace: Owner, name: str) -> None:
        self._workspace = workspace
        self._name = name

    def random(self, size: int) -> bytes:
        """Random bytes of the unit's own source."""
        with self._borrowed() as unit:
            return unit.random(size)

    def seal(self, data: bytes, registers: tuple[int, ...]) -> bytes:
        """A box that only this unit opens, while these registers are as they are now."""
        with self._borrowed() as unit:
            return unit.seal(data, registers)

    def unseal(self, box: bytes) -> bytes:
        """What was sealed.

        Raises:
            Tampered: ``unit.box-broken``. Refused: ``unit.registers-changed``.
        """
        with self._borrowed() as unit:
            return unit.unseal(box)

    def extend(self, register: int, digest: bytes, what: str) -> None:
        """Measure something into a register, which from now on tells of it."""
        with self._borrowed() as unit:
            unit.extend(register, digest, what.encode()[:200])

    def registers(self) -> dict[str, Any]:
        """What the registers hold, and whether the unit itself keeps them."""
        with self._borrowed() as unit:
            held = unit.registers()
            return {
                "kept": unit.traits.registers,
                "registers": {str(number): value.hex() for number, value in enumerate(held)},
            }

    def encrypt(self, data: bytes, label: str) -> bytes:
        """A box under an AES key of this label, made where there is none yet."""
        with self._borrowed() as unit:
            found = _secret(unit, label)
            return unit.encrypt(found or unit.generate_secret(label), data, label.encode())

    def decrypt(self, box: bytes, label: str) -> bytes:
        """What was encrypted under this label.

        Raises:
            Absent: ``unit.no-secret``. Tampered: ``unit.box-broken``.
        """
        with self._borrowed() as unit:
            found = _secret(unit, label)
            if found is None:
                raise Absent(
                    "unit.no-secret",
                    f"unit {self._name} has no secret called {label[:40]!r}",
                    hint="`kizuna key unit encrypt` makes it with its first use",
                    unit=self._name,
                    label=label[:40],
                )
            return unit.decrypt(found, box, label.encode())

    def agree(self, key: str, peer: PublicKey, purpose: str) -> bytes:
        """32 bytes that only this key and the peer's come to (ECDH and HKDF), for one purpose.

        Raises:
            Absent: ``key.not-found``. Refused: ``unit.purpose``.
        """
        with self._borrowed() as unit:
            return unit.ecdh(self._agreeing(unit, key), peer, (_INFO + purpose).encode())

    def _agreeing(self, unit: Unit, begins: str) -> Handle:
        found = [
            handle
            for handle in unit.handles()
            if handle.purpose is Purpose.AGREE
            and len(begins) >= 4
            and handle.id.startswith(begins.lower())
        ]
        if len(found) != 1:
            raise Absent(
                "key.not-found",
                f"no single key whose thumbprint begins with {begins[:64]!r}",
                why=f"{len(found)} keys of unit {self._name} that agree do",
                hint="`kizuna key list` prints them",
                key=begins[:64],
            )
        return found[0]

    def _borrowed(self) -> Borrowed:
        return Borrowed(self._workspace, self._name)


def _secret(unit: Unit, label: str) -> Secret | None:
    return next((secret for secret in unit.secrets() if secret.label == label), None)
