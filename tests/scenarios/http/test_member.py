# SPDX-License-Identifier: Apache-2.0
"""A small business without a store does everything that an owner of one does, over HTTP."""

import json

import cbor2
import pytest
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.keys.spares import make_spare, open_spare
from kizuna.app.wiring.member.joined import Joined
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Links, Status, Target
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

PUMP = SubjectId("pkg:generic/sato/pump@1")
BEARING = SubjectId("pkg:generic/sato/bearing@6204")
TABLE = f"""identifier,name,version,supplier,contained in
{PUMP},Pump,1,Sato,
{BEARING},Bearing,6204,Sato,{PUMP}
"""
PROFILE = shipped_profile("software-product")
CONTACT = Claim(type="vulnerability-contact", claims={"contact": "psirt@sato.example"})


@pytest.fixture
def settings(tmp_path, clock):
    return Settings(store=tmp_path / "member", clock=clock, spare_passphrase=b"correct horse")


@pytest.fixture
def member(served, tmp_path, settings):
    services = [service_for(Role.MAKER, scope=["pkg:generic/sato"])]
    hosting = Hosting(served.workspace.store)
    code = hosting.invite(now=NOW, expires_at=NOW + 3600, services=services)
    return Member.join(tmp_path / "member", served.url, code, "Sato Bearings", settings=settings)


@pytest.fixture
def kizuna(member, settings, monkeypatch):
    """The command in the member's folder; the clock is the test's."""
    monkeypatch.setattr(Settings, "from_environment", lambda **_: settings)

    def run(*words):
        done = CliRunner().invoke(build(), [*map(str, words), "--json"])
        return done.exit_code, json.loads(done.stdout)

    return run


def lacks(member, requirement="vulnerability-contact"):
    verdict, _ = member.verify(Question(PUMP, PROFILE))
    return [f.code.value for f in verdict.findings if f.requirement == requirement]


def says(member, subject=PUMP, payload=CONTACT):
    signed = member.say(Kind.CAPABILITY, subject, payload)
    return member.register_one(signed.statement)[0]


def test_explain_judges_here_and_says_what_the_store_says(served, member, kizuna):
    member.publish([("parts.csv", TABLE.encode())])
    code, told = kizuna("explain", PUMP, "-p", "software-product")
    theirs = served.client.get(
        "/api/explain", params={"subject": PUMP, "profile": "software-product"}
    ).json()
    assert told["verdict"] == theirs["verdict"]
    parts = {c["subject"]: c["name"] for c in told["tree"]["children"]}
    assert parts[BEARING] == "Bearing"
    assert parts == {c["subject"]: c["name"] for c in theirs["tree"]["children"]}
    assert code != 0


def test_export_writes_what_anybody_can_judge(served, member, kizuna, tmp_path):
    member.publish([("parts.csv", TABLE.encode())])
    out = tmp_path / "proof.kz"
    code, told = kizuna("export", PUMP, "-p", "software-product", "--out", out)
    assert code == 0
    assert told["statements"] > 0
    trust = tmp_path / "member" / "trust.json"
    _, judged = kizuna("verify", "--bundle", out, "--trust", trust, "--profile", "software-product")
    assert judged["verdict"] == member.verify(Question(PUMP, PROFILE))[0].value.word


def test_impact_is_the_stores_word(member, kizuna):
    member.publish([("parts.csv", TABLE.encode())])
    code, told = kizuna("impact", BEARING)
    assert code == 0
    assert PUMP in [item["subject"] for item in told["affected"]]


def test_single_statements_are_signed_registered_and_revoked(member, kizuna, tmp_path):
    member.publish([("parts.csv", TABLE.encode())])
    (tmp_path / "p.json").write_text(
        '{"type": "vulnerability-contact", "claims": {"contact": "psirt@sato.example"}}'
    )
    words = ("statement", "sign", "--kind", "capability", "--subject", PUMP)
    code, told = kizuna(*words, "--payload", tmp_path / "p.json", "--register")
    assert code == 0
    assert lacks(member) == []
    code, gone = kizuna("statement", "revoke", told["digest"], "--yes")
    assert (code, gone["revoked"], gone["subject"]) == (0, told["digest"], PUMP)
    assert lacks(member) != []


def test_a_restricted_statement_goes_with_its_document(served, member, kizuna, tmp_path):
    (tmp_path / "p.json").write_text('{"type": "security-test", "claims": {"open_critical": 0}}')
    words = ("statement", "sign", "--kind", "evidence", "--subject", PUMP)
    code, told = kizuna(
        *words,
        "--payload",
        tmp_path / "p.json",
        "--audience",
        served.workspace.identity,
        "--register",
    )
    assert code == 0
    assert served.client.get(f"/api/statements/{told['digest']}").status_code == 404
    (mine,) = member.earlier().said(member.identity, [PUMP])
    assert mine.statement.payload.claims == {"open_critical": 0}


@pytest.mark.parametrize("which", ["0" * 64, "12", "x"])
def test_revoking_what_is_not_there_says_so(kizuna, which):
    code, told = kizuna("statement", "revoke", which, "--yes")
    assert code != 0
    assert told["code"] in {"statement.unknown", "statement.digest"}


# --- publishing again ---------------------------------------------------------------------------


def test_publishing_again_registers_only_what_changed(served, member, clock):
    first = member.publish([("parts.csv", TABLE.encode())])
    clock.now += 3600
    before = served.workspace.head().size
    again = member.publish([("parts.csv", TABLE.encode())])
    assert again.statements == first.statements
    assert again.unchanged == len(first.statements)
    assert served.workspace.head().size == before
    changed = member.publish([("parts.csv", TABLE.replace("Pump,1", "Pump,2").encode())])
    assert not changed.refused
    assert served.workspace.head().size > before


def test_what_was_revoked_meanwhile_is_said_again(member, clock):
    first = member.publish([("parts.csv", TABLE.encode())])
    status = Status(action=Action.REVOKE, target=Target(statement=first.statements[0]))
    subject, _ = member.subject_of(first.statements[0])
    member.register_one(member.say(Kind.STATUS, subject, status).statement)
    clock.now += 60
    again = member.publish([("parts.csv", TABLE.encode())])
    assert first.statements[0] not in again.statements


def test_a_store_that_forges_what_was_said_is_not_believed(served, member, party, monkeypatch):
    liar = party()
    forged = liar.sign(PUMP, Links(), kind=Kind.LINK)

    def look_up(_, question):
        return {
            "origin": "x",
            "size": 9,
            "rows": [[1, NOW, NOW, False, forged, None]],
            "under": {name: [1] for name in question.get("subjects", ())},
            "left": [],
            "too_much": [],
        }

    monkeypatch.setattr(Joined, "look_up", look_up)
    assert member.earlier().said(member.identity, [PUMP]) == []


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {},
        {"origin": 1, "size": "x", "rows": [], "under": {}, "left": [], "too_much": []},
        {"origin": "o", "size": 1, "rows": [[]], "under": {}, "left": [], "too_much": []},
        {"origin": "o", "size": 1, "rows": [[1, 2, 3, 0, b"x", None]], "under": {}, "left": [],
         "too_much": []},
        {"origin": "o", "size": 1, "rows": [], "under": {}, "left": [PUMP], "too_much": []},
        {"origin": "o", "size": 1, "rows": [], "under": {}, "left": ["other"], "too_much": []},
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_told_and_nothing_is_sent(member, monkeypatch, told):
    monkeypatch.setattr(Joined, "look_up", lambda *_: told)
    monkeypatch.setattr(Joined, "submit", lambda *_: pytest.fail("nothing may be sent"))
    with pytest.raises(Malformed) as found:
        member.publish([("parts.csv", TABLE.encode())])
    assert found.value.code == "request.answer"


def test_looking_up_is_bounded_and_shows_what_the_reader_may_see(served, member, party):
    says(member)
    client = served.client
    body = {"subjects": [PUMP], "issuer": member.identity}
    told = cbor2.loads(client.post("/api/lookup", json=body).content)
    assert [row[0] for row in told["rows"]] == told["under"][PUMP]
    assert (
        cbor2.loads(client.post("/api/lookup", json={"subjects": [BEARING]}).content)["under"] == {}
    )
    many = {"subjects": [f"pkg:generic/x@{n}" for n in range(501)]}
    assert client.post("/api/lookup", json=many).status_code == 400
    split = {"subjects": many["subjects"][:300], "statements": ["0" * 64] * 300}
    assert client.post("/api/lookup", json=split).json()["code"] == "lookup.too-many"
    assert client.post("/api/lookup", json={"statements": ["x"]}).status_code == 400


# --- keys ---------------------------------------------------------------------------------------


def states(member):
    return {row["thumbprint"]: row["state"] for row in member.keys.states()}


def test_a_member_changes_its_key(member, settings, clock, kizuna):
    says(member)
    _, before = kizuna("key", "list")
    code, done = kizuna("key", "rotate")
    assert (code, done["old"]) == (0, before["keys"][0]["thumbprint"])
    assert states(member.__class__(settings, member.folder, member.folder.describe())) == {
        done["old"]: "rotated",
        done["new"]: "current",
    }
    code, _ = kizuna("statement", "claim", PUMP, "secure-update")
    assert code == 0


def test_a_member_who_fell_after_the_registration_goes_on_with_the_new_key(
    member, settings, kizuna, monkeypatch
):
    old = member.handle.id
    monkeypatch.setattr(Member, "use_key", lambda *_: None)
    new = member.keys.rotate()["new"]
    monkeypatch.undo()
    monkeypatch.setattr(Settings, "from_environment", lambda **_: settings)
    assert member.folder.describe().key == old
    code, _ = kizuna("statement", "claim", PUMP, "secure-update")
    assert code == 0
    assert member.folder.describe().key == new


def test_a_members_stolen_key_is_won_back_with_the_spare_one(served, member, settings, clock):
    """The thief has the key, is faster, and speaks to the store from another place."""
    spare = settings.store.parent / "spare"
    make_spare(member.keys, spare, settings=settings, ask=lambda _: None)
    stolen = member.handle.id
    clock.now += 3600
    theft = clock.now
    clock.now += 60
    thief = Member(settings, member.folder, member.folder.describe())
    thief._unit = member.unit
    thief.folder = type(member.folder)(settings.store.parent / "thief")
    thief.folder.path.mkdir()
    brought_in = thief.keys.rotate()["new"]
    says(thief)
    assert lacks(member) == []
    with pytest.raises(Problem) as refused:
        says(member, payload=Claim(type="secure-update"))
    assert refused.value.code == "key.revoked"

    clock.now += 60
    by = open_spare(spare, settings=settings, ask=lambda _: None)
    done = member.keys.compromise(stolen, since=theft, by=by)
    told = states(member)
    assert told[stolen] == "compromised"
    assert told[done["new"]] == "current"
    assert told[brought_in] == "revoked"
    assert lacks(member) != []
    for gone in (Claim(type="secure-defaults"), Claim(type="support-period")):
        with pytest.raises(Problem):
            says(thief, payload=gone)
    says(member)
    assert lacks(member) == []


def test_a_strangers_word_about_a_members_keys_has_no_effect(served, member, party):
    old = member.keys.rotate()
    stranger = party()
    status = Status(action=Action.WITHDRAW, target=Target(statement=old["statement"]))
    served.client.post(
        "/api/statements",
        content=stranger.sign(member.identity, status, kind=Kind.STATUS),
        headers={"content-type": "application/cose"},
    )
    assert states(member) == {old["old"]: "rotated", old["new"]: "current"}


def test_what_lies_outside_the_members_scope_is_registered_with_a_warning(member, kizuna):
    theirs = SubjectId("pkg:generic/other/fan@1")
    within = member.publish([("parts.csv", TABLE.encode())])
    assert within.beyond == ()
    outside = member.publish([("other.csv", TABLE.replace("sato", "other").encode())])
    assert not outside.refused
    assert set(outside.beyond) >= {SubjectId("pkg:generic/other/pump@1")}
    signed = [member.say(Kind.CAPABILITY, s, CONTACT).statement for s in (PUMP, theirs)]
    assert member.beyond(signed) == (theirs,)
