# SPDX-License-Identifier: Apache-2.0
"""Entries of the log as commands name and list them.

Keeps: an entry is named by its place or its digest; what is neither is told, and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.model.statement import Registered

__all__ = ["entry_named", "parse_digest", "statements"]

_HEX64 = re.compile(r"[0-9a-f]{64}")


def statements(
    workspace: Owner,
    *,
    subject: SubjectId | None,
    issuer: SubjectId | None,
    kind: Kind | None,
    limit: int,
    before: int | None,
) -> list[dict[str, Any]]:
    """Registered statements, the newest first, as lines of the log.

    What the log says of itself (a map head ends every batch) shows only where it is asked for.
    """
    from kizuna.app.wiring.lines import entry_json
    from kizuna.record.log.keys import subject_key

    reader = workspace.store.reader()
    found: Sequence[Registered]
    if subject is None:
        own = f"https://{workspace.log.origin}"
        newest = reader.latest(2 * limit + 1, before=before, kind=kind, issuer=issuer)
        found = [row for row in newest if row.statement.subject != own]
    else:
        key = subject_key(subject)
        found = [
            row
            for row in sorted(reader.by_keys([key]).get(key, ()), key=lambda r: -r.index)
            if (before is None or row.index < before)
            and (kind is None or row.statement.kind is kind)
            and (issuer is None or row.statement.issuer == issuer)
        ]
    return [entry_json(row) for row in found[:limit]]


def entry_named(workspace: Owner, which: str) -> Registered:
    """The entry with that index or digest.

    Raises:
        Absent: ``statement.unknown``. Malformed: ``log.entry-unnamed``.
    """
    reader = workspace.store.reader()
    found: Registered | None = None
    if _HEX64.fullmatch(which):
        digest = Digest(bytes.fromhex(which))
        found = reader.by_digests([digest]).get(digest)
    elif which.isdigit() and len(which) < 16:
        found = next(iter(reader.by_indices([int(which)])), None)
    else:
        raise Malformed(
            "log.entry-unnamed",
            f"neither an index nor a digest: {which[:80]!r}",
            hint="give a number, or 64 lower-case hexadecimal digits",
            value=which[:80],
        )
    if found is None:
        raise Absent(
            "statement.unknown",
            f"no statement {which[:16]} here",
            hint="check the number or digest, and which store registered it",
            statement=which[:64],
        )
    return found


def parse_digest(text: str) -> Digest:
    """A digest in hexadecimal.

    Raises:
        Malformed: ``statement.digest``.
    """
    if not _HEX64.fullmatch(text):
        raise Malformed(
            "statement.digest",
            f"not a digest: {text[:80]!r}",
            why="a statement is named by SHA-256, 64 lower-case hexadecimal digits",
            hint="copy it as it was printed when the statement was registered",
            digest=text[:80],
        )
    return Digest(bytes.fromhex(text))
