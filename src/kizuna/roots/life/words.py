# SPDX-License-Identifier: Apache-2.0
"""What is said over a device's life, as payloads of ordinary statements.

::

    certificate idevid              maker:  this device was made with this key
    certificate ownership-voucher   owner (at first the maker): the device goes to somebody
    certificate ldevid              owner:  it is mine and works under this key
    evidence    ownership-handover  giver:  it was taken, as another log says
    evidence    retirement          owner:  its life is over
    status      revoke, suspend     of one of these: lost, stolen, taken back

Keeps: 1. No kind of statement of its own: lists, profiles and verdicts read these as they read any
claim. 2. A public key stands in ``ext.jwk`` and its name in ``claims.key``; a shared key only by
its name. 3. Each names what it follows: a rotation the key it replaces, an acceptance its voucher,
a voucher the one before, so that nothing can be slipped in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from kizuna.model.identifier import canonical
from kizuna.model.payload import Action, Claim, Reference, Scalar, Status, Target
from kizuna.roots.keys import PublicKey

__all__ = [
    "HANDOVER",
    "IDEVID",
    "LDEVID",
    "RETIREMENT",
    "VOUCHER",
    "Assertion",
    "Ending",
    "end_binding",
    "handover",
    "idevid",
    "ldevid",
    "retirement",
    "voucher_claim",
]

IDEVID: Final = "idevid"
LDEVID: Final = "ldevid"
VOUCHER: Final = "ownership-voucher"
HANDOVER: Final = "ownership-handover"
RETIREMENT: Final = "retirement"

_Claims = dict[str, Scalar | list[Scalar]]


class Assertion(StrEnum):
    """How the giver knows that the new owner is right (RFC 8366)."""

    VERIFIED = "verified"  # the giver knows of the sale
    LOGGED = "logged"  # only that it was written down
    PROXIMITY = "proximity"  # the device was shown to be beside the new owner


class Ending(StrEnum):
    """Why a key of a device stopped being its key."""

    ROTATED = "rotated"
    TRANSFERRED = "transferred"
    LOST = "lost"
    STOLEN = "stolen"
    REVOKED = "revoked"
    RETIRED = "retired"


def idevid(
    key: PublicKey | str,
    *,
    replaces: str | None = None,
    about: Mapping[str, Scalar] | None = None,
    chain: str | None = None,
) -> Claim:
    """The maker's word: this device was made with this key.

    Args:
        key: a public key, or the name (hex) of a shared one.
        replaces: name of the key that a repair took out.
        about: serial number, model.
        chain: SHA-256 (hex) of the IDevID certificate chain it was read from.
    """
    claims, ext = _key(key)
    claims |= dict(about or {})
    if replaces:
        claims["replaces"] = replaces
    evidence = [Reference(sha256=chain, media_type="application/pkix-cert")] if chain else []
    return Claim(type=IDEVID, claims=claims, ext=ext, evidence=evidence)


def voucher_claim(
    to: str,
    *,
    assertion: Assertion = Assertion.VERIFIED,
    prior: str | None = None,
    created: int | None = None,
    expires: int | None = None,
    about: Mapping[str, Scalar] | None = None,
    document: str | None = None,
) -> Claim:
    """The present owner's word (at first the maker's): the device goes to ``to``.

    Args:
        to: the new owner.
        assertion: how that is known.
        prior: digest of the voucher before this one; None for the first.
        created: when it was made, seconds since 1970.
        expires: until when it may be accepted.
        about: serial number, nonce, and other members of RFC 8366 that are text.
        document: SHA-256 of the same voucher as a document of RFC 8366.
    """
    claims: _Claims = {"owner": canonical(to), "assertion": assertion.value, **(about or {})}
    if prior:
        claims["prior"] = prior
    evidence = []
    if document:
        evidence.append(Reference(sha256=document, media_type="application/voucher-jws+json"))
    return Claim(
        type=VOUCHER,
        claims=claims,
        evidence=evidence,
        valid_from=_moment(created),
        valid_until=_moment(expires),
    )


def ldevid(
    key: PublicKey | str | None,
    *,
    owner: str,
    voucher: str | None = None,
    replaces: str | None = None,
    about: Mapping[str, Scalar] | None = None,
    expires: int | None = None,
) -> Claim:
    """The owner's word: this device is mine and works under this key.

    Args:
        key: a public key, the name (hex) of a shared one, or None for a device without keys.
        owner: whose it is.
        voucher: digest of the voucher that is accepted by this.
        replaces: name of the key that this one takes over from.
        about: how it attests (scheme, reference class, gateway, position).
        expires: until when the key counts.
    """
    claims, ext = _key(key)
    claims |= {"owner": canonical(owner), **(about or {})}
    if voucher:
        claims["voucher"] = voucher
    if replaces:
        claims["replaces"] = replaces
    return Claim(type=LDEVID, claims=claims, ext=ext, valid_until=_moment(expires))


def handover(to: str, *, voucher: str, acceptance: str, log: str, receipt: str) -> Claim:
    """The giver's word: the voucher was accepted, and the acceptance stands in another log.

    Args:
        to: the new owner.
        voucher: digest of the voucher that was accepted.
        acceptance: digest of the acceptance.
        log: origin of the log in which that stands.
        receipt: SHA-256 (hex) of that log's receipt for it.
    """
    return Claim(
        type=HANDOVER,
        claims={
            "owner": canonical(to),
            "voucher": voucher,
            "acceptance": acceptance,
            "acceptance-log": log,
        },
        evidence=[Reference(sha256=receipt, media_type="application/cose")],
    )


def retirement(reason: str = "") -> Claim:
    """The owner's word: the device's life is over."""
    claims: _Claims = {"reason": reason} if reason else {}
    return Claim(type=RETIREMENT, claims=claims)


def end_binding(
    statement: str, why: Ending, *, since: int | None = None, reason: str = ""
) -> Status:
    """Ends what an ``idevid``, ``ldevid`` or voucher said; ``since``: from when it was untrue."""
    return Status(
        action=Action.REVOKE,
        target=Target(statement=statement),
        since=_moment(since),
        reason=reason or None,
        ext={"ending": why.value},
    )


def _key(key: PublicKey | str | None) -> tuple[_Claims, dict[str, Any]]:
    if key is None:
        return {"key-kind": "none"}, {}
    if isinstance(key, str):
        return {"key": key, "key-kind": "shared"}, {}
    return {"key": key.thumbprint.hex(), "key-kind": "public"}, {"jwk": key.to_jwk()}


def _moment(at: int | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
