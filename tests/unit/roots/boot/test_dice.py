# SPDX-License-Identifier: Apache-2.0
"""DICE chains: both encodings, several anchors, every layer tied to the one above."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem
from kizuna.proof.attestation.schemes.dice import Dice
from kizuna.roots.boot.dice import Chain, Layer, Measured, chain_faults, read_chain
from kizuna.roots.boot.layer import (
    Inputs,
    Secrets,
    certificate_id,
    certify_layer,
    chain_of,
    layer_key,
    next_secrets,
)
from kizuna.roots.boot.path import Anchor, PathFault, anchor_of, read_anchors, read_certificate

NOW = 1_790_000_000


def test_secrets_and_names_are_those_of_the_open_profile():
    """Known answers published with the profile's reference code, for inputs of zeros."""
    zero = Secrets(bytes(32), bytes(32))
    made = next_secrets(zero, Inputs(code=bytes(64), mode=0))
    assert made.attest.hex() == "fbfc679771342eeacb908659ce49d6b63b4535da2c51433d7f04efa6319e0c19"
    assert made.seal.hex() == "8ff8b22571325e7defefbfea8df1c9f34bf4d9ee03b75b788219c6b1ef49bdc5"
    key = layer_key(made.attest).public
    assert key.to_raw().hex() == "0d14e5de292eb1c8b31beae43ab55d8e9dc014b73eaa83b925a0788cc62e5c8d"
    assert certificate_id(key).hex() == "67c22a8859062b986818e8e72b0bcd9f59349c89"
    assert "fbfc" not in repr(made)


def open_chain(*codes: bytes, mode: int = 1) -> tuple[bytes, Anchor]:
    """A CBOR chain of one layer a code, and the anchor of its device."""
    secrets = Secrets(sha256(b"uds").digest(), bytes(32))
    key = root = layer_key(secrets.attest)
    certificates = []
    for code in codes:
        inputs = Inputs(code=code * 64, mode=mode)
        secrets = next_secrets(secrets, inputs)
        below = layer_key(secrets.attest)
        certificates.append(certify_layer(key, below.public, inputs))
        key = below
    return chain_of(root.public, certificates), Anchor(root.public)


def test_a_cbor_chain_holds_under_its_own_root_only():
    data, anchor = open_chain(b"a", b"b")
    chain = read_chain(data)
    assert chain_faults(chain, [anchor], now=None) == ()
    assert [one.digest[:1] for one in chain.measured if one.kind == "code"] == [b"a", b"b"]
    assert chain.device_key == anchor.key
    other = open_chain(b"a")[0]
    assert chain_faults(chain, [Anchor(read_chain(other).leaf.key)], now=None) == (
        PathFault.ANCHOR,
    )


def test_other_code_gets_another_key_and_the_same_device_key():
    first, second = (read_chain(open_chain(code)[0]) for code in (b"a", b"b"))
    assert first.leaf.key != second.leaf.key
    assert first.device_key == second.device_key


def test_a_debug_layer_is_flagged():
    assert read_chain(open_chain(b"a", mode=2)[0]).flags == ("debug",)


def test_a_layer_of_another_chain_is_found():
    mine, anchor = open_chain(b"a", b"b")
    theirs, _ = open_chain(b"c", b"b")
    parts, others = cbor2.loads(mine), cbor2.loads(theirs)
    mixed = read_chain(cbor2.dumps([parts[0], parts[1], others[2]]))
    assert PathFault.SIGNATURE in chain_faults(mixed, [anchor], now=None)
    assert PathFault.ORDER in chain_faults(mixed, [anchor], now=None)


@given(st.data())
def test_a_changed_byte_of_a_cbor_chain_never_passes(data: st.DataObject):
    chain, anchor = open_chain(b"a", b"b")
    at = data.draw(st.integers(0, len(chain) - 1))
    flip = data.draw(st.integers(1, 255))
    altered = chain[:at] + bytes((chain[at] ^ flip,)) + chain[at + 1 :]
    try:
        faults = chain_faults(read_chain(altered), [anchor], now=None)
    except Problem:
        return
    assert faults


def riot(shared: Path) -> tuple[bytes, tuple[Anchor, ...]]:
    folder = shared / "vectors/veraison/scheme/riot/test"
    comid = json.loads((folder / "corim/src/comid-riot-ta.json").read_text())
    key = comid["triples"]["attester-verification-keys"][0]["verification-keys"][0]
    return (folder / "evidence/evidence.pem").read_bytes(), read_anchors(key["value"].encode())


def test_the_published_chain_holds_under_its_makers_anchors(shared: Path):
    pem, anchors = riot(shared)
    chain = read_chain(pem)
    assert chain_faults(chain, anchors, now=1_700_000_000) == ()
    assert chain_faults(chain, anchors[:1], now=None) == ()
    assert chain_faults(chain, anchors[1:], now=None) == (PathFault.ANCHOR,)
    assert chain_faults(chain, anchors, now=2_000_000_000) == (PathFault.EXPIRED,)
    assert chain_faults(chain, anchors, now=1_500_000_000) == (PathFault.EARLY,)
    assert [one.digest_alg for one in chain.measured] == ["sha-256"]
    assert chain.leaf.parent == chain.layers[1].key == chain.device_key


def test_every_changed_byte_of_the_published_chain_is_found(shared: Path):
    pem, anchors = riot(shared)
    certificates = read_chain(pem).certificates
    leaf = certificates[0].der
    rest = [one.der for one in certificates[1:]]
    for at in range(0, len(leaf), 7):
        altered = leaf[:at] + bytes((leaf[at] ^ 0x11,)) + leaf[at + 1 :]
        try:
            chain = read_chain(cbor2.dumps([altered, *rest]))
        except Problem:
            continue
        assert chain_faults(chain, anchors, now=None), at


def certificate(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = True,
    lengths: int | None = None,
    extensions: tuple[tuple[str, bytes, bool], ...] = (),
) -> bytes:
    basic = x509.BasicConstraints(authority, lengths if authority else None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .add_extension(basic, critical=True)
    )
    for name, value, critical in extensions:
        raw = x509.UnrecognizedExtension(x509.ObjectIdentifier(name), value)
        builder = builder.add_extension(raw, critical)
    made = builder.sign(by, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def seq(*parts: bytes) -> bytes:
    body = b"".join(parts)
    assert len(body) < 128
    return bytes((0x30, len(body))) + body


def tcb_info(vendor: bytes, digest: bytes, flags: int) -> bytes:
    oid = bytes.fromhex("0609608648016503040201")
    fwid = seq(oid, b"\x04\x20" + digest)
    return seq(
        bytes((0x80, len(vendor))) + vendor,
        b"\x83\x01\x05",
        bytes((0xA6, len(fwid))) + fwid,
        b"\x87\x02\x04" + bytes((flags,)),
    )


KEYS = [ec.derive_private_key(n + 1, ec.SECP256R1()) for n in range(4)]


def test_tcb_info_and_ueid_are_read():
    root = certificate("root", "root", KEYS[0], KEYS[0])
    leaf = certificate(
        "leaf", "root", KEYS[1], KEYS[0],
        authority=False,
        extensions=(
            ("2.23.133.5.4.1", tcb_info(b"ACME", b"\x07" * 32, 0x10), True),
            ("2.23.133.5.4.4", seq(b"\x04\x05uniqu"), False),
        ),
    )  # fmt: skip
    chain = read_chain(leaf)
    assert chain_faults(chain, [anchor_of(read_certificate(root))], now=NOW) == ()
    one = chain.measured[0]
    assert (one.vendor, one.svn, one.digest) == ("ACME", 5, b"\x07" * 32)
    assert chain.flags == ("debug",)
    assert chain.ueid == b"uniqu"
    (shown,) = Dice().read(leaf).measurements
    told = {"is-configured": True, "is-secure": True, "is-recovery": False, "is-debug": True}
    assert (shown.svn, dict(shown.flags)) == (5, told)


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        (b"", {}),
        (b"\x87\x01\x00", dict.fromkeys(("is-configured", "is-secure"), True)),
        (b"\x87\x02\x04\xf0", dict.fromkeys(("is-configured", "is-secure"), False)),
        (b"\x87\x02\x04\x40\x8a\x02\x04\x40", {"is-secure": False}),
        (b"\x87\x02\x04\x40\x8a\x01\x00", {}),
    ],
)
def test_flags_say_what_their_mask_names_and_nothing_without_them(bits: bytes, told: dict):
    info = seq(
        b"\xa6\x2f" + seq(bytes.fromhex("0609608648016503040201"), b"\x04\x20" + bytes(32)), bits
    )
    leaf = certificate(
        "leaf", "root", KEYS[1], KEYS[0], authority=False,
        extensions=(("2.23.133.5.4.1", info, True),),
    )  # fmt: skip
    (one,) = read_chain(leaf).measured
    flags = dict(one.flags)
    assert {name: flags[name] for name in told} == told
    assert bool(flags) is bool(told)


def test_a_layer_on_the_device_does_not_give_it_anothers_name():
    key = layer_key(bytes(32)).public
    measured = (Measured(kind="code", digest_alg="sha-256", digest=bytes(32)),)
    below = Layer(name="app", key=key, ueid=b"another")
    running = Layer(name="running", key=key, measured=measured, ueid=b"another")
    made = Layer(name="device", key=key, ueid=b"its own")
    assert Chain(layers=(below, running, made)).ueid == b"its own"
    nameless = Layer(name="device", key=key)
    assert Chain(layers=(below, running, nameless)).ueid is None


def test_who_may_not_issue_does_not():
    root = anchor_of(read_certificate(certificate("root", "root", KEYS[0], KEYS[0])))
    short = anchor_of(read_certificate(certificate("root", "root", KEYS[0], KEYS[0], lengths=0)))
    middle = certificate("middle", "root", KEYS[1], KEYS[0])
    no_authority = certificate("middle", "root", KEYS[1], KEYS[0], authority=False)
    leaf = certificate("leaf", "middle", KEYS[2], KEYS[1], authority=False)
    assert chain_faults(read_chain(leaf + middle), [root], now=NOW) == ()
    assert chain_faults(read_chain(leaf + no_authority), [root], now=NOW) == (PathFault.ISSUER,)
    assert chain_faults(read_chain(leaf + middle), [short], now=NOW) == (PathFault.ISSUER,)
    deep = certificate("middle", "root", KEYS[1], KEYS[0], lengths=0)
    second = certificate("second", "middle", KEYS[2], KEYS[1])
    last = certificate("last", "second", KEYS[3], KEYS[2], authority=False)
    assert chain_faults(read_chain(last + second + deep), [root], now=NOW) == (PathFault.ISSUER,)


def test_an_unknown_critical_extension_is_a_fault():
    root = anchor_of(read_certificate(certificate("root", "root", KEYS[0], KEYS[0])))
    odd = certificate(
        "leaf", "root", KEYS[1], KEYS[0], authority=False,
        extensions=(("1.2.3.4", b"\x05\x00", True),),
    )  # fmt: skip
    assert chain_faults(read_chain(odd), [root], now=NOW) == (PathFault.EXTENSION,)


def test_several_anchors_of_one_name_are_tried():
    old = anchor_of(read_certificate(certificate("root", "root", KEYS[3], KEYS[3])))
    new = anchor_of(read_certificate(certificate("root", "root", KEYS[0], KEYS[0])))
    leaf = read_chain(certificate("leaf", "root", KEYS[1], KEYS[0], authority=False))
    assert chain_faults(leaf, [old, new], now=NOW) == ()
    assert chain_faults(leaf, [old], now=NOW) == (PathFault.SIGNATURE,)


def test_a_last_certificate_that_only_repeats_an_anchors_key_counts_for_nothing():
    """Else its sender could write any measurement into it."""
    anchor = Anchor(anchor_of(read_certificate(certificate("id", "maker", KEYS[1], KEYS[0]))).key)
    forged = certificate(
        "id", "maker", KEYS[1], KEYS[3],
        extensions=(("2.23.133.5.4.1", tcb_info(b"ACME", b"\x07" * 32, 0), True),),
    )  # fmt: skip
    leaf = certificate("leaf", "id", KEYS[2], KEYS[1], authority=False)
    assert chain_faults(read_chain(leaf), [anchor], now=NOW) == ()
    assert chain_faults(read_chain(leaf + forged), [anchor], now=NOW)


@given(st.binary(max_size=200))
def test_noise_is_no_chain(noise: bytes):
    with pytest.raises(Malformed):
        read_chain(noise)


def test_a_chain_of_too_many_or_too_large_is_refused():
    leaf = certificate("leaf", "root", KEYS[1], KEYS[0])
    with pytest.raises(Malformed):
        read_chain(leaf * 11)
    with pytest.raises(Malformed):
        read_chain(b"\x30" + bytes(200_000))
