# SPDX-License-Identifier: Apache-2.0
"""The using end: a unit whose keys live in another process.

Keeps: 1. One connection, one call at a time, made anew after it broke. 2. A server that was
killed, also in the middle of a call, is ``unit.gone``; nothing waits for ever. 3. A socket served
by another user is not spoken to: whoever plants one gets no message to sign.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from kizuna.model.errors import Problem, Tampered
from kizuna.roots.keys import Algorithm, Check, PublicKey
from kizuna.roots.units.problems import checked_batch, checked_message, gone
from kizuna.roots.units.process.server import peer_of
from kizuna.roots.units.process.wire import (
    CALLS,
    Answer,
    Call,
    problem_of,
    receive,
    send,
    unwired,
    wired,
)
from kizuna.roots.units.unit import (
    Certification,
    Event,
    Handle,
    Protection,
    Purpose,
    Quote,
    Secret,
    Traits,
)

__all__ = ["ProcessUnit"]

_TIMEOUT: Final = 60.0
_ONE_FRAME: Final = 8 << 20
"""Bytes of messages in one call; a larger batch goes in several."""


class ProcessUnit:
    """A unit served by another process.

    Args:
        path: of its socket.
        timeout: seconds that one call may take.
        server: user id that may serve it; default: the own one (root always may).
    """

    def __init__(
        self, path: Path | str, *, timeout: float = _TIMEOUT, server: int | None = None
    ) -> None:
        self._path = Path(path)
        self._connection: socket.socket | None = None
        self._timeout = timeout
        self._servers = {0, os.getuid() if server is None else server}
        self._lock = threading.Lock()
        self._traits: Traits | None = None

    def __del__(self) -> None:
        self._drop()

    def __repr__(self) -> str:
        return f"<process unit {self._path}>"

    @property
    def traits(self) -> Traits:
        """A process of its own; the rest as its unit says."""
        if self._traits is None:
            said: Traits = self._call("traits")
            self._traits = replace(said, kind="process", protection=Protection.PROCESS)
        return self._traits

    # --- keys ---------------------------------------------------------------------------------

    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """Make a key pair there."""
        made: Handle = self._call("generate", algorithm, label, purpose)
        return made

    def generate_secret(self, label: str) -> Secret:
        """Make an AES key there."""
        made: Secret = self._call("generate_secret", label)
        return made

    def handles(self) -> list[Handle]:
        """The key pairs, oldest first."""
        found: list[Handle] = self._call("handles")
        return found

    def secrets(self) -> list[Secret]:
        """The AES keys, oldest first."""
        found: list[Secret] = self._call("secrets")
        return found

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key."""
        return unwired(self._call("public", handle))

    def destroy(self, key: Handle | Secret) -> None:
        """Forget a key."""
        self._call("destroy" if isinstance(key, Handle) else "destroy_secret", key)

    # --- work ---------------------------------------------------------------------------------

    def sign(self, handle: Handle, message: bytes) -> bytes:
        """The raw signature over ``message``."""
        return self.sign_many(handle, [message])[0]

    def sign_many(self, handle: Handle, messages: Sequence[bytes]) -> list[bytes]:
        """The signatures over many messages: the hop is paid once a batch."""
        checked_batch(messages)
        for message in messages:
            checked_message(message)
        signed: list[bytes] = []
        for some in _frames(messages, [len(message) for message in messages]):
            signed += self._call("sign_many", handle, some)
        return signed

    def verify(self, key: PublicKey, signature: bytes, message: bytes) -> bool:
        """Whether the signature holds."""
        return self.verify_many([(key, signature, message)])[0]

    def verify_many(self, checks: Sequence[Check]) -> list[bool]:
        """Whether each signature holds, worked out there."""
        checked_batch(checks)
        answers: list[bool] = []
        sizes = [len(message) + len(signature) + 200 for _, signature, message in checks]
        for some in _frames(checks, sizes):
            answers += self._call("verify_many", [(wired(k), s, m) for k, s, m in some])
        return answers

    def ecdh(self, handle: Handle, peer: PublicKey, info: bytes) -> bytes:
        """A secret shared with the peer, after HKDF there."""
        made: bytes = self._call("ecdh", handle, wired(peer), info)
        return made

    def encrypt(self, secret: Secret, plaintext: bytes, associated: bytes = b"") -> bytes:
        """AES-256-GCM there."""
        made: bytes = self._call("encrypt", secret, plaintext, associated)
        return made

    def decrypt(self, secret: Secret, box: bytes, associated: bytes = b"") -> bytes:
        """What was encrypted."""
        found: bytes = self._call("decrypt", secret, box, associated)
        return found

    def random(self, size: int) -> bytes:
        """Random bytes from there."""
        made: bytes = self._call("random", size)
        return made

    # --- registers ----------------------------------------------------------------------------

    def extend(self, register: int, digest: bytes, data: bytes = b"") -> None:
        """Move an imitated register on; it begins at zero with the server."""
        self._call("extend", register, digest, data)

    def registers(self) -> tuple[bytes, ...]:
        """Every register."""
        found: tuple[bytes, ...] = self._call("registers")
        return found

    def events(self) -> tuple[Event, ...]:
        """The event log since the server started."""
        found: tuple[Event, ...] = self._call("events")
        return found

    def seal(self, data: bytes, selection: Sequence[int]) -> bytes:
        """A box bound to the registers there."""
        made: bytes = self._call("seal", data, list(selection))
        return made

    def unseal(self, box: bytes) -> bytes:
        """What was sealed."""
        found: bytes = self._call("unseal", box)
        return found

    def quote(self, handle: Handle, nonce: bytes, selection: Sequence[int]) -> Quote:
        """The registers there, signed there: an imitation."""
        made: Quote = self._call("quote", handle, nonce, list(selection)).quote()
        return made

    def certify(self, handle: Handle, subject: Handle | PublicKey) -> Certification:
        """An attesting key's word on another key."""
        if isinstance(subject, Handle):
            said: Certification = self._call("certify_handle", handle, subject).certification()
        else:
            said = self._call("certify_key", handle, wired(subject)).certification()
        return said

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._drop()

    # --- inside -------------------------------------------------------------------------------

    def _call(self, name: str, *given: object) -> Any:  # noqa: ANN401 - by the table
        call = msgspec.msgpack.encode(Call(name, msgspec.Raw(msgspec.msgpack.encode(given))))
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                send(self._connection, call)
                frame = receive(self._connection)
            except (OSError, Problem) as fault:
                self._drop()
                if isinstance(fault, Tampered):
                    raise
                raise gone("process", str(fault)[:200] or type(fault).__name__) from fault
            if frame is None:
                self._drop()
                raise gone("process", "it ended the connection")
        try:
            answer = msgspec.msgpack.decode(frame, type=Answer)
            if answer.failure is None:
                return msgspec.msgpack.decode(answer.value, type=CALLS[name][1])
        except (msgspec.MsgspecError, UnicodeDecodeError) as fault:
            raise gone("process", "it answers in another language") from fault
        raise problem_of(answer.failure)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout)
            connection.connect(str(self._path))
            self._known(peer_of(connection).uid)
        except BaseException:
            connection.close()
            raise
        return connection

    def _known(self, user: int) -> None:
        if user not in self._servers:
            raise Tampered(
                "unit.server",
                f"the socket {self._path} is served by user {user}",
                why="somebody else put a server there",
                hint="keep the socket in a folder that only its owner writes",
                path=str(self._path),
                user=user,
            )

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _frames(items: Sequence[Any], sizes: Sequence[int]) -> Iterator[list[Any]]:
    """The items in runs that fit a frame each."""
    run: list[Any] = []
    held = 0
    for item, size in zip(items, sizes, strict=True):
        if run and held + size > _ONE_FRAME:
            yield run
            run, held = [], 0
        run.append(item)
        held += size
    if run:
        yield run
