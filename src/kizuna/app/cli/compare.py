# SPDX-License-Identifier: Apache-2.0
"""Several verdicts about one subject as lines of text: each with its measure, then what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kizuna.app.cli.door import Door
from kizuna.app.cli.show import mark

__all__ = ["compared_lines"]

_SHOWN: Final = 20


def compared_lines(door: Door, told: Mapping[str, Any]) -> Iterator[str]:
    """One line a verdict, then one paragraph a difference with its cause."""
    yield str(told["subject"])
    for verdict in told["verdicts"]:
        counted = sum(finding["counts"] for finding in verdict["findings"])
        yield f"  {mark(door, verdict['verdict'])}  {verdict['measure']}  " + door.text(
            "compare.findings", count=counted
        )
    differences = told["differences"]
    if told["agree"]:
        yield "  " + door.text("compare.agree")
    for row in differences[:_SHOWN]:
        yield ""
        yield f"  {row['code']}  {row['requirement'] or ''}  {row['name'] or row['subject']}"
        yield f"    {row['message']}"
        yield "    " + door.text(
            "compare.under", under=", ".join(row["under"]), others=", ".join(row["not_under"])
        )
        for party in row["because"]:
            stands = ", ".join(
                f"{name}: {standing_words(door, one)}" for name, one in party["lists"].items()
            )
            yield f"    {party['name'] or party['party']} · {stands}"
        if row["mend"]:
            yield f"    → {row['mend']}"
    left = len(differences) - _SHOWN + int(told["differences_left_out"])
    if left > 0:
        yield ""
        yield "  " + door.text("compare.more", count=left)


def standing_words(door: Door, stands: Mapping[str, Any] | None) -> str:
    """How a list stands to a party, in words."""
    if stands is None:
        return door.text("compare.stands.absent")
    words = door.text(f"compare.stands.{stands['state']}")
    roles = ", ".join(stands["roles"])
    return f"{words} ({roles})" if roles else words
