# SPDX-License-Identifier: Apache-2.0
"""Which statements their own issuers have not taken back.

Keeps: only what an issuer did to its own statement counts here. What a superior or a list may do to
it is authority, and authority is ``chain/verify``'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kizuna.model.payload import Action, Status

if TYPE_CHECKING:
    from kizuna.model.identifier import Digest
    from kizuna.model.statement import Registered
    from kizuna.record.store import StoreReader

__all__ = ["in_force", "not_taken_back"]

_OVER = (Action.REVOKE, Action.WITHDRAW, Action.REPLACE, Action.ERASE)


def in_force(reader: StoreReader, rows: Sequence[Registered]) -> list[Registered]:
    """Those of the rows that stand: neither revoked, replaced, erased nor suspended."""
    from kizuna.record.log.keys import statement_key

    keys = {row.statement.digest: statement_key(row.statement.digest) for row in rows}
    acts = reader.by_keys(list(keys.values())) if keys else {}
    return not_taken_back(rows, {digest: acts.get(key, ()) for digest, key in keys.items()})


def not_taken_back(
    rows: Sequence[Registered], acts: Mapping[Digest, Sequence[Registered]]
) -> list[Registered]:
    """As ``in_force``, by what was done to each."""
    return [
        row
        for row in rows
        if not row.erased and not _taken_back(row, acts.get(row.statement.digest, ()))
    ]


def _taken_back(row: Registered, acts: Sequence[Registered]) -> bool:
    suspended = False
    for act in acts:
        payload = act.statement.payload
        if act.statement.issuer != row.statement.issuer or not isinstance(payload, Status):
            continue
        if payload.action in _OVER:
            return True
        if payload.action is Action.SUSPEND:
            suspended = True
        elif payload.action is Action.REINSTATE:
            suspended = False
    return suspended
