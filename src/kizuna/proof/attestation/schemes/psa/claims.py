# SPDX-License-Identifier: Apache-2.0
"""The claims of a PSA token in its three spellings, and the rules each must keep.

Keeps: every claim has one readable name; each profile says which number carries it, which form it
must have and whether it may be missing. Claims that a profile does not know have no effect.
Standard: RFC 9783 (``tag:psacertified.org,2023:psa#tfm``), its drafts
(``http://arm.com/psa/2.0.0``, ``PSA_IOT_PROFILE_2``) and the first profile (``PSA_IOT_PROFILE_1``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from kizuna.proof.attestation.appraisal import AppraisalFinding, Measurement
from kizuna.proof.attestation.token import slip

__all__ = ["PROFILES", "Lifecycle", "Rules", "faults_of", "measurements_of", "rules_of"]

MAX_COMPONENTS: Final = 64

_HASH_SIZES: Final = frozenset({32, 48, 64})
_DIGEST_OF_SIZE: Final = {32: "sha-256", 48: "sha-384", 64: "sha-512"}
_DIGEST_NAMED: Final = {
    "sha256": "sha-256",
    "sha384": "sha-384",
    "sha512": "sha-512",
}
_EAN: Final = re.compile(r"[0-9]{13}(?:-[0-9]{5})?")
_CERTIFICATION: Final = re.compile(r"[0-9]{13}-[0-9]{5}")

Rule = Callable[[Any], bool]


class Lifecycle(StrEnum):
    """The state of a device's root of trust (RFC 9783 section 4.3.1)."""

    UNKNOWN = "unknown"
    ASSEMBLY = "assembly-and-test"
    PROVISIONING = "psa-rot-provisioning"
    SECURED = "secured"
    NON_PSA_DEBUG = "non-psa-rot-debug"
    RECOVERABLE_DEBUG = "recoverable-psa-rot-debug"
    DECOMMISSIONED = "decommissioned"

    @staticmethod
    def of(number: int) -> Lifecycle | None:
        """The state that a number between two of them means; None outside of all."""
        high, low = divmod(number, 0x1000)
        if low <= 0xFF and 0 <= high < len(_STATES):
            return _STATES[high]
        return None


_STATES: Final = tuple(Lifecycle)


def _bytes_of(*sizes: int) -> Rule:
    allowed = frozenset(sizes)
    return lambda value: type(value) is bytes and len(value) in allowed


def _instance(value: object) -> bool:
    return type(value) is bytes and len(value) == 33 and value[0] == 1


def _client(value: object) -> bool:
    return type(value) is int and -(2**31) <= value < 2**31 and value != 0


def _lifecycle(value: object) -> bool:
    return type(value) is int and Lifecycle.of(value) is not None


def _text(value: object) -> bool:
    return type(value) is str and 0 < len(value) <= 400


def _pattern(pattern: re.Pattern[str]) -> Rule:
    return lambda value: type(value) is str and pattern.fullmatch(value) is not None


def _components(value: object) -> bool:
    return isinstance(value, list | tuple) and measurements_of(value) is not None


def measurements_of(value: Sequence[Any]) -> tuple[Measurement, ...] | None:
    """The measured software of a list of components; None where it breaks a rule.

    Devices of a class measure the same, so the answer is kept.
    """
    if not 0 < len(value) <= MAX_COMPONENTS:
        return None
    try:
        return _parsed(
            tuple([(one.get(1), one[2], one.get(4), one[5], one.get(6)) for one in value])
        )
    except (KeyError, TypeError, AttributeError):
        return None  # no map, a member missing, or one that is no plain value


@lru_cache(maxsize=4096, typed=True)
def _parsed(parts: tuple[tuple[Any, ...], ...]) -> tuple[Measurement, ...] | None:
    found: list[Measurement] = []
    for kind, measurement, version, signer, algorithm in parts:
        if (
            type(measurement) is not bytes
            or len(measurement) not in _HASH_SIZES
            or type(signer) is not bytes
            or len(signer) not in _HASH_SIZES
            or not all(held is None or _text(held) for held in (kind, version, algorithm))
        ):
            return None
        named = (algorithm or "").replace("-", "").lower()
        found.append(
            Measurement(
                component=kind or "",
                digest_alg=_DIGEST_NAMED.get(named, _DIGEST_OF_SIZE[len(measurement)]),
                digest=measurement,
                version=version,
                signer=signer,
            )
        )
    return tuple(found)


class Rules:
    """One profile: which number carries which claim."""

    __slots__ = ("claims", "components", "labels", "name", "no_components")

    def __init__(
        self,
        name: str,
        claims: tuple[tuple[int, str, Rule, bool], ...],
        *,
        no_components: int | None = None,
    ) -> None:
        self.name = name
        self.claims = claims
        self.labels = {readable: label for label, readable, _, _ in claims}
        self.components = self.labels["psa-software-components"]
        self.no_components = no_components


_HASH: Final = _bytes_of(32, 48, 64)
_ID: Final = _bytes_of(32)


def _second(profile: str, boot_seed: int) -> Rules:
    return Rules(
        profile,
        (
            (265, "eat-profile", lambda value: value == profile, True),
            (10, "psa-nonce", _HASH, True),
            (256, "psa-instance-id", _instance, True),
            (2396, "psa-implementation-id", _ID, True),
            (2394, "psa-client-id", _client, True),
            (2395, "psa-security-lifecycle", _lifecycle, True),
            (2399, "psa-software-components", _components, True),
            (boot_seed, "psa-boot-seed", _bytes_of(*range(8, 33)), False),
            (2398, "psa-certification-reference", _pattern(_CERTIFICATION), False),
            (2400, "psa-verification-service-indicator", _text, False),
        ),
    )


PROFILES: Final = {
    rules.name: rules
    for rules in (
        _second("tag:psacertified.org,2023:psa#tfm", 268),
        _second("http://arm.com/psa/2.0.0", 2397),
        _second("PSA_IOT_PROFILE_2", 2397),
        Rules(
            "PSA_IOT_PROFILE_1",
            (
                (-75000, "psa-profile", lambda value: value == "PSA_IOT_PROFILE_1", False),
                (-75008, "psa-nonce", _HASH, True),
                (-75009, "psa-instance-id", _instance, True),
                (-75003, "psa-implementation-id", _ID, True),
                (-75001, "psa-client-id", _client, True),
                (-75002, "psa-security-lifecycle", _lifecycle, True),
                (-75006, "psa-software-components", _components, False),
                (-75004, "psa-boot-seed", _ID, True),
                (-75005, "psa-hardware-version", _pattern(_EAN), False),
                (-75010, "psa-verification-service-indicator", _text, False),
            ),
            no_components=-75007,
        ),
    )
}


def rules_of(claims: Mapping[Any, Any]) -> Rules | None:
    """The profile that the claims say they keep; None where it is not known here."""
    named = claims.get(265)
    if named is None:
        return PROFILES["PSA_IOT_PROFILE_1"] if -75009 in claims or -75000 in claims else None
    return PROFILES.get(named) if type(named) is str else None


def faults_of(claims: Mapping[Any, Any], rules: Rules) -> tuple[AppraisalFinding, ...]:
    """Every rule of the profile that the claims break."""
    faults: list[AppraisalFinding] = []
    get = claims.get
    for label, name, holds, needed in rules.claims:
        value = get(label)
        if value is None:
            if needed:
                faults.append(slip(name, "it is missing"))
        elif not holds(value):
            faults.append(slip(name, "it has not the form that the profile demands"))
    if rules.no_components is not None:
        without = get(rules.no_components)
        if (without is None) == (get(rules.components) is None):
            faults.append(
                slip("psa-software-components", "either they stand there, or that there are none")
            )
        elif without not in (None, 1) or type(without) is bool:
            faults.append(slip("psa-no-software-measurements", "it is 1 where it stands"))
    return tuple(faults)
