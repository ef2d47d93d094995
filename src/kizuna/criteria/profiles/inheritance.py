# SPDX-License-Identifier: Apache-2.0
"""Profiles that build on another: ``extends: software-product``.

What is not said is the parent's. A requirement of the same id changes the members that it names
(``and`` adds to the parent's condition), a rule of the same relation and category likewise;
``drop`` leaves requirements out; notices are added.

Keeps: 1. What comes out is complete in itself: it names no parent, and nothing of it changes when
the parent does. 2. A child asks no less than its parent, unless it says where and why, in
``loosens``. 3. A loop, or a parent of another version than the child names, is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kizuna.criteria.profiles.comparison import looser
from kizuna.criteria.profiles.profile import Profile
from kizuna.criteria.profiles.reader import (
    Placed,
    from_placed,
    placed,
    placed_document,
)
from kizuna.model.errors import Malformed, Refused

__all__ = ["MAX_GENERATIONS", "Parent", "read_inheriting"]

MAX_GENERATIONS: Final = 8

Parent = Callable[[str, tuple[str, ...]], Profile]
"""Gives the profile of a name; the second argument are the documents that asked for it."""

_OWN: Final = frozenset({"extends", "drop", "loosens"})


def read_inheriting(data: bytes, name: str, parent: Parent, above: tuple[str, ...] = ()) -> Profile:
    """Read a profile document, and what it extends.

    Args:
        data: the document, UTF-8.
        name: how the document is called in problems.
        parent: finds the profile that it extends.
        above: the documents that extend this one, the first of all first.

    Raises:
        Malformed: ``profile.extends-loop``, ``profile.extends``, or as ``read_profile``.
        Refused: ``profile.loosens``, ``profile.extends-version``.
    """
    top = placed(data, name)
    if not isinstance(top.value, dict) or not _OWN & set(top.value):
        return from_placed(top, name)
    if name in above or len(above) >= MAX_GENERATIONS:
        raise Malformed(
            "profile.extends-loop",
            f"{name} extends itself, or profiles build on each other too deeply",
            why=" → ".join((*above, name))[:500],
            hint="a profile builds on one that stands by itself in the end",
            name=name,
        )
    members: dict[str, Placed] = top.value
    asked = members.get("extends")
    if asked is None or not isinstance(asked.value, str):
        raise _wrong(name, top, "drop and loosens belong to `extends: NAME`")
    wanted, _, version = asked.value.partition("@")
    before = parent(wanted, (*above, name))
    if version and before.version != version:
        raise Refused(
            "profile.extends-version",
            f"{name} extends {wanted} {version}; at hand is {before.version}",
            why="what the parent asks may have changed since",
            hint="look at `kizuna profile diff`, then name the new version",
            name=name,
            parent=wanted,
            version=version,
            found=before.version,
        )
    after = from_placed(_joined(before, top, name), name)
    _hold(before, after, members, name)
    return after


def _joined(before: Profile, top: Placed, name: str) -> Placed:
    members: dict[str, Placed] = top.value
    base: dict[str, Placed] = placed_document(before.document(), name).value
    made = {m: v for m, v in base.items() if m not in ("profile", "version", "title", "about")}
    dropped = {str(one.value) for one in _items(members.get("drop"), name)}
    for member, value in members.items():
        if member in _OWN:
            continue
        if member == "requirements":
            made[member] = _rows(made.get(member), value, _by_id, name)
        elif member == "follow":
            made[member] = _rows(made.get(member), value, _by_relation, name)
        elif member == "notices":
            there = _items(made.get(member), name)
            made[member] = Placed([*there, *_items(value, name)], value.line, value.path)
        elif member == "silent" and member in made and isinstance(value.value, dict):
            made[member] = Placed(made[member].value | value.value, value.line, value.path)
        else:
            made[member] = value
    if dropped and "requirements" in made:
        rows = [r for r in made["requirements"].value if _by_id(r) not in dropped]
        missing = dropped - {_by_id(r) for r in made["requirements"].value}
        if missing:
            raise _wrong(name, members["drop"], f"the parent does not ask {min(missing)[:80]!r}")
        made["requirements"] = Placed(rows, made["requirements"].line, "requirements")
    return Placed(made, top.line, top.path)


def _rows(there: Placed | None, more: Placed, key: Callable[[Placed], str], name: str) -> Placed:
    """Rows by their key: those that are there take the members that the new ones name."""
    rows = {key(r): r for r in _items(there, name)}
    for row in _items(more, name):
        if not isinstance(row.value, dict):
            raise _wrong(name, row, "members with names are expected here")
        members = dict(row.value)
        old = rows.get(key(row))
        further = members.pop("and", None)
        known = old.value if old is not None else {}
        if further is not None:
            had = members.get("condition") or known.get("condition")
            text = str(further.value)
            members["condition"] = Placed(
                text if had is None else f"({had.value}) && ({text})", further.line, further.path
            )
        rows[key(row)] = Placed({**known, **members}, row.line, row.path)
    return Placed(list(rows.values()), more.line, more.path)


def _by_id(row: Placed) -> str:
    found = row.value.get("id") if isinstance(row.value, dict) else None
    return str(found.value) if found is not None else ""


def _by_relation(row: Placed) -> str:
    if not isinstance(row.value, dict):
        return ""
    named = (row.value.get("relation"), row.value.get("category"))
    return " ".join(str(n.value) for n in named if n is not None)


def _items(at: Placed | None, name: str) -> list[Placed]:
    if at is None:
        return []
    if isinstance(at.value, str):
        return [at]
    if not isinstance(at.value, list):
        raise _wrong(name, at, "a list is expected here")
    return at.value


def _hold(before: Profile, after: Profile, members: dict[str, Placed], name: str) -> None:
    """See that the child asks no less, but where it says so."""
    said = members.get("loosens")
    if said is not None and not isinstance(said.value, dict):
        raise _wrong(name, said, "loosens gives a reason for each name")
    reasons: dict[str, Placed] = said.value if said is not None else {}
    for what, reason in reasons.items():
        if not isinstance(reason.value, str) or not reason.value.strip():
            raise _wrong(name, reason, f"no reason is given for {what[:80]!r}")
    unsaid = [one for one in looser(before, after) if one.name not in reasons]
    if unsaid:
        first = unsaid[0]
        raise Refused(
            "profile.loosens",
            f"{name} asks less than {before.name} {before.version}: {first.name}: {first.why}",
            why="; ".join(f"{one.name}: {one.why}" for one in unsaid)[:1000],
            hint="mend it, or give the reason under `loosens`, by that name",
            name=name,
            parent=before.name,
            place=first.name,
            reason=first.why,
        )


def _wrong(name: str, at: Placed, why: str) -> Malformed:
    place = f"{name}, line {at.line}" if at.line else name
    return Malformed(
        "profile.extends",
        f"{place}: {why}",
        why=why,
        hint="the guide to publishing a profile shows a worked child",
        document=name,
        line=at.line,
        fault=why,
    )
