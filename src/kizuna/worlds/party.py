# SPDX-License-Identifier: Apache-2.0
"""Parties: who speaks in a world, each with a key and a name in two languages; and a clock to set.

Keeps: a party signs only what it says itself, at the time it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Payload, encode_payload
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit, Handle, Unit

__all__ = ["Party", "SetClock", "new_party"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation of a world, ready to sign."""

    id: SubjectId
    title: Mapping[str, str] = field(hash=False)
    """Its name by language."""
    unit: Unit = field(compare=False, repr=False)
    handle: Handle = field(compare=False, repr=False)

    def say(self, kind: Kind, subject: SubjectId, payload: Payload, at: int) -> bytes:
        """A signed statement of this party."""
        return sign_statement(
            self.unit,
            self.handle,
            issuer=self.id,
            subject=subject,
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            issued_at=at,
        )

    def attach(self, subject: SubjectId, document: bytes, media_type: str, at: int) -> bytes:
        """A signed statement that carries a document of the field by its hash."""
        return sign_statement(
            self.unit,
            self.handle,
            issuer=self.id,
            subject=subject,
            media_type=media_type,
            payload=document,
            issued_at=at,
            by_hash=True,
        )


def new_party(unit: EphemeralUnit, english: str, japanese: str) -> Party:
    """A party with a new key in ``unit``, named by that key."""
    handle = unit.generate(Algorithm.ES256, english)
    return Party(
        id=did_key(unit.public(handle)),
        title={"en": english, "ja": japanese},
        unit=unit,
        handle=handle,
    )


class SetClock:
    """A clock that stands until it is moved; call it for the time in seconds since 1970."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        """The time it shows."""
        return self.now

    def forward(self, seconds: int) -> int:
        """Move it on and say the new time."""
        self.now += seconds
        return self.now
