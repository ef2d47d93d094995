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

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from kizuna.chain.graph.columns import Ints
from kizuna.chain.graph.evidence import Evidence
from kizuna.chain.graph.facts import (
    DESCRIPTION,
    ELEMENTS,
    EVER,
    KINDS,
    NEVER,
    RELATIONS,
    Facts,
    State,
)
from kizuna.chain.graph.loading import uncollected
from kizuna.chain.graph.writing import Writer
from kizuna.model.identifier import Element
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

_PARTIES: Final = (
    "urn:lei:",
    "urn:oid:",
    "urn:oasis:names:tc:ebcore:partyid-type:",
    "mailto:",
)
"""How names begin that only organisations and people have."""
_SORT_AT_LEAST: Final = 10_000
_ORGANIZATION: Final = ELEMENTS.index(Element.ORGANIZATION)
_COMPONENT: Final = ELEMENTS.index(Element.COMPONENT)


class Graph(Facts):
    """All facts, in columns. ``heads`` and ``view`` say what they are the facts of."""

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

    def things(self, nodes: Ints) -> Ints:
        """Of each node the thing that it is, or is as some bill has it."""
        if not self.in_bill:
            return nodes
        known = len(self._things)
        if known < self.nodes:
            self._things = np.arange(self.nodes, dtype=np.int32)
            for node, (thing, _, _) in self.in_bill.items():
                self._things[node] = thing
        found: Ints = self._things[nodes]
        return found

    def instead(self, row: int, issuer: int, bill: int) -> list[int]:
        """The statements that take a link statement's place in one bill of its issuer."""
        group = int(self.group.view[row])
        if group < 0 or int(self.issuer.view[row]) != issuer:
            return []
        return self._instead.get((group, bill), [])

    def of_group(self, group: int) -> list[int]:
        """The link statements that take each other's place."""
        first = self._group_first[group]
        return self._group_all.get(group, [first] if first >= 0 else [])

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
            with uncollected():
                graph.add(list(evidence))
            return graph
        graph = cls(evidence.heads(), evidence.view)
        graph.quorum = getattr(evidence, "quorum", 0)
        graph.as_of = getattr(evidence, "as_of", None)
        with uncollected():
            for batch in evidence.all():
                graph.add(batch)
        return graph

    def add(self, batch: Sequence[Registered]) -> range:
        """Take in statements.

        Returns:
            The rows that are new; a statement that is there already adds none.
        """
        first = len(self)
        writer = Writer(self)
        for item in batch:
            writer.take(item)
        writer.flush()
        return range(first, len(self))


_FIELDS: Final = msgspec.msgpack.Decoder(dict[str, Any])


def _usual(name: str) -> int:
    """What a thing of this name usually is: who has a DID, an LEI, a company number or a plain
    address of the web is an organisation, anything else a component.
    """
    scheme, _, rest = name.partition(":")
    party = scheme == "did" or name.startswith(_PARTIES)
    if scheme in ("https", "http"):
        party = "/" not in rest[2:].rstrip("/")
    return _ORGANIZATION if party else _COMPONENT
