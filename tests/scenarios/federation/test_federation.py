# SPDX-License-Identifier: Apache-2.0
"""A buyer judges by what a federation says, over real https; every way in which it may be wrong."""

import json
from urllib.parse import urlencode

import pytest

from kizuna.app.wiring.entries import parse_digest
from kizuna.app.wiring.federation.book import BookKeeper
from kizuna.model.errors import Problem
from kizuna.record.lists.federation import Anchor, read_resolve_response
from kizuna.roots.jws import parse_jws
from kizuna.roots.keys import PublicKey


def code_of(act):
    with pytest.raises(Problem) as told:
        act()
    return told.value.code


def resolve(country, name, **more):
    return country.reading().resolve(country.places[name].url, network=country.network(), **more)


def test_a_maker_is_found_under_the_guild_and_its_mark_counts(country):
    found = resolve(country, "fuji", status=True)
    ((chain, marks),) = found.chains
    place = country.places
    assert chain.path == (place["fuji"].url, place["branch"].url, place["guild"].url)
    assert [(m.mark.kind, m.status, m.counts) for m in marks] == [
        (place["branch"].url + "/federation/marks/maker", "active", True)
    ]


def test_what_was_fetched_is_shown_later_with_its_age(country):
    resolve(country, "fuji")
    country.places["branch"].stop()
    country.clock.now += 7200
    told = country.reading().told(resolve(country, "fuji"))
    assert (told["source"], told["age"]) == ("kept", 7200)
    country.clock.now += 86_400
    assert code_of(lambda: resolve(country, "fuji")) == "federation.unreachable"
    assert code_of(lambda: country.reading().show(told["entity"])) == "federation.expired"


def test_whoever_is_suspended_has_no_statement_and_a_revoked_mark(country):
    resolve(country, "fuji")
    branch = country.places["branch"].workspace
    branch.lists.set_state(country.member("fuji"), "suspended", reason="an audit is open")
    assert code_of(lambda: resolve(country, "fuji")) == "federation.not-there"
    branch.lists.set_state(country.member("asama"), "withdrawn", reason="left")
    branch.lists.add(
        country.member("asama"),
        roles=["facility-operator"],
        scope=["*"],
        keys=[country.places["asama"].jwk],
        name="Asama",
    )
    ((_, (mark,)),) = resolve(country, "asama", status=True).chains
    assert (mark.status, mark.counts) == ("revoked", False)


def test_marks_count_only_where_the_anchor_lets_their_issuer_issue_them(country):
    guild = country.places["guild"].workspace
    guild.lists.add(
        country.member("branch"),
        roles=["maker"],
        scope=["*"],
        keys=[country.places["branch"].jwk],
        name="Branch",
    )
    ((_, (mark,)),) = resolve(country, "fuji").chains
    assert (mark.mark.fault.code, mark.counts) == ("federation.mark-refused", False)


def test_an_intermediate_whose_key_is_another_is_forged(country):
    country.places["branch"].workspace.keys.rotate()
    assert code_of(lambda: resolve(country, "fuji")) == "federation.signature-wrong"


def test_policies_that_contradict_each_other_end_the_chain(country):
    rule = {"openid_provider": {"grant_types": {"value": ["a"]}}}
    BookKeeper(country.places["guild"].workspace.path).rule(rule, {})
    rule = {"openid_provider": {"grant_types": {"value": ["b"]}}}
    BookKeeper(country.places["branch"].workspace.path).rule(rule, {})
    assert code_of(lambda: resolve(country, "fuji")) == "federation.policy-contradicts"
    assert resolve(country, "branch").chains


def test_constraints_of_the_guild_hold_for_the_whole_branch(country):
    BookKeeper(country.places["guild"].workspace.path).rule({}, {"max_path_length": 0})
    assert code_of(lambda: resolve(country, "fuji")) == "federation.constraint"
    assert resolve(country, "branch").chains


def test_a_circle_of_superiors_ends(country):
    country.join("branch", "fuji", "list-operator")
    book = BookKeeper(country.places["branch"].workspace.path)
    book.superior(country.places["guild"].url, remove=True)
    assert code_of(lambda: resolve(country, "fuji")) == "federation.no-path"


def test_a_second_key_for_an_anchors_name_is_refused_until_a_person_replaces_the_first(country):
    guild, other = country.places["guild"], country.places["haku"]
    believe = country.reading().believe
    assert code_of(lambda: believe(guild.url, {"keys": [other.jwk]})) == "federation.anchor-twice"
    assert resolve(country, "fuji").chains
    believe(guild.url, {"keys": [other.jwk]}, replace_keys=True)
    assert code_of(lambda: resolve(country, "fuji")) == "federation.signature-wrong"


def test_a_member_without_a_server_is_published_by_the_store_it_joined(country, tmp_path):
    hosted = country.member_without_server("branch", "Kita", tmp_path / "kita")
    assert hosted.mark_kinds == [country.places["branch"].url + "/federation/marks/maker"]
    found = country.reading().resolve(hosted.entity, network=country.network(), status=True)
    ((chain, (mark,)),) = found.chains
    assert (chain.path[0], mark.counts) == (hosted.entity, True)
    branch = country.places["branch"].workspace
    branch.store.erase(parse_digest(hosted.statement), reason="asked to", now=country.clock.now)
    again = lambda: country.reading().resolve(hosted.entity, network=country.network())  # noqa: E731
    assert code_of(again) == "federation.not-there"


def test_the_store_resolves_for_others_from_what_it_has(country):
    guild, branch = country.places["guild"], country.places["branch"]
    url = f"{guild.url}/federation/resolve?" + urlencode(
        {"sub": guild.url, "trust_anchor": guild.url}
    )
    raw = country.network().get(url)
    key = PublicKey.from_jwk(guild.jwk)
    anchor = Anchor(guild.url, {key.thumbprint.hex(): key})
    found = read_resolve_response(raw, anchor.keys, [anchor], now=country.clock.now)
    assert found.path == (guild.url,)
    url = f"{guild.url}/federation/resolve?" + urlencode(
        {"sub": branch.url, "trust_anchor": guild.url}
    )
    assert code_of(lambda: country.network().get(url)) == "federation.not-there"


def test_keys_that_ended_stay_on_record(country):
    fuji = country.places["fuji"]
    old = fuji.workspace.keys.states()[0]["thumbprint"]
    fuji.workspace.keys.rotate()
    ended = country.clock.now
    country.clock.now += 3600
    token = parse_jws(country.network().get(fuji.url + "/federation/historical-keys"))
    keys = {k["kid"]: k for k in json.loads(token.payload)["keys"]}
    assert keys[old]["revoked"] == {"revoked_at": ended, "reason": "superseded"}
    assert len(keys) == 2
