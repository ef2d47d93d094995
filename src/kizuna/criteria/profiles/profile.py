# SPDX-License-Identifier: Apache-2.0
"""A profile: what must hold before somebody trusts, as values.

Keeps: 1. A profile is complete in itself: which claims, from whom, how fresh, at what level, which
relations are followed and how each part counts. It names no trust list and no party's key: those
are the verifier's anchors. 2. ``document`` is canonical and loses nothing, so equal profiles have
equal digests, whatever comments, order of members or units their authors wrote. 3. No float: shares
are basis points, times are seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from kizuna.criteria.profiles.condition import Condition
from kizuna.model.finding import Value
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Severity
from kizuna.model.relation import Relation

__all__ = [
    "ANY_TYPE",
    "SELF",
    "SUPPLIER",
    "WHOLE",
    "Counting",
    "Follow",
    "NoticeRule",
    "Place",
    "Profile",
    "Requirement",
    "Silence",
    "Silent",
    "duration_text",
    "share_text",
]

SUPPLIER: Final = "supplier"
"""Service word for the subject's own maker or supplier, or the subject itself."""

SELF: Final = "self"
"""Service word for the verifier's own identity."""

ANY_TYPE: Final = "*"
"""Every type of notice."""

WHOLE: Final = 10_000
"""All of them, in basis points."""


class Place(StrEnum):
    """Of which nodes of the chain something is asked."""

    ANY = "any"
    ROOT = "root"
    PARTS = "parts"


class Counting(StrEnum):
    """What a part does to the whole."""

    BLOCKING = "blocking"  # the whole is no better than the part
    SHARE = "share"  # enough of the parts must be trusted
    INFORMATIVE = "informative"  # shown, decides nothing


class Silence(StrEnum):
    """What counts for a party that publishes nothing."""

    UNDETERMINED = "undetermined"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One thing that must be shown of every node it applies to.

    It applies to nodes of the given ``elements`` (empty: all) at the given ``place``. It is met by
    one current claim of one of ``kinds`` and of one of the types ``claim``, issued with one of the
    ``services``, at ``level`` or better, registered at most ``max_age`` seconds ago, in which the
    fields ``present`` are filled and ``condition`` is true. ``missing`` is the value of a node
    about which nobody makes such a claim: undetermined, or trusted where the requirement concerns
    only those who claim.
    """

    id: str
    title: Mapping[str, str] = field(hash=False)
    claim: tuple[str, ...]
    services: tuple[str, ...]
    kinds: tuple[Kind, ...] = (Kind.CERTIFICATE, Kind.CAPABILITY, Kind.EVIDENCE)
    elements: tuple[Element, ...] = ()
    place: Place = Place.ANY
    level: Level = Level.SELF
    max_age: int | None = None
    present: tuple[str, ...] = ()
    condition: str | None = None
    control: str | None = None
    risk: str | None = None
    missing: Value = Value.UNDETERMINED
    mend: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What its author advises to whoever does not meet it, by language."""

    @property
    def controls(self) -> tuple[tuple[str, str], ...]:
        """The controls it stands for: name of the catalog (empty: whichever has it), id.

        ``control: csf-2.0#ID.AM-01, CPS.AM-1`` names two.
        """
        named = [c.strip() for c in (self.control or "").split(",")]
        return tuple(
            (c.partition("#")[0], c.partition("#")[2]) if "#" in c else ("", c) for c in named if c
        )

    def applies(self, element: Element, *, is_root: bool) -> bool:
        """True where a node of this element at this place has to meet the requirement."""
        if self.elements and element not in self.elements:
            return False
        return self.place is Place.ANY or (self.place is Place.ROOT) == is_root

    def compiled(self) -> Condition | None:
        """The condition ready to run; compiled once a text and kept."""
        return None if self.condition is None else Condition.compile(self.condition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """A relation along which trust is needed, and how what lies there counts.

    ``category`` narrows it to links of that risk category; links whose category no other rule
    names fall to the rule without one. ``complete`` asks that somebody authorised says that all
    links of this relation are named; ``required`` asks for at least one; both are asked of
    dependents at ``place`` only, while links are followed wherever they stand. ``elements`` are
    those of the dependent (empty: all). ``share`` is in basis points and matters for ``share``
    alone.
    """

    relation: Relation
    category: str | None = None
    counts: Counting = Counting.BLOCKING
    share: int = WHOLE
    complete: bool = False
    required: bool = False
    elements: tuple[Element, ...] = ()
    place: Place = Place.ANY

    def applies(self, element: Element) -> bool:
        """True where links of a dependent of this element are followed."""
        return not self.elements or element in self.elements

    def asks(self, element: Element, *, is_root: bool) -> bool:
        """True where ``complete`` and ``required`` are asked of this dependent."""
        return self.applies(element) and (
            self.place is Place.ANY or (self.place is Place.ROOT) == is_root
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRule:
    """Which notices count: of these types, from these services, from this severity on."""

    types: tuple[str, ...]
    services: tuple[str, ...]
    severity: Severity = Severity.NONE

    def matches(self, notice_type: str, severity: Severity) -> bool:
        """True where a notice of this type and severity falls under the rule."""
        return severity.rank >= self.severity.rank and (
            ANY_TYPE in self.types or notice_type in self.types
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """What counts for parties that publish nothing, per element."""

    default: Silence = Silence.UNDETERMINED
    elements: Mapping[Element, Silence] = field(default_factory=dict, hash=False)

    def of(self, element: Element) -> Silence:
        """The rule for one element."""
        return self.elements.get(element, self.default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What must hold; see the module."""

    name: str
    version: str
    title: Mapping[str, str] = field(hash=False)
    requirements: tuple[Requirement, ...]
    follow: tuple[Follow, ...] = ()
    notices: tuple[NoticeRule, ...] = ()
    silent: Silent = field(default_factory=Silent)
    waivers_from: tuple[str, ...] = ()
    """Identities or service types whose waivers count beside the verifier's own."""
    max_store_age: int | None = None
    """Seconds after which a remote store's last checkpoint is stale."""
    about: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the profile is for, by language."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document, in hexadecimal."""
        return sha256(self.canonical_bytes()).hexdigest()

    def canonical_bytes(self) -> bytes:
        """The document in the one spelling that is hashed (RFC 8785 form)."""
        return json.dumps(
            self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()

    def requirement(self, requirement_id: str) -> Requirement | None:
        """The requirement of this id."""
        return next((r for r in self.requirements if r.id == requirement_id), None)

    def follow_of(self, relation: Relation, category: str | None) -> Follow | None:
        """The rule for links of a relation and category: the named category first."""
        plain = None
        for rule in self.follow:
            if rule.relation is relation:
                if rule.category == category:
                    return rule
                if rule.category is None:
                    plain = rule
        return plain

    def document(self) -> dict[str, Any]:
        """The profile as plain members, those at their default left out."""
        made: dict[str, Any] = {
            "profile": self.name,
            "version": self.version,
            "title": dict(self.title),
            "requirements": [_requirement(r) for r in self.requirements],
        }
        silent: dict[str, str] = {e.value: s.value for e, s in self.silent.elements.items()}
        if self.silent.default is not Silence.UNDETERMINED:
            silent["default"] = self.silent.default.value
        _put(
            made,
            about=dict(self.about),
            follow=[_follow(f) for f in self.follow],
            notices=[_notice(n) for n in self.notices],
            silent=silent,
            waivers_from=list(self.waivers_from),
            max_store_age=_age(self.max_store_age),
        )
        return made


_UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


def duration_text(seconds: int) -> str:
    """A duration as its canonical words, in the largest unit that divides it.

    Example:
        >>> duration_text(7_776_000), duration_text(5_400)
        ('90 days', '90 minutes')
    """
    unit, length = next((u, n) for u, n in _UNITS if seconds % n == 0)
    return f"{seconds // length} {unit}"


def share_text(basis_points: int) -> str:
    """A share as per cent, without a float.

    Example:
        >>> share_text(9500), share_text(9925)
        ('95 %', '99.25 %')
    """
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %" if rest else f"{whole} %"


def _age(seconds: int | None) -> str | None:
    return None if seconds is None else duration_text(seconds)


def _put(made: dict[str, Any], **members: Any) -> None:  # noqa: ANN401 - JSON members
    made.update({name: value for name, value in members.items() if value})


def _requirement(r: Requirement) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": r.id,
        "title": dict(r.title),
        "claim": list(r.claim),
        "from": list(r.services),
        "kind": [k.value for k in r.kinds],
    }
    _put(
        made,
        **{"for": [e.value for e in r.elements]},
        where=None if r.place is Place.ANY else r.place.value,
        level=None if r.level is Level.SELF else r.level.value,
        max_age=_age(r.max_age),
        present=list(r.present),
        condition=r.condition,
        control=r.control,
        risk=r.risk,
        missing=None if r.missing is Value.UNDETERMINED else r.missing.word,
        mend=dict(r.mend),
    )
    return made


def _follow(f: Follow) -> dict[str, Any]:
    made: dict[str, Any] = {"relation": f.relation.value, "counts": f.counts.value}
    _put(
        made,
        **{"for": [e.value for e in f.elements]},
        category=f.category,
        share=share_text(f.share) if f.counts is Counting.SHARE else None,
        complete=f.complete,
        required=f.required,
        where=None if f.place is Place.ANY else f.place.value,
    )
    return made


def _notice(n: NoticeRule) -> dict[str, Any]:
    made: dict[str, Any] = {"types": list(n.types), "from": list(n.services)}
    _put(made, severity=None if n.severity is Severity.NONE else n.severity.value)
    return made
