# SPDX-License-Identifier: Apache-2.0
"""Bills of materials that speak of the same parts: what is said at large, and what in one bill.

What all bills of an importer say alike of a part's own parts is said once, at large. Where a bill
says otherwise while another bill stands on what was said, it says so in that bill only.

Keeps: 1. No import changes what another product's bill says. 2. What a bill says for itself it
says of every part above as well, up to the product: its chain never leaves it for the common word.
3. A bill that stands alone renews the common word in its place, as ever. 4. In doubt whether
another bill stands on a word, that word is left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Links, decode_payload, encode_payload
from kizuna.proof.documents.bill import AS_PART, draft
from kizuna.proof.documents.values import Draft, Imported

if TYPE_CHECKING:
    from kizuna.app.wiring.importing.earlier import Earlier

__all__ = ["told_apart"]

_Page = tuple[SubjectId, str]
"""A part and the ``part`` of a statement about it."""


@dataclass(slots=True)
class _Word:
    """What is said of a part: the payload as it stands, and what in it matters."""

    data: bytes
    core: bytes
    says_something: bool


@dataclass(slots=True)
class _Said:
    """One draft about a part inside a bill."""

    product: SubjectId
    page: _Page
    payload: Links
    word: _Word


@dataclass(slots=True)
class _Words:
    """What the importer says of parts by now. One import owns it."""

    common: dict[_Page, _Word] = field(default_factory=dict)
    billed: dict[SubjectId, dict[_Page, _Word]] = field(default_factory=dict)  # by product
    listed: dict[SubjectId, set[str]] = field(default_factory=dict)  # by product its parts, here

    def take(self, subject: SubjectId, payload: Links, data: bytes) -> None:
        """Take in an earlier word; later ones come later."""
        if not payload.part or AS_PART not in payload.part:
            return
        words = self.common
        if payload.bill is not None:
            words = self.billed.setdefault(SubjectId(payload.bill), {})
        words[subject, payload.part] = _word(payload, data)


def told_apart(
    read: Sequence[tuple[str, Imported]], issuer: SubjectId, earlier: Earlier | None
) -> list[tuple[str, Imported]]:
    """What was read, each word about a part at large or in its bill.

    Args:
        read: the files.
        issuer: who imports them.
        earlier: what the importer said before; without it everything is said at large.
    """
    words = _Words()
    if earlier is not None:
        subjects = {
            one.subject
            for _, imported in read
            for one in imported.statements
            if b'"bill"' in one.payload  # every word about a part names its bill
        }
        for row in earlier.said(issuer, sorted(subjects)):
            if isinstance(payload := row.statement.payload, Links):
                words.take(row.statement.subject, payload, encode_payload(payload))
    return [
        (name, replace(imported, statements=tuple(_Document(imported, words, issuer, earlier))))
        for name, imported in read
    ]


class _Document:
    """The drafts of one document, told apart."""

    def __init__(
        self, imported: Imported, words: _Words, issuer: SubjectId, earlier: Earlier | None
    ) -> None:
        self._words, self._issuer, self._earlier = words, issuer, earlier
        self._drafts = imported.statements
        self._said: dict[int, _Said] = {}
        self._above: dict[str, set[SubjectId]] = {}
        self._products: dict[SubjectId, set[str]] = {}
        media_type = media_type_of(Kind.LINK)
        for number, one in enumerate(imported.statements):
            if one.kind is not Kind.LINK or one.media_type != media_type:
                continue
            payload = decode_payload(Kind.LINK, one.payload)
            if not isinstance(payload, Links):
                continue
            product = payload.ext.get("bill")
            if isinstance(product, str) and AS_PART in (payload.part or ""):
                page = (one.subject, payload.part or "")
                word = _word(payload, one.payload)
                self._said[number] = _Said(SubjectId(product), page, payload, word)
                for part in _parts(payload):
                    self._above.setdefault(part, set()).add(one.subject)
            else:
                self._products.setdefault(one.subject, set()).update(_parts(payload))

    def __iter__(self) -> Iterator[Draft]:
        """The drafts to be signed."""
        if not self._said:
            yield from self._drafts
            return
        otherwise = self._otherwise()
        shared = {part for part in otherwise if self._others(part, otherwise[part])}
        shared |= self._twice()
        apart = self._upwards(
            shared | {s.page[0] for s in self._said.values() if self._has_own(s.page[0], s.product)}
        )
        for number, one in enumerate(self._drafts):
            said = self._said.get(number)
            if said is None:
                yield one
                continue
            part = said.page[0]
            known = self._words.common.get(said.page)
            if part not in shared:
                if known is not None and known.core == said.word.core:
                    if part not in apart:
                        yield replace(one, payload=known.data)  # word for word what stands
                else:
                    self._words.common[said.page] = said.word
                    yield one
            if part in apart:
                yield from self._in_bills(said)
        for product in self._products:
            yield from self._gone(product)
        for product, parts in self._products.items():
            self._words.listed.setdefault(product, set()).update(parts)

    def _otherwise(self) -> dict[SubjectId, set[SubjectId]]:
        """The parts of which this document says otherwise than stands at large, and the products
        in whose bills it does.
        """
        found: dict[SubjectId, set[SubjectId]] = {}
        pages: dict[SubjectId, set[str]] = {}
        for said in self._said.values():
            pages.setdefault(said.page[0], set()).add(said.page[1])
        beyond = {
            part
            for (part, page), word in self._words.common.items()
            if word.says_something and part in pages and page not in pages[part]
        }
        for said in self._said.values():
            known = self._words.common.get(said.page)
            part = said.page[0]
            if part in beyond or (known is not None and known.core != said.word.core):
                found.setdefault(part, set()).add(said.product)
        return found

    def _twice(self) -> set[SubjectId]:
        """The parts of which two bills of this document say different things."""
        first: dict[_Page, bytes] = {}
        return {
            said.page[0]
            for said in self._said.values()
            if first.setdefault(said.page, said.word.core) != said.word.core
        }

    def _others(self, part: SubjectId, products: set[SubjectId]) -> set[str]:
        """The other products that stand on what is said of a part at large."""
        found: set[str] = {p for p, parts in self._words.listed.items() if part in parts}
        if self._earlier is not None:
            found |= self._earlier.naming(self._issuer, part)
        mine = products | {p for p, parts in self._products.items() if part in parts}
        return {p for p in found - mine if not self._has_own(part, SubjectId(p))}

    def _has_own(self, part: SubjectId, product: SubjectId) -> bool:
        """Whether a bill has its own word about a part."""
        return any(
            name == part and word.says_something
            for (name, _), word in self._words.billed.get(product, {}).items()
        )

    def _upwards(self, parts: set[SubjectId]) -> set[SubjectId]:
        """Also every part above, inside the document."""
        found = set(parts)
        waiting = list(parts)
        while waiting:
            for above in self._above.get(waiting.pop(), ()):
                if above not in found:
                    found.add(above)
                    waiting.append(above)
        return found

    def _in_bills(self, said: _Said) -> Iterator[Draft]:
        """What is said of a part, said in the bill of each product of the document that has it."""
        part, page = said.page
        others = {p for p, parts in self._products.items() if part in parts and p != part}
        for product in sorted(others | {said.product}):
            payload = msgspec.structs.replace(
                said.payload,
                bill=product,
                ext={k: v for k, v in said.payload.ext.items() if k != "bill"},
            )
            made = draft(Kind.LINK, part, payload)
            self._words.take(part, payload, made.payload)
            yield made
            # further pages that stand at large say nothing here
            for name, further in self._words.common:
                if name == part and further.startswith(f"{page}:"):
                    spoken = any(s.page == (name, further) for s in self._said.values())
                    if not spoken:
                        yield draft(
                            Kind.LINK, part, Links(part=further, bill=product, imported=True)
                        )

    def _gone(self, product: SubjectId) -> Iterator[Draft]:
        """Empty words about parts that a bill spoke of for itself, and no longer holds."""
        if self._earlier is None:
            return
        before: set[str] = set()
        for row in self._earlier.said(self._issuer, [product]):
            if isinstance(payload := row.statement.payload, Links) and payload.bill is None:
                before.update(_parts(payload))
        gone = sorted(SubjectId(p) for p in before - self._products[product] - {product})
        standing: dict[_Page, Links] = {}
        for row in self._earlier.said(self._issuer, gone) if gone else ():
            payload = row.statement.payload
            if isinstance(payload, Links) and payload.bill == product:
                standing[row.statement.subject, payload.part or ""] = payload
        for (part, page), payload in standing.items():
            if _says_something(payload):
                yield draft(Kind.LINK, part, Links(part=page, bill=product, imported=True))


def _word(payload: Links, data: bytes) -> _Word:
    core = encode_payload(msgspec.structs.replace(payload, ext={}, bill=None))
    return _Word(data, sha256(core).digest(), _says_something(payload))


def _says_something(payload: Links) -> bool:
    return bool(payload.links or payload.described or payload.complete)


def _parts(payload: Links) -> Iterable[str]:
    """What the ties of a statement lead to."""
    for link in payload.links:
        far = link.subject if link.relation.object_depends else link.object
        if far is not None:
            yield far
