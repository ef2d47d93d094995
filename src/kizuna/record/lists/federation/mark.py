# SPDX-License-Identifier: Apache-2.0
"""Trust marks: a signed seal that an entity shows, issued by one whom the anchor allows to.

Keeps: 1. A mark counts only for the entity it names, only for the type under which it is shown, and
only from an issuer that the *anchor* allows for that type. 2. Where the type has an owner, the
issuer shows the owner's delegation. 3. A mark that cannot be checked is no mark; its status, where
asked, is a signed answer and not a mere word.
Standard: OpenID Federation 1.0 section 7.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Refused, Tampered
from kizuna.model.identifier import MAX_IDENTIFIER, Digest
from kizuna.record.lists.federation.entity import (
    EntityStatement,
    check_entity_id,
    malformed,
    signed_by,
)
from kizuna.roots.jws import Jws, parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = [
    "TrustMark",
    "check_mark",
    "check_mark_status",
    "read_mark",
    "sign_delegation",
    "sign_mark",
    "sign_mark_status",
]

_MARK: Final = "trust-mark+jwt"
_DELEGATION: Final = "trust-mark-delegation+jwt"
_STATUS: Final = "trust-mark-status-response+jwt"
_MAX_MARK: Final = 64 << 10
_AHEAD: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustMark:
    """A mark as it was read."""

    kind: str
    issuer: str
    subject: str
    issued: int
    expires: int | None
    delegation: str | None
    token: Jws
    raw: bytes

    @property
    def digest(self) -> Digest:
        """SHA-256 of the mark as received."""
        return Digest(sha256(self.raw).digest())


def read_mark(data: bytes | str) -> TrustMark:
    """A mark, its form checked, its signature not.

    Raises:
        Malformed: ``federation.malformed``, ``envelope.jws-malformed``.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    token, claims = _opened(raw, _MARK)
    kind = claims.get("trust_mark_type", claims.get("id"))
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_IDENTIFIER:
        raise malformed("a trust mark names its type")
    delegation = claims.get("delegation")
    if delegation is not None and not isinstance(delegation, str):
        raise malformed("the delegation of a trust mark is a signed token")
    return TrustMark(
        kind=kind,
        issuer=check_entity_id(claims.get("iss")),
        subject=check_entity_id(claims.get("sub")),
        issued=_time(claims, "iat", needed=True) or 0,
        expires=_time(claims, "exp", needed=False),
        delegation=delegation,
        token=token,
        raw=raw,
    )


def check_mark(
    mark: TrustMark,
    *,
    shown_as: str,
    entity: str,
    issuer_keys: Mapping[str, PublicKey],
    anchor: EntityStatement,
    now: int,
) -> None:
    """Hold a mark against what the anchor allows; returns where it counts.

    Args:
        mark: The mark.
        shown_as: The type under which the entity shows it.
        entity: Who shows it.
        issuer_keys: The issuer's keys, from a valid chain to the same anchor.
        anchor: The anchor's configuration, already checked.
        now: Seconds since 1970.

    Raises:
        Refused: ``federation.mark-refused``. Tampered: ``federation.mark-forged``.
    """
    allowed = anchor.mark_issuers.get(mark.kind)
    if mark.kind != shown_as:
        raise _refused(mark, "it is shown under another type")
    if mark.subject != entity:
        raise _refused(mark, f"it was issued for {mark.subject}")
    if allowed is None or (allowed and mark.issuer not in allowed):
        raise _refused(mark, f"{mark.issuer} may not issue it in this federation")
    if mark.issued > now + _AHEAD or (mark.expires is not None and mark.expires <= now):
        raise _refused(mark, "it is not valid now")
    if not signed_by(mark.token, issuer_keys):
        raise _forged(mark)
    owner = anchor.mark_owners.get(mark.kind)
    if owner is not None and owner[0] != mark.issuer:
        _check_delegation(mark, *owner, now=now)


def _check_delegation(
    mark: TrustMark, owner: str, keys: Mapping[str, PublicKey], *, now: int
) -> None:
    if mark.delegation is None:
        raise _refused(mark, f"its owner {owner} has not delegated it to {mark.issuer}")
    token, claims = _opened(mark.delegation.encode(), _DELEGATION)
    fits = (
        claims.get("iss") == owner
        and claims.get("sub") == mark.issuer
        and claims.get("trust_mark_type", claims.get("id")) == mark.kind
    )
    expires = _time(claims, "exp", needed=False)
    if not fits or (expires is not None and expires <= now):
        raise _refused(mark, "the delegation is for another issuer or type, or has expired")
    if not signed_by(token, keys):
        raise _forged(mark)


def check_mark_status(
    data: bytes | str, mark: TrustMark, issuer_keys: Mapping[str, PublicKey], *, now: int
) -> str:
    """What the issuer answers about a mark: ``active``, ``expired``, ``revoked``, ``invalid``.

    Raises:
        Malformed: ``federation.malformed``. Tampered: ``federation.mark-forged``.
        Refused: ``federation.mark-refused`` for an answer about another mark, or an old one.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    token, claims = _opened(raw, _STATUS)
    status = claims.get("status")
    if claims.get("trust_mark") != mark.raw.decode("ascii", "replace"):
        raise _refused(mark, "the answer is about another mark")
    if not isinstance(status, str) or claims.get("iss") != mark.issuer:
        raise malformed("the answer has no status, or is not by the mark's issuer")
    issued = _time(claims, "iat", needed=True) or 0
    if not now - 24 * 3600 < issued <= now + _AHEAD:
        raise _refused(mark, "the answer is older than a day")
    if not signed_by(token, issuer_keys):
        raise _forged(mark)
    return status


def sign_mark(unit: Unit, handle: Handle, claims: Mapping[str, Any]) -> bytes:
    """A signed mark from its claims."""
    return _signed(unit, handle, claims, _MARK)


def sign_delegation(unit: Unit, handle: Handle, claims: Mapping[str, Any]) -> bytes:
    """The owner's word that somebody may issue its mark."""
    return _signed(unit, handle, claims, _DELEGATION)


def sign_mark_status(
    unit: Unit, handle: Handle, *, issuer: str, mark: bytes, status: str, now: int
) -> bytes:
    """An answer about a mark."""
    claims = {"iss": issuer, "iat": now, "trust_mark": mark.decode("ascii"), "status": status}
    return _signed(unit, handle, claims, _STATUS)


def _signed(unit: Unit, handle: Handle, claims: Mapping[str, Any], kind: str) -> bytes:
    payload = json.dumps(dict(claims), sort_keys=True, separators=(",", ":")).encode()
    return sign_jws(unit, handle, payload, {"typ": kind})


def _opened(raw: bytes, kind: str) -> tuple[Jws, dict[str, Any]]:
    if len(raw) > _MAX_MARK:
        raise malformed(f"{len(raw)} bytes, at most {_MAX_MARK}")
    token = parse_jws(raw)
    if token.header.get("typ") != kind:
        raise malformed(f"its type is not {kind}")
    return token, read_object(token.payload, "federation.malformed", _MAX_MARK)


def _time(claims: Mapping[str, Any], name: str, *, needed: bool) -> int | None:
    value = claims.get(name)
    if value is None and not needed:
        return None
    if type(value) is not int or not 0 <= value < 2**53:
        raise malformed(f"{name} is not a time")
    return value


def _refused(mark: TrustMark, why: str) -> Refused:
    return Refused(
        "federation.mark-refused",
        f"the trust mark {mark.kind} of {mark.subject} does not count: {why}",
        why=why,
        hint="ask its issuer for a valid one",
        kind=mark.kind[:200],
        subject=mark.subject[:200],
        fault=why[:200],
    )


def _forged(mark: TrustMark) -> Tampered:
    return Tampered(
        "federation.mark-forged",
        f"the trust mark {mark.kind} of {mark.subject} is not signed as it must be",
        why="it was altered, or signed with a key that nobody above vouches for",
        hint="do not accept it; tell its issuer",
        kind=mark.kind[:200],
        subject=mark.subject[:200],
    )
