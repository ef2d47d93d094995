# SPDX-License-Identifier: Apache-2.0
"""The help of commands and options in the language of whoever asks.

Keeps: 1. English stands beside the code it describes; other languages in a catalogue whose ids are
the English paragraphs (``wiring/messages/help``), so that a help that changed is seen to lack its
translation (a test lists them) and is shown in English meanwhile. 2. Examples and names are the
same in every language. 3. English costs nothing: no catalogue is read.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["paragraphs", "speak", "texts_of"]

_EXAMPLE = "Example:"


def speak(command: Any, lang: str) -> None:  # noqa: ANN401 - Typer carries its own click
    """Put a command tree, just built, into a language."""
    if lang == "en":
        return
    from kizuna.app.wiring.messages import help_in

    words = help_in(lang)
    for part in _parts(command):
        if part.help:
            part.help = "\n\n".join(
                one if one.startswith(_EXAMPLE) else words(one) for one in paragraphs(part.help)
            )
        short = getattr(part, "short_help", None)
        if short:
            part.short_help = words(short)
        panel = getattr(part, "rich_help_panel", None)
        if panel:
            part.rich_help_panel = words(panel)


def texts_of(command: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    """Every paragraph of a tree that has to be translated, with the command it belongs to."""
    for part in _parts(command):
        for one in paragraphs(part.help or ""):
            if one and not one.startswith(_EXAMPLE):
                yield str(getattr(part, "name", "") or ""), one


def paragraphs(help_text: str) -> list[str]:
    """The paragraphs of a help, each on one line."""
    return [" ".join(p.split()) for p in re.split(r"\n\s*\n", inspect.cleandoc(help_text))]


def _parts(command: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    yield command
    for parameter in command.params:
        if hasattr(parameter, "help"):
            yield parameter
    for below in getattr(command, "commands", {}).values():
        yield from _parts(below)
