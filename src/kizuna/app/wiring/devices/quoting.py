# SPDX-License-Identifier: Apache-2.0
"""On the device: evidence from its TPM, to be sent to who asks.

Keeps: 1. The attesting key is made in the chip once, kept wrapped in the device's own folder, and
signs nothing but what the chip composes. 2. Only a chip quotes here: an imitation is refused, since
its evidence would pass for what it is not. 3. What was measured elsewhere (firmware, Linux) comes
along as its own log, which the verifier replays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kizuna.model.errors import Malformed, Refused

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings

__all__ = ["Quoted", "quote_device", "read_nonce", "read_selection"]

LABEL = "attestation"
_REGISTERS = 24


@dataclass(frozen=True, slots=True)
class Quoted:
    """Evidence, the key that signed it, and the values of the registers."""

    evidence: bytes
    key_pem: bytes
    key: str
    registers: tuple[tuple[int, bytes], ...]

    @property
    def values(self) -> bytes:
        """The values as a list of reference values: a digest and a register's number a line."""
        return "".join(f"{value.hex()}  {number}\n" for number, value in self.registers).encode()


def quote_device(
    unit: str,
    state: Path,
    settings: Settings,
    *,
    nonce: bytes,
    selection: tuple[int, ...],
    log: bytes = b"",
    ima: bytes = b"",
) -> Quoted:
    """A quote over the selected registers, as evidence of the scheme ``tpm``.

    Raises:
        Refused: ``device.quote-imitation``. Misconfigured, Unavailable: ``unit.*``.
        Malformed: ``boot.malformed`` for a log that cannot be read.
    """
    from kizuna.app.wiring.folder import Folder
    from kizuna.app.wiring.keys.units import open_unit
    from kizuna.proof.attestation.schemes.tpm.evidence import write_evidence
    from kizuna.roots.boot.eventlog import first_misfit, of_unit, read_ima, read_tcg
    from kizuna.roots.boot.signature import write_ecdsa
    from kizuna.roots.keys import Algorithm
    from kizuna.roots.units import Purpose

    if not unit.startswith("tpm:"):
        raise Refused(
            "device.quote-imitation",
            "only a TPM quotes its registers",
            why="another unit only imitates registers, and its owner can set them anew",
            hint="name a TPM: --unit tpm:TCTI, for instance tpm:device:/dev/tpmrm0",
        )
    if log:
        read_tcg(log)  # see here that it is one, not at the verifier's
    if ima:
        read_ima(ima)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = open_unit(unit, Folder(state), settings, LABEL)
    try:
        handle = next(
            (h for h in opened.handles() if h.label == LABEL and h.purpose is Purpose.ATTEST), None
        )
        if handle is None:
            handle = opened.generate(Algorithm.ES256, LABEL, Purpose.ATTEST)
        quote = opened.quote(handle, nonce, selection)
    finally:
        opened.close()
    entries = tuple((e.register, e.digest, e.data.decode("utf-8", "replace")) for e in quote.events)
    held = dict(quote.registers)
    # what this process measured explains a register only if nobody measured into it before
    fits = entries and first_misfit(of_unit(entries), held) is None
    evidence = write_evidence(
        quote.message,
        write_ecdsa(quote.signature),
        {("sha256", number): value for number, value in quote.registers},
        log=log,
        ima=ima,
        unit=entries if fits else (),
    )
    return Quoted(evidence, quote.key.to_pem(), quote.key.thumbprint.hex(), quote.registers)


def read_nonce(text: str) -> bytes:
    """The nonce of a verifier.

    Raises:
        Malformed: ``device.nonce``.
    """
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        nonce = b""
    if not 8 <= len(nonce) <= 32:
        raise Malformed(
            "device.nonce",
            "a nonce has 8 to 32 bytes, in hexadecimal",
            hint="take the one that the verifier gave",
        )
    return nonce


def read_selection(text: str) -> tuple[int, ...]:
    """Register numbers from ``0,1,7`` or ``0-7,16``.

    Raises:
        Malformed: ``device.registers``.
    """
    found: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found |= set(range(int(first), int(last or first) + 1)[: _REGISTERS + 1])
    except ValueError:
        found = set()
    if not found or not all(0 <= number < _REGISTERS for number in found):
        raise Malformed(
            "device.registers",
            f"not a choice of registers: {text[:60]!r}",
            hint="write numbers from 0 to 23, for instance 0-7,16",
            registers=text[:60],
        )
    return tuple(sorted(found))
