# SPDX-License-Identifier: Apache-2.0
"""The life of keys: what a stolen, rotated, revoked or compromised key can and cannot do."""

import itertools
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.payload import Action
from kizuna.model.statement import Interval
from kizuna.roots.identity import KeyEvent, KeyHistory, KeyStanding, did_key
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit

T0 = 1_790_000_000


def _keys(count: int) -> list[PublicKey]:
    unit = EphemeralUnit(b"history")
    return [unit.public(unit.generate(Algorithm.ES256, str(n))) for n in range(count)]


FIRST, SECOND, THIRD, FOURTH = _keys(4)
WHO = did_key(FIRST)


def event(
    index: int,
    action: Action,
    target: PublicKey | bytes,
    by: PublicKey = FIRST,
    *,
    key: PublicKey | None = None,
    since: int | None = None,
    issuer: SubjectId = WHO,
) -> KeyEvent:
    """An event at ``index``, registered within ten seconds that begin at T0 + 100 * index."""
    return KeyEvent(
        digest=Digest(sha256(b"%d" % index).digest()),
        index=index,
        registered=at(index),
        issuer=issuer,
        identity=WHO,
        signed_by=by.thumbprint,
        action=action,
        target=target if isinstance(target, bytes) else target.thumbprint,
        key=key,
        since=since,
    )


def at(index: int) -> Interval:
    return Interval(T0 + 100 * index, T0 + 100 * index + 10)


def history(*events: KeyEvent) -> KeyHistory:
    made = KeyHistory.of(WHO, [FIRST])
    for one in events:
        made = made.apply(one)
    return made


def enrol(index: int, key: PublicKey, by: PublicKey = FIRST) -> KeyEvent:
    return event(index, Action.ENROL, key, by, key=key)


def rotate(index: int, old: PublicKey, new: PublicKey, by: PublicKey | None = None) -> KeyEvent:
    return event(index, Action.ROTATE, old, by or old, key=new)


def good(made: KeyHistory, key: PublicKey, index: int) -> KeyStanding:
    return made.standing(key.thumbprint, index, at(index))


def test_the_key_in_the_name_is_good_from_the_beginning():
    made = history()
    assert good(made, FIRST, 0) is KeyStanding.GOOD
    assert made.may_register(FIRST.thumbprint, index=0, now=T0, issued_at=T0) is None
    assert made.current(0) == (FIRST,)


def test_a_key_nobody_enrolled_is_unknown():
    refused = history().may_register(SECOND.thumbprint, index=0, now=T0)
    assert refused is not None
    assert refused.code == "key.unknown"


def test_an_enrolled_key_counts_after_its_enrolment_and_not_at_or_before():
    made = history(enrol(5, SECOND))
    assert [good(made, SECOND, n) for n in (4, 5, 6)] == [
        KeyStanding.UNKNOWN,
        KeyStanding.UNKNOWN,
        KeyStanding.GOOD,
    ]


def test_rotation_ends_future_use_and_nothing_else():
    made = history(rotate(5, FIRST, SECOND))
    assert good(made, FIRST, 4) is KeyStanding.GOOD
    assert good(made, FIRST, 6) is KeyStanding.ENDED
    assert good(made, SECOND, 6) is KeyStanding.GOOD
    assert made.current(6) == (SECOND,)


def test_a_stolen_old_key_that_backdates_is_refused():
    """The thief signs with the rotated key and claims a time from before the rotation."""
    made = history(rotate(5, FIRST, SECOND))
    refused = made.may_register(FIRST.thumbprint, index=9, now=T0 + 900, issued_at=T0)
    assert refused is not None
    assert refused.code == "key.revoked"


def test_a_claimed_time_before_the_key_was_the_issuers_is_refused():
    made = history(enrol(50, SECOND))
    refused = made.may_register(SECOND.thumbprint, index=60, now=T0 + 6000, issued_at=T0)
    assert refused is not None
    assert refused.code == "key.outside-time"
    assert (
        made.may_register(SECOND.thumbprint, index=60, now=T0 + 6000, issued_at=T0 + 5600) is None
    )


@pytest.mark.parametrize(("ahead", "code"), [(300, None), (301, "key.future")])
def test_a_claimed_time_may_be_five_minutes_ahead(ahead: int, code: str | None):
    refused = history().may_register(FIRST.thumbprint, index=1, now=T0, issued_at=T0 + ahead)
    assert (None if refused is None else refused.code) == code


def test_revocation_ends_a_key_for_good_even_when_it_is_enrolled_again():
    made = history(enrol(1, SECOND), event(5, Action.REVOKE, SECOND), enrol(7, SECOND))
    assert good(made, SECOND, 4) is KeyStanding.GOOD
    assert good(made, SECOND, 8) is KeyStanding.ENDED


def test_a_suspended_key_counts_again_after_it_was_reinstated():
    made = history(
        enrol(1, SECOND),
        event(3, Action.SUSPEND, SECOND),
        event(6, Action.REINSTATE, SECOND),
    )
    assert [good(made, SECOND, n) for n in (2, 4, 6, 7)] == [
        KeyStanding.GOOD,
        KeyStanding.SUSPENDED,
        KeyStanding.SUSPENDED,
        KeyStanding.GOOD,
    ]


def test_reinstating_does_not_undo_a_revocation():
    made = history(
        enrol(1, SECOND), event(3, Action.REVOKE, SECOND), event(6, Action.REINSTATE, SECOND)
    )
    assert good(made, SECOND, 7) is KeyStanding.ENDED


def test_compromise_voids_what_was_registered_after_it_and_keeps_the_rest():
    made = history(enrol(1, SECOND), event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1005))
    assert good(made, FIRST, 9) is KeyStanding.GOOD
    assert good(made, FIRST, 10) is KeyStanding.UNCERTAIN  # registered T0+1000 to T0+1010
    assert good(made, FIRST, 11) is KeyStanding.COMPROMISED
    assert good(made, FIRST, 21) is KeyStanding.ENDED


def test_what_is_registered_in_the_very_second_of_the_compromise_still_counts():
    made = history(enrol(1, SECOND), event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1010))
    assert good(made, FIRST, 10) is KeyStanding.GOOD


def test_compromise_without_a_time_voids_everything():
    made = history(enrol(1, SECOND), event(20, Action.COMPROMISE, SECOND))
    assert good(made, SECOND, 2) is KeyStanding.COMPROMISED


def test_a_key_introduced_by_a_thief_is_void_with_the_key_that_introduced_it():
    made = history(
        enrol(1, SECOND),
        enrol(12, THIRD),  # the thief, with the stolen first key
        enrol(13, FOURTH, THIRD),  # and once more, from the thief's own key
        event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1100),
    )
    assert good(made, SECOND, 15) is KeyStanding.GOOD
    assert good(made, THIRD, 15) is KeyStanding.COMPROMISED
    assert good(made, FOURTH, 15) is KeyStanding.COMPROMISED
    for stolen in (FIRST, THIRD, FOURTH):
        refused = made.may_register(stolen.thumbprint, index=21, now=T0 + 2100)
        assert refused is not None
        assert refused.code == "key.revoked"


def test_a_thief_cannot_rotate_the_owner_out_of_judgement():
    """What the thief ended stays ended (it may be mended), what the thief began is void."""
    made = history(
        enrol(1, SECOND),
        rotate(12, FIRST, THIRD),
        event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1100),
    )
    assert good(made, FIRST, 9) is KeyStanding.GOOD
    assert good(made, THIRD, 15) is KeyStanding.COMPROMISED
    assert made.current(21) == (SECOND,)


def test_a_compromised_key_cannot_take_its_compromise_back():
    made = history(enrol(1, SECOND), event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 100))
    thief = event(21, Action.WITHDRAW, Digest(sha256(b"20").digest()), FIRST)
    assert made.apply(thief) is made
    assert made.apply(enrol(22, FOURTH, FIRST)) is made


def test_what_a_later_compromised_key_revoked_stays_revoked():
    made = history(
        enrol(1, SECOND),
        enrol(2, THIRD),
        event(12, Action.REVOKE, THIRD, FIRST),
        event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1100),
    )
    assert good(made, THIRD, 15) is KeyStanding.ENDED
    withdrawn = made.apply(event(30, Action.WITHDRAW, Digest(sha256(b"12").digest()), SECOND))
    assert good(withdrawn, THIRD, 31) is KeyStanding.GOOD
    assert good(withdrawn, THIRD, 30) is KeyStanding.ENDED


def test_a_withdrawn_compromise_voids_nothing_from_then_on():
    made = history(
        enrol(1, SECOND),
        event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1005),
        event(30, Action.WITHDRAW, Digest(sha256(b"20").digest()), SECOND),
    )
    assert good(made, FIRST, 15) is KeyStanding.GOOD
    assert good(made, FIRST, 25) is KeyStanding.ENDED
    assert good(made, FIRST, 31) is KeyStanding.GOOD
    known = made.standing(FIRST.thumbprint, 15, at(15), known=25)
    assert known is KeyStanding.COMPROMISED


def test_judgement_as_known_earlier_does_not_know_what_came_later():
    made = history(enrol(1, SECOND), event(20, Action.COMPROMISE, FIRST, SECOND, since=T0 + 1005))
    assert made.standing(FIRST.thumbprint, 15, at(15), known=20) is KeyStanding.GOOD
    assert made.standing(FIRST.thumbprint, 15, at(15), known=21) is KeyStanding.COMPROMISED


def test_nobody_else_can_touch_the_keys_of_an_identity():
    stranger = did_key(FOURTH)
    made = history(enrol(1, SECOND))
    for action in (Action.REVOKE, Action.COMPROMISE, Action.SUSPEND):
        assert made.apply(event(5, action, SECOND, FOURTH, issuer=stranger)) is made
    assert made.apply(replace(enrol(6, THIRD, FOURTH), issuer=stranger)) is made


def test_a_superior_can_end_a_key_that_the_owner_has_lost():
    superior = did_key(FOURTH)
    made = history(enrol(1, SECOND))
    ended = made.apply(
        event(5, Action.COMPROMISE, FIRST, FOURTH, issuer=superior, since=0), superior=True
    )
    assert good(ended, FIRST, 3) is KeyStanding.COMPROMISED
    assert good(ended, SECOND, 4) is KeyStanding.COMPROMISED  # the first key had introduced it
    mended = ended.apply(
        event(6, Action.ENROL, THIRD, FOURTH, issuer=superior, key=THIRD), superior=True
    )
    assert mended.current(7) == (THIRD,)


def test_the_owner_cannot_take_back_what_a_superior_said():
    superior = did_key(FOURTH)
    made = history(enrol(1, SECOND), enrol(2, THIRD))
    for action in (Action.SUSPEND, Action.REVOKE, Action.COMPROMISE):
        said = event(5, action, SECOND, FOURTH, issuer=superior)
        ended = made.apply(said, superior=True)
        assert SECOND not in ended.current(6)
        assert ended.apply(event(7, Action.WITHDRAW, said.digest, THIRD)) is ended
        assert ended.apply(event(7, Action.REINSTATE, SECOND, THIRD)).current(8) == (FIRST, THIRD)
        mended = ended.apply(
            event(7, Action.WITHDRAW, said.digest, FOURTH, issuer=superior), superior=True
        )
        assert SECOND in mended.current(8)


def test_an_event_signed_by_an_ended_key_has_no_effect():
    made = history(rotate(5, FIRST, SECOND))
    assert made.apply(enrol(6, THIRD, FIRST)) is made
    assert made.apply(event(7, Action.REVOKE, SECOND, FIRST)) is made


def test_a_key_pinned_by_a_list_counts_from_its_entry_on():
    made = KeyHistory.of("did:web:fan.example").pin(FIRST, 7)
    assert made.standing(FIRST.thumbprint, 7, at(7)) is KeyStanding.UNKNOWN
    assert made.standing(FIRST.thumbprint, 8, at(8)) is KeyStanding.GOOD


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                Action.ENROL,
                Action.ROTATE,
                Action.REVOKE,
                Action.SUSPEND,
                Action.REINSTATE,
                Action.COMPROMISE,
                Action.WITHDRAW,
            ]
        ),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 3),
        st.integers(0, 40),
    ),
    max_size=14,
)


def _grown(steps) -> list[KeyHistory]:
    """The histories before the first step, after it, and so on; step n has index n."""
    keys = (FIRST, SECOND, THIRD, FOURTH)
    growing = [KeyHistory.of(WHO, [FIRST])]
    for index, (action, target, new, by, since) in enumerate(steps):
        named: PublicKey | bytes = keys[target]
        if action is Action.WITHDRAW:
            named = sha256(b"%d" % max(0, since - 1)).digest()
        if action is Action.ENROL:
            named = keys[new]
        made = event(
            index,
            action,
            named,
            keys[by],
            key=keys[new] if action in (Action.ENROL, Action.ROTATE) else None,
            since=T0 + 100 * since if action is Action.COMPROMISE else None,
        )
        growing.append(growing[-1].apply(made))
    return growing


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_more_knowledge_of_later_events_never_changes_what_a_row_was_at_its_place(steps):
    """``known`` = the row itself gives what the intake saw; no event later can turn a row good."""
    growing = _grown(steps)
    final = growing[-1]
    for index, seen in enumerate(growing):
        for key in (FIRST, SECOND, THIRD, FOURTH):
            intake = seen.may_register(key.thumbprint, index=index, now=T0 + 100 * index)
            judged = final.standing(key.thumbprint, index, at(index), known=index)
            if judged is KeyStanding.UNCERTAIN:  # kept for those who judge: it may well be good
                assert intake is None
            else:
                assert (intake is None) == (judged is KeyStanding.GOOD)
            now = final.standing(key.thumbprint, index, at(index))
            if judged is KeyStanding.UNCERTAIN:
                assert now <= judged
            elif judged is not KeyStanding.GOOD:
                assert now is judged


def test_what_a_key_says_that_was_enrolled_around_a_theft_is_taken_in_and_left_open():
    """The enrolment's row and the thief's first moment overlap: nobody can tell their order."""
    made = history(enrol(10, SECOND), event(12, Action.COMPROMISE, FIRST, FIRST, since=T0 + 1_000))
    assert made.may_register(SECOND.thumbprint, index=13, now=T0 + 1_300) is None
    assert made.standing(SECOND.thumbprint, 13, at(13)) is KeyStanding.UNCERTAIN


def _by_period(made: KeyHistory, key: PublicKey, index: int, known: int | None) -> KeyStanding:
    """The standing of a row, read from the key's periods alone."""
    low, high = at(index).earliest, at(index).latest
    for period in made.periods(key.thumbprint, known):
        if period.first <= index <= period.last:
            if low > period.since:
                return KeyStanding.COMPROMISED
            return min(
                period.ceiling, KeyStanding.UNCERTAIN if high > period.since else KeyStanding.GOOD
            )
    return KeyStanding.ENDED


@settings(max_examples=200, deadline=None)
@given(STEPS, st.one_of(st.none(), st.integers(0, 20)))
def test_periods_say_the_same_as_single_answers(steps, known):
    made = _grown(steps)[-1]
    for key in (FIRST, SECOND, THIRD, FOURTH):
        for index in range(len(steps) + 3):
            one = made.standing(key.thumbprint, index, at(index), known)
            many = _by_period(made, key, index, known)
            assert max(one, KeyStanding.SUSPENDED) == max(many, KeyStanding.SUSPENDED)


def test_a_history_of_many_events_is_cheap_to_extend_and_to_ask():
    unit = EphemeralUnit(b"fleet")
    made = history()
    keys = [unit.public(unit.generate(Algorithm.EDDSA, str(n))) for n in range(400)]
    for index, key in enumerate(keys):
        made = made.apply(enrol(index + 1, key))
    assert len(made.current(401)) == 401
    assert made.periods(keys[0].thumbprint)[0].first == 2


def test_a_long_chain_of_keys_is_judged_to_its_beginning():
    """Each key introduced by the one before: a compromise of the first voids them all."""
    unit = EphemeralUnit(b"chain")
    keys = [FIRST, *(unit.public(unit.generate(Algorithm.EDDSA, str(n))) for n in range(3000))]
    made = history()
    for index, (old, new) in enumerate(itertools.pairwise(keys)):
        made = made.apply(enrol(index + 1, new, old))
    assert good(made, keys[-1], 3001) is KeyStanding.GOOD
    made = made.apply(event(4000, Action.COMPROMISE, FIRST, keys[-1], since=T0))
    assert good(made, keys[-1], 3001) is KeyStanding.COMPROMISED
    assert made.current(4001) == ()
