# SPDX-License-Identifier: Apache-2.0
"""Who signs answers: a pen writes for one identity and for no other.

Keeps: 1. A pen is held by whoever calls; nobody else's is looked for. 2. Somebody who keeps a key
elsewhere has a pen here that cannot write: for them is drawn up what would be signed, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kizuna.model.errors import Refused
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Speaker
    from kizuna.app.wiring.values import Signed
    from kizuna.roots.units import Handle

__all__ = ["AwayPen", "HandPen", "Pen", "own_pen"]


class Pen(Protocol):
    """Somebody who signs, for one identity."""

    @property
    def identity(self) -> SubjectId:
        """In whose name."""
        ...

    def say(
        self,
        media_type: str,
        subject: SubjectId,
        document: bytes,
        *,
        audience: Sequence[SubjectId] = (),
        by_hash: bool = False,
    ) -> Signed:
        """One signed statement."""
        ...


@dataclass(frozen=True, slots=True)
class HandPen:
    """A key of somebody's unit that signs for one identity."""

    speaker: Speaker
    handle: Handle | None
    """None: the key that signs for the organisation at that moment."""
    identity: SubjectId

    def say(
        self,
        media_type: str,
        subject: SubjectId,
        document: bytes,
        *,
        audience: Sequence[SubjectId] = (),
        by_hash: bool = False,
    ) -> Signed:
        """One signed statement."""
        from kizuna.app.wiring.importing.documents import seal

        return seal(
            self.speaker.unit,
            self.handle or self.speaker.handle,
            issuer=self.identity,
            subject=subject,
            media_type=media_type,
            payload=document,
            now=self.speaker.clock(),
            audience=audience,
            by_hash=by_hash,
        )


@dataclass(frozen=True, slots=True)
class AwayPen:
    """Somebody whose key is not here."""

    identity: SubjectId

    def say(
        self,
        media_type: str,
        subject: SubjectId,
        document: bytes,
        *,
        audience: Sequence[SubjectId] = (),
        by_hash: bool = False,
    ) -> Signed:
        """Nothing is signed here.

        Raises:
            Refused: ``assess.key-away``.
        """
        del media_type, subject, document, audience, by_hash
        raise Refused(
            "assess.key-away",
            "the key that would sign this is kept by its owner, not here",
            hint="download what is to be signed, and sign it where the key is: "
            "`kizuna assess sign FILE`",
            identity=self.identity,
        )


def own_pen(speaker: Speaker) -> Pen:
    """The pen of whoever speaks from a folder."""
    return HandPen(speaker, None, speaker.identity)
