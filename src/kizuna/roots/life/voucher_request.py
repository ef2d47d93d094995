# SPDX-License-Identifier: Apache-2.0
"""Voucher requests: the device asks for its new owner, the owner's registrar asks its maker.

Keeps: 1. The device's request is signed with its IDevID and names the registrar it sees
(``proximity-registrar-cert``); the registrar's holds the device's whole (``prior-signed-voucher-
request``) and repeats its serial number and nonce. 2. Both carry a nonce: a request without one
could be answered at any time, and is refused. 3. Certificates in the header (``x5c``) choose a key
and prove nothing; whoever reads says by which makers they must be vouched for. 4. A voucher answers
one request: same serial number, same nonce, the registrar that was seen.
Standard: RFC 8995 sections 3 to 5 (artifacts and their checks; the transport is not here),
RFC 8366; JWS as in the ANIMA group's JWS voucher.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Refused, Tampered
from kizuna.roots.boot.path import read_certificate
from kizuna.roots.jws import Jws, check_jws, parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.life.certificates import DevId, check_idevid, read_certificates
from kizuna.roots.life.voucher import (
    Voucher,
    base64_of,
    bytes_at,
    moment_at,
    time_text,
    voucher_wrong,
)
from kizuna.roots.life.words import Assertion
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = [
    "DAY",
    "Asked",
    "VoucherRequest",
    "answers",
    "certificate_key",
    "open_device_request",
    "open_registrar_request",
    "read_own_request",
    "sign_request",
]

DAY: Final = 86_400
"""How old a request may be, in seconds."""
_SKEW: Final = 300
_OUTER: Final = "ietf-voucher-request:voucher"
_TYP: Final = "voucher-jws+json"
_MAX: Final = 131_072
_CHAIN: Final = 8
_KNOWN: Final = frozenset(
    {
        "created-on",
        "assertion",
        "serial-number",
        "nonce",
        "idevid-issuer",
        "proximity-registrar-cert",
        "prior-signed-voucher-request",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherRequest:
    """The members of RFC 8995, section 3; times in seconds since 1970."""

    created_on: int
    serial_number: str
    nonce: bytes
    assertion: Assertion | None = None
    idevid_issuer: bytes | None = None
    proximity_registrar_cert: bytes | None = None
    """The certificate of the registrar that the device speaks with (DER)."""
    prior_signed_voucher_request: bytes | None = None
    """The device's own request, as it signed it."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.serial_number) <= 512:
            raise voucher_wrong("serial-number has 1 to 512 characters")
        if not 8 <= len(self.nonce) <= 32:
            raise voucher_wrong("a nonce has 8 to 32 bytes")

    def to_json(self) -> bytes:
        """The document, in one spelling."""
        members: dict[str, Any] = {
            "created-on": time_text(self.created_on),
            "serial-number": self.serial_number,
            "nonce": base64_of(self.nonce),
        }
        if self.assertion is not None:
            members["assertion"] = self.assertion.value
        for name, data in (
            ("idevid-issuer", self.idevid_issuer),
            ("proximity-registrar-cert", self.proximity_registrar_cert),
            ("prior-signed-voucher-request", self.prior_signed_voucher_request),
        ):
            if data is not None:
                members[name] = base64_of(data)
        return json.dumps({_OUTER: members}, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that was checked."""

    request: VoucherRequest
    device: DevId
    """Whose IDevID signed it, or the request inside it."""
    registrar: bytes | None = None
    """The certificate of the registrar that signed around it (DER)."""
    signed: bytes


def sign_request(
    unit: Unit, handle: Handle, request: VoucherRequest, chain: Sequence[bytes]
) -> bytes:
    """The request as a compact JWS; ``chain`` (DER, leaf first) goes into ``x5c``."""
    header = {"typ": _TYP, "x5c": [base64_of(one) for one in chain]}
    return sign_jws(unit, handle, request.to_json(), header)


def open_device_request(data: bytes, makers: Sequence[bytes], now: int) -> Asked:
    """A device's own request, signed with an IDevID of a believed maker.

    Args:
        data: the JWS.
        makers: certificates (DER) of makers that the caller believes.
        now: seconds since 1970.

    Raises:
        Malformed: ``life.voucher``, ``life.certificate``. Tampered: ``life.request-signature``.
        Refused: ``life.idevid``, ``life.request-old``, ``life.request-serial``.
    """
    token, chain = _parsed(data)
    device = check_idevid(chain, makers, now)
    if not check_jws(token, device.key):
        raise _unsigned("it is not signed with the key of the certificate it shows")
    request = _read(token.payload)
    _in_time(request, now)
    if request.serial_number != device.serial_number:
        raise Refused(
            "life.request-serial",
            "the request is for another device than the one that signed it",
            why=f"it says {request.serial_number[:80]}, the certificate "
            f"{device.serial_number[:80]}",
            hint="let each device ask for itself",
            serial=request.serial_number[:80],
        )
    if request.proximity_registrar_cert is None or request.prior_signed_voucher_request is not None:
        raise voucher_wrong("a device's request names the registrar it sees and holds no other")
    return Asked(request=request, device=device, signed=data)


def open_registrar_request(data: bytes, makers: Sequence[bytes], now: int) -> Asked:
    """A registrar's request, with the device's own inside it.

    Raises:
        Malformed, Tampered, Refused: as ``open_device_request``; ``life.request-other`` where the
            two do not belong together.
    """
    token, chain = _parsed(data)
    if not check_jws(token, certificate_key(chain[0])):
        raise _unsigned("it is not signed with the key of the certificate it shows")
    request = _read(token.payload)
    _in_time(request, now)
    prior = request.prior_signed_voucher_request
    if prior is None:
        raise Refused(
            "life.request-alone",
            "the registrar's request does not hold the device's own",
            why="nobody but the device shows that it is there and with whom it speaks",
            hint="send what the device signed along: `kizuna device voucher forward`",
        )
    inner = open_device_request(prior, makers, now)
    seen = inner.request.proximity_registrar_cert or b""
    if (
        inner.request.serial_number != request.serial_number
        or not hmac.compare_digest(inner.request.nonce, request.nonce)
        or not hmac.compare_digest(seen, chain[0])
    ):
        raise Tampered(
            "life.request-other",
            "the registrar's request and the device's inside it do not belong together",
            why="serial number, nonce or the registrar that the device saw differ",
            hint="forward the device's request as it came",
        )
    return Asked(request=request, device=inner.device, registrar=chain[0], signed=data)


def answers(voucher: Voucher, request: VoucherRequest, registrar: bytes | None, now: int) -> None:
    """See, on the device, that a voucher answers its own request, for the registrar it sees.

    Raises:
        Refused: ``life.voucher-nonceless``, ``life.voucher-other``, ``life.voucher-over``.
    """
    if voucher.nonce is None:
        raise Refused(
            "life.voucher-nonceless",
            "the voucher carries no nonce",
            why="it could be an old one, made for somebody who had the device before",
            hint="ask for a voucher with the nonce of the request",
        )
    if voucher.is_over(now) or not now - DAY <= voucher.created_on <= now + _SKEW:
        raise Refused(
            "life.voucher-over",
            "the voucher has ended",
            hint="ask the present owner for a new one",
            subject=voucher.serial_number[:200],
        )
    wanted = registrar or request.proximity_registrar_cert or b""
    if (
        not hmac.compare_digest(voucher.nonce, request.nonce)
        or voucher.serial_number != request.serial_number
        or not hmac.compare_digest(voucher.pinned_domain_cert, wanted)
    ):
        raise Refused(
            "life.voucher-other",
            "the voucher answers another request",
            why="its serial number, its nonce or the owner it pins is another",
            hint="ask again with a new request; do not take this one",
        )


def read_own_request(data: bytes) -> VoucherRequest:
    """What a device asked, of its own copy; nothing is checked but its form.

    Raises:
        Malformed: ``life.voucher``.
    """
    token, _ = _parsed(data)
    return _read(token.payload)


def certificate_key(certificate: bytes) -> PublicKey:
    """The key of a certificate (DER); what else it says is not looked at."""
    return read_certificate(certificate).key


def _parsed(data: bytes) -> tuple[Jws, list[bytes]]:
    if len(data) > _MAX:
        raise voucher_wrong(f"{len(data)} bytes, at most {_MAX}")
    token = parse_jws(data.strip(), limit=_MAX)
    if token.header.get("typ") != _TYP:
        raise voucher_wrong("the JWS is not typed as a voucher")
    shown = token.header.get("x5c")
    if not isinstance(shown, list) or not 1 <= len(shown) <= _CHAIN:
        raise voucher_wrong("the request shows no certificate of its signer")
    chain = [bytes_at({"x5c": one}, "x5c") or b"" for one in shown]
    for one in chain:
        if read_certificates(one) != [one]:
            raise voucher_wrong("x5c holds something else than certificates")
    return token, chain


def _read(data: bytes) -> VoucherRequest:
    outer = read_object(data, "life.voucher", _MAX)
    members = outer.get(_OUTER)
    if len(outer) != 1 or not isinstance(members, dict):
        raise voucher_wrong(f"one member {_OUTER} is expected")
    unknown = sorted(set(members) - _KNOWN)
    if unknown:
        raise voucher_wrong(f"unknown member {unknown[0][:60]!r}")
    created, serial = moment_at(members, "created-on"), members.get("serial-number")
    nonce, assertion = bytes_at(members, "nonce"), members.get("assertion")
    if created is None or not isinstance(serial, str):
        raise voucher_wrong("created-on and serial-number are needed")
    if assertion is not None and assertion not in [a.value for a in Assertion]:
        raise voucher_wrong("assertion is verified, logged or proximity")
    if nonce is None:
        raise Refused(
            "life.voucher-nonceless",
            "the request carries no nonce",
            why="its answer could be used at any later time",
            hint="make the request with a nonce",
        )
    return VoucherRequest(
        created_on=created,
        serial_number=serial,
        nonce=nonce,
        assertion=None if assertion is None else Assertion(assertion),
        idevid_issuer=bytes_at(members, "idevid-issuer"),
        proximity_registrar_cert=bytes_at(members, "proximity-registrar-cert"),
        prior_signed_voucher_request=bytes_at(members, "prior-signed-voucher-request"),
    )


def _in_time(request: VoucherRequest, now: int) -> None:
    if not now - DAY <= request.created_on <= now + _SKEW:
        raise Refused(
            "life.request-old",
            "the request is older than a day, or from the future",
            why="an old one may be sent again by somebody else",
            hint="make a new one; check the clocks",
        )


def _unsigned(why: str) -> Tampered:
    return Tampered(
        "life.request-signature",
        "the voucher request is signed by nobody who may ask",
        why=why,
        hint="let the device sign it with its IDevID, and the registrar with its own key",
    )
