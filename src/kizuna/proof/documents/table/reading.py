# SPDX-License-Identifier: Apache-2.0
"""From rows to statements: what a table of parts comes to.

Keeps: 1. A row that names its thing by a public identifier is about that thing; another gets a
name below the importer's own, stable from one version of the table to the next, so that importing
a corrected table takes the place of the former one. 2. A certificate whose end cannot be read is
left out and listed: it must not hold for ever. 3. A certificate of a management system belongs to
the maker (or supplier) of the row's part, any other to the part. 4. Places are spreadsheet cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from kizuna.model.errors import Malformed
from kizuna.model.identifier import MAX_IDENTIFIER, Element, SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Reference
from kizuna.model.relation import Relation
from kizuna.proof.documents import names
from kizuna.proof.documents.bill import (
    MAX_PARTS,
    MAX_TIES,
    Bill,
    Part,
    Told,
    claim_values,
    draft,
    too_many_ties,
)
from kizuna.proof.documents.names import clean
from kizuna.proof.documents.table import cells
from kizuna.proof.documents.table.headings import find_headings
from kizuna.proof.documents.values import Draft, Imported, Remark, Source

__all__ = ["cell_name", "read_table"]

_MOST_COLUMNS: Final = 200


@dataclass(slots=True)
class _Row:
    """One row of the table with the places of its cells."""

    number: int
    cells: dict[str, str]
    places: dict[str, str]
    subject: SubjectId = field(init=False)


def cell_name(row: int, column: int) -> str:
    """The spreadsheet's name of a cell, both counted from 0.

    Example:
        >>> cell_name(2, 27)
        'AB3'
    """
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row + 1}"


def read_table(
    source: Source,
    rows: Sequence[Sequence[str]],
    *,
    format_name: str,
    media_type: str,
    remarks: Sequence[Remark] = (),
) -> Imported:
    """The statements that a table comes to.

    Raises:
        Malformed: ``document.headings-missing``, ``document.too-many-parts``,
            ``document.no-rows``.
    """
    found = find_headings(rows)
    if found is None:
        raise Malformed(
            "document.headings-missing",
            "the table has no row of headings that is understood",
            why="two known headings are needed, one of them part, part number or identifier",
            hint="print the template and use its headings",
            name=source.name[:200],
        )
    top, columns, language = found
    reading = _Reading(source, language, list(remarks))
    for spot, heading in enumerate(rows[top][:_MOST_COLUMNS]):
        if spot not in columns and heading.strip():
            reading.remarks.append(
                Remark(clean(heading, 100), "unknown-column", clean(heading, 100))
            )
    if len(rows) - top - 1 > MAX_PARTS:
        raise Malformed(
            "document.too-many-parts",
            f"more than {MAX_PARTS} rows",
            hint="split the table: one for each product",
            limit=MAX_PARTS,
        )
    for number in range(top + 1, len(rows)):
        reading.take(number, rows[number], columns)
    return reading.finish(format_name, media_type)


class _Reading:
    """One table on its way to statements."""

    def __init__(self, source: Source, language: str, remarks: list[Remark]) -> None:
        self.source = source
        self.language = language
        self.remarks = remarks
        self.rows: list[_Row] = []
        self.base: str = source.issuer or names.document_name(source.data)
        self.known: dict[str, SubjectId] = {}
        self.parts: dict[SubjectId, Part] = {}
        self.wholes: dict[SubjectId, dict[SubjectId, int | None]] = {}
        self.ties: dict[SubjectId, dict[tuple[Relation, SubjectId], None]] = {}
        self.room = MAX_TIES
        self.told = Told()
        self.claims: list[tuple[SubjectId, Claim]] = []

    # rows --------------------------------------------------------------------------------------

    def take(self, number: int, row: Sequence[str], columns: dict[int, str]) -> None:
        """Read one row into a part; ties to other rows wait until all are read."""
        texts: dict[str, str] = {}
        places: dict[str, str] = {}
        for spot, column in columns.items():
            text = row[spot].strip() if spot < len(row) else ""
            places[column] = cell_name(number, spot)
            if text.startswith('="') and text.endswith('"'):
                text = text[2:-1]  # how Excel keeps leading zeros in CSV
            elif text.startswith("="):
                self.remarks.append(Remark(places[column], "formula", clean(text, 60)))
                text = ""
            if text:
                texts[column] = text
        if not texts:
            return
        if not texts.keys() & {"name", "number", "identifier"}:
            self.remarks.append(Remark(cell_name(number, 0), "row-without-part"))
            return
        entry = _Row(number, texts, places)
        entry.subject = self._subject(entry)
        self.rows.append(entry)
        for column in ("number", "name", "identifier"):
            if column in texts:
                key = cells.narrow(texts[column]).casefold()
                before = self.known.setdefault(key, entry.subject)
                if before != entry.subject and column == "number":
                    self.remarks.append(
                        Remark(places[column], "part-twice", clean(texts[column], 100))
                    )
        self._describe(entry)

    def _subject(self, entry: _Row) -> SubjectId:
        text = entry.cells.get("identifier")
        if text:
            named = self._public_name(text)
            if named is not None:
                return named
            self.remarks.append(
                Remark(entry.places["identifier"], "identifier-unreadable", clean(text, 200))
            )
        words = [
            entry.cells.get("maker", "") if self._is_foreign(entry.cells.get("maker", "")) else "",
            entry.cells.get("number") or entry.cells.get("name") or text or "",
            entry.cells.get("version", ""),
        ]
        return self._own_name("parts", *words)

    @staticmethod
    def _is_foreign(maker: str) -> bool:
        return bool(maker) and cells.narrow(maker).casefold() not in cells.OWN_COMPANY

    @staticmethod
    def _public_name(text: str) -> SubjectId | None:
        plain = cells.narrow(text)
        return (
            names.purl(plain)
            or names.gtin(plain)
            or (names.cpe(plain) if plain[:4].lower() == "cpe:" else names.identifier(plain))
        )

    def _own_name(self, sort: str, *words: str) -> SubjectId:
        """A name below the importer's own (a DID path), or inside the document without one."""
        if self.source.issuer:
            return names.named_by_word(self.base, sort, *words) or SubjectId(self.base)
        steps = [quote(cells.narrow(word).casefold(), safe="") for word in words if word]
        path = "/".join((sort, *steps))
        named = names.identifier(f"{self.base}#{path}")
        if named is None or len(named) > MAX_IDENTIFIER // 2:
            named = names.identifier(f"{self.base}#{sort}/{digest_of(path.encode()).hex()}")
        return named or SubjectId(self.base)

    def _describe(self, entry: _Row) -> None:
        texts = entry.cells
        hashes: dict[str, str] = {}
        if digest := texts.get("sha256"):
            plain = cells.narrow(digest).lower().removeprefix("sha256:")
            if len(plain) == 64 and all(letter in "0123456789abcdef" for letter in plain):
                hashes["sha-256"] = plain
            else:
                self.remarks.append(Remark(entry.places["sha256"], "hash-unreadable"))
        element: Element | None = Element.COMPONENT
        if kind := texts.get("kind"):
            element = cells.element_of(kind)
            if element is None:
                self.remarks.append(Remark(entry.places["kind"], "kind-unknown", clean(kind, 60)))
                element = Element.COMPONENT
        part = Part(
            id=entry.subject,
            where=cell_name(entry.number, 0),
            element=element,
            name=clean(texts.get("name") or texts.get("number")),
            version=clean(texts.get("version")),
            hashes=hashes,
            licenses=[clean(texts["license"])] if "license" in texts else [],
            claims=claim_values(
                {
                    "part_number": texts.get("number"),
                    "kind": texts.get("kind"),
                    "note": texts.get("note"),
                }
            ),
        )
        known = self.parts.get(part.id)
        if known is None:
            self.parts[part.id] = part
        else:
            known.hashes.update(part.hashes)
            known.claims = {**part.claims, **known.claims}
            known.licenses = known.licenses or part.licenses

    # ties --------------------------------------------------------------------------------------

    def _party(self, entry: _Row, column: str) -> SubjectId | None:
        text = entry.cells.get(column, "")
        identifier = entry.cells.get(f"{column}_id", "")
        if text and not self._is_foreign(text) and self.source.issuer:
            return self.source.issuer
        found: SubjectId | None = None
        if identifier:
            plain = cells.narrow(identifier)
            found = (
                names.corporate_number(plain)
                or names.lei(plain)
                or names.web_address(plain)
                or names.identifier(plain)
            )
            if found is None:
                self.remarks.append(
                    Remark(
                        entry.places[f"{column}_id"],
                        "identifier-unreadable",
                        clean(identifier, 200),
                    )
                )
        if found is None:
            if not text:
                return None
            found = self.known.get(f"party:{cells.narrow(text).casefold()}") or self._own_name(
                "parties", text
            )
        elif text:
            self.known.setdefault(f"party:{cells.narrow(text).casefold()}", found)
        self.parts.setdefault(
            found,
            Part(
                id=found,
                where=entry.places.get(column, ""),
                element=Element.ORGANIZATION,
                name=clean(text),
            ),
        )
        return found

    def _whole(self, entry: _Row, text: str) -> SubjectId:
        plain = cells.narrow(text)
        known = self.known.get(plain.casefold())
        if known is not None:
            return known
        named = names.purl(plain) or names.gtin(plain)
        if named is None and "://" in plain:
            named = names.identifier(plain)
        if named is None:
            named = self._own_name("parts", text)
            self.remarks.append(
                Remark(entry.places["parent"], "whole-not-listed", clean(text, 100))
            )
        self.known[plain.casefold()] = named
        self.parts.setdefault(
            named,
            Part(
                id=named, where=entry.places["parent"], element=Element.COMPONENT, name=clean(text)
            ),
        )
        return named

    def _tie(self, entry: _Row) -> None:
        texts, subject = entry.cells, entry.subject
        maker = self._party(entry, "maker")
        supplier = self._party(entry, "supplier")
        if maker is not None and maker != subject:
            self.ties.setdefault(subject, {})[Relation.MADE_BY, maker] = None
        if supplier is not None and supplier != subject:
            self.ties.setdefault(subject, {})[Relation.SUPPLIED_BY, supplier] = None
        quantity: int | None = None
        if text := texts.get("quantity"):
            quantity = cells.quantity_of(text)
            if quantity is None:
                self.remarks.append(
                    Remark(entry.places["quantity"], "number-unreadable", clean(text, 60))
                )
        if text := texts.get("parent"):
            whole = self._whole(entry, text)
            if whole == subject:
                self.remarks.append(Remark(entry.places["parent"], "part-of-itself"))
            else:
                self.wholes.setdefault(whole, {}).setdefault(subject, quantity)
        if text := texts.get("certificate"):
            self._certify(entry, text, maker or supplier)
        elif "certificate_number" in texts or "valid_until" in texts:
            place = entry.places.get("certificate_number") or entry.places["valid_until"]
            self.remarks.append(Remark(place, "certificate-unnamed"))

    def _certify(self, entry: _Row, text: str, party: SubjectId | None) -> None:
        texts = entry.cells
        days = {}
        for column in ("valid_from", "valid_until"):
            if column in texts:
                day = cells.day_of(texts[column], last=column == "valid_until")
                if day is None:
                    self.remarks.append(
                        Remark(entry.places[column], "date-unreadable", clean(texts[column], 60))
                    )
                    return
                days[column] = day
        standard = cells.standard_name(text)
        subject = entry.subject
        if cells.is_of_organisation(standard) and party is not None:
            subject = party
        since, until = days.get("valid_from"), days.get("valid_until")
        self.claims.append(
            (
                subject,
                Claim(
                    type=standard,
                    valid_from=cells.since_day(since, self.language) if since else None,
                    valid_until=cells.until_day(until, self.language) if until else None,
                    claims=claim_values(
                        {
                            "name": text,
                            "number": texts.get("certificate_number"),
                            "issuer": texts.get("certificate_issuer"),
                        }
                    ),
                    imported=True,
                ),
            )
        )

    # statements --------------------------------------------------------------------------------

    def finish(self, format_name: str, media_type: str) -> Imported:
        """Everything the rows say.

        Raises:
            Malformed: ``document.no-rows``.
        """
        if not self.rows:
            raise Malformed(
                "document.no-rows",
                "the table has headings and no rows under them",
                hint="fill in one row for each part",
                name=self.source.name[:200],
            )
        for entry in self.rows:
            self._tie(entry)
        drafts: list[Draft] = []
        tops = self._tops()
        for top in tops:
            drafts += self._bill(top)
        about = tops[0] if len(tops) == 1 else SubjectId(self.base)
        digest = digest_of(self.source.data).hex()
        drafts.append(
            draft(
                Kind.EVIDENCE,
                about,
                Claim(
                    type="parts-table",
                    claims=claim_values({"format": format_name, "rows": len(self.rows)}),
                    evidence=[Reference(sha256=digest, media_type=media_type)],
                    imported=True,
                ),
            )
        )
        drafts.append(
            Draft(
                kind=Kind.EVIDENCE,
                subject=about,
                payload=self.source.data,
                media_type=media_type,
            )
        )
        drafts += [draft(Kind.CERTIFICATE, subject, claim) for subject, claim in self.claims]
        return Imported(
            format=format_name,
            root=tops[0] if len(tops) == 1 else None,
            statements=tuple(drafts),
            media_type=media_type,
            document=self.source.data,
            remarks=tuple(self.remarks),
        )

    def _tops(self) -> list[SubjectId]:
        """The products: what is contained in nothing; of a closed circle, its first row."""
        contained = {part for parts in self.wholes.values() for part in parts}
        things = [
            part.id for part in self.parts.values() if part.element is not Element.ORGANIZATION
        ]
        things = list(dict.fromkeys([*(entry.subject for entry in self.rows), *things]))
        tops = [thing for thing in things if thing not in contained]
        reached: set[SubjectId] = set()
        for top in tops:
            self._below(top, reached)
        for entry in self.rows:
            if entry.subject not in reached:
                self.remarks.append(Remark(cell_name(entry.number, 0), "circle"))
                tops.append(entry.subject)
                self._below(entry.subject, reached)
        return tops

    def _below(self, top: SubjectId, reached: set[SubjectId]) -> None:
        stack = [top]
        while stack:
            node = stack.pop()
            if node not in reached:
                reached.add(node)
                stack.extend(self.wholes.get(node, ()))

    def _bill(self, top: SubjectId) -> list[Draft]:
        """The bill of one product; the work for all of them together is bounded."""
        below: dict[SubjectId, None] = {}
        stack = [top]
        while stack:
            node = stack.pop()
            if node not in below:
                below[node] = None
                stack.extend(reversed(self.wholes.get(node, {})))
        self.room -= len(below)
        if self.room < 0:
            raise too_many_ties()
        bill = Bill(top, "table")
        for node in below:
            if node in self.parts:
                bill.add(self.parts[node])
            for part_id, quantity in self.wholes.get(node, {}).items():
                bill.needs(node, part_id, None, quantity)
        for node in below:
            for relation, party in self.ties.get(node, ()):
                bill.tie(node, relation, party)
                if party in self.parts:
                    bill.add(self.parts[party])
        return bill.drafts(list(below), part="table", told=self.told)
