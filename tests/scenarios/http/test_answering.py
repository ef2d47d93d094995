# SPDX-License-Identifier: Apache-2.0
"""Answers in the browser: drafts, what will be signed, sending; and what others try."""

import asyncio
import html
import json
import re
from dataclasses import dataclass, field
from hashlib import sha256

import httpx
import msgspec
import pytest

from kizuna.app.api import create_app
from kizuna.app.api.assess import Given, as_given
from kizuna.app.wiring.assess.asking import questionnaire_of, register_answers
from kizuna.app.wiring.assess.export import read_answers
from kizuna.app.wiring.assess.held import held_for
from kizuna.app.wiring.assess.plan import given_answers, plan_answers, register_plan
from kizuna.app.wiring.criteria.mappings import register_mappings
from kizuna.app.wiring.served.codes import Codes, pen_of
from kizuna.app.wiring.served.hosted import Hosted
from kizuna.model.errors import Refused
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target, encode_payload
from kizuna.proof.assurance import Answer, Answers, State

TOKEN = "token-of-this-server"  # noqa: S105 - of a server that ends with the test
PUMP = "pkg:generic/fuji/pump@4.2"
WHERE = {"subject": PUMP, "profile": "software-product", "element": "component"}
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@dataclass
class Browser:
    """Somebody at the pages; forms are sent as a browser sends them."""

    client: httpx.AsyncClient
    origin: str = "https://store.example"
    secret: str = TOKEN
    where: dict = field(default_factory=lambda: dict(WHERE))

    async def sign_in(self):
        answer = await self.client.post("/sign-in", data={"token": self.secret})
        assert answer.status_code == 303
        return self

    async def form(self, path="/answer", **more):
        page = await self.client.get(path, params=self.where | more)
        assert page.status_code == 200, page.text
        return dict(HIDDEN.findall(page.text)) | {"profile": self.where["profile"]}, page.text

    async def save(self, form, files=None, *, go="save", headers=None, **fields):
        return await self.client.post(
            "/answer",
            data=form | fields | {"go": go},
            files=files or {"q999-file": ("", b"")},
            headers={"origin": self.origin} if headers is None else headers,
        )

    async def send(self, form, *, headers=None, **fields):
        return await self.client.post(
            "/answer/send",
            data=form | {"secret": self.secret} | fields,
            headers={"origin": self.origin} if headers is None else headers,
        )


@pytest.fixture
async def browser(workspace):
    app = create_app(workspace, console_token=TOKEN, hosts=("store.example",))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://store.example", headers={"accept": "text/html"}
    ) as client:
        yield Browser(client)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def asked(workspace):
    return questioned(workspace)


def questioned(workspace):
    profile = workspace.profile("software-product")
    return questionnaire_of(workspace, SubjectId(PUMP), [profile], element=Element.COMPONENT)


def place(asked, requirement):
    return next(n for n, q in enumerate(asked.questions) if q.id == requirement)


def fill(asked, requirement, state, **more):
    name = f"q{place(asked, requirement)}"
    return {f"{name}-state": state} | {f"{name}-{k}": v for k, v in more.items()}


def said_since(workspace, size):
    """Kinds and payloads of what was registered, as they were said."""
    rows = workspace.store.reader().by_indices(range(size, workspace.store.head().size))
    return [r for r in rows if r.statement.subject == PUMP or "/evidence/" in r.statement.subject]


@pytest.mark.anyio
async def test_a_questionnaire_is_answered_saved_seen_and_signed(browser, workspace, asked):
    await browser.sign_in()
    form, page = await browser.form()
    assert "0 of" in page
    before = workspace.store.head()
    answer = await browser.save(
        form,
        {f"q{place(asked, 'secure-update')}-file": ("C:\\x\\policy.pdf", b"%PDF seen")},
        **fill(asked, "secure-update", "implemented", note="signed images"),
        **fill(asked, "secure-defaults", "planned", owner="Sato", due="2027-03-31"),
    )
    assert answer.status_code == 303
    assert workspace.store.head() == before  # a draft signs nothing
    _, page = await browser.form()
    assert "2 of" in page
    assert "policy.pdf" in page
    assert "C:" not in page
    form, page = await browser.form("/answer/review")
    assert "signed images" in page
    assert sha256(b"%PDF seen").hexdigest() in page
    assert "did:" in page
    answer = await browser.send(form)
    assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
        303,
        "/answer/sent",
    )
    page = (await browser.client.get(answer.headers["location"])).text
    rows = said_since(workspace, before.size)
    assert len(rows) == 3  # the file, the claim, the summary
    assert all(r.statement.digest.hex() in page for r in rows)
    given, by = given_answers(workspace, asked)
    assert by == workspace.identity
    states = {a.requirement: a.state for a in given.answers}
    assert states == {
        "secure-update": State.IMPLEMENTED,
        "secure-defaults": State.PLANNED,
    }
    # the next draft begins with what is registered
    _, page = await browser.form()
    assert "2 of" in page


@pytest.mark.anyio
async def test_what_was_shown_is_what_is_signed(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    form, page = await browser.form("/answer/review")
    shown = [
        json.loads(t)
        for t in re.findall(r'<pre class="payload">(.*?)</pre>', unescaped(page), re.DOTALL)
    ]
    before = workspace.store.head().size
    assert (await browser.send(form)).status_code == 303
    rows = said_since(workspace, before)
    signed = [json.loads(encode_payload(r.statement.payload)) for r in rows]
    digests = {f"#{n}": r.statement.digest.hex() for n, r in enumerate(rows, 1)}
    text = json.dumps(shown)
    for name, digest in digests.items():
        text = text.replace(f'"{name}"', f'"{digest}"')
    assert json.loads(text) == signed


def unescaped(page):
    return html.unescape(page)


@pytest.mark.anyio
async def test_browser_command_and_api_sign_the_same(browser, workspace, asked, served):
    fields = {
        **fill(asked, "secure-update", "implemented", note="n", evidence="https://a.example/p"),
        **fill(asked, "secure-defaults", "planned", owner="Sato", due="2027-03-31"),
    }
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fields)
    form, _ = await browser.form("/answer/review")
    # as the command reads a table
    table = (
        "requirement,answer,note,evidence,owner,due,claim\n"
        "secure-update,implemented,n,https://a.example/p,,,"
        f"{asked.question('secure-update').claims[0]}\n"
        "secure-defaults,planned,,,Sato,2027-03-31,\n"
    )
    by_table = plan_answers(workspace, asked, read_answers(asked, table.encode()))
    assert by_table.seen == form["seen"]
    # as the API reads JSON
    body = {
        "subject": PUMP,
        "profile": "software-product",
        "answers": [
            {
                "requirement": "secure-update",
                "answer": "implemented",
                "note": "n",
                "evidence": ["https://a.example/p"],
            },
            {
                "requirement": "secure-defaults",
                "answer": "planned",
                "owner": "Sato",
                "due": "2027-03-31",
            },
        ],
    }
    answers, files = as_given(msgspec.convert(body, Given))
    assert plan_answers(workspace, asked, answers, files).seen == form["seen"]


@pytest.mark.anyio
async def test_who_did_not_sign_in_sees_no_form_and_changes_nothing(browser, workspace, asked):
    page = await browser.client.get("/answer", params=WHERE)
    assert page.status_code == 303
    assert page.headers["location"].startswith("/sign-in?next=%2Fanswer")
    before = workspace.store.head()
    form = {"word": "0" * 64, "version": "0", "page": "1", **WHERE}
    for answer in (await browser.save(form), await browser.send(form)):
        assert answer.status_code == 403
        assert "Sign in" in answer.text
    assert workspace.store.head() == before
    assert not (workspace.path / "drafts").exists()


@pytest.mark.anyio
async def test_signing_in_leads_back_to_the_form_and_nowhere_else(browser):
    for to, lands in (
        ("/answer?subject=x", "/answer?subject=x"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/answer\\@evil.example", "/"),
        ("/answer\r\nset-cookie: a=b", "/"),
    ):
        answer = await browser.client.post("/sign-in", data={"token": TOKEN, "next": to})
        assert answer.headers["location"] == lands


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"origin": "https://evil.example"}, None),
        ({"origin": "null"}, None),
        ({"origin": "https://store.example.evil.example"}, None),
        ({"sec-fetch-site": "cross-site"}, None),
        ({"sec-fetch-site": "same-site"}, None),
        ({"origin": "https://store.example"}, "0" * 64),
        ({"origin": "https://store.example"}, ""),
        ({"origin": "https://store.example"}, "é" * 64),
    ],
)
async def test_a_form_of_another_site_or_session_changes_nothing(
    browser, workspace, asked, headers, word
):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    before = workspace.store.head()
    form, _ = await browser.form("/answer/review")
    if word is not None:
        form["word"] = word
    for answer in (
        await browser.send(form, headers=headers),
        await browser.save(form, headers=headers, page="1"),
    ):
        assert answer.status_code == 403
        assert "does not come from" in answer.text
    assert workspace.store.head() == before
    _, page = await browser.form()
    assert "1 of" in page


@pytest.mark.anyio
async def test_the_word_of_one_session_is_none_of_another(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.client.post("/sign-out")
    await browser.sign_in()
    answer = await browser.save(form, **fill(asked, "secure-update", "implemented"))
    assert answer.status_code == 403


@pytest.mark.anyio
async def test_a_session_alone_signs_nothing(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    before = workspace.store.head()
    form, _ = await browser.form("/answer/review")
    for secret in ("", "guess", TOKEN[:-1], "é"):
        answer = await browser.send(form, secret=secret)
        assert answer.status_code == 403
        assert "Nothing was signed" in answer.text
    assert workspace.store.head() == before


@pytest.mark.anyio
async def test_sending_twice_signs_once(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    form, _ = await browser.form("/answer/review")
    first = await browser.send(form)
    size = workspace.store.head().size
    again = await browser.send(form)
    assert (again.status_code, again.headers["location"]) == (303, first.headers["location"])
    assert workspace.store.head().size == size


@pytest.mark.anyio
async def test_the_same_answers_are_signed_anew_after_they_were_withdrawn(
    browser, workspace, asked
):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    form, _ = await browser.form("/answer/review")
    before = workspace.store.head().size
    await browser.send(form)
    said = [row.statement.digest.hex() for row in said_since(workspace, before)]
    for digest in said:  # by another door
        gone = Status(action=Action.WITHDRAW, target=Target(statement=digest))
        workspace.register_one(workspace.sign(Kind.STATUS, PUMP, gone))
    workspace.clock.now += 60
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    form, _ = await browser.form("/answer/review")
    size = workspace.store.head().size
    await browser.send(form)
    assert len(said_since(workspace, size)) == len(said)


@pytest.mark.anyio
async def test_two_windows_that_send_at_once_sign_once(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    form, _ = await browser.form("/answer/review")
    before = workspace.store.head().size
    answers = await asyncio.gather(*(browser.send(form) for _ in range(4)))
    assert {a.status_code for a in answers} <= {303, 403}
    assert len(said_since(workspace, before)) == 2


@pytest.mark.anyio
async def test_a_stale_draft_overwrites_nothing_and_loses_nothing(browser, workspace, asked):
    await browser.sign_in()
    old, _ = await browser.form()
    await browser.save(old, **fill(asked, "secure-update", "implemented", note="first"))
    answer = await browser.save(old, **fill(asked, "secure-update", "planned", owner="Sato"))
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert 'value="Sato"' in answer.text
    _, page = await browser.form()
    assert "first" in page
    # and what was shown before the draft changed is not signed
    seen, _ = await browser.form("/answer/review")
    now, _ = await browser.form()
    await browser.save(now, **fill(asked, "secure-update", "implemented", note="third"))
    before = workspace.store.head()
    assert (await browser.send(seen)).status_code == 403
    assert workspace.store.head() == before


@pytest.mark.anyio
async def test_what_changed_in_the_log_meanwhile_is_shown_before_it_is_signed(
    browser, workspace, asked
):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    seen, _ = await browser.form("/answer/review")
    said = Answers(
        answers=(Answer(requirement="secure-update", state=State.IMPLEMENTED, note="x"),)
    )
    register_answers(workspace, asked, said)
    before = workspace.store.head()
    answer = await browser.send(seen)
    assert answer.status_code == 403
    assert "no longer what was shown" in answer.text
    assert workspace.store.head() == before


@pytest.mark.anyio
async def test_answers_that_are_not_whole_are_kept_and_not_sent(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(
        form,
        **fill(asked, "secure-update", "planned"),
        **fill(asked, "secure-defaults", "not-applicable"),
    )
    page = (await browser.client.get("/answer/review", params=WHERE)).text
    assert page.count(f"#q{place(asked, 'secure-update')}") == 1
    assert page.count(f"#q{place(asked, 'secure-defaults')}") == 1
    assert "Sign and send" not in page


@pytest.mark.anyio
async def test_script_in_answers_is_text(browser, workspace, asked):
    hostile = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    await browser.sign_in()
    form, _ = await browser.form()
    name = f"q{place(asked, 'secure-update')}"
    await browser.save(
        form,
        {f"{name}-file": (f"{hostile}.txt", b"x")},
        **fill(asked, "secure-update", "implemented", note=hostile, owner=hostile),
    )
    pages = [(await browser.form())[1], (await browser.form("/answer/review"))[1]]
    form, _ = await browser.form("/answer/review")
    sent = await browser.send(form)
    pages.append((await browser.client.get(sent.headers["location"])).text)
    pages.append((await browser.client.get("/answer")).text)
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page


@pytest.mark.anyio
async def test_files_have_bounds(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    name = f"q{place(asked, 'secure-update')}-file"
    said = fill(asked, "secure-update", "implemented")
    answer = await browser.save(form, {name: ("big.bin", b"x" * ((8 << 20) + 1))}, **said)
    assert answer.status_code == 400
    many = [(name, (f"{n}.txt", str(n).encode())) for n in range(11)]
    answer = await browser.save(form, many, **said)
    assert answer.status_code == 400
    answer = await browser.client.post(
        "/answer",
        content=b"x" * (33 << 20),
        headers={"origin": browser.origin, "content-type": "multipart/form-data; boundary=x"},
    )
    assert answer.status_code == 413
    assert (
        not list((workspace.path / "drafts").rglob("*"))
        if (workspace.path / "drafts").exists()
        else True
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x\r\n\r\n",
        b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
        b"\xff" * 99,
    ],
)
async def test_a_broken_form_is_a_problem_and_nothing_more(browser, workspace, body):
    await browser.sign_in()
    before = workspace.store.head()
    answer = await browser.client.post(
        "/answer",
        content=body,
        headers={"origin": browser.origin, "content-type": "multipart/form-data; boundary=x"},
    )
    assert 400 <= answer.status_code < 500
    assert workspace.store.head() == before


@pytest.mark.anyio
async def test_a_member_answers_in_its_own_name_and_no_other(browser, workspace, asked):
    hosted = Hosted(workspace)
    fuji = hosted.add("fuji", b"consent", scope=("pkg:generic/fuji/",))
    hosted.add("sato", b"consent")
    codes = Codes(workspace)
    code = codes.make("fuji")["code"]
    other = codes.make("sato")["code"]
    browser.secret = code
    await browser.sign_in()
    form, page = await browser.form()
    assert "<b>fuji</b>" in page
    await browser.save(form, **fill(asked, "secure-update", "implemented"))
    form, page = await browser.form("/answer/review")
    assert fuji["identity"] in page
    before = workspace.store.head()
    for secret in (TOKEN, other, "fuji.guess"):
        assert (await browser.send(form, secret=secret)).status_code == 403
    assert workspace.store.head() == before
    assert (await browser.send(form)).status_code == 303
    rows = said_since(workspace, before.size)
    assert {r.statement.issuer for r in rows} == {fuji["identity"]}
    assert hosted.who(rows[0].statement.digest.hex())["hosted"]


@pytest.mark.anyio
async def test_nobody_sees_the_draft_of_another(browser, workspace, asked):
    hosted = Hosted(workspace)
    codes = Codes(workspace)
    secrets = {}
    for name in ("fuji", "sato"):
        hosted.add(name, b"consent")
        secrets[name] = codes.make(name)["code"]
    browser.secret = secrets["fuji"]
    await browser.sign_in()
    form, _ = await browser.form()
    await browser.save(form, **fill(asked, "secure-update", "implemented", note="between us"))
    await browser.client.post("/sign-out")
    for secret in (secrets["sato"], TOKEN):
        browser.secret = secret
        await browser.sign_in()
        _, page = await browser.form()
        assert "between us" not in page
        assert "0 of" in page
        assert PUMP not in (await browser.client.get("/answer")).text.partition("drafts")[2]
        await browser.client.post("/sign-out")


@pytest.mark.anyio
async def test_certificates_that_are_held_stand_beside_their_questions(browser, workspace, party):
    Hosted(workspace).add("fuji", b"consent")
    held = Claim(type="iec-62443-4-1", claims={"number": "open-1"})
    workspace.register_one(workspace.sign(Kind.CERTIFICATE, PUMP, held))
    secret = workspace.say(
        Kind.CERTIFICATE, PUMP, Claim(type="jc-star-1"), audience=[workspace.identity]
    )
    workspace.register_one(secret.statement, secret.documents)
    await browser.sign_in()
    _, page = await browser.form()
    assert "Held: IEC 62443-4-1" in page
    await browser.client.post("/sign-out")
    # what may not be read looks absent here too
    browser.secret = Codes(workspace).make("fuji")["code"]
    await browser.sign_in()
    _, page = await browser.form()
    assert "Held: IEC 62443-4-1" in page
    assert secret.digest[:12] not in page


def test_a_mapped_certificate_says_by_what_it_is_shown(workspace):
    subject = SubjectId("did:web:fuji.example")
    profile = workspace.profile("building-services")
    asked = questionnaire_of(workspace, subject, [profile])
    assert not held_for(workspace, asked, "en")
    held = Claim(type="iso-27001", claims={"number": "1", "scope": "all"})
    workspace.register_one(workspace.sign(Kind.CERTIFICATE, subject, held))
    rows = [row for found in held_for(workspace, asked, "en").values() for row in found]
    mapped = [row for row in rows if row["way"] == "mapping"]
    assert mapped
    assert {row["status"] for row in mapped} == {"proposed"}
    assert {row["mapping"] for row in mapped} == {"certificates-to-cpsf-1.0"}
    register_mappings(workspace, "certificates-to-cpsf-1.0", accept=True)
    again = [row for found in held_for(workspace, asked, "en").values() for row in found]
    assert {row["status"] for row in again if row["way"] == "mapping"} == {"accepted"}


@pytest.mark.anyio
async def test_a_code_that_ended_lets_nobody_in_and_ends_its_sessions(browser, workspace, asked):
    Hosted(workspace).add("fuji", b"consent")
    codes = Codes(workspace)
    browser.secret = codes.make("fuji")["code"]
    assert browser.secret not in (workspace.path / "hosted-codes.json").read_text()
    await browser.sign_in()
    form, _ = await browser.form()
    codes.make("fuji")
    answer = await browser.save(form, **fill(asked, "secure-update", "implemented"))
    assert answer.status_code == 403
    codes.end("fuji")
    answer = await browser.client.post("/sign-in", data={"token": browser.secret})
    assert answer.status_code == 403


@pytest.mark.anyio
async def test_a_session_that_ended_changes_nothing(browser, workspace, asked, clock):
    await browser.sign_in()
    form, _ = await browser.form()
    clock.now += 13 * 3600
    answer = await browser.save(form, **fill(asked, "secure-update", "implemented"))
    assert answer.status_code == 403
    assert not (workspace.path / "drafts").exists()


@pytest.mark.anyio
async def test_pages_are_in_japanese_too_and_have_labels(browser, asked):
    await browser.sign_in()
    page = (await browser.client.get("/answer", params=WHERE | {"lang": "ja"})).text
    assert "実施済み" in page
    assert "page.answer" not in page
    assert page.count("<fieldset") == page.count("<legend")
    inputs = len(re.findall(r'<(?:input(?! type="hidden")|select|textarea)\b', page))
    assert page.count("<label") >= inputs
    assert "<script" not in page


@pytest.mark.anyio
async def test_a_draft_can_be_deleted(browser, workspace, asked):
    await browser.sign_in()
    form, _ = await browser.form()
    name = f"q{place(asked, 'secure-update')}-file"
    await browser.save(form, {name: ("a.txt", b"a")}, **fill(asked, "secure-update", "implemented"))
    form, _ = await browser.form()
    assert (await browser.save(form, go="delete")).status_code == 303
    assert not [p for p in (workspace.path / "drafts").rglob("*") if p.is_file()]


@pytest.mark.anyio
async def test_two_profiles_are_one_questionnaire(browser, workspace):
    await browser.sign_in()
    where = WHERE | {"profile": ["software-product", "iot-device"]}
    page = (await browser.client.get("/answer", params=where)).text
    assert page.count('value="software-product"') == 1
    assert page.count('value="iot-device"') == 1
    total = int(re.search(r"0 of (\d+)", page)[1])
    alone = []
    for name in where["profile"]:
        one = (await browser.client.get("/answer", params=WHERE | {"profile": name})).text
        alone.append(int(re.search(r"0 of (\d+)", one)[1]))
    assert total <= sum(alone)


def test_pens_sign_for_their_own_identity(workspace, asked):
    Hosted(workspace).add("fuji", b"consent")
    said = Answers(answers=(Answer(requirement="secure-update", state=State.IMPLEMENTED),))
    plan = plan_answers(workspace, asked, said, pen=pen_of(workspace, "fuji"))
    with pytest.raises(Refused, match="another signer"):
        register_plan(workspace, plan)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "body",
    [b"a=b&" * 1_000, b"a=" + b"%41" * 1_000_000, b"a=\xff"],
    ids=["many", "large", "no-ascii"],
)
async def test_a_form_that_no_page_of_ours_sends_is_refused_before_it_is_taken_apart(browser, body):
    await browser.sign_in()
    answer = await browser.client.post(
        "/answer",
        content=body,
        headers={"origin": browser.origin, "content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 400
