# SPDX-License-Identifier: Apache-2.0
"""Signed statements that wait for their store: a folder beside the keys, sent when it answers.

::

    outbox/NUMBER-DIGEST.cose    waits
    outbox/refused/...           the store refused it for good; kept for inquiry

Keeps: 1. What is put in is on disk before the call returns, and leaves only when the store has it
or refused it for good. 2. Sent twice is registered once: the store knows a statement by its digest.
3. Bounded: where it is full, nothing is taken in, and whoever wanted to tell something keeps it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Problem, Refused
from kizuna.model.outcome import Outcome

__all__ = ["Outbox", "Sent"]

MAX_WAITING: Final = 4_096
_MAX_SIZE: Final = 1 << 20
_LATER: Final = frozenset({Outcome.UNREACHABLE, Outcome.MISCONFIGURED, Outcome.FAULT})
"""Outcomes after which trying again may help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of what waited."""

    registered: int = 0
    waiting: int = 0
    refused: int = 0
    problem: Problem | None = None
    """Why the store could not be asked, or refused."""


class Outbox:
    """The outbox of one folder."""

    def __init__(self, store: Path | str) -> None:
        self._folder = Path(store) / "outbox"

    def waiting(self) -> list[Path]:
        """What waits, oldest first."""
        return sorted(self._folder.glob("*.cose")) if self._folder.is_dir() else []

    def put(self, statement: bytes) -> None:
        """Let a signed statement wait.

        Raises:
            Refused: ``outbox.full``.
        """
        held = self.waiting()
        if len(held) >= MAX_WAITING:
            raise Refused(
                "outbox.full",
                f"{MAX_WAITING} statements wait for their store already",
                why="the store did not answer for long",
                hint="send them with `kizuna publish --waiting` once it answers",
                limit=MAX_WAITING,
            )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = sha256(statement).hexdigest()
        if any(path.stem.endswith(digest) for path in held):
            return
        number = int(held[-1].name.partition("-")[0]) + 1 if held else 0
        write_whole(self._folder / f"{number:08d}-{digest}.cose", statement)

    def send(self, register: Callable[[bytes], object]) -> Sent:
        """Hand everything to the store, oldest first; stop where it does not answer."""
        registered = refused = 0
        last: Problem | None = None
        for path in self.waiting():
            try:
                register(path.read_bytes()[:_MAX_SIZE])
            except Problem as problem:
                last = problem
                if problem.outcome in _LATER:
                    break
                away = self._folder / "refused"
                away.mkdir(mode=0o700, exist_ok=True)
                path.replace(away / path.name)
                refused += 1
            else:
                path.unlink(missing_ok=True)
                registered += 1
        return Sent(
            registered=registered, waiting=len(self.waiting()), refused=refused, problem=last
        )
