# SPDX-License-Identifier: Apache-2.0
"""The serving end: one unit, many callers of one machine.

Keeps: 1. The socket is readable and writable by its owner alone, and who connects is asked for by
the kernel (SO_PEERCRED), never by the caller's word: another user is turned away unheard. 2. Every
connection has its own thread; connections are bounded, a frame that stops half way is given up.
3. A bad frame ends its connection, a bad call answers with a problem; the server stays up. 4. Whom
a unit serves how is decided per caller by ``unit_for``: there a gate stands.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from kizuna.model.errors import Malformed, Misconfigured, Problem, Unavailable
from kizuna.roots.units.process.wire import (
    CALLS,
    Answer,
    Call,
    Failure,
    WireCertification,
    WireQuote,
    receive,
    send,
    unwired,
    wired,
)
from kizuna.roots.units.unit import Unit

__all__ = ["Peer", "UnitServer", "peer_of"]

_CALLERS: Final = 64
_HALF_FRAME: Final = 30.0
_NOTHING: Final = msgspec.Raw(msgspec.msgpack.encode(None))


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says."""

    pid: int
    uid: int
    gid: int


class UnitServer:
    """Serves a unit at a Unix socket.

    Args:
        path: of the socket; a dead one is taken over, a living one is not.
        unit_for: the unit as this caller may use it.
        users: user ids that are heard; default: the own one.

    Raises:
        Misconfigured: ``unit.socket`` where the path is taken or cannot be used.
    """

    def __init__(
        self,
        path: Path | str,
        unit_for: Callable[[Peer], Unit],
        users: frozenset[int] | None = None,
    ) -> None:
        self._path = Path(path)
        self._unit_for = unit_for
        self._users = users if users is not None else frozenset({os.getuid()})
        self._places = threading.BoundedSemaphore(_CALLERS)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._socket = self._bind()

    def serve(self) -> None:
        """Take callers until ``close``."""
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                continue  # closed, or out of descriptors for a moment
            if peer_of(connection).uid not in self._users:
                connection.close()
                continue
            if not self._places.acquire(blocking=False):
                self._turn_away(connection)
                continue
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Stop, and take the socket away."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._path.unlink(missing_ok=True)
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection:
                peer = peer_of(connection)
                unit = self._unit_for(peer)
                while True:
                    connection.settimeout(None)
                    if not connection.recv(1, socket.MSG_PEEK):
                        return
                    connection.settimeout(_HALF_FRAME)
                    frame = receive(connection)
                    if frame is None:
                        return
                    send(connection, msgspec.msgpack.encode(_answer(unit, frame)))
        except (OSError, Problem):
            return  # the caller went away, or does not speak our language
        finally:
            with self._lock:
                self._open.discard(connection)
            self._places.release()

    def _turn_away(self, connection: socket.socket) -> None:
        busy = Unavailable(
            "unit.busy",
            f"{_CALLERS} callers are at the process unit already",
            why="each holds a connection",
            hint="close one, or try again",
            kind="process",
            limit=_CALLERS,
        )
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1)
            send(connection, msgspec.msgpack.encode(Answer(_NOTHING, Failure.of(busy))))

    def _bind(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            self._clear()
            server.bind(str(self._path))
            server.listen(_CALLERS)
        except OSError as fault:
            server.close()
            raise Misconfigured(
                "unit.socket",
                f"no socket can be made at {self._path}",
                why=fault.strerror or str(fault),
                hint="choose another path, in a folder that only its owner writes",
                path=str(self._path),
            ) from fault
        finally:
            os.umask(before)
        return server

    def _clear(self) -> None:
        """Remove a socket that nobody serves any more."""
        try:
            if not stat.S_ISSOCK(self._path.stat().st_mode):
                raise OSError(17, "another file is there")
        except FileNotFoundError:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink()
                return
        raise OSError(98, "a unit is served there already")


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end of a Unix socket."""
    size = struct.calcsize("3i")
    return Peer(
        *struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    )


def _answer(unit: Unit, frame: bytes) -> Answer:
    """What comes of one call; whatever goes wrong is part of the answer."""
    try:
        call = msgspec.msgpack.decode(frame, type=Call)
        given = msgspec.msgpack.decode(call.given, type=CALLS[call.name][0])
        value = _do(unit, call.name, given)
        return Answer(msgspec.Raw(msgspec.msgpack.encode(value)))
    except Problem as problem:
        return Answer(_NOTHING, Failure.of(problem))
    except (msgspec.MsgspecError, KeyError, UnicodeDecodeError, ValueError, TypeError) as fault:
        unknown = Malformed(
            "unit.call",
            "not a call that this unit knows",
            why=type(fault).__name__,
            hint="speak to it with the same version of kizuna",
        )
        return Answer(_NOTHING, Failure.of(unknown))


def _do(unit: Unit, name: str, given: tuple[Any, ...]) -> Any:  # noqa: ANN401 - by the table
    if name == "traits":
        return unit.traits
    if name == "public":
        return wired(unit.public(*given))
    if name == "destroy_secret":
        return unit.destroy(*given)
    if name == "verify_many":
        return unit.verify_many([(unwired(key), s, m) for key, s, m in given[0]])
    if name == "ecdh":
        return unit.ecdh(given[0], unwired(given[1]), given[2])
    if name == "quote":
        return WireQuote.of(unit.quote(*given))
    if name == "certify_handle":
        return WireCertification.of(unit.certify(*given))
    if name == "certify_key":
        return WireCertification.of(unit.certify(given[0], unwired(given[1])))
    return getattr(unit, name)(*given)
