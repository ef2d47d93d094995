# SPDX-License-Identifier: Apache-2.0
"""W3C Bitstring Status List: the same idea in the other bit order, inside a credential.

Keeps: 1. Index 0 is the *highest* bit of the first byte here. 2. A list with fewer than 131,072
entries is refused: in a small herd an index names a person. 3. Only the credential's content is
read; its proof is checked by whoever reads credentials.
Standard: Bitstring Status List v1.0 (W3C Recommendation 2025-05-15).
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.record.status.bits import beyond, malformed, unpack
from kizuna.roots import base64url

__all__ = ["LEAST_ENTRIES", "BitstringList", "read_bitstring", "write_bitstring"]

LEAST_ENTRIES: Final = 131_072
_PURPOSES: Final = frozenset({"revocation", "suspension", "message", "refresh"})
_GZIP: Final = 31
_TURNED: Final = bytes(int(f"{b:08b}"[::-1], 2) for b in range(256))


@dataclass(frozen=True, slots=True, kw_only=True)
class BitstringList:
    """One list: whether each of many credentials is revoked, or suspended."""

    content: bytes
    """As unpacked: index 0 in the highest bit of the first byte."""
    purpose: str
    uri: str = ""

    def __len__(self) -> int:
        return len(self.content) * 8

    def __getitem__(self, index: int) -> int:
        """0 or 1.

        Raises:
            Absent: ``status.beyond``.
        """
        if not 0 <= index < len(self):
            raise beyond(index, len(self))
        return self.content[index >> 3] >> (7 - (index & 7)) & 1

    def lowest_first(self) -> bytes:
        """The same array in the order of the Token Status List."""
        return self.content.translate(_TURNED)


def read_bitstring(subject: Mapping[str, Any]) -> BitstringList:
    """A list from the ``credentialSubject`` of a ``BitstringStatusListCredential``.

    Raises:
        Malformed: ``status.malformed``.
    """
    if subject.get("type") != "BitstringStatusList":
        raise malformed("its type is not BitstringStatusList")
    purpose, text = subject.get("statusPurpose"), subject.get("encodedList")
    if purpose not in _PURPOSES:
        raise malformed("its statusPurpose is unknown")
    if subject.get("statusSize", 1) != 1:
        raise malformed("entries of more than one bit are not read")
    if not isinstance(text, str) or text[:1] != "u":
        raise malformed("encodedList is not multibase base64url")
    try:
        packed = base64url.decode(text[1:])
    except Malformed as fault:
        raise malformed("encodedList is not base64url") from fault
    content = unpack(packed, _GZIP, 16 << 20)
    if len(content) * 8 < LEAST_ENTRIES:
        raise malformed(f"fewer than {LEAST_ENTRIES} entries")
    uri = subject.get("id", "")
    return BitstringList(content=content, purpose=purpose, uri=uri if isinstance(uri, str) else "")


def write_bitstring(uri: str, content: bytes, purpose: str = "revocation") -> dict[str, Any]:
    """The ``credentialSubject`` for an array with index 0 in the highest bit.

    Raises:
        Malformed: ``status.malformed``.
    """
    if len(content) * 8 < LEAST_ENTRIES or purpose not in _PURPOSES:
        raise malformed(f"fewer than {LEAST_ENTRIES} entries, or an unknown purpose")
    return {
        "id": uri,
        "type": "BitstringStatusList",
        "statusPurpose": purpose,
        "encodedList": "u" + base64url.encode(gzip.compress(content, 9, mtime=0)),
    }
