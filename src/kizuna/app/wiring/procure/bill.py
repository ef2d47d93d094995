# SPDX-License-Identifier: Apache-2.0
"""A bill of materials as a request for quotation.

Keeps: what the document says beside ties and descriptions is not heard; nothing is registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kizuna.app.wiring.procure.request import MAX_LINES, Line
from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Links, decode_payload
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.identifier import SubjectId

__all__ = ["from_bill", "named_in"]


def from_bill(
    workspace: Workspace, data: bytes, name: str
) -> tuple[SubjectId | None, list[Line], list[tuple[str, str, Links]]]:
    """A bill of materials as a request: its product, its direct parts as lines, its ties.

    What the document says beside ties and descriptions (certificates, reviews) is not heard: for
    that it has to be imported by whoever answers for it.

    Raises:
        Malformed: ``document.*``; ``procure.too-many-lines``.
    """
    from kizuna.proof.documents import read

    imported = read(data, name, issuer=workspace.identity)
    ties: list[tuple[str, str, Links]] = []
    parts: dict[str, int | None] = {}
    for draft in imported.statements:
        if draft.kind is not Kind.LINK:
            continue
        links = decode_payload(Kind.LINK, draft.payload)
        if not isinstance(links, Links):
            continue
        ties.append((workspace.identity, draft.subject, links))
        for link in links.links:
            if link.relation is Relation.PART_OF and not link.transitive:
                whole, part = link.object or draft.subject, link.subject or draft.subject
                if whole == imported.root:
                    parts.setdefault(part, link.quantity)
    if len(parts) > MAX_LINES:
        raise Malformed(
            "procure.too-many-lines",
            f"{len(parts)} lines, at most {MAX_LINES}",
            hint="ask for one assembly after the other",
            count=len(parts),
            limit=MAX_LINES,
        )
    lines = [Line(part=part, quantity=quantity) for part, quantity in parts.items()]
    return imported.root, lines, ties


def named_in(bill: Sequence[tuple[str, str, Links]]) -> dict[str, str]:
    """What a bill of materials calls its parts."""
    return {
        described.subject or subject: described.name
        for _, subject, links in bill
        for described in links.described
        if described.name
    }
