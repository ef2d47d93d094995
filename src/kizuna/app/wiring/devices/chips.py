# SPDX-License-Identifier: Apache-2.0
"""What is bound of a TPM at its enrolment beside its key: which registers, and the signer's name.

Keeps: 1. With a selection bound, a quote over other registers is refused, were its values ever so
good. 2. The qualified name says under which parents the key stands in its chip; it ends with the
key, and so is not carried over to the next. 3. Both may be taken from evidence, but only from
evidence that the given key signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.devices.quoting import read_selection
from kizuna.model.errors import Malformed, Tampered
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.model.payload import Scalar

__all__ = ["REGISTERS", "SIGNER", "bound", "said"]

REGISTERS, SIGNER = "registers", "signer"
"""Members of the claim about the enrolment, both text."""


def said(registers: str | None, evidence: bytes | None, key: object) -> dict[str, Scalar]:
    """What the enrolment says of registers and signer.

    Args:
        registers: numbers in the SHA-256 bank (``0-7,16``), where the operator names them.
        evidence: a quote of this device, from which the rest is taken.
        key: the device's key.

    Raises:
        Malformed: ``device.registers``, ``attestation.malformed``.
        Tampered: ``device.quote-foreign``.
    """
    found: dict[str, Scalar] = {}
    if evidence is not None:
        from kizuna.proof.attestation.schemes.tpm.evidence import read_parts
        from kizuna.roots.boot.signature import is_signed

        parts = read_parts(evidence)
        if not isinstance(key, PublicKey) or not is_signed(key, parts.signature, parts.quote_bytes):
            raise Tampered(
                "device.quote-foreign",
                "the key given for the device did not sign this quote",
                hint="make both with one `kizuna device quote`, on the device",
            )
        found[SIGNER] = parts.quote.signer.hex()
        found[REGISTERS] = _text(parts.quote.selection)
    if registers is not None:
        found[REGISTERS] = _text((("sha256", read_selection(registers)),))
    return found


def bound(about: Mapping[str, Any]) -> dict[str, Any]:
    """The same in the form in which the scheme asks for it.

    Raises:
        Malformed: ``device.registers``.
    """
    found: dict[str, Any] = {}
    if isinstance(signer := about.get(SIGNER), str):
        found["signer"] = bytes.fromhex(signer)
    if isinstance(registers := about.get(REGISTERS), str):
        found["selection"] = _selection(registers)
    return found


def _text(selection: tuple[tuple[str, tuple[int, ...]], ...]) -> str:
    return ";".join(f"{bank}:{','.join(map(str, numbers))}" for bank, numbers in selection)


def _selection(text: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    try:
        parts = [one.split(":") for one in text.split(";")]
        return tuple((bank, tuple(int(n) for n in rest.split(","))) for bank, rest in parts)
    except ValueError as fault:
        raise Malformed(
            "device.registers",
            f"not a choice of registers: {text[:60]!r}",
            hint="write numbers from 0 to 23, for instance 0-7,16",
            registers=text[:60],
        ) from fault
