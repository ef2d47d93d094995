# SPDX-License-Identifier: Apache-2.0
"""What evidence tells against its device: by its findings, or by what the same key said before.

Keeps: 1. Counters, clock and boot session go one way only; which of them went back is named. 2. An
address alone proves nothing: a device that roams has many.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Status
from kizuna.proof.attestation.fleet import order
from kizuna.proof.attestation.fleet.alarm import Alarm
from kizuna.proof.attestation.fleet.book import Book
from kizuna.proof.attestation.fleet.standing import Flag
from kizuna.proof.attestation.fleet.state import State

__all__ = ["alarm_by_findings", "contradiction", "only_on_the_way", "word_of"]

_BY_FINDING: Final = {
    AppraisalCode.FIRMWARE_UNKNOWN: Alarm.UNKNOWN_FIRMWARE,
    AppraisalCode.LOG_DIFFERS: Alarm.TAMPERING,
    AppraisalCode.REGISTERS_DIFFER: Alarm.TAMPERING,
    AppraisalCode.DEVICE_OPEN: Alarm.TAMPERING,
    AppraisalCode.IDENTITY_DIFFERS: Alarm.TAMPERING,
    AppraisalCode.OBSERVATION_DIFFERS: Alarm.SWAP,
}


def contradiction(
    book: Book,
    index: int,
    appraisal: Appraisal,
    place: int,
    epoch: int,
    back: str,
) -> tuple[Alarm | None, str]:
    """What the evidence contradicts of what the same key said before.

    ``back`` is the counter that went back, where one did; what only came late is not asked.
    """
    state = book.state
    if not state.flags[index] & Flag.HEARD:
        state.voice[index] = _voice(appraisal)
        return None, ""
    elsewhere = place != state.source[index] and epoch - state.epoch[index] <= 1
    counters = appraisal.counters
    if back == "clock":
        return (Alarm.CLONE, back) if elsewhere else (Alarm.CLOCK_BACK, back)
    if back:
        if elsewhere:
            return Alarm.CLONE, back
        again = counters.sequence is not None and state.sequence[index] == counters.sequence + 1
        return (Alarm.TWO_STREAMS if again else Alarm.COUNTER_BACK), back
    position = book.register.position_of(index)
    foreign = position is not None and state.sources[place] != position
    if position is not None and foreign and _affirmed_at(book, index, position, epoch):
        return Alarm.TWO_STREAMS, position
    voice = _voice(appraisal)
    if voice and _alternates(state, index, voice, same=state.epoch[index] == epoch):
        return Alarm.TWO_STREAMS, "boot session"
    # an address proves nothing: a device that roams, or whose network changes, has many. Two
    # things with one key are told by their counters, which cross; by their boot sessions, which
    # alternate; and where evidence has neither, by coming twice an epoch again and again
    if counters.sequence is not None or voice or order.went_on(state, index, counters):
        return None, ""
    beside = elsewhere and state.epoch[index] == epoch
    if state.doubles[index] >= (1 if beside else 2):
        return Alarm.TWO_STREAMS, "evidence twice an epoch"
    return None, ""


def word_of(appraisal: Appraisal) -> bytes:
    """What the device's key said, whatever stands around it."""
    if appraisal.uttered is None:
        return appraisal.evidence
    return sha256(b"".join(appraisal.uttered)).digest()


def only_on_the_way(appraisal: Appraisal) -> bool:
    """Whether all that tells against the device lies outside what its key signed."""
    against = [one for one in appraisal.findings if one.code.status is Status.CONTRAINDICATED]
    return bool(against) and not any(one.vouched for one in against)


def alarm_by_findings(appraisal: Appraisal, codes: set[AppraisalCode]) -> tuple[Alarm | None, str]:
    """The alarm that an authentic appraisal's findings call for."""
    if appraisal.status is not Status.CONTRAINDICATED:
        return None, ""
    for code, alarm in _BY_FINDING.items():
        if code in codes:
            about = next(f.about for f in appraisal.findings if f.code is code)
            what = str(about.get("component", about.get("what", "")))[:200]
            return (Alarm.MOVED if what == "position" else alarm), what
    return Alarm.TAMPERING, ""


def _affirmed_at(book: Book, index: int, position: str, epoch: int) -> bool:
    """Whether its own gateway affirmed it in this very epoch."""
    if book.state.flags[index] & Flag.EXCEPTED:
        return False
    gateway = book.register.find(position)
    return (
        gateway is not None
        and bool(book.state.flags[gateway] & Flag.HEARD)
        and book.state.epoch[gateway] == epoch
    )


def _alternates(state: State, index: int, voice: int, *, same: bool) -> bool:
    """Whether a boot session speaks again after the one that followed it.

    Within one epoch the order of arrival says nothing about which followed: there the first word of
    the next epoch decides.
    """
    flags, held = state.flags, state.voice[index]
    mixed = bool(flags[index] & Flag.MIXED)
    if not same:
        flags[index] &= ~Flag.MIXED
    if voice == held:
        return False
    again = voice == state.former[index]
    if again and same and flags[index] & Flag.TURNED:
        flags[index] |= Flag.MIXED
        return False
    state.former[index], state.voice[index] = held, voice
    if again and mixed and not same:
        return False
    flags[index] |= Flag.TURNED | Flag.MIXED if same else Flag.TURNED
    return again


def _voice(appraisal: Appraisal) -> int:
    """The boot session that the evidence names, as a number; 0 where it names none."""
    seed = appraisal.claims.get("psa-boot-seed")
    return int.from_bytes(seed[:8], "big") if isinstance(seed, bytes) else 0
