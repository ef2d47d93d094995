# SPDX-License-Identifier: Apache-2.0
"""Status: what becomes of a statement, a key or a listing after it was registered."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from kizuna.model.payload.terms import Hex32, Instant, Text, Uri

__all__ = ["Action", "Status", "Target"]


class Action(StrEnum):
    """What is done to the target."""

    SUSPEND = "suspend"
    REVOKE = "revoke"
    REINSTATE = "reinstate"  # ends a suspension; a revocation stays
    WITHDRAW = "withdraw"  # takes back a notice, waiver or status: its effect ends
    REPLACE = "replace"  # the target statement is superseded by ``by``
    ERASE = "erase"  # document and salt were removed; the proof remains
    ENROL = "enrol"  # a further key of the issuer, from registration on
    ROTATE = "rotate"  # ``key`` takes over from the target key; ends its future use, no more
    COMPROMISE = "compromise"  # the key was not the issuer's alone since ``since``


class Target(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Exactly one of: a statement (its digest), a key (RFC 9679 thumbprint of the COSE key)."""

    statement: Hex32 | None = None
    key: Hex32 | None = None


class Status(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Acts on the target. The statement's subject is the target statement's subject, or for keys
    the identity whose key it is.
    """

    action: Action
    target: Target
    since: Instant | None = None
    by: Hex32 | None = None
    key: dict[str, str] | None = None
    """The new public key as a JWK, for ``enrol`` and ``rotate``."""
    reason: Text | None = None
    holder: Uri | None = None
    ext: dict[str, Any] = {}
