# SPDX-License-Identifier: Apache-2.0
"""The graph in memory: every registered statement as rows of numbers, ready to be judged.

Keeps: 1. The graph holds facts only: who said what, when it was registered. Nothing here depends
on a question (profile, lists, instant, checkpoint). 2. It only grows, and ``add`` of one statement
and of a million is the same code. 3. One statement is one row, however often it was registered: the
earliest registration counts, so that neither a replay in another log nor a second signature over
the same content makes old words fresh, or slips away from a revocation.
Does not: decide who is believed.

Times without a beginning or an end are ``EVER`` and ``NEVER``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from kizuna.chain.graph.columns import Column, Index, Ints, Names
from kizuna.chain.graph.evidence import Evidence
from kizuna.model.finding import Code
from kizuna.model.identifier import Element
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
from kizuna.model.verdict import Known

__all__ = [
    "DESCRIPTION",
    "ELEMENTS",
    "EVER",
    "KINDS",
    "NEVER",
    "RELATIONS",
    "Graph",
    "State",
]

EVER: Final = -(2**62)
"""A beginning that always was."""
NEVER: Final = 2**62
"""An end that never comes."""
DESCRIPTION: Final = "description"
"""The claim type of descriptions."""

KINDS: Final = tuple(Kind)
ELEMENTS: Final = tuple(Element)
RELATIONS: Final = tuple(Relation)
_KIND: Final = {k: i for i, k in enumerate(KINDS)}
_ELEMENT: Final = {e: i for i, e in enumerate(ELEMENTS)}
_RELATION: Final = {r: i for i, r in enumerate(RELATIONS)}
_OBJECT_DEPENDS: Final = {r: r.object_depends for r in RELATIONS}
_OWN: Final = frozenset(media_type_of(k) for k in Kind)
_NO_ELEMENT: Final = 255
_PARTIES: Final = (
    "urn:lei:",
    "urn:oid:",
    "urn:oasis:names:tc:ebcore:partyid-type:",
    "mailto:",
)
"""How names begin that only organisations and people have."""
_SORT_AT_LEAST: Final = 10_000
_CAPABILITY: Final = _KIND[Kind.CAPABILITY]


class State:
    """What is at hand of a payload."""

    PRESENT: Final = 0
    ERASED: Final = 1
    RESTRICTED: Final = 2
    FIELD: Final = 3  # a document of the field: it makes no claim of our kinds


class Graph:
    """All facts, in columns. ``heads`` and ``view`` say what they are the facts of."""

    def __init__(self, heads: tuple[Known, ...] | None = None, view: str = "public") -> None:
        self._heads = heads
        self.view = view
        self.quorum = 0
        self.as_of: int | None = None
        self.gaps: Mapping[str, Sequence[tuple[Code, str]]] = {}
        """By name, what a store that was needed could not tell of it, and which store."""
        self.names = Names()  # subjects, issuers among them
        self._usual = Column(np.int8)
        self._ranks: Ints = np.empty(0, dtype=np.int32)
        self._sorted: list[str] = []
        self.words = Names()  # claim, notice and service types; relations first
        self.labels = Names()  # categories, alternatives, parts; "" is 0
        self.labels.id("")
        for relation in RELATIONS:
            self.words.id(relation.value)
        self.description = self.words.id(DESCRIPTION)
        self.origins = Names()
        self.sizes: list[int] = []  # by origin: one more than the highest index seen
        self.keys: dict[bytes, int] = {}
        self.digests: list[bytes] = []
        self.row_of: dict[bytes, int] = {}
        self.aliases: dict[int, list[bytes]] = {}  # further digests of the same content
        self._content: dict[bytes, int] = {}
        # one entry a statement
        self.origin = Column(np.int16)
        self.index = Column(np.int64)
        self.issuer = Column(np.int32)
        self.subject = Column(np.int32)
        self.kind = Column(np.int8)
        self.key = Column(np.int32)
        self.reg_lo = Column(np.int64)
        self.reg_hi = Column(np.int64)
        self.since = Column(np.int64)
        self.until = Column(np.int64)
        self.level = Column(np.int8)
        self.imported = Column(np.bool_)
        self.state = Column(np.int8)
        self.word = Column(np.int32)  # claim or notice type, -1 where there is none
        self.group = Column(np.int32)  # links: which renewals belong together, -1 otherwise
        self.has_status = Column(np.bool_)
        self.edges_begin = Column(np.int32)
        self.edges_end = Column(np.int32)
        self.described_begin = Column(np.int32)
        self.described_end = Column(np.int32)
        self.complete = Column(np.int16)  # links: bit by bit the relations that are all named
        self.by_issuer = Index(self.issuer)
        self.rows_of = Index(self.subject)
        # claims, descriptions among them
        self.claim_row = Column(np.int32)
        self.claim_subject = Column(np.int32)
        self.claim_word = Column(np.int32)
        self.claim_kind = Column(np.int8)
        self.claim_element = Column(np.uint8)
        self.claim_fields = Column(np.int32)  # which fields are filled, in ``field_sets``
        self.claim_data: list[bytes | None] = []
        # a statement that speaks about a thing, or ties it as the end that depends, stands among
        # what is said of it; what a bill of materials says of its parts in passing does not
        self.local_claim = Column(np.int32)
        self._local_subject = Column(np.int32)
        self.passing_claim = Column(np.int32)
        self._passing_subject = Column(np.int32)
        self._local_of = Index(self._local_subject)
        self._passing_of = Index(self._passing_subject)
        self.field_sets: list[frozenset[str]] = []
        self._field_sets: dict[frozenset[str], int] = {}
        # ties
        self.edge_row = Column(np.int32)
        self.edge_from = Column(np.int32)  # the end that depends
        self.edge_to = Column(np.int32)
        self.edge_relation = Column(np.int8)
        self.edge_category = Column(np.int32)
        self.edge_alternative = Column(np.int32)
        self.edge_period = Column(np.int32)
        self.edge_transitive = Column(np.bool_)
        self.edges_from = Index(self.edge_from)
        self.edges_to = Index(self.edge_to)
        self.periods: list[tuple[int, int]] = []
        self._periods: dict[tuple[int, int], int] = {}
        # two names of one thing
        self.same_row: list[int] = []
        self.same_ends: list[tuple[int, int]] = []
        self.same_period: list[int] = []
        self.same_of_row: dict[int, tuple[int, int]] = {}
        # which link statements renew each other, and what each holds
        self._groups: dict[int, int] = {}
        self._group_first: list[int] = []
        self._group_all: dict[int, list[int]] = {}  # where there are several
        self._group_several = bytearray()
        # the rare kinds
        self.payload: dict[int, Notice | Waiver | Status | Membership] = {}
        self.notices_of: dict[int, list[int]] = {}
        self.waivers_of: dict[int, list[int]] = {}
        self.unread_of: dict[int, list[int]] = {}  # erased or restricted, by subject
        self.statuses: list[int] = []
        self.status_on: dict[bytes, list[int]] = {}
        self.key_events: dict[int, list[int]] = {}  # by the identity whose keys they concern
        self.memberships: list[int] = []
        self.answers: dict[str, dict[int, int]] = {}  # conditions already asked, by claim
        self._seq: Ints = np.empty(0, dtype=np.int64)
        self._seq_for = (-1, -1)

    # --- reading ------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of statements."""
        return len(self.digests)

    @property
    def nodes(self) -> int:
        """Number of subjects and issuers."""
        return len(self.names)

    @property
    def heads(self) -> tuple[Known, ...]:
        """What is known: as the evidence said, or what was seen."""
        if self._heads is not None:
            return self._heads
        return tuple(
            sorted(
                Known(origin=o, size=self.sizes[i], root="")
                for i, o in enumerate(self.origins.texts)
            )
        )

    @heads.setter
    def heads(self, heads: tuple[Known, ...]) -> None:
        self._heads = heads

    @property
    def seq(self) -> Ints:
        """One order over all rows: within a log its own, across logs by registration."""
        want = (len(self), len(self.origins))
        if want != self._seq_for:
            if len(self.origins) <= 1:
                self._seq = self.index.view
            else:
                # a log's own order wins over its clock: registration never runs backwards in it
                rising = np.empty(len(self), dtype=np.int64)
                names = np.argsort(np.argsort(np.asarray(self.origins.texts)))[self.origin.view]
                for origin in range(len(self.origins)):
                    rows = (self.origin.view == origin).nonzero()[0]
                    rows = rows[np.argsort(self.index.view[rows], kind="stable")]
                    rising[rows] = np.maximum.accumulate(self.reg_lo.view[rows])
                order = np.lexsort((self.index.view, names, rising))
                self._seq = np.empty(len(self), dtype=np.int64)
                self._seq[order] = np.arange(len(self))
            self._seq_for = want
        return self._seq

    def ranks(self) -> tuple[Ints, list[str]]:
        """The place of each name among the sorted ones, and these; names that came since the last
        sorting have none yet (the array is shorter than the names).
        """
        known, total = len(self._ranks), len(self.names)
        if total - known > max(_SORT_AT_LEAST, known // 4):
            texts = self.names.texts
            order = sorted(range(total), key=texts.__getitem__)
            self._ranks = np.empty(total, dtype=np.int32)
            self._ranks[order] = np.arange(total, dtype=np.int32)
            self._sorted = [texts[i] for i in order]
        return self._ranks, self._sorted

    def prepare(self) -> None:
        """Bring every index up to date: done by the way, or here after loading a large store."""
        for index in (
            self.by_issuer,
            self.rows_of,
            self.edges_from,
            self.edges_to,
            self._local_of,
            self._passing_of,
        ):
            index.refresh()
        self.ranks()
        self.usual_elements(np.empty(0, dtype=np.int64))

    def usual_elements(self, nodes: Ints) -> Ints:
        """Of each node, as a bit, what a thing of such a name usually is."""
        known = self._usual.size
        if known < len(self.names):
            self._usual.extend([_usual(text) for text in self.names.texts[known:]])
        return np.int64(1) << self._usual.view[nodes].astype(np.int64)

    def digests_of(self, row: int) -> tuple[bytes, ...]:
        """Every digest under which a status may name a row."""
        return (self.digests[row], *self.aliases.get(row, ()))

    def renewals(self, row: int) -> list[int]:
        """The link statements of one issuer, subject and part: the row itself among them."""
        group = int(self.group.view[row])
        return [row] if group < 0 else self._group_all.get(group, [row])

    def is_renewal(self, rows: Ints) -> Ints:
        """Which link statements are not the only one of their issuer, subject and part."""
        groups = self.group.view[rows]
        if not self._group_several:
            return np.zeros(len(rows), dtype=np.bool_)
        several = np.frombuffer(self._group_several, dtype=np.bool_)
        result: Ints = (groups >= 0) & several[groups]
        return result

    def claims_of(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Claims said of some nodes: (position in ``nodes``, claim)."""
        at, found = self._local_of.gather(nodes)
        return at, self.local_claim.view[found]

    def passing_of(self, nodes: Ints) -> tuple[Ints, Ints]:
        """Descriptions of some nodes in passing: (position in ``nodes``, claim)."""
        at, found = self._passing_of.gather(nodes)
        return at, self.passing_claim.view[found]

    def fields(self, claim: int) -> dict[str, Any]:
        """What a claim holds."""
        data = self.claim_data[claim]
        return {} if data is None else _FIELDS.decode(data)

    def name(self, node: int) -> str:
        """The identifier of a node."""
        return self.names.texts[node]

    # --- writing ------------------------------------------------------------------------------

    @classmethod
    def of(cls, evidence: Evidence | Iterable[Registered]) -> Graph:
        """A graph of all statements of some evidence, or of a list of statements."""
        if isinstance(evidence, Iterable):
            graph = cls()
            graph.add(list(evidence))
            return graph
        graph = cls(evidence.heads(), evidence.view)
        graph.quorum = getattr(evidence, "quorum", 0)
        graph.as_of = getattr(evidence, "as_of", None)
        for batch in evidence.all():
            graph.add(batch)
        return graph

    def add(self, batch: Sequence[Registered]) -> range:
        """Take in statements.

        Returns:
            The rows that are new; a statement that is there already adds none.
        """
        first = len(self)
        writer = _Writer(self)
        for item in batch:
            writer.take(item)
        writer.flush()
        return range(first, len(self))


_FIELDS: Final = msgspec.msgpack.Decoder(dict[str, Any])
_PACK: Final = msgspec.msgpack.Encoder().encode


class _Writer:
    """One batch on its way into the columns: plain lists first, arrays once at the end."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.rows: list[tuple[Any, ...]] = []
        self.claims: list[tuple[int, int, int, int, int, int]] = []
        self.edges: list[tuple[int, int, int, int, int, int, int, bool]] = []
        self.local: list[tuple[int, int]] = []
        self.passing: list[tuple[int, int]] = []
        self.first_claim = graph.claim_row.size
        self.first_edge = graph.edge_row.size

    def take(self, item: Registered) -> None:
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
                group = self._group(issuer, subject, payload.part or "", row)
                for relation in payload.complete:
                    complete |= 1 << _RELATION[relation]
                held = self._links(row, subject, since, until, payload)
            elif isinstance(payload, (Notice, Waiver, Status, Membership)):
                word, since, until, imported = self._rare(row, subject, payload, since, until)
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
    ) -> None:
        graph = self.graph
        sets = graph._field_sets  # noqa: SLF001
        fields = sets.get(filled)
        if fields is None:
            fields = sets[filled] = len(graph.field_sets)
            graph.field_sets.append(filled)
        where = self.passing if passing else self.local
        where.append((self.first_claim + len(self.claims), subject))
        self.claims.append((row, subject, word, kind, element, fields))

    def _links(
        self, row: int, subject: int, since: int, until: int, payload: Links
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
                    near,
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

    def _group(self, issuer: int, subject: int, part: str, row: int) -> int:
        graph = self.graph
        key = (issuer << 80) | (subject << 40) | graph.labels.id(part)
        group = graph._groups.get(key)  # noqa: SLF001
        if group is None:
            group = graph._groups[key] = len(graph._group_first)  # noqa: SLF001
            graph._group_first.append(row)  # noqa: SLF001
            graph._group_several.append(0)  # noqa: SLF001
        else:
            first = graph._group_first[group]  # noqa: SLF001
            graph._group_all.setdefault(group, [first]).append(row)  # noqa: SLF001
            graph._group_several[group] = 1  # noqa: SLF001
        return group

    def flush(self) -> None:
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


def _usual(name: str) -> int:
    """What a thing of this name usually is: who has a DID, an LEI, a company number or a plain
    address of the web is an organisation, anything else a component.
    """
    scheme, _, rest = name.partition(":")
    party = scheme == "did" or name.startswith(_PARTIES)
    if scheme in ("https", "http"):
        party = "/" not in rest[2:].rstrip("/")
    return _ELEMENT[Element.ORGANIZATION if party else Element.COMPONENT]


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
