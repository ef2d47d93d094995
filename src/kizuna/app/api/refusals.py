# SPDX-License-Identifier: Apache-2.0
"""What the gate of the keys refused becomes notices while the server runs.

Keeps: 1. Nobody has to ask: a refusal is told within ``EVERY`` seconds, later ones of its kind once
an hour with their number (the gate counts and bounds, not this beat). 2. A gate that refuses the
notice itself, or a store that takes nothing in, is asked again ever more seldom, so that telling of
refusals makes no flood of refusals.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.keys.gating import KeyGate
from kizuna.model.errors import Problem

if TYPE_CHECKING:
    from kizuna.app.api.context import Context
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["EVERY", "telling", "told"]

EVERY: Final = 5.0
_LONGEST: Final = 3600.0


def told(workspace: Workspace) -> bool:
    """Register what is to be told of refusals; False where that did not succeed."""
    try:
        KeyGate(workspace).report()
    except Problem as fault:
        return fault.code == "gate.absent"  # a store without a gate has nothing to tell
    return True


@asynccontextmanager
async def telling(context: Context, every: float = EVERY) -> AsyncIterator[None]:
    """For as long as the server runs."""
    workspace = context.workspace

    async def run() -> None:
        pause = every
        while True:
            await asyncio.sleep(pause)
            well = False
            with contextlib.suppress(Problem):  # too much waits at the door already
                well = await context.intake.run(lambda: told(workspace))
            pause = every if well else min(_LONGEST, pause * 4)

    if not (workspace.path / "gate" / "policy.json").is_file():
        yield  # a policy counts from the next opening of the store on
        return
    task = asyncio.create_task(run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
