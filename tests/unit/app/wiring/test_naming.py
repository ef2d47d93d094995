# SPDX-License-Identifier: Apache-2.0
"""What things are called: by lists that are accepted, by whom these let speak, by no stranger."""

import pytest

from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Links,
    Membership,
    Service,
    Standing,
    encode_payload,
)
from kizuna.model.payload.link import Described
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit

NOW = 1_790_000_000
PUMP = SubjectId("pkg:generic/fuji/pump@4.2")
SEAL = SubjectId("pkg:generic/shiomi/seal@1")
THEIRS = "https://else.example/list"


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "store"
    made = Workspace.init(
        folder,
        "Fuji Climate Systems",
        now=NOW,
        policy="open",
        origin="fuji.example/log",
        settings=Settings(store=folder, clock=lambda: NOW),
    )
    with made:
        yield made


class Party:
    """Somebody who registers what they like."""

    def __init__(self, workspace) -> None:
        self.workspace = workspace
        self.unit = EphemeralUnit()
        self.handle = self.unit.generate(Algorithm.ES256, "party")
        self.identity = did_key(self.unit.public(self.handle))

    def say(self, kind, subject, payload):
        self.workspace.register_one(
            sign_statement(
                self.unit,
                self.handle,
                issuer=self.identity,
                subject=subject,
                media_type=media_type_of(kind),
                payload=encode_payload(payload),
                issued_at=NOW,
            )
        )

    def describe(self, subject, name, part="x"):
        self.say(Kind.LINK, subject, Links(described=[Described(name=name)], part=part))

    def enter(self, member, name, list_id=THEIRS, **more):
        entry = Membership(list_id=list_id, state=Standing.GRANTED, name=name, **more)
        self.say(Kind.MEMBERSHIP, member, entry)


@pytest.fixture
def party(workspace):
    return lambda: Party(workspace)


def describe(workspace, subject, name):
    links = Links(described=[Described(name=name)], part="own")
    workspace.register_one(workspace.sign(Kind.LINK, subject, links))


def test_a_stranger_s_list_names_nobody(workspace, party):
    stranger, victim = party(), party()
    workspace.lists.add(victim.identity, roles=["maker"], scope=("pkg:generic/v",), name="Victim")
    asked = [workspace.identity, victim.identity, stranger.identity]
    before = workspace.names(asked)
    assert before == {workspace.identity: "Fuji Climate Systems", victim.identity: "Victim"}
    for one in asked:
        stranger.enter(one, "Banned for fraud")
        stranger.enter(one, "Certified auditor", list_id=workspace.list_id)
    assert workspace.names(asked) == before


def test_a_stranger_s_description_names_nobody_and_nothing(workspace, party):
    stranger = party()
    stranger.describe(SEAL, "Recalled seal")
    stranger.describe(workspace.identity, "Banned for fraud")
    assert workspace.names([SEAL, workspace.identity]) == {
        workspace.identity: "Fuji Climate Systems"
    }
    describe(workspace, PUMP, "Heat pump")
    stranger.describe(PUMP, "Recalled pump")
    assert workspace.names([PUMP]) == {PUMP: "Heat pump"}


def test_who_is_listed_names_what_lies_in_its_scope_and_mentions_the_rest(workspace, party):
    maker, rival = party(), party()
    workspace.lists.add(maker.identity, roles=["maker"], scope=("pkg:generic/shiomi",), name="S")
    workspace.lists.add(rival.identity, roles=["maker"], scope=("pkg:generic/rival",), name="R")
    rival.describe(SEAL, "A seal")  # as bills of materials call parts of others
    assert workspace.names([SEAL]) == {SEAL: "A seal"}
    maker.describe(SEAL, "Shiomi seal")
    rival.describe(SEAL, "Recalled seal", part="y")
    assert workspace.names([SEAL]) == {SEAL: "Shiomi seal"}
    maker.describe(SEAL, "Shiomi seal, new")
    assert workspace.names([SEAL]) == {SEAL: "Shiomi seal, new"}


def test_of_two_who_only_mention_a_thing_the_first_counts(workspace, party):
    first, second = party(), party()
    for who in (first, second):
        scope = (f"pkg:generic/{'a' if who is first else 'b'}",)
        workspace.lists.add(who.identity, roles=["maker"], scope=scope, name="Maker")
    first.describe(SEAL, "A seal")
    second.describe(SEAL, "A bad seal")
    assert workspace.names([SEAL]) == {SEAL: "A seal"}


def test_a_party_that_is_in_no_list_is_called_what_it_calls_itself(workspace, party):
    supplier, stranger = party(), party()
    supplier.describe(supplier.identity, "Sato Bearings")
    stranger.describe(supplier.identity, "Banned for fraud")
    assert workspace.names([supplier.identity]) == {supplier.identity: "Sato Bearings"}
    workspace.lists.add(supplier.identity, roles=["maker"], scope=("pkg:a",), name="Sato")
    supplier.describe(supplier.identity, "Government of Japan", part="y")
    assert workspace.names([supplier.identity]) == {supplier.identity: "Sato"}


def test_whom_an_operator_lets_enter_others_names_them(workspace, party):
    deputy, stranger, member = party(), party(), party()
    workspace.lists.add(
        deputy.identity, roles=["list-operator"], scope=(member.identity,), name="Deputy"
    )
    services = [Service(type="maker", kinds=[Kind.EVIDENCE])]
    deputy.enter(member.identity, "Member", list_id=workspace.list_id, services=services)
    stranger.enter(member.identity, "Banned", list_id=workspace.list_id, services=services)
    assert workspace.names([member.identity]) == {member.identity: "Member"}
