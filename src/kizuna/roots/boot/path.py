# SPDX-License-Identifier: Apache-2.0
"""Certificate paths of devices (X.509), checked by our own rules, the same wherever one is checked.

Keeps: 1. A path ends at an anchor that the caller trusts; there may be several, and an anchor may
be a certificate or a bare key. One that came by certificate must itself be in time and be allowed
to issue. The path is given in its order, leaf first. 2. Every certificate above the leaf must be
allowed to issue: CA flag, key usage, path length; embedded CAs on the device are held to the same
rules. 3. A critical extension that nobody here understands is a fault. 4. "No anchor known" is
another fault than a signature that is wrong.
Standard: RFC 5280 section 6 without names constraints, policies and revocation lists; TCG DICE
Attestation Architecture, IEEE 802.1AR.
Does not: use the primitives library's own verification of X.509. That follows the rules of the web
(names of servers, no Ed25519, no critical extensions of others), by which hardly a device's
certificate passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.x509.oid import SignatureAlgorithmOID

from kizuna.model.errors import Malformed
from kizuna.roots.boot.der import (
    BIT_STRING,
    BOOLEAN,
    INTEGER,
    SEQUENCE,
    Extension,
    extensions_of,
    item,
    items,
    number,
)
from kizuna.roots.boot.wire import malformed
from kizuna.roots.keys import PublicKey
from kizuna.roots.keys.public import Loaded

__all__ = [
    "Anchor",
    "Certificate",
    "Path",
    "PathFault",
    "check_path",
    "read_anchors",
    "read_certificate",
    "read_certificates",
]

MAX_CERTIFICATE: Final = 16 << 10
MAX_CHAIN: Final = 10

_DICE: Final = "2.23.133.5.4."
_BASIC, _USAGE = "2.5.29.19", "2.5.29.15"
_UNDERSTOOD: Final = frozenset(
    {
        _BASIC,
        _USAGE,
        "2.5.29.37",  # extended key usage: says less, never more
        "2.5.29.17",  # subject alternative name: read by those who know what stands in it
        "2.5.29.35",
        "2.5.29.14",
        "2.5.29.32",
        "1.3.6.1.4.1.11129.2.1.24",  # Open Profile for DICE
    }
)
_PSS: Final = SignatureAlgorithmOID.RSASSA_PSS
_DER: Final = serialization.Encoding.DER


class PathFault(StrEnum):
    """Why a path does not hold."""

    SIGNATURE = "signature"
    ORDER = "order"
    ISSUER = "issuer"
    """A certificate in the middle may not issue: no CA, wrong key usage, path too long."""
    EXTENSION = "extension"
    EXPIRED = "expired"
    EARLY = "early"
    ANCHOR = "anchor"
    """Nothing wrong, but no anchor is known for it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that was read; its signature is not checked."""

    der: bytes
    key: PublicKey
    parsed: x509.Certificate
    extensions: tuple[Extension, ...]
    is_authority: bool
    """Whether it may issue: CA flag, and key usage where it says any."""
    lengths: int | None
    """How many further authorities may follow below it; None: any number."""

    @property
    def subject(self) -> str:
        """The name it is about, RFC 4514."""
        return self.parsed.subject.rfc4514_string()


@dataclass(frozen=True, slots=True)
class Anchor:
    """Who may stand at the end of a path: a key, and the name it has where it came by certificate.

    ``lengths`` is the path length that the anchor's own certificate allows, ``certificate`` that
    certificate.
    """

    key: PublicKey
    name: bytes | None = None
    lengths: int | None = None
    certificate: Certificate | None = None

    @property
    def der(self) -> bytes | None:
        """The certificate that it came by."""
        return None if self.certificate is None else self.certificate.der


@dataclass(frozen=True, slots=True)
class Path:
    """A path that was walked, leaf first."""

    certificates: tuple[Certificate, ...]
    faults: tuple[PathFault, ...]
    anchor: Anchor | None

    @property
    def leaf(self) -> Certificate:
        """The certificate that the path is for."""
        return self.certificates[0]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.faults


@lru_cache(maxsize=4096)
def read_certificate(der: bytes) -> Certificate:
    """The certificate of DER.

    Raises:
        Malformed: ``boot.malformed``, ``key.unsupported``, ``key.weak``.
    """
    if len(der) > MAX_CERTIFICATE:
        raise malformed("certificate", f"{len(der)} bytes, at most {MAX_CERTIFICATE}")
    try:
        parsed = x509.load_der_x509_certificate(der)
        key = PublicKey.from_loaded(parsed.public_key())
        _ = parsed.subject, parsed.issuer
    except Malformed:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as fault:
        raise malformed("certificate", str(fault)[:80]) from fault
    extensions = extensions_of(parsed.tbs_certificate_bytes)
    said = {extension.name: extension.value for extension in extensions}
    authority, lengths = _basic(said[_BASIC]) if _BASIC in said else (False, None)
    if _USAGE in said and not _may_sign_certificates(said[_USAGE]):
        authority = False
    return Certificate(der, key, parsed, extensions, authority, lengths)


def read_certificates(data: bytes) -> tuple[Certificate, ...]:
    """The certificates of a PEM file or of DER after DER, in their order.

    Raises:
        Malformed: ``boot.malformed``.
    """
    if len(data) > MAX_CHAIN * MAX_CERTIFICATE * 2:
        raise malformed("certificate chain", "too long")
    ders: list[bytes] = []
    if b"-----BEGIN" in data:
        try:
            ders = [c.public_bytes(_DER) for c in x509.load_pem_x509_certificates(data)]
        except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
            raise malformed("certificate chain", "PEM without certificates") from fault
    else:
        at = 0
        while at < len(data):
            end = _end_of_der(data, at)
            ders.append(data[at:end])
            at = end
    if not 0 < len(ders) <= MAX_CHAIN:
        raise malformed("certificate chain", f"{len(ders)} certificates, 1 to {MAX_CHAIN}")
    return tuple(read_certificate(der) for der in ders)


def read_anchors(data: bytes) -> tuple[Anchor, ...]:
    """Anchors of a file: certificates, or one public key, in PEM or DER.

    Raises:
        Malformed: ``boot.malformed``, ``key.malformed``.
    """
    if b"BEGIN PUBLIC KEY" in data:
        return (Anchor(PublicKey.from_pem(data)),)
    return tuple(anchor_of(certificate) for certificate in read_certificates(data))


def anchor_of(certificate: Certificate) -> Anchor:
    """The certificate as an anchor; its own signature does not matter."""
    return Anchor(
        certificate.key,
        certificate.parsed.subject.public_bytes(),
        certificate.lengths,
        certificate,
    )


def check_path(
    certificates: Sequence[Certificate],
    anchors: Sequence[Anchor],
    *,
    now: int | None,
    understood: frozenset[str] = frozenset(),
) -> Path:
    """Walk from the leaf to an anchor.

    Args:
        certificates: leaf first; the anchor's own certificate may stand at the end.
        anchors: whom the caller trusts.
        now: seconds since 1970; None where the device has no clock and time is judged elsewhere.
        understood: further critical extensions the caller reads, as dotted numbers.

    Raises:
        Malformed: ``boot.malformed`` for an empty or overlong chain.
    """
    chain = tuple(certificates)
    if not 0 < len(chain) <= MAX_CHAIN:
        raise malformed("certificate chain", f"{len(chain)} certificates, 1 to {MAX_CHAIN}")
    faults: list[PathFault] = []
    by_der = {anchor.der for anchor in anchors if anchor.der is not None}
    if len(chain) > 1 and chain[-1].der in by_der:
        chain = chain[:-1]
    for place, certificate in enumerate(chain):
        faults += _own_faults(certificate, place, now, understood)
    for below, above in pairwise(chain):
        if below.parsed.issuer != above.parsed.subject:
            faults.append(PathFault.ORDER)
        elif not is_issued(below, above.key):
            faults.append(PathFault.SIGNATURE)
    last = chain[-1]
    issuer = last.parsed.issuer.public_bytes()
    named = [anchor for anchor in anchors if anchor.name is None or anchor.name == issuer]
    anchor = next((anchor for anchor in named if is_issued(last, anchor.key)), None)
    if anchor is None:
        # a last certificate that only repeats an anchor's key counts for nothing: whoever sends
        # the chain could have written into it what they like
        known = any(anchor.name is not None for anchor in named)
        faults.append(PathFault.SIGNATURE if known else PathFault.ANCHOR)
    elif anchor.certificate is not None:
        faults += _own_faults(anchor.certificate, len(chain), now, understood)
    elif anchor.lengths is not None and len(chain) - 1 > anchor.lengths:
        faults.append(PathFault.ISSUER)
    return Path(tuple(certificates), tuple(dict.fromkeys(faults)), anchor)


@lru_cache(maxsize=8192)
def is_issued(certificate: Certificate, issuer: PublicKey) -> bool:
    """Whether ``issuer`` signed this certificate."""
    parsed, loaded = certificate.parsed, _load(issuer)
    signature, signed = parsed.signature, parsed.tbs_certificate_bytes
    try:
        digest = parsed.signature_hash_algorithm
        if digest is not None and digest.digest_size < hashes.SHA256.digest_size:
            return False
        if isinstance(loaded, ed25519.Ed25519PublicKey):
            loaded.verify(signature, signed)
        elif digest is None:
            return False
        elif isinstance(loaded, ec.EllipticCurvePublicKey):
            loaded.verify(signature, signed, ec.ECDSA(digest))
        elif parsed.signature_algorithm_oid == _PSS:
            loaded.verify(signature, signed, padding.PSS(padding.MGF1(digest), -1), digest)
        else:
            loaded.verify(signature, signed, padding.PKCS1v15(), digest)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _own_faults(
    certificate: Certificate, place: int, now: int | None, understood: frozenset[str]
) -> list[PathFault]:
    faults: list[PathFault] = []
    if now is not None:
        if now > certificate.parsed.not_valid_after_utc.timestamp():
            faults.append(PathFault.EXPIRED)
        if now < certificate.parsed.not_valid_before_utc.timestamp():
            faults.append(PathFault.EARLY)
    known = _UNDERSTOOD | understood
    if any(
        extension.critical and extension.name not in known and not extension.name.startswith(_DICE)
        for extension in certificate.extensions
    ):
        faults.append(PathFault.EXTENSION)
    lengths = certificate.lengths
    if place and (not certificate.is_authority or (lengths is not None and place - 1 > lengths)):
        faults.append(PathFault.ISSUER)
    return faults


def _basic(value: bytes) -> tuple[bool, int | None]:
    authority, lengths = False, None
    for tag, content in items(item(value, SEQUENCE)):
        if tag == BOOLEAN:
            authority = content == b"\xff"
        elif tag == INTEGER:
            lengths = number(content)
    return authority, lengths


def _may_sign_certificates(value: bytes) -> bool:
    bits = item(value, BIT_STRING)
    return len(bits) > 1 and bool(bits[1] & 0x04)


@lru_cache(maxsize=4096)
def _load(key: PublicKey) -> Loaded:
    return key.load()


def _end_of_der(data: bytes, at: int) -> int:
    if data[at : at + 1] != b"\x30" or at + 4 > len(data):
        raise malformed("certificate chain", "not a certificate")
    first, at = data[at + 1], at + 2
    if first & 0x80:
        width = first & 0x7F
        if not 0 < width <= 3:
            raise malformed("certificate chain", "length of a certificate")
        first, at = int.from_bytes(data[at : at + width], "big"), at + width
    if at + first > len(data):
        raise malformed("certificate chain", "cut short")
    return at + first
