# SPDX-License-Identifier: Apache-2.0
"""What the workspace answers: plain frozen values that every door may show.

Keeps: no words for people in here (codes and identifiers only); no secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kizuna.model.errors import Problem
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId

__all__ = [
    "Change",
    "ImportOutcome",
    "ImportedFile",
    "KeyState",
    "Progress",
    "Standing",
    "WrittenBundle",
    "quiet",
]

Progress = Callable[[str, int, int | None], None]
"""``progress(phase, done, total)``: phase is a message key, total ``None`` where unknown."""


def quiet(phase: str, done: int, total: int | None) -> None:
    """A progress that shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """What one file became."""

    name: str
    format: str
    root: SubjectId | None
    statements: tuple[str, ...]
    not_understood: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """Everything an import made: digests (hex) of the statements and the subjects they name."""

    statements: tuple[str, ...]
    subjects: tuple[SubjectId, ...]
    root: SubjectId | None
    not_understood: tuple[str, ...]
    files: tuple[ImportedFile, ...]
    refused: tuple[Problem, ...] = ()
    duplicates: int = 0
    receipts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBundle:
    """A proof bundle, ready to be written to a file."""

    data: bytes
    statements: int
    subject: SubjectId
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A watched verdict that is not what it was."""

    subject: SubjectId
    profile: str
    before: Value | None
    after: Value
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One line of the portfolio: a watched subject and how it stands."""

    subject: SubjectId
    name: str
    profile: str
    value: Value
    findings: int
    next_change: int | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """One key of the store's organisation and what it may still do."""

    thumbprint: str
    algorithm: str
    label: str
    state: str
    here: bool
    """True where the private key is in this store's unit."""
