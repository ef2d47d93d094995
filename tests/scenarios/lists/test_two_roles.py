# SPDX-License-Identifier: Apache-2.0
"""A confirmation body proposes, the operator enters; a whole list is edited at once."""

import json

import pytest

from kizuna.app.wiring.trust_lists_authoring import PROPOSAL, Authoring
from kizuna.model.errors import Malformed, Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm, Standing
from kizuna.record.lists import service_for

DAY = 86_400


@pytest.fixture
def authoring(stage):
    return Authoring(stage.association, stage.association.lists)


@pytest.fixture
def confirmer(stage):
    party = type(stage.body)()
    stage.association.lists.add(
        party.identity, roles=["confirmation-body"], name="Confirmers", list_name="bodies"
    )
    return party


def proposal(stage, by, member, *, state="granted", roles=("certification-body",), **more):
    document = {
        "list": stage.association.lists.anchor("bodies").id,
        "state": state,
        "services": [
            {"type": s.type, "kinds": [k.value for k in s.kinds], "claims": s.claims,
             "scope": s.scope, "level": s.level.value}
            for s in (service_for(r) for r in roles)
        ],
        "reason": "audit passed",
        **more,
    }  # fmt: skip
    norm = Norm(type=PROPOSAL, name=PROPOSAL, version="1", document=document)
    said = by.says(member, norm, Kind.NORM, stage.clock())
    return stage.association.register_one(said)[0]


def state_of(stage, member):
    return stage.association.lists.state("bodies").entries.get(member)


def test_a_proposal_gives_nothing_until_the_operator_enters_it(stage, authoring, confirmer):
    lab = type(stage.body)().identity
    digest = proposal(stage, confirmer, lab, name="Lab")
    assert state_of(stage, lab) is None
    assert [p["proposal"] for p in authoring.proposals("bodies")] == [digest]
    told = authoring.enter_proposal(digest)
    assert (told["what"], told["proposed_by"]) == ("added", confirmer.identity)
    entry = state_of(stage, lab)
    assert (entry.state, entry.name) == (Standing.GRANTED, "Lab")
    assert entry.ext["proposal"] == digest
    assert entry.issuer == stage.association.identity, "two roles, two signatures"
    assert authoring.proposals("bodies") == []
    assert authoring.enter_proposal(digest)["what"] == "unchanged"


def test_a_suspension_is_proposed_the_same_way(stage, authoring, confirmer):
    digest = proposal(stage, confirmer, stage.body.identity, state="suspended")
    authoring.enter_proposal(digest)
    assert state_of(stage, stage.body.identity).state is Standing.SUSPENDED
    assert state_of(stage, stage.body.identity).reason == "audit passed"


@pytest.mark.parametrize("who", ["stranger", "member", "itself"])
def test_only_a_confirmation_body_proposes_and_never_itself(stage, authoring, confirmer, who):
    lab = type(stage.body)()
    by = {"stranger": lab, "member": stage.body, "itself": confirmer}[who]
    about = confirmer.identity if who == "itself" else lab.identity
    if who == "stranger":
        stage.association.lists.add(by.identity, roles=["assessor"], list_name="own")
        about = type(stage.body)().identity
    digest = proposal(stage, by, about)
    with pytest.raises(Refused) as caught:
        authoring.enter_proposal(digest)
    assert caught.value.code == "list.proposer"


def test_a_withdrawn_confirmation_body_proposes_nobody(stage, authoring, confirmer):
    lab = type(stage.body)().identity
    digest = proposal(stage, confirmer, lab)
    stage.association.lists.set_state(
        confirmer.identity, "withdrawn", reason="bribed", list_name="bodies"
    )
    with pytest.raises(Refused):
        authoring.enter_proposal(digest)
    assert state_of(stage, lab) is None


def test_the_role_of_the_operator_itself_cannot_be_proposed(stage, authoring, confirmer):
    lab = type(stage.body)().identity
    digest = proposal(stage, confirmer, lab, roles=("self",))
    with pytest.raises(Malformed) as caught:
        authoring.enter_proposal(digest)
    assert caught.value.code == "list.no-proposal"


@pytest.mark.parametrize(
    "broken",
    [{"services": 3}, {"state": "loved"}, {"until": "soon"}, {"keys": [{"kty": "oct"}]}],
)
def test_a_broken_proposal_is_told(stage, authoring, confirmer, broken):
    lab = type(stage.body)().identity
    digest = proposal(stage, confirmer, lab, **broken)
    with pytest.raises(Malformed):
        authoring.enter_proposal(digest)


def test_a_whole_list_is_edited_by_its_difference(stage, authoring):
    lab, other = type(stage.body)().identity, type(stage.body)().identity
    text = f"""
        list: bodies
        members:
          - id: {lab}
            name: Lab
            roles: [certification-body]
            claims: [iso-27001]
            until: 2030-01-01
          - {{id: {other}, roles: [maker], scope: [pkg:npm/other]}}
    """.encode()
    told, steps = authoring.preview(text, "list.yaml", list_name=None, reason="not renewed")
    whats = {c["member"]: c["what"] for c in told["changes"]}
    assert whats == {lab: "added", other: "added", stage.body.identity: "withdrawn"}
    assert state_of(stage, lab) is None, "a preview signs nothing"
    authoring.enter_all("bodies", steps)
    assert state_of(stage, lab).services[0].claims == ["iso-27001"]
    assert state_of(stage, stage.body.identity).reason == "not renewed"
    again, steps = authoring.preview(text, "list.yaml", list_name=None, reason="")
    assert (again["changes"], steps) == ([], ())


def test_a_draft_read_back_changes_nothing(stage, authoring):
    stage.association.lists.add(
        "did:web:acme.example",
        roles=["maker"],
        scope=["pkg:npm/acme"],
        name="Acme ünd",
        until=stage.clock() + 30 * DAY,
        keys=[type(stage.body)().key.to_jwk()],
        list_name="bodies",
    )
    draft = authoring.draft("bodies")
    assert json.loads(draft)["list"] == "bodies"
    _, steps = authoring.preview(draft, "list.json", list_name=None, reason="")
    assert steps == ()


def test_leaving_a_list_needs_a_reason(stage, authoring):
    with pytest.raises(Malformed) as caught:
        authoring.preview(b"members: []\n", "x.yaml", list_name="bodies", reason="")
    assert caught.value.code == "list.reason-missing"


def test_a_list_that_follows_another_is_not_edited_by_hand(stage):
    stage.take(stage.issue(), first=True)
    own = Authoring(stage.buyer, stage.buyer.lists)
    with pytest.raises(Refused) as caught:
        own.preview(b"members: []\n", "x.yaml", list_name="bodies-jp", reason="x")
    assert caught.value.code == "list.not-ours"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "id,roles\ndid:key:zz,maker\n"),
        ("a.csv", "id\nx\n"),
        ("a.csv", "id,roles,colour\nx,maker,red\n"),
        ("a.csv", "id,roles\n"),
        ("a.csv", 'id,roles\n"x\n'),
        ("a.csv", "id,roles\ndid:web:a.example,maker,more\n"),
        ("a.yaml", "members: 3\n"),
        ("a.yaml", "members: [{id: did:web:a.example, roles: [king]}]\n"),
        ("a.yaml", "members: [{id: did:web:a.example, roles: [maker]}]\n"),
        ("a.yaml", "members: [{id: nobody, roles: [assessor]}]\n"),
        ("a.yaml", "list: others\nmembers: []\n"),
        ("a.yaml", "members: [{id: did:web:a.example, roles: [self]}]\n"),
        ("a.yaml", "members: [{id: did:web:a.example, roles: [assessor], state: suspended}]\n"),
        ("a.yaml", "members: [{id: did:web:a.example, roles: [assessor], until: soon}]\n"),
        ("a.yaml", "&a [*a]"),
    ],
)
def test_a_file_that_is_no_list_changes_nothing(stage, authoring, name, text):
    before = stage.association.head().size
    with pytest.raises((Malformed, Refused)) as caught:
        authoring.preview(text.encode(), name, list_name="bodies", reason="")
    assert caught.value.hint
    assert stage.association.head().size == before
