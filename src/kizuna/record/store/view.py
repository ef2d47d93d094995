# SPDX-License-Identifier: Apache-2.0
"""The one reader view: who asks, and so what there is.

Keeps: 1. Verdict, explanation, impact, export, events and console are all filtered by the same
``View``; none has a rule of its own. 2. What may not be read looks absent: a restricted statement
exists for its issuer, its audience and the store's operator, and for nobody else. 3. A view has a
name that stands in every verdict made under it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from kizuna.model.identifier import SubjectId

__all__ = ["OPERATOR", "PUBLIC", "View"]

_AUDIENCE: Final = msgspec.json.Decoder(tuple[SubjectId, ...])


@dataclass(frozen=True, slots=True)
class View:
    """Whose eyes. Use ``OPERATOR``, ``PUBLIC`` or ``View.of``."""

    name: str
    reader: SubjectId | None = None
    everything: bool = False

    @classmethod
    def of(cls, reader: SubjectId) -> View:
        """The view of one identity, which the caller has authenticated."""
        return cls(name=reader, reader=reader)

    def shows(self, issuer: str, audience: str | None) -> bool:
        """Whether a statement is there for this reader; ``audience`` as the tables hold it."""
        if audience is None or self.everything:
            return True
        reader = self.reader
        return reader is not None and (reader == issuer or reader in _AUDIENCE.decode(audience))

    def sees(self, issuer: str, audience: tuple[SubjectId, ...]) -> bool:
        """As ``shows``, for a statement in memory."""
        if not audience or self.everything:
            return True
        return self.reader is not None and (self.reader == issuer or self.reader in audience)


OPERATOR: Final = View(name="operator", everything=True)
"""The store's own operator, who sees everything."""

PUBLIC: Final = View(name="public")
"""Anyone: what is not restricted."""
