# SPDX-License-Identifier: Apache-2.0
"""How a device that says nothing looks when all is well: learnt once, kept with its enrolment.

Keeps: 1. The profile is a small file that a person can read; what is not in it is not asked for.
2. A rhythm is not narrower than a network is: answers may take longer by a fair amount before it is
told. 3. The log holds the profile's digest, never the addresses in it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from kizuna.model.errors import Malformed, Unavailable

if TYPE_CHECKING:
    from kizuna.guard.gateway.connector.sight import Ask
    from kizuna.proof.attestation.schemes.observed import Learnt, Observation

__all__ = ["device_identity", "learn_device", "neighbours", "read_learnt", "seen_once"]

_WAIT: Final = 10.0
_PAUSE: Final = 0.2
_FAIR: Final = 250
"""Milliseconds by which an answer may come later than usual, at least."""
_NEIGHBOURS: Final = Path("/proc/net/arp")
_Text = Annotated[str, Meta(min_length=1, max_length=200)]
_Milliseconds = Annotated[int, Meta(ge=0, lt=1 << 40)]


class _Entry(Struct, forbid_unknown_fields=True, kw_only=True):
    """The file."""

    address: _Text | None = None
    position: _Text | None = None
    banner: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    interval: _Milliseconds | None = None
    tolerance: _Milliseconds = 0


def device_identity(subject: str) -> bytes:
    """What a connector calls the device behind it: 32 bytes made of its identifier."""
    return sha256(subject.encode()).digest()


def neighbours() -> str:
    """The system's table of hardware addresses; empty where it has none."""
    try:
        return _NEIGHBOURS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


async def seen_once(to: tuple[str, int], ask: Ask) -> Observation:
    """One look at the device.

    Raises:
        OSError, EOFError, TimeoutError: it was not seen.
    """
    from kizuna.guard.gateway.connector.sight import look

    return await look(to, ask, wait=_WAIT, neighbours=await asyncio.to_thread(neighbours))


def learn_device(to: tuple[str, int], ask: Ask, times: int) -> dict[str, Any]:
    """The profile of a device, from so many looks at it.

    Raises:
        Unavailable: ``connector.not-seen``.
    """
    from kizuna.proof.attestation.schemes.observed import learn

    async def looks() -> list[Observation]:
        found = []
        for number in range(times):
            if number:
                await asyncio.sleep(_PAUSE)
            found.append(await seen_once(to, ask))
        return found

    try:
        learnt = learn(asyncio.run(looks()))
    except (OSError, EOFError) as fault:  # TimeoutError is an OSError
        raise Unavailable(
            "connector.not-seen",
            "the device did not answer",
            why=str(fault) or "it was silent, or ended the conversation",
            hint="check where it stands and how it is asked (--ask)",
        ) from fault
    return _entry(replace(learnt, tolerance=max(learnt.tolerance, _FAIR)))


def read_learnt(data: bytes) -> Learnt:
    """The profile in a file, as ``kizuna gateway learn`` writes it.

    Raises:
        Malformed: ``life.learnt``.
    """
    from kizuna.proof.attestation.schemes.observed import Learnt

    try:
        entry = msgspec.json.decode(data, type=_Entry)
        banner = None if entry.banner is None else bytes.fromhex(entry.banner)
    except (msgspec.DecodeError, ValueError, RecursionError) as fault:
        raise _not_learnt(str(fault)) from fault
    if (entry.address, entry.position, banner, entry.interval) == (None,) * 4:
        raise _not_learnt("nothing was the same every time")
    return Learnt(
        address=entry.address,
        position=entry.position,
        banner=banner,
        interval=entry.interval,
        tolerance=entry.tolerance,
    )


def _not_learnt(why: str) -> Malformed:
    return Malformed(
        "life.learnt",
        "not what was learnt of a device",
        why=why[:200],
        hint="make the file with `kizuna gateway learn`",
    )


def _entry(learnt: Learnt) -> dict[str, Any]:
    return {
        "address": learnt.address,
        "position": learnt.position,
        "banner": None if learnt.banner is None else learnt.banner.hex(),
        "interval": learnt.interval,
        "tolerance": learnt.tolerance,
    }
