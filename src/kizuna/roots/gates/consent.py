# SPDX-License-Identifier: Apache-2.0
"""Consent: somebody else's signed word that a key may be used, for a while and so many times.

Keeps: 1. A consent is a statement like any other (a ``norm`` of type ``gate-consent``): it can be
registered, shown and explained. 2. It names key, operations, purposes, end and number of uses; none
of these can be left out. 3. What counts is the key that signed it, which the policy must name;
issuer and time claimed have no effect. 4. A consent is spent: its digest is remembered until it
has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Norm, decode_payload, encode_payload
from kizuna.model.payload.terms import seconds
from kizuna.roots.cose import check_signature, parse_sign1, sign_statement
from kizuna.roots.gates.policy import CONSENT, Operation
from kizuna.roots.keys import PublicKey
from kizuna.roots.units import Handle, Unit

__all__ = ["Agreed", "Agreement", "check_consent", "read_consent", "sign_consent"]

MAX_CONSENT: Final = 16_384
MAX_LIFE: Final = 31 * 86_400
"""Longest life of a consent in seconds."""


class Agreed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is agreed to; stands in the norm's ``document``."""

    key: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """Thumbprint of the key that may be used."""
    operations: Annotated[list[Operation], Meta(min_length=1, max_length=16)]
    uses: Annotated[int, Meta(ge=1, le=1_000)]
    purposes: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=64)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A consent that was read; its signature is checked against the keys a policy names."""

    raw: bytes
    digest: str
    signer: bytes
    """Thumbprint of the key that signed it."""
    agreed: Agreed
    begins: int
    ends: int


def sign_consent(
    unit: Unit,
    handle: Handle,
    agreed: Agreed,
    *,
    issuer: str,
    name: str,
    begins: int,
    ends: int,
) -> bytes:
    """A signed consent.

    Args:
        unit: where the consenting key lives.
        handle: the consenting key.
        agreed: what is agreed to.
        issuer: who consents.
        name: names this consent, so that two for the same thing are two.
        begins: from when it counts, seconds since 1970.
        ends: until when.

    Raises:
        Malformed: ``gate.consent-wrong``.
    """
    if not begins < ends <= begins + MAX_LIFE:
        raise _wrong(f"it lasts between one second and {MAX_LIFE // 86_400} days")
    norm = Norm(
        type=CONSENT,
        name=name,
        version="1",
        document=msgspec.to_builtins(agreed),
        valid_from=datetime.fromtimestamp(begins, UTC),
        valid_until=datetime.fromtimestamp(ends, UTC),
    )
    return sign_statement(
        unit,
        handle,
        issuer=issuer,
        subject=issuer,
        media_type=media_type_of(Kind.NORM),
        payload=encode_payload(norm),
        issued_at=begins,
    )


def read_consent(data: bytes) -> Agreement:
    """A consent as it was sent; nothing about it is checked but its shape.

    Raises:
        Malformed: ``gate.consent-wrong``, ``envelope.*``, ``payload.*``.
        Refused: ``envelope.*``.
    """
    if len(data) > MAX_CONSENT:
        raise _wrong(f"{len(data)} bytes, at most {MAX_CONSENT}")
    envelope = parse_sign1(data)
    if envelope.media_type != media_type_of(Kind.NORM) or envelope.by_hash:
        raise _wrong("not a norm statement")
    norm = decode_payload(Kind.NORM, envelope.payload)
    if not isinstance(norm, Norm) or norm.type != CONSENT:
        raise _wrong(f"not a norm of type {CONSENT}")
    if norm.valid_from is None or norm.valid_until is None:
        raise _wrong("a consent says from when and until when it counts")
    begins, ends = seconds(norm.valid_from), seconds(norm.valid_until)
    if not begins < ends <= begins + MAX_LIFE:
        raise _wrong(f"it lasts between one second and {MAX_LIFE // 86_400} days")
    try:
        agreed = msgspec.convert(norm.document, Agreed)
    except msgspec.ValidationError as fault:
        raise _wrong(str(fault)[:200]) from fault
    return Agreement(
        raw=data,
        digest=envelope.digest.hex(),
        signer=envelope.key_id,
        agreed=agreed,
        begins=begins,
        ends=ends,
    )


def check_consent(agreement: Agreement, keys: list[dict[str, str]]) -> bool:
    """Whether one of ``keys`` (public JWKs of a policy) signed it.

    Raises:
        Tampered: ``gate.consent-forged`` where it names such a key, which did not sign it.
    """
    for jwk in keys:
        key = PublicKey.from_jwk(jwk)
        if key.thumbprint == agreement.signer:
            if check_signature(parse_sign1(agreement.raw), key):
                return True
            raise Tampered(
                "gate.consent-forged",
                "the consent's signature does not hold",
                why="it was changed after it was signed, or somebody else signed it",
                hint="ask the person for a new consent, and tell them of this one",
                key=key.thumbprint.hex(),
            )
    return False


def _wrong(why: str) -> Malformed:
    return Malformed(
        "gate.consent-wrong",
        f"not a usable consent: {why}",
        why=why,
        hint="make one with `kizuna key gate consent`",
        fault=why,
    )
