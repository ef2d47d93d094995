# SPDX-License-Identifier: Apache-2.0
"""The fleet's page: how many devices stand how, over time; the worst of them, and why.

Keeps: 1. The picture is drawn here, as SVG without script or inline style. 2. Addresses from which
devices spoke are for the store's own operator; the public sees what the log says anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

from kizuna.app.wiring.devices.fleet import seen
from kizuna.app.wiring.devices.shown import fleet_json
from kizuna.app.wiring.showing import names

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["DRAWN", "fleet_data", "over_time"]

DRAWN: Final = ("contraindicated", "warning", "none")
"""In the order of the picture, from below: those that are well would hide the others."""

_PAGE: Final = 100
_POINTS: Final = 240
_WIDTH: Final = 1000
_HEIGHT: Final = 180
_LEFT: Final = 56
_BOTTOM: Final = 24


def fleet_data(
    workspace: Workspace, status: str, after: str, view: View | None, *, operator: bool
) -> dict[str, Any]:
    """What the page and its twin show.

    Raises:
        Malformed: ``fleet.status-unknown``.
    """
    found = seen(workspace)
    told = fleet_json(found, status=status or None, limit=_PAGE, after=after or None)
    if not operator:
        for one in told["standings"]:
            one["source"] = None
    return {
        **told,
        "at": workspace.clock(),
        "status": status,
        "history": found.history(),
        "names": names(workspace, [one["subject"] for one in told["standings"]], view),
    }


def over_time(history: Sequence[Mapping[str, int]], words: Callable[..., str]) -> Markup:
    """The picture of the standing over time; empty where there is too little to draw."""
    step = max(1, len(history) // _POINTS)
    points = list(history[::step])
    if history and points[-1] is not history[-1]:
        points.append(history[-1])
    if len(points) < 2:
        return Markup("")
    begin, end = points[0]["at"], points[-1]["at"]
    most = max(sum(p.get(s, 0) for s in DRAWN) for p in points) or 1
    if end <= begin:
        return Markup("")
    plot_width, plot_height = _WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - 8

    def x(at: int) -> float:
        return _LEFT + plot_width * (at - begin) / (end - begin)

    def y(count: float) -> float:
        return 8 + plot_height * (1 - count / most)

    below = [0] * len(points)
    areas = []
    for status in DRAWN:
        above = [low + p.get(status, 0) for low, p in zip(below, points, strict=True)]
        if any(above[i] > below[i] for i in range(len(points))):
            forth = " ".join(
                f"{x(p['at']):.1f},{y(v):.1f}" for p, v in zip(points, above, strict=True)
            )
            back = " ".join(
                f"{x(p['at']):.1f},{y(v):.1f}"
                for p, v in reversed(list(zip(points, below, strict=True)))
            )
            areas.append(
                f'<polygon class="area {status}" points="{forth} {back}">'
                f"<title>{escape(words('fleet.is.' + status))}</title></polygon>"
            )
        below = above
    marks = [
        f'<text class="axis" x="{_LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end">{v}</text>'
        f'<path class="grid" d="M{_LEFT} {y(v):.1f}H{_WIDTH - 8}"/>'
        for v in (0, most)
    ]
    for at, anchor in ((begin, "start"), ((begin + end) // 2, "middle"), (end, "end")):
        clock = datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M")
        marks.append(
            f'<text class="axis" x="{x(at):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">'
            f"{clock}</text>"
        )
    title = escape(words("fleet.over-time"))
    return Markup(  # noqa: S704 - built of numbers, and of words that were escaped
        f'<svg class="fleet" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(areas)}{''.join(marks)}</svg>"
    )
