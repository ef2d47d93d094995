# SPDX-License-Identifier: Apache-2.0
"""Words on pictures: how wide they are, shortened to fit, escaped.

Keeps: 1. The same words give the same picture everywhere: widths are estimated from the characters,
never measured with a font of the machine. 2. Everything from outside is escaped. 3. Pictures carry
their colours as attributes: they need no style sheet, no script and no outside address, so they may
stand in a page with a strict content security policy, in a document, or alone.
"""

from __future__ import annotations

import unicodedata
from typing import Final
from xml.sax.saxutils import escape, quoteattr

__all__ = ["FONT", "breaks", "fitting", "spread", "text", "title"]

FONT: Final = (
    "system-ui, 'Segoe UI', 'Noto Sans', 'Hiragino Sans', 'Noto Sans JP', 'Noto Sans CJK JP', "
    "sans-serif"
)
_CHARACTER: Final = 0.56
_WIDE: Final = 1.0


def spread(words: str, size: float) -> float:
    """How wide words are, about, in a size."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in words)
    return size * (wide * _WIDE + (len(words) - wide) * _CHARACTER)


def fitting(words: str, size: float, room: float) -> str:
    """Words, cut where they do not fit."""
    words = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    if spread(words, size) <= room:
        return words
    kept = ""
    for character in words:
        if spread(kept + character + "…", size) > room:
            break
        kept += character
    return kept.rstrip() + "…"


def breaks(words: str, size: float, room: float, lines: int) -> list[str]:
    """Words over at most so many lines; the last is cut where they do not fit."""
    rest = " ".join(words.split())
    made: list[str] = []
    while rest and len(made) < lines - 1 and spread(rest, size) > room:
        cut = 0
        for at in range(1, len(rest) + 1):
            if spread(rest[:at], size) > room:
                break
            before = rest[at - 1]
            if before == " " or unicodedata.east_asian_width(before) in "WF":
                cut = at
        if not cut:
            break
        made.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*made, fitting(rest, size, room)] if rest else made


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 13,
    fill: str = "#22262e",
    anchor: str = "start",
    weight: int = 400,
    turn: int = 0,
) -> str:
    """One line of words."""
    turned = f' transform="rotate({turn} {x:.0f} {y:.0f})"' if turn else ""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size:g}" fill="{fill}" '
        f'text-anchor="{anchor}" font-weight="{weight}"{turned}>{escape(words)}</text>'
    )


def title(width: float, height: float, words: str, lang: str) -> list[str]:
    """The opening of a picture: its size, its title for those who hear it read, a quiet ground."""
    return [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" lang={quoteattr(lang)} '
            f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
            f'font-family="{FONT}">'
        ),
        f"<title>{escape(words)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>',
    ]
