# SPDX-License-Identifier: Apache-2.0
"""What the workspace answers: plain frozen values that every door may show.

Keeps: no words for people in here (codes and identifiers only); no secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kizuna.model.errors import Problem
from kizuna.model.finding import Value
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.proof.documents import InnerSignature, Remark
    from kizuna.roots.units import Handle, Unit

__all__ = [
    "Change",
    "Explained",
    "ImportOutcome",
    "ImportedFile",
    "KeyState",
    "Progress",
    "Signed",
    "Spare",
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
    signatures: tuple[InnerSignature, ...] = ()
    """Signatures that the document brought along, judged; they raise nothing's standing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOutcome:
    """Everything an import made: digests (hex) of the statements and the subjects they name."""

    statements: tuple[str, ...]
    subjects: tuple[SubjectId, ...]
    root: SubjectId | None
    not_understood: tuple[str, ...]
    files: tuple[ImportedFile, ...]
    remarks: tuple[Remark, ...] = ()
    """Why each place in ``not_understood`` made no statement, or not the one to be expected."""
    refused: tuple[Problem, ...] = ()
    duplicates: int = 0
    unchanged: int = 0
    """How many of ``statements`` stood already and said the same."""
    renewed: int = 0
    """How many say again what was said longer ago than a day."""
    registered: int = 0
    """How many say what was not said before."""
    receipts: tuple[bytes, ...] = ()
    kept: int = 0
    """How many receipts of another store were checked and kept."""
    unproven: Problem | None = None
    """Why the other store's word that something is registered is not proven."""
    beyond: tuple[SubjectId, ...] = ()
    """Subjects about which no list that is believed lets the importer speak so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signed statement, its digest (hex), and the documents that must come along."""

    statement: bytes
    digest: str
    documents: Mapping[Digest, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """An opened spare key: a further key of the organisation that is kept in another place."""

    unit: Unit
    handle: Handle


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A verdict with its tree of reasons (see ``answers.tree_json``)."""

    verdict: Verdict
    tree: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBundle:
    """A proof bundle, ready to be written to a file."""

    data: bytes
    statements: int
    subject: SubjectId
    profile: str
    restricted: int = 0
    """How many of the statements only some may read."""
    withheld: tuple[Mapping[str, Any], ...] = ()
    """What the answer rests on and this reader may not read: for the operator's eyes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A watched verdict that is not what it was."""

    subject: SubjectId
    profile: str
    before: Value | None
    after: Value
    at: int
    through: tuple[str, ...] = ()
    """Mappings through which the profile is read."""


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
    stores: tuple[tuple[str, str], ...] = ()
    """Stores elsewhere that did not tell what was needed: (finding, origin of the log)."""
    through: tuple[str, ...] = ()
    """Mappings through which the profile is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """One key of the store's organisation and what it may still do."""

    thumbprint: str
    algorithm: str
    label: str
    state: str
    here: bool
    """True where the private key is in this store's unit."""
