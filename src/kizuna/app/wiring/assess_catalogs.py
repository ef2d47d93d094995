# SPDX-License-Identifier: Apache-2.0
"""One set of answers, measured by several catalogs at once.

Keeps: 1. The answers are given once; what they say under each catalog follows from the verdict and
the mappings, by the same coverage as `kizuna catalog` shows. 2. What is not asked or not mapped is
counted as such, never as covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.identifier import SubjectId
    from kizuna.record.store import View

__all__ = ["under_catalogs"]


def under_catalogs(
    workspace: Workspace,
    subject: SubjectId,
    profile: Profile,
    catalogs: Sequence[str],
    *,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
    lang: str = "en",
) -> list[dict[str, Any]]:
    """What the verdict about a subject says under each catalog.

    Raises:
        Absent: ``catalog.unknown``.
    """
    from kizuna.app.wiring.mappings import coverage

    made = []
    for name in dict.fromkeys(catalogs):
        told, _ = coverage(
            workspace, subject, profile, name, at=at, lists=lists, view=view, lang=lang
        )
        members = ("catalog", "verdict", "counts", "controls", "controls_unknown")
        made.append({member: told[member] for member in members})
    return made
