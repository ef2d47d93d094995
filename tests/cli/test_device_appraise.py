# SPDX-License-Identifier: Apache-2.0
"""``kizuna device appraise|reference`` as a person or a script meets them."""

import json
from hashlib import sha256

import pytest

from kizuna.app.cli.run import execute
from kizuna.proof.attestation.corim import make_corim, sign_corim
from kizuna.proof.attestation.reference import Endorsed, Reference
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.roots import base64url
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.cose.cbor import Tag
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

SECRET = SharedKey(b"\x0b" * 32)
NONCE = bytes(range(16))
SHOWN = ("--nonce", NONCE.hex())
SENSOR = ("--model", "acme/sensor")
FIRMWARE = b"firmware 1.0" * 80


@pytest.fixture
def sensor(tmp_path):
    """Token, shared key, firmware and signed reference values of one sensor, as files."""
    token = make_token(
        SECRET,
        tiny_claims(
            identity=b"\x01" * 17,
            boot=1,
            sequence=0,
            nonce=NONCE,
            model="acme/sensor",
            measurements={"fw": sha256(FIRMWARE).digest()},
        ),
    )
    unit = EphemeralUnit(b"maker")
    handle = unit.generate(Algorithm.ES256, "maker")
    value = Reference(
        model="acme/sensor",
        component="fw",
        digest_alg="sha-256",
        digest=sha256(FIRMWARE).digest(),
    )
    content = make_corim("sensor 1.0", maker="Acme", values=[value])
    files = {
        "token": token,
        "firmware": FIRMWARE,
        "key": json.dumps({"kty": "oct", "k": base64url.encode(SECRET.secret)}).encode(),
        "maker": unit.public(handle).to_pem(),
        "unsigned": content,
        "corim": sign_corim(unit, handle, content, signer="Acme"),
        "list": f"{sha256(FIRMWARE).hexdigest()}  fw\n".encode(),
        "bad": token[:-1] + bytes([token[-1] ^ 1]),
        "cut": token[:-1],
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_psa_token_is_appraised_and_an_altered_one_is_contraindicated(kizuna, shared, tmp_path):
    folder = shared / "vectors/psa-token/tf-m"
    key = folder / "public.pem"
    token = folder / "psa-2_0_0_sign1.bin"
    good = kizuna("device", "appraise", token, "--scheme", "psa", "--key", key, "--json")
    assert (good.code, good.json["status"]) == (13, "none")
    assert [one["component"] for one in good.json["measurements"]] == ["SPE", "NSPE"]
    assert good.json["claims"]["psa-security-lifecycle"] == 12288
    altered = bytearray(token.read_bytes())
    altered[-1] ^= 1
    (tmp_path / "bad.bin").write_bytes(altered)
    bad = kizuna(
        "device", "appraise", tmp_path / "bad.bin", "--scheme", "psa", "--key", key, "--json"
    )
    assert (bad.code, bad.json["status"]) == (11, "contraindicated")
    assert bad.json["findings"][0]["code"] == "attestation.signature-wrong"


@pytest.mark.parametrize(
    ("words", "code", "status"),
    [
        (["token", "--key", "key", "--reference", "corim", "--signer", "maker"], 0, "affirming"),
        (["token", "--key", "key", "--key", "maker", "--reference", "corim"], 0, "affirming"),
        (
            ["token", "--key", "key", "--reference", "corim", "--signer", "maker", *SHOWN],
            0,
            "affirming",
        ),
        (["token", "--key", "key", "--nonce", "ff" * 16], 12, "none"),
        (["token", "--key", "key", "--reference", "unsigned", "--allow-unsigned"], 10, "warning"),
        (
            ["token", "--key", "key", "--reference", "list", "--allow-unsigned", *SENSOR],
            10,
            "warning",
        ),
        (["token", "--key", "key"], 13, "none"),
        (["token"], 13, "none"),
        (["bad", "--key", "key"], 11, "contraindicated"),
        (["cut", "--key", "key"], 13, "none"),
    ],
)
def test_each_case_has_its_status_and_exit_code(sensor, monkeypatch, capsys, words, code, status):
    monkeypatch.chdir(sensor)
    assert execute(["device", "appraise", *words, "--scheme", "hmac", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["tier"]) == (status, "shared-key")
    assert bool(told["findings"]) == (status != "affirming")


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["token", "--scheme", "palm-reading"], 2, "attestation.no-scheme"),
        (["token", "--scheme", "hmac", "--nonce", "xyz"], 2, "attestation.nonce-form"),
        (["token", "--scheme", "hmac", "--key", "firmware"], 2, "key.file-unknown"),
        (["token", "--scheme", "hmac", "--reference", "unsigned"], 10, "corim.unsigned"),
        (["token", "--scheme", "hmac", "--reference", "corim"], 11, "corim.signature-wrong"),
        (["token", "--scheme", "hmac", "--reference", "firmware"], 2, "reference.list"),
        (["nothing", "--scheme", "hmac"], 13, "file.absent"),
    ],
)
def test_what_cannot_be_done_says_why(sensor, monkeypatch, capsys, words, code, problem):
    monkeypatch.chdir(sensor)
    assert execute(["device", "appraise", *words, "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == problem
    assert told["hint"]


def test_a_device_cannot_vouch_for_its_own_firmware(kizuna, tmp_path):
    unit = EphemeralUnit(b"device")
    handle = unit.generate(Algorithm.ES256, "device")
    claims = tiny_claims(
        identity=b"\x01" * 17, boot=1, sequence=0, model="m", measurements={"fw": bytes(32)}
    )
    value = Reference(model="m", component="fw", digest_alg="sha-256", digest=bytes(32))
    own = sign_corim(unit, handle, make_corim("x", maker="X", values=[value]), signer="X")
    (tmp_path / "token").write_bytes(sign1(unit, handle, {}, encode(claims)))
    (tmp_path / "key.pem").write_bytes(unit.public(handle).to_pem())
    (tmp_path / "own").write_bytes(own)
    ran = kizuna(
        *["device", "appraise", "token", "--scheme", "hmac", "--key", "key.pem"],
        *["--reference", "own", "--json"],
        cwd=tmp_path,
    )
    assert (ran.code, ran.json["status"]) == (13, "none")
    assert ran.json["findings"][0]["code"] == "attestation.key-unknown"


def test_what_a_person_reads(kizuna, sensor):
    words = ["device", "appraise", "token", "--scheme", "hmac", "--key", "key"]
    ran = kizuna(*words, "--reference", "corim", "--signer", "maker", cwd=sensor)
    assert ran.stdout.splitlines()[0] == "affirming · worth at best: shared key · scheme hmac"
    stale = kizuna(*words, "--nonce", "ff" * 16, "--lang", "ja", cwd=sensor)
    assert "ノンス" in stale.stdout
    assert "Traceback" not in stale.stderr


def test_what_a_device_listed_with_its_digests_is_signed_as_it_stands(store, sensor):
    words = ["device", "reference", "make", "--values", "list", "--model", "acme/sensor"]
    made = store(*words, "--out", "listed.corim", "--json", cwd=sensor)
    assert made.code == 0
    listed = (sensor / "list").read_text().split()
    assert made.json["digests"] == dict(zip(listed[1::2], listed[::2], strict=True))
    assert store("device", "reference", "import", "listed.corim", cwd=sensor).code == 0
    (sensor / "torn").write_text("no digest  name\n")
    torn = store(*words[:4], "torn", *words[5:], "--out", "torn.corim", cwd=sensor)
    assert (torn.code, "[reference.list]" in torn.stderr) == (2, True)
    assert not (sensor / "torn.corim").exists()


def test_reference_values_are_made_taken_in_listed_and_used(store, sensor):
    made = store(
        *["device", "reference", "make", "fw=firmware", "--model", "acme/sensor"],
        *["--version", "1.0", "--days", "30", "--out", "own.corim", "--json"],
        cwd=sensor,
    )
    assert made.code == 0
    assert made.json["digests"] == {"fw": sha256(FIRMWARE).hexdigest()}
    taken = store(
        *["device", "reference", "import", "own.corim", "--subject", "pkg:x/sensor@1"],
        *["--closed", "--json"],
        cwd=sensor,
    )
    assert taken.code == 0
    assert taken.json["models"] == ["acme/sensor"]
    shown = store("statement", "show", taken.json["statements"][0], "--json")
    assert shown.code == 0
    assert "rim+cbor" in shown.stdout
    rows = store("device", "reference", "list", "--json").json["models"]
    assert [(row["model"], row["closed"]) for row in rows] == [("acme/sensor", True)]
    words = ["device", "appraise", "token", "--scheme", "hmac", "--key", "key", "--json"]
    good = store(*words, "--store", store.store, cwd=sensor)
    assert (good.code, good.json["status"]) == (0, "affirming")
    for name in ("result.cwt", "result.jwt"):
        assert store(*words, "--result", name, cwd=sensor).code == 13
    assert (sensor / "result.cwt").read_bytes()[:1] == b"\xd2"
    assert (sensor / "result.jwt").read_bytes().count(b".") == 2


def test_reference_values_of_a_stranger_do_not_get_into_the_store(store, sensor):
    before = store("log", "checkpoint", "--json").json["size"]
    for name, code in (("corim", 11), ("unsigned", 10), ("list", 10), ("firmware", 2)):
        assert store("device", "reference", "import", name, cwd=sensor).code == code
    assert store("log", "checkpoint", "--json").json["size"] == before
    assert store("device", "reference", "list", "--json").json["models"] == []
    taken = store("device", "reference", "import", "corim", "--signer", "maker", cwd=sensor)
    assert taken.code == 0


def test_a_key_that_the_maker_vouches_for_counts_once_it_is_taken_in(store, tmp_path):
    unit = EphemeralUnit(b"maker")
    maker, device = (unit.generate(Algorithm.ES256, name) for name in ("maker", "device"))
    claims = tiny_claims(
        identity=b"\x01" * 17, boot=1, sequence=0, model="m", measurements={"fw": bytes(32)}
    )
    content = make_corim(
        "m 1",
        maker="Acme",
        values=[Reference(model="m", component="fw", digest_alg="sha-256", digest=bytes(32))],
        keys=[Endorsed(model="m", identity=b"\x01" * 17, key=unit.public(device))],
    )
    (tmp_path / "token").write_bytes(sign1(unit, device, {}, encode(claims)))
    (tmp_path / "maker.pem").write_bytes(unit.public(maker).to_pem())
    (tmp_path / "corim").write_bytes(sign_corim(unit, maker, content, signer="Acme"))
    words = ["device", "appraise", "token", "--scheme", "hmac", "--store", store.store, "--json"]
    assert store(*words, cwd=tmp_path).code == 13
    taken = store(
        *["device", "reference", "import", "corim", "--signer", "maker.pem", "--json"], cwd=tmp_path
    )
    assert (taken.json["values"], taken.json["keys"]) == (1, 1)
    good = store(*words, cwd=tmp_path)
    assert (good.code, good.json["status"], good.json["tier"]) == (0, "affirming", "device-key")


# --- what makers say, and registers bound -------------------------------------------------------


def maker_document(tmp_path, triples, name="said.corim"):
    """A maker's signed document with these triples, and the maker's key, as files."""
    unit = EphemeralUnit(b"maker")
    handle = unit.generate(Algorithm.ES256, "maker")
    comid = {1: {0: "tag"}, 3: [{0: "other", 1: 0}], 4: triples}
    content = encode(Tag(501, {0: "doc", 1: [Tag(506, encode(comid)), Tag(505, b"swid")]}))
    (tmp_path / name).write_bytes(sign_corim(unit, handle, content, signer="Acme"))
    (tmp_path / "maker").write_bytes(unit.public(handle).to_pem())
    return tmp_path / name, tmp_path / "maker"


def test_what_is_not_understood_of_a_document_is_listed_for_people_and_programs(store, tmp_path):
    environment = {0: {1: "acme", 2: "sensor"}}
    digest = sha256(FIRMWARE).digest()
    file, maker = maker_document(
        tmp_path,
        {
            0: [[environment, [{1: {2: [[1, digest]], 11: "fw", 1: 3}}]]],
            4: [[environment, [environment]]],
            10: [[[[environment, [{1: {2: [[1, digest]]}}]]], [[environment, [{1: {8: "7"}}]]]]],
        },
    )
    told = store("device", "reference", "import", file, "--signer", maker, "--json").json
    left = ["coswid", "dependencies", "linked-tags", "svn of reference-values"]
    assert (told["values"], told["endorsements"], told["not_understood"]) == (1, 1, left)
    words = store("device", "reference", "import", file, "--signer", maker)
    assert "without effect here: coswid, dependencies, linked-tags" in words.stdout


def test_what_a_maker_endorses_is_kept_and_shown(store, sensor):
    environment = {0: {1: "acme", 2: "sensor"}}
    digest = sha256(FIRMWARE).digest()
    flags = {1: {3: {1: False}}}
    file, maker = maker_document(
        sensor,
        {
            0: [[environment, [{1: {2: [[1, digest]], 11: "fw"}}]]],
            10: [[[[environment, [{1: {2: [[1, digest]], 11: "fw"}}]]], [[environment, [flags]]]]],
        },
    )
    assert store("device", "reference", "import", file, "--signer", maker, "--closed").code == 0
    words = ["device", "appraise", "token", "--scheme", "hmac", "--key", "key", "--json"]
    shown = store(*words, "--store", store.store, cwd=sensor)
    assert (shown.code, shown.json["status"]) == (11, "contraindicated")
    (said,) = shown.json["claims"]["endorsed"]
    assert said["flags"] == {"is-secure": False}
    assert [one["code"] for one in shown.json["findings"]] == ["attestation.device-open"]


def test_a_digest_alone_needs_the_registers_that_it_should_be_over(kizuna, shared):
    folder = shared / "vectors/veraison/scheme/tpm-enacttrust/test"
    words = ("device", "appraise", folder / "evidence/basic.token", "--scheme", "tpm")
    words += ("--reference", folder / "corim/corim-enacttrust-valid.cbor", "--allow-unsigned")
    unbound = kizuna(*words, "--json")
    assert (unbound.code, unbound.json["status"]) == (13, "none")
    assert [one["code"] for one in unbound.json["findings"]] == ["attestation.selection-unbound"]
    assert "--registers" in unbound.json["findings"][0]["mend"]
    bound = kizuna(*words, "--registers", "1-4", "--json")
    assert (bound.code, bound.json["status"]) == (10, "warning")  # nobody signed the document
    other = kizuna(*words, "--registers", "0-4", "--json")
    assert (other.code, other.json["status"]) == (11, "contraindicated")


def test_secrets_are_closed_anew_by_command(store, sensor):
    device = "urn:dev:ops:000000-sensor-17"
    enrol = ("device", "enrol", device, "--key", sensor / "key", "--scheme", "hmac")
    assert store(*enrol, "--reference", "acme/sensor").code == 0
    assert store("device", "reseal", "--json").json == {"secrets": 1}
    assert store("device", "status", device).code == 13


def test_a_person_gets_the_result_of_good_evidence(store, sensor):
    device = "urn:dev:ops:000000-sensor-17"
    enrol = ("device", "enrol", device, "--key", sensor / "key", "--scheme", "hmac")
    assert store(*enrol, "--reference", "acme/sensor").code == 0
    assert store("device", "reference", "import", sensor / "corim", "--signer", sensor / "maker")
    nonce = store("device", "challenge", device).stdout.strip()
    claims = tiny_claims(
        identity=b"\x01" * 17,
        boot=1,
        sequence=1,
        nonce=bytes.fromhex(nonce),
        measurements={"fw": sha256(FIRMWARE).digest()},
    )
    (sensor / "answer").write_bytes(make_token(SECRET, claims))
    out = sensor / "result.jwt"
    told = store("device", "attest", device, sensor / "answer", "--ear", out, "--json")
    assert (told.code, told.json["standing"], told.json["ear"]) == (0, "affirming", str(out))
    head, payload, _ = out.read_bytes().split(b".")
    assert json.loads(base64url.decode(head.decode()))["alg"] == "ES256"
    submods = json.loads(base64url.decode(payload.decode()))["submods"]
    assert submods[device]["ear_status"] == "affirming"
    assert len(submods[device]["ear_trustworthiness_vector"]) == 8
    noise = store("device", "attest", device, sensor / "bad", "--ear", sensor / "no.ear", "--json")
    assert (noise.json["ear"], (sensor / "no.ear").exists()) == (None, False)


def test_a_retired_device_is_told_so_by_name(store, sensor):
    device = "urn:dev:ops:000000-sensor-17"
    enrol = ("device", "enrol", device, "--key", sensor / "key", "--scheme", "hmac")
    assert store(*enrol).code == 0
    assert store("device", "retire", device, "--yes").code == 0
    told = store("device", "attest", device, sensor / "token", "--json")
    assert (told.code, told.json["code"]) == (10, "fleet.device-ended")
