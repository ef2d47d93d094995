# SPDX-License-Identifier: Apache-2.0
"""YAML from strangers as plain members: texts, lists and maps, nothing else.

Keeps: 1. Bounded before it is built: size, depth, number of nodes; no alias, anchor or tag, so a
short text cannot stand for a huge value. 2. Plain words stay text: ``version: 1.0`` is ``1.0``.
"""

from __future__ import annotations

from typing import Any, Final

from kizuna.model.errors import Malformed

__all__ = ["read_yaml"]

_LIMIT: Final = 4 << 20
_DEPTH: Final = 12
_NODES: Final = 200_000


def read_yaml(data: bytes, code: str) -> dict[str, Any]:
    """The members of a document.

    Raises:
        Malformed: ``code``, with the line.
    """
    import yaml  # noqa: PLC0415 - only who reads a document loads the parser

    if len(data) > _LIMIT:
        raise _wrong(code, f"{len(data)} bytes, at most {_LIMIT}")
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        text = data.decode("utf-8-sig")
        depth = 0
        for nodes, event in enumerate(yaml.parse(text, Loader=loader)):
            line = event.start_mark.line + 1 if event.start_mark else 0
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _wrong(code, f"line {line}: an alias or anchor")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH or nodes > _NODES:
                raise _wrong(code, f"line {line}: nested too deeply, or too long")
        found = yaml.load(text, Loader=loader)  # noqa: S506 - the base loader makes texts only
    except UnicodeDecodeError as fault:
        raise _wrong(code, "not UTF-8 text") from fault
    except (yaml.YAMLError, ValueError, TypeError) as fault:
        mark = getattr(fault, "problem_mark", None)
        why = str(getattr(fault, "problem", None) or fault)[:160]
        raise _wrong(code, f"line {mark.line + 1}: {why}" if mark else why) from fault
    if not isinstance(found, dict):
        raise _wrong(code, "members with names are expected")
    return found


def _wrong(code: str, why: str) -> Malformed:
    return Malformed(
        code,
        f"the document cannot be read: {why}",
        why=why,
        hint="mend that line; the guide shows a worked example",
        fault=why,
    )
