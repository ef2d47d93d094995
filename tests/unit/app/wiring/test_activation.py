# SPDX-License-Identifier: Apache-2.0
"""Challenges to chips: to those of believed makers only, answered once, in time, by the right."""

import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from kizuna.app.wiring.devices.activation import Activation
from kizuna.app.wiring.devices.endorsing import endorse
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Refused, Tampered
from kizuna.roots.boot.credential import _kdfa
from kizuna.roots.boot.public import read_public
from kizuna.roots.cose import decode, encode
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey

NOW = 1_800_000_000
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, key, issuer, issuer_key, *, ca) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(7)
        .not_valid_before(datetime.fromtimestamp(NOW - 100, UTC))
        .not_valid_after(datetime.fromtimestamp(NOW + 10**8, UTC))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


class Maker:
    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        root = _certificate("maker", self.key.public_key(), "maker", self.key, ca=True)
        self.root = root.public_bytes(PEM)


class Chip:
    """A chip in software: an endorsement key, an attesting key, and what a chip computes."""

    def __init__(self, maker: Maker) -> None:
        self.key = rsa.generate_private_key(65_537, 2_048)
        numbers = self.key.public_key().public_numbers()
        self.certificate = _certificate(
            "chip", self.key.public_key(), "maker", maker.key, ca=False
        ).public_bytes(DER)
        self.endorsement = b"".join(
            (
                bytes.fromhex("0001000b000300b2"),  # RSA, SHA-256, restricted storage key
                bytes.fromhex("0000"),
                bytes.fromhex("000600800043"),  # AES-128-CFB
                bytes.fromhex("001008000000 0000"),
                (256).to_bytes(2, "big"),
                numbers.n.to_bytes(256, "big"),
            )
        )
        self.attesting = PrivateKey.generate(Algorithm.ES256)
        self.area = self.public(0x00050072)

    def public(self, attributes: int) -> bytes:
        point = self.attesting.public.to_raw()[1:]
        return b"".join(
            (
                bytes.fromhex("0023000b"),
                attributes.to_bytes(4, "big"),
                bytes.fromhex("0000001000180 00b00030010".replace(" ", "")),
                b"\x00\x20" + point[:32] + b"\x00\x20" + point[32:],
            )
        )

    def request(self, **changes: bytes) -> bytes:
        said = {"certificate": self.certificate, "key": self.endorsement, "area": self.area}
        said |= changes
        return encode([1, said["certificate"], said["key"], said["area"]])

    def answer(self, challenge: bytes) -> bytes:
        """TPM2_ActivateCredential."""
        _, name, credential, encrypted = decode(challenge)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"IDENTITY\0")
        seed = self.key.decrypt(encrypted[2:], oaep)
        mine = read_public(self.area).name
        size = int.from_bytes(credential[2:4], "big")
        mac, hidden = credential[4 : 4 + size], credential[4 + size :]
        assert (
            hmac.digest(_kdfa("sha256", seed, b"INTEGRITY", b"", 256), hidden + mine, "sha256")
            == mac
        )
        key = _kdfa("sha256", seed, b"STORAGE", mine, 128)
        opened = Cipher(AES(key), CFB(bytes(16))).decryptor()
        return encode([1, name, opened.update(hidden)[2:]])


MAKER = Maker()
CHIP = Chip(MAKER)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def store(tmp_path: Path):
    clock = Clock()
    configured = Settings(store=tmp_path / "s", clock=clock)
    with Workspace.init(tmp_path / "s", "Owner", now=NOW, settings=configured) as workspace:
        workspace.hand = clock  # type: ignore[attr-defined]
        yield workspace


def key_file(chip: Chip) -> tuple[str, bytes]:
    return "ak.pem", chip.attesting.public.to_pem()


def proven(store, chip: Chip = CHIP) -> str:
    activation = Activation(store)
    return activation.answer(chip.answer(activation.challenge(chip.request(), (MAKER.root,))))[
        "activation"
    ]


def test_the_chip_that_holds_the_key_proves_it_and_its_enrolment_says_so(store):
    name = proven(store)
    said = Enrolment(key=key_file(CHIP), scheme="tpm", activation=name)
    done = Lives(store).enrol("urn:dev:ser:1", said)
    assert done["chip"] == PublicKey.from_loaded(CHIP.key.public_key()).thumbprint.hex()
    (binding,) = Lives(store).life("urn:dev:ser:1").bindings
    assert binding.claims["chip-maker"] == "CN=maker"
    with pytest.raises(Absent):  # a proof is used once
        Lives(store).enrol("urn:dev:ser:2", said)


def test_one_chip_is_one_device(store):
    said = Enrolment(key=key_file(CHIP), scheme="tpm", activation=proven(store))
    Lives(store).enrol("urn:dev:ser:1", said)
    again = Enrolment(key=key_file(CHIP), scheme="tpm", activation=proven(store))
    with pytest.raises(Refused) as caught:
        Lives(store).enrol("urn:dev:ser:2", again)
    assert caught.value.code == "device.chip-taken"


def test_a_certificate_written_in_another_way_makes_no_second_device_of_a_chip(store):
    said = Enrolment(key=key_file(CHIP), scheme="tpm", activation=proven(store))
    Lives(store).enrol("urn:dev:ser:1", said)
    again = Chip(MAKER)
    again.key, again.endorsement = CHIP.key, CHIP.endorsement
    again.certificate = _certificate(  # the maker's signature differs each time; so could anyone's
        "chip", CHIP.key.public_key(), "maker", MAKER.key, ca=False
    ).public_bytes(DER)
    assert again.certificate != CHIP.certificate
    said = Enrolment(key=key_file(again), scheme="tpm", activation=proven(store, again))
    with pytest.raises(Refused) as caught:
        Lives(store).enrol("urn:dev:ser:2", said)
    assert caught.value.code == "device.chip-taken"


def test_a_proof_for_one_key_enrols_no_other(store):
    other = PrivateKey.generate(Algorithm.ES256).public.to_pem()
    said = Enrolment(key=("k", other), scheme="tpm", activation=proven(store))
    with pytest.raises(Refused) as caught:
        Lives(store).enrol("urn:dev:ser:1", said)
    assert caught.value.code == "device.activation-other"


def test_a_challenge_ends_with_a_wrong_answer_with_time_and_with_its_answer(store):
    activation = Activation(store)
    challenge = activation.challenge(CHIP.request(), (MAKER.root,))
    right = CHIP.answer(challenge)
    wrong = encode([1, decode(right)[1], bytes(32)])
    with pytest.raises(Tampered):
        activation.answer(wrong)
    with pytest.raises(Absent):
        activation.answer(right)
    late = CHIP.answer(activation.challenge(CHIP.request(), (MAKER.root,)))
    store.hand.now += 601
    with pytest.raises(Absent):
        activation.answer(late)
    answer = CHIP.answer(activation.challenge(CHIP.request(), (MAKER.root,)))
    name = activation.answer(answer)["activation"]
    with pytest.raises(Tampered):
        activation.answer(answer)
    with pytest.raises(Absent):
        activation.proven(name, CHIP.attesting.public, "urn:dev:ser:1")


def test_chips_of_unknown_makers_and_keys_of_no_chip_are_not_challenged(store):
    activation = Activation(store)
    with pytest.raises(Misconfigured):
        activation.challenge(CHIP.request())
    stranger = Maker()
    with pytest.raises(Refused) as caught:
        activation.challenge(CHIP.request(), (stranger.root,))
    assert caught.value.code == "device.endorsement-unproven"
    other = Chip(MAKER)
    with pytest.raises(Refused) as caught:  # the certificate of one chip, the key of another
        activation.challenge(CHIP.request(key=other.endorsement), (MAKER.root,))
    assert "key" in caught.value.why
    for attributes in (0x00040072, 0x00050070, 0x00070072, 0x00050052):
        with pytest.raises(Refused) as caught:
            activation.challenge(CHIP.request(area=CHIP.public(attributes)), (MAKER.root,))
        assert caught.value.code == "device.key-elsewhere"
    assert not list((store.path / "fleet" / "activations").glob("*"))


def test_one_chip_does_not_take_the_room_of_all(store):
    activation = Activation(store)
    for _ in range(8):
        activation.challenge(CHIP.request(), (MAKER.root,))
    with pytest.raises(Refused) as caught:
        activation.challenge(CHIP.request(), (MAKER.root,))
    assert caught.value.code == "device.challenges"
    activation.challenge(Chip(MAKER).request(), (MAKER.root,))
    store.hand.now += 601  # what nobody answered makes room
    activation.challenge(CHIP.request(), (MAKER.root,))
    (store.path / "fleet" / "chips").write_bytes(b'{"chip": "ab", "sub')
    assert activation._chips() == {}


def test_makers_that_are_believed_stay_so(store):
    activation = Activation(store)
    assert activation.believe(MAKER.root) == 1
    assert activation.believe(Maker().root) == 2
    assert activation.believe(MAKER.root) == 2
    activation.answer(CHIP.answer(activation.challenge(CHIP.request())))
    with pytest.raises(Malformed):
        activation.believe(b"-----BEGIN CERTIFICATE-----\nnoise\n-----END CERTIFICATE-----\n")


@given(noise=st.binary(max_size=200))
@settings(max_examples=60)
def test_noise_is_refused_and_nothing_is_kept(noise: bytes, tmp_path_factory):
    class Nowhere:
        path = Path("/nonexistent")
        clock = Clock()

    activation = Activation(Nowhere())  # type: ignore[arg-type]
    for ask in (activation.answer, lambda data: activation.challenge(data, (MAKER.root,))):
        with pytest.raises(Problem):
            ask(noise)


def test_only_a_chip_endorses(tmp_path: Path):
    with pytest.raises(Refused):
        endorse("software", tmp_path, Settings(store=tmp_path))
