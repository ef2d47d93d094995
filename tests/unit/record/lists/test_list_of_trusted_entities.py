# SPDX-License-Identifier: Apache-2.0
"""Lists of trusted entities (ETSI TS 119 602): what is written is read again, forgery is not."""

import base64
import json
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Standing
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.record.lists import ListState, Role, grant, list_id_of, service_for, suspend, withdraw
from kizuna.record.lists.etsi602 import GRANTED, WITHDRAWN, read_lote
from kizuna.record.lists.etsi602_written import Scheme, write_lote
from kizuna.roots import base64url
from kizuna.roots.certified import operator_certificate
from kizuna.roots.identity import did_key
from kizuna.roots.jws import parse_jws, sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW, DAY = 1_790_000_000, 86_400
OPERATOR, AKI, BEN = (SubjectId(f"did:web:{n}.example") for n in ("op", "aki", "ben"))
LIST = list_id_of(OPERATOR, "makers")
MAKER = service_for(Role.MAKER, scope=["pkg:generic/aki"])
BODY = service_for(Role.CERTIFICATION_BODY)


@pytest.fixture(scope="module")
def unit():
    return EphemeralUnit()


@pytest.fixture(scope="module")
def handle(unit):
    return unit.generate(Algorithm.ES256, "operator")


@pytest.fixture(scope="module")
def other(unit):
    return unit.generate(Algorithm.ES256, "another")


def registered(*entries):
    """Entries (member, membership, days ago), in their order."""
    rows = []
    for index, (member, payload, days) in enumerate(entries):
        digest = Digest(sha256(bytes([index])).digest())
        at = NOW - days * DAY
        said = Statement(
            digest=digest,
            content=digest,
            issuer=OPERATOR,
            subject=member,
            kind=Kind.MEMBERSHIP,
            media_type=media_type_of(Kind.MEMBERSHIP),
            key_id=b"k",
            payload=payload,
        )
        rows.append(
            Registered(statement=said, origin="o", index=index, registered=Interval(at, at))
        )
    return ListState.of(LIST, OPERATOR, rows)


def scheme(**changes):
    words = {
        "list_id": LIST,
        "operator": "Association",
        "title": "Makers",
        "sequence": 3,
        "issued": NOW,
        "next_update": NOW + 7 * DAY,
        "territory": "JP",
        "locations": ("https://op.example/makers",),
    }
    return Scheme(**{**words, **changes})


@pytest.fixture(scope="module")
def state():
    aki, ben = grant(LIST, [MAKER, BODY], name="Aki"), grant(LIST, [MAKER], name="Ben")
    return registered(
        (AKI, aki, 50),
        (BEN, ben, 40),
        (BEN, suspend(ben, "audit overdue"), 30),
        (BEN, ben, 20),
        (BEN, withdraw(ben, "left"), 10),
    )


@pytest.fixture(scope="module")
def written(unit, handle, other, state):
    keys = {AKI: [unit.public(other)]}
    return write_lote(unit, handle, state, scheme(), keys=keys)


def changed(written, unit, handle, change, **header):
    """The list with other words, signed by its operator after all."""
    words = json.loads(parse_jws(written).payload)
    change(words["LoTE"])
    return sign_jws(unit, handle, json.dumps(words).encode(), {"typ": "JOSE", **header})


def test_what_was_written_is_read_again(unit, handle, other, written):
    found = read_lote(written, keys=[unit.public(handle)], now=NOW)
    assert (found.id, found.sequence, found.operator) == (LIST, 3, "Association")
    assert (found.issued, found.next_update) == (NOW, NOW + 7 * DAY)
    assert found.document == sha256(written).digest()
    aki = [e for e in found.entries if e.member == AKI]
    assert {t for e in aki for t in e.types} == {f"{LIST}#maker", f"{LIST}#certification-body"}
    assert all(e.state is Standing.GRANTED and e.since == NOW - 50 * DAY for e in aki)
    assert aki[0].keys == (unit.public(other),)


def test_the_history_of_an_entry_goes_along(unit, handle, written):
    found = read_lote(written, keys=[unit.public(handle)], now=NOW)
    (ben,) = (e for e in found.entries if e.member == BEN)
    said = [ben.at(NOW - days * DAY) for days in (45, 35, 25, 15, 5)]
    # the standard has no word for a suspension: it stands in an extension, also in the history
    assert said == [
        None,
        Standing.GRANTED,
        Standing.SUSPENDED,
        Standing.GRANTED,
        Standing.WITHDRAWN,
    ]


def test_a_suspended_entry_reads_withdrawn_to_those_who_know_no_more(unit, handle):
    ben = grant(LIST, [MAKER], name="Ben")
    state = registered((BEN, ben, 9), (BEN, suspend(ben, "audit"), 3))
    written = write_lote(unit, handle, state, scheme(), keys={})
    words = json.loads(parse_jws(written).payload)["LoTE"]
    info = words["TrustedEntitiesList"][0]["TrustedEntityServices"][0]["ServiceInformation"]
    assert info["ServiceStatus"] == WITHDRAWN
    found = read_lote(written, keys=[unit.public(handle)], now=NOW)
    assert found.entries[0].state is Standing.SUSPENDED


def test_an_entry_that_ended_is_published_as_ended(unit, handle):
    ended = grant(LIST, [MAKER], valid_until=datetime.fromtimestamp(NOW - DAY, UTC))
    written = write_lote(unit, handle, registered((AKI, ended, 9)), scheme(), keys={})
    words = json.loads(parse_jws(written).payload)["LoTE"]
    service = words["TrustedEntitiesList"][0]["TrustedEntityServices"][0]
    assert service["ServiceInformation"]["ServiceStatus"] == WITHDRAWN != GRANTED


def test_a_list_with_nobody_on_it_can_be_published(unit, handle):
    written = write_lote(unit, handle, registered(), scheme(), keys={})
    assert read_lote(written, keys=[unit.public(handle)], now=NOW).entries == ()


def test_a_certificate_of_the_operator_serves_in_place_of_its_key(unit, handle, state):
    der = operator_certificate(unit, handle, "Association", "JP", begins=NOW - DAY)
    written = write_lote(unit, handle, state, scheme(), keys={}, certificate=der)
    assert read_lote(written, certificates=[der], now=NOW).sequence == 3
    header = parse_jws(written).header
    assert header["x5t#S256"] == base64url.encode(sha256(der).digest())
    assert (header["alg"], header["typ"], header["iat"]) == ("ES256", "JOSE", NOW)
    with pytest.raises(Tampered):
        read_lote(written, certificates=[der], now=NOW + 1_200 * DAY)


def test_a_certificate_that_came_along_is_not_believed(unit, handle, other, state):
    der = operator_certificate(unit, other, "Association", "JP", begins=NOW - DAY)
    written = write_lote(unit, other, state, scheme(), keys={}, certificate=der)
    mine = operator_certificate(unit, handle, "Association", "JP", begins=NOW - DAY)
    with pytest.raises(Tampered) as problem:
        read_lote(written, certificates=[mine], keys=[unit.public(handle)], now=NOW)
    assert problem.value.code == "list.signature-wrong"


def test_without_key_or_certificate_nothing_is_read(written):
    with pytest.raises(Tampered):
        read_lote(written, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w["ListAndSchemeInformation"].update(LoTESequenceNumber=True),
        lambda w: w["ListAndSchemeInformation"].update(LoTESequenceNumber=0),
        lambda w: w["ListAndSchemeInformation"].update(LoTEVersionIdentifier=2),
        lambda w: w["ListAndSchemeInformation"].pop("ListIssueDateTime"),
        lambda w: w["ListAndSchemeInformation"].update(NextUpdate="soon"),
        lambda w: w["ListAndSchemeInformation"].update(SchemeOperatorName=[]),
        lambda w: w["ListAndSchemeInformation"].update(
            SchemeExtensions=[{"critical": True, "x": 1}]
        ),
        lambda w: w["TrustedEntitiesList"].append("nobody"),
        lambda w: w["TrustedEntitiesList"][0].pop("TrustedEntityServices"),
        lambda w: w.update(TrustedEntitiesList={}),
    ],
)
def test_a_list_that_is_none_is_refused_though_signed(written, unit, handle, change):
    with pytest.raises(Malformed):
        read_lote(changed(written, unit, handle, change), keys=[unit.public(handle)], now=NOW)


def test_a_private_key_in_a_list_is_told(written, unit, handle):
    def leak(words):
        service = words["TrustedEntitiesList"][0]["TrustedEntityServices"][0]
        service["ServiceInformation"]["ServiceDigitalIdentity"]["PublicKeyValues"][0]["d"] = "AA"

    with pytest.raises(Malformed) as problem:
        read_lote(changed(written, unit, handle, leak), keys=[unit.public(handle)], now=NOW)
    assert problem.value.code == "key.private"


def test_two_who_claim_one_name_are_refused(unit, handle, other, state):
    third = unit.generate(Algorithm.ES256, "third")
    keys = {AKI: [unit.public(other)], BEN: [unit.public(third)]}
    written = write_lote(unit, handle, state, scheme(), keys=keys)

    def claim(words):
        for entity in words["TrustedEntitiesList"]:
            for service in entity["TrustedEntityServices"]:
                service["ServiceInformation"]["ServiceDigitalIdentity"]["OtherIds"] = [AKI]

    with pytest.raises(Tampered) as problem:
        read_lote(changed(written, unit, handle, claim), keys=[unit.public(handle)], now=NOW)
    assert problem.value.code == "list.claimed-twice"


def test_one_key_under_two_names_is_refused(unit, handle, other, state):
    keys = {AKI: [unit.public(other)], BEN: [unit.public(other)]}
    written = write_lote(unit, handle, state, scheme(), keys=keys)
    with pytest.raises(Tampered) as problem:
        read_lote(written, keys=[unit.public(handle)], now=NOW)
    assert problem.value.code == "list.two-names"


def test_an_entry_with_a_key_and_no_name_gets_the_keys_own(written, unit, handle, other):
    def nameless(words):
        for entity in words["TrustedEntitiesList"]:
            for service in entity["TrustedEntityServices"]:
                del service["ServiceInformation"]["ServiceDigitalIdentity"]["OtherIds"]

    data = changed(written, unit, handle, nameless)
    found = read_lote(data, keys=[unit.public(handle)], now=NOW)
    assert {e.member for e in found.entries} == {did_key(unit.public(other))}
    assert found.passed_over == ("Ben",)  # it has neither name nor key: shown, without effect


def test_signed_time_may_be_critical_and_others_may_not(written, unit, handle):
    def same(words):
        return words

    key = [unit.public(handle)]
    good = changed(written, unit, handle, same, sigT="2026-01-01T00:00:00Z", crit=["sigT"])
    assert read_lote(good, keys=key, now=NOW).sequence == 3
    with pytest.raises(Malformed):
        read_lote(changed(written, unit, handle, same, x=1, crit=["x"]), keys=key, now=NOW)
    with pytest.raises(Malformed):
        read_lote(changed(written, unit, handle, same, crit=["sigT"]), keys=key, now=NOW)


def test_an_older_issue_is_refused_and_a_second_of_one_number_is_a_fork(unit, handle, written):
    found = read_lote(written, keys=[unit.public(handle)], now=NOW)
    assert found.check_newer(2, b"earlier")
    assert not found.check_newer(3, found.document)
    with pytest.raises(Tampered) as problem:
        found.check_newer(4, b"later")
    assert problem.value.code == "list.rolled-back"
    with pytest.raises(Tampered) as problem:
        found.check_newer(3, b"another")
    assert problem.value.code == "list.forked"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_told_and_never_believed(unit, handle, written, data):
    at = data.draw(st.integers(0, len(written) - 1))
    byte = data.draw(st.integers(0, 255))
    damaged = written[:at] + bytes([byte]) + written[at + 1 :]
    try:
        found = read_lote(damaged, keys=[unit.public(handle)], now=NOW)
    except Problem:
        return
    assert found.entries == read_lote(written, keys=[unit.public(handle)], now=NOW).entries


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    st.sampled_from(
        [
            ("ListAndSchemeInformation",),
            ("TrustedEntitiesList",),
            ("TrustedEntitiesList", 0),
            ("TrustedEntitiesList", 0, "TrustedEntityInformation"),
            ("TrustedEntitiesList", 0, "TrustedEntityServices", 0),
            ("TrustedEntitiesList", 0, "TrustedEntityServices", 0, "ServiceInformation"),
            ("TrustedEntitiesList", 1, "TrustedEntityServices", 0, "ServiceHistory"),
        ]
    ),
)
def test_any_value_in_any_place_is_read_or_told(unit, handle, written, value, place):
    def put(words):
        *way, last = place
        for step in way:
            words = words[step]
        words[last] = value

    try:
        read_lote(changed(written, unit, handle, put), keys=[unit.public(handle)], now=NOW)
    except Problem:
        return


def pointing(written, unit, handle, *pointers):
    def change(lote):
        lote["ListAndSchemeInformation"]["PointersToOtherLoTE"] = list(pointers)

    return changed(written, unit, handle, change)


def test_pointers_to_other_lists_are_shown_and_give_nothing(written, unit, handle):
    certificate = operator_certificate(unit, handle, "Other", "JP", begins=NOW, days=9)
    text = base64.b64encode(certificate).decode()
    data = pointing(
        written, unit, handle,
        {
            "LoTELocation": "https://other.example/list",
            "ServiceDigitalIdentities": [{"X509Certificates": [{"val": text}]}],
            "LoTEQualifiers": [{"SchemeTerritory": "JP"}],
        },
        {"LoTELocation": "http://169.254.169.254/latest", "ServiceDigitalIdentities": []},
    )  # fmt: skip
    found = read_lote(data, keys=[unit.public(handle)], now=NOW)
    first, second = found.pointers
    assert (first.location, first.note) == ("https://other.example/list", "JP")
    assert first.certificates == (certificate,)
    assert second.certificates == ()
    assert found.entries == read_lote(written, keys=[unit.public(handle)], now=NOW).entries


@pytest.mark.parametrize(
    "pointers", [[{}], [{"LoTELocation": ""}], [7], [{"LoTELocation": "x" * 3000}]]
)
def test_pointers_that_are_none_are_refused(written, unit, handle, pointers):
    with pytest.raises(Malformed):
        read_lote(pointing(written, unit, handle, *pointers), keys=[unit.public(handle)], now=NOW)
