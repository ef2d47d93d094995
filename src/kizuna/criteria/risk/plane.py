# SPDX-License-Identifier: Apache-2.0
"""The plane as a picture: two axes, the categories between them, and what was placed there.

Keeps: 1. Categories are told by word as well as by colour. 2. The same values give the same bytes.
3. A spot that holds more than fits says how many it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kizuna.criteria.drawn import breaks, fitting, text, title
from kizuna.criteria.risk.framework import Framework, in_language
from kizuna.criteria.risk.placement import Placement

__all__ = ["draw_plane"]

_CELL: Final = 228
_TALL: Final = 132
_LEFT: Final = 156
_TOP: Final = 64
_FOOT: Final = 84
_LINES: Final = 4
_SHADES: Final = ("#e6f1f8", "#fdf3df", "#f9dcc4", "#eab093", "#d98663")
_INK: Final = "#22262e"
_SOFT: Final = "#5a616d"

_WORDS: Final = {
    "more": {"en": "… and {count} more", "ja": "ほか{count}件"},
    "plane": {"en": "risk plane", "ja": "リスク平面"},
}


def draw_plane(
    framework: Framework,
    placements: Sequence[Placement],
    lang: str = "en",
    names: Mapping[str, str] | None = None,
) -> str:
    """The plane as SVG.

    Args:
        framework: axes and categories.
        placements: what was placed by it.
        lang: ``en`` or ``ja``.
        names: what people call the devices.
    """
    down, across = framework.axes
    rows, columns = len(down.levels), len(across.levels)
    width = _LEFT + columns * _CELL + 24
    height = _TOP + rows * _TALL + _FOOT
    heading = in_language(framework.title, lang)
    parts = title(width, height, f"{_WORDS['plane'][lang]}: {heading}", lang)
    parts.append(text(24, 36, fitting(heading, 18, width - 48), size=18, weight=600))
    spots: dict[tuple[int, int], list[Placement]] = {}
    for placement in sorted(placements, key=lambda p: p.key):
        one, other = placement.levels
        spots.setdefault((down.rank(one), across.rank(other)), []).append(placement)
    for i in range(rows):
        for j in range(columns):
            parts += _cell(framework, i, j, rows, spots.get((i, j), []), lang, names or {})
    parts += _axes(framework, rows, columns, lang)
    return "".join([*parts, "</svg>"])


def _cell(
    framework: Framework,
    i: int,
    j: int,
    rows: int,
    placed: Sequence[Placement],
    lang: str,
    names: Mapping[str, str],
) -> list[str]:
    category = framework.category(framework.cells[i][j])
    x, y = _LEFT + j * _CELL, _TOP + (rows - 1 - i) * _TALL
    steps = max(1, len(framework.categories) - 1)
    weight = framework.weight(category.id)
    shade = _SHADES[round(weight * (len(_SHADES) - 1) / steps)]
    parts = [
        (
            f'<rect x="{x}" y="{y}" width="{_CELL}" height="{_TALL}" fill="{shade}" '
            'stroke="#ffffff" stroke-width="3"/>'
        ),
        text(x + 12, y + 25, category.id, size=17, weight=700),
        text(
            x + 12 + 12 * len(category.id) + 8,
            y + 25,
            fitting(in_language(category.title, lang), 13, _CELL - 60),
            fill=_SOFT,
        ),
    ]
    shown = placed if len(placed) <= _LINES else placed[: _LINES - 1]
    for line, placement in enumerate(shown):
        at = y + 48 + line * 22
        called = names.get(placement.device) or placement.device
        words = fitting(f"{placement.use} · {called}", 12.5, _CELL - 40)
        parts.append(f'<circle cx="{x + 19}" cy="{at - 4}" r="5" fill="#2b4a78"/>')
        parts.append(text(x + 30, at, words, size=12.5))
    if len(placed) > len(shown):
        words = _WORDS["more"][lang].format(count=len(placed) - len(shown))
        parts.append(text(x + 30, y + 48 + len(shown) * 22, words, size=12.5, fill=_SOFT))
    return parts


def _axes(framework: Framework, rows: int, columns: int, lang: str) -> list[str]:
    down, across = framework.axes
    foot = _TOP + rows * _TALL
    parts = []
    for j, step in enumerate(across.levels):
        words = fitting(in_language(step.title, lang), 13, _CELL - 12)
        parts.append(text(_LEFT + (j + 0.5) * _CELL, foot + 24, words, anchor="middle"))
    for i, step in enumerate(down.levels):
        lines = breaks(in_language(step.title, lang), 13, _LEFT - 52, 3)
        middle = _TOP + (rows - 0.5 - i) * _TALL - (len(lines) - 1) * 8
        for number, line in enumerate(lines):
            parts.append(text(_LEFT - 10, middle + number * 17 + 4, line, anchor="end"))
    parts.append(
        text(
            _LEFT + columns * _CELL / 2,
            foot + 56,
            f"{in_language(across.title, lang)} →",
            size=14,
            weight=600,
            fill=_INK,
            anchor="middle",
        )
    )
    parts.append(
        text(
            26,
            _TOP + rows * _TALL / 2,
            f"{in_language(down.title, lang)} →",
            size=14,
            weight=600,
            fill=_INK,
            anchor="middle",
            turn=-90,
        )
    )
    return parts
