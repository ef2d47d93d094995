# SPDX-License-Identifier: Apache-2.0
"""Outcomes: the exit codes that others script against, and which of several wins.

Keeps: the numbers are an interface (see ``docs/reference/exit-codes.md``) and never change.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PRECEDENCE", "Outcome", "worst"]


class Outcome(IntEnum):
    """What a command or a finding comes to."""

    HOLDS = 0
    FAULT = 1
    USAGE = 2
    NOT_TRUSTED = 10
    TAMPERED = 11
    STALE = 12
    EVIDENCE_MISSING = 13
    CHAIN_INCOMPLETE = 14
    NONCONFORMANT = 15
    UNREACHABLE = 20
    MISCONFIGURED = 21
    INTERRUPTED = 130


PRECEDENCE = (
    Outcome.MISCONFIGURED,
    Outcome.TAMPERED,
    Outcome.STALE,
    Outcome.NONCONFORMANT,
    Outcome.NOT_TRUSTED,
    Outcome.UNREACHABLE,
    Outcome.CHAIN_INCOMPLETE,
    Outcome.EVIDENCE_MISSING,
)
"""When several outcomes apply to one verdict, the first of these is its exit code."""


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome that decides: the first of ``PRECEDENCE`` that occurs, else ``HOLDS``."""
    present = set(outcomes)
    return next((o for o in PRECEDENCE if o in present), Outcome.HOLDS)
