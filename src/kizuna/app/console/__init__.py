# SPDX-License-Identifier: Apache-2.0
"""The console: pages for people, rendered on the server.

Keeps: importing this package is cheap; Jinja and the web framework are imported when a site is
made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kizuna.app.console.site import Site
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["pages"]


def pages(
    workspace: Workspace,
    run: Callable[[Callable[[], Any]], Awaitable[Any]],
    view: View | None,
    *,
    token: str | None = None,
    secure: bool = False,
) -> Site:
    """The console of a workspace; see ``Site`` and ``Door``."""
    from kizuna.app.console.signing_in import Door  # noqa: PLC0415 - keeps the import cheap
    from kizuna.app.console.site import Site  # noqa: PLC0415 - as above
    from kizuna.app.wiring.served.member_codes import Guests  # noqa: PLC0415 - as above

    door = Door(token, workspace.clock, secure=secure, codes=Guests(workspace))
    return Site(workspace, run, view, door)
