# SPDX-License-Identifier: Apache-2.0
"""Vouchers as documents: the members of RFC 8366 in JSON, signed as JWS.

Keeps: 1. The members are those of the standard, with its rules: a nonce and an end exclude each
other, a renewal needs an end. 2. Read whole or refused; unknown members are an error. 3. Keys that
travel in the header (``x5c``) are not believed: the caller says who may have signed.
Standard: RFC 8366 (voucher), RFC 8995 (BRSKI); JWS as in the ANIMA group's JWS voucher.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.roots.jws import check_jws, parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.life.words import Assertion
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = [
    "MEDIA_TYPE",
    "Voucher",
    "base64_of",
    "bytes_at",
    "moment_at",
    "open_voucher",
    "read_voucher",
    "sign_voucher",
    "time_text",
    "voucher_wrong",
]

MEDIA_TYPE: Final = "application/voucher-jws+json"
MAX_VOUCHER: Final = 65_536
_TYP: Final = "voucher-jws+json"
_OUTER: Final = "ietf-voucher:voucher"
_TEXT: Final = 512
_BINARY: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """The members of RFC 8366; times in seconds since 1970."""

    created_on: int
    assertion: Assertion
    serial_number: str
    pinned_domain_cert: bytes
    """The new owner's certificate (DER)."""
    expires_on: int | None = None
    idevid_issuer: bytes | None = None
    """Authority key identifier of the device's IDevID certificate."""
    domain_cert_revocation_checks: bool | None = None
    nonce: bytes | None = None
    last_renewal_date: int | None = None
    prior_signed_voucher_request: bytes | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.serial_number) <= _TEXT:
            raise voucher_wrong("serial-number has 1 to 512 characters")
        if not 1 <= len(self.pinned_domain_cert) <= _BINARY:
            raise voucher_wrong("pinned-domain-cert is missing or too long")
        if self.nonce is not None and not 8 <= len(self.nonce) <= 32:
            raise voucher_wrong("a nonce has 8 to 32 bytes")
        if self.nonce is not None and self.expires_on is not None:
            raise voucher_wrong("nonce and expires-on exclude each other")
        if self.last_renewal_date is not None and self.expires_on is None:
            raise voucher_wrong("last-renewal-date needs expires-on")
        if self.expires_on is not None and self.expires_on <= self.created_on:
            raise voucher_wrong("it ends before it begins")

    def to_json(self) -> bytes:
        """The document, in one spelling."""
        members: dict[str, Any] = {
            "assertion": self.assertion.value,
            "created-on": time_text(self.created_on),
            "pinned-domain-cert": base64_of(self.pinned_domain_cert),
            "serial-number": self.serial_number,
        }
        for name, moment in (
            ("expires-on", self.expires_on),
            ("last-renewal-date", self.last_renewal_date),
        ):
            if moment is not None:
                members[name] = time_text(moment)
        for name, data in (
            ("idevid-issuer", self.idevid_issuer),
            ("nonce", self.nonce),
            ("prior-signed-voucher-request", self.prior_signed_voucher_request),
        ):
            if data is not None:
                members[name] = base64_of(data)
        if self.domain_cert_revocation_checks is not None:
            members["domain-cert-revocation-checks"] = self.domain_cert_revocation_checks
        return json.dumps({_OUTER: members}, sort_keys=True, separators=(",", ":")).encode()

    def is_over(self, now: int) -> bool:
        """Whether its time is over."""
        return self.expires_on is not None and now >= self.expires_on


def read_voucher(data: bytes) -> Voucher:
    """The voucher that a JSON document is.

    Raises:
        Malformed: ``life.voucher``.
    """
    outer = read_object(data, "life.voucher", MAX_VOUCHER)
    members = outer.get(_OUTER)
    if len(outer) != 1 or not isinstance(members, dict):
        raise voucher_wrong(f"one member {_OUTER} is expected")
    known = {
        "created-on",
        "expires-on",
        "assertion",
        "serial-number",
        "idevid-issuer",
        "pinned-domain-cert",
        "domain-cert-revocation-checks",
        "nonce",
        "last-renewal-date",
        "prior-signed-voucher-request",
    }
    unknown = sorted(set(members) - known)
    if unknown:
        raise voucher_wrong(f"unknown member {unknown[0][:60]!r}")
    assertion = members.get("assertion")
    if assertion not in [a.value for a in Assertion]:
        raise voucher_wrong("assertion is verified, logged or proximity")
    serial, checks = members.get("serial-number"), members.get("domain-cert-revocation-checks")
    if not isinstance(serial, str):
        raise voucher_wrong("serial-number is missing")
    if checks is not None and not isinstance(checks, bool):
        raise voucher_wrong("domain-cert-revocation-checks is true or false")
    created, pinned = moment_at(members, "created-on"), bytes_at(members, "pinned-domain-cert")
    if created is None or pinned is None:
        raise voucher_wrong("created-on and pinned-domain-cert are needed")
    return Voucher(
        created_on=created,
        expires_on=moment_at(members, "expires-on"),
        assertion=Assertion(assertion),
        serial_number=serial,
        pinned_domain_cert=pinned,
        idevid_issuer=bytes_at(members, "idevid-issuer"),
        domain_cert_revocation_checks=checks,
        nonce=bytes_at(members, "nonce"),
        last_renewal_date=moment_at(members, "last-renewal-date"),
        prior_signed_voucher_request=bytes_at(members, "prior-signed-voucher-request"),
    )


def sign_voucher(
    unit: Unit, handle: Handle, voucher: Voucher, chain: Sequence[bytes] = ()
) -> bytes:
    """The voucher as a compact JWS; ``chain`` (DER, leaf first) goes into ``x5c`` as a hint."""
    header: dict[str, Any] = {"typ": _TYP}
    if chain:
        header["x5c"] = [base64_of(one) for one in chain]
    return sign_jws(unit, handle, voucher.to_json(), header)


def open_voucher(data: bytes, keys: Iterable[PublicKey]) -> Voucher:
    """The voucher of a JWS that one of ``keys`` signed.

    Raises:
        Malformed: ``life.voucher``, ``envelope.jws-malformed``.
        Tampered: ``life.voucher-signature``.
    """
    if len(data) > 2 * MAX_VOUCHER:
        raise voucher_wrong(f"{len(data)} bytes, at most {2 * MAX_VOUCHER}")
    token = parse_jws(data.strip())
    if token.header.get("typ") not in (_TYP, MEDIA_TYPE):
        raise voucher_wrong("the JWS is not typed as a voucher")
    if not any(check_jws(token, key) for key in keys):
        raise Tampered(
            "life.voucher-signature",
            "the voucher is signed by nobody who may give the device away",
            why="it was changed, or its signer is neither the maker nor the present owner",
            hint="ask the present owner for a voucher",
        )
    return read_voucher(token.payload)


def time_text(moment: int) -> str:
    """An instant as it stands in vouchers."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def base64_of(data: bytes) -> str:
    """Bytes as they stand in vouchers."""
    return base64.b64encode(data).decode()


def moment_at(members: dict[str, Any], name: str) -> int | None:
    """The instant of a member; None where it is absent.

    Raises:
        Malformed: ``life.voucher``.
    """
    text = members.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError as fault:
        raise voucher_wrong(f"{name} is no instant") from fault
    if moment is None or moment.tzinfo is None:
        raise voucher_wrong(f"{name} is no instant with a zone")
    return int(moment.timestamp() // 1)


def bytes_at(members: dict[str, Any], name: str) -> bytes | None:
    """The bytes of a member; None where it is absent.

    Raises:
        Malformed: ``life.voucher``.
    """
    text = members.get(name)
    if text is None:
        return None
    try:
        if not isinstance(text, str) or len(text) > 2 * _BINARY:
            raise voucher_wrong(f"{name} is no base64 text of usable length")
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise voucher_wrong(f"{name} is not base64") from fault


def voucher_wrong(why: str) -> Malformed:
    """The problem of what is no voucher."""
    return Malformed(
        "life.voucher",
        f"not a voucher of RFC 8366: {why}",
        why=why,
        hint="ask its maker for a voucher in JSON, signed as JWS",
        fault=why,
    )
