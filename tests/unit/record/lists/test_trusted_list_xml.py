# SPDX-License-Identifier: Apache-2.0
"""Trusted lists in XML: what the verifier's certificate signed, and nothing beside it."""

import base64
import importlib.util
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.payload import Standing
from kizuna.record.lists.etsi612 import read_trusted_list
from kizuna.roots.certified import certificate_key
from kizuna.roots.identity import did_key, genesis_keys

_spec = importlib.util.spec_from_file_location("making", Path(__file__).with_name("making.py"))
making = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(making)
NOW, DAY = making.NOW, making.DAY


@pytest.fixture(scope="module")
def ministry():
    return making.a_signer()


@pytest.fixture(scope="module")
def body():
    return making.a_signer("Trust AG")


@pytest.fixture(scope="module")
def signed(ministry, body):
    history = [(making.WITHDRAWN, NOW - 60 * DAY), (making.GRANTED, NOW - 90 * DAY)]
    service = making.a_service(body, history=history)
    return making.signed_xml(making.a_trusted_list([service]), ministry)


def read(data, *signers, now=NOW):
    return read_trusted_list(data, certificates=tuple(s.der for s in signers), now=now)


def test_a_signed_list_says_who_is_on_it_since_when_and_as_what(signed, ministry, body):
    found = read(signed, ministry)
    assert (found.sequence, found.operator, found.title) == (7, "Ministry", "XX: list")
    assert found.id == "https://tl.example/tl.xml"
    (entry,) = found.entries
    key = certificate_key(body.der)
    assert entry.member == did_key(key)
    assert genesis_keys(entry.member) == entry.keys == (key,)
    assert entry.types == (making.QC, making.FORM)
    assert entry.state is Standing.GRANTED
    assert not found.stale(NOW)
    assert found.stale(NOW + 30 * DAY)


def test_the_history_tells_what_was_valid_on_a_day(signed, ministry):
    (entry,) = read(signed, ministry).entries
    states = [entry.at(NOW - days * DAY) for days in (100, 80, 55, 10)]
    assert states == [None, Standing.GRANTED, Standing.WITHDRAWN, Standing.GRANTED]


def test_an_rsa_body_gets_a_name_from_its_key(ministry):
    service = making.a_service(making.a_signer(curve=False))
    found = read(making.signed_xml(making.a_trusted_list([service]), ministry), ministry)
    assert found.entries[0].member.startswith("did:jwk:")


def test_another_signer_is_refused(signed):
    with pytest.raises(Tampered, match="not signed by the key") as problem:
        read(signed, making.a_signer())
    assert problem.value.code == "list.signature-wrong"


def test_no_certificate_is_no_trust(signed):
    with pytest.raises(Tampered):
        read(signed)


def test_a_signer_whose_certificate_ended_is_refused(body):
    old = making.a_signer(ends=NOW - DAY)
    data = making.signed_xml(making.a_trusted_list([making.a_service(body)]), old)
    with pytest.raises(Tampered):
        read(data, old)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Trust AG", b"Tryst AG"),
        (b">7<", b">8<"),
        (b"Svcstatus/granted", b"Svcstatus/accredited"),
    ],
)
def test_one_changed_word_breaks_the_signature(signed, ministry, old, new):
    with pytest.raises(Tampered):
        read(signed.replace(old, new, 1), ministry)


def test_an_entry_put_beside_the_signed_part_has_no_effect(signed, ministry):
    more = signed.replace(b"</TrustServiceProviderList>", b"<x/></TrustServiceProviderList>", 1)
    with pytest.raises(Tampered):
        read(more, ministry)


def test_a_signed_list_inside_a_forged_one_says_only_what_was_signed(signed, ministry):
    """Signature wrapping: the honest list goes into an object, a forged one around it."""
    start = signed.index(b"<ds:Signature")
    end = signed.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    signature = signed[start:end]
    honest = signed[:start] + signed[end:]
    forged = honest.replace(b"Trust AG", b"Mallory").replace(b' Id="list"', b"")
    inside = signature.replace(
        b"</ds:Signature>", b"<ds:Object>" + honest + b"</ds:Object></ds:Signature>"
    )
    close = b"</TrustServiceStatusList>"
    wrapped = forged.replace(close, inside + close)
    try:
        names = {entry.name for entry in read(wrapped, ministry).entries}
    except Problem:
        return
    assert names == {"Trust AG"}


def test_a_list_without_signature_is_refused(ministry, body):
    with pytest.raises(Tampered):
        read(making.a_trusted_list([making.a_service(body)]).encode(), ministry)


def test_a_document_type_is_refused(signed, ministry):
    bomb = b'<!DOCTYPE a [<!ENTITY x "xx">]>' + signed
    with pytest.raises(Malformed, match="document type"):
        read(bomb, ministry)


def test_a_list_past_its_next_update_is_not_taken_in(ministry, body):
    text = making.a_trusted_list([making.a_service(body)], due=NOW - 1)
    found = read(making.signed_xml(text, ministry), ministry)
    with pytest.raises(Refused) as problem:
        found.check_current(NOW)
    assert problem.value.code == "list.expired"


def test_a_closed_list_is_out_of_date(ministry, body):
    text = making.a_trusted_list([making.a_service(body)], due=None)
    assert read(making.signed_xml(text, ministry), ministry).stale(NOW)


def test_a_state_nobody_knows_grants_nothing(ministry, body):
    service = making.a_service(body, status="http://uri.example/wonderful")
    found = read(making.signed_xml(making.a_trusted_list([service]), ministry), ministry)
    assert found.entries[0].state is Standing.WITHDRAWN


def test_a_critical_extension_nobody_knows_grants_nothing(ministry, body):
    extension = '<Extension Critical="true"><only xmlns="urn:x">on Mondays</only></Extension>'
    service = making.a_service(body, extension=extension)
    found = read(making.signed_xml(making.a_trusted_list([service]), ministry), ministry)
    assert found.entries[0].state is Standing.WITHDRAWN


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damage_is_told_and_never_believed(signed, ministry, data):
    at = data.draw(st.integers(0, len(signed) - 1))
    byte = data.draw(st.integers(0, 255))
    damaged = signed[:at] + bytes([byte]) + signed[at + 1 :]
    try:
        found = read(damaged, ministry)
    except Problem:
        return
    assert found.entries == read(signed, ministry).entries


def test_pointers_to_other_lists_are_shown(ministry, body):
    other = making.a_signer("Other Ministry")
    text = base64.b64encode(other.der).decode()
    pointer = f"""<PointersToOtherTSL><OtherTSLPointer><ServiceDigitalIdentities>
      <ServiceDigitalIdentity><DigitalId><X509Certificate>{text}</X509Certificate></DigitalId>
      </ServiceDigitalIdentity></ServiceDigitalIdentities>
      <TSLLocation>https://other.example/tl.xml</TSLLocation>
      <AdditionalInformation><OtherInformation><SchemeTerritory>YY</SchemeTerritory>
      </OtherInformation></AdditionalInformation></OtherTSLPointer></PointersToOtherTSL>"""
    made = making.a_trusted_list([making.a_service(body)])
    made = made.replace("<ListIssueDateTime>", pointer + "<ListIssueDateTime>")
    (found,) = read(making.signed_xml(made, ministry), ministry).pointers
    assert (found.location, found.note) == ("https://other.example/tl.xml", "YY")
    assert found.certificates == (other.der,)
