# SPDX-License-Identifier: Apache-2.0
"""Instants and checkpoints as people write them on a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from kizuna.model.errors import Malformed

__all__ = ["clock_face", "instant", "known_of", "not_known_elsewhere"]

_EPOCH = re.compile(r"\d{1,12}")
_KNOWN = re.compile(r"(?P<origin>\S+)@(?P<size>\d{1,15})(?::(?P<root>[0-9a-f]{64}))?")


def instant(text: str) -> int:
    """Seconds since 1970 of ``2026-11-22``, ``2026-11-22T10:00+09:00`` or ``1795305600``.

    A date alone is its first instant in UTC; a time needs its zone.

    Raises:
        Malformed: ``time.malformed``.
    """
    if _EPOCH.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise _malformed(text) from fault
    if moment.tzinfo is None:
        if len(text) > len("2026-11-22"):
            raise _malformed(text)
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() // 1)


def clock_face(moment: int) -> str:
    """An instant as a person reads it, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def known_of(texts: Sequence[str]) -> list[tuple[str, int, str | None]] | None:
    """``--known``: files holding signed checkpoints, or ``ORIGIN@SIZE[:ROOT]``.

    Raises:
        Malformed: ``known.malformed``.
    """
    if not texts:
        return None
    return [_one_known(text) for text in texts]


def _one_known(text: str) -> tuple[str, int, str | None]:
    match = _KNOWN.fullmatch(text)
    if match is not None and not Path(text).is_file():
        return match["origin"], int(match["size"]), match["root"]
    from kizuna.app.cli.door import Door
    from kizuna.app.wiring.proofs import read_checkpoint

    found = read_checkpoint(Door.read(text, limit=1 << 20))
    return found.origin, found.size, found.root


def _malformed(text: str) -> Malformed:
    return Malformed(
        "time.malformed",
        f"not an instant: {text[:60]!r}",
        why="it is no date, no time with a zone, and no number of seconds",
        hint="write 2026-11-22, 2026-11-22T10:00:00+09:00 or 2026-11-22T01:00:00Z",
        value=text[:60],
    )


def not_known_elsewhere(known: Iterable[str] | None) -> None:
    """Refuse ``--known`` where the store is elsewhere.

    Raises:
        Malformed: ``verify.known-elsewhere``.
    """
    if known:
        raise Malformed(
            "verify.known-elsewhere",
            "what was known earlier can be asked only where the store is",
            hint="leave --known out, or keep bundles of `kizuna export` and judge those",
        )
