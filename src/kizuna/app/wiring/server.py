# SPDX-License-Identifier: Apache-2.0
"""The server: the HTTP door over a live workspace, until somebody stops it.

Keeps: 1. The door is named, not imported: this room stands below it. 2. The graph is loaded before
the port answers, with progress shown. 3. Beyond this machine it answers only to names that were
given, and only behind TLS. 4. An interrupt ends it in order: what was accepted is
durable, files and locks are given back by the caller.
"""

from __future__ import annotations

import gc
import importlib
import logging
import re
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.values import Progress, quiet
from kizuna.model.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    import uvicorn

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["background", "serve"]

DOOR: Final = "kizuna.app.api"
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?/?")


def serve(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    hosts: tuple[str, ...] = (),
    behind_tls: bool = False,
    public_origin: str = "",
    progress: Progress = quiet,
    ready: Callable[[str, str], None] = lambda _url, _token: None,
) -> None:
    """Answer requests until interrupted.

    Args:
        workspace: what is served.
        host: the address to listen on.
        port: the port; 0 is any.
        hosts: names that the server answers to, without port. On the loopback address these are
            its own names; beyond it they must be given.
        behind_tls: whether a proxy with TLS stands in front, so that cookies travel over TLS only.
        public_origin: scheme and host by which others reach the server, where the proxy puts
            another name into ``Host``; empty: it passes on the name that was asked for.
        progress: of loading.
        ready: told the address, and the token that lets the operator sign in to the console.

    Raises:
        Misconfigured: ``http.extra-missing``, ``http.hosts-unnamed``, ``http.tls-needed``,
            ``http.public-origin``.
        Unavailable: ``http.port``.
    """
    secure, authority, name = _public(public_origin)
    behind_tls = behind_tls or secure
    names = _names(host, (*hosts, name) if name else hosts, behind_tls=behind_tls)
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
        door = importlib.import_module(DOOR)
        token = secrets.token_urlsafe(24)
        app = door.create_app(
            workspace,
            hosts=names,
            console_token=token,
            behind_tls=behind_tls,
            authority=authority,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(app, log_level="warning", **door.server_options())
        server = _telling(config, lambda: ready(f"http://{_shown(host)}:{taken}", token))
        server.run(sockets=[listener])
    finally:
        listener.close()


@contextmanager
def background(workspace: Workspace) -> Iterator[tuple[str, int]]:
    """The server in a thread of this process, on a free port of this machine, while the block runs.

    Raises:
        Misconfigured: ``http.extra-missing``. Unavailable: ``http.port``.
    """
    door = importlib.import_module(DOOR)
    app = door.create_app(workspace, hosts=_LOOPBACK)
    import uvicorn

    listener = _listen("127.0.0.1", 0)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    answers = Event()
    config = uvicorn.Config(app, log_level="warning", **door.server_options())
    server = _telling(config, answers.set)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="kizuna-serve")
    thread.start()
    try:
        while thread.is_alive() and not answers.wait(0.1):
            pass
        yield "127.0.0.1", listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _names(host: str, hosts: tuple[str, ...], *, behind_tls: bool) -> tuple[str, ...]:
    """The names that the server answers to; beyond this machine there is no guessing them."""
    if host in _LOOPBACK:
        return (*_LOOPBACK, *hosts)
    if not hosts:
        raise Misconfigured(
            "http.hosts-unnamed",
            f"a server on {host} must know the names it is reached by",
            why="a page of another origin could otherwise read it under a name of its own",
            hint="name them: --allowed-host trust.example.jp",
            host=host,
        )
    if not behind_tls:
        raise Misconfigured(
            "http.tls-needed",
            f"a server on {host} would speak plain HTTP over the network",
            why="kizuna does not do TLS itself: what it answers could be read and changed on the "
            "way, the operator's session included",
            hint="put a reverse proxy with TLS in front and say so with --behind-tls, or listen on "
            "127.0.0.1",
            host=host,
        )
    return hosts


def _public(origin: str) -> tuple[bool, str, str]:
    """Whether an origin is reached over TLS, its host with port, and its host alone."""
    if not origin:
        return False, "", ""
    found = _ORIGIN.fullmatch(origin.lower())
    if found is None:
        raise Misconfigured(
            "http.public-origin",
            f"not an address by which a server is reached: {origin[:100]!r}",
            hint="write scheme and host, and nothing behind them: https://trust.example.jp",
            value=origin[:100],
        )
    scheme, host, port = found.groups()
    usual = ":443" if scheme == "https" else ":80"
    return scheme == "https", host + ("" if port in (None, usual) else port), host.strip("[]")


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
