# SPDX-License-Identifier: Apache-2.0
"""A question about a chain, as every door puts it: of what, by which measure, as of when, for whom.

Keeps: 1. One value carries all of it, so that no door can drop a part on the way to whoever judges.
2. Two questions with the same ``measure_key`` can be answered from one judgement, if both are
``of_now``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kizuna.criteria.profiles import Profile
    from kizuna.model.identifier import SubjectId
    from kizuna.model.verdict import Known
    from kizuna.record.store import View

__all__ = ["MeasureKey", "Question"]

MeasureKey = tuple[str, tuple[str, ...] | None]
"""Digest of a profile, and the lists that count by name (None: every list that is believed)."""


@dataclass(frozen=True, slots=True)
class Question:
    """How does ``subject`` stand under ``profile``?"""

    subject: SubjectId
    profile: Profile
    _: KW_ONLY
    at: int | None = None
    """What was valid then; None: now."""
    known: tuple[Known, ...] | None = None
    """What had been registered then, log by log; None: all that is."""
    lists: Sequence[str] | None = None
    """Only these lists count, by name; None: every list that is believed."""
    view: View | None = None
    """Whose eyes; None: the store's own operator."""

    @property
    def of_now(self) -> bool:
        """Whether it is about today and all that is registered: then memory may answer."""
        return self.at is None and self.known is None

    @property
    def measure_key(self) -> MeasureKey:
        """What it is judged by, as a key: the same for every subject."""
        return self.profile.digest, None if self.lists is None else tuple(sorted(self.lists))

    @property
    def reader(self) -> str:
        """Name of the view that the verdict is drawn up for."""
        return "operator" if self.view is None else self.view.name
