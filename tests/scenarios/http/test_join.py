# SPDX-License-Identifier: Apache-2.0
"""A small business joins by invite, publishes a spreadsheet, and is read by others."""

import json

import pytest

from kizuna.app.cli.run import execute
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.member.joined import Joined
from kizuna.app.wiring.member.saying import Member, member_of
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Refused, Tampered
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

TABLE = "identifier,name,version,supplier\npkg:generic/sato/bearing@6204,Bearing 6204,6204,Sato\n"


@pytest.fixture
def code(served):
    return Hosting(served.workspace.store).invite(now=NOW, expires_at=NOW + 3600)


def test_join_and_publish_over_http(served, tmp_path, clock, code):
    settings = Settings(store=tmp_path / "member", clock=clock)
    member = Member.join(tmp_path / "member", served.url, code, "Sato Bearings", settings=settings)
    assert member.origin == "fuji.example/log"
    listed = served.workspace.lists.show()
    assert member.identity in [e["member"] for e in listed["entries"]]
    outcome = member.publish([("parts.csv", TABLE.encode())])
    assert not outcome.refused
    assert outcome.receipts
    digest = outcome.statements[0]
    told = served.client.get(
        f"/api/statements/{digest}", headers={"accept": "application/json"}
    ).json()
    assert told["issuer"] == member.identity


def test_what_was_published_is_verified_from_the_members_folder(served, tmp_path, clock, code):
    settings = Settings(store=tmp_path / "member", clock=clock)
    Member.join(tmp_path / "member", served.url, code, "Sato Bearings", settings=settings)
    member = member_of(settings)
    member.publish([("parts.csv", TABLE.encode())])
    bearing = SubjectId("pkg:generic/sato/bearing@6204")
    verdict, names = member.verify(Question(bearing, shipped_profile("software-product")))
    told = served.workspace.verify(Question(bearing, shipped_profile("software-product")))
    assert verdict.value is told.value
    assert verdict.known == told.known
    assert names[bearing] == "Bearing 6204"


def test_whoever_published_is_told_how_to_judge_it(
    served, tmp_path, clock, code, capsys, monkeypatch
):
    settings = Settings(store=tmp_path / "member", clock=clock)
    Member.join(tmp_path / "member", served.url, code, "Sato Bearings", settings=settings)
    table = tmp_path / "parts.csv"
    table.write_text(TABLE)
    monkeypatch.setattr(Settings, "from_environment", lambda **_: settings)
    assert execute(["publish", str(table)]) == 0
    told = capsys.readouterr().err
    assert "kizuna verify 'pkg:generic/sato/bearing@6204' --profile software-product" in told


def test_a_member_says_single_things_where_it_joined(served, tmp_path, clock, code):
    settings = Settings(store=tmp_path / "member", clock=clock)
    member = Member.join(tmp_path / "member", served.url, code, "Sato", settings=settings)
    bearing = SubjectId("pkg:generic/sato/bearing@6204")
    said = Claim(type="vulnerability-contact", claims={"contact": "psirt@sato.example"})
    digest, index = member.register_one(member.say(Kind.CAPABILITY, bearing, said).statement)
    told = served.client.get(
        f"/api/statements/{digest}", headers={"accept": "application/json"}
    ).json()
    assert (told["index"], told["issuer"]) == (index, member.identity)
    again = member.register_one(member.say(Kind.CAPABILITY, bearing, said).statement)
    assert again == (digest, index)


def test_publishing_the_same_again_is_no_fault(served, tmp_path, clock, code):
    settings = Settings(store=tmp_path / "member", clock=clock)
    member = Member.join(tmp_path / "member", served.url, code, "Sato", settings=settings)
    first = member.publish([("parts.csv", TABLE.encode())])
    again = member.publish([("parts.csv", TABLE.encode())])
    assert again.statements == first.statements
    assert again.unchanged == len(first.statements)
    assert not again.refused


def test_a_store_that_answers_for_another_statement_is_not_believed(
    served, tmp_path, clock, code, monkeypatch
):
    settings = Settings(store=tmp_path / "member", clock=clock)
    member = Member.join(tmp_path / "member", served.url, code, "Sato", settings=settings)
    digest = member.publish([("parts.csv", TABLE.encode())]).statements[0]
    monkeypatch.setattr(
        Joined, "submit", lambda _, sent, __: [{"digest": digest, "duplicate": True}] * len(sent)
    )
    with pytest.raises(Tampered) as found:
        member.publish([("other.csv", TABLE.replace("6204", "6205").encode())])
    assert found.value.code == "request.other-statement"


def test_a_refused_join_leaves_the_folder_free_for_the_next_try(served, tmp_path, clock, code):
    settings = Settings(store=tmp_path / "member", clock=clock)
    with pytest.raises(Refused) as refused:
        Member.join(tmp_path / "member", served.url, "WRONG", "Sato", settings=settings)
    assert refused.value.code == "invite.not-valid"
    assert refused.value.why
    assert not (tmp_path / "member").exists()
    Member.join(tmp_path / "member", served.url, code, "Sato", settings=settings)


def test_an_invite_is_used_as_often_as_it_says(served, tmp_path, clock, code):
    for name, taken in (("a", True), ("b", False)):
        settings = Settings(store=tmp_path / name, clock=clock)
        if taken:
            Member.join(tmp_path / name, served.url, code, "Sato", settings=settings)
        else:
            with pytest.raises(Refused) as refused:
                Member.join(tmp_path / name, served.url, code, "Mori", settings=settings)
            assert refused.value.code == "invite.not-valid"


def test_nobody_joins_in_anothers_name(served, party, code):
    thief, victim = party(), party()
    url = f"{served.url}/api/join"
    body = json.dumps({"invite": code, "name": "Sato", "identity": victim.identity}).encode()
    answer = served.client.post(
        url,
        content=body,
        headers={
            "content-type": "application/json",
            **thief.headers(url, method="POST", body=body),
        },
    )
    assert answer.status_code == 403
    assert answer.json()["code"] == "identity.request-key"
    unsigned = served.client.post(url, content=body, headers={"content-type": "application/json"})
    assert unsigned.json()["code"] == "identity.request-unsigned"


def test_the_same_key_gives_the_same_answer(served, party, code):
    who = party()
    url = f"{served.url}/api/join"

    def join(name: str, key: str):
        body = json.dumps({"invite": code, "name": name}).encode()
        return served.client.post(
            url,
            content=body,
            headers={
                "content-type": "application/json",
                "idempotency-key": key,
                **who.headers(url, method="POST", body=body),
            },
        )

    first = join("Sato", "k1")
    assert first.status_code == 201, first.text
    assert join("Sato", "k1").json() == first.json()
    other = join("Mori", "k1")
    assert other.status_code == 422
    assert other.json()["code"] == "http.idempotency-mismatch"
