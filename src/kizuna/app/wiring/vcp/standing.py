# SPDX-License-Identifier: Apache-2.0
"""How a process stands: what is expected beside what is there, and how far each point has come.

Keeps: what is shown is judged by whoever asks, with its own anchors, each time it is asked: over
its own store (and those that its lists lead to), or over the proof of the store that it joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.vcp.ground import ground_of
from kizuna.app.wiring.vcp.kept import Kept
from kizuna.app.wiring.vcp.shapes import course_json
from kizuna.chain.process import (
    Shown,
    State,
    course_of,
    expectations,
    point_subject,
    set_against,
)
from kizuna.criteria.process import draw_process

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.vcp.ground import Ground
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = ["draw", "shown_of", "status_of"]


def shown_of(
    organisation: Organisation,
    kept: Kept,
    profile: Profile,
    *,
    point: str | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
    ground: Ground | None = None,
) -> tuple[Shown, ...]:
    """Everything expected beside what is there, at one point or at all; ``ground``: whom to ask,
    where the names it learns are wanted afterwards.
    """
    points = None if point is None else [kept.process.point(point)]
    expected = expectations(kept.process, profile, points)
    now, ground = organisation.clock(), ground or ground_of(organisation)
    return set_against(
        profile,
        expected,
        lambda subject, asked: ground.verdict(
            Question(subject, asked, at=now, lists=lists, view=view)
        ),
    )


def draw(kept: Kept, lang: str, shown: Sequence[Shown] | None = None) -> str:
    """The picture; with ``shown`` each interaction point says whether all of it is there."""
    marks: dict[str, bool] = {}
    for found in shown or ():
        point = found.expectation.point
        good = found.state in (State.SHOWN, State.WAIVED)
        marks[point] = marks.get(point, True) and good
    return draw_process(kept.process, lang, marks)


def status_of(
    organisation: Organisation, kept: Kept, *, view: View | None = None
) -> list[dict[str, Any]]:
    """How far every interaction point has come."""
    owner, process = kept.registered_by(), kept.process
    subjects = {p.id: point_subject(owner, process.name, p.id) for p in process.points}
    found = ground_of(organisation).standing(list(subjects.values()), view)
    day = datetime.fromtimestamp(organisation.clock(), UTC).strftime("%Y-%m-%d")
    return [
        course_json(process, point, course_of(process, point, found[subjects[point.id]], day))
        for point in process.points
    ]
