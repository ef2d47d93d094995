# SPDX-License-Identifier: Apache-2.0
"""EAR: an appraisal as others read it, a signed token with the AR4SI vector.

Keeps: 1. Status and vector are written as they are; what stands beyond them (tier, findings,
evidence digest) goes into claims of our own. 2. A result read from a token says who signed it only
after the caller checked that. 3. A *strict* result tells "could not be verified" as contraindicated
with 99 everywhere, for readers that know no fourth answer; it is written for them alone.
Standard: draft-ietf-rats-ear-04 (``tag:ietf.org,2026:rats/ear#04``), draft-ietf-rats-ar4si,
RFC 8392 (CWT inside), RFC 7519 (JWT outside).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.proof.attestation.appraisal import (
    CLAIMS,
    Appraisal,
    AppraisalCode,
    Status,
    Tier,
    Vector,
)
from kizuna.roots import base64url
from kizuna.roots.cose import check_sign1, encode, read_sign1, sign1
from kizuna.roots.cose.cbor import decode
from kizuna.roots.jws import check_jws, parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = [
    "PROFILE",
    "Ear",
    "cwt_claims",
    "jwt_claims",
    "read_ear",
    "read_jwt",
    "read_jwt_claims",
    "sign_ear",
    "sign_jwt",
]

PROFILE: Final = "tag:ietf.org,2026:rats/ear#04"
_READ: Final = frozenset(
    {
        PROFILE,
        "tag:ietf.org,2026:rats/ear#03",
        "tag:github.com,2023:veraison/ear",
    }
)
"""Profiles that are read; earlier drafts spelt the names of a JWT with a point."""

MEDIA_TYPE: Final = "application/eat+cwt"

_ISSUED, _PROFILE, _SUBMODS = 6, 265, 266
_VERIFIER, _STATUS, _VECTOR, _POLICIES, _CHECKED = 1004, 1000, 1001, 1003, 1006
_RAW_NUMBERS: Final = {
    Status.NONE: 0,
    Status.AFFIRMING: 2,
    Status.WARNING: 32,
    Status.CONTRAINDICATED: 96,
}
_STATUS_OF: Final = {number: status for status, number in _RAW_NUMBERS.items()}
_OURS: Final = "kizuna"
_BUILD: Final = "kizuna"
_DEVELOPER: Final = "https://kizuna.example"
_MAX: Final = 256 << 10
_JWT: Final = ("ear_status", "ear_trustworthiness_vector", "ear_verifier_claims")
_EARLIER: Final = ("ear.status", "ear.trustworthiness-vector", "ear.verifier-claims")
_NAMES: Final = tuple(claim.replace("_", "-") for claim in CLAIMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """One submodule of a result, as it was read."""

    name: str
    status: Status
    vector: Vector
    at: int
    tier: Tier | None = None
    evidence: str = ""
    findings: tuple[str, ...] = ()


def cwt_claims(
    appraisal: Appraisal, *, version: str, name: str | None = None, strict: bool = False
) -> dict[int, Any]:
    """The claims of the result as a CWT."""
    status, vector = _told(appraisal, strict=strict)
    return {
        _ISSUED: appraisal.at,
        _PROFILE: PROFILE,
        _VERIFIER: {0: _DEVELOPER, 1: f"{_BUILD} {version}"},
        _SUBMODS: {
            name or appraisal.scheme: {
                _STATUS: _RAW_NUMBERS[status],
                _VECTOR: dict(enumerate(vector.numbers)),
                _POLICIES: [f"policy:{appraisal.scheme}"],
                _CHECKED: {_OURS: _ours(appraisal)},
            }
        },
    }


def jwt_claims(
    appraisal: Appraisal, *, version: str, name: str | None = None, strict: bool = False
) -> dict[str, Any]:
    """The claims of the result as a JWT."""
    status, vector = _told(appraisal, strict=strict)
    return {
        "iat": appraisal.at,
        "eat_profile": PROFILE,
        "ear_verifier_id": {"developer": _DEVELOPER, "build": f"{_BUILD} {version}"},
        "submods": {
            name or appraisal.scheme: {
                "ear_status": status.value,
                "ear_trustworthiness_vector": dict(zip(_NAMES, vector.numbers, strict=True)),
                "ear_appraisal_policy_ids": [f"policy:{appraisal.scheme}"],
                "ear_verifier_claims": {_OURS: _ours(appraisal)},
            }
        },
    }


def sign_ear(
    unit: Unit, handle: Handle, appraisal: Appraisal, *, version: str, name: str | None = None
) -> bytes:
    """The result as a signed CWT."""
    return sign1(
        unit,
        handle,
        {3: MEDIA_TYPE, 4: unit.public(handle).thumbprint},
        encode(cwt_claims(appraisal, version=version, name=name)),
    )


def sign_jwt(
    unit: Unit,
    handle: Handle,
    appraisal: Appraisal,
    *,
    version: str,
    name: str | None = None,
    strict: bool = False,
) -> bytes:
    """The result as a signed JWT (compact)."""
    claims = jwt_claims(appraisal, version=version, name=name, strict=strict)
    payload = json.dumps(claims, sort_keys=True, separators=(",", ":")).encode()
    return sign_jws(unit, handle, payload, {"typ": "JWT"})


def read_jwt(data: bytes, key: PublicKey) -> tuple[Ear, ...]:
    """The results in a signed JWT.

    Raises:
        Malformed: ``ear.malformed``. Tampered: ``ear.signature-wrong``.
    """
    if len(data) > _MAX:
        raise _malformed(f"{len(data)} bytes, at most {_MAX}")
    try:
        token = parse_jws(data)
        if not check_jws(token, key):
            raise _wrong()
        claims = read_object(token.payload, "ear.malformed", _MAX)
    except Malformed as fault:
        raise _malformed(fault.why or fault.what) from fault
    return read_jwt_claims(claims)


def read_ear(data: bytes, key: PublicKey) -> tuple[Ear, ...]:
    """The results in a signed CWT, one a submodule.

    Raises:
        Malformed: ``ear.malformed``. Tampered: ``ear.signature-wrong``.
    """
    if len(data) > _MAX:
        raise _malformed(f"{len(data)} bytes, at most {_MAX}")
    try:
        message = read_sign1(data)
        if not check_sign1(message, key):
            raise _wrong()
        claims = decode(message.payload or b"")
    except Malformed as fault:
        raise _malformed(fault.why or fault.what) from fault
    profile = claims.get(_PROFILE) if isinstance(claims, Mapping) else None
    if not isinstance(claims, Mapping) or type(profile) is not str or profile not in _READ:
        raise _malformed("not an EAR")
    submods, at = claims.get(_SUBMODS), claims.get(_ISSUED)
    if not isinstance(submods, Mapping) or not submods or type(at) is not int:
        raise _malformed("no submodule, or no time")
    return tuple(
        _read(str(name), result, at, (_STATUS, _VECTOR, _CHECKED))
        for name, result in submods.items()
    )


def read_jwt_claims(claims: Mapping[str, Any]) -> tuple[Ear, ...]:
    """The results in the claims of a JWT whose signature the caller has checked.

    Raises:
        Malformed: ``ear.malformed``.
    """
    submods = claims.get("submods", claims)
    at = claims.get("iat", 0)
    if not isinstance(submods, Mapping) or not submods or type(at) is not int:
        raise _malformed("no submodule, or no time")
    return tuple(
        _read(str(name), result, at, _EARLIER if _is_earlier(result) else _JWT)
        for name, result in submods.items()
    )


def _is_earlier(result: object) -> bool:
    return isinstance(result, Mapping) and "ear.status" in result


def _read(name: str, result: object, at: int, labels: tuple[int | str, ...]) -> Ear:
    if not isinstance(result, Mapping):
        raise _malformed("a submodule is no map")
    status, vector, checked = labels
    beside = result.get(checked)
    ours = beside.get(_OURS) if isinstance(beside, Mapping) else None
    own = ours if isinstance(ours, Mapping) else {}
    tier = own.get("tier")
    findings = own.get("findings")
    return Ear(
        name=name[:200],
        status=_status(result.get(status)),
        vector=_vector(result.get(vector)),
        at=at,
        tier=Tier(tier) if isinstance(tier, str) and tier in set(Tier) else None,
        evidence=str(own.get("evidence", ""))[:64],
        findings=tuple(str(one)[:80] for one in findings[:64])
        if isinstance(findings, list | tuple)
        else (),
    )


def _status(value: object) -> Status:
    found = None
    if type(value) is int:
        found = _STATUS_OF.get(value)
    elif isinstance(value, str) and value in set(Status):
        found = Status(value)
    if found is None:
        raise _malformed("a status that EAR does not know")
    return found


def _vector(value: object) -> Vector:
    if value is None:
        return Vector()
    if not isinstance(value, Mapping):
        raise _malformed("the vector is no map")
    numbers: dict[str, int] = {}
    for place, claim in enumerate(CLAIMS):
        number = value.get(place, value.get(_NAMES[place], 0))
        if type(number) is not int or not -128 <= number <= 127:
            raise _malformed("a claim of the vector is no small number")
        numbers[claim] = number
    return Vector(**numbers)


def _told(appraisal: Appraisal, *, strict: bool) -> tuple[Status, Vector]:
    if strict and any(finding.code.stops for finding in appraisal.findings):
        return Status.CONTRAINDICATED, Vector.all(99)
    if strict and any(
        finding.code is AppraisalCode.REFERENCE_MISSING for finding in appraisal.findings
    ):
        vector = appraisal.vector.worsened("executables", 33)
        return vector.status, vector
    return appraisal.status, appraisal.vector


def _ours(appraisal: Appraisal) -> dict[str, Any]:
    own: dict[str, Any] = {
        "tier": appraisal.tier.value,
        "evidence": appraisal.evidence.hex(),
        "findings": [finding.code.value for finding in appraisal.findings],
    }
    if appraisal.identity is not None:
        own["identity"] = base64url.encode(appraisal.identity)
    return own


def _wrong() -> Tampered:
    return Tampered(
        "ear.signature-wrong",
        "the attestation result is not signed by the key given",
        why="it was changed, or another verifier made it",
        hint="ask for the verifier's key",
    )


def _malformed(why: str) -> Malformed:
    return Malformed(
        "ear.malformed",
        f"the attestation result cannot be read: {why}",
        why=why,
        hint="give an EAR as its verifier made it",
        fault=why[:200],
    )
