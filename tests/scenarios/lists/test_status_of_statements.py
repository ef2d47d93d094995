# SPDX-License-Identifier: Apache-2.0
"""The status list of a store says what every verdict says, and a token finds its place in it."""

import json

import pytest

from kizuna.app.wiring.lists.status import (
    STATUS_ISSUE,
    StatusLists,
    check_status,
    reference_of,
    status_of_token,
)
from kizuna.model.errors import Absent, Malformed, Tampered, Unavailable
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Level, Status, Target
from kizuna.record.status import Cache
from kizuna.roots.cose import encode, sign1
from kizuna.roots.jws import sign_jws

ADDRESS = "https://store.example/api/status-list"
FAN = "pkg:generic/aki/fan@1"


def say(stage, name):
    claim = Claim(type=name, level=Level.SELF)
    return stage.buyer.register_one(stage.buyer.sign(Kind.CERTIFICATE, FAN, claim))


def act(stage, digest, action):
    status = Status(action=action, target=Target(statement=digest), reason="because")
    stage.buyer.register_one(stage.buyer.sign(Kind.STATUS, FAN, status))


@pytest.fixture
def marked(stage):
    """Four statements: untouched, revoked, suspended, suspended and reinstated."""
    said = [say(stage, f"paper-{n}") for n in range(4)]
    act(stage, said[1][0], Action.REVOKE)
    act(stage, said[2][0], Action.SUSPEND)
    act(stage, said[3][0], Action.SUSPEND)
    act(stage, said[3][0], Action.REINSTATE)
    return [index for _, index in said]


def key_of(stage):
    return stage.buyer.unit.public(stage.buyer.handle)


@pytest.mark.parametrize("form", [1, 2])
def test_the_place_in_the_log_is_the_index(stage, marked, form):
    lists = StatusLists(stage.buyer)
    lists.publish(address=ADDRESS)
    data = lists.served()[form]
    said = [check_status(data, key_of(stage), i, stage.clock())["status"] for i in marked]
    assert said == ["valid", "invalid", "suspended", "valid"]


def test_one_bit_takes_a_suspension_for_invalid(stage, marked):
    lists = StatusLists(stage.buyer)
    lists.publish(address=ADDRESS, bits=1)
    told = check_status(lists.served()[2], key_of(stage), marked[2], stage.clock())
    assert told["status"] == "invalid"


def test_a_strangers_revocation_changes_no_status(stage, marked):
    place = stage.buyer.store.reader().by_indices([marked[0]])[0]
    status = Status(
        action=Action.REVOKE, target=Target(statement=place.statement.digest.hex()), reason="hm"
    )
    stage.buyer.register([stage.body.says(FAN, status, Kind.STATUS, stage.clock())])
    lists = StatusLists(stage.buyer)
    lists.publish(address=ADDRESS)
    told = check_status(lists.served()[1], key_of(stage), marked[0], stage.clock())
    assert told["status"] == "valid"


def test_every_issue_stands_in_the_log_before_it_is_served(stage, marked):
    lists = StatusLists(stage.buyer)
    told = lists.publish(address=ADDRESS)
    (row,) = [
        r
        for r in stage.buyer.store.reader().latest(5)
        if getattr(r.statement.payload, "type", "") == STATUS_ISSUE
    ]
    assert row.statement.digest.hex() == told["statement"]
    made, _, _ = lists.served()
    assert {e.sha256 for e in row.statement.payload.evidence} == {made.jwt, made.cwt}
    assert lists.publish()["unchanged"]
    say(stage, "more")
    assert not lists.publish()["unchanged"]


def test_a_list_past_its_end_says_nothing(stage, marked):
    lists = StatusLists(stage.buyer)
    lists.publish(address=ADDRESS, hours=1)
    told = check_status(lists.served()[1], key_of(stage), marked[0], stage.clock() + 3600)
    assert (told["value"], told["status"]) == (None, "undetermined")


def test_damage_in_the_folder_is_not_served(stage, marked):
    lists = StatusLists(stage.buyer)
    lists.publish(address=ADDRESS)
    (stage.buyer.path / "published" / "status" / "list.cwt").write_bytes(b"x")
    with pytest.raises(Absent):
        lists.served()


def token(stage, index, form):
    party = stage.body
    claims = {"status": {"status_list": {"idx": index, "uri": ADDRESS}}}
    if form == "json":
        return json.dumps(claims).encode()
    if form == "cwt":
        inner = {65535: {"status_list": {"idx": index, "uri": ADDRESS}}}
        return sign1(party.unit, party.handle, {}, encode(inner))
    made = sign_jws(party.unit, party.handle, json.dumps(claims).encode(), {"typ": "vc+jwt"})
    return made + b"~WyJhIl0~" if form == "sd-jwt" else made


@pytest.mark.parametrize("form", ["json", "jwt", "cwt", "sd-jwt"])
def test_a_token_names_its_place(stage, form):
    found = reference_of(token(stage, 7, form))
    assert (found.uri, found.index) == (ADDRESS, 7)


def test_a_tokens_status_comes_from_the_cache_until_it_is_due(stage, marked):
    lists, asked = StatusLists(stage.buyer), []
    lists.publish(address=ADDRESS, hours=4)
    data, cache = lists.served()[2], Cache()

    def load(address):
        asked.append(address)
        return data

    def ask(index, at, load=load):
        return status_of_token(
            token(stage, index, "jwt"),
            cache=cache,
            keys={"https://store.example/": [key_of(stage)]},
            load=load,
            now=at,
        )

    now = stage.clock()
    assert [ask(i, now)["status"] for i in marked] == ["valid", "invalid", "suspended", "valid"]
    assert asked == [ADDRESS]

    def gone(address):
        raise Unavailable("request.unreachable", "cannot reach it")

    later = ask(marked[1], now + 3600, gone)
    assert (later["status"], later["age"]) == ("invalid", 3600), "the last good one, with its age"
    assert ask(marked[1], now + 4 * 3600, gone)["status"] == "undetermined"


def test_no_key_no_fetch(stage):
    def load(address):
        raise AssertionError(address)

    with pytest.raises(Absent) as caught:
        status_of_token(token(stage, 1, "jwt"), cache=Cache(), keys={}, load=load, now=0)
    assert caught.value.code == "status.no-key"


def test_another_key_and_another_list_are_refused(stage, marked):
    lists = StatusLists(stage.buyer)
    lists.publish(address=ADDRESS)
    with pytest.raises(Tampered):
        check_status(lists.served()[1], stage.body.key, marked[0], stage.clock())
    elsewhere = reference_of(
        json.dumps({"status": {"status_list": {"idx": 0, "uri": "https://x.example/"}}}).encode()
    )
    with pytest.raises(Tampered):
        check_status(lists.served()[1], key_of(stage), elsewhere, stage.clock())


def test_a_list_needs_its_address(stage):
    with pytest.raises(Malformed) as caught:
        StatusLists(stage.buyer).publish()
    assert caught.value.code == "status.options"
