# SPDX-License-Identifier: Apache-2.0
"""The daily key is stolen and the thief is faster: the spare key takes the organisation back."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.keys.spares import make_spare, open_spare
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Claim, Status, Target, encode_payload
from kizuna.roots.cose import sign_statement

NOW = 1_795_309_200
PUMP = SubjectId("pkg:generic/fuji/pump@4.2")
CONTACT = Claim(type="vulnerability-contact", claims={"contact": "psirt@fuji.example"})


class Owner:
    """An organisation with its store and its spare key."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.folder = folder
        self.settings = Settings(
            store=folder / "store", clock=lambda: self.now, spare_passphrase=b"correct horse"
        )
        self.workspace = Workspace.init(
            folder / "store", "Fuji", now=NOW, settings=self.settings, policy="open"
        )
        self.keys = self.workspace.keys

    def make_spare(self, **more):
        return make_spare(
            self.keys, self.folder / "spare", settings=self.settings, ask=lambda _: None, **more
        )

    def spare(self):
        return open_spare(self.folder / "spare", settings=self.settings, ask=lambda _: None)

    def later(self, seconds=3600):
        self.now += seconds
        return self.now

    def states(self):
        return {row["thumbprint"]: row["state"] for row in self.keys.states()}

    def says(self, payload=CONTACT):
        workspace = self.workspace
        return workspace.register_one(workspace.sign(Kind.CAPABILITY, PUMP, payload))[0]

    def lacks_contact(self):
        verdict = self.workspace.verify(Question(PUMP, shipped_profile("software-product")))
        return [f.code.value for f in verdict.findings if f.requirement == "vulnerability-contact"]

    @contextmanager
    def robbed(self):
        """What happens inside is the thief's doing; afterwards the owner has the old key again."""
        before = self.workspace.handle
        self.workspace.register_one(
            self.workspace.sign(Kind.CAPABILITY, PUMP, Claim(type="product-description"))
        )
        yield self.workspace
        self.workspace.use_key(before)


@pytest.fixture
def owner(tmp_path):
    made = Owner(tmp_path)
    with made.workspace:
        yield made


def test_the_thief_takes_over_first_and_the_spare_key_wins(owner):
    owner.make_spare()
    stolen = owner.workspace.handle.id
    theft = owner.later()
    owner.later()
    with owner.robbed():
        owner.keys.rotate()
        brought_in = owner.workspace.handle.id
        owner.says()
    assert owner.states()[brought_in] == "active"
    assert owner.lacks_contact() == []  # the forged word counts, as yet
    with pytest.raises(Problem):
        owner.says(Claim(type="secure-update"))  # the owner cannot speak any more

    owner.later()
    done = owner.keys.compromise(stolen[:12], since=theft, by=owner.spare())
    states = owner.states()
    assert states[done["new"]] == "current"
    assert states[stolen] == "compromised"
    assert states[brought_in] == "revoked"
    assert owner.lacks_contact() != []  # and counts no more

    owner.says()
    assert owner.lacks_contact() == []
    # the thief, who still has both keys, gets nothing registered
    thief = owner.workspace
    for lost in (stolen, brought_in):
        handle = next(h for h in thief.unit.handles() if h.id == lost)
        status = Status(action=Action.REVOKE, target=Target(key=done["new"]))
        (told,) = thief.register_each(
            [
                sign_statement(
                    thief.unit,
                    handle,
                    issuer=thief.identity,
                    subject=thief.identity,
                    media_type=media_type_of(Kind.STATUS),
                    payload=encode_payload(status),
                    issued_at=owner.now,
                )
            ]
        )
        assert isinstance(told, Problem)
        assert told.code == "key.revoked"


def test_what_was_registered_before_the_theft_keeps_counting(owner):
    owner.make_spare()
    owner.says()
    stolen = owner.workspace.handle.id
    theft = owner.later()
    owner.later()
    owner.keys.compromise(stolen, since=theft, by=owner.spare())
    assert owner.lacks_contact() == []


def test_without_a_spare_key_the_past_cannot_be_declared(owner):
    stolen = owner.workspace.handle.id
    theft = owner.now
    owner.later()
    owner.keys.rotate()
    with pytest.raises(Problem) as refused:
        owner.keys.compromise(stolen, since=theft)
    assert refused.value.code == "key.came-by"


def test_a_spare_key_enrolled_after_the_theft_is_the_thiefs_as_well(owner):
    stolen = owner.workspace.handle.id
    theft = owner.now
    owner.later()
    owner.make_spare()
    with pytest.raises(Problem) as refused:
        owner.keys.compromise(stolen, since=theft, by=owner.spare())
    assert refused.value.code == "key.came-by"
    assert set(owner.states().values()) == {"current", "active"}


def test_a_thief_who_ends_the_spare_key_first_has_won_here(owner):
    spare = owner.make_spare()["key"]
    stolen = owner.workspace.handle.id
    with owner.robbed():
        owner.keys.revoke(spare)
    with pytest.raises(Problem) as refused:
        owner.keys.compromise(stolen, since=owner.now - 60, by=owner.spare())
    assert refused.value.code == "spare.not-in-force"
    assert "operator" in refused.value.hint


def test_the_spare_key_does_not_declare_itself_stolen(owner):
    spare = owner.make_spare()["key"]
    for end in (owner.keys.revoke, lambda *a, **k: owner.keys.compromise(*a, since=NOW, **k)):
        with pytest.raises(Problem) as refused:
            end(spare, by=owner.spare())
        assert refused.value.code == "key.last"


def test_an_ordinary_rotation_may_be_signed_with_the_spare_key(owner):
    owner.make_spare()
    before = owner.workspace.handle.id
    done = owner.keys.rotate(by=owner.spare())
    assert owner.states()[before] == "rotated"
    assert owner.states()[done["new"]] == "current"
    owner.says()


def test_a_spare_key_that_nobody_enrolled_signs_nothing(owner, tmp_path):
    owner.make_spare()
    other = Owner(tmp_path / "other")
    with other.workspace:
        other.make_spare()
        with pytest.raises(Problem) as refused:
            owner.keys.rotate(by=other.spare())
    assert refused.value.code == "spare.not-in-force"
    assert len(owner.states()) == 2


def test_a_refused_enrolment_leaves_no_spare_key_behind(owner, monkeypatch):
    refusal = Problem("test.refused", "no")
    monkeypatch.setattr(owner.workspace, "register_each", lambda _: [refusal])
    with pytest.raises(Problem):
        owner.make_spare(key_file=str(owner.folder / "secret"))
    assert not (owner.folder / "spare").exists()
    assert not (owner.folder / "secret").exists()
