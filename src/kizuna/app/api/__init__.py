# SPDX-License-Identifier: Apache-2.0
"""The HTTP door: one ASGI application over one workspace.

Keeps: importing this package is cheap; the web framework is imported when an application is made,
and where it is not installed the problem names the extra that brings it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from kizuna.model.errors import Misconfigured

if TYPE_CHECKING:
    from kizuna.app.api.limits import Limits
    from kizuna.app.api.shell import Shell
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["create_app", "server_options"]


def create_app(
    workspace: Workspace,
    *,
    limits: Limits | None = None,
    hosts: Collection[str] = (),
    console: str | None = "kizuna.app.console",
    console_view: View | None = None,
    console_token: str | None = None,
    behind_tls: bool = False,
    authority: str = "",
) -> Shell:
    """The ASGI application of a workspace.

    Args:
        workspace: what is served. Its owner closes it after the server has ended.
        limits: bounds on size, time and number.
        hosts: names this server answers to, without port; empty answers to all. A server on the
            loopback address should name them: otherwise a page of another origin can reach it under
            a name of its own choosing.
        console: module that gives the pages, or ``None`` for a server without.
        console_view: whose eyes the pages are; ``None`` is the public's.
        console_token: what shows the pages' reader to be the operator; ``None``: nobody can.
        behind_tls: whether browsers reach this server over TLS only.
        authority: the host, and port where there is one, by which others reach this server, where a
            proxy in front puts another into ``Host``; empty: it passes on what they sent.

    Raises:
        Misconfigured: ``http.extra-missing`` where the extra ``server`` is not installed.
    """
    try:
        from kizuna.app.api.application import make  # noqa: PLC0415 - the framework is an extra
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] not in ("litestar", "jinja2", "markupsafe"):
            raise
        raise Misconfigured(
            "http.extra-missing",
            f"the server needs {fault.name}, which is not installed",
            why="it comes with the extra `server`",
            hint="pip install 'kizuna[server]'",
            module=fault.name or "",
            extra="server",
        ) from fault
    from kizuna.app.api.limits import Limits as Bounds  # noqa: PLC0415 - beside its use

    return make(
        workspace,
        limits=limits or Bounds(),
        hosts=hosts,
        console=console,
        console_view=console_view,
        console_token=console_token,
        behind_tls=behind_tls,
        authority=authority,
    )


def server_options() -> dict[str, Any]:
    """Keywords for ``uvicorn.Config``: bounds on what comes before a request is one."""
    from kizuna.app.api.protocol import options  # noqa: PLC0415 - uvicorn is an extra

    return options()
