# SPDX-License-Identifier: Apache-2.0
"""Base64url without padding, as JOSE and JWK write it.

Keeps: one value has one spelling. Padding, white space, characters of the other alphabet and
left-over bits are refused, so that two texts never decode to the same bytes.
Standard: RFC 4648 section 5, RFC 7515 section 2.

Example:
    >>> encode(b"kizuna"), decode("a2l6dW5h")
    ('a2l6dW5h', b'kizuna')
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from kizuna.model.errors import Malformed

__all__ = ["decode", "encode"]


def encode(data: bytes) -> str:
    """Text of ``data``."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Bytes of ``text``.

    Raises:
        Malformed: ``key.encoding`` when it is not the one spelling of any bytes.
    """
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, binascii.Error, ValueError):
        data = b""
    if encode(data) != text:
        raise Malformed(
            "key.encoding",
            "not base64url without padding",
            why="padding, white space or a character outside A-Z a-z 0-9 - _",
            hint="encode it again without padding (RFC 7515 section 2)",
        )
    return data
