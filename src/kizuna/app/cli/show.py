# SPDX-License-Identifier: Apache-2.0
"""Verdicts, findings and trees as lines of text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote
from typing import Any, Final

from kizuna.app.cli.door import Door
from kizuna.app.cli.times import clock_face

__all__ = ["entry_line", "mark", "own_command", "tell_beyond", "tree_lines", "verdict_lines"]

_COLOR: Final = {"trusted": "green", "undetermined": "yellow", "untrusted": "red"}
_SIGN: Final = {"trusted": "✓", "undetermined": "?", "untrusted": "✗"}
_SHOWN: Final = 12
"""Kinds of findings told before `--all` is needed."""
_ALIKE: Final = 3
_WARNED: Final = 10
"""Subjects beyond one's scope that are told; --json tells all."""


def _grouped(findings: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Findings alike in all but their subject, together: a large product has one fault often."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for finding in findings:
        key: tuple[Any, ...] = (
            finding["code"],
            finding["requirement"],
            finding["counts"],
            finding["value"],
        )
        if finding["code"].startswith(("notice.", "tampering.", "finding.")):
            key = (*key, finding["subject"], finding["message"])
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def mark(door: Door, value: str, *, bold: bool = True) -> str:
    """The verdict's word in this language, coloured; English keeps the wire name."""
    words = door.text(f"verdict.{value}")
    return door.paint(f"{_SIGN.get(value, '·')} {words}", _COLOR.get(value, "white"), bold=bold)


def entry_line(entry: Mapping[str, Any]) -> str:
    """One entry of the log."""
    return (
        f"{entry['index']:>8}  {clock_face(entry['registered_at'])}  {entry['kind']:<11} "
        f"{entry['subject']}  {entry['digest']}"
    )


def verdict_lines(
    door: Door, verdict: Mapping[str, Any], *, everything: bool, own: str = ""
) -> Iterator[str]:
    """A verdict: the word, what it rests on, and what is wrong with whose turn it is.

    ``own`` is who asks: where it is their turn, the command stands below.
    """
    yield f"{mark(door, verdict['verdict'])}  {verdict['subject']}"
    coverage = verdict["coverage"]
    yield "  " + door.text(
        "verdict.basis", profile=verdict["profile"], at=clock_face(verdict["at"])
    )
    yield "  " + door.text("verdict.coverage", **coverage)
    for known in verdict["known"]:
        yield "  " + door.text("verdict.known", **known)
    for signed in verdict.get("signed_for", ()):
        yield "  " + door.text("tree.signed-for", by=signed["by"], member=signed["for"])
    findings: Sequence[Mapping[str, Any]] = verdict["findings"]
    shown = 0
    for place, group in enumerate(_grouped(findings)):
        first, others = group[0], group[1:]
        if place >= _SHOWN and not everything:
            break
        shown += len(group)
        yield ""
        weight = "" if first["counts"] else f" ({door.text('finding.informative')})"
        yield (
            door.paint(f"  {first['code']}", _COLOR.get(first["value"], "white"), bold=True)
            + f"{weight}  {first['requirement'] or ''}  {first['subject']}"
        )
        yield f"    {first['message']}"
        if first["mend"]:
            yield f"    → {first['mend']}"
        if command := own_command(door, first, own):
            yield f"    $ {command}"
        if others and everything:
            for other in others:
                yield f"    + {other['subject']}"
        elif others:
            named = ", ".join(o["subject"] for o in others[:_ALIKE])
            rest = len(others) - _ALIKE
            more = " " + door.text("lines.more", count=rest) if rest > 0 else ""
            yield f"    + {named}{more}"
    if len(findings) > shown:
        yield ""
        yield "  " + door.text("findings.more", count=len(findings) - shown)
    if verdict["next_change"] is not None:
        yield ""
        yield "  " + door.text("verdict.next-change", at=clock_face(verdict["next_change"]))


def own_command(door: Door, finding: Mapping[str, Any], own: str) -> str:
    """The command that says what a finding misses, where it is the asker's turn; else nothing.

    It is also theirs where nobody is named as the supplier, and a word of one's own is enough.
    """
    command = str(finding.get("command", ""))
    turn, subject = finding["turn"], finding["subject"]
    services = str(finding["about"].get("services", "self")).split(", ")
    theirs = turn == own or (turn == subject and "self" in services)
    if not (own and command and theirs):
        return ""
    return f"{command} --store {quote(str(door.settings.store))}" if door.store_named else command


def tree_lines(door: Door, node: Mapping[str, Any], *, depth: int, own: str = "") -> Iterator[str]:
    """A tree of reasons, one line a node, its own findings beneath it.

    ``own`` is who asks: where it is their turn, the command stands below.
    """
    yield from _node(door, node, "", "", depth, own)


def _node(
    door: Door, node: Mapping[str, Any], lead: str, below: str, depth: int, own: str
) -> Iterator[str]:
    name = node.get("name") or ""
    title = f"{name}  {node['subject']}" if name and name != node["subject"] else node["subject"]
    relation = f"{door.text('relation.' + node['relation'])} " if node.get("relation") else ""
    repeated = f"  ({door.text('tree.above')})" if node.get("repeated") else ""
    yield f"{lead}{relation}{mark(door, node['value'], bold=False)}  {title}{repeated}"
    children = list(node.get("children", ()))
    findings = node.get("findings", ())
    stem = below + ("│   " if children and depth > 0 else "    ")
    for signed in node.get("signed_for", ()):
        yield stem + door.text("tree.signed-for", by=signed["by"], member=signed["for"])
    for finding in () if node.get("repeated") else findings:
        yield f"{stem}{finding['message']}"
        if finding["mend"]:
            yield f"{stem}→ {finding['mend']}"
        if command := own_command(door, finding, own):
            yield f"{stem}$ {command}"
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
            own,
        )
    if left_out:
        yield f"{below}└── " + door.text("tree.left-out", count=left_out)


def tell_beyond(door: Door, subjects: Sequence[str]) -> None:
    """Warn of what nobody who goes by the lists will believe."""
    for subject in subjects[:_WARNED]:
        door.say("effect.beyond-scope", subject=subject)
    if len(subjects) > _WARNED:
        door.say("findings.more", count=len(subjects) - _WARNED)
