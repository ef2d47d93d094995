# SPDX-License-Identifier: Apache-2.0
"""Texts and flags of a command line are taken as they were typed.

Typer turns every value into its type by a library for data models, which takes as long to load as
the rest of a small command. A text, a list of texts, a flag or a default that has its type already
needs none of it.

Keeps: whatever needs turning, or could be wrong (numbers, choices, paths, types of one's own), goes
Typer's way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from typer.core import TyperArgument, TyperOption

__all__ = ["take_as_typed"]

_PLAIN: Final = (str, bool, int)
_BOUNDS: Final = ("parser", "min", "max", "path_type")


class _AsTyped:
    """One parameter's values; ``typer`` turns those that are not plain."""

    def __init__(self, parameter: Any, typer: Callable[[], Any]) -> None:  # noqa: ANN401
        self._typer = typer
        described = parameter.type_descriptor
        annotation, info = described.annotation, described.parameter_info
        bounded = any(getattr(info, name, None) is not None for name in _BOUNDS)
        plain = not (bounded or described.is_path or described.is_file or described.is_choice)
        self._one = annotation if plain and annotation in _PLAIN else None
        self._list = plain and annotation == list[str]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own
        """The value in its type."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        if self._one is not None and type(value) is self._one and not several:
            return value
        if self._list and type(value) in (list, tuple) and all(type(v) is str for v in value):
            return list(value)
        return self._typer().coerce(value, param=param, ctx=ctx)


def take_as_typed() -> None:
    """Let every command of this process do so."""
    for kind in (TyperOption, TyperArgument):
        whole = getattr(kind, "get_runtime_param", None)
        if whole is None or getattr(whole, "as_typed", False):
            continue  # another Typer, which has no such library, or it is done

        def runtime_param(self: Any, whole: Any = whole) -> Any:  # noqa: ANN401 - as above
            return _AsTyped(self, lambda: whole(self))

        runtime_param.as_typed = True  # type: ignore[attr-defined]
        kind.get_runtime_param = runtime_param  # type: ignore[method-assign]
