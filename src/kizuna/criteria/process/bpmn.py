# SPDX-License-Identifier: Apache-2.0
"""BPMN 2.0 collaborations, read as a draft of a process.

Keeps: 1. Several pools are the organisations; in one pool its lanes are. 2. Tasks are activities,
data objects and stores are elements of kind data, messages between organisations and hand-overs
from lane to lane are elements that cross a border. 3. What a diagram does not say is guessed in the
open: the layer from the kind of task, the kind of element of a hand-over; each guess is told. 4.
What is not understood is listed with its count, never dropped in silence. 5. Nothing is executed,
no reference leaves the file.
Standard: OMG BPMN 2.0.2 (formal/2013-12-09), clauses 9, 10.4, 10.8.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final
from xml.etree.ElementTree import Element as Node

from kizuna.criteria.process.process import Process
from kizuna.criteria.process.reader import process_of
from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element
from kizuna.roots.strict_xml import read_xml

__all__ = ["MAX_BPMN", "Draft", "is_bpmn", "read_bpmn"]

MAX_BPMN: Final = 8 << 20
"""Largest file in bytes."""

_SPACE: Final = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_LAYER: Final = {
    "manualTask": 1,
    "task": 1,
    "callActivity": 1,
    "subProcess": 1,
    "userTask": 2,
    "receiveTask": 2,
    "sendTask": 2,
    "serviceTask": 3,
    "scriptTask": 3,
    "businessRuleTask": 3,
}
_QUIET: Final = frozenset(
    (
        *("laneSet", "lane", "flowNodeRef", "childLaneSet", "incoming", "outgoing", "property"),
        *("sequenceFlow", "documentation", "extensionElements", "startEvent", "endEvent"),
        *("dataObject", "dataObjectReference", "dataStoreReference", "ioSpecification"),
        *("dataInput", "dataOutput", "inputSet", "outputSet", "dataInputRefs", "dataOutputRefs"),
        *("dataInputAssociation", "dataOutputAssociation", "sourceRef", "targetRef"),
        "conditionExpression",
    )
)
_MOST: Final = 2_000
_NOT_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was read: the process, what was guessed, and what was not understood (by count)."""

    process: Process
    guesses: tuple[str, ...]
    not_understood: dict[str, int]


def is_bpmn(data: bytes) -> bool:
    """True where a file looks like BPMN: XML that names its namespace near the start."""
    head = data[:4_096]
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"BPMN/20100524" in head


def read_bpmn(data: bytes, name: str) -> Draft:
    """Read a collaboration.

    Args:
        data: the file.
        name: the process's name from now on.

    Raises:
        Malformed: ``vcp.bpmn``; ``document.*`` where what it says makes no process.
    """
    root = read_xml(data, "vcp.bpmn", MAX_BPMN)
    if root.tag != f"{_SPACE}definitions":
        raise _not_bpmn("its root is no BPMN 2.0 `definitions`")
    return _Reader(root, name).draft()


def _not_bpmn(why: str) -> Malformed:
    return Malformed(
        "vcp.bpmn",
        f"the BPMN file cannot be read: {why}",
        why=why,
        hint="export it as BPMN 2.0 XML, with pools or lanes and tasks in them",
        fault=why,
    )


class _Reader:
    def __init__(self, root: Node, name: str) -> None:
        self._root = root
        self._name = name
        self._taken: set[str] = set()
        self._guesses: dict[str, None] = {}
        self._unknown: Counter[str] = Counter()
        self._parties: list[dict[str, Any]] = []
        self._things: dict[str, dict[str, Any]] = {}
        self._activities: dict[str, dict[str, Any]] = {}
        self._of_node: dict[str, str] = {}
        """Organisation of a flow node, by the node's BPMN id."""
        self._of_pool: dict[str, str] = {}
        self._flows: list[Node] = []

    def draft(self) -> Draft:
        collaboration = self._root.find(f"{_SPACE}collaboration")
        pools = [] if collaboration is None else collaboration.findall(f"{_SPACE}participant")
        processes = self._root.findall(f"{_SPACE}process")
        if len(processes) + len(pools) > _MOST:
            raise _not_bpmn(f"more than {_MOST} pools and processes")
        by_process = {p.get("processRef", ""): p for p in pools}
        several = len(pools) > 1
        for pool in pools if several else []:
            self._of_pool[pool.get("id", "")] = self._party(pool)
        for process in processes:
            owner = by_process.get(process.get("id", ""))
            held = self._of_pool.get(owner.get("id", "")) if owner is not None else None
            if held is None and several:
                held = self._party(process)
            self._read_process(process, held, owner)
        if collaboration is not None:
            for child in collaboration:
                if _tag(child) not in ("participant", "messageFlow", "documentation"):
                    self._unknown[_tag(child)] += 1
            for flow in collaboration.findall(f"{_SPACE}messageFlow"):
                self._message(flow)
        for flow in self._flows:
            self._hand_over(flow)
        if not self._activities:
            raise _not_bpmn("it has no task")
        if not self._things:
            raise _not_bpmn("nothing goes from one task to another: no data object, no message")
        document = {
            "process": self._name,
            "version": "1",
            "title": {"en": self._title(processes, collaboration)},
            "organizations": self._parties,
            "elements": list(self._things.values()),
            "activities": [
                {k: v for k, v in a.items() if v != []} for a in self._activities.values()
            ],
        }
        return Draft(
            process=process_of(document, self._name),
            guesses=tuple(self._guesses),
            not_understood=dict(sorted(self._unknown.items())),
        )

    def _title(self, processes: list[Node], collaboration: Node | None) -> str:
        for node in (*processes, *([] if collaboration is None else [collaboration])):
            if words := _words(node.get("name", "")):
                return words
        return self._name

    def _party(self, node: Node) -> str:
        called = self._id(node.get("name") or node.get("id") or "", "organization")
        self._parties.append(
            {"id": called, "title": {"en": _words(node.get("name", "")) or called}}
        )
        return called

    def _read_process(self, process: Node, held: str | None, owner: Node | None) -> None:
        lanes = list(process.iter(f"{_SPACE}lane"))
        if held is None and lanes:
            for lane in lanes:
                if lane.find(f"{_SPACE}childLaneSet") is None:
                    party = self._party(lane)
                    for ref in lane.findall(f"{_SPACE}flowNodeRef"):
                        self._of_node[(ref.text or "").strip()] = party
        elif held is not None and lanes:
            self._unknown["lane"] += len(lanes)
        fallback = held
        for node in process.iter():
            tag = _tag(node)
            if node is process:
                continue
            if tag in _LAYER:
                known = self._of_node.get(node.get("id", "")) or fallback
                if known is None:
                    known = fallback = self._party(owner if owner is not None else process)
                self._activity(node, tag, known)
            elif tag in ("dataObject", "dataStoreReference"):
                self._thing(node.get("id", ""), node.get("name", ""), Element.DATA)
            elif tag == "sequenceFlow":
                self._flows.append(node)
            elif tag not in _QUIET and node.tag.startswith(_SPACE):
                self._unknown[tag] += 1
        self._associate(process)

    def _activity(self, node: Node, tag: str, party: str) -> None:
        key = node.get("id", "")
        if len(self._activities) >= _MOST or not key:
            raise _not_bpmn(f"a task without id, or more than {_MOST} of them")
        called = self._id(node.get("name") or key, "task")
        self._of_node[key] = party
        self._activities[key] = {
            "id": called,
            "title": {"en": _words(node.get("name", "")) or called},
            "organization": party,
            "layer": _LAYER[tag],
            "consumes": [],
            "produces": [],
        }
        self._guesses[f"layer {_LAYER[tag]} for {tag}"] = None

    def _thing(self, key: str, name: str, element: Element) -> str:
        if key not in self._things:
            if len(self._things) >= _MOST:
                raise _not_bpmn(f"more than {_MOST} data objects, messages and hand-overs")
            called = self._id(name or key, "element")
            self._things[key] = {
                "id": called,
                "element": element.value,
                "title": {"en": _words(name) or called},
            }
        return str(self._things[key]["id"])

    def _associate(self, process: Node) -> None:
        names = {}
        for reference in process.iter(f"{_SPACE}dataObjectReference"):
            target = reference.get("dataObjectRef", "")
            names[reference.get("id", "")] = target
            if target in self._things and reference.get("name"):
                title = _words(reference.get("name", ""))
                self._things[target]["title"] = {"en": title or target}
        for key, activity in self._activities.items():
            node = self._node(process, key)
            if node is None:
                continue
            for kind, end, member in (
                ("dataInputAssociation", "sourceRef", "consumes"),
                ("dataOutputAssociation", "targetRef", "produces"),
            ):
                for association in node.findall(f"{_SPACE}{kind}"):
                    ref = (association.findtext(f"{_SPACE}{end}") or "").strip()
                    thing = self._things.get(names.get(ref, ref))
                    if thing is None:
                        self._unknown[kind] += 1
                    elif thing["id"] not in activity[member]:
                        activity[member].append(thing["id"])

    def _node(self, process: Node, key: str) -> Node | None:
        nodes = getattr(self, "_nodes", None)
        if nodes is None or nodes[0] is not process:
            nodes = (process, {n.get("id", ""): n for n in process.iter() if n.get("id")})
            self._nodes = nodes
        found: Node | None = nodes[1].get(key)
        return found

    def _message(self, flow: Node) -> None:
        one = self._end(flow.get("sourceRef", ""), forwards=False)
        other = self._end(flow.get("targetRef", ""), forwards=True)
        if one is None or other is None:
            self._unknown["messageFlow"] += 1
            return
        thing = self._thing(flow.get("id", ""), flow.get("name", ""), Element.DATA)
        _add(one["produces"], thing)
        _add(other["consumes"], thing)
        self._guesses["element data for messages"] = None

    def _end(self, key: str, *, forwards: bool) -> dict[str, Any] | None:
        """The activity at an end of a message; a pool that shows nothing of itself becomes one."""
        if key in self._activities:
            return self._activities[key]
        if key in self._of_pool:
            party = self._of_pool[key]
            self._guesses["one activity for a pool whose inside is not drawn"] = None
            title = next(p["title"] for p in self._parties if p["id"] == party)
            self._activities[key] = {
                "id": self._id(f"{party}.inside", "task"),
                "title": dict(title),
                "organization": party,
                "layer": 1,
                "consumes": [],
                "produces": [],
            }
            return self._activities[key]
        return self._near(key, forwards=forwards)

    def _near(self, key: str, *, forwards: bool) -> dict[str, Any] | None:
        """The task nearest to an event along the sequence flows."""
        seen, front = {key}, [key]
        for _ in range(20):
            following = []
            for flow in self._flows:
                a, b = flow.get("sourceRef", ""), flow.get("targetRef", "")
                start, end = (a, b) if forwards else (b, a)
                if start in front and end not in seen:
                    seen.add(end)
                    following.append(end)
            for end in following:
                if end in self._activities:
                    return self._activities[end]
            front = following
            if not front:
                break
        return None

    def _hand_over(self, flow: Node) -> None:
        one = self._activities.get(flow.get("sourceRef", ""))
        other = self._activities.get(flow.get("targetRef", ""))
        if one is None or other is None or one["organization"] == other["organization"]:
            return
        if set(one["produces"]) & set(other["consumes"]):
            return
        name = _words(flow.get("name", "")) or f"{one['title']['en']} → {other['title']['en']}"
        thing = self._thing(flow.get("id", ""), name, Element.PROCEDURE)
        _add(one["produces"], thing)
        _add(other["consumes"], thing)
        self._guesses["element procedure for a hand-over that names nothing"] = None

    def _id(self, name: str, otherwise: str) -> str:
        plain = _NOT_NAME.sub("-", name).strip("-._")[:48].lower() or otherwise
        made, number = plain, 1
        while made in self._taken:
            number += 1
            made = f"{plain}-{number}"
        self._taken.add(made)
        return made


def _add(listed: list[str], thing: str) -> None:
    if thing not in listed:
        listed.append(thing)


def _tag(node: Node) -> str:
    return node.tag.rpartition("}")[2]


def _words(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]
