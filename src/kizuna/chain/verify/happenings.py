# SPDX-License-Identifier: Apache-2.0
"""What happened, and what is accepted nevertheless: notices, and stratum 4, waivers.

Keeps: 1. A notice is believed as far as the profile believes its issuer; one from a stranger is
shown, without effect. 2. A waiver removes one named finding, comes from somebody whom the verifier
accepts, never from the subject, its maker or its supplier, and never touches tampering.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.graph import KINDS, State
from kizuna.chain.verify.authority import KIND_BIT
from kizuna.chain.verify.distinct import distinct
from kizuna.chain.verify.found import ADVERSE, DOUBTFUL, HAPPENED, TAMPERED, UNCONFIRMED, Noted
from kizuna.chain.verify.frame import Frame
from kizuna.chain.verify.rules import TAMPERING, Rules
from kizuna.chain.verify.shape import Shape
from kizuna.chain.verify.status import FINE, UNCERTAIN, begun
from kizuna.model.finding import Code
from kizuna.model.kind import Kind
from kizuna.model.payload import Notice, Severity, Waiver

__all__ = ["Happenings"]

_NOTICE: Final = KINDS.index(Kind.NOTICE)
_WAIVER: Final = KINDS.index(Kind.WAIVER)
_SHOWN_UNCONFIRMED: Final = 16
_WORTH: Final = np.asarray([int(c.value_given) for c in HAPPENED], dtype=np.int8)
_SEVERITIES: Final = tuple(Severity)


class Happenings(Shape):
    """What happened to nodes, and who accepts it."""

    def __init__(
        self,
        frame: Frame,
        rules: Rules,
        nodes: Ints,
        *,
        as_root: bool,
        context: tuple[Ints, Ints] | None,
    ) -> None:
        super().__init__(frame, rules, nodes, as_root=as_root, context=context)
        self._notices()
        self._waive()

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
        code = np.where(graph.word.view[rows] == graph.words.find(TAMPERING), TAMPERED, ADVERSE)
        code[np.minimum(effect, believed) == 1] = DOUBTFUL
        code[believed == 0] = UNCONFIRMED
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
