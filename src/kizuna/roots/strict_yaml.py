# SPDX-License-Identifier: Apache-2.0
"""YAML from anyone, as plain values or typed ones: bounded, without YAML's powers.

Keeps: 1. Size, depth and number of nodes are bounded before anything is built; aliases, anchors
and tags are refused (a short text can stand for a huge value), and so is a member that stands
twice. 2. Plain words are text: ``1.0`` stays ``1.0`` and a country code ``NO`` does not become
false; only ``true``, ``false`` and ``null`` are more. 3. A problem names the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from kizuna.model.errors import Malformed

__all__ = ["Bounds", "Fault", "Unread", "bounded", "compose", "read_as"]

_DEPTH: Final = 16
_NODES: Final = 400_000
_PATH: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`\Z")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")

_T = TypeVar("_T")


class Fault(StrEnum):
    """Why a document is not read."""

    SIZE = "size"
    DEEP = "deep"
    ALIAS = "alias"
    TAG = "tag"
    TEXT = "text"
    SYNTAX = "syntax"
    EMPTY = "empty"


class Unread(Exception):  # noqa: N818 - its reader makes a problem of it
    """What keeps a document from being read; the reader of its kind says it with its own code."""

    def __init__(self, fault: Fault, line: int, why: str) -> None:
        super().__init__(why)
        self.fault: Final = fault
        self.line: Final = line
        self.why: Final = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a document is read at all."""

    size: int
    """Bytes."""
    depth: int
    nodes: int
    tags: bool = True
    """Whether a tag is passed over; otherwise it is refused."""


def read_as(data: bytes, shape: type[_T], *, code: str, name: str, limit: int) -> _T:
    """The typed value that a YAML (or JSON) document holds.

    Args:
        data: UTF-8 text.
        shape: a msgspec struct that says which members there may be.
        code: the code of the problem.
        name: what to call the document in it.
        limit: most bytes.

    Raises:
        Malformed: ``code``, with the line.
    """
    lines: dict[str, int] = {}
    try:
        root = compose(data, Bounds(size=limit, depth=_DEPTH, nodes=_NODES, tags=False))
    except Unread as fault:
        raise _wrong(code, name, fault.line, "", fault.why) from fault
    value = _plain(root, "", lines, code, name)
    try:
        return msgspec.convert(value, shape, strict=False)
    except (msgspec.ValidationError, ValueError, OverflowError) as fault:
        words = str(fault)
        found = _PATH.search(words)
        path = found[1] if found else ""
        if unknown := _UNKNOWN.search(words):
            path = f"{path}.{unknown[1]}"
        raise _wrong(code, name, _line_of(path, lines), path, _PATH.sub("", words)) from fault


def bounded(data: bytes, bounds: Bounds) -> str:
    """The text of a document that keeps within its bounds and uses none of YAML's powers.

    Raises:
        Unread: what keeps it from being read, for the caller to tell in its own words.
    """
    import yaml  # noqa: PLC0415 - only who reads a document loads the parser

    if len(data) > bounds.size:
        raise Unread(Fault.SIZE, 0, f"{len(data)} bytes, at most {bounds.size}")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8-sig")
        depth = 0
        for nodes, event in enumerate(yaml.parse(text, Loader=loader)):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise Unread(Fault.ALIAS, line, "an alias or anchor")
            if not bounds.tags and getattr(event, "tag", None):
                raise Unread(Fault.TAG, line, "a tag")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > bounds.depth or nodes > bounds.nodes:
                raise Unread(Fault.DEEP, line, "nested too deeply, or too much of it")
    except UnicodeDecodeError as fault:
        raise Unread(Fault.TEXT, 0, "not UTF-8 text") from fault
    except (yaml.YAMLError, ValueError) as fault:
        raise _syntax(fault) from fault
    return text


def compose(data: bytes, bounds: Bounds) -> Any:  # noqa: ANN401 - PyYAML's nodes
    """The root node of a document that is ``bounded``; each node knows its line.

    Raises:
        Unread: as ``bounded``, and for an empty document.
    """
    import yaml  # noqa: PLC0415 - only who reads a document loads the parser

    text = bounded(data, bounds)
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        raise _syntax(fault) from fault
    if root is None:
        raise Unread(Fault.EMPTY, 0, "the document is empty")
    return root


def _syntax(fault: Exception) -> Unread:
    mark = getattr(fault, "problem_mark", None)
    why = str(getattr(fault, "problem", None) or fault)[:200]
    return Unread(Fault.SYNTAX, mark.line + 1 if mark else 0, why)


def _plain(node: Any, path: str, lines: dict[str, int], code: str, name: str) -> Any:  # noqa: ANN401
    import yaml  # noqa: PLC0415 - loaded by whoever composed the node

    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Any] = {}
        for key, value in node.value:
            word = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            line = key.start_mark.line + 1
            if not word or word in made:
                raise _wrong(code, name, line, path, f"{word!r} stands there twice")
            lines[f"{path}.{word}"] = line
            made[word] = _plain(value, f"{path}.{word}", lines, code, name)
        return made
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(one, f"{path}[{place}]", lines, code, name)
            for place, one in enumerate(node.value)
        ]
    text = node.value
    if not node.style:  # libyaml says "", PyYAML None
        if text in ("true", "false"):
            return text == "true"
        if text in ("", "~", "null"):
            return None
    return text


def _line_of(path: str, lines: dict[str, int]) -> int:
    while path and path not in lines:
        path = re.sub(r"(?:\.[^.\[]*|\[[^\]]*\])\Z", "", path) if path[-1:] else ""
    return lines.get(path, 0)


def _wrong(code: str, name: str, line: int, path: str, why: str) -> Malformed:
    place = f"{name}, line {line}" if line else name
    if path:
        place = f"{place}, {path.lstrip('.')}"
    return Malformed(
        code,
        f"{place}: {why}",
        why=why,
        hint="mend that line, or compare it with the example in the guides",
        document=name,
        line=line,
        path=path.lstrip("."),
        fault=why,
    )
