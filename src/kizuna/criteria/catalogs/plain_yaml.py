# SPDX-License-Identifier: Apache-2.0
"""YAML from strangers as plain members: texts, lists and maps, nothing else.

Keeps: 1. Bounded before it is built: size, depth, number of nodes; no alias, anchor or tag, so a
short text cannot stand for a huge value. 2. Plain words stay text: ``version: 1.0`` is ``1.0``.
"""

from __future__ import annotations

from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.roots.strict_yaml import Bounds, Fault, Unread, bounded

__all__ = ["read_yaml"]

_BOUNDS: Final = Bounds(size=4 << 20, depth=12, nodes=200_000)


def read_yaml(data: bytes, code: str) -> dict[str, Any]:
    """The members of a document.

    Raises:
        Malformed: ``code``, with the line.
    """
    import yaml  # noqa: PLC0415 - only who reads a document loads the parser

    try:
        text = bounded(data, _BOUNDS)
        loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
        found = yaml.load(text, Loader=loader)  # noqa: S506 - the base loader makes texts only
    except Unread as fault:
        why = "nested too deeply, or too long" if fault.fault is Fault.DEEP else fault.why[:160]
        raise _wrong(code, f"line {fault.line}: {why}" if fault.line else why) from fault
    except (yaml.YAMLError, ValueError, TypeError) as fault:
        raise _wrong(code, str(fault)[:160]) from fault
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
