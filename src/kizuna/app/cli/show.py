# SPDX-License-Identifier: Apache-2.0
"""Verdicts, findings and trees as lines of text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kizuna.app.cli.door import Door
from kizuna.app.cli.times import clock_face

__all__ = ["mark", "tree_lines", "verdict_lines"]

_COLOR: Final = {"trusted": "green", "undetermined": "yellow", "untrusted": "red"}
_SIGN: Final = {"trusted": "✓", "undetermined": "?", "untrusted": "✗"}
_SHOWN: Final = 20


def mark(door: Door, value: str, *, bold: bool = True) -> str:
    """The verdict's word in this language, coloured; English keeps the wire name."""
    words = door.text(f"verdict.{value}")
    return door.paint(f"{_SIGN.get(value, '·')} {words}", _COLOR.get(value, "white"), bold=bold)


def verdict_lines(door: Door, verdict: Mapping[str, Any], *, everything: bool) -> Iterator[str]:
    """A verdict: the word, what it rests on, and what is wrong with whose turn it is."""
    yield f"{mark(door, verdict['verdict'])}  {verdict['subject']}"
    coverage = verdict["coverage"]
    yield "  " + door.text(
        "verdict.basis", profile=verdict["profile"], at=clock_face(verdict["at"])
    )
    yield "  " + door.text("verdict.coverage", **coverage)
    for known in verdict["known"]:
        yield "  " + door.text("verdict.known", **known)
    findings: Sequence[Mapping[str, Any]] = verdict["findings"]
    shown = findings if everything else findings[:_SHOWN]
    for finding in shown:
        yield ""
        weight = "" if finding["counts"] else f" ({door.text('finding.informative')})"
        yield (
            door.paint(f"  {finding['code']}", _COLOR.get(finding["value"], "white"), bold=True)
            + f"{weight}  {finding['subject']}"
        )
        yield f"    {finding['message']}"
        if finding["mend"]:
            yield f"    → {finding['mend']}"
    if len(findings) > len(shown):
        yield ""
        yield "  " + door.text("findings.more", count=len(findings) - len(shown))
    if verdict["next_change"] is not None:
        yield ""
        yield "  " + door.text("verdict.next-change", at=clock_face(verdict["next_change"]))


def tree_lines(door: Door, node: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    """A tree of reasons, one line a node, its own findings beneath it."""
    yield from _node(door, node, "", "", depth)


def _node(door: Door, node: Mapping[str, Any], lead: str, below: str, depth: int) -> Iterator[str]:
    name = node.get("name") or ""
    title = f"{name}  {node['subject']}" if name and name != node["subject"] else node["subject"]
    relation = f"{door.text('relation.' + node['relation'])} " if node.get("relation") else ""
    repeated = f"  ({door.text('tree.above')})" if node.get("repeated") else ""
    yield f"{lead}{relation}{mark(door, node['value'], bold=False)}  {title}{repeated}"
    children = list(node.get("children", ()))
    findings = node.get("findings", ())
    stem = below + ("│   " if children and depth > 0 else "    ")
    for finding in findings:
        yield f"{stem}{finding['message']}"
        if finding["mend"]:
            yield f"{stem}→ {finding['mend']}"
    if depth <= 0:
        if children:
            yield f"{below}└── " + door.text("tree.deeper", count=len(children))
        return
    left_out = int(node.get("left_out", 0))
    for place, child in enumerate(children):
        last = place == len(children) - 1 and not left_out
        yield from _node(
            door,
            child,
            below + ("└── " if last else "├── "),
            below + ("    " if last else "│   "),
            depth - 1,
        )
    if left_out:
        yield f"{below}└── " + door.text("tree.left-out", count=left_out)
