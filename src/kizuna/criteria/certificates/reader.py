# SPDX-License-Identifier: Apache-2.0
"""Certificate types: YAML to values.

Keeps: read whole or refused, with the line; claim types are the names that profiles use, and no
two files claim one name.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Final

from msgspec import Meta, Struct

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element
from kizuna.model.payload import Level, Name, Text
from kizuna.roots.strict_yaml import read_as

__all__ = ["CertificateType", "Field", "Sure", "read_type", "shipped_types", "type_of"]

_LIMIT: Final = 65_536
_Words = dict[Annotated[str, Meta(pattern=r"^[a-z]{2,3}\Z")], Text]


class Sure(StrEnum):
    """How sure a file is of what it says."""

    PUBLISHED = "published"  # read in the publisher's own text
    REPORTED = "reported"  # read in somebody else's account of it
    ASSUMED = "assumed"  # customary; check with the scheme


class Field(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A field that such a certificate usually has."""

    name: Name
    means: _Words
    required: bool = False


class CertificateType(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scheme. ``types`` are the claim types under which its certificates are signed, each with
    the level its scheme has it at.
    """

    id: Name
    title: _Words
    types: dict[Name, Level]
    issuers: list[Name]
    """Roles in a list that usually issue it."""
    concerns: list[Element]
    validity_months: Annotated[int, Meta(ge=1, le=600)] | None = None
    """Usual longest validity; None: the scheme names none that is known here."""
    fields: list[Field] = []
    note: _Words = {}
    source: Text
    sure: Sure


def read_type(data: bytes, name: str = "certificate type") -> CertificateType:
    """One type.

    Raises:
        Malformed: ``certificate.type`` with the line.
    """
    found = read_as(data, CertificateType, code="certificate.type", name=name, limit=_LIMIT)
    if not found.types or not found.issuers or "en" not in found.title:
        raise Malformed(
            "certificate.type",
            f"{name}: types, issuers and an English title are needed",
            hint="compare it with a shipped one",
            document=name,
            line=0,
            path="",
            fault="types, issuers and an English title are needed",
        )
    return found


@lru_cache(maxsize=1)
def shipped_types() -> tuple[CertificateType, ...]:
    """Every type that ships, by id."""
    folder = files("kizuna.criteria.certificates") / "shipped"
    found = [
        read_type(entry.read_bytes(), entry.name)
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    ]
    return tuple(sorted(found, key=lambda one: one.id))


def type_of(claim: str) -> CertificateType | None:
    """The scheme to which a claim type belongs."""
    return next((one for one in shipped_types() if claim in one.types), None)
