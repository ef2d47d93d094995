# SPDX-License-Identifier: Apache-2.0
"""Whoever speaks from a folder, as commands need to know them.

Keeps: an organisation with a store of its own and a member of somebody else's are one shape here,
so that what is said by either is said in one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from kizuna.app.wiring.owner import Speaker
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import ImportOutcome, Progress, Signed, quiet
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Payload

if TYPE_CHECKING:
    from kizuna.app.wiring.keys.life import Keys
    from kizuna.roots.keys import PublicKey

__all__ = ["Organisation", "Publisher"]


class Publisher(Protocol):
    """Whoever can publish documents: an organisation with its store, or a member of another."""

    def publish(
        self,
        files: Sequence[tuple[str, bytes]],
        *,
        keys: Mapping[str, PublicKey] | None = None,
        progress: Progress = quiet,
    ) -> ImportOutcome:
        """Read, sign, register; ``keys`` judge the signatures inside."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Organisation(Speaker, Protocol):
    """Whoever speaks from a folder: an organisation with its store, or a member of another."""

    settings: Settings
    name: str

    @property
    def keys(self) -> Keys:
        """Its keys."""
        ...

    def say(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> Signed:
        """One signed statement, with the document beside it where only some may read it."""
        ...

    def register_one(
        self, statement: bytes, documents: Mapping[Digest, bytes] | None = None
    ) -> tuple[str, int]:
        """Register one statement: digest (hex) and place in the log; raises what refuses it."""
        ...

    def beyond(self, statements: Sequence[bytes]) -> tuple[SubjectId, ...]:
        """Subjects about which no believed list lets the statements' issuers speak so."""
        ...

    def subject_of(self, which: str) -> tuple[SubjectId, str]:
        """What a registered statement (its index or digest) is about, and its digest (hex)."""
        ...
