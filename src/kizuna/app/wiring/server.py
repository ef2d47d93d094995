# SPDX-License-Identifier: Apache-2.0
"""The server: the HTTP door over a live workspace, until somebody stops it.

Keeps: 1. The door is named, not imported: this room stands below it. 2. The graph is loaded before
the port answers, with progress shown. 3. An interrupt ends it in order: what was accepted is
durable, files and locks are given back by the caller.
"""

from __future__ import annotations

import gc
import importlib
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.values import Progress, quiet
from kizuna.model.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    import uvicorn

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["serve"]

DOOR: Final = "kizuna.app.api"
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def serve(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    hosts: tuple[str, ...] = (),
    progress: Progress = quiet,
    ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Answer requests until interrupted.

    Raises:
        Misconfigured: ``http.extra-missing``. Unavailable: ``http.port``.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as fault:
        raise Misconfigured(
            "http.extra-missing",
            "the server needs uvicorn, which is not installed",
            why="it comes with the extra `server`",
            hint="pip install 'kizuna[server]'",
            module="uvicorn",
            extra="server",
        ) from fault
    listener = _listen(host, port)
    taken = listener.getsockname()[1]
    try:
        workspace.live(progress=progress)
        # rings are looked for from here on, and never among the millions of values just loaded
        gc.freeze()
        gc.enable()
        loopback = host in _LOOPBACK
        names = hosts or (_LOOPBACK if loopback else ())
        # the console shows to whoever reaches it what its operator may see only on this machine
        door = importlib.import_module(DOOR)
        app = door.create_app(workspace, hosts=names)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(app, log_level="warning", **door.server_options())
        server = _telling(config, lambda: ready(f"http://{_shown(host)}:{taken}"))
        server.run(sockets=[listener])
    finally:
        listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as fault:
        listener.close()
        raise Unavailable(
            "http.port",
            f"cannot listen on {host}:{port}",
            why=str(fault.strerror or fault),
            hint="another program may use the port: choose one with --port, or 0 for any",
            host=host,
            port=port,
        ) from fault
    return listener


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _telling(config: uvicorn.Config, started: Callable[[], None]) -> uvicorn.Server:
    """A uvicorn server that says when it answers."""
    import uvicorn

    class Telling(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    return Telling(config)
