# SPDX-License-Identifier: Apache-2.0
"""Looking up what was registered, for an organisation that publishes here and has no store.

Keeps: 1. The reader's view decides, as everywhere. 2. An answer is bounded in names and bytes: what
does not fit is named in ``left`` and asked again; what alone is too much is named in ``too_much``.
3. Statements go out as they were received, so that whoever asks can check them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.statement import Registered

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store import StoreReader, View

__all__ = ["MOST_NAMES", "look_up"]

MOST_NAMES: Final = 500
"""Most subjects and statements of one question."""

_MOST_BYTES: Final = 8 << 20
_MOST_ROWS: Final = 20_000


def look_up(
    workspace: Workspace,
    *,
    subjects: Sequence[SubjectId],
    statements: Sequence[Digest],
    dependents: Sequence[SubjectId] = (),
    issuer: str | None,
    kinds: Sequence[Kind],
    view: View | None,
) -> dict[str, Any]:
    """What was said about these subjects, and done to these statements; or what says that it
    depends on ``dependents``, which are asked for alone.

    Returns:
        ``origin`` and ``size`` of the log; ``rows``: of each statement its index, the earliest and
        latest instant of its registration, whether its document was erased, its bytes, and the
        document beside the log where only some may read it; ``under``: the indices for each name
        (a digest in hexadecimal); ``left`` and ``too_much``: names without an answer.

    Raises:
        Malformed: ``lookup.too-many``.
    """
    from kizuna.record.log.keys import dependents_key, statement_key, subject_key

    if len(subjects) + len(statements) + len(dependents) > MOST_NAMES:
        raise Malformed(
            "lookup.too-many",
            f"more than {MOST_NAMES} names in one question",
            hint="ask in parts",
            limit=MOST_NAMES,
        )
    reader = workspace.store.reader() if view is None else workspace.store.reader(view)
    keys: dict[str, bytes] = {s: subject_key(s) for s in subjects}
    keys |= {d.hex(): statement_key(d) for d in statements}
    keys |= {s: dependents_key(s) for s in dependents}
    found = reader.by_keys(list(dict.fromkeys(keys.values())))
    rows: dict[int, list[Any]] = {}
    under: dict[str, list[int]] = {}
    left: list[str] = []
    too_much: list[str] = []
    room = _MOST_BYTES
    for name, key in keys.items():
        wanted = [
            row
            for row in found.get(key, ())
            if (issuer is None or row.statement.issuer == issuer)
            and (not kinds or row.statement.kind in kinds)
        ]
        if room <= 0:
            left.append(name)
            continue
        fresh = {row.index: row for row in wanted if row.index not in rows}
        told = _told(reader, list(fresh.values())) if len(fresh) <= _MOST_ROWS else None
        size = sum(len(t[4]) + len(t[5] or b"") for t in told or ())
        if told is None or size > _MOST_BYTES:
            too_much.append(name)
        elif size > room:
            left.append(name)
        else:
            room -= size
            rows.update((t[0], t) for t in told)
            if wanted:
                under[name] = [row.index for row in wanted]
    return {
        "origin": workspace.log.origin,
        "size": reader.size,
        "rows": [rows[index] for index in sorted(rows)],
        "under": under,
        "left": left,
        "too_much": too_much,
    }


def _told(reader: StoreReader, rows: Sequence[Registered]) -> list[list[Any]]:
    raw = reader.raw([row.statement.digest for row in rows])
    beside = reader.documents(
        [r.statement.document for r in rows if r.statement.audience and r.statement.document]
    )
    return [
        [
            row.index,
            row.registered.earliest,
            row.registered.latest,
            row.erased,
            raw[row.statement.digest],
            beside.get(row.statement.document) if row.statement.document else None,
        ]
        for row in rows
        if row.statement.digest in raw
    ]
