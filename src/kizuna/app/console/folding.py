# SPDX-License-Identifier: Apache-2.0
"""A chain small enough to look at: like things are folded into one box with their number.

Keeps: 1. What is folded is counted: the numbers of all boxes add up to the chain. 2. The worst
stays visible longest: nothing untrusted is folded away while something trusted still has a box of
its own, and a folded box wears the worst value inside it. 3. Pure and deterministic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kizuna.model.finding import Value

__all__ = ["Box", "Chain", "Tie", "fold", "without_shortcuts"]

READABLE: Final = 60
_PART: Final = "part-of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One thing of the chain, or ``count`` like things in one place."""

    key: str
    name: str
    value: Value
    own: Value | None = None
    element: str = ""
    count: int = 1
    members: tuple[str, ...] = ()
    counts: bool = True


@dataclass(frozen=True, slots=True, order=True)
class Tie:
    """``dependent`` needs ``dependency``."""

    dependent: str
    dependency: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Boxes by key, ties, and the box that the question is about."""

    root: str
    boxes: Mapping[str, Box]
    ties: tuple[Tie, ...] = field(default=())

    @property
    def things(self) -> int:
        """How many things it shows or counts."""
        return sum(box.count for box in self.boxes.values())


def without_shortcuts(chain: Chain) -> Chain:
    """The same chain without the ties of parts that a longer way of parts shows already.

    Bills of materials often tie every part to the product as well as to the part it sits in; drawn,
    that hides the structure. Ties of other relations stay: who made a thing is not who made its
    parts.
    """
    out: dict[str, list[str]] = {}
    for tie in chain.ties:
        if tie.relation == _PART and tie.dependent != tie.dependency:
            out.setdefault(tie.dependent, []).append(tie.dependency)
    number = {key: i for i, key in enumerate(chain.boxes)}
    below: dict[str, int] = {}  # what lies below a box, one bit a box
    shortcuts: set[tuple[str, str]] = set()
    for key, forward in _children_first(chain.boxes, out):
        far = 0
        for child in forward:
            far |= below[child]
        shortcuts |= {(key, child) for child in forward if far >> number[child] & 1}
        for child in forward:
            far |= 1 << number[child]
        below[key] = far
    return replace(
        chain,
        ties=tuple(
            t
            for t in chain.ties
            if t.relation != _PART or (t.dependent, t.dependency) not in shortcuts
        ),
    )


def _children_first(
    boxes: Iterable[str], out: Mapping[str, list[str]]
) -> Iterator[tuple[str, list[str]]]:
    """Every box after what it leads to, with its ties forward; ties back in a cycle left out."""
    done: set[str] = set()
    for start in boxes:
        if start in done:
            continue
        open_now = {start}
        stack: list[tuple[str, Iterator[str], list[str]]] = [(start, iter(out.get(start, ())), [])]
        while stack:
            key, following, forward = stack[-1]
            for child in following:
                if child in open_now:
                    continue
                forward.append(child)
                if child not in done:
                    open_now.add(child)
                    stack.append((child, iter(out.get(child, ())), []))
                    break
            else:
                stack.pop()
                open_now.discard(key)
                done.add(key)
                yield key, forward


def fold(chain: Chain, *, limit: int = READABLE) -> Chain:
    """The same chain with at most about ``limit`` boxes.

    Like leaves (same dependents, relations and value) are folded first, the deepest first of all;
    then whatever hangs deepest is folded into one box a parent and value.
    """
    folded = chain
    if len(folded.boxes) > limit:
        folded = _fold_leaves(folded, limit, alike=True)
    rounds = 0
    while len(folded.boxes) > limit and rounds < 64:
        before = len(folded.boxes)
        folded = _fold_leaves(folded, limit, alike=False)
        rounds += 1
        if len(folded.boxes) >= before:
            break
    return folded


def _depths(chain: Chain) -> dict[str, int]:
    out: dict[str, list[str]] = {}
    for tie in chain.ties:
        out.setdefault(tie.dependent, []).append(tie.dependency)
    depth = {chain.root: 0}
    edge = [chain.root]
    while edge:
        reached: list[str] = []
        for key in edge:
            for after in out.get(key, ()):
                if after not in depth:
                    depth[after] = depth[key] + 1
                    reached.append(after)
        edge = reached
    return depth


def _fold_leaves(chain: Chain, limit: int, *, alike: bool) -> Chain:
    depth = _depths(chain)
    inward: dict[str, list[Tie]] = {}
    outward: dict[str, int] = {}
    for tie in chain.ties:
        inward.setdefault(tie.dependency, []).append(tie)
        outward[tie.dependent] = outward.get(tie.dependent, 0) + 1
    deepest = max(depth.values(), default=0)
    groups: dict[tuple[object, ...], list[str]] = {}
    for key, box in chain.boxes.items():
        if key == chain.root:
            continue
        leaf = key not in outward
        if alike:
            if leaf:
                hung = tuple(sorted((t.dependent, t.relation) for t in inward.get(key, ())))
                groups.setdefault((hung, box.value, box.element), []).append(key)
        elif leaf or depth.get(key, deepest) == deepest:
            first = min((t.dependent for t in inward.get(key, ())), default=chain.root)
            groups.setdefault((first, box.value), []).append(key)
    into: dict[str, str] = {}
    made: dict[str, Box] = {}
    spare = len(chain.boxes) - limit
    ranked = sorted(
        (members for members in groups.values() if len(members) > (2 if alike else 1)),
        key=lambda m: (-chain.boxes[m[0]].value, -depth.get(m[0], 0), -len(m), m[0]),
    )
    for members in ranked:
        if spare <= 0:
            break
        box = _together([chain.boxes[m] for m in members])
        made[box.key] = box
        into.update(dict.fromkeys(members, box.key))
        spare -= len(members) - 1
    if not made and not alike:
        # nothing shares a parent: take whole branches into their parents' box of what lies below
        return _cut(chain, depth, limit)
    boxes = {k: b for k, b in chain.boxes.items() if k not in into} | made
    ties = {
        Tie(into.get(t.dependent, t.dependent), into.get(t.dependency, t.dependency), t.relation)
        for t in chain.ties
    }
    return Chain(
        root=chain.root,
        boxes=boxes,
        ties=tuple(sorted(t for t in ties if t.dependent != t.dependency)),
    )


def _cut(chain: Chain, depth: Mapping[str, int], limit: int) -> Chain:
    """Keep the boxes nearest to the root, the worst first; fold all others into one."""
    order = sorted(
        chain.boxes.values(), key=lambda b: (b.key != chain.root, depth.get(b.key, 99), b.value)
    )
    kept = {b.key: b for b in order[: max(limit - 1, 1)]}
    rest = _together([b for b in order if b.key not in kept])
    ties = {
        replace(
            t,
            dependent=t.dependent if t.dependent in kept else rest.key,
            dependency=t.dependency if t.dependency in kept else rest.key,
        )
        for t in chain.ties
    }
    return Chain(
        root=chain.root,
        boxes=kept | {rest.key: rest},
        ties=tuple(sorted(t for t in ties if t.dependent != t.dependency)),
    )


def _together(boxes: Iterable[Box]) -> Box:
    many = sorted(boxes, key=lambda b: b.key)
    elements = {b.element for b in many}
    members = tuple(m for b in many for m in (b.members or (b.key,)))
    return Box(
        key=f"folded:{many[0].key}",
        name="",
        value=min(b.value for b in many),
        element=elements.pop() if len(elements) == 1 else "",
        count=sum(b.count for b in many),
        members=members[:200],
        counts=any(b.counts for b in many),
    )
