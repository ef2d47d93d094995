# SPDX-License-Identifier: Apache-2.0
"""What binds the store that was joined: its receipts, checked as they arrive, and kept."""

import base64

import pytest

from kizuna.app.wiring.member.joined import Joined
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.proofs import check
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.upkeep import log_key_compromised
from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

from .conftest import NOW

TABLE = b"identifier,name,version\npkg:generic/sato/pump@1,Pump,1\n"


@pytest.fixture
def member(served, tmp_path, clock):
    services = [service_for(Role.MAKER, scope=["pkg:generic/sato"])]
    code = Hosting(served.workspace.store).invite(now=NOW, expires_at=NOW + 3600, services=services)
    settings = Settings(store=tmp_path / "member", clock=clock)
    return Member.join(tmp_path / "member", served.url, code, "Sato", settings=settings)


def files(member):
    return sorted((member.folder.path / "receipts").glob("*.cose"))


def test_receipts_are_checked_and_kept_beside_their_statements(member):
    outcome = member.publish([("parts.csv", TABLE)])
    assert outcome.unproven is None
    assert outcome.kept == len(outcome.receipts) == len(files(member)) > 0
    for file in files(member):
        found = check(file.read_bytes(), member.believed(), entry=None)
        assert (found["what"], found["digest"]) == ("statement", file.stem)


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (lambda _: None, "request.no-receipt"),
        (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "log.receipt-wrong"),
        (lambda _: b"\x80", "envelope.malformed"),
    ],
)
def test_a_store_that_only_says_so_is_found_out(member, monkeypatch, lie, code):
    submit = Joined.submit

    def lying(self, statements, documents):
        told = submit(self, statements, documents)
        for answer in told:
            made = lie(base64.b64decode(answer["receipt"]))
            answer["receipt"] = None if made is None else base64.b64encode(made).decode()
        return told

    monkeypatch.setattr(Joined, "submit", lying)
    outcome = member.publish([("parts.csv", TABLE)])
    assert isinstance(outcome.unproven, Problem)
    assert outcome.unproven.code == code
    assert not files(member)


def test_a_receipt_of_another_statement_proves_nothing(member, monkeypatch):
    submit = Joined.submit

    def turning(self, statements, documents):
        told = submit(self, statements, documents)
        receipts = [answer["receipt"] for answer in told]
        for answer, receipt in zip(told, receipts[1:] + receipts[:1], strict=True):
            answer["receipt"] = receipt
        return told

    monkeypatch.setattr(Joined, "submit", turning)
    outcome = member.publish([("parts.csv", TABLE)])
    assert outcome.unproven is not None
    assert outcome.unproven.code == "log.receipt-wrong"


def test_a_receipt_of_a_closed_key_counts_no_more(served, member):
    member.publish([("parts.csv", TABLE)])
    file = files(member)[0]
    log_key_compromised(served.workspace, size=None)
    with pytest.raises(Tampered) as caught:
        check(file.read_bytes(), served.workspace.anchors(), entry=None)
    assert caught.value.code == "log.key-closed"
    assert check(file.read_bytes(), member.believed(), entry=None)["what"] == "statement"


def test_a_receipt_alone_is_checked_for_the_entry_that_is_named(served, member):
    member.publish([("parts.csv", TABLE)])
    digest = files(member)[0].stem
    receipt = served.client.get(f"{served.url}/entries/{digest}").content
    found = check(receipt, member.believed(), entry=digest)
    assert (found["what"], found["entry"]) == ("receipt", digest)
    with pytest.raises(Tampered) as caught:
        check(receipt, member.believed(), entry="00" * 32)
    assert caught.value.code == "log.receipt-wrong"
    with pytest.raises(Malformed) as unnamed:
        check(receipt, member.believed(), entry=None)
    assert unnamed.value.code == "log.entry-unnamed"
