# SPDX-License-Identifier: Apache-2.0
"""Buying: go, hold or no-go for a request, its lines, the candidates and what could stand in.

Keeps: 1. One verdict: the store's evidence, with ties that are only supposed, goes through the
same engine as ``verify``. 2. Nothing is registered, whatever is asked. 3. The same answer for a
command, a page and a product system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.answers import finding_json
from kizuna.app.wiring.procure_deciding import (
    DECISIONS,
    Decision,
    Suppliers,
    Within,
    best,
    decide,
    worst,
)
from kizuna.app.wiring.procure_evidence import Bought, elsewhere
from kizuna.app.wiring.procure_request import MAX_LINES, Line, Request, checked, when
from kizuna.app.wiring.procure_supposing import PURCHASE, Supposed, for_purchase
from kizuna.app.wiring.question import Question
from kizuna.model.errors import Absent, Malformed
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Link, Links, decode_payload
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict
    from kizuna.record.store import View

__all__ = ["Answer", "check", "from_bill", "outcome_of", "substitute"]

_MISSING: Final = 20
"""Findings told of one line or candidate; how many more there are is said."""

_SUPPLY: Final = frozenset({Relation.SUPPLIED_BY, Relation.MADE_BY})


@dataclass(slots=True)
class Answer:
    """What was judged, before words: kept so that every door words it alike."""

    request: Request
    profile: Profile
    verdict: Verdict | None
    at: int
    value: Value
    lines: list[dict[str, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    able: Suppliers | None = None

    def told(self, lang: str) -> dict[str, Any]:
        """The answer as every door shows it."""
        end = when(self.request.deadline)
        verdict = self.verdict
        counts = dict.fromkeys(DECISIONS.values(), 0)
        lines = [self._line(line, lang, end) for line in self.lines]
        for line in lines:
            counts[line["decision"]] += 1
        return {
            "request": self.request.request,
            "title": self.request.title or "",
            "profile": self.profile.name,
            "profile_digest": self.profile.digest,
            "at": self.at,
            "deadline": self.request.deadline,
            "decision": DECISIONS[self.value],
            "counts": counts,
            "product": None
            if verdict is None
            else {
                "part": verdict.subject,
                "name": self.names.get(verdict.subject, ""),
                "verdict": verdict.value.word,
                "decision": DECISIONS[verdict.value],
                "next_change": verdict.next_change,
                "known": [
                    {"origin": k.origin, "size": k.size, "root": k.root} for k in verdict.known
                ],
                **self._missing(decide(verdict), lang, end),
            },
            "lines": lines,
        }

    def _line(self, line: Mapping[str, Any], lang: str, end: int | None) -> dict[str, Any]:
        asked: Line = line["line"]
        by = when(asked.deadline) or end
        return {
            "line": asked.line,
            "part": asked.part,
            "name": self.names.get(asked.part, ""),
            "quantity": asked.quantity,
            "deadline": asked.deadline or self.request.deadline,
            "decision": DECISIONS[line["value"]],
            "choose": line["choose"],
            "part_decision": DECISIONS[line["own"].value],
            **self._missing(line["own"], lang, by),
            "suppliers": [self._one("supplier", s, lang, by) for s in line["suppliers"]],
            "substitutes": [self._one("part", s, lang, by) for s in line["substitutes"]],
        }

    def _one(self, member: str, found: Any, lang: str, by: int | None) -> dict[str, Any]:  # noqa: ANN401
        identifier, decision = found
        return {
            member: identifier,
            "name": self.names.get(identifier, ""),
            "decision": DECISIONS[decision.value],
            **self._missing(decision, lang, by),
        }

    def _missing(self, decision: Decision, lang: str, by: int | None) -> dict[str, Any]:
        ordered = sorted(decision.findings, key=lambda f: (f.code.value_given, f))
        told = []
        for finding in ordered[:_MISSING]:
            words = finding_json(finding, lang, profile=self.profile, names=self.names)
            able = [] if self.able is None else self.able.of(finding)
            told.append(
                {
                    member: words[member]
                    for member in (
                        "code",
                        "subject",
                        "requirement",
                        "message",
                        "mend",
                        "turn",
                        "turn_name",
                        "value",
                    )
                }
                | {"by": by, "can_supply": able}
            )
        return {"missing": told, "more": max(0, len(ordered) - _MISSING)}


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
        able=_able(workspace, profile, now, lists),
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
    answer.names = _named(bill) | _names(workspace, answer, view)
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
        return whole, whole.part(part) or _unreached(part)

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
    own = within.part(goods) or _unreached(goods)
    party = within.party(supplier)
    answer = Answer(
        request=Request(request="substitute", product=product),
        profile=profile,
        verdict=after,
        at=now,
        value=min(after.value, own.value, party.value),
        able=_able(workspace, profile, now, lists),
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
    answer.names = _names(workspace, answer, view)
    return {"before": before, "after": after, "answer": answer, "changed": changed}


def from_bill(
    workspace: Workspace, data: bytes, name: str
) -> tuple[SubjectId | None, list[Line], list[tuple[str, str, Links]]]:
    """A bill of materials as a request: its product, its direct parts as lines, its ties.

    What the document says beside ties and descriptions (certificates, reviews) is not heard: for
    that it has to be imported by whoever answers for it.

    Raises:
        Malformed: ``document.*``; ``procure.too-many-lines``.
    """
    from kizuna.proof.documents import read

    imported = read(data, name, issuer=workspace.identity)
    ties: list[tuple[str, str, Links]] = []
    parts: dict[str, int | None] = {}
    for draft in imported.statements:
        if draft.kind is not Kind.LINK:
            continue
        links = decode_payload(Kind.LINK, draft.payload)
        if not isinstance(links, Links):
            continue
        ties.append((workspace.identity, draft.subject, links))
        for link in links.links:
            if link.relation is Relation.PART_OF and not link.transitive:
                whole, part = link.object or draft.subject, link.subject or draft.subject
                if whole == imported.root:
                    parts.setdefault(part, link.quantity)
    if len(parts) > MAX_LINES:
        raise Malformed(
            "procure.too-many-lines",
            f"{len(parts)} lines, at most {MAX_LINES}",
            hint="ask for one assembly after the other",
            count=len(parts),
            limit=MAX_LINES,
        )
    lines = [Line(part=part, quantity=quantity) for part, quantity in parts.items()]
    return imported.root, lines, ties


def outcome_of(answer: Answer) -> Outcome:
    """The exit code: 0 for go; else what weighs most among what is missing."""
    from kizuna.model.outcome import worst as first

    if answer.value is Value.TRUSTED:
        return Outcome.HOLDS
    findings = (
        [] if answer.verdict is None or answer.lines else list(decide(answer.verdict).findings)
    )
    for line in answer.lines:
        decisions = [line["own"], *(d for _, d in line["suppliers"])]
        if line["value"] is not Value.TRUSTED:
            findings += [f for d in decisions for f in d.findings]
    if answer.value is Value.UNTRUSTED:
        findings = [f for f in findings if f.code.value_given is Value.UNTRUSTED]
        return first(f.code.outcome for f in findings) or Outcome.NOT_TRUSTED
    findings = [f for f in findings if f.code.value_given is Value.UNDETERMINED]
    return first(f.code.outcome for f in findings) or Outcome.EVIDENCE_MISSING


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


def _unreached(part: str) -> Decision:
    from kizuna.model.finding import Code, Finding

    gone = Finding(subject=SubjectId(part), code=Code.SUBJECT_UNKNOWN)
    return Decision(value=Value.UNDETERMINED, findings=(gone,))


def _able(
    workspace: Workspace, profile: Profile, at: int, lists: Sequence[str] | None
) -> Suppliers:
    believed = [a.id for a in workspace.anchors(lists).lists]
    return Suppliers([workspace.lists.state(one) for one in believed], profile, at)


def _named(bill: Sequence[tuple[str, str, Links]]) -> dict[str, str]:
    """What a bill of materials calls its parts."""
    return {
        described.subject or subject: described.name
        for _, subject, links in bill
        for described in links.described
        if described.name
    }


def _names(workspace: Workspace, answer: Answer, view: View | None) -> dict[str, str]:
    from kizuna.app.wiring.naming import identifiers_in
    from kizuna.app.wiring.showing import names

    wanted: set[str] = set()
    if answer.verdict is not None:
        wanted.add(answer.verdict.subject)
        wanted |= identifiers_in(answer.verdict.findings)
    for line in answer.lines:
        wanted.add(line["line"].part)
        for identifier, decision in (*line["suppliers"], *line["substitutes"]):
            wanted.add(identifier)
            wanted |= identifiers_in(decision.findings)
        wanted |= identifiers_in(line["own"].findings)
    return names(workspace, wanted, view)
