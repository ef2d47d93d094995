# SPDX-License-Identifier: Apache-2.0
"""A device's life: whose it was, whose key, and what strangers cannot change."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Claim, Payload, Status, Target
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.roots.keys import Algorithm
from kizuna.roots.life import (
    DeviceLife,
    Ending,
    end_binding,
    idevid,
    ldevid,
    retirement,
    voucher_claim,
)
from kizuna.roots.units import EphemeralUnit

DEVICE = SubjectId("urn:ueid:01020304")
MAKER, ANN, BEN, EVE = (SubjectId(f"did:example:{n}") for n in ("maker", "ann", "ben", "eve"))
_unit = EphemeralUnit(b"life")
K0, K1, K2, K3, K4 = (_unit.public(_unit.generate(Algorithm.ES256, f"k{n}")) for n in range(5))


class Log:
    """Rows about one device, a hundred seconds apart."""

    def __init__(self) -> None:
        self.rows: list[Registered] = []

    def say(self, issuer: str, payload: Payload, *, wide: int = 0) -> str:
        kind = Kind.STATUS if isinstance(payload, Status) else Kind.CERTIFICATE
        if isinstance(payload, Claim) and payload.type == "retirement":
            kind = Kind.EVIDENCE
        at = 1_000 + 100 * len(self.rows)
        digest = Digest(sha256(b"%d" % len(self.rows)).digest())
        statement = Statement(
            digest=digest,
            content=digest,
            issuer=SubjectId(issuer),
            subject=DEVICE,
            kind=kind,
            media_type=media_type_of(kind),
            key_id=b"",
            payload=payload,
        )
        row = Registered(
            statement=statement,
            origin="log",
            index=len(self.rows),
            registered=Interval(at, at + wide),
        )
        self.rows.append(row)
        return digest.hex()

    @property
    def life(self) -> DeviceLife:
        return DeviceLife.of(DEVICE, self.rows)

    @property
    def now(self) -> int:
        return 1_000 + 100 * len(self.rows)

    def flags(self) -> list[str]:
        return [flag.code for flag in self.life.flags]


def sold() -> tuple[Log, str]:
    """Made with K0, given to Ann, who works it under K1."""
    log = Log()
    log.say(MAKER, idevid(K0))
    voucher = log.say(MAKER, voucher_claim(ANN))
    log.say(ANN, ldevid(K1, owner=ANN, voucher=voucher))
    return log, voucher


def test_made_given_and_taken():
    log, _ = sold()
    life = log.life
    assert (life.maker, life.owner, life.flags) == (MAKER, ANN, ())
    assert life.at(1_050).owner is None
    assert [b.key for b in life.at(1_250).keys] == [K0.thumbprint.hex(), K1.thumbprint.hex()]
    assert life.current(1_250).public == K1


def test_whose_key_was_this_on_that_day():
    log, first = sold()
    second = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(BEN, ldevid(K2, owner=BEN, voucher=second))
    life = log.life
    assert life.owner == BEN
    assert life.whose(K1.thumbprint.hex(), 1_250).holder == ANN
    assert life.whose(K1.thumbprint.hex(), log.now) is None
    assert life.whose(K2.thumbprint.hex(), log.now).holder == BEN
    assert life.at(1_250).owner == ANN
    assert life.bindings[1].end.why is Ending.TRANSFERRED


def test_a_swap_without_voucher_changes_nothing_and_is_flagged():
    log, _ = sold()
    log.say(EVE, ldevid(K3, owner=EVE))
    log.say(EVE, idevid(K3))
    log.say(MAKER, ldevid(K3, owner=MAKER))
    assert log.flags() == ["swap"] * 3
    assert (log.life.owner, log.life.current(log.now).public) == (ANN, K1)


def test_the_owner_itself_cannot_bring_in_a_key_that_replaces_none():
    log, _ = sold()
    log.say(ANN, ldevid(K3, owner=ANN))
    assert log.flags() == ["swap"]
    log.say(ANN, ldevid(K2, owner=ANN, replaces=K1.thumbprint.hex()))
    assert log.life.current(log.now).public == K2
    assert log.life.bindings[1].end.why is Ending.ROTATED


def test_a_key_that_was_rotated_out_does_not_come_back():
    log, _ = sold()
    log.say(ANN, ldevid(K2, owner=ANN, replaces=K1.thumbprint.hex()))
    log.say(ANN, ldevid(K1, owner=ANN, replaces=K2.thumbprint.hex()))
    assert log.flags() == ["swap"]


def test_nobody_sells_twice_and_the_giver_has_no_say_after():
    log, first = sold()
    second = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(ANN, voucher_claim(EVE, prior=first))
    log.say(ANN, ldevid(K3, owner=ANN, replaces=K1.thumbprint.hex()))
    assert log.flags() == ["double-sale", "double-sale"]
    log.say(BEN, ldevid(K2, owner=BEN, voucher=second))
    log.say(ANN, voucher_claim(EVE, prior=second))
    log.say(ANN, retirement())
    assert log.flags()[2:] == ["double-sale", "stranger"]
    assert log.life.owner == BEN


@pytest.mark.parametrize("hand", [EVE, ANN, MAKER])
def test_nobody_accepts_in_the_name_of_another(hand):
    log, first = sold()
    second = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(hand, ldevid(K3, owner=BEN, voucher=second))
    life = log.life
    assert life.owner == ANN
    assert life.current(log.now).public == K1
    assert life.offer is not None
    assert len(log.flags()) == 1
    log.say(BEN, ldevid(K2, owner=BEN, voucher=second))
    log.say(hand, voucher_claim(hand, prior=second))
    assert log.life.owner == BEN
    assert log.life.offer is None


def test_an_offer_can_be_taken_back_and_made_to_somebody_else():
    log, first = sold()
    second = log.say(ANN, voucher_claim(EVE, prior=first))
    log.say(ANN, end_binding(second, Ending.REVOKED))
    third = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(EVE, ldevid(K3, owner=EVE, voucher=second))
    log.say(BEN, ldevid(K2, owner=BEN, voucher=third))
    assert log.life.owner == BEN
    assert log.flags() == ["expired-voucher"]


def test_a_voucher_that_is_over_is_not_accepted():
    log = Log()
    log.say(MAKER, idevid(K0))
    voucher = log.say(MAKER, voucher_claim(ANN, expires=1_150))
    log.say(ANN, ldevid(K1, owner=ANN, voucher=voucher))
    assert log.flags() == ["expired-voucher"]
    assert log.life.owner is None


def test_an_old_voucher_cannot_be_used_again():
    log, first = sold()
    second = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(BEN, ldevid(K2, owner=BEN, voucher=second))
    log.say(ANN, ldevid(K1, owner=ANN, voucher=first))
    assert log.life.owner == BEN
    assert log.flags() == ["expired-voucher"]


def test_a_voucher_follows_the_one_before():
    log, _ = sold()
    log.say(ANN, voucher_claim(BEN))
    log.say(ANN, voucher_claim(BEN, prior="00" * 32))
    assert log.flags() == ["broken-chain"] * 2


def test_a_made_device_without_voucher_has_no_owner():
    log = Log()
    log.say(MAKER, idevid(K0))
    log.say(EVE, ldevid(K3, owner=EVE))
    assert log.flags() == ["no-voucher"]
    assert log.life.owner is None


def test_a_device_without_maker_begins_with_its_owner():
    log = Log()
    log.say(ANN, ldevid(K1, owner=ANN))
    assert log.life.owner == ANN
    log.say(MAKER, idevid(K0))
    assert log.flags() == ["stranger"]


def test_a_stolen_key_answers_for_nothing_after_the_theft_but_was_good_as_far_as_was_known():
    log, _ = sold()
    name = K1.thumbprint.hex()
    before = log.life
    target = before.current(log.now).digest
    at = 1_250
    log.say(ANN, end_binding(target, Ending.STOLEN, since=1_230))
    assert before.whose(name, at).holder == ANN
    assert log.life.whose(name, at) is None
    assert log.life.whose(name, 1_229).holder == ANN
    log.say(ANN, ldevid(K2, owner=ANN, replaces=name))  # recovery
    assert log.life.current(log.now).public == K2
    assert log.flags() == []


def test_a_lost_device_is_recovered_only_by_its_owner():
    log, _ = sold()
    log.say(EVE, end_binding(log.life.current(log.now).digest, Ending.LOST))
    assert log.life.current(log.now).public == K1
    log.say(ANN, end_binding(log.life.current(log.now).digest, Ending.LOST))
    assert log.life.current(log.now) is None
    assert log.life.owner == ANN
    log.say(EVE, ldevid(K3, owner=EVE, replaces=K1.thumbprint.hex()))
    log.say(ANN, ldevid(K2, owner=ANN, replaces=K1.thumbprint.hex()))
    assert log.life.current(log.now).public == K2
    assert log.flags() == ["swap"]


def test_a_revocation_said_by_mistake_is_withdrawn():
    log, _ = sold()
    status = log.say(ANN, end_binding(log.life.current(log.now).digest, Ending.LOST))
    log.say(ANN, Status(action=Action.WITHDRAW, target=Target(statement=status)))
    assert log.life.current(log.now).public == K1


def test_a_sellers_key_does_not_come_back_after_the_sale():
    log, first = sold()
    status = log.say(ANN, end_binding(log.life.current(log.now).digest, Ending.REVOKED))
    second = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(BEN, ldevid(K2, owner=BEN, voucher=second))
    log.say(ANN, Status(action=Action.WITHDRAW, target=Target(statement=status)))
    assert log.life.whose(K1.thumbprint.hex(), log.now) is None
    assert log.life.current(log.now).public == K2


def test_a_key_that_another_one_replaced_does_not_come_back_with_its_revocation():
    log, _ = sold()
    status = log.say(ANN, end_binding(log.life.current(log.now).digest, Ending.STOLEN))
    log.say(ANN, ldevid(K2, owner=ANN, replaces=K1.thumbprint.hex()))
    log.say(ANN, Status(action=Action.WITHDRAW, target=Target(statement=status)))
    assert log.life.whose(K1.thumbprint.hex(), log.now) is None


def test_suspended_and_reinstated():
    log, _ = sold()
    digest = log.life.current(log.now).digest
    log.say(ANN, Status(action=Action.SUSPEND, target=Target(statement=digest)))
    assert log.life.current(log.now) is None
    log.say(ANN, Status(action=Action.REINSTATE, target=Target(statement=digest)))
    assert log.life.current(log.now).public == K1
    assert log.life.whose(K1.thumbprint.hex(), 1_350) is None


def test_retired_is_the_end():
    log, voucher = sold()
    log.say(ANN, retirement("scrapped"))
    log.say(ANN, ldevid(K2, owner=ANN, replaces=K1.thumbprint.hex()))
    log.say(ANN, voucher_claim(BEN, prior=voucher))
    answer = log.life.at(log.now)
    assert (answer.retired, answer.owner, answer.keys) == (True, None, ())
    assert log.flags() == ["after-retirement"] * 2
    assert log.life.at(1_250).owner == ANN


def test_a_repair_by_the_maker_names_the_key_that_it_took_out():
    log, _ = sold()
    log.say(MAKER, idevid(K3))
    log.say(MAKER, idevid(K3, replaces=K0.thumbprint.hex()))
    assert log.flags() == ["swap"]
    assert log.life.whose(K3.thumbprint.hex(), log.now).type == "idevid"


def test_a_key_that_stays_over_a_sale_is_pointed_out():
    log, first = sold()
    second = log.say(ANN, voucher_claim(BEN, prior=first))
    log.say(BEN, ldevid(K1, owner=BEN, voucher=second))
    assert log.flags() == ["kept-key"]
    assert log.life.owner == BEN


def test_a_moment_inside_the_interval_of_registration_is_not_certain():
    log = Log()
    log.say(ANN, ldevid(K1, owner=ANN), wide=50)
    assert log.life.at(1_020).certain is False
    assert log.life.at(1_050).certain is True
    assert log.life.at(999).certain is True


def test_whoever_may_not_begin_a_life_holds_no_name():
    log = Log()
    log.say(EVE, ldevid(K3, owner=EVE))
    log.say(EVE, idevid(K3))
    log.say(MAKER, idevid(K0))
    life = DeviceLife.of(DEVICE, log.rows, lambda row: row.statement.issuer == MAKER)
    assert life.maker == MAKER
    assert [f.code for f in life.flags] == ["stranger"] * 2


def test_devices_without_or_with_shared_keys_have_a_life_too():
    log = Log()
    log.say(ANN, ldevid("ab" * 32, owner=ANN, about={"scheme": "hmac"}))
    assert log.life.current(log.now).kind == "shared"
    log = Log()
    log.say(ANN, ldevid(None, owner=ANN, about={"scheme": "observed"}))
    assert log.life.current(log.now).kind == "none"


def test_a_weak_key_binds_nothing():
    log = Log()
    claim = ldevid(K1, owner=ANN)
    claim.ext["jwk"]["y"] = claim.ext["jwk"]["x"]
    log.say(ANN, claim)
    assert log.flags() == ["unreadable"]
    assert not log.life.bindings


_PARTIES = st.sampled_from([MAKER, ANN, BEN, EVE])
_KEYS = st.sampled_from([K0, K1, K2, K3, K4])


@st.composite
def _histories(draw):
    log = Log()
    for _ in range(draw(st.integers(1, 25))):
        issuer = draw(_PARTIES)
        said = [row.statement.digest.hex() for row in log.rows]
        earlier = draw(st.sampled_from(said)) if said else None
        match draw(st.integers(0, 5)):
            case 0:
                log.say(issuer, idevid(draw(_KEYS)))
            case 1:
                log.say(issuer, voucher_claim(draw(_PARTIES), prior=earlier))
            case 2:
                owner = draw(st.sampled_from([issuer, draw(_PARTIES)]))
                log.say(issuer, ldevid(draw(_KEYS), owner=owner, voucher=earlier))
            case 3:
                replaces = draw(_KEYS).thumbprint.hex()
                log.say(issuer, ldevid(draw(_KEYS), owner=issuer, replaces=replaces))
            case 4 if earlier:
                log.say(issuer, end_binding(earlier, draw(st.sampled_from(list(Ending)))))
            case _:
                log.say(issuer, retirement())
    return log


@settings(max_examples=200, deadline=None)
@given(_histories())
def test_at_any_moment_there_is_one_owner_and_what_was_stays(log):
    life = log.life
    for place in range(len(log.rows)):
        at = 1_000 + 100 * place + 50
        then = DeviceLife.of(DEVICE, log.rows[: place + 1])
        assert life.at(at).owner == then.at(at).owner  # owners are never changed afterwards
        known = {b.key for b in then.at(at).keys}
        stolen = {b.key for b in life.bindings if b.end and b.end.since is not None}
        assert {b.key for b in life.at(at).keys} >= known - stolen
    for flag in life.flags:
        assert flag.code


@pytest.mark.parametrize("issuer", [EVE, BEN])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_that_a_stranger_says_changes_owner_or_keys(issuer, data):
    log, first = sold()
    before = log.life
    for _ in range(data.draw(st.integers(1, 12))):
        digest = data.draw(st.sampled_from([r.statement.digest.hex() for r in log.rows]))
        key = data.draw(_KEYS)
        payload = data.draw(
            st.sampled_from(
                [
                    idevid(key),
                    idevid(key, replaces=K0.thumbprint.hex()),
                    voucher_claim(issuer, prior=first),
                    ldevid(key, owner=issuer, voucher=digest),
                    ldevid(key, owner=ANN, replaces=K1.thumbprint.hex()),
                    end_binding(digest, Ending.STOLEN, since=0),
                    retirement(),
                ]
            )
        )
        log.say(issuer, payload)
    assert (log.life.owners, log.life.bindings) == (before.owners, before.bindings)
