# SPDX-License-Identifier: Apache-2.0
"""A bundle leaves the house: it holds what its reader may read, and the operator hears the rest."""

import pytest

from kizuna.app.wiring.exporting import export_for, view_for
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.chain.exchange import open_bundle
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PART = SubjectId("pkg:generic/part@1")
BUYER = SubjectId("did:web:buyer.example")
OTHER = SubjectId("did:web:other.example")


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        made.register_one(made.sign(Kind.CAPABILITY, PART, Claim(type="capacity")))
        secret = Claim(type="price", claims={"amount": 7})
        signed = made.say(Kind.CAPABILITY, PART, secret, audience=[BUYER])
        made.register_one(signed.statement, signed.documents)
        yield made


def written(workspace, reader=None, *, everything=False):
    view = view_for(reader, everything=everything)
    return export_for(workspace, PART, shipped_profile("software-product"), view)


def types_in(workspace, data):
    bundle = open_bundle(data, workspace.anchors())
    return {
        item.statement.payload.type
        for page in bundle.all()
        for item in page
        if item.statement.subject == PART and isinstance(item.statement.payload, Claim)
    }


def test_anyone_gets_what_anyone_may_read_and_the_operator_is_told_the_rest(workspace):
    made = written(workspace)
    assert types_in(workspace, made.data) == {"capacity"}
    assert b"amount" not in made.data
    assert made.restricted == 0
    (kept,) = made.withheld
    assert (kept["subject"], kept["kind"], kept["audience"]) == (PART, "capability", [BUYER])


def test_a_party_gets_what_it_may_read(workspace):
    made = written(workspace, BUYER)
    assert types_in(workspace, made.data) == {"capacity", "price"}
    assert (made.restricted, made.withheld) == (1, ())
    made = written(workspace, OTHER)
    assert types_in(workspace, made.data) == {"capacity"}
    assert len(made.withheld) == 1


def test_everything_has_to_be_asked_for(workspace):
    made = written(workspace, everything=True)
    assert types_in(workspace, made.data) == {"capacity", "price"}
    assert (made.restricted, made.withheld) == (1, ())
    with pytest.raises(Malformed, match="one reader") as caught:
        view_for(BUYER, everything=True)
    assert caught.value.code == "export.two-views"
