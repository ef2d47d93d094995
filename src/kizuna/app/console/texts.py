# SPDX-License-Identifier: Apache-2.0
"""The words of the pages, from the same catalogues as everything else that a person reads.

Keeps: a page's own words stand under ``page.`` in ``wiring.messages``; what is said of a verdict, a
finding or a problem stands there under its code, so that commands and pages say the same.
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from kizuna.app.wiring.messages import text

__all__ = ["PREFIX", "say", "typed"]

PREFIX = "page."
"""What the keys of the pages begin with in the catalogues."""


def say(key: str, lang: str, **values: object) -> str:
    """The words for ``key``; the last part of the key itself where a name is not ours."""
    words = text(PREFIX + key, lang, **values)
    return key.rpartition(".")[2] if words == PREFIX + key else words


def typed(words: str) -> Markup:
    """Words in which `what is to be typed` stands out as it does on a page, and all else is text.

    Example:
        >>> typed("run `kizuna serve` & <look>")
        Markup('run <code>kizuna serve</code> &amp; &lt;look&gt;')
    """
    pieces = re.split(r"`([^`]+)`", str(words))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    )
