# SPDX-License-Identifier: Apache-2.0
"""What is unusual about a certificate, told before others find out.

Keeps: a warning, never a refusal: schemes change, and what decides is the verifier's profile. A
claim whose type is known to no file is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kizuna.criteria.certificates.reader import type_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, seconds

__all__ = ["Unusual", "Warned", "warnings_of"]

_MONTH: Final = 31 * 86_400
_SLACK: Final = 7 * 86_400


class Unusual(StrEnum):
    """What is unlike the certificates of its kind."""

    LEVEL = "level"
    ENDLESS = "endless"
    LONG = "long"
    FIELD = "field"
    KIND = "kind"


@dataclass(frozen=True, slots=True)
class Warned:
    """One thing that is unusual: ``about`` is the field, the level or the number of months."""

    type: str
    what: Unusual
    about: str = ""


def warnings_of(kind: Kind, claim: Claim) -> tuple[Warned, ...]:
    """What is unusual about a claim, as its scheme's file has it."""
    scheme = type_of(claim.type)
    if scheme is None:
        return ()
    found: list[Warned] = []
    level = scheme.types[claim.type]
    if claim.level.rank > level.rank:
        found.append(Warned(claim.type, Unusual.LEVEL, level.value))
    if kind is not Kind.CERTIFICATE and level.rank > 0:
        found.append(Warned(claim.type, Unusual.KIND, kind.value))
    if scheme.validity_months is not None:
        months = str(scheme.validity_months)
        if claim.valid_until is None:
            found.append(Warned(claim.type, Unusual.ENDLESS, months))
        elif claim.valid_from is not None:
            length = seconds(claim.valid_until) - seconds(claim.valid_from)
            if length > scheme.validity_months * _MONTH + _SLACK:
                found.append(Warned(claim.type, Unusual.LONG, months))
    found += [
        Warned(claim.type, Unusual.FIELD, one.name)
        for one in scheme.fields
        if one.required and claim.claims.get(one.name) in (None, "", [])
    ]
    return tuple(found)
