# SPDX-License-Identifier: Apache-2.0
"""Membership: an entry of a trust list, the only source of authority."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from kizuna.model.kind import Kind
from kizuna.model.payload.terms import Instant, Level, Name, Text, Uri

__all__ = ["Membership", "Service", "Standing"]


class Standing(StrEnum):
    """The state of an entry (ETSI TS 119 612 knows the same three)."""

    GRANTED = "granted"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


class Service(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What a member may say, and about whose names.

    ``type`` is the role that profiles accept (``certification-body``, ``maker``, ``list-operator``,
    ``coordinator`` ...). ``scope`` holds prefixes of subject identifiers, each ending at a border
    of a name (``/ : @ ? #`` or the whole identifier); ``*`` is everything; the member's own
    identifier is always in scope. ``claims`` holds claim, notice or norm types (``*`` for all) and
    for kind ``link`` relation names.
    """

    type: Name
    kinds: list[Kind]
    claims: list[Annotated[str, Meta(min_length=1, max_length=200)]] = field(
        default_factory=lambda: ["*"]
    )
    scope: list[Annotated[str, Meta(min_length=1, max_length=2048)]] = []
    level: Level = Level.SELF
    """The highest assurance level that the member's statements may reach under this service."""


class Membership(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The statement's subject is the member; the issuer operates the list.

    The latest entry for (list, member) is the one in force from its registration on; the earlier
    ones are its history.
    """

    list_id: Uri = field(name="list")
    state: Standing
    services: list[Service] = []
    name: Text | None = None
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    reason: Text | None = None
    logs: list[Text] = []
    """Origins of the logs in which the member's statements stand; absence is claimed for these."""
    keys: list[dict[str, str]] = []
    """Public JWKs pinned for a member whose identifier does not carry its key (``did:web``)."""
    ext: dict[str, Any] = {}
