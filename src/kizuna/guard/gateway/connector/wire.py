# SPDX-License-Identifier: Apache-2.0
"""One side of a connection, and its joining to the other: what comes in here goes out there.

Keeps: 1. A slow reader stops the reading of its writer: at most one read's worth of bytes waits for
it, whatever is offered. 2. Bytes are taken into buffers that all connections of a loop share: one
that is silent holds none. 3. TLS that fails, or ends without saying so, ends both sides; nothing
that was not authentic is passed on. 4. A side that said all it had to say may still hear.
Owner of the mutable state: one event loop; everything between two reads happens in one step.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Room", "Tls", "Wire", "secured"]

_RECORD: Final = 16_384 + 256 + 5
_HANDSHAKE: Final = 16_384
_KEEPALIVE: Final = (
    (socket.SO_KEEPALIVE, socket.SOL_SOCKET, 1),
    (socket.TCP_KEEPIDLE, socket.IPPROTO_TCP, 30),
    (socket.TCP_KEEPINTVL, socket.IPPROTO_TCP, 10),
    (socket.TCP_KEEPCNT, socket.IPPROTO_TCP, 3),
    (socket.TCP_USER_TIMEOUT, socket.IPPROTO_TCP, 60_000),
    (socket.TCP_NODELAY, socket.IPPROTO_TCP, 1),
)
"""A peer that vanished without a word is noticed after a minute, not when it is next written to."""


class Room:
    """The buffers that all wires of one loop take turns in."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.coming = memoryview(bytearray(size))
        # what was held back of an unfinished record comes out with the next read
        self.clear = memoryview(bytearray(size + 2 * _RECORD))


class Tls:
    """TLS over bytes: a connection's state with what it was given and what it wants to send."""

    __slots__ = ("coming", "going", "state")

    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self.coming = ssl.MemoryBIO()
        self.going = ssl.MemoryBIO()
        self.state = context.wrap_bio(self.coming, self.going, server_side=server)


async def secured(connection: socket.socket, context: ssl.SSLContext, *, server: bool) -> Tls:
    """Shake hands over a socket that blocks nobody.

    Raises:
        ssl.SSLError: where the two do not agree. OSError: where the peer went away.
    """
    loop = asyncio.get_running_loop()
    tls = Tls(context, server=server)
    while True:
        done = True
        try:
            tls.state.do_handshake()
        except ssl.SSLWantReadError:
            done = False
        except ssl.SSLError:
            alert = tls.going.read()
            if alert:  # the peer learns why, where it listens
                await loop.sock_sendall(connection, alert)
            raise
        told = tls.going.read()
        if told:
            await loop.sock_sendall(connection, told)
        if done:
            return tls
        heard = await loop.sock_recv(connection, _HANDSHAKE)
        if not heard:
            raise ConnectionResetError
        tls.coming.write(heard)


class Wire:
    """One side of a connection.

    Args:
        connection: a connected socket.
        room: the loop's buffers.
        tls: where this side is secured.
    """

    def __init__(self, connection: socket.socket, room: Room, tls: Tls | None = None) -> None:
        self._socket = connection
        self._room = room
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._other: Wire | None = None
        self._waiting: deque[memoryview] = deque()
        self._holders: set[Wire] = set()
        self._ending = self._shut = False
        self.heard_all = False
        """Whether the peer said all that it had to say."""
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.active = self._loop.time()
        """When something last came in, by the loop's clock."""
        for option, level, value in _KEEPALIVE:
            connection.setsockopt(level, option, value)

    @property
    def waiting(self) -> int:
        """Bytes that this side did not take yet."""
        return sum(map(len, self._waiting))

    def certificate(self) -> bytes | None:
        """The peer's certificate (DER); None without TLS."""
        return None if self._tls is None else self._tls.state.getpeercert(binary_form=True)

    def certificate_ends(self) -> int | None:
        """When the peer's certificate is over, in seconds since 1970; None without TLS."""
        shown = None if self._tls is None else self._tls.state.getpeercert()
        ends = shown.get("notAfter") if shown else None
        return int(ssl.cert_time_to_seconds(ends)) if isinstance(ends, str) else None

    def join(self, other: Wire) -> None:
        """Pass on to each other from now on."""
        self.meet(other)
        other.meet(self)
        self.listen()
        other.listen()

    def meet(self, other: Wire) -> None:
        """Know where to pass on to."""
        self._other = other
        self.active = self._loop.time()
        self._loop.add_reader(self._socket, self._readable)

    def listen(self) -> None:
        """Pass on what came right after the handshake, together with its end."""
        if self._tls is not None and not self.closed.done():
            self._guarded(self._decipher)

    def abort(self) -> None:
        """End this side now; what waits is dropped."""
        if self.closed.done():
            return
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._waiting.clear()
        with contextlib.suppress(OSError):
            # what lies unread would make the system say "reset" where "closed" is meant
            self._socket.recv_into(self._room.coming)
        self._socket.close()
        self.closed.set_result(None)

    # --- coming in ----------------------------------------------------------------------------

    def _readable(self) -> None:
        self._guarded(self._read)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ValueError):  # ssl.SSLError is an OSError; a closed socket a ValueError
            self._lost()

    def _read(self) -> None:
        room = self._room
        size = self._socket.recv_into(room.coming)
        self.active = self._loop.time()
        if self._tls is None:
            if size:
                self._pass_on(room.coming[:size])
            else:
                self._hears_no_more()
        elif size:
            self._tls.coming.write(room.coming[:size])
            self._decipher()
        else:
            self._tls.coming.write_eof()
            self._decipher()

    def _decipher(self) -> None:
        tls, clear, at, over = self._tls, self._room.clear, 0, False
        assert tls is not None  # noqa: S101 - the callers asked
        read = tls.state.read
        try:
            while at < len(clear):
                got = read(len(clear) - at, clear[at:])
                if not got:
                    over = True
                    break
                at += got  # type: ignore[operator]
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # as the library says it where we had ended, too
            over = True
        if at:
            self._pass_on(clear[:at])
        if tls.going.pending:  # keys are changed, or an alert answered
            self._give(tls.going.read())
        if over:
            self._hears_no_more()

    def _pass_on(self, data: memoryview) -> None:
        if self._other is not None:
            self._other.send(data)

    def _hears_no_more(self) -> None:
        if self.heard_all or self.closed.done():
            return
        self.heard_all = True
        self._loop.remove_reader(self._socket)
        if self._other is not None:
            self._other.end()
        self._close_if_over()

    def _lost(self) -> None:
        """This side is gone: the other gets what it is still owed, and no good-bye."""
        self.abort()
        if self._other is not None and not self._other.closed.done():
            self._other.leave()

    def hold(self, holder: Wire) -> None:
        """Do not read while ``holder`` has bytes waiting."""
        if not self._holders and not self.closed.done():
            self._loop.remove_reader(self._socket)
        self._holders.add(holder)

    def release(self, holder: Wire) -> None:
        """Read again, if nobody else holds it."""
        self._holders.discard(holder)
        if not self._holders and not self.heard_all and not self.closed.done():
            self._loop.add_reader(self._socket, self._readable)

    # --- going out ----------------------------------------------------------------------------

    def send(self, data: memoryview) -> None:
        """Pass bytes to the peer; what it does not take now waits."""
        if self._ending or self.closed.done():
            return
        if self._tls is None:
            self._give(data)
            return
        write = self._tls.state.write
        try:
            while data:
                data = data[write(data) :]
        except ssl.SSLError:
            self._lost()
            return
        self._give(self._tls.going.read())

    def _give(self, data: memoryview | bytes) -> None:
        if self.closed.done():
            return
        sent = 0
        if not self._waiting:
            try:
                sent = self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                self._lost()
                return
        if sent == len(data):
            return
        if not self._waiting:
            self._loop.add_writer(self._socket, self._writable)
        # bytes stay as they are, the room's are taken over by the next read
        kept = data if isinstance(data, bytes) else bytes(data[sent:])
        self._waiting.append(memoryview(kept)[sent if kept is data else 0 :])
        if self._other is not None:
            self._other.hold(self)
        if len(self._waiting) > 2:
            self.hold(self)  # a peer that makes us answer and does not read

    def _writable(self) -> None:
        try:
            while self._waiting:
                first = self._waiting[0]
                sent = self._socket.send(first)
                if sent < len(first):
                    self._waiting[0] = first[sent:]
                    return
                self._waiting.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._lost()
            return
        self._loop.remove_writer(self._socket)
        if self._ending:
            self._say_good_bye()
        if self._other is not None:
            self._other.release(self)
        self.release(self)

    def end(self) -> None:
        """Nothing more will be sent; the peer is told once it took what waits."""
        self._ending = True
        if not self._waiting:
            self._say_good_bye()

    def leave(self) -> None:
        """Close once the peer took what waits; it is told of no good end, for there was none."""
        self.heard_all = True
        self._loop.remove_reader(self._socket)
        self._ending = True
        if not self._waiting:
            self.abort()

    def _say_good_bye(self) -> None:
        if self.closed.done() or self._shut:
            return
        other_is_lost = self._other is None or (
            self._other.closed.done() and not self._other.heard_all
        )
        if other_is_lost:
            self.abort()
            return
        self._shut = True
        try:
            if self._tls is not None:
                with contextlib.suppress(ssl.SSLError):
                    self._tls.state.unwrap()  # the peer's own end need not be there yet
                self._socket.send(self._tls.going.read())
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._lost()
            return
        self._close_if_over()

    def _close_if_over(self) -> None:
        if self._shut and self.heard_all:
            self.abort()
