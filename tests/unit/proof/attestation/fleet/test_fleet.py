# SPDX-License-Identifier: Apache-2.0
"""The fleet: which alarm for what, who may change a standing, and what a restart remembers."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Counters,
    Status,
    Tier,
    Vector,
)
from kizuna.proof.attestation.fleet import Alarm, Epochs, Fleet
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.roots.cose import SharedKey

NOW = 1_795_305_600
EPOCH = NOW // 60
DEVICE = "urn:dev:ops:000000-a"
GATE, OTHER = "urn:dev:ops:000000-g", "urn:dev:ops:000000-h"
KEY = SharedKey(b"k" * 32)


def enrolled(subject=DEVICE, **more):
    return Enrolled(scheme="hmac", subject=subject, key=KEY, **more)


def evidence(number=0, *codes, status=Status.AFFIRMING, claims=None, **counters):
    return Appraisal(
        status=status,
        vector=Vector(),
        tier=Tier.SHARED_KEY,
        scheme="hmac",
        evidence=Digest(sha256(repr((number, counters)).encode()).digest()),
        at=NOW,
        findings=tuple(AppraisalFinding(code) for code in codes),
        counters=Counters(**counters),
        claims=claims or {},
    )


def alarms(events):
    return [event.alarm for event in events if event.alarm]


@pytest.fixture
def fleet():
    made = Fleet(NOW)
    made.enrol(enrolled(), NOW)
    return made


def hear(fleet, appraisal, *, minute=0, subject=DEVICE, source="net", **more):
    return fleet.observe(
        subject, appraisal, epoch=EPOCH + minute, now=NOW + 60 * minute, source=source, **more
    )


def standing(fleet, subject=DEVICE):
    return fleet.standing(subject).status


def test_a_device_begins_without_a_standing_and_gets_one_by_attesting(fleet):
    assert standing(fleet) is Status.NONE
    (event,) = hear(fleet, evidence(1, sequence=1))
    assert (event.before, event.after, event.alarm) == (Status.NONE, Status.AFFIRMING, None)
    assert hear(fleet, evidence(2, sequence=2), minute=1) == []


def test_silence_comes_by_time_alone_and_ends_by_being_heard(fleet):
    hear(fleet, evidence(1, sequence=1))
    assert fleet.tick(NOW + 190) == []
    (event,) = fleet.tick(NOW + 230)
    assert (event.alarm, event.after) == (Alarm.SILENCE, Status.NONE)
    assert fleet.tick(NOW + 900) == []
    (event,) = hear(fleet, evidence(2, sequence=2), minute=16)
    assert event.after is Status.AFFIRMING


@pytest.mark.parametrize(
    ("second", "alarm"),
    [
        ({"boot": 1, "sequence": 3}, Alarm.COUNTER_BACK),
        ({"boot": 0, "sequence": 9}, Alarm.COUNTER_BACK),
        ({"boot": 1, "sequence": 5}, Alarm.TWO_STREAMS),
        ({"boot": 1, "sequence": 6, "clock": 10}, Alarm.CLOCK_BACK),
        ({"boot": 1, "sequence": 6, "clock": 500, "resets": 1}, Alarm.COUNTER_BACK),
    ],
)
def test_what_went_back_is_named(fleet, second, alarm):
    hear(fleet, evidence(1, boot=1, sequence=5, clock=400, resets=2))
    (event,) = hear(fleet, evidence(2, **second), minute=1)
    assert (event.alarm, event.after) == (alarm, Status.CONTRAINDICATED)


def test_a_reboot_is_no_alarm(fleet):
    hear(fleet, evidence(1, boot=1, sequence=5, clock=400))
    assert hear(fleet, evidence(2, boot=2, sequence=1, clock=1), minute=1) == []


def test_more_evidence_does_not_mend_a_key_in_doubt_but_enrolling_anew_does(fleet):
    hear(fleet, evidence(1, sequence=5))
    hear(fleet, evidence(2, sequence=2), minute=1)
    assert hear(fleet, evidence(3, sequence=9), minute=2) == []
    assert standing(fleet) is Status.CONTRAINDICATED
    (event,) = fleet.enrol(enrolled(), NOW + 200)
    assert event.after is Status.NONE
    hear(fleet, evidence(4, sequence=1), minute=4)
    assert standing(fleet) is Status.AFFIRMING


def test_unknown_firmware_is_mended_by_known_firmware(fleet):
    bad = evidence(1, AppraisalCode.FIRMWARE_UNKNOWN, status=Status.CONTRAINDICATED, sequence=1)
    assert alarms(hear(fleet, bad)) == [Alarm.UNKNOWN_FIRMWARE]
    assert alarms(hear(fleet, bad, minute=1)) == []
    hear(fleet, evidence(3, sequence=2), minute=2)
    assert standing(fleet) is Status.AFFIRMING


def test_a_device_that_turns_to_and_fro_stays_bad_and_fills_no_log(fleet):
    told = 0
    for minute in range(58):
        codes = (AppraisalCode.FIRMWARE_UNKNOWN,) if minute % 2 else ()
        status = Status.CONTRAINDICATED if codes else Status.AFFIRMING
        told += len(
            hear(fleet, evidence(minute, *codes, status=status, sequence=minute), minute=minute)
        )
    assert told <= 2 * (fleet.rules.turns + 2)
    assert standing(fleet) is Status.CONTRAINDICATED
    hear(fleet, evidence(500, sequence=500), minute=125)
    assert standing(fleet) is Status.AFFIRMING


def test_an_outsider_changes_nobodys_standing(fleet):
    hear(fleet, evidence(1, sequence=1))
    foreign = (
        AppraisalCode.SIGNATURE_WRONG,
        AppraisalCode.KEY_CHANGED,
        AppraisalCode.MALFORMED,
        AppraisalCode.CLAIMS_INVALID,
        AppraisalCode.NONCE_DIFFERS,
        AppraisalCode.STALE,
    )
    for number, code in enumerate(foreign):
        for minute in (1, 2, 3):
            sent = evidence(100 * number + minute, code, status=code.status)
            events = hear(fleet, sent, minute=minute)
            assert not any(event.changed for event in events)
        hear(fleet, evidence(50 + number, sequence=2 + number), minute=3)
    assert standing(fleet) is Status.AFFIRMING


def test_another_key_and_then_silence_is_a_swap(fleet):
    hear(fleet, evidence(1, sequence=1))
    other = evidence(2, AppraisalCode.SIGNATURE_WRONG, status=Status.CONTRAINDICATED)
    assert alarms(hear(fleet, other, minute=1)) == [Alarm.CHANGED_KEY]
    assert alarms(hear(fleet, other, minute=1)) == []  # once an epoch
    assert alarms(fleet.tick(NOW + 230)) == [Alarm.SWAP]
    hear(fleet, evidence(3, sequence=2), minute=5)
    assert standing(fleet) is Status.AFFIRMING  # the right one is back


def test_a_gateway_that_vouches_for_the_place_tells_a_swap_at_once(fleet):
    hear(fleet, evidence(1, sequence=1))
    other = evidence(2, AppraisalCode.SIGNATURE_WRONG, status=Status.CONTRAINDICATED)
    assert alarms(hear(fleet, other, minute=1, vouched=True)) == [Alarm.SWAP]


def test_two_places_at_once_are_no_alarm_and_with_a_counter_back_a_clone(fleet):
    hear(fleet, evidence(1, sequence=5), source="a")
    assert alarms(hear(fleet, evidence(2, sequence=6), source="b")) == []
    assert alarms(hear(fleet, evidence(3, sequence=6), source="a")) == [Alarm.CLONE]
    other = Fleet(NOW)
    other.enrol(enrolled(), NOW)
    hear(other, evidence(1, sequence=5), source="a")
    assert alarms(hear(other, evidence(2, sequence=4), minute=1, source="b")) == [Alarm.CLONE]


class Stream:
    """One thing with the device's key: what it says, epoch by epoch."""

    def __init__(self, kind: str, number: int = 0) -> None:
        self.kind, self.sequence, self.clock, self.seed = kind, 5, 1000, bytes([number]) * 8
        self.name = f"{kind} {number}"

    def say(self, minute):
        self.sequence, self.clock = self.sequence + 1, self.clock + 60_000
        what = f"{self.name} {minute}"
        if self.kind == "sequence":
            return evidence(what, boot=1, sequence=self.sequence)
        if self.kind == "clock":
            return evidence(what, clock=self.clock, resets=1, restarts=0)
        return evidence(what, claims={"psa-boot-seed": self.seed} if self.kind == "seed" else None)


KINDS = st.sampled_from(["sequence", "clock", "seed", "nothing"])
PLACES = st.lists(st.sampled_from("abcdef"), min_size=3, max_size=3)


@given(KINDS, st.lists(PLACES, min_size=1, max_size=12))
def test_a_device_that_roams_raises_no_alarm(kind, places):
    """Another address each minute, and the same bytes sent again from yet others."""
    fleet, stream, found = Fleet(NOW), Stream(kind), []
    fleet.enrol(enrolled(), NOW)
    for minute, (first, *others) in enumerate(places):
        said = stream.say(minute)
        found += alarms(hear(fleet, said, minute=minute, source=first))
        for place in others:
            copied = fleet.copied(
                DEVICE, said.evidence, epoch=EPOCH + minute, now=NOW + 60 * minute, source=place
            )
            assert copied is not None
            found += alarms(copied)
    assert found == []
    assert standing(fleet) is Status.AFFIRMING


@given(KINDS, st.booleans(), st.integers(0, 3))
def test_a_clone_is_found_within_four_minutes_wherever_it_speaks_from(kind, beside, ahead):
    """Two things with one key and the same memory, or one that spoke some minutes more."""
    fleet, found = Fleet(NOW), []
    fleet.enrol(enrolled(), NOW)
    first, second = Stream(kind, 1), Stream(kind, 2)
    for _ in range(ahead):
        second.say(-1)
    for minute in range(4):
        for stream, place in ((first, "a"), (second, "a" if beside else "b")):
            found += alarms(hear(fleet, stream.say(minute), minute=minute, source=place))
    assert {Alarm.CLONE, Alarm.TWO_STREAMS, Alarm.COUNTER_BACK, Alarm.CLOCK_BACK} & set(found)
    assert standing(fleet) is Status.CONTRAINDICATED


# --- the order of arrival ---------------------------------------------------------------------


class Honest:
    """A device as it is: what it says in each epoch, with reboots in between."""

    def __init__(self, kind) -> None:
        self.kind = kind
        self.boot, self.sequence, self.clock, self.told = 1, 0, 0, 0

    def say(self):
        self.sequence, self.clock, self.told = self.sequence + 1, self.clock + 9, self.told + 1
        if self.kind == "tpm":
            return evidence(self.told, clock=self.clock, resets=self.boot, restarts=0)
        if self.kind == "psa":
            return evidence(self.told, claims={"psa-boot-seed": bytes([self.boot]) * 8})
        return evidence(self.told, boot=self.boot, sequence=self.sequence, clock=self.clock)

    def reboot(self):
        self.boot, self.sequence, self.clock = self.boot + 1, 0, 0


KINDS_IN_ORDER = st.sampled_from(["hmac", "tpm", "psa"])


@given(KINDS_IN_ORDER, st.data())
def test_what_one_epoch_brings_may_come_in_any_order_from_anywhere(kind, data):
    fleet, device, found = Fleet(NOW), Honest(kind), []
    fleet.enrol(enrolled(), NOW)
    for minute in range(data.draw(st.integers(1, 5))):
        said = []
        for _ in range(data.draw(st.integers(1, fleet.rules.rate))):
            said.append(device.say())
            if len(said) == 2 and data.draw(st.booleans()):
                device.reboot()
        for one in data.draw(st.permutations(said)):
            where = data.draw(st.sampled_from("ab"))
            found += alarms(hear(fleet, one, minute=minute, source=where))
    assert found == []
    assert standing(fleet) is Status.AFFIRMING


@given(st.integers(1, 30), st.integers(0, 29), st.data())
def test_a_device_set_back_is_found_by_its_next_epoch(heard, back, data):
    """Whatever it had said, and whatever of it was lost on the way."""
    fleet, found = Fleet(NOW), []
    fleet.enrol(enrolled(), NOW)
    sequence = 0
    for minute in range(heard):
        sequence += data.draw(st.integers(1, 3))
        hear(fleet, evidence(("before", sequence), boot=1, sequence=sequence), minute=minute)
    sequence = max(0, sequence - 1 - back)
    for minute in (heard - 1, heard, heard + 1):
        sequence += 1
        sent = evidence(("after", sequence), boot=1, sequence=sequence)
        found += alarms(hear(fleet, sent, minute=minute))
    last = sequence
    assert last <= heard * 3 + 3
    if back >= 2:  # else it has passed what it had said, and nobody can tell
        assert {Alarm.COUNTER_BACK, Alarm.TWO_STREAMS} & set(found)
        assert standing(fleet) is Status.CONTRAINDICATED


def test_a_counter_heard_before_under_other_words_is_a_second_voice(fleet):
    hear(fleet, evidence(1, boot=1, sequence=1))
    for sequence in (4, 3, 2):
        sent = evidence(sequence, boot=1, sequence=sequence)
        assert alarms(hear(fleet, sent, minute=1)) == []
    other = evidence("other", boot=1, sequence=3)
    assert fleet.admits(DEVICE, EPOCH + 1)
    (event,) = hear(fleet, other, minute=1)
    assert (event.alarm, event.after) == (Alarm.COUNTER_BACK, Status.CONTRAINDICATED)


def test_sequence_and_clock_that_cross_are_two_things(fleet):
    hear(fleet, evidence(1, boot=1, sequence=1, clock=10))
    hear(fleet, evidence(2, boot=1, sequence=9, clock=60), minute=1)
    crossed = evidence(3, boot=1, sequence=8, clock=70)
    assert alarms(hear(fleet, crossed, minute=1)) == [Alarm.COUNTER_BACK]


def test_an_answer_to_a_later_challenge_has_no_excuse(fleet):
    hear(fleet, evidence(1, boot=1, sequence=9), challenge=NOW - 1)
    back = evidence(2, boot=1, sequence=8)
    events = fleet.observe(DEVICE, back, epoch=EPOCH, now=NOW + 9, source="net", challenge=NOW + 5)
    assert alarms(events) == [Alarm.COUNTER_BACK]


def test_what_comes_late_worsens_a_standing_and_never_mends_it(fleet):
    bad = {"status": Status.CONTRAINDICATED}
    code = AppraisalCode.FIRMWARE_UNKNOWN
    hear(fleet, evidence(1, sequence=1))
    hear(fleet, evidence(2, code, **bad, sequence=4), minute=1)
    hear(fleet, evidence(3, sequence=3), minute=1)  # said before it was tampered with
    assert standing(fleet) is Status.CONTRAINDICATED
    hear(fleet, evidence(4, sequence=6), minute=2)
    assert standing(fleet) is Status.AFFIRMING
    assert alarms(hear(fleet, evidence(5, code, **bad, sequence=5), minute=2)) == [
        Alarm.UNKNOWN_FIRMWARE
    ]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=8))
def test_a_device_with_a_counter_may_speak_twice_an_epoch_from_two_places(places):
    fleet, stream, found = Fleet(NOW), Stream("sequence"), []
    fleet.enrol(enrolled(), NOW)
    for minute, place in enumerate(places):
        for source in (place, "other"):
            found += alarms(hear(fleet, stream.say(minute), minute=minute, source=source))
    assert found == []


def test_what_no_signature_covers_is_told_and_changes_no_standing(fleet):
    hear(fleet, evidence(1, sequence=5))
    about = AppraisalFinding(AppraisalCode.LOG_DIFFERS, {}, False)
    forged = evidence(2, status=Status.CONTRAINDICATED, sequence=6)
    changed = replace(forged, findings=(about,))
    (told,) = hear(fleet, changed, minute=1)
    assert (told.alarm, told.changed) == (Alarm.TAMPERING, False)
    assert hear(fleet, changed, minute=1) == []  # once an epoch
    assert hear(fleet, evidence(3, sequence=6), minute=1) == []  # the device's own still counts
    assert standing(fleet) is Status.AFFIRMING
    signed = AppraisalFinding(AppraisalCode.FIRMWARE_UNKNOWN)
    own = replace(forged, findings=(about, signed), counters=Counters(sequence=7))
    (event,) = hear(fleet, own, minute=2)
    assert (event.alarm, event.after) == (Alarm.UNKNOWN_FIRMWARE, Status.CONTRAINDICATED)


def test_boot_sessions_that_alternate_are_two_streams(fleet):
    found = []
    for number, seed in enumerate((b"a" * 32, b"b" * 32, b"a" * 32)):
        sent = evidence(number, claims={"psa-boot-seed": seed})
        found += alarms(hear(fleet, sent, minute=number))
    assert found == [Alarm.TWO_STREAMS]


def test_a_flood_is_told_once_an_epoch_and_changes_nothing(fleet):
    found = []
    for number in range(20):
        if fleet.admits(DEVICE, EPOCH):
            found += hear(fleet, evidence(number, sequence=number + 1))
    assert alarms(found) == [Alarm.FLOOD]
    assert standing(fleet) is Status.AFFIRMING
    assert fleet.admits(DEVICE, EPOCH + 1)


def test_evidence_sent_again_is_known_and_an_older_piece_is_told(fleet):
    first, second = evidence(1, sequence=1), evidence(2, sequence=2)
    hear(fleet, first)
    hear(fleet, second, minute=1)

    def copied(appraisal):
        return fleet.copied(DEVICE, appraisal.evidence, epoch=EPOCH + 1, now=NOW + 60)

    assert copied(second) == []  # the network delivered it twice
    assert alarms(copied(first)) == [Alarm.STALE]
    assert copied(evidence(3, sequence=3)) is None
    assert hear(fleet, first, minute=1) == []


def test_a_challenge_is_answered_once(fleet):
    hear(fleet, evidence(1), challenge=NOW)
    assert hear(fleet, evidence(2, AppraisalCode.FIRMWARE_UNKNOWN), challenge=NOW) == []


def test_a_restart_forgets_nothing_that_protects(fleet):
    hear(fleet, evidence(1, boot=2, sequence=5))
    again = Fleet(NOW + 60)
    again.enrol(enrolled("urn:dev:ops:000000-new"), NOW)
    again.enrol(enrolled(), NOW)
    again.restore(fleet.snapshot())
    assert standing(again) is Status.AFFIRMING
    copy = evidence(1, boot=2, sequence=5)
    assert again.copied(DEVICE, copy.evidence, epoch=EPOCH, now=NOW) is not None
    back = hear(again, evidence(9, boot=2, sequence=4), minute=1)
    assert alarms(back) == [Alarm.COUNTER_BACK]


@given(st.data())
def test_a_damaged_snapshot_is_refused_whole(data):
    fleet = Fleet(NOW)
    fleet.enrol(enrolled(), NOW)
    hear(fleet, evidence(1, sequence=5))
    whole = bytearray(fleet.snapshot())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    again = Fleet(NOW)
    again.enrol(enrolled(), NOW)
    with pytest.raises(Malformed) as caught:
        again.restore(bytes(whole[: data.draw(st.sampled_from((len(whole), at)))]))
    assert caught.value.code == "fleet.snapshot-damaged"
    assert standing(again) is Status.NONE


@pytest.fixture
def gated():
    made = Fleet(NOW)
    made.enrol(Enrolled(scheme="gateway", subject=GATE), NOW)
    made.enrol(Enrolled(scheme="gateway", subject=OTHER), NOW)
    for name in ("1", "2", "3"):
        made.enrol(enrolled(DEVICE + name, position=GATE), NOW)
    return made


def affirm(fleet, minute, exceptions=None, gateway=GATE):
    return fleet.affirm(
        gateway, epoch=EPOCH + minute, exceptions=exceptions or {}, now=NOW + 60 * minute
    )


def test_a_bundle_affirms_all_but_its_exceptions(gated):
    affirm(gated, 0, {DEVICE + "2": (Alarm.UNKNOWN_FIRMWARE, Status.CONTRAINDICATED)})
    assert standing(gated, DEVICE + "1") is Status.AFFIRMING
    assert standing(gated, DEVICE + "2") is Status.CONTRAINDICATED
    affirm(gated, 1)
    assert standing(gated, DEVICE + "2") is Status.AFFIRMING


def test_a_device_left_out_for_too_long_is_silent(gated):
    affirm(gated, 0)
    late = {DEVICE + "3": (None, None)}
    events = []
    for minute in range(1, 6):
        events += affirm(gated, minute, late)
        events += gated.tick(NOW + 60 * minute)
    told = [(e.subject, e.alarm) for e in events if e.subject != OTHER]
    assert told == [(DEVICE + "3", Alarm.SILENCE)]


def test_a_silent_or_lying_gateway_takes_its_devices_with_it_in_one_word(gated):
    affirm(gated, 0)
    affirm(gated, 0, gateway=OTHER)
    events = gated.tick(NOW + 400)
    assert {event.subject for event in events} == {GATE, OTHER}
    assert standing(gated, DEVICE + "1") is Status.NONE
    assert gated.standing(DEVICE + "1").reason == "silence"
    affirm(gated, 7)
    assert standing(gated, DEVICE + "1") is Status.AFFIRMING
    (event,) = gated.lied(GATE, NOW + 430)
    assert event.alarm is Alarm.LYING_GATEWAY
    assert standing(gated, DEVICE + "1") is Status.NONE
    affirm(gated, 8)
    assert standing(gated, GATE) is Status.CONTRAINDICATED


def test_a_bundle_sent_again_changes_nothing(gated):
    affirm(gated, 1)
    assert affirm(gated, 1, {DEVICE + "1": (Alarm.SWAP, Status.CONTRAINDICATED)}) == []
    assert affirm(gated, 0, {DEVICE + "1": (Alarm.SWAP, Status.CONTRAINDICATED)}) == []


@pytest.mark.parametrize("home_first", [True, False])
def test_the_same_device_under_two_gateways_is_two_streams(gated, home_first):
    affirm(gated, 0)
    found = affirm(gated, 1) if home_first else []
    found += hear(gated, evidence(5), minute=1, subject=DEVICE + "1", source=OTHER)
    found += [] if home_first else affirm(gated, 1)
    assert alarms(found)[-1] is Alarm.TWO_STREAMS


def test_a_device_that_left_its_gateway_moved(gated):
    affirm(gated, 0)
    late = {DEVICE + "1": (None, None)}
    found = affirm(gated, 1, late)
    found += hear(gated, evidence(5), minute=1, subject=DEVICE + "1", source=OTHER)
    assert alarms(found) == [Alarm.MOVED]
    assert standing(gated, DEVICE + "1") is Status.WARNING
    silent = {DEVICE + "1": (Alarm.SILENCE, Status.NONE)}
    assert affirm(gated, 2, silent) == []
    affirm(gated, 3)
    assert standing(gated, DEVICE + "1") is Status.AFFIRMING


def test_strangers_are_counted_and_nothing_else(fleet):
    assert hear(fleet, evidence(1), subject="urn:dev:ops:000000-nobody") == []
    assert fleet.strangers == 1
    assert not fleet.admits("urn:dev:ops:000000-nobody", EPOCH)


def test_the_state_of_a_device_is_small(fleet):
    assert fleet.bytes_each < 220


def test_epoch_nonces_come_from_the_secret_and_close():
    clock = Epochs(b"s" * 32)
    nonce = clock.nonce(EPOCH)
    assert clock.epoch_of(nonce, NOW) == EPOCH
    assert clock.epoch_of(nonce, NOW + 60) == EPOCH
    assert clock.epoch_of(nonce, NOW + 120) is None
    assert clock.epoch_of(clock.nonce(EPOCH + 1), NOW) is None
    assert Epochs(b"t" * 32).nonce(EPOCH) != nonce


def test_a_challenge_is_for_one_device_and_two_minutes():
    clock = Epochs(b"s" * 32)
    nonce = clock.challenge(DEVICE, NOW)
    assert clock.challenged(DEVICE, nonce, NOW + 120) == NOW
    assert clock.challenged(DEVICE, nonce, NOW + 121) is None
    assert clock.challenged(DEVICE + "2", nonce, NOW) is None
    assert clock.challenged(DEVICE, nonce[:-1] + b"\0", NOW) is None
    assert clock.challenged(DEVICE, b"", NOW) is None
    assert clock.challenged(DEVICE, (NOW + 9).to_bytes(8, "big") + nonce[8:], NOW) is None


def test_a_standing_is_said_again_before_it_grows_old(fleet):
    hear(fleet, evidence(1, sequence=1))
    week = 7 * 86_400
    assert fleet.grown_old(NOW + week - 1, week) == []
    (event,) = fleet.grown_old(NOW + week, week)
    assert (event.again, event.changed, event.after) == (True, False, Status.AFFIRMING)
    assert fleet.grown_old(NOW + week + 1, week) == []


def said(number, word, *codes, **more):
    return replace(evidence(number, *codes, **more), uttered=(word, b"r"))


def test_the_same_word_in_other_clothes_is_heard_once(fleet):
    """Anybody can change what no signature covers, and turn the signature itself (r, -s)."""
    found = []
    for minute in range(6):
        for copy in range(3):
            sent = said(f"{minute} {copy}", b"word %d" % minute)
            found += alarms(hear(fleet, sent, minute=minute, source="a" if copy else "b"))
    assert found == []
    assert fleet.copies == 12
    assert standing(fleet) is Status.AFFIRMING


def test_a_word_that_came_worse_first_counts_when_it_comes_whole(fleet):
    worse = said(1, b"word", AppraisalCode.MEASUREMENTS_MISSING, status=Status.NONE)
    hear(fleet, worse)
    assert standing(fleet) is Status.NONE
    hear(fleet, said(2, b"word"))
    assert standing(fleet) is Status.AFFIRMING


def test_an_older_word_makes_nothing_good_that_a_later_one_told(fleet):
    hear(fleet, said(1, b"before"))
    later = said(2, b"after", AppraisalCode.FIRMWARE_UNKNOWN, status=Status.CONTRAINDICATED)
    hear(fleet, later)
    assert hear(fleet, said(3, b"before")) == []
    assert standing(fleet) is Status.CONTRAINDICATED


@pytest.mark.parametrize("minute", [1, 2])
def test_an_answer_held_back_until_the_next_epoch_condemns_nobody(fleet, minute):
    hear(fleet, evidence(1, boot=1, sequence=1))
    hear(fleet, evidence(3, boot=1, sequence=3), minute=1)
    held_back = evidence(2, boot=1, sequence=2)
    at = NOW + 60 * minute + 5
    events = fleet.observe(
        DEVICE, held_back, epoch=EPOCH + minute, now=at, source="net", challenge=NOW + 20
    )
    assert events == []
    assert hear(fleet, evidence(4, boot=1, sequence=4), minute=3) == []
    assert standing(fleet) is Status.AFFIRMING


def test_an_answer_held_back_says_no_sequence_twice_and_mends_nothing(fleet):
    hear(fleet, evidence(1, boot=1, sequence=1))
    hear(fleet, evidence(3, AppraisalCode.FIRMWARE_UNKNOWN, sequence=3), minute=1)
    before = standing(fleet)
    assert hear(fleet, evidence(2, sequence=2), minute=2, challenge=NOW + 20) == []
    assert standing(fleet) is before
    hear(fleet, evidence(4, sequence=4), minute=3)
    events = hear(fleet, evidence(9, sequence=3), minute=3, challenge=NOW + 90)
    assert alarms(events) == [Alarm.COUNTER_BACK]


def test_a_counter_beyond_what_is_kept_lets_no_other_go_back(fleet):
    hear(fleet, evidence(1, boot=1, sequence=100))
    hear(fleet, evidence(2, boot=1, sequence=2**64 - 1), minute=1)
    (event,) = hear(fleet, evidence(3, boot=1, sequence=5), minute=2)
    assert event.after is Status.CONTRAINDICATED
