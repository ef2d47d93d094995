# SPDX-License-Identifier: Apache-2.0
"""The owner of a store, as the nouns of this room need it.

Keeps: 1. Keys, lists, judging and construction know this shape and not the workspace that has it,
so that no two files of the room need each other. 2. Whatever only needs somebody who speaks in an
organisation's name asks for a ``Speaker``: the owner of a store is one, and so is a member of
another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kizuna.app.wiring.folder import Description, Folder
from kizuna.app.wiring.settings import Clock, Settings
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Payload
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Known

if TYPE_CHECKING:
    from kizuna.criteria.profiles import Profile
    from kizuna.model.errors import Problem
    from kizuna.model.statement import Registered
    from kizuna.record.log import EvidenceLog
    from kizuna.record.store import Accepted, Refusal, Store, StoreReader, View
    from kizuna.roots.units import Handle, Unit

__all__ = ["Keeper", "Owner", "Reading", "Speaker"]


class Speaker(Protocol):
    """An organisation that signs, and registers what it signed, here or elsewhere."""

    identity: SubjectId
    clock: Clock

    @property
    def unit(self) -> Unit:
        """Where the private keys are."""
        ...

    @property
    def handle(self) -> Handle:
        """The key that signs now."""
        ...

    def use_key(self, handle: Handle) -> None:
        """Sign with this key from now on."""
        ...

    def signing_with(self, handle: Handle) -> AbstractContextManager[None]:
        """Sign with this key for a while."""
        ...

    def told_of_itself(self) -> tuple[Sequence[Registered], int]:
        """What is registered about the organisation, in order, and the size of the log then."""
        ...

    def above(self) -> frozenset[str]:
        """Who may act on the organisation's keys as well, where it registers: its superiors."""
        ...

    def register_each(self, statements: Sequence[bytes]) -> list[tuple[str, int] | Problem]:
        """Register statements in one go: digest (hex) and place of each, or what refuses it."""
        ...


class Owner(Speaker, Protocol):
    """An organisation with its store, keys and anchors; see ``Workspace``."""

    settings: Settings
    folder: Folder
    path: Path
    name: str
    list_id: SubjectId
    store: Store

    def __init__(self, settings: Settings, folder: Folder, description: Description) -> None: ...

    def bind_unit(self, unit: Unit) -> None:
        """Use this unit (construction only)."""
        ...

    def bind_store(self, store: Store) -> None:
        """Use this store (construction only)."""
        ...

    def describe_as(self, description: Description) -> None:
        """Remember this of the store from now on."""
        ...

    @property
    def description(self) -> Description:
        """What the folder says of itself."""
        ...

    @property
    def log(self) -> EvidenceLog:
        """The evidence log."""
        ...

    def anchors(self, lists: Sequence[str] | None = None) -> Anchors:
        """Whom this verifier believes."""
        ...

    def set_anchors(self, anchors: Anchors) -> None:
        """Believe these."""
        ...

    def sign(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> bytes:
        """One signed statement."""
        ...

    def register(self, statements: Sequence[bytes]) -> Sequence[Accepted | Refusal]:
        """Submit signed statements; one bad statement refuses itself, not the batch."""
        ...

    def register_one(
        self, statement: bytes, documents: Mapping[Digest, bytes] | None = None
    ) -> tuple[str, int]:
        """Register one statement."""
        ...

    def head(self) -> Known:
        """The last published checkpoint."""
        ...

    def profile(self, name_or_path: str) -> Profile:
        """A profile by name or file."""
        ...


class Reading(Protocol):
    """How a store is read for a judgement."""

    def reader(self, view: View | None) -> StoreReader:
        """The store through a reader's eyes, dated as the verifier's witnesses do."""
        ...

    def quorum(self) -> int:
        """How many of the verifier's witnesses cosigned the store's last checkpoint."""
        ...


class Keeper(Owner, Protocol):
    """An owner whose store is read for judgements."""

    @property
    def judge(self) -> Reading:
        """Who judges in this process."""
        ...

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """What people call these."""
        ...
