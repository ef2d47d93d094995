# SPDX-License-Identifier: Apache-2.0
"""Restricted statements exist for their issuer, their audience and the operator, and for no one
else; who asks shows it by signing the request.
"""

import pytest

from kizuna.model.payload import Claim
from kizuna.roots.cose import parse_sign1

SUBJECT = "pkg:generic/fuji/secret@1"


@pytest.fixture
def told(served, party):
    """A restricted statement of a maker to a customer."""
    maker, customer = party(), party()
    signed = maker.sign(SUBJECT, Claim(type="price"), audience=(customer.identity,))
    answer = served.client.post(
        "/api/statements", content=signed, headers={"content-type": "application/cose"}
    )
    assert answer.status_code == 201, answer.text
    return maker, customer, parse_sign1(signed).digest.hex()


PATHS = (
    "/api/statements/{digest}",
    "/api/statements/{digest}/transparent",
    "/api/statements/{digest}/document",
    "/entries/{digest}",
    "/entry?statement={digest}",
    "/entry.json?statement={digest}",
)


def test_it_looks_absent_to_everybody_else(served, party, told):
    _, _, digest = told
    stranger = party()
    for path in [template.format(digest=digest) for template in PATHS]:
        unsigned = served.client.get(path)
        assert unsigned.status_code == 404, path
        never = served.client.get(path.replace(digest, "00" * 32))
        assert never.headers["content-type"] == unsigned.headers["content-type"]
    assert served.signed(stranger, f"/api/statements/{digest}").status_code == 404
    found = served.client.get("/api/entries", params={"subject": SUBJECT}).json()
    assert found["entries"] == []
    listed = served.client.get("/api/entries?limit=500").json()["entries"]
    assert digest not in [e["digest"] for e in listed]
    assert digest not in served.client.get("/log").text


def test_issuer_and_audience_read_it(served, told):
    maker, customer, digest = told
    for who in (maker, customer):
        assert served.signed(who, f"/api/statements/{digest}").status_code == 200
        assert served.signed(who, f"/entries/{digest}").status_code == 200
        found = served.signed(who, "/api/entries", subject=SUBJECT).json()
        assert [e["digest"] for e in found["entries"]] == [digest]


def test_a_signed_request_counts_once(served, told):
    maker, _, digest = told
    url = f"{served.url}/api/statements/{digest}"
    headers = maker.headers(url)
    assert served.client.get(url, headers=headers).status_code == 200
    again = served.client.get(url, headers=headers)
    assert again.status_code == 403
    assert again.json()["code"] == "identity.request-replayed"


def test_a_signature_of_another_request_is_refused_and_never_read_as_public(served, told):
    maker, _, digest = told
    url = f"{served.url}/api/statements/{digest}"
    headers = maker.headers(f"{served.url}/api/log")
    refused = served.client.get(url, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["code"] == "identity.request-signature"
    half = served.client.get("/api/entries", headers={"signature": "sig=:AAAA:"})
    assert half.status_code == 403
    assert half.json()["code"] == "identity.request-unsigned"


def test_an_old_signature_is_refused(served, clock, told):
    maker, _, digest = told
    clock.now += 3600
    refused = served.signed(maker, f"/api/statements/{digest}")
    assert refused.json()["code"] == "identity.request-expired"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/watches"), ("DELETE", "/api/watches?subject=pkg:a/b&profile=iot-device"),
     ("POST", "/api/import?name=bom.json")],
)  # fmt: skip
def test_what_only_the_operator_may_do_looks_absent(served, party, method, path):
    body = b'{"subject":"pkg:generic/a@1","profile":"iot-device"}' if method == "POST" else b""
    unsigned = served.client.request(
        method, path, content=body, headers={"content-type": "application/json"}
    )
    assert unsigned.status_code == 404
    url = served.url + path
    stranger = party()
    signed = served.client.request(
        method,
        url,
        content=body,
        headers={
            "content-type": "application/json",
            **stranger.headers(url, method=method, body=body),
        },
    )
    assert signed.status_code == 404
    assert signed.json()["code"] == "http.not-found"
