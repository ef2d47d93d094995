# SPDX-License-Identifier: Apache-2.0
"""What a CoRIM profile demands of its triples.

Keeps: a document that names a profile known here keeps its rules, or none of it is taken; one that
names another profile, or none, is read by the general form alone.
Standard: draft-fdb-rats-psa-endorsements (``tag:arm.com,2025:psa#1.0.0``),
draft-ydb-rats-cca-endorsements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.roots.cose.cbor import Tag

__all__ = ["Environment", "Rules", "Triple", "rules_named"]

_UEID: Final = 550
_BYTES: Final = frozenset({560, 600})
_KEY: Final = 554
_HASHES: Final = frozenset({32, 48, 64})


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the values of one triple are about."""

    model: str | None
    identity: bytes | None
    class_tag: int | None = None
    class_bytes: bytes | None = None
    instance_tag: int | None = None
    instance_name: str = ""
    vendor: str | None = None
    narrower: str = ""
    """What narrows it further than can be judged here: a layer, an index, a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple:
    """One record: an environment and what is said of it."""

    name: str
    environment: Environment
    items: tuple[Any, ...]
    conditional: bool = False
    """Whether it counts under further conditions only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The demands of one profile."""

    name: str
    class_sizes: frozenset[int]
    components: frozenset[str]
    needed: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    """Components that may be without digest."""

    def check_values(self, triple: Triple) -> None:
        """Refuse reference values that break the profile.

        Raises:
            Malformed: ``corim.profile``.
        """
        self._check_class(triple.environment)
        if triple.environment.instance_tag is not None:
            raise self._broken("reference values are for a class, not for one instance")
        names: set[object] = set()
        for one in triple.items:
            name = one.get(0) if isinstance(one, Mapping) else None
            says = one.get(1) if isinstance(one, Mapping) else None
            if type(name) is not str or name not in self.components:
                raise self._broken("a measurement has a key that the profile does not know")
            names.add(name)
            if name in self.plain:
                continue
            if not isinstance(says, Mapping) or not says.get(2):
                raise self._broken("a measurement has no digest")
        if not self.needed <= names:
            raise self._broken("a measurement that the profile demands is missing")

    def check_keys(self, triple: Triple) -> None:
        """Refuse keys that break the profile.

        Raises:
            Malformed: ``corim.profile``.
        """
        where = triple.environment
        self._check_class(where)
        if (
            where.instance_tag != _UEID
            or where.identity is None
            or len(where.identity) != 33
            or where.identity[0] != 1
        ):
            raise self._broken("a key belongs to one instance, named by its UEID of 33 bytes")
        one = triple.items[0]
        if len(triple.items) != 1 or not isinstance(one, Tag) or one.tag != _KEY:
            raise self._broken("an instance has one key, as a SubjectPublicKeyInfo")

    def _check_class(self, where: Environment) -> None:
        if (
            where.class_tag not in _BYTES
            or where.class_bytes is None
            or len(where.class_bytes) not in self.class_sizes
        ):
            raise self._broken("the class is not named by an id of the profile's size")

    def _broken(self, why: str) -> Malformed:
        return Malformed(
            "corim.profile",
            f"the reference values break their own profile: {why}",
            why=why,
            hint="ask the maker for a document that keeps the profile it names",
            profile=self.name,
            fault=why,
        )


_PROFILES: Final = {
    rules.name: rules
    for rules in (
        Rules(
            name="tag:arm.com,2025:psa#1.0.0",
            class_sizes=frozenset({32}),
            components=frozenset({"psa.software-component"}),
        ),
        Rules(
            name="tag:arm.com,2025:cca_platform#1.0.0",
            class_sizes=frozenset({32}),
            components=frozenset({"cca.software-component", "cca.platform-config"}),
            plain=frozenset({"cca.platform-config"}),
        ),
        Rules(
            name="tag:arm.com,2025:cca_realm#1.0.0",
            class_sizes=_HASHES,
            components=frozenset(
                {"cca.rim", "cca.rem0", "cca.rem1", "cca.rem2", "cca.rem3", "cca.rpv"}
            ),
            needed=frozenset({"cca.rim"}),
            plain=frozenset({"cca.rpv"}),
        ),
    )
}


def rules_named(profile: str | None) -> Rules | None:
    """The rules of a profile, where it is known here."""
    return None if profile is None else _PROFILES.get(profile)
