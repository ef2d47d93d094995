# SPDX-License-Identifier: Apache-2.0
"""Devices find their owner, and pass from one to the next across two logs that cite each other."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.devices.handover import accept, hand_over, transfer, transparent
from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.app.wiring.devices.vouchers import (
    ask,
    check,
    forward,
    issue,
    issued,
    registrar_certificate,
)
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent, Malformed, Problem, Refused, Tampered
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.life import Voucher, sign_voucher
from kizuna.roots.life.voucher_request import (
    VoucherRequest,
    _read,
    open_device_request,
    open_registrar_request,
    sign_request,
)
from kizuna.roots.life.words import Assertion
from kizuna.roots.units import EphemeralUnit

NOW = 1_800_000_000
FAN = "urn:dev:ser:fan-42"
UNIT = EphemeralUnit(b"changing hands")
KEYS = [UNIT.public(UNIT.generate(Algorithm.ES256, f"k{n}")) for n in range(4)]
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


def key(number: int) -> Enrolment:
    return Enrolment(key=("key.pem", KEYS[number].to_pem()))


class Org:
    """An organisation with its own store and log."""

    def __init__(self, folder: Path, name: str) -> None:
        self.now = NOW
        settings = Settings(store=folder / name, clock=lambda: self.now)
        self.workspace = Workspace.init(
            folder / name, name, now=NOW, settings=settings, policy="open"
        )
        self.lives = Lives(self.workspace)

    @property
    def name(self) -> str:
        return self.workspace.identity

    @property
    def anchors(self):
        return self.workspace.anchors()

    def owner(self) -> str | None:
        return self.lives.life(FAN).owner


@pytest.fixture
def parties(tmp_path: Path):
    made = [Org(tmp_path, name) for name in ("seller", "buyer", "stranger")]
    yield made
    for one in made:
        one.workspace.close()


def released(seller: Org, to: str, **more: object) -> bytes:
    done, _ = transfer(seller.lives, FAN, to, **more)
    return transparent(seller.workspace, done["voucher"])


def taken(buyer: Org, release: bytes, seller: Org, number: int = 1) -> bytes:
    done = accept(buyer.lives, FAN, key(number), release=release, anchors=seller.anchors)
    return transparent(buyer.workspace, done["statement"])


def test_a_device_passes_between_two_logs_and_each_cites_the_other(parties):
    seller, buyer, _ = parties
    seller.lives.enrol(FAN, key(0))
    release = released(seller, buyer.name)
    assert seller.owner() == seller.name  # until the other log says that it was taken
    acceptance = taken(buyer, release, seller)
    assert buyer.owner() == buyer.name
    (binding,) = buyer.lives.life(FAN).bindings
    assert binding.claims["released-in"] == seller.workspace.description.origin
    assert len(str(binding.claims["release-receipt"])) == 64
    seller.now += 60
    hand_over(seller.lives, FAN, acceptance, buyer.anchors)
    life = seller.lives.life(FAN)
    assert life.owner == buyer.name
    assert life.owners[-1].elsewhere == buyer.workspace.description.origin
    assert life.at(seller.now).keys == ()  # the seller's key is its key no longer
    with pytest.raises(Problem):
        seller.lives.rotate(FAN, key(2))
    with pytest.raises(Refused):
        transfer(seller.lives, FAN, "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp")


def test_a_voucher_is_taken_once_in_time_and_by_the_one_it_names(parties):
    seller, buyer, stranger = parties
    seller.lives.enrol(FAN, key(0))
    release = released(seller, buyer.name, expires=NOW + 600)
    with pytest.raises(Refused) as caught:
        taken(stranger, release, seller)
    assert caught.value.code == "life.not-offered"
    with pytest.raises(Refused) as caught:
        accept(buyer.lives, "urn:dev:ser:other", key(1), release=release, anchors=seller.anchors)
    assert caught.value.code == "life.not-offered"
    buyer.now += 601
    with pytest.raises(Refused) as caught:
        taken(buyer, release, seller)
    assert caught.value.code == "life.voucher-over"
    buyer.now = NOW
    taken(buyer, release, seller)
    with pytest.raises(Refused) as caught:
        taken(buyer, release, seller, 2)
    assert caught.value.code == "life.voucher-used"
    assert len(buyer.lives.life(FAN).bindings) == 1


def test_nobody_believes_a_file_alone(parties):
    seller, buyer, stranger = parties
    seller.lives.enrol(FAN, key(0))
    release = released(seller, buyer.name)
    with pytest.raises(Absent):  # nothing is believed of the seller's log
        taken(buyer, release, stranger)
    altered = bytearray(release)
    altered[-3] ^= 1
    with pytest.raises(Problem):
        taken(buyer, bytes(altered), seller)
    with pytest.raises(Malformed):
        taken(buyer, b"noise", seller)
    assert buyer.lives.life(FAN).bindings == ()


def test_an_acceptance_of_somebody_else_or_something_else_closes_nothing(parties):
    seller, buyer, stranger = parties
    seller.lives.enrol(FAN, key(0))
    first = released(seller, buyer.name)
    done = stranger.lives.enrol(FAN, key(2))  # says it is theirs, in a log of their own
    with pytest.raises(Refused) as caught:
        hand_over(
            seller.lives, FAN, transparent(stranger.workspace, done["statement"]), stranger.anchors
        )
    assert caught.value.code == "life.not-accepted"
    with pytest.raises(Refused):
        hand_over(seller.lives, FAN, first, seller.anchors)
    assert seller.owner() == seller.name


def test_a_device_comes_back_to_a_log_that_had_it_before(parties):
    seller, buyer, _ = parties
    seller.lives.enrol(FAN, key(0))
    acceptance = taken(buyer, released(seller, buyer.name), seller)
    hand_over(seller.lives, FAN, acceptance, buyer.anchors)
    done, _ = transfer(buyer.lives, FAN, seller.name)
    back = transparent(buyer.workspace, done["voucher"])
    with pytest.raises(Problem):  # with the key that it had here before
        accept(seller.lives, FAN, key(0), release=acceptance, anchors=buyer.anchors)
    returned = accept(seller.lives, FAN, key(3), release=back, anchors=buyer.anchors)
    assert seller.owner() == seller.name
    proof = transparent(seller.workspace, returned["statement"])
    hand_over(buyer.lives, FAN, proof, seller.anchors)
    assert buyer.owner() == seller.name


# --- from the maker to the first owner -----------------------------------------------------------


class Factory:
    """A maker's root and a device with its IDevID."""

    def __init__(self, serial: str = "SN-42") -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.device_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._certificate("root", self.root_key, None)
        self.idevid = self._certificate("fan", self.device_key, serial)

    def _certificate(self, name: str, key: object, serial: str | None) -> bytes:
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if serial:
            attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
        root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(attributes))
            .issuer_name(root)
            .public_key(key.public_key())  # type: ignore[attr-defined]
            .serial_number(7)
            .not_valid_before(datetime.fromtimestamp(NOW - 100, UTC))
            .not_valid_after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(serial is None, None), critical=True)
        )
        return builder.sign(self.root_key, hashes.SHA256()).public_bytes(PEM)

    @property
    def private(self) -> bytes:
        return self.device_key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public(self) -> PublicKey:
        return PublicKey.from_loaded(self.device_key.public_key())

    def request(self, registrar: bytes, now: int = NOW) -> bytes:
        return ask(self.private, [self.idevid], registrar, now)


@pytest.fixture
def factory():
    return Factory()


@pytest.fixture
def maker(parties, factory: Factory) -> Org:
    org = parties[0]
    org.lives.enrol(FAN, Enrolment(made=True), chain=[factory.idevid], anchors=[factory.root])
    return org


def maker_key(maker: Org) -> bytes:
    return maker.workspace.unit.public(maker.workspace.handle).to_pem()


def test_a_device_finds_its_owner_and_the_makers_log_says_to_whom(
    parties, maker: Org, factory: Factory
):
    owner = parties[1]
    registrar = registrar_certificate(owner.workspace)
    request = factory.request(registrar)
    forwarded, serial = forward(owner.workspace, request, [factory.root])
    assert serial == "SN-42"
    done, voucher = issue(maker.workspace, forwarded, FAN, [factory.root])
    assert done["to"] == owner.name
    told = check(voucher, request, maker_key(maker), registrar, NOW)
    assert (told["serial"], told["assertion"]) == ("SN-42", "proximity")
    (row,) = issued(maker.workspace, FAN)
    assert (row["to"], row["serial"]) == (owner.name, "SN-42")
    # and into the owner's log, as any other transfer
    release = transparent(maker.workspace, done["voucher"])
    acceptance = taken(owner, release, maker)
    hand_over(maker.lives, FAN, acceptance, owner.anchors)
    assert maker.owner() == owner.name
    assert registrar_certificate(owner.workspace) == registrar


def test_a_request_is_answered_once_and_a_new_one_takes_the_place_of_the_old(
    parties, maker: Org, factory: Factory
):
    owner = parties[1]
    registrar = registrar_certificate(owner.workspace)
    first = factory.request(registrar)
    forwarded, _ = forward(owner.workspace, first, [factory.root])
    _, old = issue(maker.workspace, forwarded, FAN, [factory.root])
    with pytest.raises(Refused) as caught:
        issue(maker.workspace, forwarded, FAN, [factory.root])
    assert caught.value.code == "life.voucher-replayed"
    second = factory.request(registrar)
    forwarded, _ = forward(owner.workspace, second, [factory.root])
    _, new = issue(maker.workspace, forwarded, FAN, [factory.root])
    assert len(issued(maker.workspace, FAN)) == 2
    check(new, second, maker_key(maker), registrar, NOW)
    with pytest.raises(Refused) as caught:  # the voucher of the request before
        check(old, second, maker_key(maker), registrar, NOW)
    assert caught.value.code == "life.voucher-other"


def test_a_device_that_was_given_away_is_not_given_to_the_next_who_asks(
    parties, maker: Org, factory: Factory
):
    for place, org in enumerate(parties[1:]):
        registrar = registrar_certificate(org.workspace)
        forwarded, _ = forward(org.workspace, factory.request(registrar), [factory.root])
        if place:
            with pytest.raises(Refused) as caught:
                issue(maker.workspace, forwarded, FAN, [factory.root])
            assert caught.value.code == "life.no-effect"
        else:
            issue(maker.workspace, forwarded, FAN, [factory.root])


def test_a_device_stolen_on_its_way_is_not_given_to_the_thief(
    parties, maker: Org, factory: Factory
):
    buyer, thief = parties[1], parties[2]
    registrar = registrar_certificate(thief.workspace)
    forwarded, _ = forward(thief.workspace, factory.request(registrar), [factory.root])
    with pytest.raises(Refused) as caught:
        issue(maker.workspace, forwarded, FAN, [factory.root], sold_to=buyer.name)
    assert caught.value.code == "life.request-buyer"
    registrar = registrar_certificate(buyer.workspace)
    forwarded, _ = forward(buyer.workspace, factory.request(registrar), [factory.root])
    done, _ = issue(maker.workspace, forwarded, FAN, [factory.root], sold_to=buyer.name)
    assert done["to"] == buyer.name
    assert issued(maker.workspace, FAN)[-1]["assertion"] == "verified"


def test_a_request_of_another_device_or_registrar_is_refused(parties, maker: Org, factory: Factory):
    owner, stranger = parties[1], parties[2]
    registrar = registrar_certificate(owner.workspace)
    request = factory.request(registrar)
    with pytest.raises(Refused) as caught:  # a thief's registrar, the device of somebody else
        forward(stranger.workspace, request, [factory.root])
    assert caught.value.code == "life.registrar-other"
    with pytest.raises(Refused) as caught:
        forward(owner.workspace, request, [Factory().root])
    assert caught.value.code == "life.idevid"
    forwarded, _ = forward(owner.workspace, request, [factory.root])
    with pytest.raises(Refused) as caught:
        issue(maker.workspace, forwarded, "urn:dev:ser:other", [factory.root])
    assert caught.value.code == "life.request-device"
    unit, handle = stranger.workspace.unit, stranger.workspace.handle
    around = VoucherRequest(
        created_on=NOW,
        serial_number="SN-42",
        nonce=open_device_request(request, certificates(factory), NOW).request.nonce,
        prior_signed_voucher_request=request,
    )
    stolen = sign_request(unit, handle, around, [registrar_certificate(stranger.workspace)])
    with pytest.raises(Tampered) as tampered:  # a thief wraps a request that saw another registrar
        issue(maker.workspace, stolen, FAN, [factory.root])
    assert tampered.value.code == "life.request-other"
    posing = sign_request(unit, handle, around, [registrar])
    with pytest.raises(Tampered) as tampered:
        issue(maker.workspace, posing, FAN, [factory.root])
    assert tampered.value.code == "life.request-signature"
    assert issued(maker.workspace, FAN) == []


def certificates(factory: Factory) -> list[bytes]:
    return [x509.load_pem_x509_certificate(factory.root).public_bytes(DER)]


def test_old_nonceless_and_foreign_answers_are_refused(parties, maker: Org, factory: Factory):
    owner = parties[1]
    registrar = registrar_certificate(owner.workspace)
    request = factory.request(registrar)
    with pytest.raises(Refused) as caught:
        open_device_request(request, certificates(factory), NOW + 86_401)
    assert caught.value.code == "life.request-old"
    alone = sign_request(
        owner.workspace.unit,
        owner.workspace.handle,
        VoucherRequest(created_on=NOW, serial_number="SN-42", nonce=b"n" * 16),
        [registrar],
    )
    with pytest.raises(Refused) as caught:
        open_registrar_request(alone, certificates(factory), NOW)
    assert caught.value.code == "life.request-alone"
    unit, handle = maker.workspace.unit, maker.workspace.handle
    nonceless = Voucher(
        created_on=NOW,
        expires_on=NOW + 100,
        assertion=Assertion.VERIFIED,
        serial_number="SN-42",
        pinned_domain_cert=registrar,
    )
    with pytest.raises(Refused) as caught:
        check(sign_voucher(unit, handle, nonceless), request, maker_key(maker), registrar, NOW)
    assert caught.value.code == "life.voucher-nonceless"
    forwarded, _ = forward(owner.workspace, request, [factory.root])
    _, voucher = issue(maker.workspace, forwarded, FAN, [factory.root])
    with pytest.raises(Refused) as caught:
        check(voucher, request, maker_key(maker), registrar, NOW + 86_401)
    assert caught.value.code == "life.voucher-over"
    other = registrar_certificate(parties[2].workspace)
    with pytest.raises(Refused):  # the device sees another registrar than the voucher pins
        check(voucher, request, maker_key(maker), other, NOW)
    with pytest.raises(Tampered):
        check(voucher, request, maker_key(owner), registrar, NOW)
    with pytest.raises(Malformed):
        ask(factory.private, [Factory().idevid], registrar, NOW)


@given(st.binary(max_size=300))
def test_noise_is_no_request(noise: bytes):
    for read in (open_device_request, open_registrar_request):
        with pytest.raises(Problem):
            read(noise, [b""], NOW)


@given(st.dictionaries(st.sampled_from(["nonce", "serial-number", "created-on", "x"]), st.text()))
def test_no_members_break_the_reader(members: dict[str, str]):
    try:
        _read(json.dumps({"ietf-voucher-request:voucher": members}).encode())
    except Problem:
        return
