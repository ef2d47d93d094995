# SPDX-License-Identifier: Apache-2.0
"""What every route of one server shares.

Keeps: one workspace, one set of bounds, one set of streams. Routes get it as an argument of the
function that makes them; there is no global.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from kizuna.app.api.limits import Limits
from kizuna.app.api.metrics import Metrics
from kizuna.app.api.readers import Readers
from kizuna.app.api.repeated import Repeated
from kizuna.app.api.streams import Streams
from kizuna.app.api.workers import Workers
from kizuna.app.wiring.workspace import Workspace

if TYPE_CHECKING:
    from kizuna.record.store.view import View

__all__ = ["Context"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One server's parts."""

    workspace: Workspace
    limits: Limits
    metrics: Metrics
    questions: Workers
    intake: Workers
    streams: Streams
    readers: Readers
    repeated: Repeated

    async def ask(self, call: Callable[[], T]) -> T:
        """Answer a question in a thread."""
        return await self.questions.run(call)

    async def view(self, scope: Mapping[str, Any], body: bytes = b"") -> View:
        """Whose eyes: the signer of the request, or the public."""
        return await self.readers.view(scope, body)
