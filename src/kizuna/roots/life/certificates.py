# SPDX-License-Identifier: Apache-2.0
"""Certificates: IDevID chains checked, and short-lived ones issued by keys that stay in units.

Keeps: 1. A chain is followed as ``roots.boot.path`` follows every device's, from the leaf in its
order to an anchor that the caller gives; nothing is fetched and nothing believed because it came
along. 2. A device's own certificate issues nothing, and its key may sign. 3. A certificate that we
issue is signed by the unit; the key that it certifies lives in the process for hours only.
Standard: RFC 5280, IEEE 802.1AR-2018 (DevID: serial number in the subject, no early end needed).
Does not: read revocation lists (a status statement revokes here).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kizuna.model.errors import Malformed, Refused
from kizuna.roots.boot.path import (
    Certificate,
    PathFault,
    anchor_of,
    check_path,
    read_certificate,
)
from kizuna.roots.keys import Algorithm, PublicKey, from_der, to_der, verify
from kizuna.roots.units import Handle, Unit

__all__ = [
    "DevId",
    "ShortLived",
    "anchor_for",
    "certified_key",
    "check_idevid",
    "issue_short_lived",
    "pinned_certificate",
    "read_certificates",
    "serial_of",
    "signed_in_unit",
]

MAX_CHAIN: Final = 8
MAX_CERTIFICATE: Final = 16_384
_MAX_FILE: Final = 1 << 20
_ALGORITHM_DER: Final = {
    Algorithm.ES256: bytes.fromhex("300a06082a8648ce3d040302"),
    Algorithm.EDDSA: bytes.fromhex("300506032b6570"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DevId:
    """What a checked IDevID certificate says."""

    key: PublicKey
    serial_number: str
    issuer: str
    leaf: bytes
    authority_key_id: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ShortLived:
    """A key of this process with its certificate, in PEM; for a TLS library that wants both."""

    certificate: bytes
    private_key: bytes
    not_after: int


def read_certificates(data: bytes) -> list[bytes]:
    """The certificates (DER) of a file: PEM blocks in order, or one in DER.

    Raises:
        Malformed: ``life.certificate``.
    """
    if len(data) > _MAX_FILE:
        raise _malformed(f"{len(data)} bytes, at most {_MAX_FILE}")
    try:
        if b"-----BEGIN" in data:
            found = x509.load_pem_x509_certificates(data)
            if len(found) > MAX_CHAIN:
                raise _malformed(f"more than {MAX_CHAIN} certificates")
            return [c.public_bytes(serialization.Encoding.DER) for c in found]
        return [_load(data).public_bytes(serialization.Encoding.DER)]
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise _malformed(str(fault)[:120] or "not X.509") from fault


def check_idevid(chain: Sequence[bytes], anchors: Sequence[bytes], now: int) -> DevId:
    """The identity in an IDevID certificate that chains to an anchor.

    Args:
        chain: DER, the device's own first, then each that issued the one before.
        anchors: DER certificates of makers that the caller believes.
        now: seconds since 1970.

    Raises:
        Malformed: ``life.certificate``, ``key.*``. Refused: ``life.idevid``.
    """
    if not 1 <= len(chain) <= MAX_CHAIN or not 1 <= len(anchors) <= 1_000:
        raise _malformed(f"a chain has 1 to {MAX_CHAIN} certificates, and needs an anchor")
    leaf = _load(chain[0])
    _leaf_rights(leaf)
    path = check_path(
        [_read(one) for one in chain], [anchor_of(_read(one)) for one in anchors], now=now
    )
    if path.faults:
        raise _refused("; ".join(_FAULTS[fault] for fault in path.faults))
    serial, issued_by = serial_of(chain[0])
    return DevId(
        key=PublicKey.from_loaded(leaf.public_key()),
        serial_number=serial,
        issuer=leaf.issuer.rfc4514_string()[:400],
        leaf=chain[0],
        authority_key_id=issued_by,
    )


def serial_of(certificate: bytes) -> tuple[str, bytes | None]:
    """The serial number in a certificate's subject, and the key id of who issued it.

    Raises:
        Malformed: ``life.certificate``. Refused: ``life.idevid``.
    """
    leaf = _load(certificate)
    serial = leaf.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    if len(serial) != 1 or not isinstance(serial[0].value, str):
        raise _refused("its subject has no serial number (802.1AR asks for one)")
    return serial[0].value[:200], _authority_key_id(leaf)


def pinned_certificate(unit: Unit, handle: Handle, now: int, days: int = 3_650) -> bytes:
    """A self-signed CA certificate (DER) of a key in a unit, as vouchers pin it."""
    public = unit.public(handle)
    return signed_in_unit(
        unit, handle, _builder(public, public, now - 300, now + days * 86_400, ca=True)
    )


def issue_short_lived(unit: Unit, handle: Handle, now: int, *, seconds: int = 86_400) -> ShortLived:
    """A new P-256 key of this process, certified by a key in a unit for some hours.

    The unit's key signs once and stays where it is; what TLS works with is worthless tomorrow.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    issuer, subject = unit.public(handle), PublicKey.from_loaded(key.public_key())
    until = now + seconds
    der = signed_in_unit(unit, handle, _builder(subject, issuer, now - 300, until, ca=False))
    certificate = x509.load_der_x509_certificate(der)
    return ShortLived(
        certificate=certificate.public_bytes(serialization.Encoding.PEM),
        private_key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        not_after=until,
    )


def anchor_for(key: PublicKey, now: int) -> bytes:
    """A certificate (PEM) that names an enrolled key as an anchor, for a TLS library that takes
    anchors in no other form.

    It is signed by nobody: an anchor is believed because it was given, not for its signature. The
    peer's certificate is checked again with the enrolled key itself (``certified_key``).
    """
    throwaway = (
        ed25519.Ed25519PrivateKey.generate()
        if key.algorithm is Algorithm.EDDSA
        else ec.generate_private_key(ec.SECP256R1())
    )
    builder = _builder(key, key, now - 86_400, now + 3_650 * 86_400, ca=True)
    hashed = None if key.algorithm is Algorithm.EDDSA else hashes.SHA256()
    return builder.sign(throwaway, hashed).public_bytes(serialization.Encoding.PEM)


def certified_key(certificate: bytes, enrolled: Sequence[PublicKey], now: int) -> PublicKey:
    """Which enrolled key certified a peer's short-lived certificate (DER).

    Raises:
        Malformed: ``life.certificate``. Refused: ``life.peer``.
    """
    peer = _load(certificate)
    moment = datetime.fromtimestamp(now, UTC)
    named = _authority_key_id(peer)
    for key in enrolled:
        if named != key.thumbprint[:20]:
            continue
        if not peer.not_valid_before_utc <= moment < peer.not_valid_after_utc:
            raise _peer("its certificate is not valid now")
        signature = peer.signature
        if key.algorithm is not Algorithm.EDDSA:
            signature = from_der(key, signature) or b""
        if not verify(key, signature, peer.tbs_certificate_bytes):
            raise _peer("its certificate was not signed by the key it names")
        return key
    raise _peer("its key is not enrolled here")


def _builder(
    subject: PublicKey, issuer: PublicKey, begins: int, ends: int, *, ca: bool
) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(_named(issuer))
        .public_key(subject.load())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(begins, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(subject.thumbprint[:20]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier(issuer.thumbprint[:20], None, None), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=ca,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if ca:
        return builder
    both = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    return builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)


def signed_in_unit(unit: Unit, handle: Handle, builder: x509.CertificateBuilder) -> bytes:
    """The builder's certificate, signed in the unit: a throw-away key gives the form."""
    if handle.algorithm is Algorithm.EDDSA:
        form = builder.sign(ed25519.Ed25519PrivateKey.generate(), None)
    elif handle.algorithm is Algorithm.ES256:
        form = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    else:
        raise Malformed(
            "key.unsupported",
            f"certificates are not issued with {handle.algorithm.jose_name}",
            hint="use a P-256 or Ed25519 key",
            kind=handle.algorithm.jose_name,
        )
    body = form.tbs_certificate_bytes
    signature = unit.sign(handle, body)
    if handle.algorithm is Algorithm.ES256:
        signature = to_der(unit.public(handle), signature)
    bits = _der(0x03, b"\x00" + signature)
    return _der(0x30, body + _ALGORITHM_DER[handle.algorithm] + bits)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _named(key: PublicKey) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.thumbprint.hex())])


def _load(data: bytes) -> x509.Certificate:
    if len(data) > MAX_CERTIFICATE:
        raise _malformed(f"{len(data)} bytes, at most {MAX_CERTIFICATE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return x509.load_der_x509_certificate(data)
    except (ValueError, UnsupportedAlgorithm) as fault:
        raise _malformed(str(fault)[:120] or "not X.509") from fault


def _read(data: bytes) -> Certificate:
    _load(data)
    try:
        return read_certificate(data)
    except Malformed as fault:
        raise _malformed(fault.why or fault.what) from fault


_FAULTS: Final = {
    PathFault.SIGNATURE: "a certificate of its chain is not signed by the one it names",
    PathFault.ORDER: "its certificates do not follow each other, the device's own first",
    PathFault.ISSUER: "an issuer in its chain may not issue this",
    PathFault.EXTENSION: "a critical extension in its chain is not understood",
    PathFault.EXPIRED: "a certificate of its chain has expired",
    PathFault.EARLY: "a certificate of its chain is not valid yet",
    PathFault.ANCHOR: "it does not lead to a maker that is believed here",
}


def _leaf_rights(leaf: x509.Certificate) -> None:
    try:
        rights = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        rights = None
    except (ValueError, x509.DuplicateExtension) as fault:
        raise _malformed(str(fault)[:120]) from fault
    if rights is not None and rights.ca:
        raise _refused("it is an authority's certificate, not a device's")
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.digital_signature:
        raise _refused("its key may not sign")


def _authority_key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    return found.value.key_identifier


def _malformed(why: str) -> Malformed:
    return Malformed(
        "life.certificate",
        f"not a certificate that can be read: {why}",
        why=why,
        hint="give X.509 certificates in PEM or DER",
        fault=why,
    )


def _refused(why: str) -> Refused:
    return Refused(
        "life.idevid",
        f"the device's certificate does not prove its maker: {why}",
        why=why,
        hint="check that the chain is whole and that its maker's root is the one you believe",
        fault=why,
    )


def _peer(why: str) -> Refused:
    return Refused(
        "life.peer",
        f"the peer is not admitted: {why}",
        why=why,
        hint="enrol its key, or let it renew its certificate",
        fault=why,
    )
