# SPDX-License-Identifier: Apache-2.0
"""What the shell offers for the arguments of commands, by what they are called.

Keeps: 1. An argument's meta name says what it takes, so no command says it twice. 2. A command that
is run, not completed, pays nothing. 3. In bash a name with colons is one word, as it was typed:
bash itself cuts words at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final

from kizuna.app.wiring.settings import Settings

__all__ = ["is_completing", "offer"]

_ASKS: Final = "_KIZUNA_COMPLETE"
_WORDS: Final = "COMP_WORDS"
_PLACE: Final = "COMP_CWORD"
_BREAKS: Final = frozenset(":@=")

_Offer = Callable[[Settings, str], list[str]]


def is_completing(environment: MutableMapping[str, str]) -> bool:
    """True where a shell asks what may come next."""
    return _ASKS in environment


def offer(command: Any, environment: MutableMapping[str, str]) -> None:  # noqa: ANN401 - see help
    """Let the arguments of a command tree offer what they take."""
    cut = ""
    if environment.get(_ASKS) == "complete_bash":
        cut = _mend(environment)
    settings = Settings.from_environment(environment)
    for part in _parts(command):
        found = _offer_of(part)
        if found is not None:
            part._custom_shell_complete = _completion(found, settings, cut)  # noqa: SLF001 - Typer asks for a function of each command otherwise


def _completion(
    found: _Offer, settings: Settings, cut: str
) -> Callable[[Any, Any, str], list[Any]]:
    def complete(context: Any, parameter: Any, begins: str) -> list[Any]:  # noqa: ANN401, ARG001
        from dataclasses import replace
        from pathlib import Path

        from typer._click.shell_completion import CompletionItem

        named = context.params.get("store")
        chosen = replace(settings, store=Path(str(named))) if named else settings
        return [CompletionItem(name.removeprefix(cut)) for name in found(chosen, begins)]

    return complete


def _offer_of(part: Any) -> _Offer | None:  # noqa: ANN401 - see help
    from kizuna.app.wiring import offers

    options = set(getattr(part, "opts", ()))
    metavar = (getattr(part, "metavar", None) or "").rstrip(".")
    if metavar in ("SUBJECT", "PRODUCT", "--subject") or "--subject" in options:
        return offers.subjects
    if metavar == "PROFILE" or "--profile" in options:
        return offers.profiles
    if "--list" in options:
        return offers.lists
    if "--role" in options:
        return offers.roles
    if "--kind" in options:
        return offers.kinds
    if metavar == "TYPE":
        return offers.claims
    return offers.keys if metavar == "KEY" else None


def _parts(command: Any) -> Iterator[Any]:  # noqa: ANN401 - see help
    yield from command.params
    for below in getattr(command, "commands", {}).values():
        yield from _parts(below)


def _mend(environment: MutableMapping[str, str]) -> str:
    """Join what bash has cut at colons; returns what of the word being typed bash has already."""
    words = environment.get(_WORDS, "").split(" ")
    place = int(environment.get(_PLACE, "0") or 0)
    joined: list[str] = []
    glue = False
    at = 0
    cut = ""
    for number, word in enumerate(words[: place + 1]):
        breaks = bool(word) and set(word) <= _BREAKS
        if joined and (breaks or glue) and not joined[-1].startswith("-"):
            if number == place:
                cut = joined[-1] + (word if breaks else "")
            joined[-1] += word
        else:
            joined.append(word)
        glue = breaks
        at = len(joined) - 1
    environment[_WORDS] = " ".join(joined)
    environment[_PLACE] = str(at)
    return cut
