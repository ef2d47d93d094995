# SPDX-License-Identifier: Apache-2.0
"""Devices in a store: each step a statement, what has no effect is refused before it is one."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from kizuna.app.wiring.devices.attesting import attest
from kizuna.app.wiring.devices.handover import accept, transfer
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import encode_payload
from kizuna.proof.attestation.appraisal import AppraisalCode
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import References
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.dice import write_evidence as write_dice
from kizuna.proof.attestation.schemes.tpm.evidence import write_evidence
from kizuna.roots.boot.layer import (
    Inputs,
    Secrets,
    certify_layer,
    chain_of,
    layer_key,
    next_secrets,
)
from kizuna.roots.boot.quote import digest_of
from kizuna.roots.cose import encode, sign_statement
from kizuna.roots.cose.cbor import bytes_of
from kizuna.roots.cose.message import sig_structure
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.life import idevid, ldevid, open_voucher, pinned_certificate, voucher_claim
from kizuna.roots.units import EphemeralUnit

DEVICE = "urn:ueid:0102"
UNIT = EphemeralUnit(b"device life")
K0, K1, K2 = (UNIT.public(UNIT.generate(Algorithm.ES256, f"k{n}")) for n in range(3))


class Hours:
    """A clock that moves an hour with each look, so that every step has a moment of its own."""

    def __init__(self) -> None:
        self.now = 1_800_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Hours:
    return Hours()


@pytest.fixture
def store(tmp_path: Path, clock: Hours):
    settings = Settings(store=tmp_path / "s", clock=clock)
    with Workspace.init(tmp_path / "s", "Ann", now=clock.now, settings=settings) as workspace:
        yield workspace


def pem(key) -> tuple[str, bytes]:
    return "key.pem", key.to_pem()


def enrolled(store: Workspace, **members) -> Lives:
    lives = Lives(store)
    lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="psa", **members))
    return lives


def test_an_enrolled_device_is_known_to_log_and_fleet(store):
    lives = enrolled(store, gateway="urn:ueid:99", reference="acme-sensor", identity="aabb")
    told = lives.history(DEVICE)
    assert (told["owner"], told["flags"]) == (store.identity, [])
    assert told["keys"][0]["key"] == K1.thumbprint.hex()
    (device,) = Shelf(store).devices()
    assert (device.subject, device.key, device.reference) == (DEVICE, K1, "acme-sensor")
    assert (device.position, device.identity) == ("urn:ueid:99", b"\xaa\xbb")


def test_the_same_device_with_another_key_is_refused_and_nothing_is_kept(store):
    lives = enrolled(store)
    size = store.head().size
    with pytest.raises(Refused) as caught:
        lives.enrol(DEVICE, Enrolment(key=pem(K2), scheme="psa"))
    assert caught.value.about["flag"] == "swap"
    assert store.head().size == size
    (device,) = Shelf(store).devices()
    assert device.key == K1


def test_a_shared_key_stays_beside_the_log(store):
    lives = Lives(store)
    jwk = json.dumps({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}).encode()
    done = lives.enrol(DEVICE, Enrolment(key=("k.jwk", jwk), scheme="hmac"))
    (raw,) = store.store.reader().raw([store_digest(done["statement"])]).values()
    assert b"secret-secret" not in raw
    assert done["key"].encode() in raw
    (device,) = Shelf(store).devices()
    assert device.key.secret == b"secret-secret-secret"


def store_digest(text: str):
    return bytes.fromhex(text)


def test_a_device_without_any_key_is_observed(store):
    Lives(store).enrol(DEVICE, Enrolment(scheme="observed", position="rack 3"))
    assert Lives(store).history(DEVICE)["keys"][0]["kind"] == "none"


def test_rotation_lets_the_new_key_take_over_in_log_and_fleet(store, clock):
    lives = enrolled(store, reference="acme-sensor")
    clock.now += 3_600
    lives.rotate(DEVICE, Enrolment(key=pem(K2)))
    told = lives.history(DEVICE)
    assert [k["key"] for k in told["keys"]] == [K2.thumbprint.hex()]
    assert told["life"][0]["ending"] == "rotated"
    *_, device = Shelf(store).devices()
    assert (device.key, device.scheme, device.reference) == (K2, "psa", "acme-sensor")
    then = lives.history(DEVICE, at=clock.now - 1)
    assert then["keys"][0]["key"] == K1.thumbprint.hex()


@pytest.mark.parametrize("scheme", ["tpm", "psa", "dice", "hmac"])
def test_a_device_is_not_enrolled_so_that_any_of_its_class_could_speak_for_it(store, scheme):
    with pytest.raises(Malformed) as caught:
        Lives(store).enrol(DEVICE, Enrolment(scheme=scheme, reference="acme-sensor"))
    assert caught.value.code == "life.key-missing"
    assert list(Shelf(store).devices()) == []
    Lives(store).enrol(DEVICE, Enrolment(scheme=scheme, identity="0102030405060708"))


def test_a_stolen_key_and_its_recovery(store, clock):
    lives = enrolled(store)
    clock.now += 7_200
    size = store.head().size
    since = clock.now - 3_600
    lives.revoke(DEVICE, "stolen", since=since)
    (gone,) = Shelf(store).devices()
    # nothing vouches for it now, also no maker who endorses this very key
    assert (gone.key, gone.scheme) == (None, "ended")
    clock.now += 60
    lives.rotate(DEVICE, Enrolment(key=pem(K2)))
    name = K1.thumbprint.hex()
    assert [k["key"] for k in lives.history(DEVICE, at=since - 1)["keys"]] == [name]
    assert lives.history(DEVICE, at=since)["keys"] == []  # as known now
    asked = lives.history(DEVICE, at=since, size=size)  # as known then
    assert [k["key"] for k in asked["keys"]] == [name]
    assert [k["key"] for k in lives.history(DEVICE)["keys"]] == [K2.thumbprint.hex()]


def test_a_device_goes_from_maker_to_owner_by_voucher(store):
    lives = Lives(store)
    lives.enrol(DEVICE, Enrolment(key=pem(K0), made=True))
    done, document = transfer(lives, DEVICE, store.identity)
    assert document is None
    taken = accept(lives, DEVICE, Enrolment(key=pem(K1), scheme="psa"))
    assert taken["voucher"] == done["voucher"]
    told = lives.history(DEVICE)
    assert (told["maker"], told["owner"]) == (store.identity, store.identity)
    assert {k["type"] for k in told["keys"]} == {"idevid", "ldevid"}


def test_after_a_transfer_the_seller_has_no_say_and_only_the_buyer_accepts(store):
    lives = enrolled(store)
    buyer = did_key(K2)
    transfer(lives, DEVICE, buyer)
    for step in (
        lambda: transfer(lives, DEVICE, did_key(K0)),
        lambda: lives.rotate(DEVICE, Enrolment(key=pem(K0))),
        lambda: accept(lives, DEVICE, Enrolment(key=pem(K0))),
    ):
        with pytest.raises(Refused):
            step()


def test_a_voucher_document_is_written_for_a_new_owner_with_a_certificate(store):
    lives = enrolled(store)
    handle = UNIT.handles()[2]
    certificate = pinned_certificate(UNIT, handle, store.clock())
    done, document = transfer(lives, DEVICE, did_key(K2), certificate=certificate, serial="SN-1")
    voucher = open_voucher(document, [store.unit.public(store.handle)])
    assert voucher.pinned_domain_cert == certificate
    assert voucher.serial_number == "SN-1"
    assert done["to"] == did_key(K2)


def test_whoever_the_list_does_not_name_begins_no_life(store):
    stranger = EphemeralUnit(b"stranger")
    handle = stranger.generate(Algorithm.ES256, "x")
    identity = did_key(stranger.public(handle))
    store.lists.add(identity, roles=["coordinator"], name="Eve")

    def say(payload):
        return sign_statement(
            stranger,
            handle,
            issuer=identity,
            subject=canonical(DEVICE),
            media_type=media_type_of(Kind.CERTIFICATE),
            payload=encode_payload(payload),
            issued_at=store.clock(),
        )

    store.register_one(say(ldevid(K0, owner=identity)))
    store.register_one(say(idevid(K0)))
    store.register_one(say(voucher_claim(identity)))
    lives = enrolled(store)
    told = lives.history(DEVICE)
    assert told["owner"] == store.identity
    assert [f["code"] for f in told["flags"]] == ["stranger"] * 3


def test_retired_is_the_end(store):
    lives = enrolled(store)
    lives.retire(DEVICE, "scrapped")
    assert lives.history(DEVICE)["retired"]
    with pytest.raises(Refused):
        lives.enrol(DEVICE, Enrolment(key=pem(K1)))
    with pytest.raises(Refused):
        lives.retire(DEVICE)


@pytest.mark.parametrize(
    "step",
    [
        lambda lives: lives.history(DEVICE),
        lambda lives: lives.rotate(DEVICE, Enrolment(key=pem(K1))),
        lambda lives: lives.revoke(DEVICE, "lost"),
        lambda lives: lives.revoke(DEVICE, "eaten"),
        lambda lives: lives.enrol("not an identifier", Enrolment()),
        lambda lives: lives.enrol(DEVICE, Enrolment(key=("k", b"rubbish"))),
        lambda lives: lives.enrol(DEVICE, Enrolment(made=True)),
        lambda lives: lives.enrol(DEVICE, Enrolment(), chain=[b"x"]),
        lambda lives: transfer(lives, DEVICE, "did:key:z1", assertion="guessed"),
        lambda lives: accept(lives, DEVICE, Enrolment()),
        lambda lives: lives.enrol(
            DEVICE, Enrolment(key=pem(K1), scheme="psa", identity="no hexadecimal")
        ),
        lambda lives: lives.enrol(
            DEVICE, Enrolment(key=shared_jwk(), scheme="hmac", identity="6831")
        ),
    ],
)
def test_what_cannot_be_done_is_a_problem_and_changes_nothing(store, step):
    size = store.head().size
    with pytest.raises(Problem) as caught:
        step(Lives(store))
    assert isinstance(caught.value, Absent | Malformed | Refused)
    assert store.head().size == size


SIGNER = b"\x00\x0b" + b"\x07" * 32


def tpm_quote(label: str = "k1", *, registers: tuple[int, ...] = (0, 7)) -> bytes:
    held = {("sha256", number): bytes([number]) * 32 for number in registers}
    digest = digest_of((("sha256", registers),), held)
    bits = sum(1 << number for number in registers).to_bytes(3, "little")
    attest = b"".join(
        (
            b"\xffTCG\x80\x18" + len(SIGNER).to_bytes(2, "big") + SIGNER,
            b"\x00\x20" + b"n" * 32 + bytes(16) + b"\x01" + bytes(8),
            b"\x00\x00\x00\x01\x00\x0b\x03" + bits + b"\x00\x20" + digest,
        )
    )
    handle = next(h for h in UNIT.handles() if h.label == label)
    raw = UNIT.sign(handle, attest)
    signature = b"\x00\x18\x00\x0b\x00\x20" + raw[:32] + b"\x00\x20" + raw[32:]
    return write_evidence(attest, signature, held)


def test_registers_and_signer_of_a_chip_are_bound_kept_and_asked_for(store, clock):
    lives = Lives(store)
    first = tpm_quote()
    lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="tpm", quote=first))
    (device,) = Shelf(store).devices()
    assert device.about == {"signer": SIGNER, "selection": (("sha256", (0, 7)),)}
    fresh = Freshness(now=clock.now)
    appraiser = Appraiser(References(), SCHEMES)

    def codes(evidence: bytes, enrolled=device) -> set[str]:
        found = appraiser.appraise(Task(evidence, "tpm", fresh, enrolled)).findings
        return {finding.code.value for finding in found}

    asked = codes(first)
    assert AppraisalCode.REGISTERS_DIFFER.value not in asked
    assert codes(tpm_quote(registers=(0,))) == {AppraisalCode.REGISTERS_DIFFER.value}
    other = replace(device, about={"signer": SIGNER[:-1] + b"\x08"})
    assert codes(first, other) == {AppraisalCode.KEY_CHANGED.value}
    clock.now += 3600
    lives.rotate(DEVICE, Enrolment(key=pem(K2)))
    (device,) = Shelf(store).devices()
    assert device.about == {"selection": (("sha256", (0, 7)),)}  # the name went with the key


def test_registers_are_named_without_a_quote_and_a_foreign_quote_binds_nothing(store):
    lives = Lives(store)
    size = store.head().size
    with pytest.raises(Tampered, match="did not sign"):
        lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="tpm", quote=tpm_quote("k2")))
    for bad in ("24", "x", "", "0-99"):
        with pytest.raises(Malformed):
            lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="tpm", registers=bad))
    with pytest.raises(Malformed):
        lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="tpm", quote=b"nothing"))
    assert store.head().size == size
    lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="tpm", registers="0-2,7"))
    (device,) = Shelf(store).devices()
    assert device.about == {"selection": (("sha256", (0, 1, 2, 7)),)}


# --- devices that show certificates --------------------------------------------------------------


def dice(code: bytes, uds: bytes = b"uds"):
    """A chain of one layer, the device's identity key, and evidence under its last key."""
    secrets = Secrets(hashlib.sha256(uds).digest(), bytes(32))
    root = layer_key(secrets.attest)
    inputs = Inputs(code=code * 64, mode=1)
    leaf = layer_key(next_secrets(secrets, inputs).attest)
    chain = chain_of(root.public, [certify_layer(root, leaf.public, inputs)])
    header = encode({1: int(leaf.public.algorithm)})
    signature = leaf.sign(sig_structure(header, NONCE))
    proof = b"\xd2\x84" + bytes_of(header) + b"\xa0" + bytes_of(NONCE) + bytes_of(signature)
    return root.public, write_dice(chain, proof)


NONCE = b"n" * 32


def shared_jwk():
    return "key.jwk", json.dumps({"kty": "oct", "k": "c3Nzc3Nzc3Nzc3Nzc3Nzcw"}).encode()


def test_whoever_hands_evidence_in_is_told_why_it_counts_for_nothing(store):
    Lives(store).enrol(DEVICE, Enrolment(key=shared_jwk(), scheme="hmac", reference="m"))

    told, _ = attest(store, DEVICE, b"no evidence")

    assert (told["status"], told["reason"]) == ("none", "attestation.malformed")
    assert [one["code"] for one in told["findings"]] == ["attestation.malformed"]


def told_of(store, evidence):
    (device,) = Shelf(store).devices()
    task = Task(evidence, "dice", Freshness(now=1, nonce=NONCE), device)
    return [f.code for f in Appraiser(References(), SCHEMES).appraise(task).findings]


def test_a_dice_device_enrolled_by_its_own_key_is_checked_under_it(store):
    root, good = dice(b"a")
    _, foreign = dice(b"a", b"another device")

    Lives(store).enrol(DEVICE, Enrolment(key=pem(root), scheme="dice"))

    assert told_of(store, good) == [AppraisalCode.REFERENCE_MISSING]
    assert told_of(store, foreign) == [AppraisalCode.KEY_UNKNOWN]


def test_a_dice_device_without_anything_that_vouches_for_it_is_refused(store):
    before = store.head().size

    with pytest.raises(Malformed) as told:
        Lives(store).enrol(DEVICE, Enrolment(key=shared_jwk(), scheme="dice"))

    assert told.value.code == "life.dice-anchor"
    assert "--anchor" in told.value.hint
    assert store.head().size == before
    assert list(Shelf(store).devices()) == []


def test_a_dice_device_keeps_its_maker_s_roots_when_its_key_is_renewed(store, shared):
    folder = shared / "vectors/veraison/scheme/riot/test/evidence"
    chain = (folder / "evidence.pem").read_bytes()
    root = b"-----BEGIN" + chain.split(b"-----BEGIN")[-1]
    lives = Lives(store)

    lives.enrol(DEVICE, Enrolment(key=pem(K1), scheme="dice"), anchors=[root])
    lives.rotate(DEVICE, Enrolment(key=pem(K2)))

    (device,) = Shelf(store).devices()
    assert (device.key, device.roots) == (K2, (root,))


def test_an_anchor_that_is_no_certificate_is_refused_before_anything_is_registered(store):
    before = store.head().size

    with pytest.raises(Malformed):
        Lives(store).enrol(DEVICE, Enrolment(key=pem(K1), scheme="dice"), anchors=[b"no anchor"])

    assert store.head().size == before
