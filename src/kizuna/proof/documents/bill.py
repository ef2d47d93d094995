# SPDX-License-Identifier: Apache-2.0
"""A bill of materials, whatever format it came in: parts, their ties, and the statements of both.

Keeps: 1. Every part hangs on the root: by its own entry, through other parts, or, where the
document ties it to nothing, directly. 2. A part that the root reaches only through others is tied
to the root once more as ``transitive``. 3. One statement speaks of one subject: what it is and
what it depends on. 4. No payload exceeds what a statement may carry inline: ties of very many
parts become several statements, told apart by ``part``. 5. Completeness is claimed only where the
document claims it, and only by the last of several statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Described, Link, Links, Payload, encode_payload
from kizuna.model.relation import Relation
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.values import Draft, Remark

__all__ = [
    "AS_PART",
    "MAX_PARTS",
    "MAX_STATEMENT_BYTES",
    "MAX_TIES",
    "Bill",
    "Part",
    "Told",
    "claim_values",
    "draft",
    "flatten",
    "too_many_statements",
    "too_many_ties",
]

MAX_PARTS: Final = 100_000
"""Most parts of one document: bounds time, memory and the size of the answer."""

MAX_TIES: Final = 500_000
"""Most ties of one document: a short reference in it becomes a long name in the answer."""

MAX_STATEMENT_BYTES: Final = 64 << 20
"""Most bytes of the statements that repeat what a document says once (of each part it names)."""

_PAYLOAD_ROOM: Final = 900_000
"""Bytes of one payload: below the model's limit, with room for the members around the lists."""

_DESCRIPTION_ROOM: Final = 400_000
"""Bytes of one description: leaves a page room for ties beside it."""

_ENCODE: Final = msgspec.json.Encoder().encode
_NOTHING: Final = Described()

AS_PART: Final = ":as-part"
"""Ending of ``part`` in a statement about something inside a bill; the bill's root stands in the
statement's ``ext``."""

_SAFE_INTEGER: Final = 2**53


def draft(kind: Kind, subject: SubjectId, payload: Payload) -> Draft:
    """A payload of our own kinds as a draft."""
    return Draft(
        kind=kind, subject=subject, payload=encode_payload(payload), media_type=media_type_of(kind)
    )


@dataclass(slots=True)
class Part:
    """One thing in the bill, as the document describes it. Owned by one ``Bill``."""

    id: SubjectId
    where: str
    element: Element | None = None
    name: str = ""
    version: str = ""
    hashes: dict[str, str] = field(default_factory=dict)
    licenses: list[str] = field(default_factory=list)
    claims: dict[str, Any] = field(default_factory=dict)
    category: str | None = None
    quantity: int | None = None

    def described(self) -> Described:
        """What the part is, for the link statement about it."""
        return Described(
            element=self.element,
            name=self.name or None,
            version=self.version or None,
            hashes=self.hashes,
            licenses=self.licenses,
            claims=self.claims,
        )


@dataclass(slots=True)
class Told:
    """What the bills of one document have said of parts so far. Owned by one importer."""

    subjects: set[SubjectId] = field(default_factory=set)
    room: int = MAX_STATEMENT_BYTES

    def take(self, drafts: list[Draft]) -> list[Draft]:
        """Count the bytes of ``drafts``; returns them.

        Raises:
            Malformed: ``document.too-many-statements``.
        """
        self.room -= sum(len(one.payload) for one in drafts)
        if self.room < 0:
            raise too_many_statements()
        return drafts


class Bill:
    """Collects parts and ties, then says them. One importer owns it while it reads one document."""

    def __init__(self, root: SubjectId, format_name: str) -> None:
        self.root = root
        self.format = format_name
        self.parts: dict[SubjectId, Part] = {}
        self.remarks: list[Remark] = []
        self._needs: dict[SubjectId, dict[SubjectId, tuple[str | None, int | None]]] = {}
        self._other: dict[tuple[SubjectId, Relation, SubjectId], None] = {}
        self._ties = 0
        self._complete: set[SubjectId] = set()
        self._incomplete: set[SubjectId] = set()

    def add(self, part: Part) -> Part:
        """Take in a part; a second description adds only what the first left out."""
        known = self.parts.get(part.id)
        if known is None:
            self.parts[part.id] = part
            return part
        if part.version and known.version and part.version != known.version:
            self.remarks.append(Remark(part.where, "described-twice", part.id))
        known.element = known.element or part.element
        known.name = known.name or part.name
        known.version = known.version or part.version
        known.hashes = {**part.hashes, **known.hashes}
        known.licenses = known.licenses or part.licenses
        known.claims = {**part.claims, **known.claims}
        return known

    def needs(
        self,
        whole: SubjectId,
        part: SubjectId,
        category: str | None = None,
        quantity: int | None = None,
    ) -> None:
        """``part`` is part of ``whole``: the whole depends on it.

        Raises:
            Malformed: ``document.too-many-ties``.
        """
        if whole == part:
            return
        parts = self._needs.setdefault(whole, {})
        if part not in parts:
            self._count_tie()
            parts[part] = (category, quantity)

    def tie(self, subject: SubjectId, relation: Relation, target: SubjectId) -> None:
        """Any other relation between two subjects.

        Raises:
            Malformed: ``document.too-many-ties``.
        """
        if subject != target:
            self._count_tie()
            self._other[subject, relation, target] = None

    def _count_tie(self) -> None:
        self._ties += 1
        if self._ties > MAX_TIES:
            raise too_many_ties()

    def complete(self, whole: SubjectId, *, claimed: bool) -> None:
        """The document says that the parts of ``whole`` are (or are not) all named."""
        (self._complete if claimed else self._incomplete).add(whole)

    @property
    def is_empty(self) -> bool:
        """True where the document ties nothing to its root and describes nothing else."""
        return not self._needs and not self._other and set(self.parts) <= {self.root}

    def _reach(self, start: Iterable[SubjectId], seen: set[SubjectId]) -> None:
        frontier = [node for node in start if node not in seen]
        seen.update(frontier)
        while frontier:
            frontier = [
                part
                for node in frontier
                for part in self._needs.get(node, ())
                if part not in seen and not seen.add(part)  # type: ignore[func-returns-value]
            ]

    def _hang_loose_parts(self, loose: Iterable[SubjectId]) -> None:
        """Tie what the document ties to nothing to the root: tops first, then one of each cycle."""
        reached: set[SubjectId] = set()
        self._reach([self.root], reached)
        left = [part for part in loose if part not in reached]
        inner = {part for node in left for part in self._needs.get(node, ())}
        tops = [part for part in left if part not in inner]
        for top in tops:
            self._hang(top)
        self._reach(tops, reached)
        for part in left:
            if part not in reached:
                self._hang(part)
                self._reach([part], reached)

    def _hang(self, part: SubjectId) -> None:
        known = self.parts.get(part)
        self.needs(
            self.root, part, known.category if known else None, known.quantity if known else None
        )

    def _by_dependent(self) -> dict[SubjectId, list[Link]]:
        """Every tie by the end that depends, whose own name is left out of it."""
        made: dict[SubjectId, list[Link]] = {self.root: []}
        for whole, parts in self._needs.items():
            made[whole] = [
                Link(relation=Relation.PART_OF, subject=part, category=category, quantity=quantity)
                for part, (category, quantity) in parts.items()
            ]
        reached: set[SubjectId] = set()
        self._reach([self.root], reached)
        direct = self._needs.get(self.root, {})
        made[self.root] += [
            Link(relation=Relation.PART_OF, subject=part, transitive=True)
            for part in self.parts
            if part in reached and part not in direct and part != self.root
        ]
        for subject, relation, target in self._other:
            if relation.object_depends:
                made.setdefault(target, []).append(Link(relation=relation, subject=subject))
            else:
                made.setdefault(subject, []).append(Link(relation=relation, object=target))
        return made

    def drafts(
        self,
        loose: Iterable[SubjectId],
        *,
        part: str,
        ext: Mapping[str, Any] | None = None,
        told: Told | None = None,
    ) -> list[Draft]:
        """The link statements: of the root first, then one of each other subject that the document
        describes, ties to others or claims complete.

        One a subject, because whoever asks about a part is shown everything that stands under its
        name: a part of a hundred bills must not bring a hundred bills along. A part's statement
        has a ``part`` of its own, so that it never takes the place of that part's own bill.

        Args:
            loose: the parts that must hang on the root one way or another.
            part: which bill of its root this is.
            ext: what else the root's statement holds.
            told: shared by the bills of one document, so that each part is spoken of once.

        Raises:
            Malformed: ``document.too-many-ties``, ``document.too-many-statements``.
        """
        self._hang_loose_parts(loose)
        told = Told() if told is None else told
        ties = self._by_dependent()
        complete = self._complete - self._incomplete
        made: list[Draft] = []
        for subject in dict.fromkeys([*ties, *self.parts, *sorted(complete)]):
            is_root = subject == self.root
            if not is_root and subject in told.subjects:
                continue
            links = ties.get(subject, [])
            if sum(len(link.subject or link.object or "") for link in links) > told.room:
                raise too_many_statements()  # before memory is spent on them
            whole = Links(
                links=links,
                described=self._description(subject),
                complete=[Relation.PART_OF] if subject in complete else [],
                part=part if is_root else f"{part}{AS_PART}",
                imported=True,
                ext=dict(ext or {}) if is_root else {"bill": self.root},
            )
            if is_root or links or whole.described or whole.complete:
                made += told.take(_split(subject, whole))
            if not is_root:
                told.subjects.add(subject)
        return made

    def _description(self, subject: SubjectId) -> list[Described]:
        """What the document says of a subject, if anything; of a flood only what names the part."""
        part = self.parts.get(subject)
        if part is None:
            return []
        described = part.described()
        if described == _NOTHING:
            return []
        if len(_ENCODE(described)) > _DESCRIPTION_ROOM:
            self.remarks.append(Remark(part.where, "description-cut", subject))
            described = Described(element=part.element, name=described.name)
        return [described]


def _split(subject: SubjectId, whole: Links) -> list[Draft]:
    """One statement, or several pages where it would be too large; the last claims completeness."""
    data = encode_payload(whole)
    if len(data) <= _PAYLOAD_ROOM:
        media_type = media_type_of(Kind.LINK)
        return [Draft(kind=Kind.LINK, subject=subject, payload=data, media_type=media_type)]
    room = _PAYLOAD_ROOM - len(encode_payload(msgspec.structs.replace(whole, links=[])))
    pages: list[list[Link]] = [[]]
    left = room
    for link in whole.links:
        size = len(_ENCODE(link)) + 1
        if size > left:
            pages.append([])
            left = room
        left -= size
        pages[-1].append(link)
    last = len(pages)
    return [
        draft(
            Kind.LINK,
            subject,
            msgspec.structs.replace(
                whole,
                links=links,
                described=whole.described if number == 1 else [],
                complete=whole.complete if number == last else [],
                part=whole.part if number == 1 else f"{whole.part}:{number}",
                ext={**whole.ext, "page": number, "pages": last},
            ),
        )
        for number, links in enumerate(pages, 1)
    ]


def too_many_ties() -> Malformed:
    """The problem of a document with more than ``MAX_TIES`` ties."""
    return Malformed(
        "document.too-many-ties",
        f"more than {MAX_TIES} ties between parts",
        hint="split it: one bill of materials for each assembly",
        limit=MAX_TIES,
    )


def too_many_statements() -> Malformed:
    """The problem of a document whose statements exceed ``MAX_STATEMENT_BYTES``."""
    return Malformed(
        "document.too-many-statements",
        f"the document comes to more than {MAX_STATEMENT_BYTES >> 20} MiB of statements",
        why="what it says once it says of very many parts",
        hint="split it, so that each document speaks of fewer parts",
        limit=MAX_STATEMENT_BYTES,
    )


def claim_values(values: Mapping[str, object]) -> dict[str, Any]:
    """``values`` as a claim may hold them: text, whole numbers, truth values and lists of these.

    Decimal fractions become text; what is empty is left out; names are cut to what fits.
    """
    made: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or value == "" or not (key := clean(name, 200)):
            continue
        if isinstance(value, list | tuple):
            items = [item for one in value[:100] if (item := _scalar(one)) not in (None, "")]
            if items:
                made[key] = items
        elif (one := _scalar(value)) not in (None, ""):
            made[key] = one
    return made


def _scalar(value: object) -> str | int | bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return repr(value)
    return clean(value, 1000) or None


def flatten(value: object, prefix: str = "", *, most: int = 60, depth: int = 4) -> dict[str, Any]:
    """The scalars inside an object under dotted names, at most ``most`` of them."""
    made: dict[str, Any] = {}
    stack: list[tuple[str, object, int]] = [(prefix, value, depth)]
    while stack and len(made) < most:
        name, here, left = stack.pop()
        if isinstance(here, dict):
            if left:
                stack.extend(
                    (f"{name}.{key}" if name else str(key), member, left - 1)
                    for key, member in reversed(here.items())
                )
        elif isinstance(here, list):
            if here and not any(isinstance(item, dict | list) for item in here):
                made[name] = here
        elif here is not None:
            made[name] = here
    return claim_values(made)
