# SPDX-License-Identifier: Apache-2.0
r"""Base58 (Bitcoin alphabet), as multibase ``z`` writes it in ``did:key``.

Keeps: one value has one spelling; length is bounded, because the work grows with its square.

Example:
    >>> encode(b"\x00kizuna"), decode("1vVJoeiba")
    ('1vVJoeiba', b'\x00kizuna')
"""

from __future__ import annotations

from typing import Final

from kizuna.model.errors import Malformed

__all__ = ["decode", "encode"]

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE: Final = {letter: value for value, letter in enumerate(_ALPHABET)}
MAX_TEXT: Final = 1500


def encode(data: bytes) -> str:
    """Text of ``data``."""
    number, letters = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        letters = _ALPHABET[rest] + letters
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + letters


def decode(text: str) -> bytes:
    """Bytes of ``text``.

    Raises:
        Malformed: ``identity.malformed``.
    """
    number = 0
    if len(text) > MAX_TEXT or not all(letter in _VALUE for letter in text):
        raise Malformed(
            "identity.malformed",
            "not base58: another character, or too long",
            why="a did:key is written in base58 (Bitcoin alphabet)",
            hint="copy the identifier whole",
            identity=text[:80],
        )
    for letter in text:
        number = number * 58 + _VALUE[letter]
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
