# SPDX-License-Identifier: Apache-2.0
"""One line of the log, in the one shape that every door shows.

Keeps: identifiers and codes only; no words for people.
"""

from __future__ import annotations

from typing import Any

from kizuna.model.statement import Registered

__all__ = ["entry_json"]


def entry_json(found: Registered) -> dict[str, Any]:
    """One line of the log."""
    statement = found.statement
    return {
        "index": found.index,
        "digest": statement.digest.hex(),
        "kind": statement.kind.value,
        "subject": statement.subject,
        "issuer": statement.issuer,
        "media_type": statement.media_type,
        "key": statement.key_id.hex(),
        "issued_at": statement.issued_at,
        "registered_at": found.registered.earliest,
        "audience": list(statement.audience),
        "document": None if statement.document is None else statement.document.hex(),
        "erased": found.erased,
        "origin": found.origin,
    }
