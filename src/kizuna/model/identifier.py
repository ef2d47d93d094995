# SPDX-License-Identifier: Apache-2.0
"""Subjects: one of CPSF's six elements, or a service, named by a URI of its own field.

Keeps: 1. One thing has one spelling: ``canonical`` is idempotent, and everything that is stored,
compared or hashed went through it. 2. No identifier scheme is invented here: DID, PURL, GS1
Digital Link, URN (UUID, LEI, ...), CPE, UEID and plain https names are taken as defined.

Example:
    >>> canonical("PKG:npm/%40acme/Fan@1.0")
    'pkg:npm/%40acme/fan@1.0'
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final, NewType

from packageurl import PackageURL

from kizuna.model.errors import Malformed

__all__ = ["MAX_IDENTIFIER", "Digest", "Element", "SubjectId", "canonical", "digest_of"]

SubjectId = NewType("SubjectId", str)
"""A canonical subject identifier."""

Digest = NewType("Digest", bytes)
"""SHA-256, 32 bytes."""

MAX_IDENTIFIER: Final = 2048
"""Longest identifier in characters: bounds index keys and proofs."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.+)", re.DOTALL)
_FORBIDDEN = re.compile(
    r"[\x00-\x20\x7f<>\"{}|\\^`\u0080-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5"
    r"\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ud800-\udfff\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff]"
)
"""Controls, spaces, and what is not seen: two names that look the same are then two to no one."""
_PLAIN_PACKAGE = re.compile(
    r"pkg:(?:npm/(?:%40[a-z0-9][a-z0-9.-]*/)?|(?:cargo|composer|gem|generic|github|maven)/)"
    r"[a-z0-9][a-z0-9.-]*(?:/[a-z0-9][a-z0-9.-]*)?(?:@[A-Za-z0-9][A-Za-z0-9.-]*)?"
)
_AUTHORITY = re.compile(r"//([^/?#]*)(.*)", re.DOTALL)


class Element(StrEnum):
    """CPSF's six elements of a value creation process, and services."""

    ORGANIZATION = "organization"  # ソシキ
    PERSON = "person"  # ヒト
    COMPONENT = "component"  # モノ
    DATA = "data"  # データ
    PROCEDURE = "procedure"  # プロシージャ
    SYSTEM = "system"  # システム
    SERVICE = "service"


def digest_of(data: bytes) -> Digest:
    """SHA-256 of ``data``."""
    return Digest(sha256(data).digest())


@lru_cache(maxsize=65_536)
def canonical(text: str) -> SubjectId:
    """The one spelling of an identifier.

    Args:
        text: an absolute URI of at most ``MAX_IDENTIFIER`` characters.

    Returns:
        The same identifier with scheme (and, where they are case-insensitive by their own
        standard, authority or namespace) in lower case; PURLs in their canonical form.

    Raises:
        Malformed: ``identifier.malformed`` when it is no absolute URI, is too long, or holds
            spaces, controls, characters that are not seen, or a user before an https host.
    """
    if _PLAIN_PACKAGE.fullmatch(text) and len(text) <= MAX_IDENTIFIER:
        return SubjectId(text)  # already canonical: the common case, without the full PURL parser
    match = _SCHEME.fullmatch(text)
    if match is None or len(text) > MAX_IDENTIFIER or _FORBIDDEN.search(text):
        raise _malformed(text)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "pkg":
        return _package(text, rest)
    if scheme in ("https", "http"):
        parts = _AUTHORITY.fullmatch(rest)
        if parts is None or not parts[1] or "@" in parts[1]:  # https://acme.example@evil.example
            raise _malformed(text)
        return SubjectId(f"{scheme}://{parts[1].lower()}{parts[2]}")
    if scheme == "urn":
        namespace, _, name = rest.partition(":")
        if not name:
            raise _malformed(text)
        namespace = namespace.lower()
        return SubjectId(f"urn:{namespace}:{name.lower() if namespace == 'uuid' else name}")
    return SubjectId(f"{scheme}:{rest}")


def _package(text: str, rest: str) -> SubjectId:
    try:
        return SubjectId(PackageURL.from_string(f"pkg:{rest}").to_string())
    except ValueError as fault:
        raise _malformed(text, str(fault)) from fault


def _malformed(text: str, why: str = "") -> Malformed:
    return Malformed(
        "identifier.malformed",
        f"not an identifier: {text[:80]!r}",
        why=why or "a subject is named by an absolute URI without spaces or control characters",
        hint="use the name its field gives it: a DID, PURL, GS1 Digital Link, URN or https address",
        identifier=text[:80],
    )
