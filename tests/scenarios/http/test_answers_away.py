# SPDX-License-Identifier: Apache-2.0
"""Answers prepared in the form of a store and signed where the key is; and what others try."""

import base64
import json
import re
from dataclasses import dataclass

import httpx
import pytest
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.assess.asking import given_answers, questionnaire_of
from kizuna.app.wiring.assess.away import Sheet, read_sheet, read_signed
from kizuna.app.wiring.assess.pen import HandPen, own_pen
from kizuna.app.wiring.assess.plan import Saying
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import decode_payload
from kizuna.proof.assurance import State
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

PUMP = "pkg:generic/sato/pump@1"
WHERE = {"subject": PUMP, "profile": "software-product", "element": "component"}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
PROFILE = shipped_profile("software-product")


def joined(served, path, clock, name="Sato Bearings"):
    services = [service_for(Role.MAKER, scope=["pkg:generic/sato"])]
    hosting = Hosting(served.workspace.store)
    code = hosting.invite(now=clock(), expires_at=clock() + 3600, services=services)
    settings = Settings(store=path, clock=clock)
    return Member.join(path, served.url, code, name, settings=settings)


@pytest.fixture
def member(opened, tmp_path, clock):
    return joined(opened, tmp_path / "member", clock)


@pytest.fixture
def kizuna(member, monkeypatch):
    """The command in the member's folder; the clock is the test's."""
    monkeypatch.setattr(Settings, "from_environment", lambda **_: member.settings)

    def run(*words):
        done = CliRunner().invoke(build(), [*map(str, words), "--json"])
        return done.exit_code, json.loads(done.stdout)

    return run


@pytest.fixture
def asked(opened):
    return questionnaire_of(opened.workspace, SubjectId(PUMP), [PROFILE], element=Element.COMPONENT)


@dataclass
class Browser:
    client: httpx.Client
    url: str

    def sign_in(self, code):
        return self.client.post("/sign-in", data={"token": code}, headers={"origin": self.url})

    def form(self, path="/answer", **more):
        page = self.client.get(path, params=WHERE | more)
        assert page.status_code == 200, page.text
        return dict(HIDDEN.findall(page.text)), page.text

    def save(self, form, **fields):
        return self.client.post(
            "/answer",
            data=form | fields | {"go": "save"},
            files={"q999-file": ("", b"")},
            headers={"origin": self.url},
        )

    def sheet(self, **more):
        form, _ = self.form("/answer/review")
        return self.client.get("/answer/sheet", params=WHERE | {"seen": form["seen"]} | more)

    def bring(self, data, form=None):
        return self.client.post(
            "/answer/signed",
            data=form or self.form("/answer/review")[0],
            files={"signed": ("answers.signed", data)},
            headers={"origin": self.url},
        )


@pytest.fixture
def browser(opened):
    accept = {"accept": "text/html"}
    with httpx.Client(base_url=opened.url, headers=accept, timeout=60) as client:
        yield Browser(client, opened.url)


@pytest.fixture
def drafted(browser, member, asked):
    """The member's browser, signed in, with a draft of two answers and a file."""
    assert browser.sign_in(member.code()["code"]).status_code == 303
    form, _ = browser.form()
    contact, update = (place(asked, n) for n in ("vulnerability-contact", "secure-update"))
    answer = browser.client.post(
        "/answer",
        data=form
        | {
            f"{contact}-state": "implemented",
            f"{contact}-f0": "psirt@sato.example",
            f"{update}-state": "planned",
            f"{update}-owner": "Sato",
            f"{update}-due": "2027-03-31",
            "go": "save",
        },
        files={f"{contact}-file": ("policy.txt", b"Reports go to psirt@sato.example")},
        headers={"origin": browser.url},
    )
    assert answer.status_code == 303, answer.text
    return browser


def place(asked, requirement):
    number = next(n for n, q in enumerate(asked.questions) if q.id == requirement)
    return f"q{number}"


def answered(opened, asked):
    answers, by = given_answers(opened.workspace, asked)
    return by, {a.requirement: a.state for a in answers.answers}


def test_what_was_prepared_in_the_form_is_signed_by_one_command(
    opened, drafted, member, kizuna, asked, tmp_path
):
    _, page = drafted.form("/answer/review")
    assert 'name="secret"' not in page
    assert "kizuna assess sign answers-" in page
    got = drafted.sheet()
    name = re.search(r'filename="([^"]+)"', got.headers["content-disposition"])[1]
    (tmp_path / name).write_bytes(got.content)
    assert f"kizuna assess sign {name}" in page
    size = opened.workspace.store.head().size
    code, shown = kizuna("assess", "sign", tmp_path / name, "--preview")
    assert (code, opened.workspace.store.head().size) == (0, size)
    assert [s["why"] for s in shown["statements"]] == ["document", "claim", "summary"]
    assert shown["seen"] in page
    code, told = kizuna("assess", "sign", tmp_path / name, "--yes")
    assert code == 0, told
    assert (told["issuer"], len(told["statements"]), told["beyond"]) == (member.identity, 3, [])
    by, states = answered(opened, asked)
    assert by == member.identity
    assert (states["vulnerability-contact"], states["secure-update"]) == (
        State.IMPLEMENTED,
        State.PLANNED,
    )
    done = drafted.client.get("/answer/sent", params=WHERE)
    assert told["statements"][0] in done.text
    assert PUMP not in drafted.client.get("/answer").text, "no draft is left"


def test_the_signed_file_can_be_brought_in_the_form(
    opened, drafted, member, kizuna, asked, tmp_path
):
    (tmp_path / "a.json").write_bytes(drafted.sheet().content)
    size = opened.workspace.store.head().size
    code, told = kizuna(
        "assess", "sign", tmp_path / "a.json", "--out", tmp_path / "a.signed", "--yes"
    )
    assert (code, told["signed"], opened.workspace.store.head().size) == (0, 3, size)
    form, _ = drafted.form("/answer/review")
    back = (tmp_path / "a.signed").read_bytes()
    answer = drafted.bring(back, form)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("/answer/sent?")
    assert answered(opened, asked)[0] == member.identity
    after = opened.workspace.store.head().size
    assert drafted.bring(back, form).status_code == 303  # the same answer again
    assert opened.workspace.store.head().size == after


def test_evidence_is_kept_for_its_author_alone(opened, drafted, member, kizuna, tmp_path):
    (tmp_path / "a.json").write_bytes(drafted.sheet().content)
    _, told = kizuna("assess", "sign", tmp_path / "a.json", "--yes")
    reader = opened.workspace.store.reader()
    rows = reader.by_digests([bytes.fromhex(d) for d in told["statements"]])
    (file,) = [r.statement for r in rows.values() if r.statement.payload is None]
    assert file.audience == (member.identity,)
    (kept,) = reader.documents([file.document]).values()
    assert kept.endswith(b"Reports go to psirt@sato.example")


def changed(data, change):
    """A sheet with a change, and its digest made to fit again."""
    document = json.loads(data)
    change(document)
    sayings = []
    for one in document["statements"]:
        if one["why"] == "document":
            found = base64.b64decode(one["document"])
            sayings.append(Saying(kind=None, name=one["name"], document=found, why="document"))
        else:
            kind = Kind(one["kind"])
            payload = decode_payload(kind, one["payload"].encode())
            sayings.append(Saying(kind=kind, payload=payload, why=one["why"]))
    document["seen"] = Sheet(
        store=document["store"], issuer=document["issuer"], subject=document["subject"],
        profiles=tuple(document["profiles"]), element=document["element"], sayings=tuple(sayings),
    ).seen  # fmt: skip
    return json.dumps(document).encode()


def other_contact(document):
    for one in document["statements"]:
        if "payload" in one:
            one["payload"] = one["payload"].replace("psirt@sato", "psirt@evil")


def other_file(document):
    document["statements"][0]["document"] = "ZXZpbA=="


def less(document):
    del document["statements"][1]


def turned(document):
    document["statements"].reverse()


def test_a_sheet_that_was_changed_on_the_way_is_not_signed(drafted, member, kizuna, tmp_path):
    document = json.loads(drafted.sheet().content)
    other_contact(document)
    (tmp_path / "a.json").write_text(json.dumps(document))
    code, told = kizuna("assess", "sign", tmp_path / "a.json", "--yes")
    assert (code, told["code"]) == (10, "assess.sheet-changed")


@pytest.mark.parametrize("change", [other_contact, other_file, less, turned])
def test_the_store_takes_what_it_showed_and_nothing_else(
    opened, drafted, member, kizuna, tmp_path, change
):
    """Whoever makes the digest fit, and even names the one that was shown, gets nothing in."""
    data = drafted.sheet().content
    size = opened.workspace.store.head().size
    (tmp_path / "a.json").write_bytes(changed(data, change))
    code, told = kizuna("assess", "sign", tmp_path / "a.json", "--yes")
    assert told["code"] == "assess.changed-since"
    signed = read_sheet(changed(data, change)).signed_by(own_pen(member))
    forged = json.loads(signed.to_json()) | {"seen": json.loads(data)["seen"]}
    answer = drafted.bring(json.dumps(forged).encode())
    assert answer.status_code >= 400
    assert opened.workspace.store.head().size == size
    assert code != 0


def test_what_changed_since_is_not_taken(opened, drafted, kizuna, asked, tmp_path):
    (tmp_path / "a.json").write_bytes(drafted.sheet().content)
    form, _ = drafted.form()
    update = place(asked, "secure-update")
    drafted.save(form, **{f"{update}-state": "implemented"})
    code, told = kizuna("assess", "sign", tmp_path / "a.json", "--yes")
    assert (code, told["code"]) == (10, "assess.changed-since")
    old = json.loads((tmp_path / "a.json").read_bytes())["seen"]
    assert drafted.client.get("/answer/sheet", params=WHERE | {"seen": old}).status_code >= 400
    assert answered(opened, asked) == ("", {})


def test_a_key_of_somebody_else_signs_nothing_here(
    opened, drafted, member, asked, party, tmp_path, clock
):
    sheet = read_sheet(drafted.sheet().content)
    stranger = joined(opened, tmp_path / "other", clock, "Other")
    with pytest.raises(Refused) as refused:
        sheet.signed_by(own_pen(stranger))
    assert refused.value.code == "assess.other-pen"
    forged = sheet.signed_by(HandPen(stranger, stranger.handle, member.identity))
    size = opened.workspace.store.head().size
    answer = drafted.bring(forged.to_json())
    assert answer.status_code == 403
    assert "assess.signed-key" in answer.text
    assert opened.workspace.store.head().size == size


def test_another_member_cannot_hand_in_for_somebody(opened, drafted, member, tmp_path, clock):
    signed = read_sheet(drafted.sheet().content).signed_by(own_pen(member))
    stranger = joined(opened, tmp_path / "other", clock, "Other")
    size = opened.workspace.store.head().size
    with pytest.raises(Problem) as refused:
        stranger.hand_in(signed.to_json())
    assert refused.value.code == "assess.changed-since", "it is not drawn up for that member"
    assert opened.workspace.store.head().size == size


def test_only_members_get_a_code_and_a_new_one_ends_the_one_before(
    opened, browser, member, party, clock
):
    who = party()
    url = f"{opened.url}/api/assess/code"
    answer = opened.client.post(url, content=b"", headers=who.headers(url, method="POST"))
    assert (answer.status_code, answer.json()["code"]) == (403, "policy.not-a-member")
    assert opened.client.post(url).status_code >= 400, "unsigned"
    first = member.code()["code"]
    assert browser.sign_in(first).status_code == 303
    assert browser.client.get("/answer").status_code == 200
    second = member.code()["code"]
    assert browser.client.get("/answer").status_code == 303, "the first ended"
    assert browser.sign_in(first).status_code == 403
    assert browser.sign_in(second).status_code == 303
    clock.now += 12 * 3600
    assert browser.client.get("/answer").status_code == 303, "half a day"


def test_a_membership_that_ended_ends_the_session(opened, browser, member):
    browser.sign_in(member.code()["code"])
    assert browser.client.get("/answer").status_code == 200
    opened.workspace.lists.set_state(member.identity, "suspended", reason="test")
    assert browser.client.get("/answer").status_code == 303
    with pytest.raises(Problem) as refused:
        member.code()
    assert refused.value.code == "policy.membership-not-in-force"


def test_a_session_of_a_member_signs_nothing_by_itself(opened, drafted, member):
    form, _ = drafted.form("/answer/review")
    size = opened.workspace.store.head().size
    answer = drafted.client.post(
        "/answer/send",
        data=form | {"secret": member.code()["code"], "version": "1"},
        headers={"origin": drafted.url},
    )
    assert answer.status_code >= 300
    assert opened.workspace.store.head().size == size


def given(**more):
    answers = [
        {
            "requirement": "vulnerability-contact",
            "answer": "implemented",
            "fields": {"contact": "psirt@sato.example"},
            "evidence": ["policy.txt"],
        }
    ]
    files = {"policy.txt": "UmVwb3J0cw=="}
    return json.dumps(WHERE | {"answers": answers, "files": files} | more).encode()


def test_a_program_prepares_signs_and_hands_in(opened, member, asked):
    sheet = member._store.act("/api/assess/prepare", given())
    assert sheet["issuer"] == member.identity
    signed = read_sheet(json.dumps(sheet).encode()).signed_by(own_pen(member)).to_json()
    told = member.hand_in(signed)
    assert len(told["statements"]) == 3
    assert member.hand_in(signed) == told, "twice is once"
    assert answered(opened, asked)[0] == member.identity


def test_nothing_is_prepared_for_others(member):
    with pytest.raises(Problem) as refused:
        member._store.act("/api/assess/prepare", given(member="fuji"))
    assert refused.value.code == "assess.for-elsewhere"
    with pytest.raises(Problem) as refused:
        member._store.act("/api/assess/prepare", given(files={}))
    assert refused.value.code == "assess.file-absent"


@pytest.mark.parametrize(
    "payload",
    [
        ("membership", '{"list_id": "did:example:list", "state": "granted"}'),
        ("status", '{"action": "revoke", "target": {"statement": "%s"}}' % ("ab" * 32)),
        ("norm", '{"type": "profile", "name": "x", "version": "1", "document": {}}'),
    ],
)
@pytest.mark.parametrize("why", ["claim", "withdrawal", "summary"])
def test_a_sheet_asks_for_nothing_that_answers_never_come_to(drafted, payload, why):
    document = json.loads(drafted.sheet().content)
    document["statements"][1] = {"why": why, "kind": payload[0], "payload": payload[1]}
    with pytest.raises(Problem) as refused:
        read_sheet(json.dumps(document).encode())
    assert refused.value.code in ("assess.sheet-malformed", "payload.malformed")


def test_files_that_are_none_of_ours_are_refused(kizuna, browser, drafted, tmp_path):
    for data in (
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format": "kizuna-answers-to-sign/1"}',
        b"[" * 9999,
    ):
        for read in (read_sheet, read_signed):
            with pytest.raises(Problem) as refused:
                read(data)
            assert refused.value.code == "assess.sheet-malformed"
        assert drafted.bring(data).status_code == 400
    (tmp_path / "x").write_bytes(b"{}")
    assert kizuna("assess", "sign", tmp_path / "x")[1]["code"] == "assess.sheet-malformed"


def test_nobody_is_asked_off_a_terminal_and_other_stores_get_nothing(
    drafted, kizuna, member, tmp_path
):
    data = drafted.sheet().content
    (tmp_path / "a.json").write_bytes(data)
    assert kizuna("assess", "sign", tmp_path / "a.json")[1]["code"] == "command.needs-yes"
    document = json.loads(data) | {"store": "other.example/log"}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert kizuna("assess", "sign", tmp_path / "a.json", "--yes")[1]["code"] == "assess.sheet-store"


def test_a_code_is_printed_for_members_alone(kizuna, member, monkeypatch, tmp_path):
    code, told = kizuna("assess", "code")
    assert (code, told["url"]) == (0, f"{member.url}/answer")
    assert told["until"] == NOW + 12 * 3600
    monkeypatch.setattr(
        Settings, "from_environment", lambda **_: Settings(store=tmp_path / "nobody")
    )
    done = CliRunner().invoke(build(), ["assess", "code", "--json"])
    assert json.loads(done.stdout)["code"] == "assess.no-member"
