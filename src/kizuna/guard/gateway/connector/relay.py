# SPDX-License-Identifier: Apache-2.0
"""A relay of TCP connections: accepts, lets somebody decide, connects onward, passes bytes.

Keeps: 1. Nothing reaches the far side before the near one is admitted. 2. Connections, handshakes,
idle time, life and waiting bytes are bounded; a slow reader slows its writer and costs no memory.
3. Whatever one connection does ends that connection at most.
Owner of mutable state: the event loop that runs ``serve``.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kizuna.guard.gateway.connector.limits import Limits
from kizuna.guard.gateway.connector.tls import reason_of
from kizuna.guard.gateway.connector.wire import Room, Wire, secured

__all__ = ["Context", "Place", "Refused", "Relay", "Session"]

_BACKLOG: Final = 128
Place = tuple[str, int]
Context = Callable[[], "ssl.SSLContext | None"]
"""Asked for every connection, so that keys and peers may change while it runs."""


class Refused(Exception):  # noqa: N818 - says what was done
    """Raised by whoever admits: the reason, by name."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True, eq=False)
class Session:
    """One admitted connection, near and far side."""

    peer: str
    """Who was admitted: an address, or the name of a key."""
    near: Wire
    far: Wire
    began: float
    until: int | None = None
    """When the certificate is over by which the peer was admitted, in seconds since 1970."""

    def close(self) -> None:
        """End both sides; what waits is dropped."""
        self.near.abort()
        self.far.abort()


class Relay:
    """Accepts at one place and passes on to another.

    Args:
        listen: host and port; port 0 takes a free one (``address`` tells which).
        to: where to.
        near: TLS for what comes in; None for none.
        far: TLS for what goes out; None for none.
        admit: given the peer's certificate (DER; of the near side, or where that has no TLS of
            the far one) and its address, names the peer or raises ``Refused``.
        refuse: told of every refusal: reason and peer.
        limits: the bounds.
    """

    def __init__(
        self,
        listen: Place,
        to: Place,
        *,
        near: Context = lambda: None,
        far: Context = lambda: None,
        admit: Callable[[bytes | None, str], str] = lambda _, address: address,
        refuse: Callable[[str, str], None] = lambda *_: None,
        limits: Limits | None = None,
    ) -> None:
        self._listen = listen
        self._to = to
        self._near = near
        self._far = far
        self._admit = admit
        self._refuse = refuse
        self._limits = limits or Limits()
        self._room = Room(self._limits.buffered)
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._addresses: Counter[str] = Counter()
        self.sessions: set[Session] = set()
        self.accepted = 0

    @property
    def address(self) -> Place:
        """Where it listens, once it does."""
        host, port = self._sockets[0].getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: where the place cannot be had.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(*self._listen, type=socket.SOCK_STREAM)
        family, kind, number, _, address = found[0]
        listening = socket.socket(family, kind, number)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
            listening.setblocking(False)  # noqa: FBT003 - the standard library's signature
        except OSError:
            listening.close()
            raise
        self._sockets.append(listening)
        self._keep(self._accept(listening))

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        for listening in self._sockets:
            listening.close()
        for session in list(self.sessions):
            session.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- inside --------------------------------------------------------------------------------

    def _keep(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listening)
            except OSError:
                if listening.fileno() < 0:
                    return
                await asyncio.sleep(0.1)  # out of descriptors: wait until some end
                continue
            host = str(address[0])
            self.accepted += 1
            full = self._addresses.total() >= self._limits.connections
            if full or self._addresses[host] >= self._limits.per_address:
                connection.close()
                self._refuse("too-many", host)
                continue
            connection.setblocking(False)  # noqa: FBT003
            self._addresses[host] += 1
            self._keep(self._serve(connection, host))

    async def _serve(self, connection: socket.socket, host: str) -> None:
        near: Wire | None = None
        far: Wire | None = None
        try:
            near = await self._greet(connection)
            if near.certificate() is not None or self._near() is not None:
                peer, until = self._admit(near.certificate(), host), near.certificate_ends()
                far = await self._reach()
            else:
                far = await self._reach()
                peer, until = self._admit(far.certificate(), host), far.certificate_ends()
            await self._pass(Session(peer, near, far, asyncio.get_running_loop().time(), until))
        except Refused as refused:
            self._refuse(refused.reason, host)
        except OSError:
            self._refuse("handshake-failed", host)
        finally:
            for wire in (near, far):
                if wire is not None:
                    wire.abort()
            connection.close()
            self._addresses[host] -= 1
            if not self._addresses[host]:
                del self._addresses[host]

    async def _greet(self, connection: socket.socket) -> Wire:
        return await self._made(connection, self._near(), server=True)

    async def _reach(self) -> Wire:
        try:
            async with asyncio.timeout(self._limits.handshake):
                connection = await _connected(self._to)
        except (OSError, TimeoutError) as fault:
            raise Refused("device-unreachable") from fault
        try:
            return await self._made(connection, self._far(), server=False)
        except BaseException:
            connection.close()
            raise

    async def _made(
        self, connection: socket.socket, context: ssl.SSLContext | None, *, server: bool
    ) -> Wire:
        if context is None:
            return Wire(connection, self._room)
        try:
            async with asyncio.timeout(self._limits.handshake):
                tls = await secured(connection, context, server=server)
        except ssl.SSLError as fault:
            raise Refused(reason_of(fault)) from fault
        except TimeoutError as fault:
            raise Refused("handshake-slow") from fault
        return Wire(connection, self._room, tls)

    async def _pass(self, session: Session) -> None:
        """Pass bytes until both sides ended, nothing moves, or the time is over."""
        loop = asyncio.get_running_loop()
        limits, near, far = self._limits, session.near, session.far
        self.sessions.add(session)
        try:
            near.join(far)
            while True:
                now = loop.time()
                left = min(
                    max(near.active, far.active) + limits.idle, session.began + limits.session
                )
                if left <= now:
                    return
                done, _ = await asyncio.wait(
                    (near.closed, far.closed),
                    timeout=left - now,
                    return_when=asyncio.ALL_COMPLETED,
                )
                if len(done) == 2:
                    return
        finally:
            self.sessions.discard(session)
            session.close()


async def _connected(to: Place) -> socket.socket:
    """A connection to the first address of a place that answers."""
    loop = asyncio.get_running_loop()
    fault: OSError = ConnectionRefusedError()
    for family, kind, number, _, address in await loop.getaddrinfo(*to, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, number)
        try:
            connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
            await loop.sock_connect(connection, address)
        except OSError as found:
            connection.close()
            fault = found
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise fault
