# SPDX-License-Identifier: Apache-2.0
"""Quotes: what a TPM signed about its registers, and whether it answers the question asked.

Keeps: 1. A quote fits only when magic and type, signature, nonce, the *selection* of registers,
their digest and the signer's name all fit: comparing the digest alone would let the attester choose
other registers. 2. Reading is bounded and exact; a quote is one structure with nothing after it.
3. Faults are values in the order in which they were found, so that a report can name all of them.
Standard: TPM 2.0 Library, part 2, section 10.12 (TPMS_ATTEST).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from hashlib import new
from hmac import compare_digest
from struct import Struct, error
from typing import Final

import msgspec

from kizuna.model.errors import Malformed
from kizuna.roots.boot.public import DIGEST_SIZES, HASH_NAMES
from kizuna.roots.boot.signature import TpmSignature, is_signed
from kizuna.roots.boot.wire import Reader, malformed
from kizuna.roots.keys import PublicKey

__all__ = [
    "Attested",
    "Bank",
    "Certified",
    "Quote",
    "QuoteFault",
    "Selection",
    "digest_of",
    "quote_faults",
    "read_attested",
    "read_certified",
    "read_quote",
    "read_registers",
]

MAGIC: Final = 0xFF544347
QUOTE: Final = 0x8018
CERTIFY: Final = 0x8017

MAX_ATTEST: Final = 2048
MAX_BANKS: Final = 8
REGISTERS: Final = 24

Selection = tuple[tuple[str, tuple[int, ...]], ...]
"""Banks and the registers asked of each, ascending: ``(("sha256", (0, 1, 7)),)``."""

Bank = Mapping[tuple[str, int], bytes]
"""Register values by hash and number."""

_HEAD: Final = Struct(">IHH")
_CLOCK: Final = Struct(">QIIBQ")


class QuoteFault(StrEnum):
    """Why a quote is not the answer to the question."""

    SIGNATURE = "signature"
    NONCE = "nonce"
    SELECTION = "selection"
    REGISTERS = "registers"
    SIGNER = "signer"


class Attested(msgspec.Struct, frozen=True):
    """What every attestation structure says, whatever it attests."""

    kind: int
    signer: bytes
    """Qualified name of the signing key."""
    nonce: bytes
    clock: int
    """Milliseconds the TPM has been on, all told."""
    resets: int
    restarts: int
    safe: bool
    """False where the clock may have been reported higher before (after a sudden loss of power)."""
    firmware: int


class Quote(Attested, frozen=True):
    """A parsed quote, its signature unchecked."""

    selection: Selection
    digest: bytes


class Certified(Attested, frozen=True):
    """A parsed certification of a key, its signature unchecked."""

    name: bytes
    qualified: bytes


def read_quote(data: bytes) -> Quote:
    """The quote of TPMS_ATTEST.

    Raises:
        Malformed: ``boot.malformed``.
    """
    kind, head, at = _read_head(data, "TPM quote")
    if kind != QUOTE:
        raise malformed("TPM quote", f"attestation of type {kind:#06x}")
    if len(data) - at == 44 and data[-34:-32] == b"\x00\x20":
        # one bank and a SHA-256 digest: the selection before it is shared by many devices
        return Quote(kind, *head, _whole_selection(data[at:-34]), data[-32:])
    reader = Reader(data, "TPM quote", at=at)
    selection = _selection(reader)
    digest = reader.sized(64)
    reader.end()
    return Quote(kind, *head, selection, digest)


def read_certified(data: bytes) -> Certified:
    """The certification of TPMS_ATTEST.

    Raises:
        Malformed: ``boot.malformed``.
    """
    kind, head, at = _read_head(data, "TPM certification")
    if kind != CERTIFY:
        raise malformed("TPM certification", f"attestation of type {kind:#06x}")
    reader = Reader(data, "TPM certification", at=at)
    name, qualified = reader.sized(66), reader.sized(66)
    reader.end()
    return Certified(kind, *head, name, qualified)


def read_attested(data: bytes) -> Quote | Certified:
    """Whichever of the two it is.

    Raises:
        Malformed: ``boot.malformed``.
    """
    return read_certified(data) if data[4:6] == b"\x80\x17" else read_quote(data)


def quote_faults(
    quote: Quote,
    *,
    nonce: bytes | None,
    selection: Selection | None,
    registers: Bank | None,
    hash_name: str = "sha256",
    signer: bytes | None = None,
    signed: tuple[PublicKey, TpmSignature, bytes] | None = None,
) -> tuple[QuoteFault, ...]:
    """What does not fit; empty where the quote answers the question.

    Args:
        quote: the parsed quote.
        nonce: what the verifier asked with; None where freshness is judged otherwise.
        selection: the registers asked for; None where the caller reads ``quote.selection``.
        registers: the values that came along, which must give the digest; None: none came.
        hash_name: hash of the signing scheme, with which the digest is made.
        signer: the qualified name enrolled; None where none is known.
        signed: key, signature and quote bytes; None where the signature is checked elsewhere.
    """
    faults: list[QuoteFault] = []
    if signed is not None and not is_signed(*signed):
        faults.append(QuoteFault.SIGNATURE)
    if nonce is not None and not compare_digest(nonce, quote.nonce):
        faults.append(QuoteFault.NONCE)
    if selection is not None and selection != quote.selection:
        faults.append(QuoteFault.SELECTION)
    if registers is not None:
        made = digest_of(quote.selection, registers, hash_name)
        if made is None or not compare_digest(made, quote.digest):
            faults.append(QuoteFault.REGISTERS)
    if signer is not None and not compare_digest(signer, quote.signer):
        faults.append(QuoteFault.SIGNER)
    return tuple(faults)


def digest_of(selection: Selection, registers: Bank, hash_name: str = "sha256") -> bytes | None:
    """The digest a TPM makes over these registers; None where a value is missing."""
    digest = new(hash_name)
    try:
        for bank, numbers in selection:
            for number in numbers:
                digest.update(registers[bank, number])
    except KeyError:
        return None
    return digest.digest()


def read_registers(data: bytes) -> dict[tuple[str, int], bytes]:
    """Register values as ``tpm2_quote --pcr`` writes them (its "serialized" form).

    Raises:
        Malformed: ``boot.malformed``.
    """
    what = "file of PCR values"
    reader = Reader(data, what, "little")
    count = reader.number(4)
    if count > MAX_BANKS:
        raise malformed(what, f"{count} banks")
    places: list[tuple[str, int]] = []
    for at in range(16):
        number, size, bits = reader.number(2), reader.number(1), reader.take(4)
        reader.take(1)
        if at < count:
            bank = HASH_NAMES.get(number)
            if bank is None or size > 4:
                raise malformed(what, "unknown bank")
            places += [(bank, register) for register in _bits(bits[:size])]
    values: list[bytes] = []
    lists = reader.number(4)
    if lists > 64:
        raise malformed(what, f"{lists} lists")
    for _ in range(lists):
        used = reader.number(4)
        for at in range(8):
            size, buffer = reader.number(2), reader.take(64)
            if at < used:
                values.append(buffer[:size])
    reader.end()
    if len(values) != len(places) or any(
        len(value) != DIGEST_SIZES[bank] for (bank, _), value in zip(places, values, strict=True)
    ):
        raise malformed(what, "values do not fit the selection")
    return dict(zip(places, values, strict=True))


def write_registers(registers: Bank) -> bytes:
    """The same form, for tools that check quotes."""
    banks: dict[str, list[int]] = {}
    for bank, number in registers:
        banks.setdefault(bank, []).append(number)
    numbers = {name: number for number, name in HASH_NAMES.items()}
    parts = [len(banks).to_bytes(4, "little")]
    values: list[bytes] = []
    for bank, places in banks.items():
        bits = sum(1 << place for place in places).to_bytes(4, "little")
        parts.append(numbers[bank].to_bytes(2, "little") + b"\x03" + bits + b"\0")
        values += [registers[bank, place] for place in sorted(places)]
    parts.append(bytes(8 * (16 - len(banks))))
    groups = [values[at : at + 8] for at in range(0, len(values), 8)]
    parts.append(len(groups).to_bytes(4, "little"))
    for group in groups:
        parts.append(len(group).to_bytes(4, "little"))
        parts += [len(v).to_bytes(2, "little") + v.ljust(64, b"\0") for v in group]
        parts.append(bytes(66 * (8 - len(group))))
    return b"".join(parts)


_Head = tuple[bytes, bytes, int, int, int, bool, int]


def _read_head(data: bytes, what: str) -> tuple[int, _Head, int]:
    if len(data) > MAX_ATTEST:
        raise malformed(what, "too long")
    try:
        magic, kind, size = _HEAD.unpack_from(data)
        if magic != MAGIC:
            raise malformed(what, "not made by a TPM (magic)")
        at = 8 + size
        extra = int.from_bytes(data[at : at + 2], "big")
        signer, nonce = data[8:at], data[at + 2 : at + 2 + extra]
        at += 2 + extra
        clock, resets, restarts, safe, firmware = _CLOCK.unpack_from(data, at)
    except error as fault:
        raise malformed(what, "cut short") from fault
    if size > 66 or extra > 66 or safe > 1:
        raise malformed(what, "a part is too long")
    return kind, (signer, nonce, clock, resets, restarts, safe == 1, firmware), at + _CLOCK.size


@lru_cache(maxsize=1024)
def _whole_selection(data: bytes) -> Selection:
    reader = Reader(data, "TPM quote")
    selection = _selection(reader)
    reader.end()
    return selection


def _selection(reader: Reader) -> Selection:
    count = reader.number(4)
    if not 0 < count <= MAX_BANKS:
        raise malformed("TPM quote", f"selection of {count} banks")
    banks: list[tuple[str, tuple[int, ...]]] = []
    for _ in range(count):
        number, size = reader.number(2), reader.number(1)
        bank = HASH_NAMES.get(number)
        if bank is None or size > 4:
            raise malformed("TPM quote", f"bank {number:#06x}")
        banks.append((bank, _bits(reader.take(size))))
    if len({bank for bank, _ in banks}) != len(banks):
        raise malformed("TPM quote", "a bank twice")
    return tuple(banks)


def _bits(data: bytes) -> tuple[int, ...]:
    mask, numbers = int.from_bytes(data, "little"), []
    while mask:
        low = mask & -mask
        numbers.append(low.bit_length() - 1)
        mask ^= low
    return tuple(numbers)


def is_quote(data: bytes) -> bool:
    """Whether these bytes begin as a quote does."""
    return data[:6] == b"\xff\x54\x43\x47\x80\x18"


def check_quote(
    data: bytes, signature: TpmSignature, key: PublicKey, *, nonce: bytes, registers: Bank
) -> tuple[QuoteFault, ...]:
    """The faults of a quote over exactly ``registers``: the question of ``tpm2_checkquote``.

    Raises:
        Malformed: ``boot.malformed``.
    """
    quote = read_quote(data)
    asked: dict[str, list[int]] = {}
    for bank, number in registers:
        asked.setdefault(bank, []).append(number)
    wanted = tuple((bank, tuple(sorted(numbers))) for bank, numbers in asked.items())
    if not wanted:
        raise Malformed("boot.malformed", "no registers given", thing="quote", fault="no registers")
    return quote_faults(
        quote,
        nonce=nonce,
        selection=wanted,
        registers=registers,
        hash_name=signature.hash_name,
        signed=(key, signature, data),
    )
