# SPDX-License-Identifier: Apache-2.0
"""A member without a store of its own at a border: it expects, offers, agrees from its folder."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.vcp.intake import import_process
from kizuna.app.wiring.vcp.kept import find_process
from kizuna.app.wiring.vcp.saying import agree, expect
from kizuna.app.wiring.vcp.standing import shown_of, status_of
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

FAN = "pkg:generic/sato/fan@1"
PROFILE = shipped_profile("software-product")


@pytest.fixture
def member(served, tmp_path, clock):
    services = [service_for(Role.MAKER, scope=["pkg:generic/sato"])]
    hosting = Hosting(served.workspace.store)
    code = hosting.invite(now=NOW, expires_at=NOW + 3600, services=services)
    settings = Settings(store=tmp_path / "member", clock=clock)
    return Member.join(settings.store, served.url, code, "Sato", settings=settings)


@pytest.fixture
def kizuna(member, monkeypatch):
    monkeypatch.setattr(Settings, "from_environment", lambda **_: member.settings)

    def run(*words, code=0):
        done = CliRunner().invoke(build(), [*map(str, words), "--json"])
        assert done.exit_code == code, done.stdout
        return json.loads(done.stdout)

    return run


def source(maker, user):
    organizations = [
        {"id": "maker", "title": {"en": "Maker"}, "identifier": maker},
        {"id": "user", "title": {"en": "User"}, "identifier": user},
    ]
    element = {"id": "fan", "element": "component", "title": {"en": "Fan"}, "identifier": FAN}
    make = {"id": "make", "title": {"en": "Make"}, "organization": "maker", "layer": 1}
    use = {"id": "run", "title": {"en": "Run"}, "organization": "user", "layer": 2}
    document = {
        "process": "fan", "version": "1", "title": {"en": "A fan"},
        "organizations": organizations, "elements": [element],
        "activities": [make | {"produces": ["fan"]}, use | {"consumes": ["fan"]}],
    }  # fmt: skip
    return yaml.safe_dump(document).encode()


@pytest.fixture
def expected(served, member):
    """The process that the store's owner registered, and what it expects."""
    user = served.workspace
    made = import_process(user, source(member.identity, user.identity), "fan.yaml", None)
    kept = find_process("fan", user.settings)
    (said,) = expect(user, kept, PROFILE, None)
    return made["statement"], said["statement"]


def test_two_sides_agree_and_both_see_it(served, member, kizuna, expected):
    user, (process, expectation) = served.workspace, expected
    assert kizuna("vcp", "import", "--statement", process)["owner"] == user.identity
    signed = member.say(
        Kind.CAPABILITY,
        FAN,
        Claim(type="vulnerability-contact", claims={"contact": "psirt@sato.example"}),
    )
    member.register_one(signed.statement)
    gaps = kizuna("vcp", "gaps", "-p", "software-product", code=13)
    kept = find_process("fan", user.settings)
    there = shown_of(user, kept, PROFILE)
    assert gaps["expected"] == len(there)
    missing = {row["requirement"] for row in gaps["rows"]}
    assert "vulnerability-contact" not in missing
    assert "secure-update" in missing
    offered = kizuna(
        "vcp", "offer", expectation, "-p", "software-product", "--until",
        "secure-update=2030-01-31",
    )  # fmt: skip
    assert offered["shows"] >= 1
    promised = [r["requirement"] for r in offered["lacks"] if r.get("until") == "2030-01-31"]
    assert promised == ["secure-update"]
    agree(user, kept, offered["statement"])
    (half,) = kizuna("vcp", "status")["points"]
    assert (half["state"], half["waiting"]) == ("half-agreed", ["maker"])
    kizuna("vcp", "agree", offered["statement"])
    (here,) = kizuna("vcp", "status")["points"]
    (theirs,) = status_of(user, kept)
    assert here == json.loads(json.dumps(theirs))
    assert here["state"] == "agreed"


def test_a_member_registers_a_process_and_expects_too(served, member, kizuna, tmp_path):
    (tmp_path / "fan.yaml").write_bytes(source(served.workspace.identity, member.identity))
    made = kizuna("vcp", "import", tmp_path / "fan.yaml")
    assert made["subject"].startswith(member.identity)
    (said,) = kizuna("vcp", "expect", "-p", "software-product", "--sign")["statements"]
    raw = served.client.get(f"/api/statements/{said['statement']}").content
    assert raw
    (row,) = kizuna("vcp", "status")["points"]
    assert row["waiting"] == ["maker"]


def test_what_is_taken_back_counts_no_more(served, member, kizuna, expected):
    user, (process, expectation) = served.workspace, expected
    kizuna("vcp", "import", "--statement", process)
    before = kizuna("vcp", "status")["points"]
    subject, digest = user.subject_of(expectation)
    gone = Status(action=Action.WITHDRAW, target=Target(statement=digest))
    user.register_one(user.sign(Kind.STATUS, subject, gone))
    after = kizuna("vcp", "status")["points"]
    kept = find_process("fan", user.settings)
    assert after == json.loads(json.dumps(status_of(user, kept)))
    assert after != before


def test_nobody_speaks_for_the_other_side(served, member, kizuna, expected, tmp_path):
    process, expectation = expected
    kizuna("vcp", "import", "--statement", process)
    told = kizuna("vcp", "expect", "-p", "software-product", "--sign", code=10)
    assert told["code"] == "vcp.not-party"
    told = kizuna("vcp", "offer", process, "-p", "software-product", code=2)
    assert told["code"] == "vcp.statement"
    told = kizuna("vcp", "offer", "17", "-p", "software-product", code=2)
    assert told["code"] == "statement.digest"
    told = kizuna("vcp", "offer", "ab" * 32, "-p", "software-product", code=13)
    assert told["code"] == "statement.unknown"
    assert expectation
