# SPDX-License-Identifier: Apache-2.0
"""Words of others, made fit to stand in a line of ours.

Names and notes come from whoever wrote them. On a terminal a control character in one could move
the cursor and write another verdict over ours; an invisible one could turn the order of letters.

Keeps: what is shown is one line, and every character of it is seen.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["plain", "unpainted"]

_PAINT: Final = re.compile(r"(\x1b\[(?:0|1|9[0-7]|3[0-7])m)")
"""What ``paint`` puts around words, and nothing else that a terminal obeys."""

_BLANKS: Final = "\t\u00a0\u3000"


def plain(text: str) -> str:
    """One line in which everything is seen: controls and invisible characters become spaces."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _BLANKS else " " for c in text)


def unpainted(line: str) -> str:
    """A line for the terminal, with our own colours and nothing else that it would obey."""
    if line.isprintable():
        return line
    return "".join(
        part if place % 2 else plain(part) for place, part in enumerate(_PAINT.split(line))
    )
