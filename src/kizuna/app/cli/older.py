# SPDX-License-Identifier: Apache-2.0
"""Names that options had once: they go on working, and no help shows them.

Keeps: one visible spelling for each option; a script written with the older one says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

__all__ = ["remembering"]


def remembering(older: Mapping[str, str]) -> type[TyperCommand]:
    """A command that reads the older names of its options as those of today."""

    class Remembering(TyperCommand):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's click
            end = args.index("--") if "--" in args else len(args)
            for place, word in enumerate(args[:end]):
                option, given, value = word.partition("=")
                args[place] = older.get(option, option) + given + value
            return super().parse_args(ctx, args)

    return Remembering
