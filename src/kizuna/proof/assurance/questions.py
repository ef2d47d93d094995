# SPDX-License-Identifier: Apache-2.0
"""Questions: what a profile asks of one subject, as plain values.

Keeps: a question is one requirement; it names the claims that would answer it, the fields they
need, whose word is accepted and at what level, so that whoever answers knows whether they can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Level

__all__ = ["Question", "Questionnaire"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One requirement as a question."""

    id: str
    title: Mapping[str, str] = field(hash=False)
    advice: Mapping[str, str] = field(default_factory=dict, hash=False)
    claims: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    services: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    condition: str = ""
    level: Level = Level.SELF
    control: str = ""

    @property
    def own_kind(self) -> Kind | None:
        """The kind of claim that whoever is assessed can make; None where only a certificate
        answers.
        """
        return next((k for k in self.kinds if k is not Kind.CERTIFICATE), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questionnaire:
    """Everything that one profile asks of one subject."""

    profile: str
    version: str
    digest: str
    subject: SubjectId
    questions: tuple[Question, ...]
    title: Mapping[str, str] = field(default_factory=dict, hash=False)
    parts: tuple[Questionnaire, ...] = ()
    """The questionnaires that it was put together from; none where it is of one profile."""

    @property
    def each(self) -> tuple[Questionnaire, ...]:
        """The questionnaires, one a profile."""
        return self.parts or (self,)

    def question(self, identifier: str) -> Question | None:
        """The question of this requirement, or of this control where only one has it."""
        found = next((q for q in self.questions if q.id == identifier), None)
        if found is None and identifier:
            same = [q for q in self.questions if q.control == identifier]
            found = same[0] if len(same) == 1 else None
        return found
