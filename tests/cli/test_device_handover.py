# SPDX-License-Identifier: Apache-2.0
"""A device finds its owner and changes hands between two stores, command by command."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

FAN = "urn:dev:ser:fan-42"


@pytest.fixture
def buyer(kizuna, tmp_path):
    other = type(kizuna)(tmp_path / "buyer" / "store")
    other.store.parent.mkdir()
    assert other("init", "--name", "Buyer", "-q").code == 0
    return other


def identity(kizuna):
    done = kizuna("trust", "export", "--out", kizuna.store.parent / "trust.json", "--json")
    assert done.code == 0, done.stderr
    return kizuna.store.parent / "trust.json"


def public(path):
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def factory(folder):
    """A maker's root, and a device's certificate with its key."""
    root, device = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    fan = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, "SN-42")])
    now = datetime.now(UTC)
    for file, subject, key, authority in (("root.pem", name, root, True),
                                          ("idevid.pem", fan, device, False)):  # fmt: skip
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=999))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .sign(root, hashes.SHA256())
        )
        (folder / file).write_bytes(made.public_bytes(Encoding.PEM))
    secret = device.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "idevid.key").write_bytes(secret)


def ok(done):
    assert done.code == 0, done.stderr + done.stdout
    return done


def test_a_device_finds_its_buyer_and_the_buyers_log_takes_it(store, buyer, tmp_path):
    factory(tmp_path)
    at = {n: tmp_path / n for n in ("registrar", "request", "forwarded", "voucher", "release")}
    root, idevid = ("--anchor", tmp_path / "root.pem"), ("--idevid", tmp_path / "idevid.pem")
    ok(store("device", "enrol", FAN, "--made", *idevid, *root))
    ok(buyer("device", "voucher", "registrar", "--out", at["registrar"]))
    ok(store("device", "voucher", "request", "--key", tmp_path / "idevid.key", *idevid,
             "--registrar", at["registrar"], "--out", at["request"]))  # fmt: skip
    done = ok(buyer("device", "voucher", "forward", at["request"], *root, "--out",
                    at["forwarded"], "--json"))  # fmt: skip
    assert done.json["serial"] == "SN-42"
    issue = ("device", "voucher", "issue", at["forwarded"], "--device", FAN, *root,
             "--out", at["voucher"])  # fmt: skip
    done = store(*issue, "--sold-to", "did:key:zDnaee83LB9Mw717HxDkAAGp3XJTxzkTkrjUjeXCHqrs6Eews",
                 "--json")  # fmt: skip
    assert (done.code, done.json["code"]) == (10, "life.request-buyer")
    ok(store(*issue))
    assert store(*issue, "--json").json["code"] == "life.voucher-replayed"
    maker = tmp_path / "maker.pem"
    with_key = ("--maker", maker, "--registrar", at["registrar"], "--request", at["request"])
    maker.write_bytes((tmp_path / "root.pem").read_bytes())  # not the key that signs vouchers
    done = store("device", "voucher", "check", at["voucher"], *with_key, "--json")
    assert (done.code, done.json["code"]) == (11, "life.voucher-signature")
    rows = ok(store("device", "voucher", "log", FAN, "--json")).json["vouchers"]
    assert [row["serial"] for row in rows] == ["SN-42"]
    assert "SN" in ok(store("device", "voucher", "log", FAN)).stdout or rows


def test_a_device_passes_between_two_stores(store, buyer, tmp_path):
    to = ok(buyer("list", "show", "--json")).json
    first, second = public(tmp_path / "first.pem"), public(tmp_path / "second.pem")
    ok(store("device", "enrol", FAN, "--key", first))
    name = to.get("operator") or to["list"]["operator"]
    release, accepted = tmp_path / "release", tmp_path / "accepted"
    ok(store("device", "transfer", FAN, "--to", name, "--release", release))
    take = ("device", "accept", FAN, "--key", second, "--release", release)
    refused = buyer(*take, "--json")
    assert (refused.code, refused.json["code"]) == (13, "log.not-accepted")
    ok(buyer(*take, "--trust", identity(store), "--acceptance", accepted))
    again = buyer(*take, "--trust", identity(store), "--json")
    assert (again.code, again.json["code"]) == (10, "life.voucher-used")
    done = ok(store("device", "handed-over", FAN, accepted, "--trust", identity(buyer)))
    assert name in done.stdout
    for kizuna in (store, buyer):
        told = ok(kizuna("device", "history", FAN, "--json")).json
        assert told["owner"] == name
    assert told["owners"][-1]["voucher"]
