# SPDX-License-Identifier: Apache-2.0
"""Words for people, in English and Japanese, by code.

The catalogues are gettext files beside this module (``en.po``, ``ja.po``, compiled to ``.mo`` by
``tools/messages.py``). Their ids are codes, not English sentences, so that both languages can be
mended without touching the code:

``finding.<code>.message`` and ``finding.<code>.mend``
    for every ``model.finding.Code``; with ``+<member>`` the sentence for findings whose ``about``
    has that member;
``problem.<code>`` and ``problem.<code>.hint``
    for every code that a ``Problem`` is raised with;
``<anything else>``
    what a command or a page says, by ``text``.

Keeps: 1. A missing word never fails: the code or the problem's own English is shown instead.
2. Templates are ours and values are text, so a value cannot reach into the program. 3. One of a
thing is told as one: a template names both forms, ``{count:statement|statements}``.
"""

from __future__ import annotations

import gettext as _gettext
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from kizuna.app.wiring.messages.plain import plain
from kizuna.model.errors import Problem
from kizuna.model.finding import Code, Finding

__all__ = [
    "FOLDER",
    "Names",
    "called",
    "help_in",
    "render_finding",
    "render_problem",
    "text",
    "turn_of",
]

FOLDER: Final = Path(__file__).resolve().parent


class _Counted(str):
    """A value that knows its noun: ``{count:statement|statements}`` is ``1 statement``."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        """The value, followed by the form for one, or the one for any other number."""
        single, between, several = form.partition("|")
        if not between:
            return super().__format__(form)
        return f"{self} {single if self in ('1', '-1') else several}"


class _Values(dict[str, object]):
    """Values of a template; one that is not there shows as a dash instead of failing."""

    def __missing__(self, key: str) -> str:
        return _Counted("–")

    def __getitem__(self, key: str) -> object:
        value = super().__getitem__(key)
        if isinstance(value, str):
            return _Counted(plain(value))
        return _Counted(value) if isinstance(value, int) else value


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


def text(key: str, lang: str, /, **values: object) -> str:
    """The words for ``key``; the key itself where the catalogue has none."""
    template = _lookup(key, lang)
    return key if template is None else template.format_map(_Values(values))


def help_in(lang: str) -> Callable[[str], str]:
    """The words for a paragraph of help, by its English; the English where there are none."""
    try:
        with (FOLDER / "help" / f"{lang}.mo").open("rb") as file:
            return _gettext.GNUTranslations(file).gettext
    except OSError:
        return str


Names = Mapping[str, str]
"""What people call the subjects and parties of an answer, by identifier."""


def render_finding(
    finding: Finding,
    lang: str,
    *,
    title: str = "",
    advice: str = "",
    present: str = "",
    names: Names | None = None,
) -> tuple[str, str]:
    """What is wrong, and what would mend it, in one sentence each.

    Args:
        finding: the value.
        lang: ``en`` or ``ja``.
        title: what the profile calls the requirement; without it the requirement's id is shown.
        advice: what the profile says would meet it.
        present: the fields that it asks for; told where a claim is there that lacks one.
        names: what to call identifiers; one that is not there is shown as it is.
    """
    values = _values_of(finding, lang, names or {})
    values["title"] = title or _structural(finding.requirement, lang)
    if finding.code is Code.CLAIM_MISSING and values.get("issuer"):
        values["present"] = present
    mend = _variant(f"finding.{finding.code.value}.mend", values, lang)
    if advice and finding.code in _ADVISED:
        mend = text("finding.advice", lang, mend=mend, advice=advice)
    return (
        _variant(f"finding.{finding.code.value}.message", values, lang) or finding.code.value,
        mend,
    )


_ADVISED: Final = frozenset(
    {
        Code.CLAIM_MISSING,
        Code.CLAIM_EXPIRED,
        Code.CLAIM_STALE,
        Code.CLAIM_REVOKED,
        Code.CLAIM_UNAUTHORISED,
        Code.CONDITION_FAILED,
        Code.CONDITION_UNDECIDED,
        Code.LEVEL_TOO_LOW,
    }
)


_VARIANTS: Final = (
    "reason",
    "mend",
    "fields",
    "present",
    "until",
    "from",
    "registered",
    "need",
    "by",
    "severity",
    "expression",
    "services",
    "others",
    "issuer",
    "what",
)
"""Members of ``about`` that have a sentence of their own, the most telling first."""

_TIMES: Final = ("until", "from", "registered", "as_of")


def _variant(key: str, values: _Values, lang: str) -> str:
    for member in _VARIANTS:
        if values.get(member):
            template = _lookup(f"{key}+{member}", lang)
            if template is not None:
                return template.format_map(values).strip()
    template = _lookup(key, lang)
    return template.format_map(values).strip() if template else ""


def _values_of(finding: Finding, lang: str, names: Names) -> _Values:
    values = _Values(finding.about)
    for member in _TIMES:
        if member in values:
            values[member] = _day(str(values[member]))
    for member in ("have", "need"):
        if f"level.{values.get(member)}" in _LEVELS:
            values[member] = text(f"level.{values[member]}", lang)
    if values.get("severity"):
        values["severity"] = text(f"severity.{values['severity']}", lang)
    for member in ("issuer", "by"):
        if values.get(member):
            values[member] = called(str(values[member]), names)
    values["statement"] = finding.statements[0][:16] if finding.statements else "–"
    values["subject"] = called(finding.subject, names)
    values["requirement"] = finding.requirement or "–"
    values["turn"] = turn_of(finding, lang, names)
    return values


_LEVELS: Final = frozenset({"level.self-declared", "level.second-party", "level.third-party"})


def turn_of(finding: Finding, lang: str, names: Names | None = None) -> str:
    """Who can act, in words."""
    if not finding.turn:
        return text("turn.nobody", lang)
    if finding.turn == finding.subject and not finding.turn.startswith("did:"):
        return text("turn.supplier-of", lang, subject=called(finding.subject, names or {}))
    return called(finding.turn, names or {})


def called(identifier: str, names: Names) -> str:
    """What people call it; a long key name is shortened where nobody calls it anything."""
    name = names.get(identifier)
    if name:
        return name
    if identifier.startswith("did:key:") and len(identifier) > _SHOWN:
        return f"{identifier[:_SHOWN]}…"
    return identifier


_SHOWN: Final = 24


def _structural(requirement: str, lang: str) -> str:
    """What to call a requirement that the profile has no title for."""
    if requirement == "silent":
        return text("requirement.silent", lang)
    kind, _, rest = requirement.partition(":")
    if kind == "follow" and rest:
        relation = text(f"relation.{rest}", lang)
        return text("requirement.follow", lang, relation=relation)
    if kind == "notice" and rest:
        return text("requirement.notice", lang, type=rest)
    return requirement or "–"


def _day(seconds: str) -> str:
    """The day of an instant; nothing where there is none (a value that stands for "never")."""
    if not _INSTANT.fullmatch(seconds):
        return ""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d")


_INSTANT: Final = re.compile(r"[0-9]{1,11}")
"""Seconds since 1970, up to the year 5138."""


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
