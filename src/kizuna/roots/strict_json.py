# SPDX-License-Identifier: Apache-2.0
"""JSON from strangers where a signature hangs on it: no member twice, bounded, objects only.

Keeps: two readers cannot see two things in one text. Not for our own payloads, which are typed.
"""

from __future__ import annotations

import json
from typing import Any

from kizuna.model.errors import Malformed

__all__ = ["malformed", "read_object"]


def read_object(data: bytes, code: str, limit: int) -> dict[str, Any]:
    """The JSON object that ``data`` is.

    Args:
        data: UTF-8 text.
        code: the problem's code.
        limit: most bytes.

    Raises:
        Malformed: ``code``.
    """
    if len(data) > limit:
        raise malformed(code, f"{len(data)} bytes, at most {limit}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as fault:
        raise malformed(code, str(fault)[:120]) from fault
    if not isinstance(value, dict):
        raise malformed(code, "no JSON object")
    return value


def malformed(code: str, why: str) -> Malformed:
    """The problem of an envelope at the edge that cannot be read."""
    return Malformed(
        code,
        f"the signed envelope cannot be read: {why}",
        why=why,
        hint="send it as its signer made it",
        fault=why,
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members
