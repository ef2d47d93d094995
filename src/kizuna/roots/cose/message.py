# SPDX-License-Identifier: Apache-2.0
"""COSE_Sign1, any use of it: statements, receipts, whatever else is signed here.

Keeps: 1. What is verified are the bytes received, never an encoding made from a decoded value.
2. Only the protected header says what a message means; the unprotected one carries receipts and
certificates and nothing else. 3. Critical labels that are not understood refuse the message.
4. Framing has one spelling (shortest lengths), so the same three parts give the same bytes.
Standard: RFC 9052 section 4.

Example:
    >>> read_sign1(bytes.fromhex("d28443a10126a04054" + "00" * 20)).protected
    {1: -7}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed, Refused
from kizuna.model.payload.codec import MAX_PAYLOAD
from kizuna.roots.cose.cbor import bytes_of, decode, encode, end_of_item, malformed
from kizuna.roots.keys import PublicKey, verify
from kizuna.roots.units import Handle, Unit

__all__ = [
    "MAX_ENVELOPE",
    "MAX_HEADER",
    "Frame",
    "Sign1",
    "check_sign1",
    "decode_header",
    "decode_unprotected",
    "read_frame",
    "read_sign1",
    "refuse_critical",
    "sign1",
    "with_receipts",
]

MAX_HEADER: Final = 64 << 10
"""Largest protected header in bytes (field statements carry certificate chains and reports)."""

MAX_ENVELOPE: Final = MAX_PAYLOAD + (512 << 10)
"""Largest message in bytes: a full payload, its header and a handful of receipts."""

_MOST_BESIDE: Final = 4_096
"""Items of an unprotected header: receipts and certificates are a few."""

RECEIPTS: Final = 394
X5CHAIN: Final = 33

_UNDERSTOOD: Final[frozenset[int | str]] = frozenset(
    {1, 2, 3, 4, 15, 16, X5CHAIN, 34, 258, 259, 260, 395, 396}
)

Frame = tuple[bytes, bytes, bytes | None, bytes, bytes, bytes]
"""Protected header, unprotected header (CBOR), payload (None: detached), signature, the whole with
tag 18 and an empty unprotected header, and the Sig_structure without external data (empty where
the payload is detached)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign1:
    """A parsed COSE_Sign1 whose signature nobody has checked."""

    protected: Mapping[Any, Any]
    protected_bytes: bytes
    unprotected: Mapping[Any, Any]
    payload: bytes | None
    signature: bytes

    @property
    def algorithm(self) -> int | None:
        """The algorithm named: by the protected header, or where that is silent, beside it. It
        decides nothing: it must be that of the key.
        """
        named = self.protected.get(1, self.unprotected.get(1))
        return named if type(named) is int else None

    @property
    def receipts(self) -> tuple[bytes, ...]:
        """Receipts that came along (RFC 9942)."""
        return byte_strings(self.unprotected.get(RECEIPTS))

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The certificate chain that came along (RFC 9360), leaf first."""
        return byte_strings(self.protected.get(X5CHAIN, self.unprotected.get(X5CHAIN)))

    def to_be_signed(self, payload: bytes | None = None, external_aad: bytes = b"") -> bytes:
        """The Sig_structure; ``payload`` stands in for a detached one.

        Raises:
            Malformed: ``envelope.payload-missing``, ``envelope.payload-twice``.
        """
        if payload is None and self.payload is None:
            raise Malformed(
                "envelope.payload-missing",
                "the signed content is detached and was not given",
                hint="give the content beside the message",
            )
        if payload is not None and self.payload is not None and payload != self.payload:
            raise Malformed(
                "envelope.payload-twice",
                "the message holds another content than the one given beside it",
                hint="leave one of them out",
            )
        content = self.payload if payload is None else payload
        return sig_structure(self.protected_bytes, content or b"", external_aad)


def read_sign1(data: bytes, understood: Collection[int | str] = ()) -> Sign1:
    """Any COSE_Sign1, tagged or not; ``understood`` adds critical labels that the caller knows.

    Raises:
        Malformed: ``envelope.too-large``, ``envelope.malformed``.
        Refused: ``envelope.critical``.
    """
    protected, unprotected, payload, signature, _, _ = read_frame(data)
    header = decode_header(protected) if protected else {}
    refuse_critical(header, understood)
    return Sign1(
        protected=header,
        protected_bytes=protected,
        unprotected=decode_unprotected(unprotected, header),
        payload=payload,
        signature=signature,
    )


def check_sign1(
    message: Sign1, key: PublicKey, payload: bytes | None = None, external_aad: bytes = b""
) -> bool:
    """Whether ``key`` signed ``message`` (with a detached ``payload`` where it has none)."""
    named = message.algorithm
    if named is None or not key.algorithm.answers_to(named):
        return False
    return verify(key, message.signature, message.to_be_signed(payload, external_aad))


def sign1(
    unit: Unit,
    handle: Handle,
    protected: Mapping[Any, Any],
    payload: bytes,
    *,
    external_aad: bytes = b"",
    detached: bool = False,
    unprotected: Mapping[Any, Any] | None = None,
) -> bytes:
    """A COSE_Sign1 with tag 18; ``alg`` is put into the protected header from the key."""
    header = encode({**protected, 1: handle.algorithm.value})
    signature = unit.sign(handle, sig_structure(header, payload, external_aad))
    return b"".join(
        (
            b"\xd2\x84",
            bytes_of(header),
            encode(dict(unprotected)) if unprotected else b"\xa0",
            b"\xf6" if detached else bytes_of(payload),
            bytes_of(signature),
        )
    )


def with_receipts(data: bytes, receipts: Sequence[bytes]) -> bytes:
    """The message with these receipts in place of those it carried: a transparent statement.

    Raises:
        Malformed: ``envelope.too-large``, ``envelope.malformed``.
    """
    protected, _, payload, signature, _, _ = read_frame(data)
    return b"".join(
        (
            b"\xd2\x84",
            bytes_of(protected),
            encode({RECEIPTS: list(receipts)}) if receipts else b"\xa0",
            b"\xf6" if payload is None else bytes_of(payload),
            bytes_of(signature),
        )
    )


def sig_structure(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The bytes that a COSE_Sign1 signature covers."""
    if protected == b"\xa0":
        protected = b""  # RFC 9052 section 4.4: an empty map is signed as the empty string
    return b"".join(
        (
            b"\x84\x6aSignature1",
            bytes_of(protected),
            bytes_of(external_aad),
            bytes_of(payload),
        )
    )


def read_frame(data: bytes) -> Frame:
    """The four parts of a COSE_Sign1, sliced and not yet decoded, and its plain form.

    Raises:
        Malformed: ``envelope.too-large``, ``envelope.malformed``.
    """
    size = len(data)
    if size > MAX_ENVELOPE:
        raise Malformed(
            "envelope.too-large",
            f"statement of {size} bytes, at most {MAX_ENVELOPE}",
            hint="send the document beside the statement and sign its hash",
            size=size,
            limit=MAX_ENVELOPE,
        )
    at = 1 if data[:1] == b"\xd2" else 0
    if data[at : at + 1] != b"\x84":
        raise malformed("not an array of four parts")
    start, middle = _string(data, at + 1)
    if middle - start > MAX_HEADER:
        raise malformed(f"protected header of {middle - start} bytes, at most {MAX_HEADER}")
    protected = data[start:middle]
    if data[middle : middle + 1] == b"\xa0":
        rest = middle + 1
    else:
        rest = end_of_item(data, middle, _MOST_BESIDE)
    payload: bytes | None
    if data[rest : rest + 1] == b"\xf6":
        payload, after, covered = None, rest + 1, b""
    else:
        start, after = _string(data, rest)
        payload = data[start:after]
        # the heads have their shortest form, so the slices are what the Sig_structure holds
        own = b"\x40" if protected == b"\xa0" else data[at + 1 : middle]
        covered = b"\x84\x6aSignature1" + own + b"\x40" + data[rest:after]
    start, end = _string(data, after)
    if end != size:
        raise malformed("bytes after the signature")
    if at and data[middle:rest] == b"\xa0":
        plain = data
    else:
        plain = b"".join((b"\xd2", data[at:middle], b"\xa0", data[rest:]))
    return protected, data[middle:rest], payload, data[start:end], plain, covered


def decode_header(protected: bytes) -> dict[Any, Any]:
    """A protected header as a map of integers and texts.

    Raises:
        Malformed: ``envelope.malformed``.
    """
    header = decode(protected)
    if type(header) is not dict:
        raise malformed("the protected header is no map")
    check_labels(header)
    return header


def check_labels(header: Mapping[Any, Any]) -> None:
    """Refuse labels that are neither integer nor text (``true`` would pass for 1).

    Raises:
        Malformed: ``envelope.malformed``.
    """
    for label in header:
        if type(label) is not int and type(label) is not str:
            raise malformed("a header label is neither integer nor text")


def refuse_critical(header: Mapping[Any, Any], understood: Collection[int | str] = ()) -> None:
    """Refuse critical labels that nobody here understands, or that are not there.

    Raises:
        Malformed: ``envelope.malformed``.
        Refused: ``envelope.critical``.
    """
    critical = header.get(2)
    if critical is None and 2 not in header:
        return
    if not isinstance(critical, list | tuple) or not critical:
        raise malformed("the list of critical labels is empty or no list")
    for label in critical:
        if type(label) not in (int, str) or label not in header:
            raise malformed("a critical label is not in the protected header")
        if label not in _UNDERSTOOD and label not in understood:
            raise Refused(
                "envelope.critical",
                f"the signer demands that header {str(label)[:40]!r} is understood; it is not",
                why="a message with unknown critical headers must be refused (RFC 9052)",
                hint="register the statement without that header, or name it as not critical",
                label=str(label)[:40],
            )


def byte_strings(value: object) -> tuple[bytes, ...]:
    """The byte strings of a value that is one or a list of them; anything else counts as none."""
    if isinstance(value, bytes):
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(item for item in value if isinstance(item, bytes))
    return ()


def decode_unprotected(data: bytes, protected: Mapping[Any, Any]) -> dict[Any, Any]:
    """The unprotected header, which repeats nothing of the protected one and demands nothing.

    Raises:
        Malformed: ``envelope.malformed``.
    """
    if data == b"\xa0":
        return {}
    header = decode(data)
    if type(header) is not dict:
        raise malformed("the unprotected header is no map")
    check_labels(header)
    if not protected.keys().isdisjoint(header):
        raise malformed("a label stands in both headers")
    if 2 in header:
        raise malformed("critical labels are named outside the protected header")
    return header


def _string(data: bytes, at: int) -> tuple[int, int]:
    """Start and end of the byte string whose head is at ``at``."""
    try:
        first = data[at]
        if first == 0x58:
            start, least, length = at + 2, 24, data[at + 1]
        elif first == 0x59:
            start, least, length = at + 3, 0x100, data[at + 1] << 8 | data[at + 2]
        elif 0x40 <= first <= 0x57:
            start, least, length = at + 1, 0, first - 0x40
        elif first == 0x5A:
            start, least, length = at + 5, 0x10000, int.from_bytes(data[at + 1 : at + 5], "big")
        else:
            raise malformed("a byte string is missing")
    except IndexError:
        raise malformed("cut short") from None
    if length < least:
        raise malformed("a length is not in its shortest form")
    end = start + length
    if end > len(data):
        raise malformed("cut short")
    return start, end
