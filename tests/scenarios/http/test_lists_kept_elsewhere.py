# SPDX-License-Identifier: Apache-2.0
"""An association keeps its list in a store of its own: who believes that list judges by it, hears
what the association does to its members and to their words, and two such lists stay apart.
"""

from contextlib import ExitStack
from functools import partial

import pytest
from tests.scenarios.http.conftest import NOW, Hand, running
from tests.scenarios.http.operators import FAN, PUMP, Operators, codes

from kizuna.app.api.limits import Limits
from kizuna.app.wiring.comparing.several_lists import judge_each, measures_of
from kizuna.app.wiring.judging.across import AcrossJudge
from kizuna.model.finding import Code, Value
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, Target


class Associations(Operators):
    """Two associations beside the three: one knows maker and laboratory, the other the maker."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, knows_lab in (("guild", True), ("export", False)):
            made = self.workspace(name)
            setattr(self, name, made)
            self.urls[name] = self.stack.enter_context(running(made, self.clock, Limits())).url
            made.lists.create(name, title=name.title())
            made.lists.add(
                self.maker.identity, roles=["maker"], scope=["pkg:generic/kyoto"], name="Kyoto",
                logs=[self.maker.log.origin], list_name=name,
            )  # fmt: skip
            if knows_lab:
                self.enter_lab(name)
            self.believe(name, self.urls[name])
            self.buyer.lists.accept(f"{made.identity}/lists/{name}", made.identity, name)
        self.product(PUMP, FAN)

    def enter_lab(self, name):
        getattr(self, name).lists.add(
            self.lab.identity, roles=["certification-body"], name="Lab",
            logs=[self.lab.log.origin], list_name=name,
        )  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ExitStack() as stack:
        yield Associations(tmp_path_factory.mktemp("associations"), Hand(NOW), running, stack)


def test_a_list_in_the_store_of_its_association_entitles_its_members(world):
    verdict = world.judge(lists=["guild"])
    assert verdict.value is Value.TRUSTED, codes(verdict)
    assert "guild.example/log" in {k.origin for k in verdict.known}


def test_two_such_lists_give_a_verdict_each_and_the_reason_why_they_differ(world):
    by_guild, by_export = world.judge(lists=["guild"]), world.judge(lists=["export"])
    assert (by_guild.value, by_export.value) == (Value.TRUSTED, Value.UNDETERMINED)
    profile, judge, heard = world.profile(), AcrossJudge(world.buyer), []
    told, _ = judge_each(
        world.buyer,
        PUMP,
        measures_of(world.buyer, [profile], ["guild", "export"], each=True),
        "en",
        verify=partial(judge.verify, heard=heard),
        heard=heard,
    )
    assert [v["verdict"] for v in told["verdicts"]] == ["trusted", "undetermined"]
    (row,) = [d for d in told["differences"] if d["subject"] == PUMP and d["counts"]]
    assert row["not_under"] == ["guild"]
    (why,) = [p for p in row["because"] if p["party"] == world.lab.identity]
    assert why["name"] == "Lab"
    assert why["lists"]["guild"]["state"] == "granted"
    assert why["lists"]["export"] is None


def test_what_the_association_takes_back_is_heard_wherever_it_was_said(world):
    thing = "pkg:generic/kyoto/taken-back@1"
    world.product(thing)
    assert world.judge(subject=thing, lists=["guild"]).value is Value.TRUSTED
    world.clock.now += 60
    act = Status(
        action=Action.REVOKE,
        target=Target(statement=world.certificates[thing]),
        reason="the laboratory was misled",
    )
    world.guild.register_one(world.guild.sign(Kind.STATUS, thing, act))
    verdict = world.judge(subject=thing, lists=["guild"])
    assert verdict.value is Value.UNTRUSTED
    assert (Code.CLAIM_REVOKED.value, thing) in codes(verdict)


def test_a_suspension_by_the_association_ends_what_is_said_from_then_on(world):
    world.clock.now += 60
    world.guild.lists.set_state(world.lab.identity, "suspended", reason="audit", list_name="guild")
    thing = "pkg:generic/kyoto/after-the-audit@1"
    world.product(thing)
    verdict = world.judge(subject=thing, lists=["guild"])
    world.clock.now += 60
    world.enter_lab("guild")
    assert verdict.value is Value.UNDETERMINED
    assert (Code.CLAIM_UNAUTHORISED.value, thing) in codes(verdict)
    assert world.judge(subject=PUMP, lists=["guild"]).value is Value.TRUSTED


def test_an_unreachable_association_is_named_and_nothing_is_trusted_by_its_list(world):
    world.anew()
    world.believe("guild", "http://127.0.0.1:9")
    verdict = world.judge(subject=PUMP, lists=["guild"])
    world.believe("guild", world.urls["guild"])
    assert verdict.value is Value.UNDETERMINED
    assert "guild.example/log" in {dict(f.about).get("what") for f in verdict.findings}
