# SPDX-License-Identifier: Apache-2.0
"""Policy documents: YAML or JSON to a ``Policy``, or a problem that names the line.

Keeps: 1. Read whole or refused. 2. Bounded before parsed: size, depth, nodes; no aliases, no tags,
no member twice. 3. Keys in it are public keys that can be used, and rule names are one of a kind.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from kizuna.model.errors import Malformed, Problem
from kizuna.roots.gates.policy import Policy
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_yaml import Bounds, Unread, compose

__all__ = ["MAX_POLICY", "read_policy"]

MAX_POLICY: Final = 262_144
"""Largest policy document in bytes."""

_BOUNDS: Final = Bounds(size=MAX_POLICY, depth=12, nodes=50_000)
_PATH: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`\Z")
_UNKNOWN: Final = re.compile(r"unknown field `([^`]*)`")


def read_policy(data: bytes, name: str = "policy") -> Policy:
    """The policy that a document holds.

    Args:
        data: YAML, of which JSON is a part.
        name: what to call the document in problems.

    Raises:
        Malformed: ``gate.policy-unreadable`` (with the line), ``gate.policy-wrong``.
    """
    lines: dict[str, int] = {}
    try:
        root = compose(data, _BOUNDS)
    except Unread as fault:
        raise _unreadable(name, fault.line, fault.why) from fault
    value = _plain(root, "", lines, name)
    try:
        policy = msgspec.convert(value, Policy, strict=False)
    except msgspec.ValidationError as fault:
        words = str(fault)
        found = _PATH.search(words)
        path = found[1] if found else ""
        unknown = _UNKNOWN.search(words)
        if unknown:
            path = f"{path}.{unknown[1]}"
        raise _wrong(name, _line_of(path, lines), path, _PATH.sub("", words)) from fault
    seen: set[str] = set()
    for at, rule in enumerate(policy.rules):
        if rule.id in seen:
            path = f".rules[{at}].id"
            raise _wrong(name, _line_of(path, lines), path, f"{rule.id!r} stands there twice")
        seen.add(rule.id)
        for place, who in enumerate(rule.callers):
            if who.executable is None and who.uid is None and who.declared is None:
                path = f".rules[{at}].callers[{place}]"
                raise _wrong(
                    name, _line_of(path, lines), path, "a caller without members fits everybody"
                )
        if rule.consent is not None:
            _keys(rule.consent.keys, f".rules[{at}].consent.keys", lines, name)
            if rule.consent.needed > len(rule.consent.keys):
                path = f".rules[{at}].consent.needed"
                raise _wrong(name, _line_of(path, lines), path, "more than there are keys")
    _keys(policy.operators, ".operators", lines, name)
    return policy


def _keys(jwks: list[dict[str, str]], path: str, lines: dict[str, int], name: str) -> None:
    seen: set[bytes] = set()
    for at, jwk in enumerate(jwks):
        here = f"{path}[{at}]"
        try:
            key = PublicKey.from_jwk(jwk)
        except Problem as fault:
            raise _wrong(name, _line_of(here, lines), here, fault.what) from fault
        if key.thumbprint in seen:
            raise _wrong(name, _line_of(here, lines), here, "the same key stands there twice")
        seen.add(key.thumbprint)


def _plain(node: Any, path: str, lines: dict[str, int], name: str) -> Any:  # noqa: ANN401
    """YAML's nodes as plain values; ``lines`` learns where each stands."""
    import yaml  # noqa: PLC0415

    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        made: dict[str, Any] = {}
        for key, value in node.value:
            word = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if not word or word in made:
                raise _unreadable(name, key.start_mark.line + 1, f"{word!r} stands there twice")
            made[word] = _plain(value, f"{path}.{word}", lines, name)
            lines[f"{path}.{word}"] = key.start_mark.line + 1
        return made
    if isinstance(node, yaml.SequenceNode):
        return [_plain(v, f"{path}[{i}]", lines, name) for i, v in enumerate(node.value)]
    if not node.style and node.value in ("", "~", "null"):
        return None
    return node.value


def _line_of(path: str, lines: dict[str, int]) -> int:
    """The line of a path, or of the nearest thing around it."""
    while path and path not in lines:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return lines.get(path, 0)


def _place(name: str, line: int) -> str:
    return f"{name}, line {line}" if line else name


def _unreadable(name: str, line: int, why: str) -> Malformed:
    return Malformed(
        "gate.policy-unreadable",
        f"{_place(name, line)}: the policy cannot be read: {why}",
        why=why,
        hint="a policy is YAML or JSON without aliases; see the guide on the keys of a device",
        document=name[:200],
        line=line,
        fault=why,
    )


def _wrong(name: str, line: int, path: str, why: str) -> Malformed:
    return Malformed(
        "gate.policy-wrong",
        f"{_place(name, line)}, {path.lstrip('.') or 'document'}: {why}",
        why=why,
        hint="the guide on the keys of a device shows a worked policy",
        document=name[:200],
        line=line,
        path=path.lstrip(".")[:200],
        fault=why,
    )
