# SPDX-License-Identifier: Apache-2.0
"""Link information: which subjects depend on which, and what they are."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from kizuna.model.identifier import Element
from kizuna.model.payload.claim import Scalar
from kizuna.model.payload.terms import Instant, Name, Text, Uri
from kizuna.model.relation import Relation

__all__ = ["Described", "Link", "Links"]


class Link(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One tie: ``subject relation object``; an end left out is the statement's own subject."""

    relation: Relation
    subject: Uri | None = None
    object: Uri | None = None
    alternative: Name | None = None
    """Links of one dependent, relation and alternative stand for each other: one good is enough."""
    category: Name | None = None
    """Risk category, which a profile may count differently."""
    transitive: bool = False
    """True where the depending end also reaches the other one by a longer path."""
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    quantity: Annotated[int, Meta(ge=0, le=2**53)] | None = None


class Described(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a subject is, as the issuer knows it. Counts as a capability claim ``description``."""

    subject: Uri | None = None
    element: Element | None = None
    name: Text | None = None
    version: Text | None = None
    hashes: dict[Name, Annotated[str, Meta(pattern=r"^[0-9a-f]{32,128}\Z")]] = {}
    licenses: list[Text] = []
    claims: dict[Annotated[str, Meta(min_length=1, max_length=200)], Scalar | list[Scalar]] = {}


class Links(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Ties and descriptions said in one statement, for instance one bill of materials.

    A later statement of the same issuer, subject, ``part`` and ``bill`` takes the place of the
    earlier one, so a bill of materials is renewed whole.
    """

    links: list[Link] = []
    described: list[Described] = []
    complete: list[Relation] = []
    """Relations of which this statement names every tie of its subject."""
    part: Name | None = None
    bill: Uri | None = None
    """The product in whose bill of materials this is said of the subject, where it is not said
    elsewhere too: heard where that bill is followed and nowhere else, in the place of what the
    issuer says of the same ``part`` at large. It speaks of its own subject alone.
    """
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    note: Text | None = None
    imported: bool = False
    ext: dict[str, Any] = {}
