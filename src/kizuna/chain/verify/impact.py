# SPDX-License-Identifier: Apache-2.0
"""What depends on it: whose standing rests on a subject, or on one statement.

Keeps: 1. What is affected is reached upwards over the ties that count under the profile, nearest
first. 2. Who would *lose* is not guessed: the subject is taken to be untrusted, or the statement
never to have been made, and what falls is what loses. The judgement is as before afterwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import RELATIONS
from kizuna.chain.verify.distinct import distinct, union
from kizuna.chain.verify.explain import name_of
from kizuna.chain.verify.judgement import Judgement
from kizuna.chain.verify.propagation import sink
from kizuna.model.errors import Absent
from kizuna.model.finding import Value

__all__ = ["impact"]

_NAMED = 1_000


def impact(judgement: Judgement, what: str, *, losses: bool = True) -> list[dict[str, Any]]:
    """Everything whose standing depends on a subject or a statement.

    Args:
        judgement: under which profile, whose anchors, as of when.
        what: an identifier, or the digest of a statement (64 hexadecimal digits).
        losses: also work out who would lose (judges everything once, if that was not done).

    Returns:
        Plain members, nearest first: ``subject``, ``name``, ``distance``, ``relation`` and
        ``through`` (the next thing on the way), ``value``, ``without`` (the value without it) and
        ``loses``. The subject itself is not listed; the subjects of a statement are.

    Raises:
        Absent: ``verify.subject-unknown``, ``verify.statement-unknown``.
    """
    graph = judgement.graph
    if len(what) == 64 and graph.names.find(what) < 0 and _is_hex(what):
        row = graph.row_of.get(bytes.fromhex(what))
        if row is None or not judgement.authority.exists.view[row]:
            raise Absent(
                "verify.statement-unknown",
                f"no statement with digest {what[:16]}…",
                hint="`kizuna statement list` shows what is registered",
                statement=what,
            )
        return _of_statement(judgement, row, losses=losses)
    node = judgement.node_of(what)
    if node < 0:
        raise Absent(
            "verify.subject-unknown",
            f"nothing is known about {what[:80]}",
            why="no statement that this reader may see names it",
            hint="identifiers are compared in their canonical spelling",
            subject=what[:200],
        )
    if losses and not judgement.whole:
        judgement.settle_all()
    start = judgement.frame.bills.spread(np.asarray([node], dtype=np.int64))
    up = _Upward(judgement, start)
    without = None
    if losses:
        without = judgement.value.copy()
        without[start] = int(Value.UNTRUSTED)
        sink(judgement, without, start)
    return up.listed(without, leave_out=node)


def _of_statement(judgement: Judgement, row: int, *, losses: bool) -> list[dict[str, Any]]:
    if losses and not judgement.whole:
        judgement.settle_all()
    touched = judgement.touched_by(row)
    before = judgement.value.copy()
    own = judgement.base.copy()
    if losses:
        without, others_own = judgement.without(row)
        nodes = judgement.graph.nodes
        differ = np.flatnonzero(
            (without[:nodes] != before[:nodes]) | (others_own[:nodes] != own[:nodes])
        )
        touched = union(touched, differ.astype(np.int64))
    else:
        without = None
    return _Upward(judgement, touched).listed(without, leave_out=-1)


class _Upward:
    """The upward closure of some nodes, with how each was reached first."""

    def __init__(self, judgement: Judgement, start: Ints) -> None:
        self._judgement = judgement
        nodes = judgement.graph.nodes
        self._distance = np.full(nodes, -1, dtype=np.int32)
        self._through = np.full(nodes, -1, dtype=np.int64)
        self._relation = np.full(nodes, -1, dtype=np.int8)
        self._distance[start] = 0
        frontier, level = start, 0
        while len(frontier):
            level += 1
            at, above, relation = judgement.dependents(frontier)
            fresh = self._distance[above] < 0
            at, above, relation = at[fresh], above[fresh], relation[fresh]
            name = judgement.frame.name
            through = frontier[at]
            # of several ways of one length the one that sorts first, whatever the order of arrival
            for node, tie, low in zip(
                above.tolist(), relation.tolist(), through.tolist(), strict=True
            ):
                known = int(self._through[node])
                if known < 0 or (tie, name(low)) < (int(self._relation[node]), name(known)):
                    self._through[node], self._relation[node] = low, tie
            frontier = distinct(above)
            self._distance[frontier] = level

    def listed(self, without: Ints | None, *, leave_out: int) -> list[dict[str, Any]]:
        judgement = self._judgement
        name = judgement.frame.name
        everything = np.flatnonzero(self._distance >= 0)
        things = judgement.frame.things(everything)
        lost: dict[int, bool] = {}  # of each thing, at large and in every bill
        nearest: dict[int, int] = {}
        for node, thing in zip(everything.tolist(), things.tolist(), strict=True):
            if thing == leave_out:
                continue
            known = nearest.get(thing, node)
            nearest[thing] = min(known, node, key=lambda n: (int(self._distance[n]), n))
            if without is not None:
                lost[thing] = lost.get(thing, False) or without[node] < judgement.value[node]
        reached = sorted(nearest.values(), key=lambda n: (int(self._distance[n]), name(n)))
        called = name_of(judgement, reached[:_NAMED])
        settled = judgement.whole
        made: list[dict[str, Any]] = []
        for node in reached:
            through, relation = int(self._through[node]), int(self._relation[node])
            item: dict[str, Any] = {
                "subject": name(node),
                "name": called.get(node, ""),
                "distance": int(self._distance[node]),
                "relation": RELATIONS[relation].value if relation >= 0 else "",
                "through": name(through) if through >= 0 else "",
            }
            if settled and without is not None:
                value, after = int(judgement.value[node]), int(without[node])
                item["value"] = Value(value).word
                item["without"] = Value(after).word
                item["loses"] = bool(lost[int(judgement.frame.things(np.asarray([node]))[0])])
            made.append(item)
        return made


def _is_hex(text: str) -> bool:
    return all(c in "0123456789abcdef" for c in text)
