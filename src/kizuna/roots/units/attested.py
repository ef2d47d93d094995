# SPDX-License-Identifier: Apache-2.0
"""What an attesting key signs where no chip composes it: quotes and certifications; and checking.

Keeps: 1. The signed bytes are deterministic CBOR that begins with a name no statement, token or
TPM structure begins with, so that none passes for another. 2. Checking never raises on what an
attacker sends. 3. A certification by a TPM holds only if the chip composed it (magic), if it is
about that very public area, and, where it says ``lives-here``, if that area says that the chip made
the key and never lets it out.
Standard: TPM 2.0 Library, Part 2 (TPMS_ATTEST, TPMT_PUBLIC) for the native form.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final, Literal

import cbor2

from kizuna.roots.keys import Algorithm, PublicKey, verify
from kizuna.roots.units.registers import composite, replay
from kizuna.roots.units.unit import Certification, Event, Quote

__all__ = [
    "certification_message",
    "check_certification",
    "check_quote",
    "presented_digest",
    "quote_message",
]

_QUOTE: Final = "kizuna-quote-1"
_CERTIFICATION: Final = "kizuna-key-certification-1"
_TPM: Final = b"\xffTCG"
_CERTIFY: Final = b"\x80\x17"
_QUOTED: Final = b"\x80\x18"
_ALG_ECC_SHA256: Final = b"\x00\x23\x00\x0b"
_FIXED_AND_OWN: Final = 0x32
"""fixedTPM, fixedParent and sensitiveDataOrigin: made inside, and never leaves."""
_MAX: Final = 4096


def quote_message(key: PublicKey, kind: str, nonce: bytes, values: Mapping[int, bytes]) -> bytes:
    """What an imitated quote signs."""
    selection = sorted(values)
    return cbor2.dumps(
        [_QUOTE, kind, key.thumbprint, nonce, selection, composite(values)], canonical=True
    )


def certification_message(
    by: PublicKey, kind: str, claim: Literal["lives-here", "presented"], subject: PublicKey
) -> bytes:
    """What an imitated certification signs."""
    return cbor2.dumps(
        [_CERTIFICATION, kind, by.thumbprint, claim, subject.cose_key], canonical=True
    )


def presented_digest(by: PublicKey, subject: PublicKey) -> bytes:
    """The 32 bytes a chip quotes over to lend its name to a key that lives elsewhere."""
    return sha256(certification_message(by, "tpm", "presented", subject)).digest()


def check_quote(quote: Quote, nonce: bytes) -> bool:
    """Whether signature, nonce, register values and event log of a quote all fit together.

    The log must lead to the quoted values where the registers are an imitation; a chip's registers
    also hold what firmware measured, which its own log tells.
    """
    values = dict(quote.registers)
    if not values or not verify(quote.key, quote.signature, quote.message):
        return False
    if quote.format == "tpm2":
        return _tpm_quote_fits(quote.message, nonce, values)
    said = _array(quote.message, _QUOTE, 6)
    if said != [quote.key.thumbprint, nonce, sorted(values), composite(values)]:
        return False
    return _leads_to(quote.events, values)


def check_certification(certification: Certification) -> bool:
    """Whether an attesting key really says this of the other key.

    It tells nothing of whose the attesting key is: that must be known from elsewhere (a TPM's
    endorsement, an enrolment).
    """
    c = certification
    if max(len(c.message), len(c.area)) > _MAX or not verify(c.by, c.signature, c.message):
        return False
    if c.format == "kizuna":
        said = _array(c.message, _CERTIFICATION, 5)
        return not c.area and said == [c.by.thumbprint, c.claim, c.subject.cose_key]
    found = _attest(c.message)
    if found is None:
        return False
    kind, extra, rest = found
    if c.claim == "presented":
        return kind == _QUOTED and not c.area and extra == presented_digest(c.by, c.subject)
    if kind != _CERTIFY or len(rest) < 2 or not _area_fits(c.area, c.subject):
        return False
    size = int.from_bytes(rest[:2], "big")
    return rest[2 : 2 + size] == b"\x00\x0b" + sha256(c.area).digest()


def _array(message: bytes, name: str, size: int) -> list[object] | None:
    """What follows name and kind in an array of deterministic CBOR; None where it is none."""
    if len(message) > _MAX:
        return None
    try:
        value = cbor2.loads(message, max_depth=3, allow_indefinite=False)
        same = cbor2.dumps(value, canonical=True) == message
    except (cbor2.CBORError, ValueError, OverflowError):
        return None
    if not (same and isinstance(value, list) and len(value) == size and value[0] == name):
        return None
    return value[2:] if isinstance(value[1], str) else None


def _leads_to(events: tuple[Event, ...], values: Mapping[int, bytes]) -> bool:
    reached = replay(events)
    return all(0 <= n < len(reached) and reached[n] == value for n, value in values.items())


def _attest(message: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Type, extra data and what follows the clock and firmware of a TPMS_ATTEST."""
    if message[:4] != _TPM or len(message) > _MAX:
        return None
    kind, at = message[4:6], 6
    at += 2 + int.from_bytes(message[at : at + 2], "big")  # the signer's qualified name
    size = int.from_bytes(message[at : at + 2], "big")
    extra = message[at + 2 : at + 2 + size]
    at += 2 + size + 17 + 8  # clock information, firmware version
    return (kind, extra, message[at:]) if at < len(message) else None


def _tpm_quote_fits(message: bytes, nonce: bytes, values: Mapping[int, bytes]) -> bool:
    found = _attest(message)
    if found is None:
        return False
    kind, extra, rest = found
    return kind == _QUOTED and extra == nonce and rest == _selection(values) + _digest(values)


def _selection(values: Mapping[int, bytes]) -> bytes:
    """TPML_PCR_SELECTION of one SHA-256 bank."""
    chosen = sum(1 << number for number in values if 0 <= number < 24)
    return b"\x00\x00\x00\x01\x00\x0b\x03" + chosen.to_bytes(3, "little")


def _digest(values: Mapping[int, bytes]) -> bytes:
    return b"\x00\x20" + composite(values)


def _area_fits(area: bytes, subject: PublicKey) -> bool:
    """Whether a TPMT_PUBLIC is of this P-256 key, made in the chip and bound to it."""
    if area[:4] != _ALG_ECC_SHA256 or len(area) < 76 or subject.algorithm is not Algorithm.ES256:
        return False
    attributes = int.from_bytes(area[4:8], "big")
    point = b"\x04" + area[-66:-34] + area[-32:]
    return (
        attributes & _FIXED_AND_OWN == _FIXED_AND_OWN
        and area[-68:-66] == area[-34:-32] == b"\x00\x20"
        and subject.to_raw() == point
    )
