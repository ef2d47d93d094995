# SPDX-License-Identifier: Apache-2.0
"""Statements go in over HTTP: one by one, in batches, as SCITT clients do it; the log comes out."""

import base64
import hashlib

import cbor2
import pytest

from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.record.log.note import NoteKey
from kizuna.record.log.receipt import check_receipt, read_receipt
from kizuna.roots.cose import parse_sign1

SUBJECT = "pkg:generic/fuji/hc-200@3"


def post(served, body, media="application/cbor-seq", path="/api/statements", **headers):
    return served.client.post(path, content=body, headers={"content-type": media, **headers})


def test_a_batch_is_answered_statement_by_statement(served, party):
    maker = party()
    good = [maker.sign(f"pkg:generic/fuji/part-{i}@1") for i in range(5)]
    bad = good[2][:-1] + bytes([good[2][-1] ^ 1])
    answer = post(served, good[0] + good[1] + bad + good[3] + good[4] + good[0])
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["registered"], told["duplicates"], told["refused"]) == (4, 1, 1)
    assert [r.get("code") for r in told["results"]] == [
        None, None, "envelope.signature-wrong", None, None, None,
    ]  # fmt: skip
    assert told["results"][0]["digest"] == parse_sign1(good[0]).digest.hex()
    again = post(served, good[0] + good[1] + good[3] + good[4]).json()
    assert (again["registered"], again["duplicates"]) == (0, 4)
    assert [r["index"] for r in again["results"]] == [
        told["results"][i]["index"] for i in (0, 1, 3, 4)
    ]


def test_a_statement_by_itself_is_registered_or_refused_as_a_problem(served, party):
    signed = party().sign(SUBJECT)
    assert post(served, signed, "application/cose").status_code == 201
    assert post(served, signed, "application/cose").status_code == 200
    refused = post(served, signed[:-3], "application/cose")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"].startswith("envelope.")
    assert refused.json()["hint"]


def test_receipts_come_with_the_answer_and_hold(served, party):
    signed = party().sign(SUBJECT)
    answer = post(served, signed, path="/api/statements?receipts=true").json()
    receipt = base64.b64decode(answer["results"][0]["receipt"])
    entry = bytes.fromhex(answer["results"][0]["digest"])
    key = served.workspace.log.keys[-1]
    assert check_receipt(read_receipt(receipt), entry, key.public)


def test_answers_in_cbor_where_asked(served, party):
    answer = post(served, party().sign(SUBJECT), accept="application/cbor")
    assert cbor2.loads(answer.content)["registered"] == 1


def test_scrapi_registers_and_resolves(served, party):
    signed = party().sign(SUBJECT)
    answer = post(served, signed, "application/cose", "/entries")
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/cose"
    entry = parse_sign1(signed).digest
    assert answer.headers["location"] == f"/entries/{entry.hex()}"
    fetched = served.client.get(answer.headers["location"])
    assert fetched.status_code == 200
    receipt = read_receipt(fetched.content)
    keys = cbor2.loads(served.client.get("/.well-known/scitt-keys").content)
    (mine,) = [key for key in keys if key[2] == receipt.key_id]
    kid = base64.urlsafe_b64encode(mine[2]).decode().rstrip("=")
    one = served.client.get(f"/.well-known/scitt-keys/{kid}")
    assert cbor2.loads(one.content) == mine
    assert check_receipt(receipt, entry, served.workspace.log.keys[-1].public)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/entries/" + "00" * 32, 404, "statement.unknown"),
        ("/entries/nonsense", 404, "statement.unknown"),
        ("/entries/99999999", 404, "statement.unknown"),
        ("/.well-known/scitt-keys/AAAA", 404, "log.key-unknown"),
        ("/entries", 405, "http.method"),
    ],
)
def test_scrapi_problems_are_concise_problem_details(served, path, status, code):
    answer = served.client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/concise-problem-details+cbor"
    told = cbor2.loads(answer.content)
    assert told[-1]
    assert told[-2]
    assert told[-4] == status
    assert told["kizuna"]["code"] == code


def test_a_refused_entry_is_a_concise_problem(served, party):
    signed = bytearray(party().sign(SUBJECT))
    signed[-1] ^= 1
    answer = post(served, bytes(signed), "application/cose", "/entries")
    assert answer.status_code == 422
    assert cbor2.loads(answer.content)["kizuna"]["code"] == "envelope.signature-wrong"


def test_the_log_is_served_as_static_files(served, party):
    maker = party()
    post(served, b"".join(maker.sign(f"pkg:generic/fuji/p{i}@1") for i in range(7)))
    head = served.client.get("/api/log").json()
    checkpoint = served.client.get("/checkpoint")
    assert checkpoint.headers["content-type"].startswith("text/plain")
    origin, size, root, *_ = checkpoint.text.split("\n")
    assert (origin, int(size)) == (head["origin"], head["size"])
    assert base64.b64decode(root).hex() == head["root"]
    partial = served.client.get(f"/tile/entries/000.p/{size}")
    assert partial.status_code == 200
    assert len(partial.content) == 34 * int(size)
    hashes = served.client.get(f"/tile/0/000.p/{size}").content
    first = hashlib.sha256(b"\0" + partial.content[2:34]).digest()
    assert hashes[:32] == first
    cached = served.client.get(
        f"/tile/0/000.p/{size}", headers={"if-none-match": _etag(served, size)}
    )
    assert cached.status_code == 304
    assert "immutable" in cached.headers["cache-control"]


def _etag(served, size: str) -> str:
    return served.client.get(f"/tile/0/000.p/{size}").headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/999",
        "/tile/..%2f..%2fkizuna.json",
        "/tile/0/../../../kizuna.json",
        "/tile/entries/000.p/0",
        "/tile/entries/000.p/257",
        "/tile/state/published",
        "/tile/64/000",
    ],
)
def test_other_files_are_not_served(served, path):
    answer = served.client.get(path)
    assert answer.status_code in (400, 404)
    assert answer.headers["content-type"] == "application/problem+json"


def test_entries_are_paged(served, party):
    maker = party()
    post(served, b"".join(maker.sign(f"pkg:generic/fuji/p{i}@1") for i in range(9)))
    seen: list[int] = []
    url = "/api/entries?limit=4"
    for _ in range(20):
        page = served.client.get(url).json()
        seen += [e["index"] for e in page["entries"]]
        if page["next"] is None:
            break
        url = f"/api/entries?limit=4&cursor={page['next']}"
    assert seen == list(range(served.client.get("/api/log").json()["size"]))


def test_a_statement_is_given_back_as_it_was_signed(served, party):
    signed = party().sign(SUBJECT, Claim(type="iso-9001", claims={"scope": "fans"}))
    digest = post(served, signed).json()["results"][0]["digest"]
    raw = served.client.get(f"/api/statements/{digest}")
    assert raw.headers["content-type"] == "application/cose"
    assert hashlib.sha256(raw.content).hexdigest() == digest
    assert "immutable" in raw.headers["cache-control"]
    told = served.client.get(
        f"/api/statements/{digest}", headers={"accept": "application/json"}
    ).json()
    assert told["kind"] == Kind.CERTIFICATE
    assert told["subject"] == SUBJECT
    assert '"scope":"fans"' in told["payload"]
    assert told["proof"]["path"]
    transparent = served.client.get(f"/api/statements/{digest}/transparent").content
    assert parse_sign1(transparent).receipts
    found = served.client.get("/api/entries", params={"subject": SUBJECT}).json()["entries"]
    assert [e["digest"] for e in found] == [digest]


def test_the_keys_are_those_of_the_log(served):
    keys = cbor2.loads(served.client.get("/.well-known/scitt-keys").content)
    mine = served.workspace.log.keys[-1]
    assert isinstance(mine, NoteKey)
    assert keys[-1][2] == mine.public.thumbprint
