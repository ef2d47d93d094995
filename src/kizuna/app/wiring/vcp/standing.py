# SPDX-License-Identifier: Apache-2.0
"""How a process stands: what is expected beside what is there, and how far each point has come.

Keeps: what is shown is judged by this store's verifier, with its own anchors, each time it is
asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.question import Question
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
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = ["draw", "shown_of", "status_of"]


def shown_of(
    workspace: Workspace,
    kept: Kept,
    profile: Profile,
    *,
    point: str | None = None,
    view: View | None = None,
) -> tuple[Shown, ...]:
    """Everything expected beside what is there, at one point or at all."""
    points = None if point is None else [kept.process.point(point)]
    expected = expectations(kept.process, profile, points)
    now = workspace.clock()
    return set_against(
        profile,
        expected,
        lambda subject, asked: workspace.verify(Question(subject, asked, at=now, view=view)),
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
    workspace: Workspace, kept: Kept, *, view: View | None = None
) -> list[dict[str, Any]]:
    """How far every interaction point has come."""
    from kizuna.app.wiring.in_force import in_force
    from kizuna.record.log.keys import subject_key

    owner = kept.registered_by()
    reader = workspace.store.reader() if view is None else workspace.store.reader(view)
    process = kept.process
    keys = {p.id: subject_key(point_subject(owner, process.name, p.id)) for p in process.points}
    found = reader.by_keys(list(keys.values())) if keys else {}
    day = datetime.fromtimestamp(workspace.clock(), UTC).strftime("%Y-%m-%d")
    return [
        course_json(
            process,
            point,
            course_of(process, point, in_force(reader, found.get(keys[point.id], ())), day),
        )
        for point in process.points
    ]
