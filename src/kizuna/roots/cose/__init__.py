# SPDX-License-Identifier: Apache-2.0
"""COSE: the one envelope of statements and receipts.

Keeps: bytes as received are verified and kept; decoding is bounded and strict; only the protected
header has meaning.
"""

from kizuna.roots.cose.cbor import decode, encode
from kizuna.roots.cose.envelope import (
    MAX_AUDIENCE,
    SALT_SIZE,
    check_signature,
    envelope_of,
    open_document,
    parse_sign1,
    salted,
    sign_statement,
)
from kizuna.roots.cose.mac0 import HMAC_256, SharedKey, check_mac0, mac0, mac_structure, read_mac0
from kizuna.roots.cose.message import (
    MAX_ENVELOPE,
    MAX_HEADER,
    Sign1,
    check_sign1,
    decode_header,
    decode_unprotected,
    read_frame,
    read_sign1,
    sign1,
    with_receipts,
)

__all__ = [
    "HMAC_256",
    "MAX_AUDIENCE",
    "MAX_ENVELOPE",
    "MAX_HEADER",
    "SALT_SIZE",
    "SharedKey",
    "Sign1",
    "check_mac0",
    "check_sign1",
    "check_signature",
    "decode",
    "decode_header",
    "decode_unprotected",
    "encode",
    "envelope_of",
    "mac0",
    "mac_structure",
    "open_document",
    "parse_sign1",
    "read_frame",
    "read_mac0",
    "read_sign1",
    "salted",
    "sign1",
    "sign_statement",
    "with_receipts",
]
