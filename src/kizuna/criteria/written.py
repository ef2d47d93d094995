# SPDX-License-Identifier: Apache-2.0
r"""Documents that people write: YAML (of which JSON is a part) to values that know their line.

Keeps: 1. Bounded before parsed: size, depth, number of nodes; no aliases (a short text can stand
for a huge value), no tags, no second member of one name. 2. Plain words stay text: ``version: 1.0``
is ``1.0`` and a country code ``NO`` is not false. 3. Whoever reads on takes each member by its name
and refuses those it does not know, so that a misspelt word cannot become "whatever the default is".
4. Every problem names document, line and path of members.

Example:
    >>> reading = Reading("plan.yaml")
    >>> top = reading.text(b"name: fan\nversion: 1.0\n")
    >>> reading.members(top, "name version")["version"].value
    '1.0'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeVar

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical
from kizuna.roots.strict_yaml import Bounds, Fault, Unread, compose

__all__ = ["MAX_DOCUMENT", "Reading", "Spot"]

MAX_DOCUMENT: Final = 1 << 20
"""Largest document in bytes."""

_MAX_DEPTH: Final = 12
_MAX_NODES: Final = 100_000
_BOUNDS: Final = Bounds(size=MAX_DOCUMENT, depth=_MAX_DEPTH, nodes=_MAX_NODES)
_MAX_LIST: Final = 5_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DURATION: Final = re.compile(r"([0-9]{1,10}) ?(second|minute|hour|day|week|year)s?")
_SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 7 * 86_400,
    "year": 365 * 86_400,
}
_WORDS: Final = 4_000

_E = TypeVar("_E", bound=StrEnum)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Spot:
    """A value with the place it was read from: its line (0: unknown) and the path of members."""

    value: Any
    line: int
    path: str


_NOWHERE: Final = Spot(None, 0, "")


class Reading:
    """Turns one document into values.

    Args:
        name: how the document is called in problems, e.g. its file name.
        example: a command that prints a worked document to compare with.
    """

    def __init__(self, name: str, example: str = "") -> None:
        self._name = name
        self._example = example

    # --- the whole ----------------------------------------------------------------------------

    def text(self, data: bytes) -> Spot:
        """The root of a document given as text.

        Raises:
            Malformed: ``document.too-large``, ``document.not-yaml``, ``document.alias``,
                ``document.member-twice``.
        """
        import yaml  # noqa: PLC0415 - slow to import, and only documents need it

        try:
            root = compose(data, _BOUNDS)
        except Unread as fault:
            at = Spot(None, fault.line, "")
            if fault.fault is Fault.ALIAS:
                self.wrong("document.alias", at, fault.why, fault)
            if fault.fault is Fault.SIZE:
                self.wrong("document.too-large", at, fault.why, fault)
            if fault.fault is Fault.DEEP:
                why = "nested too deeply, or too many values"
                self.wrong("document.too-large", at, why, fault)
            self.wrong("document.not-yaml", at, fault.why, fault)
        return self._node(yaml, root, "")

    def document(self, value: dict[str, Any]) -> Spot:
        """The root of a document given as JSON members, as a norm statement carries it.

        Raises:
            Malformed: ``document.too-large``.
        """
        return self._wrap(value, "", 0, [0])

    # --- members ------------------------------------------------------------------------------

    def members(self, at: Spot, needed: str, optional: str = "") -> dict[str, Spot]:
        """The members of a mapping: those needed are there, and none is unknown.

        Raises:
            Malformed: ``document.value``, ``document.member-unknown``,
                ``document.member-missing``.
        """
        found = self.mapping(at)
        known = [*needed.split(), *optional.split()]
        for name, member in found.items():
            if name not in known:
                words = f"unknown member {name[:60]!r}; known are {', '.join(sorted(known))}"
                self.wrong("document.member-unknown", member, words)
        for name in needed.split():
            if name not in found:
                self.wrong("document.member-missing", at, f"member {name!r} is missing")
        return found

    def mapping(self, at: Spot) -> dict[str, Spot]:
        """The members of a mapping, whatever they are called."""
        if not isinstance(at.value, dict):
            self.refuse(at, "members with names are expected here")
        members: dict[str, Spot] = at.value
        return members

    def items(self, members: dict[str, Spot], name: str) -> list[Spot]:
        """The entries of a list, none where the member is left out."""
        return self.entries(members[name]) if name in members else []

    def entries(self, at: Spot) -> list[Spot]:
        """The entries of a list that has some."""
        if not isinstance(at.value, list) or not 0 < len(at.value) <= _MAX_LIST:
            self.refuse(at, f"a list of 1 to {_MAX_LIST} entries is expected here")
        listed: list[Spot] = at.value
        return listed

    def each(
        self, members: dict[str, Spot], name: str, read: Callable[[Spot], _V]
    ) -> tuple[_V, ...]:
        """A list of distinct values; one word stands for a list of one."""
        at = members.get(name)
        if at is None:
            return ()
        spots = self.entries(at) if isinstance(at.value, list) else [at]
        made = tuple(read(spot) for spot in spots)
        self.distinct((str(value), spot) for value, spot in zip(made, spots, strict=True))
        return made

    def distinct(self, keyed: Iterable[tuple[str, Spot]]) -> None:
        """No key stands there twice.

        Raises:
            Malformed: ``document.id-twice``.
        """
        seen: set[str] = set()
        for key, at in keyed:
            if key in seen:
                self.wrong("document.id-twice", at, f"{key!r} stands there twice")
            seen.add(key)

    # --- values -------------------------------------------------------------------------------

    def name(self, at: Spot) -> str:
        """A short machine-readable name."""
        if not isinstance(at.value, str) or not _NAME.fullmatch(at.value):
            self.refuse(at, f"not a short name: {str(at.value)[:60]!r}")
        return at.value

    def plain(self, at: Spot, longest: int = _WORDS) -> str:
        """Words for people, in one language."""
        value = at.value.strip() if isinstance(at.value, str) else ""
        if not 0 < len(value) <= longest or _CONTROL.search(value):
            self.refuse(at, f"not a usable text: {str(at.value)[:60]!r}")
        return value

    def words(self, at: Spot) -> dict[str, str]:
        """Words by language, English at least; a plain text is English."""
        if isinstance(at.value, str):
            return {"en": self.plain(at)}
        if not isinstance(at.value, dict) or "en" not in at.value:
            self.refuse(at, "words are given by language, English (`en`) at least")
        made = {}
        for language, spot in at.value.items():
            if not _LANGUAGE.fullmatch(language):
                self.refuse(spot, f"not a language: {language[:20]!r}")
            made[language] = self.plain(spot)
        return dict(sorted(made.items()))

    def subject(self, at: Spot) -> SubjectId:
        """The canonical identifier of something."""
        text = self.plain(at, 2_048)
        try:
            return canonical(text)
        except Malformed as fault:
            self.refuse(at, fault.what, fault)

    def one_of(self, at: Spot, words: type[_E], known: Collection[_E] = ()) -> _E:
        """One word of an enumeration."""
        allowed = [w.value for w in (known or words)]
        if at.value not in allowed:
            self.refuse(at, f"{str(at.value)[:60]!r} is none of {', '.join(allowed)}")
        return words(at.value)

    def known(self, at: Spot, names: Collection[str]) -> str:
        """A name that was introduced elsewhere in the document."""
        name = self.name(at)
        if name not in names:
            words = ", ".join(sorted(names) if isinstance(names, set) else names)
            self.refuse(at, f"{name[:60]!r} is none of {words or 'none at all'}"[:400])
        return name

    def number(self, at: Spot, least: int, most: int) -> int:
        """A whole number within bounds."""
        text = str(at.value) if not isinstance(at.value, bool) else ""
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
        if not least <= number <= most:
            self.refuse(at, f"not a whole number from {least} to {most}: {text[:20]!r}")
        return number

    def duration(self, at: Spot) -> int:
        """Seconds, written as ``90 days``."""
        found = _DURATION.fullmatch(at.value) if isinstance(at.value, str) else None
        length = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < length <= 100 * 366 * 86_400:
            self.refuse(at, f"not a duration like `90 days`: {str(at.value)[:60]!r}")
        return length

    # --- problems -----------------------------------------------------------------------------

    def refuse(self, at: Spot, why: str, cause: BaseException | None = None) -> NoReturn:
        """A value that cannot stand where it stands.

        Raises:
            Malformed: ``document.value``.
        """
        self.wrong("document.value", at, why, cause)

    def wrong(self, code: str, at: Spot, why: str, cause: BaseException | None = None) -> NoReturn:
        """Any problem, with its place.

        Raises:
            Malformed: ``code``.
        """
        raise Malformed(code, **self.told(at, why)) from cause

    def told(self, at: Spot, why: str) -> dict[str, Any]:
        """What a problem says of a place: words and values, for whoever raises one of their own."""
        place = f"{self._name}, line {at.line}" if at.line else self._name
        if at.path:
            place = f"{place}, {at.path}"
        hint = f"`{self._example}` prints a worked document to compare with"
        return {
            "what": f"{place}: {why}",
            "why": why,
            "hint": hint if self._example else "",
            "place": place,
            "document": self._name,
            "line": at.line,
            "path": at.path,
            "fault": why,
        }

    # --- inside -------------------------------------------------------------------------------

    def _node(self, yaml: Any, node: Any, path: str) -> Spot:  # noqa: ANN401 - PyYAML's nodes
        line = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            made: dict[str, Spot] = {}
            for key, value in node.value:
                word = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
                at = Spot(None, key.start_mark.line + 1, f"{path}.{word}".lstrip("."))
                if not word or word in made:
                    self.wrong("document.member-twice", at, f"{word!r} stands there twice")
                made[word] = Spot(self._node(yaml, value, at.path).value, at.line, at.path)
            return Spot(made, line, path)
        if isinstance(node, yaml.SequenceNode):
            items = [self._node(yaml, v, f"{path}[{i}]") for i, v in enumerate(node.value)]
            return Spot(items, line, path)
        plain = not node.style  # libyaml says "", PyYAML None
        if plain and node.value in ("true", "false"):
            return Spot(node.value == "true", line, path)
        if plain and node.value in ("", "~", "null"):
            return Spot(None, line, path)
        return Spot(node.value, line, path)

    def _wrap(self, value: Any, path: str, depth: int, nodes: list[int]) -> Spot:  # noqa: ANN401
        nodes[0] += 1
        if depth > _MAX_DEPTH or nodes[0] > _MAX_NODES:
            self.wrong("document.too-large", Spot(None, 0, path), "nested too deeply")
        if isinstance(value, dict):
            members = {
                name: self._wrap(v, f"{path}.{name}".lstrip("."), depth + 1, nodes)
                for name, v in value.items()
            }
            return Spot(members, 0, path)
        if isinstance(value, list):
            items = [self._wrap(v, f"{path}[{i}]", depth + 1, nodes) for i, v in enumerate(value)]
            return Spot(items, 0, path)
        return Spot(value, 0, path)
