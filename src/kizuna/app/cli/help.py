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
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["HEADINGS", "paragraphs", "speak", "texts_of"]

HEADINGS = ("Usage", "Options", "Arguments", "Commands", "Show this message and exit.")
"""What a help says by itself, whatever the command."""

_EXAMPLE = "Example:"


def speak(command: Any, lang: str) -> None:  # noqa: ANN401 - Typer carries its own click
    """Put a command tree, just built, into a language."""
    if lang == "en":
        return
    from kizuna.app.wiring.messages import help_in

    words = help_in(lang)
    context = _context_in(words, type(command).context_class)
    for part in _parts(command):
        if hasattr(part, "context_class"):
            part.context_class = context
        if part.help:
            part.help = "\n\n".join(
                one if one.startswith(_EXAMPLE) else words(one) for one in paragraphs(part.help)
            )
        short = getattr(part, "short_help", None)
        if short:
            part.short_help = words(short)
        if getattr(part, "epilog", None):
            part.epilog = words(part.epilog)
        panel = getattr(part, "rich_help_panel", None)
        if panel:
            part.rich_help_panel = words(panel)


def _context_in(words: Callable[[str], str], context: Any) -> Any:  # noqa: ANN401 - as above
    """A context whose help has its headings in the language of ``words``."""
    own = context.formatter_class

    class Formatter(own):  # type: ignore[misc,valid-type]
        def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
            super().write_usage(prog, args, prefix or f"{words('Usage')}: ")

        def write_heading(self, heading: str) -> None:
            super().write_heading(words(heading))

        def write_dl(self, rows: Any, *more: Any, **named: Any) -> None:  # noqa: ANN401
            super().write_dl([(first, words(second)) for first, second in rows], *more, **named)

    class Context(context):  # type: ignore[misc]
        formatter_class = Formatter

    return Context


def texts_of(command: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    """Every paragraph of a tree that has to be translated, with the command it belongs to."""
    for part in _parts(command):
        said = f"{part.help or ''}\n\n{getattr(part, 'epilog', None) or ''}"
        for one in paragraphs(said):
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
