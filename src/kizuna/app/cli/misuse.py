# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a command line, in the language of whoever typed it.

Keeps: what was typed, and what would be right, is named in every language: a person who reads only
"used wrongly" has learnt nothing.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kizuna.app.wiring.messages import text

__all__ = ["next_step", "what_is_wrong"]

_COMMAND: Final = re.compile(
    r"No such command '(?P<name>[^']*)'(?:\. Did you mean (?P<near>.*)\?)?"
)


def what_is_wrong(wrong: Any, lang: str) -> str:  # noqa: ANN401 - Typer carries its own click
    """What a usage error says."""
    said = str(wrong.format_message()).rstrip(".")
    if lang == "en":
        return said
    kind = type(wrong).__name__
    parameter = getattr(wrong, "param", None)
    if kind == "MissingParameter" and parameter is not None:
        return text("usage.missing", lang, name=parameter.get_error_hint())
    if kind == "NoSuchOption":
        return _unknown("usage.no-option", lang, wrong.option_name, wrong.possibilities or ())
    if found := _COMMAND.match(said):
        return _unknown("usage.no-command", lang, found["name"], [found["near"] or ""])
    if kind == "BadParameter" and parameter is not None:
        return text("usage.value", lang, name=parameter.get_error_hint(), said=wrong.message)
    return said


def next_step(what: str, named: str, command: str, lang: str, *, everywhere: bool) -> str:
    """What to do about it: ``what`` is the English, ``named`` an option that does not exist."""
    if everywhere:
        return text("usage.after", lang, name=named)
    if "'--profile'" in what:
        return text("usage.profile", lang)
    return text("usage.help", lang, command=command)


def _unknown(key: str, lang: str, name: str, near: Any) -> str:  # noqa: ANN401 - any texts
    others = ", ".join(sorted(str(one).strip("'") for one in near if one))
    return text(f"{key}-near" if others else key, lang, name=name, near=others)
