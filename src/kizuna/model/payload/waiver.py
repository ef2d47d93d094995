# SPDX-License-Identifier: Apache-2.0
"""Waiver: a risk accepted by name, for one finding, until an end."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kizuna.model.payload.terms import Instant, Name, Text, Uri

__all__ = ["Waiver"]


class Waiver(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Accepts that the statement's subject does not meet one requirement of one profile.

    It counts for its signer, and for those whom the profile names; never when its signer is the
    subject; never against tampering.
    """

    requirement: Name
    profile: Name
    until: Instant
    reason: Text
    valid_from: Instant | None = None
    parties: list[Uri] = []
    ext: dict[str, Any] = {}
