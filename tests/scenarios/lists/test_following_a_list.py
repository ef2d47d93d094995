# SPDX-License-Identifier: Apache-2.0
"""A buyer follows an association's list: what it gives, what attacks on it do, what age does."""

import base64
import json
from pathlib import Path

import pytest

from kizuna.app.wiring.lists.foreign import Signer, named_signer
from kizuna.app.wiring.lists.publishing import Publishing
from kizuna.app.wiring.lists.taken import lists_in_trouble
from kizuna.model.errors import Absent, Malformed, Problem, Refused, Tampered
from kizuna.model.finding import Code, Value
from kizuna.model.payload import Standing
from kizuna.record.lists.etsi602_written import Scheme, write_lote
from kizuna.record.lists.foreign import iso
from kizuna.roots.jws import parse_jws, sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.life.certificates import read_certificates
from kizuna.roots.units import EphemeralUnit

DAY = 86_400
FAN = "pkg:generic/aki/fan@1"


def codes(verdict):
    return {finding.code for finding in verdict.findings}


def entries(stage):
    return stage.buyer.lists.state("bodies-jp").entries


def refused(stage, file, **more):
    """What refuses a file; nothing may have changed by it but the note of the failure."""
    before, size = dict(entries(stage)), stage.buyer.head().size
    with pytest.raises(Problem) as caught:
        stage.take(file, **more)
    assert dict(entries(stage)) == before
    assert stage.buyer.head().size == size
    taken = stage.buyer.lists.show("bodies-jp")["taken"]
    assert taken["failure"] == caught.value.code
    return caught.value


def test_what_a_followed_list_says_counts_as_the_buyers_mapping_has_it(stage):
    issue = stage.issue()
    shown = stage.take(issue, first=True, preview=True)
    assert [c["what"] for c in shown["changes"]] == ["added"]
    with pytest.raises(Absent):
        stage.buyer.lists.anchor("bodies-jp")  # a preview changes nothing
    told = stage.take(issue, first=True)
    assert told["members"] == 1
    stage.submit(stage.body.certifies(FAN, stage.clock()))
    assert stage.judge().value is Value.TRUSTED
    entry = entries(stage)[stage.body.identity]
    assert entry.ext["source"]["document"] == told_document(stage)


def told_document(stage):
    return stage.buyer.lists.show("bodies-jp")["taken"]["document"]


def test_a_type_without_a_rule_gives_nothing_and_is_told(stage):
    told = stage.take(stage.issue(), first=True, mapping=b"types: {}\n")
    assert told["members"] == 0
    assert sum(told["not_understood"].values()) == 1
    assert entries(stage) == {}


def test_only_differences_are_entered(stage):
    stage.take(stage.issue(), first=True)
    stage.later()
    told = stage.take(stage.issue(again=True))
    assert (told["sequence"], told["changes"]) == (2, [])
    assert len(entries(stage)[stage.body.identity].ext) == 1


def test_a_withdrawn_body_says_nothing_more_here_either(stage):
    stage.take(stage.issue(), first=True)
    stage.submit(stage.body.certifies(FAN, stage.clock()))
    stage.later()
    stage.association.lists.set_state(
        stage.body.identity, "withdrawn", reason="lost its accreditation", list_name="bodies"
    )
    told = stage.take(stage.issue())
    assert [c["what"] for c in told["changes"]] == ["withdrawn"]
    stage.later(60)
    stage.submit(stage.body.certifies(FAN, stage.clock(), "iso-9001"))
    assert stage.judge().value is Value.TRUSTED, "what it said while it was listed stays said"
    after = stage.judge("iso-9001")
    assert after.value is Value.UNDETERMINED
    assert codes(after) & {Code.CLAIM_UNAUTHORISED, Code.CLAIM_MISSING}


def test_a_list_rolled_back_brings_no_withdrawn_body_back(stage):
    old = stage.issue()
    stage.take(old, first=True)
    stage.later()
    stage.association.lists.set_state(
        stage.body.identity, "withdrawn", reason="forged certificates", list_name="bodies"
    )
    stage.take(stage.issue())
    problem = refused(stage, old)
    assert (problem.code, int(problem.outcome)) == ("list.rolled-back", 11)
    assert entries(stage)[stage.body.identity].state is Standing.WITHDRAWN


def test_a_forged_list_enters_nobody(stage):
    stage.take(stage.issue(), first=True)
    unit = stage.body.unit
    state = stage.association.lists.state("bodies")
    forged = write_lote(
        unit,
        unit.generate(Algorithm.ES256, "mallory"),
        state,
        scheme(stage, 99),
        keys={},
    )
    file = stage.folder / "forged"
    file.write_bytes(forged)
    problem = refused(stage, str(file))
    assert (problem.code, int(problem.outcome)) == ("list.signature-wrong", 11)


def scheme(stage, sequence):
    return Scheme(
        list_id=stage.association.lists.anchor("bodies").id,
        operator="Association",
        title="Bodies",
        sequence=sequence,
        issued=stage.clock(),
        next_update=stage.clock() + 7 * DAY,
    )


def test_two_lists_of_one_number_are_a_fork_and_both_are_kept(stage):
    stage.take(stage.issue(), first=True)
    other = write_lote(
        stage.association.unit,
        stage.association.handle,
        stage.association.lists.state("bodies"),
        scheme(stage, 1),
        keys={},
    )
    file = stage.folder / "other"
    file.write_bytes(other)
    problem = refused(stage, str(file))
    assert (problem.code, int(problem.outcome)) == ("list.forked", 11)
    (kept,) = Path(stage.buyer.path).glob("lists/*/forks/*")
    assert kept.read_bytes() == other
    assert lists_in_trouble(stage.buyer.path, stage.clock()) == [
        {"name": "bodies-jp", "code": "list.forked"}
    ]


def test_a_list_put_in_the_place_of_another_is_refused(stage):
    stage.take(stage.issue(), first=True)
    stage.association.lists.create("labs", title="Labs")
    data, _ = Publishing(stage.association, stage.association.lists).publish("labs")
    file = stage.folder / "labs"
    file.write_bytes(data)
    assert refused(stage, str(file)).code == "list.other-list"


def test_one_list_is_followed_under_one_name(stage):
    issue = stage.issue()
    stage.take(issue, first=True)
    with pytest.raises(Tampered) as caught:
        stage.take(issue, name="again", first=True)
    assert caught.value.code == "list.anchored-twice"


def test_the_last_good_issue_stays_when_the_publisher_is_gone_and_its_age_is_told(stage):
    issue = stage.issue()
    stage.take(issue, first=True)
    Path(issue).unlink()
    stage.later(2 * DAY)

    def gone(address):
        raise Absent("request.absent", "nothing is there")

    (told,) = stage.foreign.refresh(gone)
    assert told["problem"]["code"] == "request.absent"
    assert told["taken"]["age"] == 2 * DAY
    assert entries(stage)[stage.body.identity].state is Standing.GRANTED
    assert lists_in_trouble(stage.buyer.path, stage.clock())[0]["code"] == "request.absent"


def test_past_its_next_update_nothing_is_trusted_by_it_any_more(stage):
    stage.take(stage.issue(), first=True)
    stage.submit(stage.body.certifies(FAN, stage.clock()))
    fresh = stage.judge()
    assert fresh.value is Value.TRUSTED
    due = stage.clock() + 7 * DAY
    assert fresh.next_change == due
    stage.clock.now = due - 1
    assert stage.judge().value is Value.TRUSTED
    stage.clock.now = due
    stale = stage.judge()
    assert stale.value is Value.UNDETERMINED
    assert codes(stale) == {Code.LIST_STALE}
    assert lists_in_trouble(stage.buyer.path, due) == [{"name": "bodies-jp", "code": "list.stale"}]
    stage.take(stage.issue())
    assert stage.judge().value is Value.TRUSTED


def test_an_expired_issue_is_not_taken_in(stage):
    issue = stage.issue()
    stage.later(8 * DAY)
    with pytest.raises(Refused) as caught:
        stage.take(issue, first=True)
    assert caught.value.code == "list.expired"


def test_a_name_pinned_to_another_key_by_another_list_is_not_taken(stage):
    keys = [stage.body.key.to_jwk()]
    stage.association.lists.add(
        "did:web:acme.example",
        roles=["certification-body"],
        name="Acme",
        keys=keys,
        list_name="bodies",
    )
    other = stage.buyer.unit.public(stage.buyer.handle).to_jwk()
    stage.buyer.lists.add(
        "did:web:acme.example", roles=["certification-body"], name="Acme", keys=[other]
    )
    stage.association.lists.set_state(
        stage.body.identity, "withdrawn", reason="has another name", list_name="bodies"
    )
    with pytest.raises(Tampered) as caught:
        stage.take(stage.issue(), first=True)
    assert caught.value.code in ("list.claimed-twice", "list.two-names")


def test_a_number_is_used_once_and_stands_in_the_log(stage):
    first = stage.issue()
    assert stage.issue() == first, "nothing changed: the same issue"
    second = stage.issue(again=True)
    assert second.endswith("issue-2")
    row = stage.association.store.reader().latest(5, issuer=stage.association.identity)
    numbers = [r.statement.payload.claims["sequence"] for r in row if is_issue(r)]
    assert numbers == [2, 1]


def is_issue(row):
    return getattr(row.statement.payload, "type", "") == "list-issue"


def test_the_next_issue_may_be_due_at_an_instant(stage):
    publishing = Publishing(stage.association, stage.association.lists)
    due = stage.clock() + 3 * 86_400 + 17
    _, told = publishing.publish("bodies", until=due)
    assert told["next_update"] == iso(due)
    _, again = publishing.publish("bodies", until=due)
    assert again["unchanged"]
    for wrong in (stage.clock(), stage.clock() + 400 * 86_400):
        with pytest.raises(Malformed) as caught:
            publishing.publish("bodies", until=wrong)
        assert caught.value.code == "list.days"


def test_a_list_of_lists_says_who_signs_another_and_its_own_signer_is_pinned(stage):
    """A pointer is followed by an explicit command, and only as the pinned signer said it."""
    publishing = Publishing(stage.association, stage.association.lists)
    certificate = publishing.certificate_pem("")
    other, _ = publishing.publish("bodies", address="https://other.example/list")
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "pointing")
    (der,) = read_certificates(certificate)
    words = json.loads(parse_jws(other).payload)
    words["LoTE"]["ListAndSchemeInformation"] |= {
        "SchemeExtensions": [{"list": "https://lotl.example/list"}],
        "PointersToOtherLoTE": [
            {
                "LoTELocation": "https://other.example/list",
                "ServiceDigitalIdentities": [
                    {"X509Certificates": [{"val": base64.b64encode(der).decode()}]}
                ],
            }
        ],
    }
    words["LoTE"].pop("TrustedEntitiesList")
    pointing = sign_jws(unit, handle, json.dumps(words).encode(), {"typ": "JOSE"})
    pinned = Signer.of((unit.public(handle),), ())
    now = stage.clock()

    def asked(location, signer=pinned):
        return named_signer(pointing, "https://lotl.example/list", signer, location, now=now)

    assert asked("https://other.example/list") == (der,)
    with pytest.raises(Absent) as caught:
        asked("https://evil.example/list")
    assert caught.value.code == "list.no-pointer"
    stranger = Signer.of((unit.public(unit.generate(Algorithm.ES256, "x")),), ())
    with pytest.raises(Tampered):
        asked("https://other.example/list", stranger)
    told = stage.foreign.take(
        "https://other.example/list", lambda _: other, name="pointed",
        signer=Signer.of((), asked("https://other.example/list")), preview=True,
    )  # fmt: skip
    assert told["pointers"] == []


def test_the_reason_of_their_suspension_comes_along(stage):
    stage.take(stage.issue(), first=True)
    stage.later()
    stage.association.lists.set_state(
        stage.body.identity, "suspended", reason="the audit found a hole", list_name="bodies"
    )
    stage.take(stage.issue(again=True))
    entry = entries(stage)[stage.body.identity]
    assert entry.state is Standing.SUSPENDED
    assert entry.reason.endswith(": the audit found a hole")


def test_an_entry_past_its_end_is_shown_as_ended_and_none_begins_so(stage):
    lists, who = stage.association.lists, "did:web:late.example"
    with pytest.raises(Malformed) as caught:
        lists.add(
            who,
            roles=["maker"],
            scope=["pkg:generic/late"],
            until=stage.clock(),
            list_name="bodies",
        )
    assert caught.value.code == "list.until-past"
    lists.add(
        who,
        roles=["maker"],
        scope=["pkg:generic/late"],
        until=stage.clock() + 60,
        list_name="bodies",
    )
    before = lists.show("bodies")["members"]
    stage.later()
    shown = lists.show("bodies")
    (entry,) = [e for e in shown["entries"] if e["member"] == who]
    assert (entry["state"], entry["in_force"]) == ("granted", False)
    assert shown["members"] == before - 1


def test_a_list_that_is_kept_elsewhere_says_so_instead_of_looking_empty(stage):
    operator = stage.association.identity
    stage.buyer.lists.accept(f"{operator}/lists/bodies", operator, "theirs")
    assert stage.buyer.lists.show("theirs")["kept_elsewhere"]
    assert not stage.association.lists.show("bodies")["kept_elsewhere"]
