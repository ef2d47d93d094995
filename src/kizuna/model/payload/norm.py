# SPDX-License-Identifier: Apache-2.0
"""Norm: something required, permitted or agreed (a profile, policy, playbook, agreement)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kizuna.model.payload.terms import Instant, Name, Text

__all__ = ["Norm"]


class Norm(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A named, versioned document that judgements can refer to."""

    type: Name
    name: Name
    version: Name
    document: dict[str, Any]
    valid_from: Instant | None = None
    valid_until: Instant | None = None
    title: Text | None = None
    ext: dict[str, Any] = {}
