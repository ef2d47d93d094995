# SPDX-License-Identifier: Apache-2.0
"""A judgement as a statement: what a verifier found, published under its own name."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kizuna.model.payload.terms import Hex32, Instant, Name, Uri

__all__ = ["PublishedVerdict"]


class PublishedVerdict(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """``digest`` is SHA-256 over the canonical bytes of the verdict, which may stay private."""

    value: Name
    profile: Name
    profile_digest: Hex32
    at: Instant
    known: dict[str, str]
    digest: Hex32
    lists: list[Uri] = []
    engine: Name | None = None
    ext: dict[str, Any] = {}
