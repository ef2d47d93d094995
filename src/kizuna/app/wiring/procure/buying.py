# SPDX-License-Identifier: Apache-2.0
"""Buying: go, hold or no-go for a request, its lines, the candidates and what could stand in.

Keeps: 1. One verdict: the store's evidence, with ties that are only supposed, goes through the
same engine as ``verify``. 2. Nothing is registered, whatever is asked. 3. The same answer for a
command, a page and a product system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.procure.answer import Answer, names_in
from kizuna.app.wiring.procure.bill import named_in
from kizuna.app.wiring.procure.deciding import (
    Decision,
    Within,
    able_to_supply,
    best,
    decide,
    unreached,
    worst,
)
from kizuna.app.wiring.procure.evidence import Bought
from kizuna.app.wiring.procure.request import Line, Request, checked
from kizuna.app.wiring.procure.supposing import PURCHASE, Supposed, for_purchase
from kizuna.model.errors import Malformed
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Link, Links
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = ["check"]

_SUPPLY: Final = frozenset({Relation.SUPPLIED_BY, Relation.MADE_BY})


def check(
    workspace: Workspace,
    request: Request,
    profile: Profile,
    *,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
    bill: Sequence[tuple[str, str, Links]] = (),
    offline: bool = False,
) -> Answer:
    """Judge a request for quotation.

    Args:
        workspace: whose evidence and anchors.
        request: what is to be bought.
        profile: by what measure.
        at: valid at this instant; None is now.
        lists: believe only these.
        view: whose eyes; None is the operator's.
        bill: link statements of a bill of materials that is not registered: (issuer, subject,
            ties), as ``from_bill`` gives them.
        offline: ask no store elsewhere.
    """
    request = checked(request)
    if not request.lines and request.product is None:
        raise Malformed(
            "procure.nothing",
            "nothing to buy: the request names neither a product nor a line",
            hint="name a product, lines, or a bill of materials",
        )
    now = workspace.clock() if at is None else at
    asked = for_purchase(profile)
    bought = Bought(
        workspace, _everybody(request), asked, at=now, lists=lists, view=view, offline=offline
    )
    supposed = bought.supposed
    for issuer, subject, links in bill:
        supposed.suppose(issuer, subject, links)
    for line in request.lines:
        _suppose_candidates(supposed, request, line)
    roots = [SubjectId(request.product)] if request.product else []
    if not roots:
        roots = [
            SubjectId(part)
            for line in request.lines
            for part in dict.fromkeys((line.part, *line.substitutes))
        ]
    judgement = bought.judgement(roots)
    answer = Answer(
        request=request,
        profile=profile,
        verdict=None,
        at=now,
        value=Value.TRUSTED,
        able=able_to_supply(workspace, profile, now, lists),
    )
    seen: dict[str, Within] = {}
    own: dict[str, Decision] = {}
    for root in roots:
        if root not in seen:
            verdict = judgement.verdict(root, shortfalls=bought.shortfalls)
            seen[root] = Within(judgement, root, verdict)
            own[root] = decide(verdict)
            if request.product:
                answer.verdict = verdict
    for line in request.lines:
        answer.lines.append(_judged(line, request, supposed, seen, own))
    answer.value = (
        worst(line["value"] for line in answer.lines) if answer.lines else own[roots[0]].value
    )
    answer.names = named_in(bill) | names_in(workspace, answer, view)
    return answer


def _judged(
    line: Line,
    request: Request,
    supposed: Supposed,
    seen: Mapping[str, Within],
    own: Mapping[str, Decision],
) -> dict[str, Any]:
    """One line: its part, its candidates, what could stand in."""

    def standing(part: str) -> tuple[Within, Decision]:
        if request.product is None:
            return seen[part], own[part]
        whole = seen[request.product]
        return whole, whole.part(part) or unreached(part)

    within, decision = standing(line.part)
    candidates = line.suppliers or _registered_suppliers(supposed, line.part)
    suppliers = [(one, within.party(one)) for one in candidates]
    chosen = best(d.value for _, d in suppliers) if suppliers else Value.TRUSTED
    value = min(decision.value, chosen)
    substitutes = []
    for other in line.substitutes:
        place, found = standing(other)
        others = [
            d.value
            for d in (
                place.party(s) for s in (line.suppliers or _registered_suppliers(supposed, other))
            )
        ]
        held = min(found.value, best(others)) if others else found.value
        substitutes.append((other, Decision(value=held, findings=found.findings)))
    return {
        "line": line,
        "own": decision,
        "value": value,
        "choose": next(
            (one for one, d in suppliers if d.value is chosen and value is not Value.UNTRUSTED),
            None,
        ),
        "suppliers": [
            (one, Decision(value=min(d.value, decision.value), findings=d.findings))
            for one, d in suppliers
        ],
        "substitutes": substitutes,
    }


# --- inside -----------------------------------------------------------------------------------


def _everybody(request: Request) -> list[SubjectId]:
    """Everything that a request names: what is bought, what could stand in, from whom."""
    named = [request.product] if request.product else []
    for line in request.lines:
        named += [line.part, *line.substitutes, *line.suppliers]
    return [SubjectId(one) for one in dict.fromkeys(named)]


def _suppose_candidates(supposed: Supposed, request: Request, line: Line) -> None:
    """The candidates and substitutes of a line, as ties that are shown and decide nothing."""
    for part in (line.part, *line.substitutes):
        if line.suppliers:
            supposed.restate(
                part,
                lambda near, _far, link, part=part: (  # type: ignore[misc]
                    None if near == part and link.relation is Relation.SUPPLIED_BY else link
                ),
            )
        ties = [
            Link(relation=Relation.SUPPLIED_BY, object=one, category=PURCHASE)
            for one in line.suppliers or _registered_suppliers(supposed, part)
        ]
        if ties:
            supposed.suppose(part, part, Links(links=ties, part="purchase"))
    if request.product:
        extra = [
            Link(
                relation=Relation.PART_OF,
                subject=part,
                object=request.product,
                category=PURCHASE,
            )
            for part in (line.part, *line.substitutes)
        ]
        supposed.suppose(
            request.product, request.product, Links(links=extra, part=f"purchase/{line.line}")
        )


def _registered_suppliers(supposed: Supposed, part: str) -> list[str]:
    """Whoever is said to supply a part; where nobody is, its maker."""
    found: dict[Relation, dict[str, None]] = {r: {} for r in _SUPPLY}
    for near, far, link in supposed.ties(part):
        if near == part and link.relation in _SUPPLY:
            found[link.relation][far] = None
    return list(found[Relation.SUPPLIED_BY] or found[Relation.MADE_BY])
