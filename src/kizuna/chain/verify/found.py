# SPDX-License-Identifier: Apache-2.0
"""What was found of some nodes, and how it is put: findings with their reasons, waivers applied.

Keeps: 1. The strata write numbers; words are made only for the nodes that somebody asks about. 2.
Of one requirement one finding comes, of a silent party one instead of a dozen. 3. A waiver removes
the named findings that may be waived, and is shown in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import ELEMENTS, RELATIONS, Graph
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import ELEMENT_BIT, Rule, Rules, Tie
from kizuna.criteria.profiles import Condition, Facts
from kizuna.model.finding import Code, Finding, Value
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.payload import Level, Notice

__all__ = [
    "ADVERSE",
    "COMPROMISED",
    "CONTRADICTED",
    "DOUBTFUL",
    "ENDED",
    "ERASED",
    "EXPIRED",
    "FAILED",
    "HAPPENED",
    "IS_REVOKED",
    "IS_SUSPENDED",
    "LACKING",
    "LEVEL_TOO_LOW",
    "MET",
    "MISSING",
    "NOTHING",
    "NOT_YET_VALID",
    "RESTRICTED",
    "STALE",
    "TAMPERED",
    "TIME_UNCERTAIN",
    "UNAUTHORISED",
    "UNCONFIRMED",
    "UNDECIDED",
    "VALUE",
    "Local",
    "Noted",
    "facts_of",
]

# how much the outcome of one requirement tells; the greatest decides
MISSING: Final = 0
ERASED: Final = 1
RESTRICTED: Final = 2
UNAUTHORISED: Final = 3
LACKING: Final = 4
COMPROMISED: Final = 5
ENDED: Final = 6
TIME_UNCERTAIN: Final = 7
UNDECIDED: Final = 8
NOT_YET_VALID: Final = 9
STALE: Final = 10
EXPIRED: Final = 11
LEVEL_TOO_LOW: Final = 12
FAILED: Final = 13
IS_SUSPENDED: Final = 14
IS_REVOKED: Final = 15
CONTRADICTED: Final = 16
MET: Final = 17

_CODE: Final = {
    MISSING: Code.CLAIM_MISSING,
    ERASED: Code.CLAIM_ERASED,
    RESTRICTED: Code.CLAIM_RESTRICTED,
    UNAUTHORISED: Code.CLAIM_UNAUTHORISED,
    LACKING: Code.CLAIM_MISSING,
    COMPROMISED: Code.KEY_COMPROMISED,
    ENDED: Code.KEY_ENDED,
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
VALUE: Final = np.asarray(
    [int(_CODE[r].value_given) for r in range(MET)] + [int(Value.TRUSTED)], dtype=np.int8
)
_LEVELS: Final = tuple(sorted(Level, key=lambda level: level.rank))
_NONE: Final = np.empty(0, dtype=np.int64)
NOTHING: Final[tuple[Ints, Ints, Ints]] = (_NONE, _NONE, _NONE)
HAPPENED: Final = (
    Code.NOTICE_ADVERSE,
    Code.TAMPERED,
    Code.CLAIM_TIME_UNCERTAIN,
    Code.NOTICE_UNCONFIRMED,
)
ADVERSE, TAMPERED, DOUBTFUL, UNCONFIRMED = range(len(HAPPENED))
_OF_ISSUER: Final = (Code.NOTICE_UNCONFIRMED, Code.WAIVER_IDLE, Code.BILLS_DIFFER)
"""What whoever said it can put right."""
_ORGANIZATION: Final = ELEMENT_BIT[Element.ORGANIZATION]


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
    happened: tuple[Ints, Ints, Ints] = NOTHING
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
        return self.frame.name(int(self.nodes[at]))

    def _raw(self, at: int, name: str | None) -> list[Finding]:
        subject = SubjectId(name or self._name(at))
        found: list[Finding] = []
        silent = bool(self.silent[at])
        suppliers = self.suppliers(at)
        owner = suppliers[0] if suppliers else subject
        if self.elements[at] & _ORGANIZATION:
            owner = subject
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
            if noted.row >= 0 and noted.code in _OF_ISSUER:
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
                yield Noted(HAPPENED[code], f"notice:{payload.type}", row, about)

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
            if rank == EXPIRED:
                about["until"] = str(int(graph.until.view[row]))
            elif rank == NOT_YET_VALID:
                about["from"] = str(int(graph.since.view[row]))
            elif rank == STALE:
                about["registered"] = str(int(graph.reg_hi.view[row]))
                about["max_age"] = str(source.max_age)
            elif rank == LEVEL_TOO_LOW:
                about["need"] = source.level.value
                about["have"] = _LEVELS[int(graph.level.view[row])].value
            elif rank in (LACKING, FAILED, CONTRADICTED):
                lacking = rule.present - graph.field_sets[int(graph.claim_fields.view[best])]
                if lacking:
                    about["fields"] = ", ".join(sorted(lacking))
                if source.condition is not None:
                    about["expression"] = source.condition
            elif rank == UNDECIDED:
                about["expression"] = source.condition or ""
                about["reason"] = _why_undecided(graph, rule, best)
            elif rank in (IS_SUSPENDED, IS_REVOKED):
                fate = frame.statuses.fate(row)
                if fate.by >= 0:
                    statements = (*statements, graph.digests[fate.by].hex())
                    about["by"] = graph.name(int(graph.issuer.view[fate.by]))
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
    answer = Condition.compile(rule.condition).evaluate(facts_of(graph, claim))
    return getattr(answer, "reason", "")


def facts_of(graph: Graph, claim: int) -> Facts:
    """A claim as conditions read it."""
    row = int(graph.claim_row.view[claim])
    return Facts(
        graph.fields(claim),
        issuer=graph.name(int(graph.issuer.view[row])),
        subject=graph.name(int(graph.claim_subject.view[claim])),
        level=_LEVELS[int(graph.level.view[row])].value,
    )
