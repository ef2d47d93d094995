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
from unicodedata import normalize

from packageurl import PackageURL

from kizuna.model.errors import Malformed
from kizuna.model.hosts import host_of

__all__ = [
    "MAX_IDENTIFIER",
    "Digest",
    "Element",
    "SubjectId",
    "canonical",
    "digest_of",
    "readable",
]

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
_ESCAPED = re.compile(r"[A-Za-z](?:%[C-Fc-f][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f])+)+")
"""A letter with escaped ones behind it, which may be accents of it."""
_WEB_HOST = re.compile(r"([^:/?#]*)(.*)", re.DOTALL)
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
        standard, authority or namespace) in lower case; accents composed (NFC); PURLs in their
        canonical form; hosts as ``hosts.host_of`` writes them.

    Raises:
        Malformed: ``identifier.malformed`` when it is no absolute URI, is too long, or holds
            spaces, controls, characters that are not seen, a user before an https host, or a host
            that passes for another.
    """
    if _PLAIN_PACKAGE.fullmatch(text) and len(text) <= MAX_IDENTIFIER:
        return SubjectId(text)  # already canonical: the common case, without the full PURL parser
    spelt = readable(text if text.isascii() else normalize("NFC", text))
    scheme, _, rest = spelt.partition(":")
    if scheme == "pkg":
        return _composed_package(spelt) if "%" in spelt else spelt
    if scheme in ("https", "http"):
        parts = _AUTHORITY.fullmatch(rest)
        if parts is None:
            raise _malformed(text)
        return readable(f"{scheme}://{_host(text, parts[1], scheme)}{parts[2]}")
    if scheme == "did":
        if not rest.isascii():
            raise _malformed(text, "a DID is written in ASCII")
        if rest.startswith("web:"):
            host, path = _WEB_HOST.match(rest[4:]).groups()  # type: ignore[union-attr]
            name, escape, port = host.lower().partition("%3a")
            written = _host(text, f"{name}:{port}" if escape else name, "https")
            return readable(f"did:web:{written.replace(':', '%3A')}{path}")
    return spelt


@lru_cache(maxsize=65_536)
def readable(text: str) -> SubjectId:
    """The spelling that everything registered has met, also before hosts were looked at.

    Reading what a log holds goes by this rule, so that a stricter ``canonical`` makes nothing that
    was registered unreadable; what is new goes by ``canonical``.

    Raises:
        Malformed: ``identifier.malformed``.
    """
    if _PLAIN_PACKAGE.fullmatch(text) and len(text) <= MAX_IDENTIFIER:
        return SubjectId(text)
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


def _host(text: str, authority: str, scheme: str) -> str:
    try:
        return host_of(authority, scheme)
    except ValueError as fault:
        raise _malformed(text, str(fault)) from fault


def _composed_package(spelt: SubjectId) -> SubjectId:
    """A package whose escaped letters have their accents composed."""

    def composed(match: re.Match[str]) -> str:
        plain = bytes.fromhex(match[0][1:].replace("%", ""))
        try:
            whole = normalize("NFC", match[0][0] + plain.decode())
        except UnicodeDecodeError:
            return match[0]
        return "".join(
            c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in whole
        )

    return readable(_ESCAPED.sub(composed, spelt))


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
