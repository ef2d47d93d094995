# SPDX-License-Identifier: Apache-2.0
"""Profile documents: YAML or JSON to a ``Profile``, or a problem that names the line.

Keeps: 1. Read whole or refused: an unknown member is an error, because a misspelt ``max_age`` must
not become "however old". 2. Bounded before parsed: size, depth, number of nodes, no aliases (a
short YAML text can stand for a huge value), no tags, no second member of one name. 3. Plain words
of YAML are text: ``version: 1.0`` stays ``1.0`` and a country code ``NO`` does not become false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from kizuna.criteria.profiles.condition import Condition
from kizuna.criteria.profiles.profile import (
    WHOLE,
    Counting,
    Follow,
    NoticeRule,
    Place,
    Profile,
    Requirement,
    Silence,
    Silent,
)
from kizuna.model.errors import Malformed
from kizuna.model.finding import Value
from kizuna.model.identifier import Element, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Norm, Severity
from kizuna.model.relation import Relation
from kizuna.roots.strict_yaml import Bounds, Fault, Unread, compose

__all__ = [
    "MAX_DOCUMENT",
    "NORM_TYPE",
    "Placed",
    "from_document",
    "from_norm",
    "from_placed",
    "placed",
    "placed_document",
    "read_profile",
    "to_norm",
]

MAX_DOCUMENT: Final = 262_144
"""Largest profile document in bytes."""

NORM_TYPE: Final = "profile"
"""The type of the norm statement that carries a profile."""

_MAX_DEPTH: Final = 12
_MAX_NODES: Final = 50_000
_BOUNDS: Final = Bounds(size=MAX_DOCUMENT, depth=_MAX_DEPTH, nodes=_MAX_NODES)
_MAX_LIST: Final = 1_000
_MAX_SECONDS: Final = 100 * 366 * 86_400
_CLAIM_KINDS: Final = (Kind.CERTIFICATE, Kind.CAPABILITY, Kind.EVIDENCE)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}")
_FIELD: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_DURATION: Final = re.compile(r"([0-9]{1,10}) ?(second|minute|hour|day|week|year|[smhdwy])s?")
_SHARE: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))? ?%")
_SECONDS: Final = {
    "s": 1,
    "m": 60,
    "h": 3_600,
    "d": 86_400,
    "w": 7 * 86_400,
    "y": 365 * 86_400,
}

_E = TypeVar("_E", bound=StrEnum)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Placed:
    """A value with the place it was read from: its line (0: unknown) and the path of members."""

    value: Any
    line: int
    path: str


def read_profile(data: bytes, name: str = "profile") -> Profile:
    """Read a profile document in YAML (of which JSON is a part).

    Args:
        data: the document, UTF-8.
        name: how the document is called in problems, e.g. its file name.

    Raises:
        Malformed: ``profile.too-large``, ``profile.not-yaml``, ``profile.alias``,
            ``profile.member-unknown``, ``profile.member-missing``, ``profile.member-twice``,
            ``profile.value``, ``profile.id-twice``, ``profile.rule-twice``, ``profile.share``,
            ``profile.condition``; each names the line.
    """
    return _Reader(name).profile(_compose(data, name))


def from_document(document: dict[str, Any], name: str = "profile") -> Profile:
    """Read the JSON form, as a norm statement carries it.

    Raises:
        Malformed: as ``read_profile``, with the path of the member instead of a line.
    """
    return _Reader(name).profile(_wrap(document, name, "", 0, [0]))


def from_norm(norm: Norm) -> Profile:
    """The profile that a norm statement carries; its name and version must be the norm's.

    Raises:
        Malformed: ``profile.norm`` when the norm is no profile or names another one; otherwise
            as ``read_profile``.
    """
    if norm.type != NORM_TYPE:
        raise _problem("profile.norm", norm.name, _NOWHERE, f"a norm of type {norm.type}")
    profile = from_document(norm.document, norm.name)
    if (profile.name, profile.version) != (norm.name, norm.version):
        raise _problem(
            "profile.norm",
            norm.name,
            _NOWHERE,
            f"the norm names {norm.name} {norm.version}, "
            f"its document {profile.name} {profile.version}",
        )
    return profile


def to_norm(profile: Profile) -> Norm:
    """The payload of a norm statement that publishes the profile."""
    return Norm(
        type=NORM_TYPE,
        name=profile.name,
        version=profile.version,
        document=profile.document(),
        title=profile.title.get("en"),
    )


def placed(data: bytes, name: str) -> Placed:
    """The members of a document with their places, bounded and not yet read.

    Raises:
        Malformed: ``profile.too-large``, ``profile.not-yaml``, ``profile.alias``,
            ``profile.member-twice``.
    """
    return _compose(data, name)


def placed_document(document: dict[str, Any], name: str) -> Placed:
    """The members of a JSON form, as ``placed``."""
    return _wrap(document, name, "", 0, [0])


def from_placed(members: Placed, name: str) -> Profile:
    """Read members that were put together from several documents.

    Raises:
        Malformed: as ``read_profile``.
    """
    return _Reader(name).profile(members)


_NOWHERE: Final = Placed(None, 0, "")


class _Reader:
    """Turns a wrapped document into values; holds only the name used in problems."""

    def __init__(self, name: str) -> None:
        self._name = name

    def profile(self, top: Placed) -> Profile:
        m = self._members(
            top,
            "profile version title requirements",
            "about follow notices silent waivers_from max_store_age",
        )
        requirements = tuple(self._requirement(at) for at in self._list(m["requirements"]))
        self._unique(
            "profile.id-twice",
            ((r.id, at) for r, at in zip(requirements, m["requirements"].value, strict=True)),
        )
        follow = tuple(self._follow(at) for at in self._items(m, "follow"))
        self._unique(
            "profile.rule-twice",
            (
                (f"{f.relation.value} {f.category or ''}".strip(), at)
                for f, at in zip(follow, self._items(m, "follow"), strict=True)
            ),
        )
        return Profile(
            name=self._name_of(m["profile"]),
            version=self._name_of(m["version"]),
            title=self._words(m["title"]),
            about=self._words(m["about"]) if "about" in m else {},
            requirements=requirements,
            follow=follow,
            notices=tuple(self._notice(at) for at in self._items(m, "notices")),
            silent=self._silent(m["silent"]) if "silent" in m else Silent(),
            waivers_from=self._each(m, "waivers_from", self._party),
            max_store_age=self._duration(m["max_store_age"]) if "max_store_age" in m else None,
        )

    def _requirement(self, at: Placed) -> Requirement:
        m = self._members(
            at,
            "id title claim from",
            "kind for where level max_age present condition control risk missing mend",
        )
        return Requirement(
            id=self._name_of(m["id"]),
            title=self._words(m["title"]),
            claim=self._each(m, "claim", self._name_of),
            services=self._each(m, "from", self._name_of),
            kinds=self._each(m, "kind", lambda v: self._word(v, Kind, _CLAIM_KINDS))
            or _CLAIM_KINDS,
            elements=self._each(m, "for", lambda v: self._word(v, Element)),
            place=self._word(m["where"], Place) if "where" in m else Place.ANY,
            level=self._word(m["level"], Level) if "level" in m else Level.SELF,
            max_age=self._duration(m["max_age"]) if "max_age" in m else None,
            present=self._each(m, "present", lambda v: self._text(v, _FIELD)),
            condition=self._condition(m["condition"]) if "condition" in m else None,
            control=self._text(m["control"], _FIELD) if "control" in m else None,
            risk=self._name_of(m["risk"]) if "risk" in m else None,
            missing=self._missing(m["missing"]) if "missing" in m else Value.UNDETERMINED,
            mend=self._words(m["mend"]) if "mend" in m else {},
        )

    def _follow(self, at: Placed) -> Follow:
        m = self._members(at, "relation", "category counts share complete required for where")
        counts = self._word(m["counts"], Counting) if "counts" in m else Counting.BLOCKING
        if (counts is Counting.SHARE) != ("share" in m):
            self._wrong("profile.share", at, "a share belongs to `counts: share`, and to it alone")
        return Follow(
            relation=self._word(m["relation"], Relation, [r for r in Relation if r.is_dependence]),
            category=self._name_of(m["category"]) if "category" in m else None,
            counts=counts,
            share=self._share(m["share"]) if "share" in m else WHOLE,
            complete=self._flag(m["complete"]) if "complete" in m else False,
            required=self._flag(m["required"]) if "required" in m else False,
            elements=self._each(m, "for", lambda v: self._word(v, Element)),
            place=self._word(m["where"], Place) if "where" in m else Place.ANY,
        )

    def _notice(self, at: Placed) -> NoticeRule:
        m = self._members(at, "types from", "severity")
        return NoticeRule(
            types=self._each(
                m, "types", lambda v: "*" if self._text(v) == "*" else self._name_of(v)
            ),
            services=self._each(m, "from", self._name_of),
            severity=self._word(m["severity"], Severity) if "severity" in m else Severity.NONE,
        )

    def _silent(self, at: Placed) -> Silent:
        m = self._members(at, "", "default " + " ".join(e.value for e in Element))
        return Silent(
            default=self._word(m["default"], Silence) if "default" in m else Silence.UNDETERMINED,
            elements={e: self._word(m[e.value], Silence) for e in Element if e.value in m},
        )

    # values ------------------------------------------------------------------------------------

    def _text(self, at: Placed, shape: re.Pattern[str] | None = None) -> str:
        if not isinstance(at.value, str) or (shape and not shape.fullmatch(at.value)):
            self._wrong("profile.value", at, f"not a usable text: {str(at.value)[:60]!r}")
        return at.value

    def _name_of(self, at: Placed) -> str:
        return self._text(at, _NAME)

    def _party(self, at: Placed) -> str:
        text = self._text(at)
        if ":" not in text:
            return self._name_of(at)
        try:
            return canonical(text)
        except Malformed as fault:
            self._wrong("profile.value", at, fault.what)

    def _words(self, at: Placed) -> dict[str, str]:
        if not isinstance(at.value, dict) or "en" not in at.value:
            self._wrong("profile.value", at, "words are given by language, English (`en`) at least")
        made = {}
        for language, words in at.value.items():
            if not _LANGUAGE.fullmatch(language) or not 0 < len(self._text(words)) <= 4_000:
                self._wrong("profile.value", words, f"not words in a language: {language[:20]!r}")
            made[language] = words.value.strip()
        return dict(sorted(made.items()))

    def _word(self, at: Placed, words: type[_E], known: Collection[_E] = ()) -> _E:
        allowed = [w.value for w in (known or words)]
        if at.value not in allowed:
            self._wrong(
                "profile.value", at, f"{str(at.value)[:60]!r} is none of {', '.join(allowed)}"
            )
        return words(at.value)

    def _flag(self, at: Placed) -> bool:
        if not isinstance(at.value, bool):
            self._wrong("profile.value", at, f"neither true nor false: {str(at.value)[:60]!r}")
        return at.value

    def _duration(self, at: Placed) -> int:
        found = _DURATION.fullmatch(at.value) if isinstance(at.value, str) else None
        length = int(found[1]) * _SECONDS[found[2][0]] if found else 0
        if not 0 < length <= _MAX_SECONDS:
            self._wrong(
                "profile.value", at, f"not a duration like `90 days`: {str(at.value)[:60]!r}"
            )
        return length

    def _share(self, at: Placed) -> int:
        found = _SHARE.fullmatch(at.value) if isinstance(at.value, str) else None
        points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else -1
        if not 0 <= points <= WHOLE:
            self._wrong(
                "profile.share", at, f"not a share from 0 % to 100 %: {str(at.value)[:60]!r}"
            )
        return points

    def _missing(self, at: Placed) -> Value:
        if at.value not in ("undetermined", "trusted"):
            self._wrong(
                "profile.value",
                at,
                "what is missing is undetermined or trusted; to refuse it, use `silent`",
            )
        return Value[at.value.upper()]

    def _condition(self, at: Placed) -> str:
        text = self._text(at).strip()
        try:
            Condition.compile(text)
        except Malformed as fault:
            self._wrong("profile.condition", at, fault.why, condition=text[:120])
        return text

    # structure ---------------------------------------------------------------------------------

    def _members(self, at: Placed, needed: str, optional: str) -> dict[str, Placed]:
        if not isinstance(at.value, dict):
            self._wrong("profile.value", at, "members with names are expected here")
        members: dict[str, Placed] = at.value
        known = [*needed.split(), *optional.split()]
        for name, member in members.items():
            if name not in known:
                self._wrong(
                    "profile.member-unknown",
                    member,
                    f"unknown member {name[:60]!r}; known are {', '.join(sorted(known))}",
                    member=name[:60],
                )
        for name in needed.split():
            if name not in members:
                self._wrong(
                    "profile.member-missing", at, f"member {name!r} is missing", member=name
                )
        return members

    def _list(self, at: Placed) -> list[Placed]:
        if not isinstance(at.value, list) or not at.value or len(at.value) > _MAX_LIST:
            self._wrong("profile.value", at, f"a list of 1 to {_MAX_LIST} entries is expected here")
        return at.value

    def _items(self, members: dict[str, Placed], name: str) -> list[Placed]:
        return self._list(members[name]) if name in members else []

    def _each(
        self, members: dict[str, Placed], name: str, read: Callable[[Placed], _V]
    ) -> tuple[_V, ...]:
        at = members.get(name)
        if at is None:
            return ()
        # one word stands for a list of one: `from: maker`
        values = [at] if isinstance(at.value, str) else self._list(at)
        made = tuple(read(v) for v in values)
        self._unique("profile.value", ((str(v), a) for v, a in zip(made, values, strict=True)))
        return made

    def _unique(self, code: str, keyed: Iterable[tuple[str, Placed]]) -> None:
        seen: set[str] = set()
        for key, at in keyed:
            if key in seen:
                self._wrong(code, at, f"{key!r} stands there twice", id=key)
            seen.add(key)

    def _wrong(self, code: str, at: Placed, why: str, **about: str) -> NoReturn:
        raise _problem(code, self._name, at, why, **about)


def _compose(data: bytes, name: str) -> Placed:
    """YAML to wrapped plain values, without any of YAML's powers."""
    import yaml  # noqa: PLC0415 - only who reads a document loads the parser

    try:
        root = compose(data, _BOUNDS)
    except Unread as fault:
        at = Placed(None, fault.line, "")
        if fault.fault is Fault.ALIAS:
            raise _problem("profile.alias", name, at, fault.why) from fault
        if fault.fault is Fault.SIZE:
            raise _problem("profile.too-large", name, at, fault.why) from fault
        if fault.fault is Fault.DEEP:
            raise _problem("profile.too-large", name, at, "nested too deeply") from fault
        raise _problem("profile.not-yaml", name, at, fault.why) from fault
    return _node(yaml, root, name, "")


def _node(yaml: Any, node: Any, name: str, path: str) -> Placed:  # noqa: ANN401 - PyYAML's nodes
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Placed] = {}
        for key, value in node.value:
            word = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            at = Placed(None, key.start_mark.line + 1, f"{path}.{word}".lstrip("."))
            if not word or word in made:
                raise _problem("profile.member-twice", name, at, f"{word!r} stands there twice")
            inner = _node(yaml, value, name, at.path)
            made[word] = Placed(inner.value, at.line, at.path)
        return Placed(made, line, path)
    if isinstance(node, yaml.SequenceNode):
        return Placed(
            [_node(yaml, v, name, f"{path}[{i}]") for i, v in enumerate(node.value)], line, path
        )
    text = node.value
    plain = not node.style  # libyaml says "", PyYAML None
    if plain and text in ("true", "false"):
        return Placed(text == "true", line, path)
    if plain and text in ("", "~", "null"):
        return Placed(None, line, path)
    return Placed(text, line, path)


def _wrap(value: Any, name: str, path: str, depth: int, nodes: list[int]) -> Placed:  # noqa: ANN401
    """JSON values wrapped the same way, so that one reader serves both."""
    nodes[0] += 1
    if depth > _MAX_DEPTH or nodes[0] > _MAX_NODES:
        raise _problem("profile.too-large", name, Placed(None, 0, path), "nested too deeply")
    if isinstance(value, dict):
        members = {
            k: _wrap(v, name, f"{path}.{k}".lstrip("."), depth + 1, nodes) for k, v in value.items()
        }
        return Placed(members, 0, path)
    if isinstance(value, list):
        items = [_wrap(v, name, f"{path}[{i}]", depth + 1, nodes) for i, v in enumerate(value)]
        return Placed(items, 0, path)
    return Placed(value, 0, path)


def _problem(code: str, name: str, at: Placed, why: str, **about: str) -> Malformed:
    place = f"{name}, line {at.line}" if at.line else name
    if at.path:
        place = f"{place}, {at.path}"
    return Malformed(
        code,
        f"{place}: {why}",
        why=why,
        hint="`kizuna profile show NAME` prints a worked profile to compare with",
        document=name,
        line=at.line,
        path=at.path,
        fault=why,
        **about,
    )
