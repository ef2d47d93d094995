# SPDX-License-Identifier: Apache-2.0
"""Manual pages from the command tree: one for the program, one for each command.

`tools/manpages.py FOLDER [--lang ja]` writes FOLDER/man1/kizuna-verify.1 and its like; the text is
that of `--help`, so a page never says something else. `man -M site/man kizuna-verify` reads it.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from kizuna import __version__
from kizuna.app.cli.help import paragraphs, speak
from kizuna.app.cli.tree import build


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - see cli.help
    yield name, command
    for word, below in sorted(getattr(command, "commands", {}).items()):
        if not below.hidden:
            yield from commands(below, f"{name} {word}")


def quoted(text: str) -> str:
    """Text that the formatter takes for nothing but text."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line[:1] in ".'" else line for line in text.split("\n"))


def page(name: str, command: Any, lang: str) -> str:  # noqa: ANN401 - see cli.help
    heads = HEADS[lang]
    title = name.replace(" ", "-")
    said = paragraphs(inspect.cleandoc(command.help or ""))
    prose = [one for one in said if not one.startswith("Example:")]
    examples = [one.removeprefix("Example:").strip() for one in said if one not in prose]
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    made = [
        f'.TH "{title.upper()}" 1 "" "kizuna {__version__}" "kizuna"',
        f".SH {heads[0]}",
        f"{quoted(title)} \\- {quoted((prose or ['']).pop(0))}",
        f".SH {heads[1]}",
        f".B {quoted(usage)}",
    ]
    if prose:
        made.append(f".SH {heads[2]}")
        made += [line for one in prose for line in (".PP", quoted(one))]
    rows = [row for one in command.params if (row := one.get_help_record(context))]
    if rows:
        made.append(f".SH {heads[3]}")
        made += [
            line for left, right in rows for line in (".TP", f".B {quoted(left)}", quoted(right))
        ]
    below = sorted(getattr(command, "commands", {}))
    if below:
        made.append(f".SH {heads[4]}")
        for word in below:
            made += [".TP", f".BR {quoted(f'{title}-{word}')} (1)"]
            made.append(quoted(command.commands[word].get_short_help_str(200)))
    if examples:
        made.append(f".SH {heads[5]}")
        made += [line for one in examples for line in (".PP", ".nf", quoted(one), ".fi")]
    return "\n".join(made) + "\n"


HEADS = {
    "en": ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXAMPLES"),
    "ja": ("名前", "書式", "説明", "オプション", "コマンド", "例"),
}


def pages(lang: str) -> dict[str, str]:
    """Every page by its file name."""
    tree = typer.main.get_command(build())
    speak(tree, lang)
    return {
        f"{name.replace(' ', '-')}.1": page(name, command, lang)
        for name, command in commands(tree, "kizuna")
    }


def main() -> int:
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("folder", type=Path)
    words.add_argument("--lang", choices=sorted(HEADS), default="en")
    asked = words.parse_args()
    folder = asked.folder / ("" if asked.lang == "en" else asked.lang) / "man1"
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(asked.lang)
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(f"{len(made)} manual pages in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
