# SPDX-License-Identifier: Apache-2.0
"""Notice: something happened to the subject (vulnerability, incident, failed attestation ...)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kizuna.model.payload.claim import Reference
from kizuna.model.payload.terms import Instant, Name, Severity, Text

__all__ = ["Notice"]


class Notice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An adverse event. It stays in effect until its issuer or a superior withdraws it by a
    ``status``, or until ``valid_until`` where it says one.

    ``type`` is free (``vulnerability``, ``incident``, ``anomaly``, ``attestation-failed``,
    ``recall``); ``tampering`` is the one that no waiver removes.
    """

    type: Name
    severity: Severity
    id: Name | None = None
    summary: Text | None = None
    mend: Text | None = None
    since: Instant | None = None
    valid_until: Instant | None = None
    evidence: list[Reference] = []
    imported: bool = False
    ext: dict[str, Any] = {}
