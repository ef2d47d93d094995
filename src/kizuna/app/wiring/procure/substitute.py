# SPDX-License-Identifier: Apache-2.0
"""Judging a substitute before switching to it: what would become of the product.

Keeps: 1. One verdict: the store's evidence with the ties as they would be, through the same engine
as ``verify``. 2. Nothing is registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.procure.answer import Answer, names_in
from kizuna.app.wiring.procure.deciding import Within, able_to_supply, unreached
from kizuna.app.wiring.procure.evidence import Bought, elsewhere
from kizuna.app.wiring.procure.request import MAX_LINES, Line, Request
from kizuna.app.wiring.procure.supposing import PURCHASE, Supposed, for_purchase
from kizuna.model.errors import Absent
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Link, Links
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = ["substitute"]


def substitute(
    workspace: Workspace,
    product: SubjectId,
    part: SubjectId,
    supplier: SubjectId,
    profile: Profile,
    *,
    other: SubjectId | None = None,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
) -> dict[str, Any]:
    """What would become of a product if a line came from somebody else, or were another part.

    Args:
        workspace: whose evidence and anchors.
        product: what the line is part of.
        part: the line.
        supplier: who would supply it.
        profile: by what measure.
        other: the part that would take its place; None: the same part.
        at: valid at this instant; None is now.
        lists: believe only these.
        view: whose eyes.

    Returns:
        ``before``, ``after`` (verdicts), ``chain`` (the substitute's own decision), ``changed``
        (how many ties are other ones).

    Raises:
        Absent: ``procure.no-such-line`` where nothing in force ties the part to the product.
    """
    now = workspace.clock() if at is None else at
    question = Question(product, profile, at=at, lists=lists, view=view)
    if elsewhere(workspace, view):
        before = workspace.judge.across.verify(question)
    else:
        before = workspace.verify(question)
    asked = for_purchase(profile)
    named = [product, part, supplier, *([other] if other else [])]
    bought = Bought(workspace, named, asked, at=now, lists=lists, view=view)
    supposed = bought.supposed
    wholes = _wholes(supposed, profile, product, part)
    if not wholes:
        raise Absent(
            "procure.no-such-line",
            f"nothing in force says that {part} is part of {product}",
            hint="`kizuna explain` shows the parts of a product; import its bill of materials",
            part=part,
            product=product,
        )
    goods = other or part
    changed = 0
    if other is not None:
        for whole in wholes:
            changed += supposed.restate(whole, lambda n, f, k: _swapped(n, f, k, part, other))
    changed += supposed.restate(
        goods,
        lambda near, _far, link: (
            None if near == goods and link.relation is Relation.SUPPLIED_BY else link
        ),
    )
    ties = [Link(relation=Relation.SUPPLIED_BY, object=supplier, category=PURCHASE)]
    if profile.follow_of(Relation.SUPPLIED_BY, None) is not None:
        ties.append(Link(relation=Relation.SUPPLIED_BY, object=supplier))
    supposed.suppose(goods, goods, Links(links=ties, part="purchase"))
    judgement = bought.judgement([product])
    after = judgement.verdict(product, shortfalls=bought.shortfalls)
    within = Within(judgement, product, after)
    own = within.part(goods) or unreached(goods)
    party = within.party(supplier)
    answer = Answer(
        request=Request(request="substitute", product=product),
        profile=profile,
        verdict=after,
        at=now,
        value=min(after.value, own.value, party.value),
        able=able_to_supply(workspace, profile, now, lists),
    )
    answer.lines = [
        {
            "line": Line(part=goods, line="10", suppliers=[supplier]),
            "own": own,
            "value": min(own.value, party.value),
            "choose": supplier,
            "suppliers": [(supplier, party)],
            "substitutes": [],
        }
    ]
    answer.names = names_in(workspace, answer, view)
    return {"before": before, "after": after, "answer": answer, "changed": changed}


def _wholes(supposed: Supposed, profile: Profile, product: str, part: str) -> list[str]:
    """Whoever the part is directly part of, at or below the product."""
    followed = {rule.relation for rule in profile.follow}
    found: list[str] = []
    seen, waiting = {product}, [product]
    while waiting and len(seen) < MAX_LINES:
        whole = waiting.pop()
        for near, far, link in supposed.ties(whole):
            if near != whole or link.relation not in followed:
                continue
            if far == part and link.relation is Relation.PART_OF:
                found.append(whole)
            if far not in seen:
                seen.add(far)
                waiting.append(far)
    return list(dict.fromkeys(found))


def _swapped(near: str, far: str, link: Link, part: str, other: str) -> Link | None:
    """A tie with one part in another's place."""
    if link.relation is Relation.PART_OF and far == part:
        return msgspec.structs.replace(link, subject=other)
    if near == part and link.relation is not Relation.PART_OF:
        return None  # what the old part rested on is gone with it
    return link
