# SPDX-License-Identifier: Apache-2.0
"""Statements on their way into the columns: one batch, plain lists first, arrays once at the end.

Keeps: 1. A statement that is there already adds no row; its earliest registration counts. 2. What a
bill says of its parts in passing is told apart from what is said of a thing by itself.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kizuna.chain.graph.facts import (
    ELEMENTS,
    EVER,
    KINDS,
    NEVER,
    RELATIONS,
    Facts,
    State,
)
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Claim,
    Described,
    Links,
    Membership,
    Notice,
    Status,
    Waiver,
    seconds,
)
from kizuna.model.relation import Relation
from kizuna.model.statement import Registered

__all__ = ["Writer"]

_KIND: Final = {k: i for i, k in enumerate(KINDS)}
_ELEMENT: Final = {e: i for i, e in enumerate(ELEMENTS)}
_RELATION: Final = {r: i for i, r in enumerate(RELATIONS)}
_OBJECT_DEPENDS: Final = {r: r.object_depends for r in RELATIONS}
_OWN: Final = frozenset(media_type_of(k) for k in Kind)
_NO_ELEMENT: Final = 255
_CAPABILITY: Final = _KIND[Kind.CAPABILITY]
_PACK: Final = msgspec.msgpack.Encoder().encode


class Writer:
    """One batch on its way into the columns: plain lists first, arrays once at the end."""

    def __init__(self, graph: Facts) -> None:
        self.graph = graph
        self.rows: list[tuple[Any, ...]] = []
        self.claims: list[tuple[int, int, int, int, int, int]] = []
        self.edges: list[tuple[int, int, int, int, int, int, int, bool]] = []
        self.local: list[tuple[int, int]] = []
        self.places: list[tuple[int, int]] = []
        self.passing: list[tuple[int, int]] = []
        self.first_claim = graph.claim_row.size
        self.first_edge = graph.edge_row.size

    def take(self, item: Registered) -> None:
        """One statement, as it was registered."""
        graph, said = self.graph, item.statement
        known = graph._content.get(said.content)  # noqa: SLF001 - the writer is the graph's own
        origin = graph.origins.id(item.origin)
        if origin == len(graph.sizes):
            graph.sizes.append(0)
        if item.index >= graph.sizes[origin]:
            graph.sizes[origin] = item.index + 1
        if known is not None:
            if said.digest not in graph.row_of:
                graph.aliases.setdefault(known, []).append(said.digest)
                graph.row_of[said.digest] = known
                self._mark(known, acted_on=said.digest in graph.status_on)
            self._seen_again(known, origin, item)
            return
        row = len(graph.digests)
        graph.digests.append(said.digest)
        graph.row_of[said.digest] = row
        graph._content[said.content] = row  # noqa: SLF001
        subject = graph.names.id(said.subject)
        issuer = graph.names.id(said.issuer)
        payload = said.payload
        word, level, group, complete = -1, 0, -1, 0
        held = (0, 0, 0, 0)
        since, until = EVER, NEVER
        imported = False
        state = State.PRESENT
        bill = place = subject
        if payload is None:
            if item.erased:
                state = State.ERASED
            elif said.media_type in _OWN:
                state = State.RESTRICTED
            else:
                state = State.FIELD
            if state != State.FIELD:
                graph.unread_of.setdefault(subject, []).append(row)
        else:
            beginning = getattr(payload, "valid_from", None)
            end = getattr(payload, "valid_until", None)
            if beginning is not None:
                since = seconds(beginning)
            if end is not None:
                until = seconds(end)
            if isinstance(payload, Claim):
                word = graph.words.id(payload.type)
                level = payload.level.rank
                imported = payload.imported
                filled = frozenset(k for k, v in payload.claims.items() if v not in ("", []))
                self._claim(row, subject, word, _KIND[said.kind], _NO_ELEMENT, filled)
                graph.claim_data.append(_PACK(payload.claims) if payload.claims else None)
            elif isinstance(payload, Links):
                imported = payload.imported
                if payload.bill is not None:
                    bill = graph.names.id(payload.bill)
                    place = self._in_bill(subject, issuer, bill, row)
                group = self._group(issuer, place, payload.part or "", row)
                if place != subject:
                    common = self._group(issuer, subject, payload.part or "", -1)
                    graph._instead.setdefault((common, bill), []).append(row)  # noqa: SLF001
                    graph.at_large.setdefault(place, set()).add(common)
                elif isinstance(said_in := payload.ext.get("bill"), str):
                    graph.of_bill[row] = said_in
                for relation in payload.complete:
                    complete |= 1 << _RELATION[relation]
                held = self._links(row, subject, place, since, until, payload)
            elif isinstance(payload, (Notice, Waiver, Status, Membership)):
                word, since, until, imported = self._rare(row, subject, payload, since, until)
        self.places.append((bill, place))
        self.rows.append(
            (
                origin,
                item.index,
                issuer,
                subject,
                _KIND[said.kind],
                graph.keys.setdefault(said.key_id, len(graph.keys)),
                item.registered.earliest,
                item.registered.latest,
                since,
                until,
                level,
                imported,
                state,
                word,
                group,
                *held,
                complete,
                said.digest in graph.status_on,
            )
        )

    def _seen_again(self, row: int, origin: int, item: Registered) -> None:
        graph = self.graph
        fresh = row - graph.reg_lo.size
        again = (item.registered.earliest, item.registered.latest, item.origin, item.index)
        if row < graph.reg_lo.size:
            before = (
                int(graph.reg_lo.view[row]),
                int(graph.reg_hi.view[row]),
                graph.origins.texts[graph.origin.view[row]],
                int(graph.index.view[row]),
            )
            if again < before:
                graph.origin.view[row] = origin
                graph.index.view[row] = item.index
                graph.reg_lo.view[row] = item.registered.earliest
                graph.reg_hi.view[row] = item.registered.latest
                graph._seq_for = (-1, -1)  # noqa: SLF001
            return
        there = self.rows[fresh]
        if again < (there[6], there[7], graph.origins.texts[there[0]], there[1]):
            self.rows[fresh] = (
                origin,
                item.index,
                *there[2:6],
                item.registered.earliest,
                item.registered.latest,
                *there[8:],
            )

    def _rare(
        self,
        row: int,
        subject: int,
        payload: Notice | Waiver | Status | Membership,
        since: int,
        until: int,
    ) -> tuple[int, int, int, bool]:
        graph = self.graph
        graph.payload[row] = payload
        match payload:
            case Notice():
                graph.notices_of.setdefault(subject, []).append(row)
                if payload.since is not None:
                    since = seconds(payload.since)
                return graph.words.id(payload.type), since, until, payload.imported
            case Waiver():
                graph.waivers_of.setdefault(subject, []).append(row)
                return -1, since, seconds(payload.until), False
            case Membership():
                graph.memberships.append(row)
                return -1, since, until, False
            case Status():
                graph.statuses.append(row)
                if payload.target.key is not None:
                    graph.key_events.setdefault(subject, []).append(row)
                if payload.target.statement is not None:
                    digest = bytes.fromhex(payload.target.statement)
                    graph.status_on.setdefault(digest, []).append(row)
                    target = graph.row_of.get(digest)
                    if target is not None:
                        self._mark(target, acted_on=True)
                return -1, EVER if payload.since is None else seconds(payload.since), until, False

    def _mark(self, row: int, *, acted_on: bool) -> None:
        """Remember that some status names the row."""
        if not acted_on:
            return
        done = self.graph.has_status
        if row < done.size:
            done.view[row] = True
        elif row - done.size < len(self.rows):
            at = row - done.size
            self.rows[at] = (*self.rows[at][:-1], True)

    def _claim(
        self,
        row: int,
        subject: int,
        word: int,
        kind: int,
        element: int,
        filled: frozenset[str],
        *,
        passing: bool = False,
        place: int | None = None,
    ) -> None:
        graph = self.graph
        sets = graph._field_sets  # noqa: SLF001
        fields = sets.get(filled)
        if fields is None:
            fields = sets[filled] = len(graph.field_sets)
            graph.field_sets.append(filled)
        where = self.passing if passing else self.local
        where.append((self.first_claim + len(self.claims), subject if place is None else place))
        self.claims.append((row, subject, word, kind, element, fields))

    def _in_bill(self, thing: int, issuer: int, bill: int, row: int) -> int:
        """The node of a thing as a bill has it."""
        graph = self.graph
        node = graph._in_bill.get((thing, issuer, bill))  # noqa: SLF001
        if node is None:
            node = graph.names.another(graph.names.texts[thing])
            graph._in_bill[thing, issuer, bill] = node  # noqa: SLF001
            graph.in_bill[node] = (thing, issuer, bill)
        graph.said_in_bill.setdefault(node, []).append(row)
        return node

    def _links(
        self, row: int, subject: int, place: int, since: int, until: int, payload: Links
    ) -> tuple[int, int, int, int]:
        """Take in ties and descriptions; from where to where they stand."""
        graph = self.graph
        names, labels = graph.names.id, graph.labels.id
        plain = self._period(since, until)
        edges = self.edges
        first_edge = self.first_edge + len(edges)
        first_same = len(graph.same_ends)
        for link in payload.links:
            near = subject if link.subject is None else names(link.subject)
            far = subject if link.object is None else names(link.object)
            relation = link.relation
            if relation is Relation.REPLACES:
                continue  # recorded, but nobody's trust rests on it
            period = plain
            if link.valid_from is not None or link.valid_until is not None:
                period = self._period(
                    since if link.valid_from is None else max(since, seconds(link.valid_from)),
                    until if link.valid_until is None else min(until, seconds(link.valid_until)),
                )
            if place != subject:
                depends = link.object if _OBJECT_DEPENDS[relation] else link.subject
                if relation is Relation.SAME_AS or depends is not None:
                    continue  # in a bill it speaks of its own subject alone
            if relation is Relation.SAME_AS:
                graph.same_row.append(row)
                graph.same_ends.append((near, far))
                graph.same_period.append(period)
                continue
            if _OBJECT_DEPENDS[relation]:
                near, far = far, near
            edges.append(
                (
                    row,
                    near if place == subject else place,
                    far,
                    _RELATION[relation],
                    labels(link.category) if link.category else 0,
                    labels(link.alternative) if link.alternative else 0,
                    period,
                    link.transitive,
                )
            )
        if len(graph.same_ends) > first_same:
            graph.same_of_row[row] = (first_same, len(graph.same_ends))
        first_claim = self.first_claim + len(self.claims)
        if payload.described:
            depending = {edge[1] for edge in edges[first_edge - self.first_edge :]}
            depending.add(subject)
            for number in range(first_same, len(graph.same_ends)):
                depending.update(graph.same_ends[number])
            for described in payload.described:
                if place != subject and described.subject is not None:
                    continue
                about = subject if described.subject is None else names(described.subject)
                element = _NO_ELEMENT if described.element is None else _ELEMENT[described.element]
                fields = _fields_of(described)
                self._claim(
                    row,
                    about,
                    graph.description,
                    _CAPABILITY,
                    element,
                    frozenset(fields),
                    passing=about not in depending,
                    place=place if place != subject else None,
                )
                graph.claim_data.append(_PACK(fields) if fields else None)
        return (
            first_edge,
            self.first_edge + len(edges),
            first_claim,
            self.first_claim + len(self.claims),
        )

    def _period(self, since: int, until: int) -> int:
        graph = self.graph
        number = graph._periods.get((since, until))  # noqa: SLF001
        if number is None:
            number = graph._periods[since, until] = len(graph.periods)  # noqa: SLF001
            graph.periods.append((since, until))
        return number

    def _group(self, issuer: int, place: int, part: str, row: int) -> int:
        """Which statements take each other's place; ``row`` is one of them, or -1."""
        graph = self.graph
        key = (issuer << 80) | (place << 40) | graph.labels.id(part)
        group = graph._groups.get(key)  # noqa: SLF001
        if group is None:
            group = graph._groups[key] = len(graph._group_first)  # noqa: SLF001
            graph._group_first.append(row)  # noqa: SLF001
            graph._group_several.append(0)  # noqa: SLF001
        elif row < 0:
            pass
        elif graph._group_first[group] < 0:  # noqa: SLF001
            graph._group_first[group] = row  # noqa: SLF001
        else:
            first = graph._group_first[group]  # noqa: SLF001
            graph._group_all.setdefault(group, [first]).append(row)  # noqa: SLF001
            graph._group_several[group] = 1  # noqa: SLF001
        return group

    def flush(self) -> None:
        """Put everything taken into the columns."""
        graph = self.graph
        if self.rows:
            columns = zip(*self.rows, strict=True)
            for column, values in zip(
                (
                    graph.origin,
                    graph.index,
                    graph.issuer,
                    graph.subject,
                    graph.kind,
                    graph.key,
                    graph.reg_lo,
                    graph.reg_hi,
                    graph.since,
                    graph.until,
                    graph.level,
                    graph.imported,
                    graph.state,
                    graph.word,
                    graph.group,
                    graph.edges_begin,
                    graph.edges_end,
                    graph.described_begin,
                    graph.described_end,
                    graph.complete,
                    graph.has_status,
                ),
                columns,
                strict=True,
            ):
                column.extend(values)
            for column, values in zip(
                (graph.bill, graph._place),  # noqa: SLF001
                zip(*self.places, strict=True),
                strict=True,
            ):
                column.extend(values)
        if self.claims:
            for column, values in zip(
                (
                    graph.claim_row,
                    graph.claim_subject,
                    graph.claim_word,
                    graph.claim_kind,
                    graph.claim_element,
                    graph.claim_fields,
                ),
                zip(*self.claims, strict=True),
                strict=True,
            ):
                column.extend(values)
        for column, owner, pairs in (
            (graph.local_claim, graph._local_subject, self.local),  # noqa: SLF001
            (graph.passing_claim, graph._passing_subject, self.passing),  # noqa: SLF001
        ):
            if pairs:
                claims, subjects = zip(*pairs, strict=True)
                column.extend(claims)
                owner.extend(subjects)
        if self.edges:
            for column, values in zip(
                (
                    graph.edge_row,
                    graph.edge_from,
                    graph.edge_to,
                    graph.edge_relation,
                    graph.edge_category,
                    graph.edge_alternative,
                    graph.edge_period,
                    graph.edge_transitive,
                ),
                zip(*self.edges, strict=True),
                strict=True,
            ):
                column.extend(values)


def _fields_of(described: Described) -> dict[str, Any]:
    """A description as the fields of a claim; only those that are filled."""
    fields: dict[str, Any] = {k: v for k, v in described.claims.items() if v not in ("", [])}
    if described.element is not None:
        fields["element"] = described.element.value
    if described.name:
        fields["name"] = described.name
    if described.version:
        fields["version"] = described.version
    if described.hashes:
        fields["hashes"] = described.hashes
    if described.licenses:
        fields["licenses"] = described.licenses
    return fields
