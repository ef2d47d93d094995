# SPDX-License-Identifier: Apache-2.0
"""Certificate, capability and evidence: three kinds, one shape, a claim about the subject."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from kizuna.model.payload.terms import Hex32, Instant, Level, Name, Text, Uri

__all__ = ["Claim", "Reference", "Scalar"]

Scalar = str | int | bool
"""What a claim may hold. No floats: they have no one canonical form; write decimals as text."""


class Reference(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A document or statement that a claim rests on, named by its digest."""

    sha256: Hex32
    media_type: Text | None = None
    location: Uri | None = None
    note: Text | None = None


class Claim(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the issuer says of the subject.

    ``type`` names the claim in the field's own words (``iso-27001``, ``ce``, ``firmware``). A
    later claim of the same issuer, kind, type and subject takes the place of the earlier one.
    """

    type: Name
    level: Level = Level.SELF
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    claims: dict[Annotated[str, Meta(min_length=1, max_length=200)], Scalar | list[Scalar]] = {}
    evidence: list[Reference] = []
    note: Text | None = None
    imported: bool = False
    """True where the issuer only passes on what a document says: the importer's word, no more."""
    ext: dict[str, Any] = {}
