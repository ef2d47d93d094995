# SPDX-License-Identifier: Apache-2.0
"""Renewing a large bill: what the former version said on pages that the new one no longer has.

Keeps: a bill of materials that became several statements is renewed whole. A later statement takes
the place of the earlier one of the same ``part``; where the new version needs fewer of them, the
rest is replaced by statements that say nothing, or parts long removed would stay in the chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Links, decode_payload
from kizuna.proof.documents.bill import draft
from kizuna.proof.documents.values import Draft, Imported

__all__ = ["left_over"]

_PAGE: Final = re.compile(r":[0-9]+\Z")


def left_over(imported: Imported, in_force: Iterable[tuple[SubjectId, str]]) -> tuple[Draft, ...]:
    """Empty link statements for the pages that ``imported`` leaves over.

    Args:
        imported: the new version.
        in_force: subject and ``part`` of the importer's own link statements in force now.
    """
    pages = sorted({(subject, part) for subject, part in in_force if _PAGE.search(part)})
    if not pages:
        return ()
    said = {
        (one.subject, payload.part or "")
        for one in imported.statements
        if one.kind is Kind.LINK
        and isinstance(payload := decode_payload(one.kind, one.payload), Links)
        and payload.bill is None
    }
    return tuple(
        draft(Kind.LINK, subject, Links(part=part, imported=True))
        for subject, part in pages
        if (subject, part) not in said and (subject, _PAGE.sub("", part)) in said
    )
