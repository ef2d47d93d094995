# SPDX-License-Identifier: Apache-2.0
"""Certificates around the keys of lists: who signed a list, and whose key stands in an entry.

Keeps: 1. A list's signer is a certificate that the verifier gave, or one that such a certificate
issued directly; what comes along with the list is never believed for itself. 2. A certificate is
looked at only at a time in which it is valid. 3. The certificate that we make for an operator is
signed in its unit, and names the operator as the list does.
Standard: RFC 5280; ETSI TS 119 602 section 6.8 (organisation and country of the signer).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from kizuna.model.errors import Malformed
from kizuna.roots.keys import PublicKey
from kizuna.roots.life.certificates import read_certificates, signed_in_unit
from kizuna.roots.units import Handle, Unit

__all__ = [
    "certificate_bytes",
    "certificate_key",
    "listed_key",
    "operator_certificate",
    "signer_key",
    "to_pem",
]

_MAX: Final = 16_384


def certificate_key(der: bytes) -> PublicKey:
    """The key that a certificate (DER) is about.

    Raises:
        Malformed: ``life.certificate``, ``key.*``.
    """
    return PublicKey.from_loaded(_load(der).public_key())


def listed_key(text: str) -> PublicKey | None:
    """The key of a certificate as lists write it (base64 of DER); None where it is none that is
    supported: an entry is then without that key.
    """
    try:
        return certificate_key(base64.b64decode("".join(text.split()), validate=True))
    except (Malformed, binascii.Error, ValueError):
        return None


def certificate_bytes(text: str) -> bytes | None:
    """A certificate as lists write it (base64 of DER), as DER; None where its key is none that is
    supported.
    """
    if listed_key(text) is None:
        return None
    return base64.b64decode("".join(text.split()))


def signer_key(
    chain: Sequence[object], pinned: Sequence[bytes], now: int
) -> tuple[PublicKey, tuple[str, ...] | None] | None:
    """The key of the first certificate of a chain (``x5c``), where the verifier's pinned
    certificates vouch for it; None where they do not. With it the organisations that the signer
    may speak for; None where the signer itself is pinned, so that it may speak for whom it says.

    Args:
        chain: base64 of DER, the signer's own first.
        pinned: DER, given by the verifier.
        now: seconds since 1970.

    Raises:
        Malformed: ``life.certificate``, ``key.*``.
    """
    if not chain or not isinstance(chain[0], str):
        return None
    try:
        leaf = _load(base64.b64decode(chain[0], validate=True))
    except (binascii.Error, ValueError) as fault:
        raise _malformed("x5c is not base64") from fault
    moment = datetime.fromtimestamp(now, UTC)
    if not leaf.not_valid_before_utc <= moment <= leaf.not_valid_after_utc:
        return None
    for der in pinned:
        anchor = _load(der)
        if leaf == anchor:
            return PublicKey.from_loaded(leaf.public_key()), None
        if not anchor.not_valid_before_utc <= moment <= anchor.not_valid_after_utc:
            continue
        named = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if _may_issue(anchor) and _issued(leaf, anchor):
            return PublicKey.from_loaded(leaf.public_key()), tuple(str(a.value) for a in named)
    return None


def operator_certificate(
    unit: Unit,
    handle: Handle,
    organisation: str,
    territory: str,
    *,
    begins: int,
    days: int = 1_095,
) -> bytes:
    """A self-signed certificate (DER) of a list operator's key. The same key, names and beginning
    give the same certificate up to its signature.
    """
    public = unit.public(handle)
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64])]
    if territory:
        names.insert(0, x509.NameAttribute(NameOID.COUNTRY_NAME, territory))
    names.append(x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation[:40]}, trust lists"[:64]))
    name = x509.Name(names)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public.load())
        .serial_number(int.from_bytes(public.thumbprint[:16], "big") >> 1 or 1)
        .not_valid_before(datetime.fromtimestamp(begins, UTC))
        .not_valid_after(datetime.fromtimestamp(begins + days * 86_400, UTC))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier(public.thumbprint[:20]), critical=False)
    )
    return signed_in_unit(unit, handle, builder)


def _load(der: bytes) -> x509.Certificate:
    if len(der) > _MAX:
        raise _malformed(f"{len(der)} bytes, at most {_MAX}")
    (one,) = read_certificates(der)
    return x509.load_der_x509_certificate(one)


def _may_issue(anchor: x509.Certificate) -> bool:
    try:
        return anchor.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def to_pem(der: bytes) -> bytes:
    """A certificate in PEM."""
    return _load(der).public_bytes(serialization.Encoding.PEM)


def _malformed(why: str) -> Malformed:
    return Malformed(
        "life.certificate",
        f"not a certificate that can be read: {why}",
        why=why,
        hint="give X.509 certificates in PEM or DER",
        fault=why,
    )
