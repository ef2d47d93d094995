# SPDX-License-Identifier: Apache-2.0
"""Map heads: the logged statement that fixes the map for everyone.

The last leaf of every checkpoint that has new statements says: "the map over the first ``size``
entries has this root, made with this version of the key function". Its index is that ``size``; its
own rows enter the map with the next batch.

Keeps: a map head counts only as the *last* leaf of a published checkpoint and only for its own
index, whoever signed it: the log alone decides what stands last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kizuna.model.errors import Tampered
from kizuna.model.identifier import SubjectId, readable
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.model.statement import Statement
from kizuna.record.log.keys import KEYS_VERSION

__all__ = ["MAP_HEAD", "MapHead", "map_head_claim", "map_head_subject", "read_map_head"]

MAP_HEAD: Final = "map-head"


@dataclass(frozen=True, slots=True)
class MapHead:
    """Root of the map over the first ``size`` entries of the log."""

    size: int
    root: bytes
    keys: int = KEYS_VERSION


def map_head_subject(origin: str) -> SubjectId:
    """The subject of a log's map heads: the log, as an address."""
    return readable(f"https://{origin}")


def map_head_claim(size: int, root: bytes) -> Claim:
    """The payload of a map head (kind evidence)."""
    return Claim(type=MAP_HEAD, claims={"size": size, "root": root.hex(), "keys": KEYS_VERSION})


def read_map_head(statement: Statement, origin: str, index: int) -> MapHead:
    """The map head that a statement at ``index`` of the log is.

    Raises:
        Tampered: ``map.head-wrong`` when it is none, is about another log or another size, or was
            made with a key function that is not known here.
    """
    payload = statement.payload
    if (
        statement.kind is not Kind.EVIDENCE
        or not isinstance(payload, Claim)
        or payload.type != MAP_HEAD
    ):
        raise _wrong("the statement is no map head", index)
    if statement.subject != map_head_subject(origin):
        raise _wrong("it is about another log", index)
    size, root = payload.claims.get("size"), payload.claims.get("root")
    if type(size) is not int or size != index:
        raise _wrong("it does not cover all entries before it", index)
    if payload.claims.get("keys") != KEYS_VERSION:
        raise _wrong("it was made with another version of the key function", index)
    if not isinstance(root, str) or len(root) != 64 or root != root.lower():
        raise _wrong("its root is not 32 bytes in hexadecimal", index)
    try:
        return MapHead(size, bytes.fromhex(root))
    except ValueError as fault:
        raise _wrong("its root is not 32 bytes in hexadecimal", index) from fault


def _wrong(why: str, index: int) -> Tampered:
    return Tampered(
        "map.head-wrong",
        f"no map head stands at index {index} of the log",
        why=why,
        hint="ask the store for a proof at a newer checkpoint",
        index=index,
    )
