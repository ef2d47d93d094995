# SPDX-License-Identifier: Apache-2.0
"""An association signs for members who cannot keep keys; everybody can see that it did."""

import hashlib
from pathlib import Path

import pytest

from kizuna.app.wiring.served.hosted import HOSTING, Hosted, signed_for, with_signers
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Problem, Refused
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, encode_payload
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit

NOW = 1_800_000_000
PAPER = b"We, Fuji Pumps, let the association sign for us."
PUMP = "pkg:generic/fuji/pump@1"


@pytest.fixture
def store(tmp_path: Path):
    settings = Settings(store=tmp_path / "s", clock=lambda: NOW)
    with Workspace.init(tmp_path / "s", "Union", now=NOW, settings=settings) as workspace:
        yield workspace


def test_what_is_signed_for_a_member_stands_under_its_name_and_says_who_signed(store):
    hosted = Hosted(store)
    member = hosted.add("fuji", PAPER, title="Fuji Pumps", scope=("pkg:generic/fuji/",))
    done = hosted.sign("fuji", Kind.CAPABILITY, PUMP, Claim(type="support-period"))
    assert done["issuer"] == member["identity"] != store.identity
    told = hosted.who(done["statement"])
    assert (told["by"], told["for"]) == (store.identity, member["identity"])
    assert told["paper"] == hashlib.sha256(PAPER).hexdigest()


def test_what_the_association_says_itself_is_its_own(store):
    said = store.sign(Kind.CAPABILITY, store.identity, Claim(type="t"))
    digest, _ = store.register_one(said)
    assert Hosted(store).who(digest) | {"statement": ""} == {
        "statement": "",
        "for": store.identity,
        "by": store.identity,
        "hosted": False,
        "paper": None,
    }


def test_each_member_has_a_key_of_its_own(store):
    hosted = Hosted(store)
    one, two = hosted.add("one", PAPER), hosted.add("two", PAPER)
    assert one["key"] != two["key"]
    assert [m["name"] for m in hosted.members()] == ["one", "two"]


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (lambda h: h.add("fuji", PAPER), Refused),
        (lambda h: h.add("../x", PAPER), Malformed),
        (lambda h: h.sign("nobody", Kind.CAPABILITY, PUMP, Claim(type="t")), Absent),
        (lambda h: h.who("0" * 64), Absent),
        (lambda h: h.who("zz"), Malformed),
    ],
)
def test_what_cannot_be_done_is_a_problem_and_changes_nothing(store, step, kind):
    hosted = Hosted(store)
    hosted.add("fuji", PAPER)
    size = store.head().size
    with pytest.raises(Problem) as caught:
        step(hosted)
    assert isinstance(caught.value, kind)
    assert store.head().size == size


def test_the_tree_of_reasons_says_who_signed_for_whom(store):
    hosted = Hosted(store)
    member = hosted.add("fuji", PAPER, title="Fuji Pumps", scope=("pkg:generic/fuji/",))
    hosted.sign("fuji", Kind.CAPABILITY, PUMP, Claim(type="support-period"))
    own = "pkg:generic/union/gate@1"
    store.register_one(store.sign(Kind.CAPABILITY, own, Claim(type="support-period")))
    said = {"by": store.identity, "for": member["identity"]}
    assert signed_for(store, [PUMP, own, "pkg:generic/unknown@1"]) == {PUMP: [said]}
    tree = {"subject": own, "children": [{"subject": PUMP}, {"subject": PUMP, "repeated": True}]}
    told = with_signers(store, tree)
    assert "signed_for" not in told
    assert [node.get("signed_for") for node in told["children"]] == [[said], None]


def test_an_association_signs_only_for_whom_it_entered(store):
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "boaster")
    boaster = did_key(unit.public(handle))
    store.lists.add(boaster, roles=["maker"], scope=("pkg:generic/b",), name="Boaster")
    digests = [
        store.register_one(
            sign_statement(
                unit,
                handle,
                issuer=boaster,
                subject=subject,
                media_type=media_type_of(kind),
                payload=encode_payload(claim),
                issued_at=NOW,
            )
        )[0]
        for kind, subject, claim in (
            (
                Kind.EVIDENCE,
                boaster,
                Claim(type=HOSTING, claims={"by": "did:web:tuv.example", "key": handle.id}),
            ),
            (Kind.CAPABILITY, "pkg:generic/b/x@1", Claim(type="t")),
        )
    ]
    assert signed_for(store, ["pkg:generic/b/x@1"]) == {}
    assert Hosted(store).who(digests[1])["by"] == boaster


def test_nobody_is_said_to_sign_for_one_who_never_said_so(store):
    hosted = Hosted(store)
    hosted.add("fuji", PAPER, scope=("pkg:generic/fuji/",))
    claim = Claim(type="hosted-signing", claims={"by": "did:web:evil.example", "key": "00"})
    other = hosted.add("other", PAPER, scope=("pkg:generic/other/",))
    hosted.sign("fuji", Kind.EVIDENCE, other["identity"], claim)
    hosted.sign("other", Kind.CAPABILITY, "pkg:generic/other/x@1", Claim(type="t"))
    assert signed_for(store, ["pkg:generic/other/x@1"]) == {
        "pkg:generic/other/x@1": [{"by": store.identity, "for": other["identity"]}]
    }
