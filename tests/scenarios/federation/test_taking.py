# SPDX-License-Identifier: Apache-2.0
"""The buyer's verdict follows the federation, through a list of the buyer's own."""

import pytest

from kizuna.app.wiring.federation.taking import Taking
from kizuna.app.wiring.judging.question import Question
from kizuna.criteria.profiles import read_profile
from kizuna.model.errors import Problem
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level

BEFORE, DURING, AFTER = (canonical(f"pkg:generic/fuji/fan@{n}.0") for n in (1, 2, 3))
PROFILE = b"""
profile: tested-fans
version: 1.0.0
title: {en: Tested fans, ja: tested}
requirements:
  - id: tested
    title: {en: Tested by a laboratory, ja: tested}
    kind: certificate
    claim: tested
    from: [certification-body]
    level: third-party
"""


@pytest.fixture
def buyer(country):
    workspace = country.places["buyer"].workspace
    workspace.publish_profile(read_profile(PROFILE))
    return workspace


def certify(country, buyer, product):
    """The laboratory's certificate reaches the buyer's store."""
    lab = country.places["asama"].workspace
    claim = Claim(type="tested", level=Level.THIRD)
    buyer.register_one(lab.sign(Kind.CERTIFICATE, product, claim))
    country.clock.now += 1


def take(country, *names, **more):
    workspace = country.places["buyer"].workspace
    entities = [country.places[n].url for n in names]
    more.setdefault("network", country.network())
    return Taking(workspace).take(entities, name="guild", **more)


def verdict(country, buyer, product):
    profile = buyer.profile("tested-fans")
    return buyer.verify(Question(product, profile, at=country.clock.now)).as_value()["verdict"]


def test_the_verdict_changes_with_what_the_federation_says(country, buyer):
    certify(country, buyer, BEFORE)
    told = take(country, "asama", mapping=country.mapping(), preview=True)
    assert [c["what"] for c in told["changes"]] == ["added"]
    told = take(country, "asama", mapping=country.mapping())
    lab = country.places["asama"].workspace.identity
    assert [c["member"] for c in told["changes"]] == [lab]
    certify(country, buyer, DURING)
    # the branch takes the laboratory off its list: the buyer follows, and is told
    branch = country.places["branch"].workspace
    branch.lists.set_state(country.member("asama"), "withdrawn", reason="fraud")
    country.clock.now += 60
    told = take(country)
    assert [(c["member"], c["what"]) for c in told["changes"]] == [(lab, "withdrawn")]
    assert told["entities"][0]["code"] == "federation.not-there"
    certify(country, buyer, AFTER)
    told = [verdict(country, buyer, product) for product in (BEFORE, DURING, AFTER)]
    assert told == ["undetermined", "trusted", "undetermined"]


@pytest.mark.parametrize("later", [0, -30])
def test_two_readings_in_one_second_are_two_issues_and_clocks_may_be_set_back(
    country, buyer, later
):
    take(country, "asama", mapping=country.mapping())
    branch = country.places["branch"].workspace
    branch.lists.set_state(country.member("asama"), "withdrawn", reason="fraud")
    country.clock.now += later
    assert [c["what"] for c in take(country)["changes"]] == ["withdrawn"]
    assert take(country)["changes"] == []


def test_a_mark_that_is_revoked_counts_no_more_once_its_issuer_is_asked(country, buyer):
    take(country, "asama", mapping=country.mapping())
    branch = country.places["branch"].workspace
    branch.lists.add(
        country.member("asama"),
        roles=["assessor"],
        keys=[country.places["asama"].jwk],
        name="Asama",
    )
    country.clock.now += 60
    assert take(country)["changes"] == []
    country.clock.now += 60
    assert [c["what"] for c in take(country, status=True)["changes"]] == ["withdrawn"]


def test_who_cannot_be_asked_stays_while_the_last_good_chain_lasts_and_is_suspended_then(
    country, buyer
):
    take(country, "asama", "fuji", mapping=country.mapping())
    country.places["asama"].stop()
    country.clock.now += 60
    told = take(country)
    assert told["changes"] == []
    assert {e["entity"]: e["source"] for e in told["entities"]}[country.places["asama"].url] == (
        "kept"
    )
    country.clock.now += 86_400
    told = take(country)
    lab = country.places["asama"].workspace.identity
    assert [(c["member"], c["what"]) for c in told["changes"]] == [(lab, "suspended")]


def test_what_a_mapping_does_not_name_gives_nothing(country, buyer):
    told = take(country, "asama", mapping=b'{"types": {}}')
    assert (told["members"], told["changes"]) == (0, [])
    kind = country.places["branch"].url + "/federation/marks/certification-body"
    assert told["not_understood"] == {kind: 1}


def test_an_entity_that_cannot_be_resolved_at_first_changes_nothing(country, buyer):
    country.places["haku"].stop()
    with pytest.raises(Problem) as told:
        take(country, "asama", "haku", mapping=country.mapping())
    assert told.value.code == "federation.unreachable"
    assert [a.name for a in buyer.anchors().lists] == ["own"]


def test_one_list_follows_one_anchor(country, buyer):
    reading = country.reading()
    other = country.places["haku"]
    reading.believe(other.url, {"keys": [other.jwk]})
    with pytest.raises(Problem) as told:
        take(country, "asama", mapping=country.mapping())
    assert told.value.code == "federation.anchor-which"
    guild = country.places["guild"].url
    take(country, "asama", mapping=country.mapping(), anchor=guild)
    with pytest.raises(Problem) as told:
        take(country, "fuji", anchor=other.url)
    assert told.value.code == "federation.anchor-other"
