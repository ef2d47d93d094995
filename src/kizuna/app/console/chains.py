# SPDX-License-Identifier: Apache-2.0
"""From the tree of reasons to the picture: the same answer, drawn.

Keeps: the picture shows nothing that the explanation does not say; what the explanation left out is
counted, not forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kizuna.app.console.folding import Box, Chain, Tie
from kizuna.model.finding import Value

__all__ = ["chain_of", "short_name"]


def chain_of(tree: Mapping[str, Any]) -> tuple[Chain, int]:
    """Boxes and ties of an explanation, and how many things it left out."""
    boxes: dict[str, Box] = {}
    ties: set[Tie] = set()
    left_out = 0
    waiting: list[Mapping[str, Any]] = [tree]
    while waiting:
        node = waiting.pop()
        key = str(node["subject"])
        left_out += int(node.get("left_out") or 0)
        if key not in boxes or not node.get("repeated"):
            own = node.get("own")
            boxes[key] = Box(
                key=key,
                name=str(node.get("name") or short_name(key)),
                value=Value[str(node["value"]).upper()],
                own=Value[own.upper()] if isinstance(own, str) else None,
                element=str(node.get("element") or ""),
                counts=bool(node.get("counts", True)),
            )
        for child in node.get("children", ()):
            relation = str(child.get("relation") or "part-of")
            ties.add(Tie(key, str(child["subject"]), relation))
            waiting.append(child)
    root = str(tree["subject"])
    return Chain(root=root, boxes=boxes, ties=tuple(sorted(ties))), left_out


def short_name(identifier: str) -> str:
    """The end of an identifier, which tells things apart, for where its name is not known."""
    scheme, _, rest = identifier.partition(":")
    if scheme == "pkg":
        path = rest.partition("?")[0].partition("#")[0].rpartition("/")[2]
        return path.replace("@", " ", 1) or identifier
    if scheme == "did":
        method, _, name = rest.partition(":")
        if method in ("key", "jwk") and len(name) > 14:
            return f"did:{method}:{name[:4]}…{name[-4:]}"
        return identifier
    if scheme in ("https", "http"):
        short = rest.removeprefix("//")
        return short if len(short) <= 44 else f"{short[:20]}…{short[-20:]}"
    return identifier if len(identifier) <= 44 else f"{identifier[:24]}…{identifier[-16:]}"
