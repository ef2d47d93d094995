# SPDX-License-Identifier: Apache-2.0
"""A chain as a picture: boxes and ties as SVG, drawn on the server.

Keeps: 1. A verdict is told by shape and word as well as by colour, so it reads in print and to
colour-blind eyes: a disc with a tick, a triangle with a question mark, a square with a cross.
2. Every text from outside is escaped; no script, no style attribute, no outside address. 3. Colours
come from the page's style sheet by class, so that the dark variant is the same picture.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from markupsafe import Markup, escape

from kizuna.app.console.folding import Box, Chain, Tie
from kizuna.app.console.layout import Layout, arrange
from kizuna.model.finding import Value

__all__ = ["draw", "mark", "shorten"]

WIDTH: Final = 214
HEIGHT: Final = 56
GAP: Final = 14
BETWEEN: Final = 78
MARGIN: Final = 14

_FAMILY: Final = {
    "part-of": "part",
    "supplied-by": "party",
    "made-by": "party",
    "operated-by": "party",
    "performed-by": "party",
    "acts-for": "party",
}

Words = Callable[..., str]
"""``words(key, **values)`` in the reader's language."""


def draw(chain: Chain, *, words: Words, link: Callable[[Box], str], title: str) -> Markup:
    """The picture of a chain that was folded to a readable size.

    Args:
        chain: boxes and ties.
        words: the reader's language.
        link: the address behind a box, or an empty text.
        title: what the picture shows, for those who hear it read.
    """
    layout = arrange(
        chain.root,
        list(chain.boxes),
        sorted({(t.dependent, t.dependency) for t in chain.ties}),
        height=HEIGHT,
        gap=GAP,
    )
    width = layout.layers * WIDTH + (layout.layers - 1) * BETWEEN + 2 * MARGIN
    height = layout.height + 2 * MARGIN
    parts = [
        (
            f'<svg class="chain layers-{min(layout.layers, 9)}" role="img" '
            f'viewBox="0 0 {width} {height:.0f}" width="{width}" height="{height:.0f}" '
            'xmlns="http://www.w3.org/2000/svg">'
        ),
        f"<title>{escape(title)}</title>",
        '<g class="ties" fill="none">',
        *(_ties(chain, layout, words)),
        "</g>",
        *(_box(box, layout, words, link, root=key == chain.root) for key, box in _down(chain)),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every value above went through escape()


def _down(chain: Chain) -> list[tuple[str, Box]]:
    return sorted(chain.boxes.items(), key=lambda item: (item[0] != chain.root, item[0]))


def _left(layer: int) -> float:
    return MARGIN + layer * (WIDTH + BETWEEN)


def _ties(chain: Chain, layout: Layout, words: Words) -> list[str]:
    together: dict[tuple[str, str], list[Tie]] = {}
    for tie in chain.ties:
        together.setdefault((tie.dependent, tie.dependency), []).append(tie)
    leaving = _ports(layout, [*together], outgoing=True)
    arriving = _ports(layout, [*together], outgoing=False)
    drawn: list[str] = []
    for pair, ties in sorted(together.items()):
        route = layout.routes.get(pair)
        if route is None:
            continue
        a, b = pair
        names = sorted({t.relation for t in ties})
        carried = max(chain.boxes[a].value, chain.boxes[b].value)
        family = _FAMILY.get(names[0], "other")
        spoken = ", ".join(words(f"relation.{name}") for name in names)
        points = [(float(layer), y) for layer, y in route]
        if points[0][0] > points[-1][0]:
            path = _backwards(points)
        else:
            points[0] = (points[0][0], leaving[pair])
            points[-1] = (points[-1][0], arriving[pair])
            path = _forwards(points)
        drawn.append(
            f'<path class="tie {family} {carried.word}" d="{path}">'
            f"<title>{escape(spoken)}</title></path>"
        )
    return drawn + _labels(chain, layout, words, arriving)


def _labels(
    chain: Chain, layout: Layout, words: Words, arriving: dict[tuple[str, str], float]
) -> list[str]:
    """One label before each box: by which relations it is needed."""
    relations: dict[str, set[str]] = {}
    top: dict[str, float] = {}
    for tie in chain.ties:
        a, b = tie.dependent, tie.dependency
        if (a, b) in arriving and layout.places[a].layer < layout.places[b].layer:
            relations.setdefault(b, set()).add(words(f"relation.{tie.relation}"))
            top[b] = min(top.get(b, arriving[(a, b)]), arriving[(a, b)])
    return [
        f'<text class="relation" x="{_left(layout.places[key].layer) - 8:.0f}" '
        f'y="{MARGIN + top[key] - 6:.1f}" text-anchor="end">'
        f"{escape(shorten(' · '.join(sorted(told)), 84))}</text>"
        for key, told in sorted(relations.items())
    ]


def _ports(
    layout: Layout, pairs: list[tuple[str, str]], *, outgoing: bool
) -> dict[tuple[str, str], float]:
    """Where each tie leaves or enters a box: spread along its side, in the order of the ties."""
    by_box: dict[str, list[tuple[float, tuple[str, str]]]] = {}
    for pair in pairs:
        route = layout.routes.get(pair)
        if route is None:
            continue
        box = pair[0] if outgoing else pair[1]
        toward = route[1][1] if outgoing else route[-2][1]
        by_box.setdefault(box, []).append((toward, pair))
    ports: dict[tuple[str, str], float] = {}
    for box, ends in by_box.items():
        middle = layout.places[box].middle
        spread = min(6.0, (HEIGHT - 24) / max(len(ends), 1))
        for i, (_, pair) in enumerate(sorted(ends)):
            ports[pair] = middle + (i - (len(ends) - 1) / 2) * spread
    return ports


def _forwards(points: list[tuple[float, float]]) -> str:
    """A smooth line from the right side of one box to the left side of another."""
    layer, y = points[0]
    x = _left(int(layer)) + WIDTH
    path = f"M{x:.0f} {MARGIN + y:.1f}"
    for i, (after, below) in enumerate(points[1:], start=1):
        end = _left(int(after))
        bend = BETWEEN * 0.5
        path += (
            f"C{x + bend:.0f} {MARGIN + y:.1f} {end - bend:.0f} {MARGIN + below:.1f} "
            f"{end:.0f} {MARGIN + below:.1f}"
        )
        if i < len(points) - 1:
            path += f"L{end + WIDTH:.0f} {MARGIN + below:.1f}"
            x = end + WIDTH
        y = below
    return path


def _backwards(points: list[tuple[float, float]]) -> str:
    """A tie of a cycle that runs back: it leaves and enters below the boxes."""
    (from_layer, y), (to_layer, below) = points[0], points[-1]
    x = _left(int(from_layer)) + WIDTH / 2
    end = _left(int(to_layer)) + WIDTH / 2
    start, low = MARGIN + y + HEIGHT / 2, MARGIN + below + HEIGHT / 2
    deep = max(start, low) + 10
    return f"M{x:.0f} {start:.1f}C{x:.0f} {deep:.1f} {end:.0f} {deep:.1f} {end:.0f} {low:.1f}"


def _box(box: Box, layout: Layout, words: Words, link: Callable[[Box], str], *, root: bool) -> str:
    place = layout.places[box.key]
    x, y = _left(place.layer), MARGIN + place.middle - HEIGHT / 2
    many = box.count > 1
    name = words("chain.folded", count=box.count) if many else box.name
    kind = words(f"element.{box.element}") if box.element else ""
    word = words(f"value.{box.value.word}")
    hint = f"{name}: {word}" + (f"\n{box.key}" if not many else "")
    if box.own is not None and box.own > box.value:
        hint += "\n" + words("chain.held-down")
    inner = [f"<title>{escape(hint)}</title>"]
    classes = f"box {box.value.word}{' root' if root else ''}{' many' if many else ''}"
    classes += "" if box.counts else " aside"
    if many:
        inner.append(f'<rect class="under" x="5" y="5" width="{WIDTH}" height="{HEIGHT}" rx="9"/>')
    inner += [
        f'<rect class="face" width="{WIDTH}" height="{HEIGHT}" rx="9"/>',
        f'<g transform="translate(24 {HEIGHT / 2:.0f})">{mark(box.value)}</g>',
        f'<text class="name" x="46" y="{HEIGHT / 2 - 4:.0f}">{escape(shorten(name, 162))}</text>',
        (
            f'<text class="under-name" x="46" y="{HEIGHT / 2 + 14:.0f}">'
            f'<tspan class="word">{escape(word)}</tspan>'
            f"{escape(' · ' + kind) if kind else ''}</text>"
        ),
    ]
    group = f'<g class="{classes}" transform="translate({x:.0f} {y:.1f})">{"".join(inner)}</g>'
    address = link(box)
    return f'<a href="{escape(address)}">{group}</a>' if address else group


def mark(value: Value) -> Markup:
    """The shape that stands for a value, around (0, 0)."""
    shapes = {
        Value.TRUSTED: '<circle class="shape" r="10"/><path class="sign" d="M-4.5 .5l3 3 6-7"/>',
        Value.UNDETERMINED: (
            '<path class="shape" d="M0-11.5L12 9.5H-12Z" stroke-linejoin="round"/>'
            '<path class="sign" d="M-2.6-1.8a2.7 2.7 0 1 1 3.9 2.4q-1.2.6-1.2 1.8M.1 6v.1"/>'
        ),
        Value.UNTRUSTED: (
            '<rect class="shape" x="-10" y="-10" width="20" height="20" rx="3.5"/>'
            '<path class="sign" d="M-4-4l8 8M4-4l-8 8"/>'
        ),
    }
    return Markup(f'<g class="mark {value.word}">{shapes[value]}</g>')  # noqa: S704 - our own text


def shorten(text: str, pixels: float) -> str:
    """As much of a text as fits, by the rough width of its letters; full-width ones count double.

    Example:
        >>> shorten("Tanaka Valve Works", 60)
        'Tanaka…'
    """
    used = 0.0
    for i, letter in enumerate(text):
        if unicodedata.east_asian_width(letter) in "WF":
            used += 12.8
        elif letter in "ijltfrI.,:;'|!()[] ":
            used += 4.6
        else:
            used += 9.2 if letter.isupper() or letter in "mwMW%@" else 7.7
        if used > pixels:
            return text[: max(i - 1, 1)].rstrip() + "…"
    return text
