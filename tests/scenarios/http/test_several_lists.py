# SPDX-License-Identifier: Apache-2.0
"""One product judged under two associations' lists: two verdicts, and why they differ."""

import pytest

from kizuna.app.wiring.comparing.several_lists import judge_each, list_sets, measures_of
from kizuna.app.wiring.judging.question import Question
from kizuna.criteria.profiles import read_profile
from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Claim, Level
from kizuna.record.lists import Role, grant, list_id_of, service_for, suspend

PRODUCT = canonical("pkg:generic/kyoto/pump@4.2")
PROFILE = b"""
profile: two-lists
version: 1.0.0
title: {en: Tested, ja: tested}
requirements:
  - id: tested
    title: {en: Tested by a laboratory, ja: tested}
    kind: certificate
    claim: tested
    from: [certification-body]
    level: third-party
"""


@pytest.fixture
def lab(party):
    return party()


@pytest.fixture
def two(workspace, party, lab):
    """List A accepts the laboratory; list B, of another operator, does not know it."""
    operators = {"a": party(), "b": party()}
    for name, operator in operators.items():
        identifier = list_id_of(operator.identity, name)
        workspace.lists.accept(identifier, operator.identity, name)
        member = lab if name == "a" else party()
        entry = grant(identifier, [service_for(Role.CERTIFICATION_BODY)], name="Laboratory " + name)
        enter(workspace, operator, member.identity, entry)
    claim = Claim(type="tested", level=Level.THIRD)
    workspace.register_one(lab.sign(PRODUCT, claim, kind=Kind.CERTIFICATE))
    workspace.publish_profile(read_profile(PROFILE))
    return operators


def enter(workspace, operator, member, entry):
    workspace.register_one(operator.sign(member, entry, kind=Kind.MEMBERSHIP))


def asked(workspace, *lists, each=True, lang="en"):
    profile = workspace.profile("two-lists")
    measures = measures_of(workspace, [profile], lists or None, each=each)
    return judge_each(workspace, PRODUCT, measures, lang)


def test_one_verdict_a_list_and_the_party_that_makes_the_difference(workspace, two, lab):
    told, outcome = asked(workspace, "a", "b")
    assert [v["verdict"] for v in told["verdicts"]] == ["trusted", "undetermined"]
    assert [v["lists"] for v in told["verdicts"]] == [
        [list_id_of(two["a"].identity, "a")],
        [list_id_of(two["b"].identity, "b")],
    ]
    assert outcome is Outcome.CHAIN_INCOMPLETE  # nobody whom list b knows spoke of it
    assert not told["agree"]
    (row,) = [d for d in told["differences"] if d["subject"] == PRODUCT and d["counts"]]
    assert (row["under"], row["not_under"]) == (["b"], ["a"])
    (why,) = [p for p in row["because"] if p["party"] == lab.identity]
    assert why["name"] == "Laboratory a"
    assert why["lists"]["a"]["state"] == "granted"
    assert why["lists"]["b"] is None


def test_each_verdict_is_the_one_asked_for_alone(workspace, two):
    told, _ = asked(workspace, "a", "b", "a,b")
    profile = workspace.profile("two-lists")
    for verdict, lists in zip(told["verdicts"], (["a"], ["b"], ["a", "b"]), strict=True):
        alone = workspace.verify(Question(PRODUCT, profile, at=told["at"], lists=lists))
        assert {k: verdict[k] for k in ("verdict", "lists", "known", "coverage")} == {
            k: alone.as_value()[k] for k in ("verdict", "lists", "known", "coverage")
        }
    assert [v["measure"] for v in told["verdicts"]] == ["a", "b", "a,b"]


def test_a_suspension_shows_with_its_reason(workspace, two, lab):
    identifier = list_id_of(two["a"].identity, "a")
    held = grant(identifier, [service_for(Role.CERTIFICATION_BODY)], name="Laboratory a")
    enter(workspace, two["a"], lab.identity, suspend(held, "accreditation under review"))
    told, _ = asked(workspace, "a", "b")
    for row in told["differences"]:
        for why in row["because"]:
            if why["party"] == lab.identity:
                assert why["lists"]["a"]["state"] == "suspended"
                assert why["lists"]["a"]["reason"] == "accreditation under review"


def test_without_names_every_believed_list_is_judged(workspace, two):
    told, _ = asked(workspace)
    assert [v["measure"] for v in told["verdicts"]] == ["own", "a", "b"]


def test_lists_that_agree_say_so(workspace, two):
    told, outcome = asked(workspace, "a", "a,own")
    assert told["agree"]
    assert told["differences"] == []
    assert outcome is Outcome.HOLDS


def test_sets_of_lists():
    assert list_sets(None, ["x", "y"], each=True) == [("x",), ("y",)]
    assert list_sets(["a,b", "c", "c"], [], each=True) == [("a", "b"), ("c",)]
    assert list_sets(["a,b", "c"], [], each=False) == [("a", "b", "c")]
    assert list_sets(None, ["x"], each=False) == [None]


def test_bad_questions_are_refused(workspace, two):
    with pytest.raises(Absent) as caught:
        asked(workspace, "a", "nobody")
    assert caught.value.code == "list.unknown"
    with pytest.raises(Malformed) as caught:
        asked(workspace, *(["a", "b", "own"] * 3), "a,b", "a,own", "b,own", "own,a", "own,b",
              "b,a", "a,b,own", "b,a,own", "own,a,b", "own,b,a")  # fmt: skip
    assert caught.value.code == "verify.too-many"


def test_the_doors_say_the_same(served, two):
    told, _ = asked(served.workspace, "a", "b")
    words = {"subject": PRODUCT, "profile": "two-lists", "list": ["a", "b"]}
    over_http = served.client.get("/api/compare", params=words).json()
    twin = served.client.get(
        "/compare.json", params={"id": PRODUCT, "profile": "two-lists", "lists": "a b"}
    ).json()

    def plain(answer):
        return [(v["measure"], v["verdict"], v["findings"]) for v in answer["verdicts"]], answer[
            "differences"
        ]

    assert plain(over_http) == plain(told) == plain(twin)
    page = served.client.get(
        "/compare",
        params={"id": PRODUCT, "profile": "two-lists", "lists": "a b"},
        headers={"accept": "text/html", "accept-language": "ja"},
    )
    assert page.status_code == 200
    assert "Laboratory a" in page.text
    assert "掲載なし" in page.text
