# SPDX-License-Identifier: Apache-2.0
"""The columns of the graph: where every fact of a statement stands, as numbers.

Keeps: 1. One statement is one row; its claims and ties are rows of their own that name it. 2. What
is said of a thing by those who speak about it, and what a bill says of it in passing, stand apart.
3. A thing as some bill of materials has it is a node of its own, which only what that bill says of
it names: everything else is said of the thing.
Does not: read or write itself (``graph``, ``writing``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from kizuna.chain.graph.columns import Column, Index, Ints, Names
from kizuna.model.finding import Code
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import Membership, Notice, Status, Waiver
from kizuna.model.relation import Relation
from kizuna.model.verdict import Known

__all__ = ["DESCRIPTION", "ELEMENTS", "EVER", "KINDS", "NEVER", "RELATIONS", "Facts", "State"]

EVER: Final = -(2**62)
"""A beginning that always was."""
NEVER: Final = 2**62
"""An end that never comes."""
DESCRIPTION: Final = "description"
"""The claim type of descriptions."""
KINDS: Final = tuple(Kind)
ELEMENTS: Final = tuple(Element)
RELATIONS: Final = tuple(Relation)


class State:
    """What is at hand of a payload."""

    PRESENT: Final = 0
    ERASED: Final = 1
    RESTRICTED: Final = 2
    FIELD: Final = 3  # a document of the field: it makes no claim of our kinds


class Facts:
    """All facts, in columns. Owned by one ``Graph``."""

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
        self.bill = Column(np.int32)  # the product in whose bill it is said, else the subject
        self._place = Column(np.int32)  # the node that is spoken of
        self.rows_of = Index(self._place)
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
        # things as bills have them: the node, what it is of, and what is said of it
        self.in_bill: dict[int, tuple[int, int, int]] = {}  # thing, issuer, product
        self.said_in_bill: dict[int, list[int]] = {}
        self._in_bill: dict[tuple[int, int, int], int] = {}
        self._instead: dict[tuple[int, int], list[int]] = {}  # by group at large, and product
        self.at_large: dict[int, set[int]] = {}  # of a node in a bill: the groups that it replaces
        self.of_bill: dict[int, str] = {}  # in which product's bill a statement at large was said
        self._things: Ints = np.empty(0, dtype=np.int32)
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
