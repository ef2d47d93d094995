# SPDX-License-Identifier: Apache-2.0
"""Why: the chain as a tree of reasons, worst first.

Keeps: 1. The tree says what the verdict says: every value and finding comes from the same
judgement. 2. Each thing is opened once; where it occurs again it is marked as repeated. 3. The tree
is bounded; what it leaves out is counted where it was left out.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, Final

import numpy as np

from kizuna.chain.graph.graph import ELEMENTS, RELATIONS
from kizuna.chain.verify.authority import KIND_BIT
from kizuna.chain.verify.distinct import distinct
from kizuna.chain.verify.judgement import Judgement, Reach
from kizuna.chain.verify.local import evaluate
from kizuna.model.finding import Finding, Value
from kizuna.model.kind import Kind

__all__ = ["explain", "name_of"]

MAX_DEPTH: Final = 48
"""Deepest chain that is opened."""
MAX_NODES: Final = 2_000
"""Most things in one tree."""
MAX_WIDTH: Final = 200
"""Most parts of one thing."""


def explain(
    judgement: Judgement,
    subject: str,
    *,
    depth: int = MAX_DEPTH,
    width: int = MAX_WIDTH,
    nodes: int = MAX_NODES,
) -> dict[str, Any]:
    """The tree of reasons behind the verdict about a subject.

    Args:
        judgement: the question.
        subject: canonical identifier.
        depth: how deep to open it.
        width: how many parts of one thing to show.
        nodes: how many things to show in all.

    Returns:
        Plain members of each node: ``subject``, ``name``, ``names`` (where it has several),
        ``element``, ``value``, ``own``, ``relation`` and ``category`` (how its parent depends on
        it), ``alternative``, ``counts``, ``findings`` (``Finding`` values), ``children``,
        ``left_out`` (parts not shown), ``repeated``, ``ignored_links`` (ties that strangers
        asserted).
    """
    verdict = judgement.verdict(subject)
    root = judgement.node_of(subject)
    by_subject: dict[str, list[Finding]] = {}
    for finding in verdict.findings:
        by_subject.setdefault(finding.subject, []).append(finding)
    if root < 0 or not judgement.settled[root]:
        return {
            "subject": subject,
            "name": "",
            "element": "",
            "value": verdict.value,
            "own": verdict.value,
            "relation": "",
            "counts": True,
            "findings": list(verdict.findings),
            "children": [],
            "left_out": 0,
            "repeated": False,
        }
    return _Tree(judgement, root, subject, by_subject, verdict.value).build(depth, width, nodes)


class _Tree:
    def __init__(
        self,
        judgement: Judgement,
        root: int,
        subject: str,
        findings: dict[str, list[Finding]],
        value: Value,
    ) -> None:
        self._judgement = judgement
        self._reach: Reach = judgement.reach(root)
        self._subject = subject
        self._findings = findings
        self._value = value
        reach = self._reach
        order = np.argsort(reach.source, kind="stable")
        self._ties = order
        self._start = np.searchsorted(reach.source[order], np.arange(len(reach.nodes) + 1))
        self._worth = reach.worth

    def build(self, depth: int, width: int, nodes: int) -> dict[str, Any]:
        reach = self._reach
        top = self._node(0, -1, at_root=True)
        opened = {0}
        queue: list[tuple[int, int, int, int, dict[str, Any]]] = [(0, 0, 0, 0, top)]
        ticket, shown = 0, 1
        while queue:
            _, level, _, place, node = heappop(queue)
            children = self._children(place)
            room = min(width, max(0, nodes - shown)) if level < depth else 0
            node["left_out"] = max(0, len(children) - room)
            for tie in children[:room]:
                below = int(reach.target[tie])
                child = self._node(below, tie, at_root=False)
                shown += 1
                node["children"].append(child)
                if below in opened:
                    child["repeated"] = True
                    continue
                opened.add(below)
                ticket += 1
                good = int(self._worth[tie] == int(Value.TRUSTED))
                heappush(queue, (good, level + 1, ticket, below, child))
        self._describe(top)
        return top

    def _children(self, place: int) -> list[int]:
        """The ties from one node, the worst first, each thing once for each relation."""
        reach, graph = self._reach, self._judgement.graph
        ties = self._ties[self._start[place] : self._start[place + 1]].tolist()
        name = self._judgement.frame.name

        def order(tie: int) -> tuple[int, int, int, str]:
            return (
                int(not reach.decides[tie]),
                int(self._worth[tie]),
                int(graph.edge_relation.view[reach.edges[tie]]),
                name(int(reach.nodes[reach.target[tie]])),
            )

        chosen: dict[tuple[int, int], int] = {}
        for tie in sorted(ties, key=order):
            relation = int(graph.edge_relation.view[reach.edges[tie]])
            chosen.setdefault((int(reach.target[tie]), relation), tie)
        return list(chosen.values())

    def _node(self, place: int, tie: int, *, at_root: bool) -> dict[str, Any]:
        reach, judgement = self._reach, self._judgement
        graph = judgement.graph
        node = int(reach.nodes[place])
        subject = self._subject if place == 0 else judgement.frame.name(node)
        findings = self._findings.get(subject, [])
        made: dict[str, Any] = {
            "subject": subject,
            "name": "",
            "element": "",
            "value": self._value if at_root else Value(int(self._worth[tie])),
            "own": min((f.code.value_given for f in findings), default=Value.TRUSTED),
            "relation": "",
            "counts": True,
            "findings": findings,
            "children": [],
            "left_out": 0,
            "repeated": False,
            "_node": node,
        }
        if tie >= 0:
            edge = int(reach.edges[tie])
            made["relation"] = RELATIONS[int(graph.edge_relation.view[edge])].value
            made["counts"] = bool(reach.decides[tie] and reach.counts[reach.source[tie]])
            for member, label in (
                ("category", int(graph.edge_category.view[edge])),
                ("alternative", int(graph.edge_alternative.view[edge])),
            ):
                if label:
                    made[member] = graph.labels.texts[label]
        names = judgement.frame.names.get(int(judgement.frame.things(reach.nodes[[place]])[0]))
        if names:
            made["names"] = [graph.name(n) for n in names]
        return made

    def _describe(self, top: dict[str, Any]) -> None:
        """Add what each thing is and is called, all at once."""
        shown: list[dict[str, Any]] = []
        waiting = [top]
        while waiting:
            node = waiting.pop()
            shown.append(node)
            waiting.extend(node["children"])
        judgement = self._judgement
        nodes = distinct(np.asarray([n["_node"] for n in shown], dtype=np.int64))
        local = evaluate(judgement.frame, judgement.rules, nodes)
        place = {int(n): i for i, n in enumerate(nodes)}
        names = name_of(judgement, [int(n) for n in nodes])
        ignored = judgement.frame.ignored_links(nodes)
        for node in shown:
            number = node.pop("_node")
            bits = int(local.elements[place[number]])
            node["element"] = next(ELEMENTS[i].value for i in range(len(ELEMENTS)) if bits >> i & 1)
            node["name"] = names.get(number, "")
            if ignored[place[number]]:
                node["ignored_links"] = int(ignored[place[number]])


def name_of(judgement: Judgement, nodes: list[int]) -> dict[int, str]:
    """What things are called by those who may say so, for people to read."""
    graph, authority = judgement.graph, judgement.authority
    array = np.asarray(nodes, dtype=np.int64)
    names, where = judgement.frame.names_of(array)
    at, claims = graph.claims_of(names)
    near, passing = graph.passing_of(names)
    at = np.concatenate((where[at], where[near]))
    claims = np.concatenate((claims, passing))
    rows = graph.claim_row.view[claims].astype(np.int64)
    keep = (graph.claim_word.view[claims] == graph.description) & authority.exists.view[rows]
    keep &= authority.void.view[rows] == 0
    at, claims, rows = at[keep], claims[keep], rows[keep]
    pair, _, truth = authority.grants(
        rows,
        graph.claim_subject.view[claims],
        KIND_BIT[Kind.CAPABILITY],
        np.full(len(claims), graph.description, dtype=np.int64),
    )
    said = graph.issuer.view[rows] == judgement.frame.things(array)[at]
    said[pair[truth == 2]] = True
    found: dict[int, str] = {}
    order = np.argsort(graph.seq[rows], kind="stable")
    for i in order[said[order]].tolist():
        name = graph.fields(int(claims[i])).get("name")
        if isinstance(name, str):
            found[int(array[at[i]])] = name
    return found
