# SPDX-License-Identifier: Apache-2.0
"""Vouchers of RFC 8366, IDevID chains, and the short-lived certificates of a unit's key."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.roots.gates import purpose_of
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.life import (
    Assertion,
    Voucher,
    anchor_for,
    certified_key,
    check_idevid,
    issue_short_lived,
    open_voucher,
    pinned_certificate,
    read_certificates,
    read_voucher,
    sign_voucher,
)
from kizuna.roots.units import EphemeralUnit

NOW = 1_800_000_000
_unit = EphemeralUnit(b"papers")
HANDLE = _unit.generate(Algorithm.ES256, "maker")
OTHER = _unit.generate(Algorithm.EDDSA, "other")


def voucher(**members: object) -> Voucher:
    return Voucher(
        **{
            "created_on": NOW,
            "assertion": Assertion.VERIFIED,
            "serial_number": "SN-1",
            "pinned_domain_cert": pinned_certificate(_unit, HANDLE, NOW),
        }
        | members
    )


def test_a_voucher_comes_back_as_it_was_signed():
    for one in (
        voucher(nonce=b"12345678"),
        voucher(expires_on=NOW + 9, last_renewal_date=NOW + 1, idevid_issuer=b"x" * 20),
        voucher(domain_cert_revocation_checks=False, prior_signed_voucher_request=b"abc"),
    ):
        token = sign_voucher(_unit, HANDLE, one, [one.pinned_domain_cert])
        assert open_voucher(token, [_unit.public(OTHER), _unit.public(HANDLE)]) == one
        assert read_voucher(one.to_json()) == one


def test_a_voucher_of_a_stranger_is_refused_though_its_key_travels_along():
    stranger = pinned_certificate(_unit, OTHER, NOW)
    token = sign_voucher(_unit, OTHER, voucher(), [stranger])
    with pytest.raises(Tampered):
        open_voucher(token, [_unit.public(HANDLE)])


@pytest.mark.parametrize(
    "members",
    [
        {"nonce": b"12345678", "expires_on": NOW + 1},
        {"last_renewal_date": NOW},
        {"expires_on": NOW},
        {"nonce": b"1"},
        {"serial_number": ""},
        {"pinned_domain_cert": b""},
    ],
)
def test_rules_of_the_standard_are_held(members):
    with pytest.raises(Malformed):
        voucher(**members)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_voucher_or_a_problem(data: bytes):
    for read in (read_voucher, lambda d: open_voucher(d, [])):
        with pytest.raises(Problem):
            read(data)


def test_a_misspelt_member_is_refused():
    text = voucher().to_json().replace(b"serial-number", b"serial_number")
    with pytest.raises(Malformed):
        read_voucher(text)


# --- IDevID --------------------------------------------------------------------------------------


class Maker:
    """A maker's authority with an intermediate and a device."""

    def __init__(self) -> None:
        self.root_key, self.mid_key, self.leaf_key = (
            ec.generate_private_key(ec.SECP256R1()) for _ in range(3)
        )

    def cert(self, name, key, issuer, issuer_key, *, ca=True, serial=None, **how):
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if serial:
            attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(attributes))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(datetime.fromtimestamp(NOW - 100, UTC))
            .not_valid_after(how.get("until", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)))
        )
        if how.get("constraints", True):
            length = how.get("length") if ca else None
            builder = builder.add_extension(x509.BasicConstraints(ca, length), critical=True)
        if how.get("critical"):
            unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
            builder = builder.add_extension(unknown, critical=True)
        made = builder.sign(issuer_key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.DER)

    def root(self, **how):
        return self.cert("root", self.root_key, "root", self.root_key, **how)

    def mid(self, **how):
        return self.cert("mid", self.mid_key, "root", self.root_key, **how)

    def leaf(self, **how):
        how = {"ca": False, "serial": "SN-1"} | how
        return self.cert("device", self.leaf_key, "mid", self.mid_key, **how)


MAKER = Maker()


def test_a_device_proves_its_maker():
    found = check_idevid([MAKER.leaf(), MAKER.mid()], [MAKER.root()], NOW)
    assert found.serial_number == "SN-1"
    assert found.key == PublicKey.from_loaded(MAKER.leaf_key.public_key())
    assert check_idevid([MAKER.leaf()], [MAKER.mid()], NOW)
    assert check_idevid([MAKER.leaf(), MAKER.mid(), MAKER.root()], [MAKER.root()], NOW)


@pytest.mark.parametrize(
    ("chain", "anchors"),
    [
        ([MAKER.leaf()], [MAKER.root()]),
        ([MAKER.leaf(), Maker().mid()], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.mid()], [Maker().root()]),
        ([MAKER.leaf(), MAKER.mid(ca=False)], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.mid(constraints=False)], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.mid()], [MAKER.root(length=0)]),
        ([MAKER.leaf(serial=None), MAKER.mid()], [MAKER.root()]),
        ([MAKER.leaf(critical=True), MAKER.mid()], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.mid(critical=True)], [MAKER.root()]),
        ([MAKER.mid()], [MAKER.root()]),
        ([MAKER.leaf(until=datetime.fromtimestamp(NOW - 1, UTC)), MAKER.mid()], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.mid(until=datetime.fromtimestamp(NOW - 1, UTC))], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.root(), MAKER.mid()], [MAKER.root()]),
        ([MAKER.leaf(), MAKER.mid()], [MAKER.root(until=datetime.fromtimestamp(NOW - 1, UTC))]),
        ([MAKER.leaf(), MAKER.mid()], [MAKER.root(constraints=False)]),
        ([MAKER.leaf(), MAKER.mid()], [MAKER.root(critical=True)]),
    ],
)
def test_a_chain_that_does_not_hold_is_refused(chain, anchors):
    with pytest.raises(Refused) as caught:
        check_idevid(chain, anchors, NOW)
    assert caught.value.code == "life.idevid"


@given(st.binary(max_size=200))
def test_any_bytes_are_certificates_or_a_problem(data: bytes):
    with pytest.raises(Malformed):
        read_certificates(data)
    with pytest.raises(Malformed):
        check_idevid([data], [MAKER.root()], NOW)


# --- certificates of a unit's key ----------------------------------------------------------------


@pytest.mark.parametrize("handle", [HANDLE, OTHER])
def test_a_units_key_certifies_a_short_lived_one(handle):
    made = issue_short_lived(_unit, handle, NOW)
    (der,) = read_certificates(made.certificate)
    enrolled = [_unit.public(HANDLE), _unit.public(OTHER)]
    assert certified_key(der, enrolled, NOW) == _unit.public(handle)
    for wrong in (
        lambda: certified_key(der, [k for k in enrolled if k != _unit.public(handle)], NOW),
        lambda: certified_key(der, enrolled, NOW + 86_400),
        lambda: certified_key(der, enrolled, NOW - 1_000),
        lambda: certified_key(der[:-1] + bytes((der[-1] ^ 1,)), enrolled, NOW),
    ):
        with pytest.raises((Refused, Malformed)):
            wrong()


@pytest.mark.parametrize("handle", [HANDLE, OTHER])
def test_the_tls_library_takes_them(handle, tmp_path: Path):
    made = issue_short_lived(_unit, handle, NOW)
    (tmp_path / "c").write_bytes(made.certificate + made.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c")
    context.load_verify_locations(cadata=anchor_for(_unit.public(handle), NOW).decode())


def test_a_gate_knows_a_certificate_when_it_sees_one():
    der = x509.load_der_x509_certificate(pinned_certificate(_unit, HANDLE, NOW))
    assert purpose_of(der.tbs_certificate_bytes) == "certificate"
