# SPDX-License-Identifier: Apache-2.0
"""COSE receipts: that one statement is in a log, in a form that travels with the statement.

The log signs its root once per checkpoint; protected header and detached root are the same in
every receipt of that size, only the proof beside them differs. So the ``sub`` of our receipts is
the log itself, not the statement. A text label of ours, ``kizuna-growth``: [size before, size],
says which entries the publication added, so that a signed root also dates them.

Keeps: 1. The form of the proof is bound to ``vds`` in the *protected* header; any ``vds`` but 1 is
refused, however honest the proof. 2. The payload is detached: the root comes from entry and proof,
never from the receipt. 3. Every proof of a receipt must be well formed, and a receipt for an entry
has exactly one. 4. The entry is the statement without its unprotected header.
Standard: RFC 9942 (receipts 394, vds 395, vdp 396), RFC 9943.
Does not: decide whether the log's key is to be believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.record.log.merkle import (
    HASH_SIZE,
    MAX_TREE_SIZE,
    leaf_hash,
    root_from_inclusion,
    verify_consistency,
)
from kizuna.record.log.signer import Signer
from kizuna.roots.cose import Sign1, check_sign1, decode, encode, read_sign1, sign1
from kizuna.roots.keys import Algorithm, PublicKey

__all__ = [
    "MAX_RECEIPT",
    "Receipt",
    "RootDate",
    "RootSignature",
    "check_consistency_receipt",
    "check_receipt",
    "consistency_receipt",
    "inclusion_receipt",
    "read_receipt",
    "root_date",
    "root_protected",
    "sign_root",
]

MAX_RECEIPT: Final = 16 << 10
VDS: Final = 395
VDP: Final = 396
GROWTH: Final = "kizuna-growth"
RFC9162_SHA256: Final = 1
_INCLUSION: Final = -1
_CONSISTENCY: Final = -2
_MAX_PATH: Final = 63


@dataclass(frozen=True, slots=True)
class RootSignature:
    """The log's COSE signature over one root: what all receipts of that size share."""

    protected: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A parsed receipt, its signature not checked. For inclusion ``first`` is the leaf index, for
    consistency the older size.
    """

    message: Sign1
    inclusion: bool
    first: int
    size: int
    path: tuple[bytes, ...]

    @property
    def key_id(self) -> bytes:
        """The log key it names (a hint for finding the key, no more)."""
        value = self.message.protected.get(4)
        return value if isinstance(value, bytes) else b""

    @property
    def issued_at(self) -> int | None:
        """When the log says it signed the root."""
        value = _claims(self.message).get(6)
        return value if type(value) is int else None

    @property
    def growth(self) -> tuple[int, int] | None:
        """Size before and size of the publication that this root was signed for, if it says."""
        value = self.message.protected.get(GROWTH)
        if (
            isinstance(value, list | tuple)
            and len(value) == 2
            and all(type(n) is int for n in value)
            and 0 <= value[0] <= value[1] <= MAX_TREE_SIZE
        ):
            return value[0], value[1]
        return None

    @property
    def origin(self) -> str | None:
        """The issuer: ``https://`` and the log's origin."""
        value = _claims(self.message).get(1)
        return value if type(value) is str else None


def sign_root(
    root: bytes, origin: str, signer: Signer, now: int, growth: tuple[int, int]
) -> RootSignature:
    """Sign the root of a checkpoint for receipts; ``growth`` is the size before and its size."""
    header = decode(root_protected(origin, signer.public.thumbprint, now, growth))
    message = read_sign1(sign1(signer.unit, signer.handle, header, root, detached=True))
    return RootSignature(message.protected_bytes, message.signature)


def root_protected(origin: str, key: bytes, time: int, growth: tuple[int, int]) -> bytes:
    """The protected header of every receipt signed with ``key`` (a thumbprint) at ``time``."""
    name = f"https://{origin}"
    return encode(
        {
            1: Algorithm.EDDSA.value,
            4: key,
            15: {1: name, 2: name, 6: time},
            VDS: RFC9162_SHA256,
            GROWTH: list(growth),
        }
    )


@dataclass(frozen=True, slots=True)
class RootDate:
    """That the log added the entries from ``first`` up to ``size`` at ``time``, in its own word."""

    first: int
    size: int
    time: int


def root_date(
    protected: bytes, root: bytes, signature: bytes, origin: str, keys: Sequence[PublicKey]
) -> RootDate:
    """The date that a signed root gives its entries; ``keys`` are the log's that count.

    Raises:
        Tampered: ``log.receipt-wrong`` when none of the keys signed it, for this log.
        Malformed: ``log.receipt-malformed``, ``envelope.malformed``.
    """
    header = decode(protected)
    if not isinstance(header, dict) or encode(header) != protected:
        raise _malformed("its protected header is not in the one form")
    message = Sign1(
        protected=header,
        protected_bytes=protected,
        unprotected={},
        payload=None,
        signature=signature,
    )
    receipt = Receipt(message, inclusion=False, first=0, size=0, path=())
    if receipt.growth is None or receipt.issued_at is None or receipt.origin is None:
        raise _malformed("it does not say when the log grew, and how far")
    if receipt.origin != f"https://{origin}" or header.get(VDS) != RFC9162_SHA256:
        raise _wrong("it is another log's")
    if not any(check_sign1(message, key, root) for key in keys):
        raise _wrong("no accepted key of the log signed it")
    return RootDate(*receipt.growth, receipt.issued_at)


def inclusion_receipt(signed: RootSignature, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The receipt of one entry."""
    return _receipt(signed, {_INCLUSION: [encode([size, index, list(path)])]})


def consistency_receipt(
    signed: RootSignature, first: int, size: int, path: Sequence[bytes]
) -> bytes:
    """A receipt that the tree of ``size`` grew from that of ``first``."""
    return _receipt(signed, {_CONSISTENCY: [encode([first, size, list(path)])]})


def read_receipt(data: bytes) -> Receipt:
    """Parse a receipt of either sort.

    Raises:
        Malformed: ``log.receipt-malformed``, ``log.receipt-structure`` (another verifiable data
            structure than RFC 9162), ``envelope.malformed``.
        Refused: ``envelope.critical``.
    """
    if len(data) > MAX_RECEIPT:
        raise _malformed(f"it has {len(data)} bytes, at most {MAX_RECEIPT}")
    message = read_sign1(data)
    if message.payload is not None:
        raise _malformed("its payload is not detached")
    structure = message.protected.get(VDS)
    if type(structure) is not int or structure != RFC9162_SHA256:
        raise Malformed(
            "log.receipt-structure",
            "a receipt of another verifiable data structure than RFC9162_SHA256",
            why="its protected header (395) does not say 1",
            hint="only receipts of RFC 9162 logs can be checked here",
        )
    proofs = message.unprotected.get(VDP)
    if not isinstance(proofs, Mapping) or len(proofs) != 1:
        raise _malformed("it holds no proof, or two sorts")
    ((sort, listed),) = proofs.items()
    if (
        type(sort) is not int
        or sort not in (_INCLUSION, _CONSISTENCY)
        or not isinstance(listed, list | tuple)
        or len(listed) != 1
        or not isinstance(listed[0], bytes)
    ):
        raise _malformed("it holds not exactly one proof")
    proof = decode(listed[0], max_depth=4)
    if not isinstance(proof, list | tuple) or len(proof) != 3:
        raise _malformed("its proof has not three parts")
    one, two, path = proof
    size, first = (one, two) if sort == _INCLUSION else (two, one)
    if (
        type(size) is not int
        or type(first) is not int
        or not 0 <= first <= size <= MAX_TREE_SIZE
        or not isinstance(path, list | tuple)
        or len(path) > _MAX_PATH + 1
        or any(not isinstance(h, bytes) or len(h) != HASH_SIZE for h in path)
    ):
        raise _malformed("sizes or path are out of bounds")
    return Receipt(message, sort == _INCLUSION, first, size, tuple(path))


def check_receipt(receipt: Receipt, entry: bytes, key: PublicKey) -> bytes:
    """The root that the log signed for this entry.

    ``entry`` is the 32-byte digest of the statement, ``key`` a log key that the verifier accepts.

    Raises:
        Tampered: ``log.receipt-wrong``.
    """
    root = (
        root_from_inclusion(leaf_hash(entry), receipt.first, receipt.size, receipt.path)
        if receipt.inclusion
        else None
    )
    if root is None or not check_sign1(receipt.message, key, root):
        raise _wrong("entry, path and signature do not fit each other")
    return root


def check_consistency_receipt(
    receipt: Receipt, first_root: bytes, root: bytes, key: PublicKey
) -> None:
    """Check that the log signed ``root`` and that its tree grew from ``first_root``.

    Raises:
        Tampered: ``log.receipt-wrong``.
    """
    if (
        receipt.inclusion
        or not verify_consistency(receipt.first, receipt.size, receipt.path, first_root, root)
        or not check_sign1(receipt.message, key, root)
    ):
        raise _wrong("roots, path and signature do not fit each other")


def _receipt(signed: RootSignature, proofs: dict[int, list[bytes]]) -> bytes:
    return b"".join(
        (
            b"\xd2\x84",
            encode(signed.protected),
            encode({VDP: proofs}),
            b"\xf6",
            encode(signed.signature),
        )
    )


def _claims(message: Sign1) -> Mapping[Any, Any]:
    claims = message.protected.get(15)
    return claims if isinstance(claims, Mapping) else {}


def _malformed(why: str) -> Malformed:
    return Malformed(
        "log.receipt-malformed",
        f"not a receipt: {why}",
        why=why,
        hint="ask the log for the receipt again",
        fault=why,
    )


def _wrong(why: str) -> Tampered:
    return Tampered(
        "log.receipt-wrong",
        "the receipt does not show this statement in the log",
        why=why,
        hint="ask the log for a new receipt; keep this one as evidence",
    )
