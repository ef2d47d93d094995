# SPDX-License-Identifier: Apache-2.0
"""The words of the pages, from the same catalogues as everything else that a person reads.

Keeps: a page's own words stand under ``page.`` in ``wiring.messages``; what is said of a verdict, a
finding or a problem stands there under its code, so that commands and pages say the same.
"""

from __future__ import annotations

from kizuna.app.wiring.messages import text

__all__ = ["PREFIX", "say"]

PREFIX = "page."
"""What the keys of the pages begin with in the catalogues."""


def say(key: str, lang: str, **values: object) -> str:
    """The words for ``key``; the last part of the key itself where a name is not ours."""
    words = text(PREFIX + key, lang, **values)
    return key.rpartition(".")[2] if words == PREFIX + key else words
