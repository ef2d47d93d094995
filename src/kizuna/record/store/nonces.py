# SPDX-License-Identifier: Apache-2.0
"""Nonces of signed requests: each is good once, for all servers of one store together.

Keeps: a nonce is remembered until its signature has expired, and no longer; the table stays as
small as the requests of five minutes. Stands in for ``roots.http_signatures.Nonces``, which
remembers for one process.
"""

from __future__ import annotations

from sqlalchemy import delete, func, select, text

from kizuna.record.store.backend import Backend
from kizuna.record.store.schema import nonces

__all__ = ["TableNonces"]

_TAKE = text(
    "INSERT INTO nonces (key_id, nonce, expires_at) VALUES (:key_id, :nonce, :expires)"
    " ON CONFLICT DO NOTHING RETURNING nonce"
)


class TableNonces:
    """The nonces seen by every server of this store."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def remembered(self) -> int:
        """How many nonces are remembered now."""
        ((count,),) = self._backend.execute(select(func.count()).select_from(nonces))
        return int(str(count))

    def take(self, key_id: str, nonce: str, expires: int, now: int) -> bool:
        """Whether this nonce is new; it is remembered until ``expires``."""
        taken = self._backend.execute(
            delete(nonces).where(nonces.c.expires_at < now),
            _TAKE.bindparams(key_id=key_id, nonce=nonce, expires=expires),
        )
        return bool(taken)
