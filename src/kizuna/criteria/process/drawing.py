# SPDX-License-Identifier: Apache-2.0
"""A process as a picture: lanes are organisations, rows layers, diamonds interaction points.

Keeps: 1. The same process gives the same bytes. 2. What is said by colour is said by words, shape
or number as well. 3. Every word from outside is escaped and cut to its room; the picture names in
its legend what it numbers, and says how many it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.sax.saxutils import escape

from kizuna.criteria.drawn import breaks, fitting, text, title
from kizuna.criteria.process.layout import Place, Stand, stand
from kizuna.criteria.process.process import Point, Process
from kizuna.model.identifier import Element

__all__ = ["ELEMENT_WORDS", "LAYER_WORDS", "draw_process"]

ELEMENT_WORDS: Final[Mapping[Element, Mapping[str, str]]] = {
    Element.ORGANIZATION: {"en": "organisation", "ja": "ソシキ"},
    Element.PERSON: {"en": "people", "ja": "ヒト"},
    Element.COMPONENT: {"en": "component", "ja": "モノ"},
    Element.DATA: {"en": "data", "ja": "データ"},
    Element.PROCEDURE: {"en": "procedure", "ja": "プロシージャ"},
    Element.SYSTEM: {"en": "system", "ja": "システム"},
    Element.SERVICE: {"en": "service", "ja": "サービス"},
}
"""CPSF's six elements, and services, as people call them."""

LAYER_WORDS: Final[Mapping[int, Mapping[str, str]]] = {
    1: {"en": "Layer 1 · organisations", "ja": "第1層 企業間"},
    2: {"en": "Layer 2 · physical and cyber", "ja": "第2層 フィジカルとサイバー"},
    3: {"en": "Layer 3 · cyberspace", "ja": "第3層 サイバー空間"},
}
"""CPSF's three layers, shortly."""

_WORDS: Final = {
    "points": {"en": "Interaction points", "ja": "相互作用点"},
    "domain": {"en": "between trust domains", "ja": "信頼領域の境界"},
    "met": {"en": "all shown", "ja": "すべて提示済み"},
    "gap": {"en": "something is missing", "ja": "不足あり"},
    "more": {"en": "… and {count} more", "ja": "ほか{count}件"},
}
_LANE: Final = 118
_BAND: Final = 96
_WIDE: Final = 172
_SLIM: Final = 148
_TALL: Final = 58
_CHIP: Final = 46
_SLOT: Final = 72
_PAD: Final = 12
_AISLE: Final = 46
_TOP: Final = 60
_ROW: Final = 24
_LEGEND: Final = 60
_SHADES: Final = {1: "#f4f1ea", 2: "#eaf1ee", 3: "#e9eef6"}
_INK: Final = "#22262e"
_SOFT: Final = "#5a616d"
_LINE: Final = "#8b93a1"
_ACCENT: Final = "#2b4a78"
_MET: Final = "#00659e"
_GAP: Final = "#b23c00"


def draw_process(
    process: Process, lang: str = "en", marks: Mapping[str, bool] | None = None
) -> str:
    """The process as SVG.

    Args:
        process: what is drawn.
        lang: ``en`` or ``ja``.
        marks: by interaction point, whether all that is expected there is shown.
    """
    return _Picture(process, lang, marks or {}).whole()


class _Picture:
    def __init__(self, process: Process, lang: str, marks: Mapping[str, bool]) -> None:
        self._process = process
        self._lang = lang
        self._marks = marks
        self._stand: Stand = stand(process)
        self._left: list[float] = []
        x = float(_LANE + _BAND + 28)
        first = min(
            p.column for p in (*self._stand.activities.values(), *self._stand.things.values())
        )
        for column in range(self._stand.columns):
            self._left.append(x)
            if column < first:
                continue
            x += (_WIDE if column % 2 else _SLIM) + _AISLE
        self._width = max(x - _AISLE + 28, 640.0)
        self._tops: dict[tuple[str, int], float] = {}
        y = float(_TOP)
        for row in self._stand.rows:
            self._tops[(row.party, row.layer)] = y
            y += row.slots * _SLOT + 2 * _PAD
        self._bottom = y

    def whole(self) -> str:
        points = self._process.points
        listed = points[:_LEGEND]
        more = len(points) > len(listed)
        legend = (len(listed) + more) * _ROW + 64 if points else 20
        heading = self._words(self._process.title)
        parts = title(self._width, self._bottom + legend, heading, self._lang)
        parts.append(text(24, 36, fitting(heading, 18, self._width - 48), size=18, weight=600))
        parts += self._lanes()
        parts += self._ties()
        parts += [self._activity(a.id) for a in self._process.activities]
        parts += [self._thing(t.id) for t in self._process.things]
        parts += self._diamonds()
        parts += self._legend(listed, len(points) - len(listed))
        return "".join([*parts, "</svg>"])

    def _words(self, words: Mapping[str, str]) -> str:
        return words.get(self._lang) or words["en"]

    # --- lanes --------------------------------------------------------------------------------

    def _lanes(self) -> list[str]:
        parts: list[str] = []
        right = self._width - 12
        for row in self._stand.rows:
            y = self._tops[(row.party, row.layer)]
            tall = row.slots * _SLOT + 2 * _PAD
            parts.append(
                f'<rect x="{_LANE}" y="{y:.0f}" width="{right - _LANE:.0f}" height="{tall}" '
                f'fill="{_SHADES[row.layer]}"/>'
            )
            lines = breaks(LAYER_WORDS[row.layer][self._lang], 11, _BAND - 14, 3)
            for number, line in enumerate(lines):
                parts.append(text(_LANE + 8, y + 18 + number * 15, line, size=11, fill=_SOFT))
        before = ""
        for party in self._process.parties:
            rows = [row for row in self._stand.rows if row.party == party.id]
            if not rows:
                continue
            y = self._tops[(party.id, rows[0].layer)]
            tall = sum(row.slots * _SLOT + 2 * _PAD for row in rows)
            domain = party.domain or party.id
            heavy = bool(before) and domain != before
            parts.append(
                f'<rect x="12" y="{y:.0f}" width="{right - 12:.0f}" height="{tall}" fill="none" '
                f'stroke="{_LINE}" stroke-width="1"/>'
            )
            if heavy:
                parts.append(
                    f'<line x1="12" y1="{y:.0f}" x2="{right:.0f}" y2="{y:.0f}" stroke="{_INK}" '
                    'stroke-width="2.5" stroke-dasharray="10 5"/>'
                )
            before = domain
            lines = breaks(self._words(party.title), 13, _LANE - 32, 4)
            middle = y + tall / 2 - (len(lines) - 1) * 9 + 4
            for number, line in enumerate(lines):
                parts.append(text(22, middle + number * 18, line, size=13, weight=600))
        return parts

    # --- boxes --------------------------------------------------------------------------------

    def _at(self, place: Place) -> tuple[float, float]:
        """Left edge and middle."""
        y = self._tops[(place.party, place.layer)] + _PAD + (place.slot + 0.5) * _SLOT
        return self._left[place.column], y

    def _activity(self, name: str) -> str:
        activity = next(a for a in self._process.activities if a.id == name)
        x, y = self._at(self._stand.activities[name])
        lines = breaks(self._words(activity.title), 13, _WIDE - 24, 2)
        words = "".join(
            text(x + _WIDE / 2, y + 5 - (len(lines) - 1) * 9 + n * 18, line, anchor="middle")
            for n, line in enumerate(lines)
        )
        return (
            f'<g><title>{escape(self._words(activity.title))}</title><rect x="{x:.0f}" '
            f'y="{y - _TALL / 2:.0f}" width="{_WIDE}" height="{_TALL}" rx="6" fill="#ffffff" '
            f'stroke="{_ACCENT}" stroke-width="1.5"/>{words}</g>'
        )

    def _thing(self, name: str) -> str:
        thing = self._process.thing_of[name]
        x, y = self._at(self._stand.things[name])
        kind = ELEMENT_WORDS[thing.element][self._lang]
        called = self._words(thing.title)
        return (
            f'<g><title>{escape(f"{kind}: {called}")}</title><rect x="{x:.0f}" '
            f'y="{y - _CHIP / 2:.0f}" width="{_SLIM}" height="{_CHIP}" rx="{_CHIP // 2}" '
            f'fill="#fffdf7" stroke="{_LINE}"/>'
            + text(x + _SLIM / 2, y - 6, kind, size=10, fill=_SOFT, anchor="middle")
            + text(
                x + _SLIM / 2, y + 11, fitting(called, 12.5, _SLIM - 26), size=12.5, anchor="middle"
            )
            + "</g>"
        )

    # --- ties and interaction points ------------------------------------------------------------

    def _ties(self) -> list[str]:
        parts = []
        for activity in self._process.activities:
            there = self._stand.activities[activity.id]
            for name in activity.produces:
                place = self._stand.things[name]
                parts.append(self._tie(there, _WIDE, place, crossing=False))
            for name in activity.consumes:
                place = self._stand.things[name]
                crossing = any(self._numbers(name, activity.id))
                parts.append(self._tie(place, _SLIM, there, crossing=crossing))
        return parts

    def _tie(self, one: Place, wide: float, other: Place, *, crossing: bool) -> str:
        x1, y1 = self._at(one)
        x2, y2 = self._at(other)
        stroke = (
            f'stroke="{_ACCENT if crossing else _LINE}" stroke-width="{2 if crossing else 1.4}"'
        )
        if one.column < other.column:
            x1 += wide
            bend = max(28.0, (x2 - x1) / 2)
            path = (
                f"M{x1:.0f} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} "
                f"{x2:.0f} {y2:.0f}"
            )
        else:
            # it closes a circle: leave on the right, come back below, arrive from the left
            x1 += wide
            low = max(y1, y2) + _SLOT * 0.62
            path = (
                f"M{x1:.0f} {y1:.0f}C{x1 + 60:.0f} {low:.0f} {x2 - 60:.0f} {low:.0f} "
                f"{x2:.0f} {y2:.0f}"
            )
        tip = f"M{x2 - 7:.0f} {y2 - 4:.0f}L{x2:.0f} {y2:.0f}L{x2 - 7:.0f} {y2 + 4:.0f}"
        return f'<path d="{path}{tip}" fill="none" {stroke}/>'

    def _numbers(self, thing: str, activity: str) -> list[int]:
        return self._by_tie.get((thing, activity), [])

    @property
    def _by_tie(self) -> dict[tuple[str, str], list[int]]:
        known: dict[tuple[str, str], list[int]] | None = getattr(self, "_ties_of_points", None)
        if known is None:
            known = {}
            for number, point in enumerate(self._process.points, 1):
                for user in point.users:
                    known.setdefault((point.thing, user), []).append(number)
            self._ties_of_points = known
        return known

    def _diamonds(self) -> list[str]:
        parts = []
        here: dict[str, int] = {}
        for (_, activity), numbers in self._by_tie.items():
            for number in numbers:
                x, y = self._at(self._stand.activities[activity])
                turn = here.get(activity, 0)
                here[activity] = turn + 1
                parts.append(self._diamond(x - 4, y - _TALL / 2 + turn * 24 + 4, number))
        return parts

    def _diamond(self, x: float, y: float, number: int) -> str:
        point = self._process.points[number - 1]
        mark = self._marks.get(point.id)
        colour = _ACCENT if mark is None else _MET if mark else _GAP
        fill = colour if point.foreign else "#ffffff"
        ink = "#ffffff" if point.foreign else colour
        r = 13
        return (
            f'<g><title>{escape(self._named(point))}</title><path d="M{x - r:.0f} {y:.0f}'
            f'L{x:.0f} {y - r:.0f}L{x + r:.0f} {y:.0f}L{x:.0f} {y + r:.0f}Z" fill="{fill}" '
            f'stroke="{colour}" stroke-width="1.6"/>'
            + text(x, y + 4, str(number), size=11, fill=ink, anchor="middle", weight=600)
            + "</g>"
        )

    def _named(self, point: Point) -> str:
        parties = self._process.party_of
        called = self._words(point.title or self._process.thing_of[point.thing].title)
        one, other = parties[point.giver], parties[point.taker]
        return f"{called}: {self._words(one.title)} → {self._words(other.title)}"

    def _legend(self, listed: tuple[Point, ...], more: int) -> list[str]:
        if not listed:
            return []
        y = self._bottom + 32
        parts = [text(24, y, _WORDS["points"][self._lang], size=14, weight=600)]
        for number, point in enumerate(listed, 1):
            y += _ROW
            words = f"{number}  {self._named(point)}"
            if point.foreign:
                words += f"  ({_WORDS['domain'][self._lang]})"
            mark = self._marks.get(point.id)
            fill = _INK
            if mark is not None:
                words += f"  {'✓' if mark else '!'} {_WORDS['met' if mark else 'gap'][self._lang]}"
                fill = _MET if mark else _GAP
            parts.append(text(24, y, fitting(words, 12.5, self._width - 48), size=12.5, fill=fill))
        if more:
            words = _WORDS["more"][self._lang].format(count=more)
            parts.append(text(24, y + _ROW, words, size=12.5, fill=_SOFT))
        return parts
