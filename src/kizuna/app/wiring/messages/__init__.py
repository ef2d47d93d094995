# SPDX-License-Identifier: Apache-2.0
"""Words for people, in English and Japanese, by code.

The catalogues are gettext files beside this module (``en.po``, ``ja.po``, compiled to ``.mo`` by
``tools/messages.py``). Their ids are codes, not English sentences, so that both languages can be
mended without touching the code:

``finding.<code>.message`` and ``finding.<code>.mend``
    for every ``model.finding.Code``;
``problem.<code>`` and ``problem.<code>.hint``
    for every code that a ``Problem`` is raised with;
``<anything else>``
    what a command or a page says, by ``text``.

Keeps: 1. A missing word never fails: the code or the problem's own English is shown instead.
2. Templates are ours and values are text, so a value cannot reach into the program.
"""

from __future__ import annotations

import gettext as _gettext
from functools import lru_cache
from pathlib import Path
from typing import Final

from kizuna.model.errors import Problem
from kizuna.model.finding import Finding

__all__ = ["FOLDER", "render_finding", "render_problem", "text"]

FOLDER: Final = Path(__file__).resolve().parent


class _Values(dict[str, object]):
    """Values of a template; one that is not there shows as a dash instead of failing."""

    def __missing__(self, key: str) -> str:
        return "–"


@lru_cache(maxsize=4)
def _catalogue(lang: str) -> _gettext.NullTranslations:
    path = FOLDER / f"{lang if lang in ('en', 'ja') else 'en'}.mo"
    try:
        with path.open("rb") as file:
            return _gettext.GNUTranslations(file)
    except OSError:
        return _gettext.NullTranslations()


def _lookup(key: str, lang: str) -> str | None:
    found = _catalogue(lang).gettext(key)
    return None if found == key else found


def text(key: str, lang: str, **values: object) -> str:
    """The words for ``key``; the key itself where the catalogue has none."""
    template = _lookup(key, lang)
    return key if template is None else template.format_map(_Values(values))


def render_finding(finding: Finding, lang: str) -> tuple[str, str]:
    """What is wrong, and what would mend it, in one sentence each."""
    values = _Values(finding.about)
    values.setdefault("statement", finding.statements[0][:16] if finding.statements else "–")
    values.update(
        subject=finding.subject,
        requirement=finding.requirement or "–",
        turn=finding.turn or text("turn.nobody", lang),
    )
    code = finding.code.value
    message = _lookup(f"finding.{code}.message", lang)
    mend = _lookup(f"finding.{code}.mend", lang)
    return (
        message.format_map(values) if message else code,
        mend.format_map(values) if mend else "",
    )


def render_problem(problem: Problem, lang: str) -> tuple[str, str]:
    """What happened and what to do next.

    English is the problem's own words, which know most; other languages come from the catalogue.
    """
    if lang == "en":
        message, hint = problem.what, problem.hint
        if message and hint:
            return message, hint
    else:
        message, hint = "", ""
    values = _Values(problem.about)
    values.setdefault("why", problem.why or "–")
    template = _lookup(f"problem.{problem.code}", lang)
    advice = _lookup(f"problem.{problem.code}.hint", lang)
    return (
        message or (template.format_map(values) if template else problem.what),
        hint or (advice.format_map(values) if advice else problem.hint),
    )
