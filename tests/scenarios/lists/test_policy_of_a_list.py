# SPDX-License-Identifier: Apache-2.0
"""A list whose policy asks for two signatures: one party alone changes nothing, by no door."""

from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.lists.policy import policy_of, set_policy
from kizuna.app.wiring.trust_lists_authoring import Authoring
from kizuna.model.errors import Malformed, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Norm, Standing, Status, Target
from kizuna.record.lists import grant, service_for
from kizuna.record.lists.policy import POLICY, PROPOSAL, ListPolicy
from kizuna.record.store import Refusal
from kizuna.roots.cose import parse_sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

LIST = "bodies"
ROLE = "certification-body"


@pytest.fixture
def confirmer(stage):
    party = type(stage.body)()
    stage.association.lists.add(
        party.identity, roles=["confirmation-body"], name="Confirmers", list_name=LIST
    )
    return party


@pytest.fixture
def strict(stage, confirmer):
    set_policy(stage.association, LIST, two_signatures=["register", "withdraw"], by=[], none=False)
    return confirmer


def proposal(stage, by, member, *, state="granted", roles=(ROLE,), list_name=LIST, **more):
    services = [msgspec.to_builtins(service_for(role)) for role in roles]
    document = {
        "list": stage.association.lists.anchor(list_name).id, "state": state,
        "services": services, "reason": "audit passed", **more,
    }  # fmt: skip
    norm = Norm(type=PROPOSAL, name=PROPOSAL, version="1", document=document)
    said = by.says(member, norm, Kind.NORM, stage.clock())
    return stage.association.register_one(said)[0]


def enter_alone(stage, member, **more):
    return stage.association.lists.add(member, roles=[ROLE], list_name=LIST, **more)


def entry_citing(stage, member, digest, *, roles=(ROLE,), state=Standing.GRANTED, **more):
    """An entry as the operator's key can sign it, whatever the tools would say."""
    anchor = stage.association.lists.anchor(LIST)
    made = grant(
        SubjectId(anchor.id), [service_for(role) for role in roles], ext={"proposal": digest}
    )
    made = msgspec.structs.replace(made, state=state, reason="so", **more)
    return stage.association.sign(Kind.MEMBERSHIP, member, made)


def refused(stage, statement):
    (result,) = stage.association.register([statement])
    assert isinstance(result, Refusal)
    return result.problem.code


def test_what_a_new_line_of_a_policy_does_not_name_stays(stage, strict):
    told = set_policy(
        stage.association, LIST, two_signatures=[], by=["withdraw=operator"], none=False
    )
    assert told["acts"] == {
        "register": {"proposed_by": ["confirmation-body"]},
        "withdraw": {"by": ["operator"], "proposed_by": ["confirmation-body"]},
    }
    with pytest.raises(Refused) as caught:
        enter_alone(stage, type(stage.body)().identity)
    assert caught.value.code == "list.four-eyes"
    told = set_policy(
        stage.association, LIST, two_signatures=["suspend"], by=[], none=True
    )  # only what is named
    assert list(told["acts"]) == ["suspend"]


def test_without_a_policy_everything_is_as_it_was(stage, confirmer):
    lab = type(stage.body)().identity
    enter_alone(stage, lab)
    stage.association.lists.set_state(lab, "withdrawn", reason="left", list_name=LIST)


def test_the_operator_alone_enters_and_withdraws_nobody(stage, strict):
    lab = type(stage.body)().identity
    with pytest.raises(Refused) as caught:
        enter_alone(stage, lab)
    assert caught.value.code == "list.four-eyes"
    with pytest.raises(Refused) as caught:
        stage.association.lists.set_state(
            stage.body.identity, "withdrawn", reason="I say so", list_name=LIST
        )
    assert caught.value.code == "list.four-eyes"
    # an emergency needs one: the policy does not name suspending
    stage.association.lists.set_state(
        stage.body.identity, "suspended", reason="key lost", list_name=LIST
    )


def test_both_together_do(stage, strict):
    lab = type(stage.body)().identity
    authoring = Authoring(stage.association, stage.association.lists)
    told = authoring.enter_proposal(proposal(stage, strict, lab))
    assert told["what"] == "added"
    told = authoring.enter_proposal(proposal(stage, strict, lab, state="withdrawn"))
    assert told["what"] == "withdrawn"


def test_statements_made_by_hand_are_held_to_it_as_well(stage, strict):
    lab, other = type(stage.body)().identity, type(stage.body)().identity
    digest = proposal(stage, strict, lab)
    assert refused(stage, entry_citing(stage, lab, "00" * 32)) == "list.four-eyes"
    assert refused(stage, entry_citing(stage, other, digest)) == "list.four-eyes"
    assert refused(stage, entry_citing(stage, lab, digest, roles=["assessor"])) == "list.four-eyes"
    withdrawn = entry_citing(stage, lab, digest, state=Standing.WITHDRAWN)
    assert refused(stage, withdrawn) == "list.four-eyes"
    (result,) = stage.association.register([entry_citing(stage, lab, digest)])
    assert not isinstance(result, Refusal)


def test_a_proposal_is_used_once(stage, strict):
    lab = type(stage.body)().identity
    digest = proposal(stage, strict, lab)
    Authoring(stage.association, stage.association.lists).enter_proposal(digest)
    stage.clock.now += 60
    assert refused(stage, entry_citing(stage, lab, digest)) == "list.four-eyes"


def test_a_proposal_is_used_once_in_one_batch_too(stage, strict):
    lab = type(stage.body)().identity
    digest = proposal(stage, strict, lab)
    first, second = (entry_citing(stage, lab, digest, name=name) for name in ("Lab", "Laboratory"))
    results = stage.association.register([first, second])
    assert [isinstance(result, Refusal) for result in results] == [False, True]
    assert results[1].problem.code == "list.four-eyes"


def test_what_is_taken_back_in_a_batch_is_entered_by_nothing_after_it(stage, strict):
    lab = type(stage.body)().identity
    digest = proposal(stage, strict, lab)
    back = Status(action=Action.WITHDRAW, target=Target(statement=digest), reason="audit failed")
    results = stage.association.register(
        [
            strict.says(lab, back, Kind.STATUS, stage.clock()),
            entry_citing(stage, lab, digest),
        ]
    )
    assert [isinstance(result, Refusal) for result in results] == [False, True]


def test_a_status_on_an_entry_of_the_same_batch_is_no_way_around(stage, strict):
    lab = type(stage.body)().identity
    entry = entry_citing(stage, lab, proposal(stage, strict, lab))
    revoke = Status(
        action=Action.REVOKE,
        target=Target(statement=parse_sign1(entry).digest.hex()),
        reason="so",
    )
    results = stage.association.register([entry, stage.association.sign(Kind.STATUS, lab, revoke)])
    assert [isinstance(result, Refusal) for result in results] == [False, True]
    assert results[1].problem.code == "list.four-eyes"


def test_the_operator_alone_names_no_log(stage, strict):
    lab = type(stage.body)().identity
    digest = proposal(stage, strict, lab, logs=["lab.example/log"])
    for logs in ([], ["other.example/log"], ["lab.example/log", "other.example/log"]):
        assert refused(stage, entry_citing(stage, lab, digest, logs=logs)) == "list.four-eyes"
    Authoring(stage.association, stage.association.lists).enter_proposal(digest)
    assert stage.association.lists.state(LIST).entries[lab].logs == ("lab.example/log",)
    plain = proposal(stage, strict, lab, state="withdrawn")  # names none: they stay as they are
    said = entry_citing(stage, lab, plain, state=Standing.WITHDRAWN, logs=["other.example/log"])
    assert refused(stage, said) == "list.four-eyes"
    Authoring(stage.association, stage.association.lists).enter_proposal(plain)
    assert stage.association.lists.state(LIST).entries[lab].logs == ("lab.example/log",)


def test_the_operator_alone_pins_no_key_and_lengthens_no_entry(stage, strict):
    lab, until = SubjectId("did:web:lab.example"), "2026-12-31T00:00:00Z"
    keys = [public_jwk() for _ in range(2)]
    digest = proposal(stage, strict, lab, keys=keys[:1], until=until)
    end, later = (datetime.fromisoformat(at) for at in (until, "2036-12-31T00:00:00Z"))
    for more in (
        {"keys": keys[1:], "valid_until": end},
        {"keys": keys, "valid_until": end},
        {"keys": keys[:1], "valid_until": later},
        {"keys": keys[:1]},
    ):
        assert refused(stage, entry_citing(stage, lab, digest, **more)) == "list.four-eyes"
    # nor in an entry that gives nothing, which the policy does not name: its keys stay pinned
    said = entry_citing(stage, lab, digest, state=Standing.SUSPENDED, keys=keys[1:])
    assert refused(stage, said) == "list.four-eyes"
    Authoring(stage.association, stage.association.lists).enter_proposal(digest)
    entry = stage.association.lists.state(LIST).entries[lab]
    assert (list(entry.keys), entry.valid_until) == (keys[:1], int(end.timestamp()))
    stage.association.lists.set_state(lab, "suspended", reason="key lost", list_name=LIST)


def public_jwk():
    unit = EphemeralUnit()
    return unit.public(unit.generate(Algorithm.ES256, "lab")).to_jwk()


def test_a_proposal_that_was_taken_back_is_entered_by_nobody(stage, strict):
    lab = type(stage.body)().identity
    digest = proposal(stage, strict, lab)
    back = Status(action=Action.WITHDRAW, target=Target(statement=digest), reason="audit failed")
    stage.association.register_one(strict.says(lab, back, Kind.STATUS, stage.clock()))
    assert refused(stage, entry_citing(stage, lab, digest)) == "list.four-eyes"
    with pytest.raises(Refused):
        Authoring(stage.association, stage.association.lists).enter_proposal(digest)


def test_a_stranger_takes_nobodys_proposal_back(stage, strict):
    lab, stranger = type(stage.body)().identity, type(stage.body)()
    digest = proposal(stage, strict, lab)
    back = Status(action=Action.WITHDRAW, target=Target(statement=digest), reason="so")
    stage.association.register([stranger.says(lab, back, Kind.STATUS, stage.clock())])
    assert Authoring(stage.association, stage.association.lists).enter_proposal(digest)


def test_a_status_is_no_way_around(stage, strict):
    entry = stage.association.lists.state(LIST).entries[stage.body.identity]
    status = Status(action=Action.REVOKE, target=Target(statement=entry.statement), reason="so")
    said = stage.association.sign(Kind.STATUS, stage.body.identity, status)
    assert refused(stage, said) == "list.four-eyes"
    assert stage.association.lists.state(LIST).entries[stage.body.identity].state is (
        Standing.GRANTED
    )


def test_neither_a_stranger_nor_the_member_proposes(stage, strict):
    lab = type(stage.body)()
    for by in (stage.body, strict):
        about = strict.identity if by is strict else lab.identity
        digest = proposal(stage, by, about)
        assert refused(stage, entry_citing(stage, about, digest)) == "list.four-eyes"


def test_roles_say_who_signs(stage, confirmer):
    deputy = type(stage.body)()
    stage.association.lists.add(
        deputy.identity, roles=["list-operator"], scope=["did:"], name="Deputy", list_name=LIST
    )
    set_policy(stage.association, LIST, two_signatures=[], by=["withdraw=operator"], none=False)
    anchor = stage.association.lists.anchor(LIST)
    made = grant(SubjectId(anchor.id), [service_for(ROLE)])
    lab = type(stage.body)().identity
    stage.association.register_one(deputy.says(lab, made, Kind.MEMBERSHIP, stage.clock()))
    gone = msgspec.structs.replace(made, state=Standing.WITHDRAWN, reason="so")
    said = deputy.says(lab, gone, Kind.MEMBERSHIP, stage.clock())
    assert refused(stage, said) == "list.policy-role"
    stage.association.lists.set_state(lab, "withdrawn", reason="left", list_name=LIST)


def test_only_the_operator_makes_or_ends_the_policy(stage, strict):
    anchor = stage.association.lists.anchor(LIST)
    norm = Norm(type=POLICY, name=POLICY, version="1", document={"list": anchor.id, "acts": {}})
    said = strict.says(anchor.id, norm, Kind.NORM, stage.clock())
    stage.association.register_one(said)  # may say so, to no effect
    with pytest.raises(Refused):
        enter_alone(stage, type(stage.body)().identity)
    set_policy(stage.association, LIST, two_signatures=[], by=[], none=True)
    enter_alone(stage, type(stage.body)().identity)


def test_a_policy_is_shown_as_it_was_written(stage, strict):
    anchor = stage.association.lists.anchor(LIST)
    found = policy_of(stage.association, anchor.id, anchor.operator)
    assert found.document() == {
        "list": anchor.id,
        "acts": {
            "register": {"proposed_by": ["confirmation-body"]},
            "withdraw": {"proposed_by": ["confirmation-body"]},
        },
    }


def test_whoever_looks_at_the_list_sees_its_policy(stage, strict):
    shown = stage.association.lists.show(LIST)["policy"]
    assert shown["register"] == {"proposed_by": ["confirmation-body"]}
    assert "policy" not in stage.association.lists.show()


@pytest.mark.parametrize(
    ("acts", "code"), [(["destroy"], "list.policy-act"), (["withdraw=king"], "list.role-unknown")]
)
def test_what_no_policy_knows_is_refused(stage, acts, code):
    two = [a for a in acts if "=" not in a]
    by = [a for a in acts if "=" in a]
    with pytest.raises(Malformed) as caught:
        set_policy(stage.association, LIST, two_signatures=two, by=by, none=False)
    assert caught.value.code == code


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["list", "acts", "x"]), _JSON, max_size=3))
def test_any_document_is_a_policy_or_refused(document):
    norm = Norm(type=POLICY, name=POLICY, version="1", document=document)
    try:
        read = ListPolicy.read(norm)
    except Malformed as fault:
        assert fault.code == "list.policy"
    else:
        again = Norm(type=POLICY, name=POLICY, version="1", document=read.document())
        assert ListPolicy.read(again) == read
