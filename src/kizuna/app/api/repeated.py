# SPDX-License-Identifier: Apache-2.0
"""Writes that were sent twice: ``Idempotency-Key`` gives the first answer again.

Keeps: 1. A key belongs to its caller and address; the same key with another body is refused. 2. The
memory is bounded: the oldest answers go first. 3. Statements need none of this: sending one twice
is harmless by itself.
Standard: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from kizuna.app.api.asked import header
from kizuna.app.api.problems import Conflict
from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest, digest_of

__all__ = ["Repeated"]

_LONGEST: Final = 200


class Repeated:
    """Answers of one server, by caller, address and key. Used on the event loop only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[tuple[str, str, str], tuple[Digest, asyncio.Future[Any]]] = (
            OrderedDict()
        )

    async def once(
        self,
        scope: Mapping[str, Any],
        caller: str,
        body: bytes,
        act: Callable[[], Awaitable[dict[str, Any]]],
    ) -> dict[str, Any]:
        """What ``act`` gives; what it gave the first time when the request names the same key.

        Raises:
            Conflict: ``http.idempotency-mismatch``.
            Malformed: ``http.idempotency-key``.
        """
        key = header(scope, b"idempotency-key")
        if not key:
            return await act()
        if len(key) > _LONGEST:
            raise Malformed(
                "http.idempotency-key",
                f"an Idempotency-Key has at most {_LONGEST} characters",
                hint="use a random UUID",
                limit=_LONGEST,
            )
        place, digest = (caller, str(scope["path"]), key), digest_of(body)
        if place in self._known:
            before, answer = self._known[place]
            if before != digest:
                raise Conflict(
                    "http.idempotency-mismatch",
                    "this Idempotency-Key was used for another request",
                    hint="use a fresh key for every new request",
                )
            told: dict[str, Any] = await asyncio.shield(answer)
            return told
        answer = asyncio.get_running_loop().create_future()
        self._known[place] = (digest, answer)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)
        try:
            told = await act()
        except BaseException:
            self._known.pop(place, None)
            answer.cancel()
            raise
        answer.set_result(told)
        return told
