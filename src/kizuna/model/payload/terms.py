# SPDX-License-Identifier: Apache-2.0
"""The words that several payloads share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta

__all__ = ["Hex32", "Instant", "Level", "Name", "Severity", "Text", "Uri", "seconds"]

Name = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/+-]*\Z")
]
"""A short machine-readable name, e.g. a claim type ``iso-27001``."""

Text = Annotated[str, Meta(max_length=4000)]
"""Words for people."""

Uri = Annotated[str, Meta(min_length=3, max_length=2048)]
"""A canonical subject identifier as it travels."""

Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""32 bytes in lower-case hexadecimal."""

Instant = Annotated[datetime, Meta(tz=True)]
"""A moment in time with its zone (RFC 3339)."""


class Level(StrEnum):
    """Assurance: who confirmed it. Ordered from weakest to strongest by ``rank``."""

    SELF = "self-declared"
    SECOND = "second-party"
    THIRD = "third-party"

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        return _RANK[self]


_RANK: Final = {Level.SELF: 0, Level.SECOND: 1, Level.THIRD: 2}


class Severity(StrEnum):
    """How bad, in the five steps that CVSS and CSAF use."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (none) to 4 (critical)."""
        return list(Severity).index(self)


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970-01-01T00:00:00Z, rounded down."""
    return int(moment.timestamp() // 1)
