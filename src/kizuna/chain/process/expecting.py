# SPDX-License-Identifier: Apache-2.0
"""Who must show what to whom (TWE), and what of it is shown (TWC).

At every interaction point the taker expects of the giver what the profile asks of the thing that
crosses, and what it asks of every organisation: the organisation is looked at first, then the
thing.

Keeps: 1. What is expected follows from process and profile alone. 2. What is shown is a verdict of
``chain/verify`` over the one subject under the profile's own requirements, with the chain behind it
left informative: a point asks for the thing and its giver, the verdict about the whole stays with
whoever judges the whole. 3. An expectation counts as shown only where the judge finds nothing
against it and nothing against the subject; where nobody could be asked, because the process names
no identifier, it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kizuna.criteria.process import Point, Process
from kizuna.criteria.profiles import Counting, Place, Profile, Requirement, Silent
from kizuna.model.finding import Code, Finding, Value
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.verdict import Verdict

__all__ = [
    "Expectation",
    "Shown",
    "State",
    "expectations",
    "gaps",
    "narrowed",
    "set_against",
]


class State(StrEnum):
    """How an expectation stands."""

    SHOWN = "shown"
    WAIVED = "waived"  # not met, and the risk accepted by name
    NOT_SHOWN = "not-shown"  # nothing that decides it is there
    LACKING = "lacking"  # something positively speaks against it
    UNNAMED = "unnamed"  # the process names no identifier to ask about


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One requirement, expected at one point of one subject.

    ``of_party`` is True where the subject is the giving organisation and not the thing.
    """

    point: str
    giver: str
    taker: str
    subject: SubjectId | None
    of_party: bool
    requirement: Requirement

    @property
    def key(self) -> tuple[str, bool, str]:
        """By which expectations of one process and profile are told apart."""
        return (self.point, self.of_party, self.requirement.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An expectation beside what is there."""

    expectation: Expectation
    state: State
    findings: tuple[Finding, ...] = ()


Ask = Callable[[SubjectId, Profile], Verdict]
"""Judges one subject; see ``narrowed`` for the profile it is given."""


def expectations(
    process: Process, profile: Profile, points: Iterable[Point] | None = None
) -> tuple[Expectation, ...]:
    """What is expected, point by point: of the giving organisation first, then of the thing."""
    made = []
    for point in process.points if points is None else points:
        giver = process.party_of[point.giver]
        thing = process.thing_of[point.thing]
        for subject, element, whole in (
            (giver.identifier, Element.ORGANIZATION, None),
            (thing.identifier, thing.element, process.as_whole(thing.id)),
        ):
            of_party = whole is None
            made += [
                Expectation(
                    point=point.id,
                    giver=point.giver,
                    taker=point.taker,
                    subject=subject,
                    of_party=of_party,
                    requirement=requirement,
                )
                for requirement in profile.requirements
                if requirement.applies(element, is_root=bool(whole))
            ]
    return tuple(made)


def narrowed(profile: Profile, requirements: Sequence[Requirement]) -> Profile:
    """The profile with these requirements alone, asked of whatever is judged.

    Element and place were decided when the expectation was made, and are not asked twice: a store
    that takes the subject for something else must not make an expectation vanish. Silence is
    undetermined whatever the profile says: here silence is a gap.
    """
    asked = tuple(replace(r, elements=(), place=Place.ANY) for r in requirements)
    follow = tuple(
        replace(f, counts=Counting.INFORMATIVE, share=10_000, complete=False, required=False)
        for f in profile.follow
    )
    return replace(profile, requirements=asked, follow=follow, silent=Silent())


def set_against(profile: Profile, expected: Sequence[Expectation], ask: Ask) -> tuple[Shown, ...]:
    """Every expectation beside what is there; each subject is judged once a set of requirements."""
    groups: dict[tuple[SubjectId, tuple[str, ...]], Verdict] = {}
    by_point: dict[tuple[str, bool], list[Requirement]] = {}
    for e in expected:
        by_point.setdefault((e.point, e.of_party), []).append(e.requirement)
    made = []
    for e in expected:
        if e.subject is None:
            made.append(Shown(expectation=e, state=State.UNNAMED))
            continue
        requirements = by_point[(e.point, e.of_party)]
        key = (e.subject, tuple(r.id for r in requirements))
        if key not in groups:
            groups[key] = ask(e.subject, narrowed(profile, requirements))
        made.append(_shown(e, groups[key], {r.id for r in requirements}))
    return tuple(made)


def gaps(shown: Iterable[Shown]) -> tuple[Shown, ...]:
    """What is expected and not shown."""
    return tuple(s for s in shown if s.state not in (State.SHOWN, State.WAIVED))


def _shown(e: Expectation, verdict: Verdict, asked: set[str]) -> Shown:
    own = [f for f in verdict.findings if f.subject == e.subject]
    mine = [f for f in own if f.requirement == e.requirement.id]
    against = [f for f in mine if f.code.value_given is not Value.TRUSTED]
    # whatever else is wrong with the subject itself speaks against all that is expected of it
    against += [
        f
        for f in own
        if f.requirement not in asked and f.counts and f.code.value_given is not Value.TRUSTED
    ]
    if not against and verdict.value is not Value.TRUSTED and not own:
        against = [f for f in verdict.findings if f.counts]
    if against:
        worst = min(f.code.value_given for f in against)
        state = State.LACKING if worst is Value.UNTRUSTED else State.NOT_SHOWN
    elif any(f.code is Code.WAIVED for f in mine):
        state = State.WAIVED
    elif verdict.value is not Value.TRUSTED and not own:
        state = State.NOT_SHOWN
    else:
        state = State.SHOWN
    return Shown(expectation=e, state=state, findings=tuple(sorted(against)))
