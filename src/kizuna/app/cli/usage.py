# SPDX-License-Identifier: Apache-2.0
"""How help is laid out: whole sentences, and names instead of types of the program.

Keeps: 1. A sentence in a list of commands is never cut off. 2. What is to be put in place of an
argument is shown by its name as guides write it, ``SUBJECT`` or ``[FILE...]``; an option of text
has the option's name for its value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

__all__ = ["commands_of", "lay_out"]

_WHOLE: Final = 1_000
"""More than any sentence has letters."""
_TEXTS: Final = frozenset({"<str>", "<list[str]>"})


def lay_out(command: Any) -> None:  # noqa: ANN401 - Typer carries its own click
    """Let a command tree, just built, show its help so."""
    for part in _parts(command):
        if hasattr(part, "commands"):
            if type(part).format_commands.__module__.startswith("typer."):
                part.format_commands = lambda context, out, of=part: _commands(of, context, out)
        elif hasattr(part, "params"):
            for one in part.params:
                _name_in(one)


def commands_of(group: Any, context: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    """The commands of a group, each with its first sentence."""
    for name in group.list_commands(context):
        yield name, group.commands[name].get_short_help_str(_WHOLE)


def _commands(group: Any, context: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
    with formatter.section("Commands"):
        formatter.write_dl(list(commands_of(group, context)))


def _name_in(parameter: Any) -> None:  # noqa: ANN401 - as above
    if parameter.param_type_name == "argument":
        name = parameter.display_name_raw.removesuffix("...")
        name = name if parameter.metavar else name.upper()
        several = f"{name}..." if parameter.nargs != 1 else name
        shown = several if parameter.required else f"[{several}]"
        parameter._usage_display_name = lambda: shown  # noqa: SLF001 - Typer has no other way
        parameter._rich_display_name = lambda: several  # noqa: SLF001 - Typer has no other way
        parameter.display_type_rich = lambda ctx: ""  # noqa: ARG005 - Typer's own name
    elif parameter.metavar is None and not parameter.is_flag:
        typed = parameter.display_type

        def display(ctx: Any) -> str:  # noqa: ANN401 - as above
            shown = str(typed(ctx=ctx))
            return str(parameter.name).upper() if shown in _TEXTS else shown

        parameter.display_type = display


def _parts(command: Any) -> Iterator[Any]:  # noqa: ANN401 - as above
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from _parts(below)
