# SPDX-License-Identifier: Apache-2.0
"""A relay of TCP connections: accepts, lets somebody decide, connects onward, passes bytes.

Keeps: 1. Nothing reaches the far side before the near one is admitted. 2. Connections, handshakes,
idle time, life and waiting bytes are bounded; a slow reader slows its writer and costs no memory.
3. Whatever one connection does ends that connection at most.
Owner of mutable state: the event loop that runs ``serve``.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kizuna.guard.gateway.connector.limits import Limits

__all__ = ["Context", "Place", "Refused", "Relay", "Session"]

_BACKLOG: Final = 128
_PLAIN_REASONS: Final = frozenset(
    {"HTTP_REQUEST", "WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"}
)
_PEER_REASONS: Final = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
    }
)

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
    near: _Half
    far: _Half
    began: float

    def close(self) -> None:
        """End both sides; what waits is dropped."""
        self.near.abort()
        self.far.abort()


class _Half(asyncio.Protocol):
    """One side of a connection: what comes in here goes out there."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        self._limit = limit
        self._loop = loop
        self.transport: asyncio.Transport | None = None
        self.other: _Half | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self.active = loop.time()
        self.ended = False
        """Whether this side said all it had to say."""
        self._early: list[bytes] = []
        self._waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own contract
        self.transport = transport
        transport.set_write_buffer_limits(high=self._limit)

    def data_received(self, data: bytes) -> None:
        self.active = self._loop.time()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
            return
        self._early.append(data)  # not admitted yet: kept, bounded, passed on later or dropped
        self._waiting += len(data)
        if self._waiting >= self._limit and self.transport is not None:
            self.transport.pause_reading()

    def join(self, other: _Half) -> None:
        """Pass on from now on."""
        self.other = other
        if other.transport is not None:
            for data in self._early:
                other.transport.write(data)
        held, self._early, self._waiting = self._waiting, [], 0
        if held >= self._limit and self.transport is not None:
            self.transport.resume_reading()
        if other.transport is not None:
            if self.closed.done():
                other.transport.close()
            elif self.ended and other.transport.can_write_eof():
                other.transport.write_eof()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        here = self.transport
        there = None if self.other is None else self.other.transport
        if here is not None and self.other is None and here.can_write_eof():
            self.ended = True  # not admitted yet: passed on later
            return True
        if here is None or there is None or not (here.can_write_eof() and there.can_write_eof()):
            return False  # TLS knows no half-closed connection: the end of one side is the end
        self.ended = True
        there.write_eof()
        # the other direction may still have something to say
        return self.other is not None and not self.other.ended

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - either way it ended
        if not self.closed.done():
            self.closed.set_result(None)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


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
        near: _Half | None = None
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            near = await self._greet(connection)
            if self._near() is not None:
                peer = self._admit(_certificate(near), host)
                far = await self._reach()
            else:
                far = await self._reach()
                try:
                    peer = self._admit(_certificate(far), host)
                except Refused:
                    far.abort()
                    raise
            await self._pass(Session(peer, near, far, asyncio.get_running_loop().time()))
        except Refused as refused:
            self._refuse(refused.reason, host)
        except OSError:
            self._refuse("handshake-failed", host)
        finally:
            if near is not None:
                near.abort()
            connection.close()
            self._addresses[host] -= 1
            if not self._addresses[host]:
                del self._addresses[host]

    async def _greet(self, connection: socket.socket) -> _Half:
        loop = asyncio.get_running_loop()
        context = self._near()
        timing = {} if context is None else {"ssl_handshake_timeout": self._limits.handshake}
        try:
            _, half = await loop.connect_accepted_socket(
                lambda: _Half(self._limits.buffered, loop), connection, ssl=context, **timing
            )
        except ssl.SSLError as fault:
            raise Refused(_reason(fault)) from fault
        except ConnectionAbortedError as fault:
            raise Refused("handshake-slow") from fault
        return half

    async def _reach(self) -> _Half:
        loop = asyncio.get_running_loop()
        context = self._far()
        timing: dict[str, Any] = {}
        if context is not None:
            timing = {
                "server_hostname": "",
                "ssl_handshake_timeout": self._limits.handshake,
            }
        try:
            async with asyncio.timeout(2 * self._limits.handshake):
                transport, half = await loop.create_connection(
                    lambda: _Half(self._limits.buffered, loop), *self._to, ssl=context, **timing
                )
        except ssl.SSLError as fault:
            raise Refused(_reason(fault)) from fault
        except (OSError, TimeoutError) as fault:
            raise Refused("device-unreachable") from fault
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return half

    async def _pass(self, session: Session) -> None:
        """Pass bytes until one side ends, nothing moves, or the time is over."""
        loop = asyncio.get_running_loop()
        limits, near, far = self._limits, session.near, session.far
        self.sessions.add(session)
        try:
            near.join(far)
            far.join(near)
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


def _certificate(half: _Half) -> bytes | None:
    tls = None if half.transport is None else half.transport.get_extra_info("ssl_object")
    return None if tls is None else tls.getpeercert(binary_form=True)


def _reason(fault: ssl.SSLError) -> str:
    reason = (fault.reason or "").replace(" ", "_").upper()
    if reason in _PLAIN_REASONS:
        return "not-tls"
    if reason in _PEER_REASONS or isinstance(fault, ssl.SSLCertVerificationError):
        return "unknown-peer"
    return "handshake-failed"
