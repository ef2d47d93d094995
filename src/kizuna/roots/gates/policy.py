# SPDX-License-Identifier: Apache-2.0
"""Gate policies: who may use a key, for what, how often, when, and with whose consent.

Keeps: 1. A policy is a typed value: unknown members are an error, because a misspelt ``rate`` must
not become "as often as they like". 2. What no rule allows is refused, unless the policy says
otherwise for the keys it does not name. 3. Pure: no clock, no file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, field

from kizuna.model.payload.terms import Name

__all__ = [
    "CONSENT",
    "NORM_TYPE",
    "Admitted",
    "Consent",
    "Day",
    "Lock",
    "LockScope",
    "Operation",
    "Policy",
    "Rate",
    "Rule",
    "Unspoken",
    "Window",
    "seconds_of",
]

NORM_TYPE: Final = "gate-policy"
"""The type of the norm statement that carries a policy."""

CONSENT: Final = "gate-consent"
"""The type of the norm statement by which somebody consents."""

Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,8}[smhd]\Z")]
"""``30s``, ``10m``, ``8h``, ``7d``."""

_Clock = Annotated[str, Meta(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z|^24:00\Z")]
_Zone = Annotated[str, Meta(pattern=r"^(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])\Z")]
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Operation(StrEnum):
    """What is done with a key, or with the gate itself (``unlock``)."""

    SIGN = "sign"
    ECDH = "ecdh"
    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    SEAL = "seal"
    UNSEAL = "unseal"
    QUOTE = "quote"
    CERTIFY = "certify"
    DESTROY = "destroy"
    GENERATE = "generate"
    EXTEND = "extend"
    UNLOCK = "unlock"


class Day(StrEnum):
    """Days of the week, Monday first."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Admitted(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One caller that a rule admits; every member that is given must fit.

    ``executable`` is the SHA-256 of the program's file as the kernel runs it, ``uid`` the user.
    ``declared`` is what code inside this process calls itself: it proves nothing, and fits no
    caller that comes from another process.
    """

    executable: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None
    uid: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    declared: Name | None = None


class Rate(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """At most ``count`` uses per ``per`` in the long run, ``burst`` (else ``count``) at once."""

    count: Annotated[int, Meta(ge=1, le=1_000_000)]
    per: Duration
    burst: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Window(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Hours of the day in one fixed zone. ``from`` after ``until`` runs over midnight and belongs
    to the day on which it begins.
    """

    start: _Clock = field(name="from")
    until: _Clock
    days: list[Day] = []
    zone: _Zone = "Z"


class Consent(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Who else must have agreed: ``needed`` different keys of ``keys`` (public JWKs)."""

    keys: Annotated[list[dict[str, str]], Meta(min_length=1, max_length=64)]
    needed: Annotated[int, Meta(ge=1, le=16)] = 1


class Rule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Allows an operation with a key. A member left out sets no limit; ``callers`` must be given.

    ``key`` is a label, a thumbprint (64 hex digits) or ``*``. A purpose is ``statement:`` with the
    media type that is signed, ``jws:`` with its ``typ``, ``checkpoint``, ``certificate``,
    ``tls-client``, ``tls-server``, ``cose`` or ``other``; a trailing ``*`` fits what begins so.
    """

    id: Name
    key: Annotated[str, Meta(min_length=1, max_length=200)]
    operations: Annotated[list[Operation], Meta(min_length=1, max_length=16)]
    callers: Annotated[list[Admitted], Meta(min_length=1, max_length=256)]
    purposes: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=256)
    ] = []
    rate: Rate | None = None
    hours: Annotated[list[Window], Meta(max_length=64)] = []
    consent: Consent | None = None


class LockScope(StrEnum):
    """Whom a lock shuts out: everyone from the key, or the caller that tried."""

    KEY = "key"
    CALLER = "caller"


class Lock(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """After ``after`` violations within ``within`` the key is locked until somebody unlocks it."""

    after: Annotated[int, Meta(ge=1, le=10_000)] = 5
    within: Duration = "10m"
    scope: LockScope = LockScope.KEY


class Unspoken(StrEnum):
    """What becomes of a key that no rule names."""

    REFUSE = "refuse"
    ALLOW = "allow"


class Policy(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A whole policy document.

    ``operators`` are the public JWKs of those whose consent unlocks a locked key.
    """

    gate: Name
    version: Name
    rules: Annotated[list[Rule], Meta(max_length=1_000)]
    default: Unspoken = Unspoken.REFUSE
    lock: Lock = Lock()
    operators: Annotated[list[dict[str, str]], Meta(max_length=64)] = []


def seconds_of(duration: str) -> int:
    """Seconds of ``30s``, ``10m``, ``8h``, ``7d``."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]
