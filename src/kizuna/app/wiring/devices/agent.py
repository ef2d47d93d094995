# SPDX-License-Identifier: Apache-2.0
"""What goes onto a device: the agent's file, and the plan by which it measures.

Keeps: 1. The file given out is the file that is tested. 2. A plan says what it promises beside what
it asks of the device, so that nobody ships a plan whose delay they have not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from kizuna.proof.attestation.agent import Region

__all__ = ["agent_source", "plan"]


def agent_source() -> bytes:
    """The one file that is copied to a device."""
    folder = resources.files("kizuna.proof.attestation.agent")
    return folder.joinpath("kizuna_agent.py").read_bytes()


def plan(
    regions: Sequence[str], *, rate: int, budget: float, shortest: float
) -> tuple[dict[str, Any], bytes]:
    """What a plan promises, and the plan as the device reads it.

    Args:
        regions: ``NAME:BYTES[:THREAT[:EXPOSURE]]`` each.
        rate: Bytes that the device hashes in a second of processor time.
        budget: Percent of the processor that measuring may take.
        shortest: No deadline is shorter than this many seconds.

    Raises:
        Malformed: ``plan.region``, ``plan.empty``, ``plan.budget``, ``plan.too-slow``.
    """
    from kizuna.proof.attestation.agent import make_plan

    made = make_plan(
        [_region(r) for r in regions], rate=rate, budget=budget / 100, shortest=shortest
    )
    return made.to_json(), made.for_device().encode() + b"\n"


def _region(text: str) -> Region:
    from kizuna.proof.attestation.agent import Region

    name, *numbers = text.split(":")
    if not 1 <= len(numbers) <= 3 or not all(n.isascii() and n.isdigit() for n in numbers):
        raise Malformed(
            "plan.region",
            f"{text[:80]!r} is not NAME:BYTES[:THREAT[:EXPOSURE]]",
            hint="for example boot:65536:5:2",
            region=text[:80],
        )
    return Region(name, *(int(n[:18]) for n in numbers))
