# SPDX-License-Identifier: Apache-2.0
"""Two profiles side by side: what one asks that the other does not, and where it asks less.

Keeps: 1. ``looser`` names every place at which something could pass the second profile and not the
first; what cannot be compared (a changed condition) counts as looser, because nobody can tell.
2. ``differences`` loses nothing: equal profiles have none, and others at least one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kizuna.criteria.profiles.condition import Condition
from kizuna.criteria.profiles.profile import (
    ANY_TYPE,
    Counting,
    Follow,
    NoticeRule,
    Place,
    Profile,
    Requirement,
    Silence,
)
from kizuna.model.errors import Malformed
from kizuna.model.finding import Value
from kizuna.model.identifier import Element

__all__ = ["Difference", "Direction", "Looser", "differences", "looser"]

_COUNTS: Final = {Counting.INFORMATIVE: 0, Counting.SHARE: 1, Counting.BLOCKING: 2}
_SILENCE: Final = {Silence.IGNORED: 0, Silence.UNDETERMINED: 1, Silence.REFUSED: 2}


@dataclass(frozen=True, slots=True)
class Looser:
    """One place at which less is asked: its name (``requirement x``), and why."""

    name: str
    why: str


class Direction(StrEnum):
    """What a change does to those who are judged."""

    TIGHTER = "tighter"
    LOOSER = "looser"
    BOTH = "both"  # more in one way and less in another, or not to be compared
    NEITHER = "neither"  # words only


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same: what, whether it came, went or changed, and its members."""

    name: str
    change: str
    direction: Direction
    members: Mapping[str, tuple[Any, Any]] = field(default_factory=dict, hash=False)


def looser(before: Profile, after: Profile) -> list[Looser]:
    """Every place at which ``after`` asks less than ``before``."""
    found = []
    for one in before.requirements:
        name = f"requirement {one.id}"
        other = after.requirement(one.id)
        if other is None:
            found.append(Looser(name, "it is gone"))
        else:
            found += [Looser(name, why) for why in _less_required(one, other)]
    for rule in before.follow:
        name = _follow_name(rule)
        match = after.follow_of(rule.relation, rule.category)
        if match is None:
            found.append(Looser(name, "it is no longer followed"))
        else:
            found += [Looser(name, why) for why in _less_followed(rule, match)]
    known = {_follow_name(rule) for rule in before.follow}
    for rule in after.follow:  # a category of its own takes links out of the plain rule
        plain = before.follow_of(rule.relation, rule.category)
        if _follow_name(rule) not in known and plain is not None:
            found += [Looser(_follow_name(rule), why) for why in _less_followed(plain, rule)]
    for notice in before.notices:
        if not any(_takes_in(other, notice) for other in after.notices):
            found.append(Looser("notices", f"{', '.join(notice.types)} count less"))
    for element in Element:
        if _SILENCE[after.silent.of(element)] < _SILENCE[before.silent.of(element)]:
            found.append(Looser("silent", f"{element.value} may be silent"))
    if not set(after.waivers_from) <= set(before.waivers_from):
        found.append(Looser("waivers_from", "more parties may waive"))
    if _longer(after.max_store_age, before.max_store_age):
        found.append(Looser("max_store_age", "older stores are accepted"))
    return found


def differences(before: Profile, after: Profile) -> list[Difference]:
    """Everything that is not the same, in the order of the profiles."""
    less = {one.name for one in looser(before, after)}
    more = {one.name for one in looser(after, before)}
    one, other = before.document(), after.document()
    return [
        Difference(
            name=name,
            change="added" if old is None else "removed" if new is None else "changed",
            direction=_direction(name in more, name in less),
            members=_members(old, new),
        )
        for name, old, new in _pairs(one, other)
        if old != new
    ]


def _direction(more: bool, less: bool) -> Direction:  # noqa: FBT001 - two facts, one word
    if more and less:
        return Direction.BOTH
    return Direction.TIGHTER if more else Direction.LOOSER if less else Direction.NEITHER


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for member in ("profile", "version", "title", "about"):
        yield member, one.get(member), other.get(member)
    yield from _matched(one, other, "requirements", lambda row: f"requirement {row['id']}")
    yield from _matched(one, other, "follow", _row_name)
    for member in ("notices", "silent", "waivers_from", "max_store_age"):
        yield member, one.get(member), other.get(member)


def _matched(
    one: dict[str, Any],
    other: dict[str, Any],
    member: str,
    key: Callable[[Mapping[str, Any]], str],
) -> Iterator[tuple[str, Any, Any]]:
    old = {key(row): row for row in one.get(member, ())}
    new = {key(row): row for row in other.get(member, ())}
    for name in dict.fromkeys((*old, *new)):
        yield name, old.get(name), new.get(name)


def _members(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401 - JSON values
    if isinstance(old, dict) and isinstance(new, dict):
        return {
            m: (old.get(m), new.get(m))
            for m in dict.fromkeys((*old, *new))
            if old.get(m) != new.get(m)
        }
    return {"": (old, new)}


def _row_name(row: Mapping[str, Any]) -> str:
    return f"follow {row['relation']} {row.get('category', '')}".strip()


def _follow_name(rule: Follow) -> str:
    return f"follow {rule.relation.value} {rule.category or ''}".strip()


def _less_required(one: Requirement, other: Requirement) -> Iterator[str]:
    for member, had, has in (
        ("claim", one.claim, other.claim),
        ("from", one.services, other.services),
        ("kind", one.kinds, other.kinds),
    ):
        if not set(has) <= set(had):
            yield f"{member}: more is accepted"
    if not _as_wide(one.elements, other.elements):
        yield "for: asked of fewer elements"
    if other.place is not Place.ANY and other.place is not one.place:
        yield "where: asked at fewer places"
    if other.level.rank < one.level.rank:
        yield "level: a lower one is enough"
    if _longer(other.max_age, one.max_age):
        yield "max_age: older claims are accepted"
    if not set(one.present) <= set(other.present):
        yield "present: fewer fields are asked for"
    if one.condition is not None and not _holds(other.condition, one.condition):
        yield "condition: it may let through what the other does not"
    if one.missing is Value.UNDETERMINED and other.missing is Value.TRUSTED:
        yield "missing: nothing need be shown"


def _less_followed(one: Follow, other: Follow) -> Iterator[str]:
    if _COUNTS[other.counts] < _COUNTS[one.counts]:
        yield "counts: the part counts less"
    elif other.counts is Counting.SHARE and other.share < one.share:
        yield "share: fewer parts must be trusted"
    if one.complete and not other.complete:
        yield "complete: not asked any more"
    if one.required and not other.required:
        yield "required: not asked any more"
    if not _as_wide(one.elements, other.elements):
        yield "for: followed from fewer elements"
    asks = one.complete or one.required
    if asks and other.place is not Place.ANY and other.place is not one.place:
        yield "where: asked at fewer places"


def _as_wide(had: tuple[Element, ...], has: tuple[Element, ...]) -> bool:
    """Whether ``has`` (empty: all) names at least what ``had`` names."""
    return not has or (bool(had) and set(had) <= set(has))


def _longer(new: int | None, old: int | None) -> bool:
    return old is not None and (new is None or new > old)


def _holds(new: str | None, old: str) -> bool:
    """Whether a condition surely holds only where the old one does."""
    if new is None or new == old:
        return new is not None
    before, after = f"({old}) && (", ")"
    if not (new.startswith(before) and new.endswith(after)):
        return False
    try:
        Condition.compile(new[len(before) : -len(after)])  # one expression, not the ends of two
    except Malformed:
        return False
    return True


def _takes_in(rule: NoticeRule, other: NoticeRule) -> bool:
    return (
        (ANY_TYPE in rule.types or set(other.types) <= set(rule.types))
        and set(other.services) <= set(rule.services)
        and rule.severity.rank <= other.severity.rank
    )
