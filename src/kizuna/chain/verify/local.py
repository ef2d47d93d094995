# SPDX-License-Identifier: Apache-2.0
"""Strata 3 and 4: what is wrong with each node by itself, and what of that is waived.

One vectorised evaluation over any set of nodes: all of a large world, the few that a new statement
touches, or the chain of one product. It sees facts, never verdicts.

Keeps: 1. For one requirement the best claim decides; where none is good enough, the failure that
tells most is reported, and only one. 2. A claim without authority is worth nothing, whatever it
says; a description cannot take a node out of the requirements that its place in the chain brings.
3. The subject's own word, and that of its maker or supplier, is self-declared at most; an import is
never the supplier's own word. 4. Whoever publishes nothing is reported once, as silent, instead of
a dozen times. 5. A waiver removes one named finding, comes from somebody whom the verifier accepts,
never from the subject, its maker or its supplier, and never touches tampering.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import ELEMENTS, KINDS, NEVER, RELATIONS, Graph, State
from kizuna.chain.verify.authority import KIND_BIT
from kizuna.chain.verify.distinct import distinct
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import ELEMENT_BIT, TAMPERING, Rule, Rules, Services, Tie
from kizuna.chain.verify.status import (
    FINE,
    REPLACED,
    REVOKED,
    SUSPENDED,
    UNCERTAIN,
    begun,
)
from kizuna.criteria.profiles import Condition, Facts, Silence
from kizuna.model.finding import Code, Finding, Value
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Notice, Severity, Waiver
from kizuna.model.relation import Relation

__all__ = ["Local", "Noted", "evaluate"]

# how much the outcome of one requirement tells; the greatest decides
MISSING: Final = 0
ERASED: Final = 1
RESTRICTED: Final = 2
UNAUTHORISED: Final = 3
LACKING: Final = 4
COMPROMISED: Final = 5
TIME_UNCERTAIN: Final = 6
UNDECIDED: Final = 7
NOT_YET_VALID: Final = 8
STALE: Final = 9
EXPIRED: Final = 10
LEVEL_TOO_LOW: Final = 11
FAILED: Final = 12
IS_SUSPENDED: Final = 13
IS_REVOKED: Final = 14
CONTRADICTED: Final = 15
MET: Final = 16

_CODE: Final = {
    MISSING: Code.CLAIM_MISSING,
    ERASED: Code.CLAIM_ERASED,
    RESTRICTED: Code.CLAIM_RESTRICTED,
    UNAUTHORISED: Code.CLAIM_UNAUTHORISED,
    LACKING: Code.CLAIM_MISSING,
    COMPROMISED: Code.KEY_COMPROMISED,
    TIME_UNCERTAIN: Code.CLAIM_TIME_UNCERTAIN,
    UNDECIDED: Code.CONDITION_UNDECIDED,
    NOT_YET_VALID: Code.CLAIM_NOT_YET_VALID,
    STALE: Code.CLAIM_STALE,
    EXPIRED: Code.CLAIM_EXPIRED,
    LEVEL_TOO_LOW: Code.LEVEL_TOO_LOW,
    FAILED: Code.CONDITION_FAILED,
    IS_SUSPENDED: Code.CLAIM_SUSPENDED,
    IS_REVOKED: Code.CLAIM_REVOKED,
    CONTRADICTED: Code.CLAIM_CONTRADICTED,
}
_VALUE: Final = np.asarray(
    [int(_CODE[r].value_given) for r in range(MET)] + [int(Value.TRUSTED)], dtype=np.int8
)
_CLAIM_KINDS: Final = (
    KIND_BIT[Kind.CERTIFICATE] | KIND_BIT[Kind.CAPABILITY] | KIND_BIT[Kind.EVIDENCE]
)
_LINK: Final = KINDS.index(Kind.LINK)
_NOTICE: Final = KINDS.index(Kind.NOTICE)
_WAIVER: Final = KINDS.index(Kind.WAIVER)
_NO_ELEMENT: Final = 255
_SHOWN_UNCONFIRMED: Final = 16
_RANK_SHIFT: Final = 56
_LEVELS: Final = tuple(sorted(Level, key=lambda level: level.rank))
_SUPPLIES: Final = tuple(RELATIONS.index(r) for r in (Relation.SUPPLIED_BY, Relation.MADE_BY))
_NONE: Final = np.empty(0, dtype=np.int64)
_NOTHING: Final[tuple[Ints, Ints, Ints]] = (_NONE, _NONE, _NONE)
_HAPPENED: Final = (
    Code.NOTICE_ADVERSE,
    Code.TAMPERED,
    Code.CLAIM_TIME_UNCERTAIN,
    Code.NOTICE_UNCONFIRMED,
)
_ADVERSE, _TAMPERED, _DOUBTFUL, _UNCONFIRMED = range(len(_HAPPENED))
_WORTH: Final = np.asarray([int(c.value_given) for c in _HAPPENED], dtype=np.int8)
_SEVERITIES: Final = tuple(Severity)
_ORGANIZATION: Final = ELEMENT_BIT[Element.ORGANIZATION]
_COMPONENT: Final = ELEMENT_BIT[Element.COMPONENT]
_THINGS: Final = (
    _COMPONENT
    | ELEMENT_BIT[Element.DATA]
    | ELEMENT_BIT[Element.SYSTEM]
    | ELEMENT_BIT[Element.SERVICE]
)


@dataclass(frozen=True, slots=True)
class Noted:
    """A finding that does not come from a requirement, before it is put into words."""

    code: Code
    requirement: str
    row: int = -1
    about: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Local:
    """What was found of some nodes; every array is by position in ``nodes``."""

    frame: Frame
    rules: Rules
    nodes: Ints
    as_root: bool
    elements: Ints
    own: Ints
    next: Ints
    silent: Ints
    proven: Ints
    noted: Ints
    edges: Ints
    edge_at: Ints
    edge_tie: Ints
    ranks: dict[int, Ints] = field(default_factory=dict)
    best: dict[int, Ints] = field(default_factory=dict)
    applies: dict[int, Ints] = field(default_factory=dict)
    silence: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int8))
    more: dict[int, list[Noted]] = field(default_factory=dict)
    waivers: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    happened: tuple[Ints, Ints, Ints] = _NOTHING
    """Notices that are shown: by position in ``nodes`` their rows and what they come to."""
    lacks: list[tuple[Tie, Code, Ints]] = field(default_factory=list)
    """Ties that must exist or be complete, what is wrong with them, and with which nodes."""
    suppliers: Callable[[int], list[str]] = field(default=lambda _: [])

    def findings(self, at: int, name: str | None = None) -> list[Finding]:
        """The findings of one node, waivers applied, in their order."""
        found = self._raw(at, name)
        waivers = self.waivers.get(at)
        if waivers:
            found = self._waived(found, waivers, name or self._name(at))
        return sorted(set(found))

    def value(self, at: int) -> Value:
        """The node's own value after waivers."""
        return min((f.code.value_given for f in self.findings(at)), default=Value.TRUSTED)

    def _name(self, at: int) -> str:
        return self.frame.graph.name(int(self.nodes[at]))

    def _raw(self, at: int, name: str | None) -> list[Finding]:
        subject = SubjectId(name or self._name(at))
        found: list[Finding] = []
        silent = bool(self.silent[at])
        suppliers = self.suppliers(at)
        owner = suppliers[0] if suppliers else self._name(at)
        if self.elements[at] & _ORGANIZATION:
            owner = self._name(at)
        for number, rule in enumerate(self.rules.requirements):
            if number not in self.ranks or not self.applies[number][at]:
                continue
            rank = int(self.ranks[number][at])
            if rank == MET or (silent and rank in (MISSING, UNAUTHORISED)):
                continue
            if rank in (MISSING, UNAUTHORISED) and rule.source.missing is Value.TRUSTED:
                continue
            found.append(self._failed(subject, rule, rank, int(self.best[number][at]), owner))
        for noted in (*self.more.get(at, ()), *self._lacks(at), *self._happened(at)):
            turn = owner
            if noted.row >= 0 and noted.code in (Code.NOTICE_UNCONFIRMED, Code.WAIVER_IDLE):
                turn = self.frame.graph.name(int(self.frame.graph.issuer.view[noted.row]))
            digest = (self.frame.graph.digests[noted.row].hex(),) if noted.row >= 0 else ()
            found.append(
                Finding(
                    subject=subject,
                    code=noted.code,
                    requirement=noted.requirement,
                    turn=turn,
                    statements=digest,
                    about=noted.about,
                )
            )
        policy = int(self.silence[at])
        if policy:
            found.append(
                Finding(
                    subject=subject,
                    code=Code.PARTY_SILENT_REFUSED if policy == 2 else Code.PARTY_SILENT,
                    requirement="silent",
                    turn=owner,
                    about=(("element", self._element(at)),),
                )
            )
        return found

    def _lacks(self, at: int) -> Iterator[Noted]:
        """The ties that one node lacks."""
        for tie, code, where in self.lacks:
            if where[at]:
                relation = RELATIONS[tie.relation].value
                yield Noted(code, tie.requirement, -1, (("relation", relation),))

    def _happened(self, at: int) -> Iterator[Noted]:
        """The notices about one node."""
        graph = self.frame.graph
        where, rows, codes = self.happened
        first, last = np.searchsorted(where, (at, at + 1)).tolist()
        for row, code in zip(rows[first:last].tolist(), codes[first:last].tolist(), strict=True):
            payload = graph.payload[row]
            if isinstance(payload, Notice):
                about = (
                    ("id", payload.id or ""),
                    ("issuer", graph.name(int(graph.issuer.view[row]))),
                    ("mend", payload.mend or ""),
                    ("severity", payload.severity.value),
                    ("type", payload.type),
                )
                yield Noted(_HAPPENED[code], f"notice:{payload.type}", row, about)

    def _element(self, at: int) -> str:
        bits = int(self.elements[at])
        return next(ELEMENTS[i].value for i in range(len(ELEMENTS)) if bits >> i & 1)

    def _failed(self, subject: SubjectId, rule: Rule, rank: int, best: int, owner: str) -> Finding:
        graph, frame = self.frame.graph, self.frame
        source = rule.source
        about: dict[str, str] = {"claim": ", ".join(source.claim)}
        turn = owner
        statements: tuple[str, ...] = ()
        if best >= 0:
            row = best if rank in (ERASED, RESTRICTED) else int(graph.claim_row.view[best])
            statements = (graph.digests[row].hex(),)
            about["issuer"] = graph.name(int(graph.issuer.view[row]))
            if rank not in (ERASED, RESTRICTED):
                about["claim"] = graph.words.texts[int(graph.claim_word.view[best])]
            match rank:
                case 10:
                    about["until"] = str(int(graph.until.view[row]))
                case 8:
                    about["from"] = str(int(graph.since.view[row]))
                case 9:
                    about["registered"] = str(int(graph.reg_hi.view[row]))
                    about["max_age"] = str(source.max_age)
                case 11:
                    about["need"] = source.level.value
                    about["have"] = _LEVELS[int(graph.level.view[row])].value
                case 4 | 12 | 15:
                    lacking = rule.present - graph.field_sets[int(graph.claim_fields.view[best])]
                    if lacking:
                        about["fields"] = ", ".join(sorted(lacking))
                    if source.condition is not None:
                        about["expression"] = source.condition
                case 7:
                    about["expression"] = source.condition or ""
                    about["reason"] = _why_undecided(graph, rule, best)
                case 13 | 14:
                    fate = frame.statuses.fate(row)
                    if fate.by >= 0:
                        statements = (*statements, graph.digests[fate.by].hex())
                        about["by"] = graph.name(int(graph.issuer.view[fate.by]))
                case _:
                    pass
        if rank in (MISSING, UNAUTHORISED):
            about["services"] = ", ".join(source.services)
        if source.control is not None:
            about["control"] = source.control
        return Finding(
            subject=subject,
            code=_CODE[rank],
            requirement=source.id,
            turn=turn,
            statements=statements,
            about=tuple(sorted(about.items())),
        )

    def _waived(
        self, found: list[Finding], waivers: list[tuple[int, str]], name: str
    ) -> list[Finding]:
        graph = self.frame.graph
        left = found
        for row, requirement in waivers:
            hit = [
                f
                for f in left
                if f.requirement == requirement
                and f.code.waivable
                and f.code.value_given is not Value.TRUSTED
            ]
            if hit:
                left = [f for f in left if f not in hit]
                issuer = graph.name(int(graph.issuer.view[row]))
                codes = sorted({f.code.value for f in hit})
                left.append(
                    Finding(
                        subject=SubjectId(name),
                        code=Code.WAIVED,
                        requirement=requirement,
                        turn=issuer,
                        statements=(graph.digests[row].hex(),),
                        about=(
                            ("code", ", ".join(codes)),
                            ("issuer", issuer),
                            ("until", str(int(graph.until.view[row]))),
                        ),
                    )
                )
        return left


def _why_undecided(graph: Graph, rule: Rule, claim: int) -> str:
    if rule.condition is None:
        return ""
    answer = Condition.compile(rule.condition).evaluate(_facts(graph, claim))
    return getattr(answer, "reason", "")


def _facts(graph: Graph, claim: int) -> Facts:
    row = int(graph.claim_row.view[claim])
    return Facts(
        graph.fields(claim),
        issuer=graph.name(int(graph.issuer.view[row])),
        subject=graph.name(int(graph.claim_subject.view[claim])),
        level=_LEVELS[int(graph.level.view[row])].value,
    )


def evaluate(
    frame: Frame,
    rules: Rules,
    nodes: Ints,
    *,
    as_root: bool = False,
    context: tuple[Ints, Ints] | None = None,
) -> Local:
    """Judge nodes by themselves.

    Args:
        frame: authority, fates and names at the instant asked about.
        rules: the profile.
        nodes: things (representatives of their names).
        as_root: judge them as the thing asked about, not as parts of something.
        context: of each node the issuer and the subject of the bill in which it was met: what
            that bill says of it in passing is heard, and what other bills say is not.
    """
    return _Evaluation(frame, rules, nodes, as_root=as_root, context=context).result()


class _Evaluation:
    """One call of ``evaluate``; the steps share what they gathered."""

    def __init__(
        self,
        frame: Frame,
        rules: Rules,
        nodes: Ints,
        *,
        as_root: bool,
        context: tuple[Ints, Ints] | None,
    ) -> None:
        self.frame, self.rules, self.as_root = frame, rules, as_root
        self.context = context
        self.graph, self.authority = frame.graph, frame.authority
        self.nodes = nodes.astype(np.int64)
        self.at = frame.at
        n = len(nodes)
        self.next = np.full(n, NEVER, dtype=np.int64)
        self.more: dict[int, list[Noted]] = {}
        self.waivers: dict[int, list[tuple[int, str]]] = {}
        self.happened = _NOTHING
        self.lacks: list[tuple[Tie, Code, Ints]] = []
        self.names, self.where = frame.names_of(self.nodes)
        if frame.same_next:
            for i, name in enumerate(self.names.tolist()):
                if name in frame.same_next:
                    self._soon_one(int(self.where[i]), frame.same_next[name])
        self._ties()
        self._claims()
        self._rows()
        self._elements()
        self._follow()
        self._require()
        self._asked()
        self._unread()
        self._structure()
        self._silence()
        self._notices()
        self._waive()

    def _soon(self, at: Ints, instants: Ints) -> None:
        later = instants > self.at
        np.minimum.at(self.next, at[later], instants[later])

    def _soon_one(self, at: int, *instants: int) -> None:
        for instant in instants:
            if self.at < instant < self.next[at]:
                self.next[at] = instant

    # --- gathering ----------------------------------------------------------------------------

    def _ties(self) -> None:
        graph, frame = self.graph, self.frame
        at, self.edges = graph.edges_from.gather(self.names)
        self.edge_at = self.where[at]
        self.edge_truth, soonest = frame.ties(self.edges)
        self._soon(self.edge_at, soonest)
        self.edge_relation = graph.edge_relation.view[self.edges].astype(np.int64)
        self.edge_to = frame.rep[graph.edge_to.view[self.edges]].astype(np.int64)
        supplies = np.isin(self.edge_relation, _SUPPLIES) & (self.edge_truth > 0)
        keys = self.edge_at[supplies] * graph.nodes + self.edge_to[supplies]
        sure = self.edge_truth[supplies] == 2
        self.suppliers_sure = np.sort(keys[sure])
        self.suppliers_maybe = np.sort(keys[~sure])

    def own(self, at: Ints, issuers: Ints) -> Ints:
        """Whether an issuer is the node itself or its maker or supplier (0, 1, 2)."""
        things = self.frame.rep[issuers].astype(np.int64)
        keys = at * self.graph.nodes + things
        mine = np.where(_among(keys, self.suppliers_maybe), 1, 0)
        mine = np.where(_among(keys, self.suppliers_sure), 2, mine)
        result: Ints = np.where(things == self.nodes[at], 2, mine).astype(np.int8)
        return result

    def _claims(self) -> None:
        graph, frame, authority = self.graph, self.frame, self.authority
        at, claims = graph.claims_of(self.names)
        at = self.where[at]
        if self.context is not None:
            near, passing = graph.passing_of(self.names)
            near = self.where[near]
            rows = graph.claim_row.view[passing]
            heard = (graph.issuer.view[rows] == self.context[0][near]) & (
                graph.subject.view[rows] == self.context[1][near]
            )
            at = np.concatenate((at, near[heard]))
            claims = np.concatenate((claims, passing[heard]))
        rows = graph.claim_row.view[claims].astype(np.int64)
        keep = authority.exists.view[rows]
        in_links = np.flatnonzero((graph.group.view[rows] >= 0) & keep)
        if len(in_links):
            for place in in_links[frame.special(rows[in_links])].tolist():
                _, boundary, gone = frame.link_truth(int(rows[place]))
                keep[place] = not gone
                self._soon_one(int(at[place]), boundary)
        at, claims, rows = at[keep], claims[keep], rows[keep]
        seq = graph.seq[rows]
        void = authority.void.view[rows]
        since = graph.since.view[rows]
        kinds = graph.claim_kind.view[claims]
        words = graph.claim_word.view[claims]
        subjects = graph.claim_subject.view[claims]
        issuers = graph.issuer.view[rows]
        parts = [issuers, kinds, words, subjects]
        if self.context is not None:
            parts.append(at)  # the same node may stand in several bills
        current = _latest(parts, seq, (void == 0) & (since <= self.at))
        fates = np.zeros(len(rows), dtype=np.int8)
        acted_on = np.flatnonzero(graph.has_status.view[rows] & current)
        frame.statuses.prepare(rows[acted_on])
        for i in acted_on:
            fate = frame.statuses.fate(int(rows[i]))
            fates[i] = fate.code
            self._soon_one(int(at[i]), fate.next)
        current &= fates != REPLACED
        self.claim_at, self.claims, self.claim_rows = at[current], claims[current], rows[current]
        self.claim_void, self.claim_fate = void[current], fates[current]
        self.claim_kind = kinds[current].astype(np.int64)
        self.claim_word = words[current].astype(np.int64)
        self.claim_seq = seq[current]
        issuers = issuers[current]
        self.claim_issuer = issuers
        self.claim_own = self.own(self.claim_at, issuers)
        self.grant_claim, self.grant, self.grant_truth = authority.grants(
            self.claim_rows,
            subjects[current],
            np.int64(1) << self.claim_kind,
            self.claim_word,
        )
        self.grant_service = authority.service_of(self.grant)
        level = graph.level.view[self.claim_rows]
        self.claim_level = np.where(self.claim_own > 0, 0, level)
        self.grant_level = np.minimum(
            self.claim_level[self.grant_claim], authority.grant_level.view[self.grant]
        )
        interesting = np.isin(self.claim_word, np.asarray(sorted(self.rules.words)))
        self._soon(self.claim_at[interesting], graph.since.view[self.claim_rows[interesting]])
        self._soon(self.claim_at[interesting], graph.until.view[self.claim_rows[interesting]])

    def _rows(self) -> None:
        """Every statement whose subject is one of the nodes."""
        graph, authority = self.graph, self.authority
        at, rows = graph.rows_of.gather(self.names)
        keep = authority.exists.view[rows] & (authority.void.view[rows] < 2)
        self.row_at, self.rows = self.where[at][keep], rows[keep].astype(np.int64)
        self.row_kind = graph.kind.view[self.rows]

    # --- what the node is ---------------------------------------------------------------------

    def _elements(self) -> None:
        """What each node is: as the listed say; what its own name says stays true in any case."""
        graph = self.graph
        n = len(self.nodes)
        bits = np.zeros(n, dtype=np.int64)
        element = graph.claim_element.view[self.claims]
        described = element != _NO_ELEMENT
        told = np.zeros(len(self.claims), dtype=np.bool_)
        told[self.grant_claim[self.grant_truth == 2]] = True
        until = graph.until.view[self.claim_rows]
        since = graph.since.view[self.claim_rows]
        self._soon(self.claim_at[described], since[described])
        self._soon(self.claim_at[described], until[described])
        told &= (
            described
            & (self.claim_void == 0)
            & (self.claim_fate == FINE)
            & (since <= self.at)
            & (self.at < until)
        )
        np.bitwise_or.at(bits, self.claim_at[told], np.int64(1) << element[told].astype(np.int64))
        # nobody speaks himself out of being an organisation, or a part out of being a thing
        by_itself = told & (self.frame.rep[self.claim_issuer] == self.nodes[self.claim_at])
        others = np.zeros(n, dtype=np.bool_)
        others[self.claim_at[told & ~by_itself]] = True
        usual = graph.usual_elements(self.nodes)
        is_thing = usual == _COMPONENT
        bits[(bits == 0) | ~others] |= usual[(bits == 0) | ~others]
        bits[is_thing & ((bits & _THINGS) == 0)] |= _COMPONENT
        self.is_member = np.zeros(n, dtype=np.bool_)
        self.is_member[self.where[self.authority.is_member(self.names)]] = True
        bits[self.is_member & ~is_thing] |= _ORGANIZATION
        self.elements = bits

    def _follow(self) -> None:
        graph, rules = self.graph, self.rules
        tie = rules.tie_of(self.edge_relation, graph.edge_category.view[self.edges])
        masks = np.asarray([t.elements for t in rules.ties] + [0], dtype=np.int64)
        tie = np.where((self.elements[self.edge_at] & masks[tie]) != 0, tie, np.int8(-1))
        self.edge_rule = tie
        counted = (self.edge_truth == 2) & (self.edge_to != self.nodes[self.edge_at])
        self.edge_tie = np.where(counted, tie, np.int8(-1))

    # --- requirements -------------------------------------------------------------------------

    def _require(self) -> None:
        self.ranks: dict[int, Ints] = {}
        self.best: dict[int, Ints] = {}
        self.applies: dict[int, Ints] = {}
        kind_bits = np.int64(1) << self.claim_kind
        for number, rule in enumerate(self.rules.requirements):
            if not (rule.in_root if self.as_root else rule.in_parts):
                continue
            applies = (self.elements & rule.elements) != 0
            self.applies[number] = applies
            wanted = np.flatnonzero(
                np.isin(self.claim_word, rule.words)
                & ((kind_bits & rule.kinds) != 0)
                & applies[self.claim_at]
            )
            self.ranks[number], self.best[number] = self._rank(rule, wanted)

    def _asked(self) -> None:
        """A thing of which the profile asks nothing at all is not thereby trusted: whoever chose
        its element, or the profile, may have chosen wrongly.
        """
        if not self.as_root or not self.rules.requirements:
            return
        asked = np.zeros(len(self.nodes), dtype=np.bool_)
        for applies in self.applies.values():
            asked |= applies
        asked[self.edge_at[self.edge_tie >= 0]] = True
        for at in np.flatnonzero(~asked):
            self._note(int(at), Noted(Code.NOTHING_ASKED, "root"))

    def _rank(self, rule: Rule, wanted: Ints) -> tuple[Ints, Ints]:
        graph, at = self.graph, self.at
        n = len(self.nodes)
        best = np.full(n, -1, dtype=np.int64)
        ranks = np.zeros(n, dtype=np.int8)
        if not len(wanted):
            return ranks, best
        rows, nodes = self.claim_rows[wanted], self.claim_at[wanted]
        sure, maybe = self._levels(rule.services, wanted)
        fate, void = self.claim_fate[wanted], self.claim_void[wanted]
        since, until = graph.since.view[rows], graph.until.view[rows]
        low, high = graph.reg_lo.view[rows], graph.reg_hi.view[rows]
        rank = np.full(len(wanted), MET, dtype=np.int8)
        doubtful = (sure < rule.level) | (void == 1) | (fate == UNCERTAIN)
        max_age = rule.source.max_age
        if max_age is not None:
            doubtful |= at > low + max_age
            self._soon(nodes, low + max_age + 1)
            self._soon(nodes, high + max_age + 1)
        rank[doubtful] = TIME_UNCERTAIN
        if rule.present:
            fields = graph.claim_fields.view[self.claims[wanted]]
            rank[~self.rules.filled(rule.present)[fields]] = LACKING
        rank[maybe < rule.level] = LEVEL_TOO_LOW
        if max_age is not None:
            rank[at > high + max_age] = STALE
        rank[at < since] = NOT_YET_VALID
        rank[at >= until] = EXPIRED
        rank[fate == SUSPENDED] = IS_SUSPENDED
        rank[fate == REVOKED] = IS_REVOKED
        rank[void == 2] = COMPROMISED
        rank[maybe < 0] = UNAUTHORISED
        if rule.condition is not None:
            for i in np.flatnonzero(rank == MET):
                rank[i] = self._condition(rule, int(self.claims[wanted[i]]))
        seq = self.claim_seq[wanted]
        key = (rank.astype(np.int64) << _RANK_SHIFT) | seq
        top = np.full(n, -1, dtype=np.int64)
        np.maximum.at(top, nodes, key)
        decides = key == top[nodes]
        best[nodes[decides]] = self.claims[wanted[decides]]
        found = top >= 0
        ranks[found] = (top[found] >> _RANK_SHIFT).astype(np.int8)
        self._contradictions(rule, wanted, rank, ranks, best)
        return ranks, best

    def _contradictions(
        self, rule: Rule, wanted: Ints, rank: Ints, ranks: Ints, best: Ints
    ) -> None:
        """Where one issuer's claim meets the requirement and another's fails its condition."""
        if rule.condition is None and not rule.present:
            return
        nodes = self.claim_at[wanted]
        failed = rank == FAILED
        for i in np.flatnonzero(failed & (ranks[nodes] == MET)):
            node = nodes[i]
            met = wanted[(nodes == node) & (rank == MET)] if len(wanted) < 64 else None
            if met is None:
                near = np.flatnonzero(nodes == node)
                met = wanted[near[rank[near] == MET]]
            things = self.frame.rep
            mine = things[self.claim_issuer[wanted[i]]]
            if all(things[self.claim_issuer[m]] != mine for m in met):
                ranks[node] = CONTRADICTED
                best[node] = self.claims[wanted[i]]

    def _levels(self, services: Services, wanted: Ints) -> tuple[Ints, Ints]:
        """The highest level that each claim reaches under the accepted services, for sure and
        perhaps; -1 without authority.
        """
        sure = np.full(len(self.claims), -1, dtype=np.int8)
        maybe = sure.copy()
        chosen = np.zeros(len(self.claims), dtype=np.bool_)
        chosen[wanted] = True
        pairs = np.flatnonzero(chosen[self.grant_claim] & services.allow(self.grant_service))
        levels = self.grant_level[pairs]
        np.maximum.at(maybe, self.grant_claim[pairs], levels)
        certain = self.grant_truth[pairs] == 2
        np.maximum.at(sure, self.grant_claim[pairs][certain], levels[certain])
        sure, maybe = sure[wanted], maybe[wanted]
        if services.supplier:
            spoken = ~self.graph.imported.view[self.claim_rows[wanted]]
            own = self.claim_own[wanted]
            maybe = np.where(spoken & (own > 0), np.maximum(maybe, 0), maybe)
            sure = np.where(spoken & (own == 2), np.maximum(sure, 0), sure)
        if services.verifier and self.authority.verifier >= 0:
            mine = self.claim_issuer[wanted] == self.authority.verifier
            seen = np.minimum(self.claim_level[wanted], Level.SECOND.rank)
            maybe = np.where(mine, np.maximum(maybe, seen), maybe)
            sure = np.where(mine, np.maximum(sure, seen), sure)
        return sure, maybe

    def _condition(self, rule: Rule, claim: int) -> int:
        if rule.condition is None:
            return MET
        memo = self.graph.answers.setdefault(rule.condition, {})
        known = memo.get(claim)
        if known is None:
            answer = Condition.compile(rule.condition).evaluate(_facts(self.graph, claim))
            known = MET if answer is True else FAILED if answer is False else UNDECIDED
            memo[claim] = known
        return known

    def _unread(self) -> None:
        """Statements whose content is erased or not for this reader."""
        graph, authority = self.graph, self.authority
        state = graph.state.view[self.rows]
        unread = np.flatnonzero((state == State.ERASED) | (state == State.RESTRICTED))
        if not len(unread):
            return
        rows, at = self.rows[unread], self.row_at[unread]
        words = np.full(len(rows), -1, dtype=np.int64)
        bits = np.int64(1) << graph.kind.view[rows].astype(np.int64)
        pair, grant, _ = authority.grants(rows, graph.subject.view[rows], bits, words)
        service = authority.service_of(grant)
        own = self.own(at, graph.issuer.view[rows])
        erased = graph.state.view[rows] == State.ERASED
        for number, rule in enumerate(self.rules.requirements):
            if number not in self.ranks:
                continue
            believed = np.zeros(len(rows), dtype=np.bool_)
            believed[pair[rule.services.allow(service)]] = True
            if rule.services.supplier:
                believed |= own > 0
            if rule.services.verifier and authority.verifier >= 0:
                believed |= graph.issuer.view[rows] == authority.verifier
            believed &= (bits & rule.kinds) != 0
            for i in np.flatnonzero(believed):
                rank = ERASED if erased[i] else RESTRICTED
                node = at[i]
                if self.applies[number][node] and self.ranks[number][node] < rank:
                    self.ranks[number][node] = rank
                    self.best[number][node] = rows[i]
        kinds = graph.kind.view[rows]
        links = np.flatnonzero(kinds == _LINK)
        if len(links) and self.rules.ties:
            entitled = self.frame.entitled(
                rows[links], graph.subject.view[rows[links]], words[links]
            )
            for i in links[entitled > 0]:
                code = Code.CLAIM_ERASED if erased[i] else Code.CLAIM_RESTRICTED
                self._note(int(at[i]), Noted(code, "follow:links", int(rows[i])))
        for i in np.flatnonzero(kinds == _NOTICE):
            served = service[pair == i]
            if any(
                bool(s.allow(served).any()) or (s.supplier and own[i] > 0)
                for _, s in self.rules.notices
            ):
                code = Code.CLAIM_ERASED if erased[i] else Code.CLAIM_RESTRICTED
                self._note(int(at[i]), Noted(code, "notice:unread", int(rows[i])))

    def _note(self, at: int, noted: Noted) -> None:
        self.more.setdefault(at, []).append(noted)

    # --- the shape of the chain ---------------------------------------------------------------

    def _structure(self) -> None:
        """Which ties must exist, and be complete."""
        graph, frame = self.graph, self.frame
        n = len(self.nodes)
        linked = self.row_kind == _LINK
        rows, at = self.rows[linked], self.row_at[linked]
        stands, soonest = frame.links_truth(rows)
        since, until = graph.since.view[rows], graph.until.view[rows]
        for instants in (soonest, since, until):
            self._soon(at, instants)
        stands = np.where((since <= self.at) & (self.at < until), stands, 0)
        subjects = graph.subject.view[rows]
        bits = graph.complete.view[rows]
        self.link_at, self.link_rows = at, rows
        self.missing: list[tuple[int, Ints, Code, int]] = []
        for number, tie in enumerate(self.rules.ties):
            if not (tie.in_root if self.as_root else tie.in_parts):
                continue
            asked = (self.elements & tie.elements) != 0
            if tie.required:
                mine = (self.edge_relation == tie.relation) & (
                    (tie.category < 0) | (graph.edge_category.view[self.edges] == tie.category)
                )
                there = np.zeros(n, dtype=np.int8)
                np.maximum.at(there, self.edge_at[mine], self.edge_truth[mine])
                self.missing.append((number, asked & (there == 0), Code.LINK_MISSING, 0))
            if tie.complete:
                told = np.flatnonzero((bits >> tie.relation & 1).astype(np.bool_))
                words = np.full(len(told), tie.relation, dtype=np.int64)
                entitled = frame.entitled(rows[told], subjects[told], words)
                there = np.zeros(n, dtype=np.int8)
                np.maximum.at(there, at[told], np.minimum(entitled, stands[told]))
                self.missing.append((number, asked & (there == 0), Code.COMPLETENESS_UNPROVEN, 0))
                self.missing.append((number, asked & (there == 1), Code.CLAIM_TIME_UNCERTAIN, 1))
        doubtful = np.flatnonzero((self.edge_truth == 1) & (self.edge_rule >= 0))
        for i in doubtful:
            tie = self.rules.ties[int(self.edge_rule[i])]
            self._note(
                int(self.edge_at[i]),
                Noted(
                    Code.CLAIM_TIME_UNCERTAIN,
                    tie.requirement,
                    int(graph.edge_row.view[self.edges[i]]),
                    (("relation", RELATIONS[tie.relation].value),),
                ),
            )

    def _silence(self) -> None:
        graph = self.graph
        n = len(self.nodes)
        spoke = np.zeros(n, dtype=np.bool_)
        alive = self.claim_void < 2
        spoke[self.claim_at[(self.claim_own > 0) & alive]] = True
        listed = self.grant_claim
        plain = (graph.group.view[self.claim_rows[listed]] < 0) & alive[listed]
        spoke[self.claim_at[listed[plain]]] = True
        words = np.full(len(self.link_rows), -1, dtype=np.int64)
        issuers = graph.issuer.view[self.link_rows]
        own = self.own(self.link_at, issuers) > 0
        own |= self.frame.entitled(self.link_rows, graph.subject.view[self.link_rows], words) > 0
        spoke[self.link_at[own]] = True
        spoke |= self.is_member
        # whoever may speak of it spoke, also where the words are hidden or a field document's
        claims = (np.int64(1) << self.row_kind.astype(np.int64)) & _CLAIM_KINDS != 0
        hidden = np.flatnonzero((graph.state.view[self.rows] != State.PRESENT) & claims)
        rows, at = self.rows[hidden], self.row_at[hidden]
        mine = self.own(at, graph.issuer.view[rows]) > 0
        pair, _, _ = self.authority.grants(
            rows,
            graph.subject.view[rows],
            np.int64(1) << self.row_kind[hidden].astype(np.int64),
            np.full(len(rows), -1, dtype=np.int64),
        )
        mine[pair] = True
        spoke[at[mine]] = True
        self.silent = ~spoke
        value = np.full(n, int(Value.TRUSTED), dtype=np.int8)
        all_met = np.ones(n, dtype=np.bool_)
        some_met = np.zeros(n, dtype=np.bool_)
        for number, ranks in self.ranks.items():
            applies = self.applies[number]
            given = _VALUE[ranks]
            weak = (ranks == MISSING) | (ranks == UNAUTHORISED)
            if self.rules.requirements[number].source.missing is Value.TRUSTED:
                given = np.where(weak, int(Value.TRUSTED), given)
            all_met &= ~applies | (given == int(Value.TRUSTED))
            some_met |= applies & (ranks == MET)
            given = np.where(self.silent & weak, int(Value.TRUSTED), given)
            value = np.minimum(value, np.where(applies, given, int(Value.TRUSTED)))
        quiet = self.silent & ~(some_met & all_met)
        self.silence = np.zeros(n, dtype=np.int8)
        for bits in distinct(self.elements[quiet]).tolist():
            policy = {Silence.IGNORED: 0, Silence.UNDETERMINED: 1, Silence.REFUSED: 2}[
                self.rules.silence(bits)
            ]
            self.silence[quiet & (self.elements == bits)] = policy
        value[self.silence == 1] = np.minimum(
            value[self.silence == 1], int(Code.PARTY_SILENT.value_given)
        )
        value[self.silence == 2] = int(Code.PARTY_SILENT_REFUSED.value_given)
        for number, where, code, _ in self.missing:
            tie = self.rules.ties[number]
            hit = where & ~self.silent
            value[hit] = np.minimum(value[hit], int(code.value_given))
            self.lacks.append((tie, code, hit))
        for node, noted in self.more.items():
            value[node] = min(int(value[node]), *(int(x.code.value_given) for x in noted))
        self.value = value

    # --- what happened ------------------------------------------------------------------------

    def _notices(self) -> None:
        graph, authority, frame = self.graph, self.authority, self.frame
        notices = np.flatnonzero(self.row_kind == _NOTICE)
        notices = notices[graph.state.view[self.rows[notices]] == State.PRESENT]
        if not len(notices):
            return
        notices = notices[np.argsort(graph.seq[self.rows[notices]], kind="stable")]
        rows, at = self.rows[notices], self.row_at[notices]
        begins, boundary = begun(graph, rows, self.at)
        stands = np.full(len(rows), 2, dtype=np.int8)
        acted_on = np.flatnonzero(graph.has_status.view[rows])
        frame.statuses.prepare(rows[acted_on])
        for i in acted_on.tolist():
            fate = frame.statuses.fate(int(rows[i]))
            stands[i] = {FINE: 2, UNCERTAIN: 1}.get(fate.code, 0)
            self._soon_one(int(at[i]), fate.next)
        until = graph.until.view[rows]
        self._soon(at, boundary)
        self._soon(at, until)
        effect = np.minimum(np.minimum(begins, stands), 2 - authority.void.view[rows])
        live = (effect > 0) & (self.at < until)
        rows, at, effect = rows[live], at[live], effect[live]
        believed, listed = self._believed(rows, at)
        shown = (believed > 0) | _first_of_each(at, (believed == 0) & ~listed, _SHOWN_UNCONFIRMED)
        rows, at = rows[shown], at[shown]
        effect, believed = effect[shown], believed[shown]
        code = np.where(graph.word.view[rows] == graph.words.find(TAMPERING), _TAMPERED, _ADVERSE)
        code[np.minimum(effect, believed) == 1] = _DOUBTFUL
        code[believed == 0] = _UNCONFIRMED
        np.minimum.at(self.value, at, _WORTH[code])
        order = np.argsort(at, kind="stable")
        self.happened = (at[order], rows[order], code[order])

    def _believed(self, rows: Ints, at: Ints) -> tuple[Ints, Ints]:
        """How far notices are believed by the rules, and whether by one but for its severity."""
        graph, authority = self.graph, self.authority
        words = graph.word.view[rows].astype(np.int64)
        pair, grant, truth = authority.grants(
            rows, graph.subject.view[rows], KIND_BIT[Kind.NOTICE], words
        )
        service = authority.service_of(grant)
        own = np.where(graph.imported.view[rows], 0, self.own(at, graph.issuer.view[rows]))
        mine = (graph.issuer.view[rows] == authority.verifier) & (authority.verifier >= 0)
        believed = np.zeros(len(rows), dtype=np.int8)
        listed = np.zeros(len(rows), dtype=np.bool_)
        severity = np.fromiter(
            (_severity(graph.payload[row]) for row in rows.tolist()), np.int64, count=len(rows)
        )
        sorts = words * len(_SEVERITIES) + severity
        for sort in distinct(sorts).tolist():
            word, severe_by = divmod(sort, len(_SEVERITIES))
            here = sorts == sort
            for accepted, severe in self.rules.of_notice(
                graph.words.texts[word], _SEVERITIES[severe_by]
            ):
                held = np.zeros(len(rows), dtype=np.int8)
                served = here[pair] & accepted.allow(service)
                np.maximum.at(held, pair[served], truth[served])
                if accepted.supplier:
                    held = np.where(here, np.maximum(held, own), held)
                if accepted.verifier:
                    held[here & mine] = 2
                if severe:
                    believed = np.maximum(believed, held)
                listed |= held > 0
        return believed, listed

    # --- what is accepted nevertheless ---------------------------------------------------------

    def _waive(self) -> None:
        graph = self.graph
        waivers = np.flatnonzero(self.row_kind == _WAIVER)
        seq = graph.seq
        for i in sorted(waivers.tolist(), key=lambda w: int(seq[self.rows[w]])):
            row, node = int(self.rows[i]), int(self.row_at[i])
            payload = graph.payload.get(row)
            if not isinstance(payload, Waiver) or payload.profile != self.rules.profile.name:
                continue
            since, until = int(graph.since.view[row]), int(graph.until.view[row])
            fate = self.frame.statuses.fate(row)
            self._soon_one(node, since, until, fate.next)
            if (
                since <= self.at < until
                and fate.code == FINE
                and self.authority.void.view[row] == 0
                and self._may_waive(row, node, payload)
            ):
                if self.rules.names(payload.requirement):
                    self.waivers.setdefault(node, []).append((row, payload.requirement))
                    continue
                about = (("issuer", graph.name(int(graph.issuer.view[row]))),)
                self._note(node, Noted(Code.WAIVER_IDLE, payload.requirement, row, about))

    def _may_waive(self, row: int, node: int, waiver: Waiver) -> bool:
        graph, authority = self.graph, self.authority
        issuer = int(graph.issuer.view[row])
        if self.own(np.asarray([node]), np.asarray([issuer]))[0] > 0:
            return False
        if authority.verifier >= 0 and issuer == authority.verifier:
            return True
        if waiver.parties and self.authority.anchors.verifier not in waiver.parties:
            return False
        accepted = self.rules.profile.waivers_from
        if graph.name(issuer) in accepted:
            return True
        _, grant, truth = authority.grants(
            np.asarray([row]),
            graph.subject.view[[row]],
            KIND_BIT[Kind.WAIVER],
            np.asarray([graph.words.find(waiver.requirement)]),
            unknown=False,
        )
        services = authority.service_of(grant[truth == 2])
        return any(graph.words.texts[int(s)] in accepted for s in services)

    # --- the result ---------------------------------------------------------------------------

    def result(self) -> Local:
        """Everything together."""
        proven = ~self.silent & (self.value == int(Value.TRUSTED))
        for number, ranks in self.ranks.items():
            proven &= (
                ~self.applies[number]
                | (ranks == MET)
                | (
                    (ranks == MISSING)
                    & (self.rules.requirements[number].source.missing is Value.TRUSTED)
                )
            )
        noted = self.value < int(Value.TRUSTED)
        noted[self.happened[0]] = True
        for _, _, where in self.lacks:
            noted |= where
        for node in (*self.more, *self.waivers):
            noted[node] = True
        made = Local(
            frame=self.frame,
            rules=self.rules,
            nodes=self.nodes,
            as_root=self.as_root,
            elements=self.elements,
            own=self.value,
            next=self.next,
            silent=self.silent,
            proven=proven,
            noted=noted,
            edges=self.edges,
            edge_at=self.edge_at,
            edge_tie=self.edge_tie,
            ranks=self.ranks,
            best=self.best,
            applies=self.applies,
            silence=self.silence,
            more=self.more,
            waivers=self.waivers,
            happened=self.happened,
            lacks=self.lacks,
            suppliers=self._suppliers_of,
        )
        for node in self.waivers:
            self.value[node] = int(made.value(node))
        return made

    def _suppliers_of(self, at: int) -> list[str]:
        total = self.graph.nodes
        first = np.searchsorted(self.suppliers_sure, at * total)
        last = np.searchsorted(self.suppliers_sure, (at + 1) * total)
        return sorted(self.graph.name(int(k % total)) for k in self.suppliers_sure[first:last])


def _severity(payload: object) -> int:
    return _SEVERITIES.index(payload.severity) if isinstance(payload, Notice) else 0


def _first_of_each(at: Ints, which: Ints, count: int) -> Ints:
    """Of the chosen entries the first few of each node."""
    kept = np.zeros(len(at), dtype=np.bool_)
    seen: dict[int, int] = {}
    for i in np.flatnonzero(which).tolist():
        node = int(at[i])
        seen[node] = seen.get(node, 0) + 1
        kept[i] = seen[node] <= count
    return kept


def _among(keys: Ints, sorted_keys: Ints) -> Ints:
    if not len(sorted_keys):
        return np.zeros(len(keys), dtype=np.bool_)
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    found: Ints = sorted_keys[at] == keys
    return found


def _latest(parts: Sequence[Ints], seq: Ints, renews: Ints) -> Ints:
    """Which claims no later one of the same issuer, kind, type and subject took the place of."""
    if len(seq) < 2:
        return np.ones(len(seq), dtype=np.bool_)
    order = np.lexsort(parts)
    change = np.zeros(len(order), dtype=np.bool_)
    for part in parts:
        sorted_part = part[order]
        change[1:] |= sorted_part[1:] != sorted_part[:-1]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(change)
    top = np.full(len(order), -1, dtype=np.int64)
    np.maximum.at(top, group[renews], seq[renews])
    current: Ints = seq >= top[group]
    return current
