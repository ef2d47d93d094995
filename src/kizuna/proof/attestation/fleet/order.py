# SPDX-License-Identifier: Apache-2.0
"""What a device's counters say of the order in which it spoke, whatever the order of arrival.

Keeps: 1. Nothing counts that lies before what was heard in earlier epochs: a device answers a new
epoch after all it said in the old one, so there going back is going back. 2. Within one epoch the
network may turn the order round: a lesser counter that was not heard before came late, and no more
is held against it. A counter heard before, under other words, is a second voice. 3. Evidence that
answers a challenge given after the last evidence came in was made after it: no excuse holds there.
What answers an earlier one may have been made before it, in whichever epoch it arrives: whoever
could hold an answer back would else condemn an honest device. 4. Of one start, sequence and clock
order the same evidence alike, or two things speak.

A device that is set back by less than it said within the running epoch, to a sequence that was
lost on its way, passes for late until its next epoch: then rule 1 finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kizuna.proof.attestation.appraisal import Counters
    from kizuna.proof.attestation.fleet.state import State

__all__ = ["advance", "came_late", "close_epoch", "note_late", "went_back", "went_on"]

_NAMES: Final = ("boot", "sequence", "clock", "resets", "restarts")
_STARTS: Final = ("boot", "resets", "restarts")
_BEFORE: Final = "_before"
_WINDOW: Final = 64
_ALL: Final = (1 << _WINDOW) - 1
_TOP: Final = 2**64 - 1


def went_back(state: State, index: int, counters: Counters, *, before: str = "") -> str:
    """The counter that went back, by name; empty where none did.

    Args:
        state: what is remembered.
        index: of which device.
        counters: what it shows now.
        before: the suffix of the columns to hold it against; empty: the furthest that was heard.
    """
    newer = False
    for name in _STARTS:
        value, last = getattr(counters, name), getattr(state, name + before)[index] - 1
        if value is None or last < 0:
            continue
        if value < last:
            return name
        newer = newer or value > last
    if newer:
        return ""  # it began anew since: clock and sequence may have, too
    sequence, clock = getattr(state, "sequence" + before), getattr(state, "clock" + before)
    if counters.sequence is not None and 0 <= counters.sequence <= sequence[index] - 1:
        return "sequence"
    if counters.clock is not None and 0 <= counters.clock < clock[index] - 1:
        return "clock"
    return ""


def went_on(state: State, index: int, counters: Counters) -> bool:
    """Whether a clock, or the count of its starts, stands further than what was heard before."""
    pairs = ((getattr(counters, n), getattr(state, n)[index] - 1) for n in (*_STARTS, "clock"))
    return counters.clock is not None and any(v is not None and v > last for v, last in pairs)


def came_late(
    state: State, index: int, counters: Counters, back: str, challenge: int | None
) -> bool:
    """Whether evidence whose counter ``back`` lies behind only came late.

    Asked of evidence of the running epoch, and of the answer to a challenge in any.
    """
    if challenge is not None:
        if challenge > state.seen[index]:
            return False
    elif went_back(state, index, counters, before=_BEFORE):
        return False
    if back in _STARTS:
        return True  # said before it began anew, in this same epoch
    if counters.sequence is None:
        return back == "clock"
    if back == "clock":
        return False  # said after what was heard last, by a clock that stands before it
    gap = state.sequence[index] - 1 - counters.sequence
    if not 0 < gap < _WINDOW or state.heard[index] >> gap & 1:
        return False
    return counters.clock is None or counters.clock <= state.clock[index] - 1


def note_late(state: State, index: int, counters: Counters) -> None:
    """Know this sequence as heard, where it belongs to the start that runs."""
    last = state.boot[index] - 1
    if counters.sequence is None or (counters.boot is not None and counters.boot < last):
        return
    gap = state.sequence[index] - 1 - counters.sequence
    if 0 <= gap < _WINDOW:
        state.heard[index] |= 1 << gap


def advance(state: State, index: int, counters: Counters) -> None:
    """Take these counters for the furthest that was heard."""
    if counters.sequence is not None:
        last = state.sequence[index] - 1
        anew = counters.boot is not None and counters.boot != state.boot[index] - 1
        gap = counters.sequence - last
        kept = 0 if anew or last < 0 or not 0 <= gap < _WINDOW else state.heard[index] << gap
        state.heard[index] = kept & _ALL | 1
    for name in _NAMES:
        value = getattr(counters, name)
        if value is not None:
            # beyond what a column holds is the furthest: forgotten, it could go back
            getattr(state, name)[index] = min(max(value, -1) + 1, _TOP)


def close_epoch(state: State, index: int) -> None:
    """Nothing before what was heard until now counts from here on."""
    for name in _NAMES:
        getattr(state, name + _BEFORE)[index] = getattr(state, name)[index]
