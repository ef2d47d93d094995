# SPDX-License-Identifier: Apache-2.0
"""Options of the form ``NAME=VALUE``.

Keeps: a name stands there once, and neither side is empty.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["pairs"]


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Values by name.

    Raises:
        Malformed: ``command.pair``.
    """
    from kizuna.model.errors import Malformed

    made: dict[str, str] = {}
    for words in given:
        name, equals, value = words.partition("=")
        if not (name and equals and value) or name in made:
            raise Malformed(
                "command.pair",
                f"{option} {words[:60]!r} is not NAME=VALUE, or stands there twice",
                hint=f"write {option} name=value, once for each name",
                option=option,
                value=words[:60],
            )
        made[name] = value
    return made
