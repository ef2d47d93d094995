# SPDX-License-Identifier: Apache-2.0
"""Credentials in: the importer's word, the inner signature judged, nothing that never ends."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Links, decode_payload
from kizuna.proof.documents import SignatureResult, read
from kizuna.roots.identity import did_jwk, did_key
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit

PUMP = "pkg:generic/fuji/pump@4.2"
CONTEXT = ["https://www.w3.org/ns/credentials/v2"]


def new_signer():
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "vc")
    return unit, handle, unit.public(handle)


@pytest.fixture(scope="module")
def signer():
    return new_signer()


def credential(issuer, **more):
    return {
        "@context": CONTEXT,
        "type": ["VerifiableCredential", "SecurityLabel"],
        "issuer": issuer,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2028-01-01T00:00:00Z",
        "credentialSubject": {"id": PUMP, "star": 1, "nested": {"deep": True}},
        **more,
    }


def token(signer, body, **header):
    unit, handle, _ = signer
    return sign_jws(unit, handle, json.dumps(body).encode(), {"typ": "vc+jwt", **header})


def claims(imported):
    own = [d for d in imported.statements if d.media_type.startswith("application/vnd.kizuna")]
    return [(d, decode_payload(d.kind, d.payload)) for d in own]


@pytest.mark.parametrize("name", [did_key, did_jwk])
def test_a_token_is_the_importers_word_and_its_signature_is_judged(signer, name):
    issuer = name(signer[2])
    data = token(signer, credential(issuer), iss=issuer)
    imported = read(data, "label.jwt")
    assert imported.format == "W3C VC"
    ((draft, claim),) = claims(imported)
    assert draft.kind is Kind.EVIDENCE
    assert isinstance(claim, Claim)
    assert claim.imported
    assert claim.type == "security-label"
    assert claim.claims["star"] == 1
    assert claim.claims["nested.deep"] is True
    assert claim.claims["issuer"] == issuer
    assert claim.valid_until.year == 2028
    (signature,) = imported.inner_signatures
    assert signature.result is SignatureResult.VALID
    assert signature.signer == issuer
    assert imported.statements[-1].payload == data


def test_a_token_that_was_changed_is_wrong(signer):
    issuer = did_key(signer[2])
    head, _, tail = token(signer, credential(issuer)).split(b".")
    other = token(signer, credential(issuer, name="other")).split(b".")[1]
    (signature,) = read(b".".join((head, other, tail)), "x").inner_signatures
    assert signature.result is SignatureResult.WRONG


def test_somebody_elses_key_is_never_valid(signer):
    stranger = new_signer()
    issuer = did_key(signer[2])
    (signature,) = read(token(stranger, credential(issuer)), "x").inner_signatures
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "no-key")
    (signature,) = read(
        token(signer, credential(issuer), iss="did:web:other.example"), "x"
    ).inner_signatures
    assert (signature.result, signature.reason) == (SignatureResult.WRONG, "other-signer")


def test_a_did_web_issuer_is_judged_by_the_key_that_was_handed_in(signer):
    issuer = "did:web:issuer.example"
    data = token(signer, credential(issuer))
    (signature,) = read(data, "x").inner_signatures
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "no-key")
    (signature,) = read(data, "x", keys={issuer: signer[2]}).inner_signatures
    assert signature.result is SignatureResult.VALID


def test_a_key_handed_in_for_somebody_else_verifies_no_token_of_this_issuer(signer):
    issuer, stranger = "did:web:issuer.example", new_signer()
    data = token(stranger, credential(issuer))
    named = stranger[2].thumbprint.hex()  # what the token calls its key
    (signature,) = read(data, "x", keys={named: stranger[2]}).inner_signatures
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "no-key")
    both = {named: stranger[2], issuer: signer[2]}
    (signature,) = read(data, "x", keys=both).inner_signatures
    assert (signature.result, signature.reason) == (SignatureResult.UNVERIFIED, "no-key")


def test_of_several_keys_of_an_issuer_the_one_that_is_named_counts(signer):
    issuer, second = "did:web:issuer.example", new_signer()
    keys = {issuer: signer[2]}
    keys |= {f"{issuer}#{one[2].thumbprint.hex()}": one[2] for one in (signer, second)}
    for one in (signer, second):
        (signature,) = read(token(one, credential(issuer)), "x", keys=keys).inner_signatures
        assert signature.result is SignatureResult.VALID
        assert signature.thumbprint == one[2].thumbprint.hex()


def test_a_data_integrity_proof_without_a_suite_is_kept_and_not_judged():
    body = credential("did:web:issuer.example", proof={"type": "DataIntegrityProof"})
    (signature,) = read(json.dumps(body).encode(), "x.json").inner_signatures
    assert (signature.form, signature.result) == ("data-integrity", SignatureResult.UNVERIFIED)


def test_an_enveloped_credential_is_opened(signer):
    inner = token(signer, credential(did_key(signer[2]))).decode()
    outer = {
        "@context": CONTEXT,
        "type": "EnvelopedVerifiableCredential",
        "id": f"data:application/vc+jwt,{inner}",
    }
    imported = read(json.dumps(outer).encode(), "x.json")
    assert imported.inner_signatures[0].result is SignatureResult.VALID


def test_an_end_that_cannot_be_read_makes_no_claim():
    body = credential("did:web:issuer.example", validUntil="some day")
    imported = read(json.dumps(body).encode(), "x.json")
    assert claims(imported) == []
    assert [r.code for r in imported.remarks] == ["date-unreadable"]


@pytest.mark.parametrize("end", [1_830_297_600, "soon", 1e300, True])
def test_an_end_that_stands_in_the_token_alone_holds(signer, end):
    """Credentials of 1.1 may say there, and nowhere else, until when they are valid."""
    issuer = did_key(signer[2])
    body = {k: v for k, v in credential(issuer).items() if k not in ("validFrom", "validUntil")}
    body["@context"] = ["https://www.w3.org/2018/credentials/v1"]
    imported = read(token(signer, {"iss": issuer, "exp": end, "vc": body}, typ="JWT"), "x.jwt")
    if end == 1_830_297_600:
        ((_, claim),) = claims(imported)
        assert claim.valid_until.timestamp() == end
    else:
        assert claims(imported) == []


def test_of_two_ends_the_earlier_counts(signer):
    body = credential(did_key(signer[2]))
    ((_, claim),) = claims(read(token(signer, {**body, "exp": 1_800_000_000}), "x.jwt"))
    assert claim.valid_until.timestamp() == 1_800_000_000
    ((_, claim),) = claims(read(token(signer, {**body, "exp": 1_900_000_000}), "x.jwt"))
    assert claim.valid_until.year == 2028


def test_of_several_references_that_of_revocation_is_kept():
    one = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "suspension",
        "statusListIndex": "5",
        "statusListCredential": "https://issuer.example/status/1",
    }
    other = {**one, "statusPurpose": "revocation", "statusListIndex": "7"}
    body = credential("did:web:issuer.example", credentialStatus=[one, other])
    imported = read(json.dumps(body).encode(), "x.json")
    ((_, claim),) = claims(imported)
    assert (claim.claims["status_purpose"], claim.claims["status_index"]) == ("revocation", 7)
    assert [r.code for r in imported.remarks] == ["status-several"]


def test_a_status_reference_is_kept():
    status = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": "https://issuer.example/status/3",
    }
    body = credential("did:web:issuer.example", credentialStatus=status)
    ((_, claim),) = claims(read(json.dumps(body).encode(), "x.json"))
    assert claim.claims["status_list"] == "https://issuer.example/status/3"
    assert claim.claims["status_index"] == 94567


CONFORMITY = {
    "type": ["ConformityAttestation"],
    "id": "https://cab.example/attestation/1",
    "assessorLevel": "3rdParty",
    "attestationType": "certification",
    "issuedToParty": {"id": "did:web:fuji.example", "name": "Fuji"},
    "assessment": [
        {
            "referenceStandard": {"name": "IEC 62443-4-2", "id": "https://iec.example"},
            "compliance": True,
            "assessmentDate": "2026-05-01",
            "assessedProduct": [{"product": {"id": PUMP}}],
        }
    ],
}


def test_a_conformity_credential_states_a_level_and_has_none():
    body = credential(
        "did:web:cab.example",
        type=["DigitalConformityCredential", "VerifiableCredential"],
        credentialSubject=CONFORMITY,
    )
    ((draft, claim),) = claims(read(json.dumps(body).encode(), "dcc.json"))
    assert draft.kind is Kind.CERTIFICATE
    assert draft.subject == PUMP
    assert claim.type == "iec-62443-4-2"
    assert claim.claims["level_stated"] == "third-party"
    assert claim.level.value == "self-declared"
    assert claim.claims["conformance"] is True


@pytest.mark.parametrize("word", [False, "False", "no"])
def test_what_was_found_wanting_is_no_claim_of_the_standard(word):
    wanting = {**CONFORMITY, "assessment": [{**CONFORMITY["assessment"][0], "compliance": word}]}
    body = credential(
        "did:web:cab.example",
        type=["DigitalConformityCredential", "VerifiableCredential"],
        credentialSubject=wanting,
    )
    ((_, claim),) = claims(read(json.dumps(body).encode(), "dcc.json"))
    assert claim.type == "non-conformity"
    assert claim.claims["standard"] == "IEC 62443-4-2"


def test_a_passport_ties_its_product_to_its_maker():
    subject = {
        "product": {"id": PUMP, "name": "Pump", "producedByParty": {"id": "did:web:fuji.example"}},
        "conformityClaim": [{"referenceStandard": {"name": "EN 1"}, "conformance": True}],
    }
    body = credential(
        "did:web:fuji.example",
        type=["DigitalProductPassport", "VerifiableCredential"],
        credentialSubject=subject,
    )
    made = claims(read(json.dumps(body).encode(), "dpp.json"))
    assert [d.kind for d, _ in made] == [Kind.EVIDENCE, Kind.LINK, Kind.EVIDENCE]
    links = made[1][1]
    assert isinstance(links, Links)
    assert links.imported
    assert links.links[0].object == "did:web:fuji.example"


def test_an_identity_anchor_is_evidence_about_its_holder():
    subject = {"id": "did:web:fuji.example", "registeredId": "90664869327", "name": "Fuji"}
    body = credential(
        "did:web:registry.example",
        type=["DigitalIdentityAnchor", "VerifiableCredential"],
        credentialSubject=subject,
    )
    ((draft, claim),) = claims(read(json.dumps(body).encode(), "dia.json"))
    assert draft.subject == "did:web:fuji.example"
    assert claim.claims["registeredId"] == "90664869327"


@pytest.mark.parametrize("issuer", [None, 5, "no identifier", {"name": "x"}])
def test_a_credential_without_issuer_is_refused(issuer):
    with pytest.raises(Malformed) as caught:
        read(json.dumps(credential(issuer)).encode(), "x.json")
    assert caught.value.code == "document.credential"


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(PUMP),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "type",
                    "name",
                    "product",
                    "assessment",
                    "assessedProduct",
                    "referenceStandard",
                    "producedByParty",
                    "conformityClaim",
                    "conformityEvidence",
                    "statusListIndex",
                    "statusListCredential",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(
    _ANY,
    _ANY,
    st.sampled_from(
        ["DigitalConformityCredential", "DigitalProductPassport", "DigitalIdentityAnchor", "X"]
    ),
)
@trials(max_examples=300, deadline=None)
def test_any_shape_is_read_or_refused(subject, status, name):
    body = credential(
        "did:web:x.example",
        type=[name, "VerifiableCredential"],
        credentialSubject=subject,
        credentialStatus=status,
        proof=status,
    )
    try:
        imported = read(json.dumps(body).encode(), "x.json")
    except Problem as problem:
        assert problem.code
    else:
        for draft, payload in claims(imported):
            assert payload.imported, draft
