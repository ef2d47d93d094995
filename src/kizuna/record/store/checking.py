# SPDX-License-Identifier: Apache-2.0
"""Checking signatures beside the writing: on threads, and in bulk by helper processes, which read
the statements too.

Threads let go of the interpreter lock for each signature and must win it back for the next, from a
writer that rarely lets go; in bulk that halves the rate. Helper processes have no such lock to
share. They are started once so many signatures came that their start pays, and they end with the
pipe that feeds them: when this process ends, however it ends, so do they.

Keeps: 1. The answer is the same either way: both run ``roots.keys.verify``. 2. A helper that fails
or falls silent is given up and its part is checked here: never skipped, never assumed; helpers that
fail again and again are not started any more. 3. A helper is given
statements as they arrived, public keys, signatures and messages, and nothing else.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import msgspec

from kizuna.record.store.examining import Examined, Examiner
from kizuna.record.store.pipes import Line, receive, send
from kizuna.roots.keys import Algorithm, Check, PublicKey, verify, verify_many

__all__ = ["Checkers", "Looked", "serve"]

_PAYS_FROM: Final = 4096
"""Signatures after which helpers are started."""

_SMALL: Final = 64
"""Fewer than these are checked here: asking would take longer."""

_PIECE: Final = 512
"""Most that one question to a helper holds: the next is in the pipe before this is answered."""

_STARTS: Final = 3
"""How often helpers are started, where they failed."""

_MOST_KEYS: Final = 65_536
_PROGRAM: Final = "from kizuna.record.store.checking import serve; serve()"

_log = logging.getLogger("kizuna.store")

_CHECK: Final = b"c"
_EXAMINE: Final = b"e"

_Wire = list[tuple[int, bytes, bytes, bytes]]
_Seen = list[Examined | None]


class Looked:
    """What helpers see in statements: there once all of them have answered."""

    def __init__(
        self, parts: Sequence[tuple[int, Future[bytes | None] | None]], failed: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._failed = failed

    def done(self) -> bool:
        """Whether ``result`` answers at once."""
        return all(answer is None or answer.done() for _, answer in self._parts)

    def result(self, timeout: float | None = None) -> list[Examined | None]:
        """What was seen in each statement, in order; none where the writer must look itself."""
        seen: list[Examined | None] = []
        failed = False
        for count, answer in self._parts:
            found = None if answer is None else _seen(answer.result(timeout), count)
            failed = failed or (answer is not None and found is None)
            seen += [None] * count if found is None else found
        if failed:
            self._failed()
        return seen


class Checkers:
    """Checks signatures in the background, in the order asked.

    Args:
        threads: how many threads, or helper processes, work at once.
        helpers: whether helper processes may be started.
    """

    def __init__(self, threads: int, *, helpers: bool) -> None:
        self._threads = threads
        self._helpers = helpers and threads > 1
        self._counted = 0
        self._failures = 0
        self._running: list[Line] = []
        self._turn = 0
        self._guard = threading.Lock()
        self._queue = ThreadPoolExecutor(1, "signatures")

    def submit(self, checks: Sequence[Check]) -> Future[list[bool]]:
        """Have signatures checked; the answers come in the order of the checks."""
        if not checks:  # nothing to wait for behind what is being looked at
            nothing: Future[list[bool]] = Future()
            nothing.set_result([])
            return nothing
        return self._queue.submit(self._check, checks)

    def examine(self, statements: Sequence[bytes]) -> Looked:
        """Have statements looked at, where helpers run and it pays; else all stay open."""
        parts: list[tuple[int, Future[bytes | None] | None]] = []
        with self._guard:
            lines = self._lines(len(statements))
            if not lines:
                parts.append((len(statements), None))
            else:
                for at in range(0, len(statements), _PIECE):
                    piece = statements[at : at + _PIECE]
                    question = _EXAMINE + msgspec.msgpack.encode(piece)
                    parts.append((len(piece), self._next(lines).ask(question)))
        return Looked(parts, self._give_up)

    def close(self) -> None:
        """End helpers and threads."""
        self._queue.shutdown()
        self._stop()

    def _check(self, checks: Sequence[Check]) -> list[bool]:
        with self._guard:
            lines = self._lines(len(checks))
            asked = [
                (piece, self._next(lines).ask(_CHECK + _wire(piece)))
                for piece in (checks[at : at + _PIECE] for at in range(0, len(checks), _PIECE))
                if lines
            ]
        if not lines:
            return verify_many(checks, self._threads)
        answers: list[bool] = []
        failed = False
        for piece, future in asked:
            answer = future.result()
            if answer is None or len(answer) != len(piece):
                failed = True
                answers += verify_many(piece, self._threads)
            else:
                answers += [byte == 1 for byte in answer]
        if failed:
            self._give_up()
        return answers

    def _lines(self, count: int) -> list[Line]:
        """The helpers, where they run by now and this many are worth asking for."""
        self._counted += count
        if self._helpers and not self._running and self._counted >= _PAYS_FROM:
            try:
                self._running = [
                    Line([sys.executable, "-P", "-c", _PROGRAM]) for _ in range(self._threads)
                ]
            except OSError:
                self._helpers = False
        return self._running if count >= _SMALL else []

    def _next(self, lines: Sequence[Line]) -> Line:
        self._turn += 1
        return lines[self._turn % len(lines)]

    def _give_up(self) -> None:
        """End the helpers that run; others are started once it pays again, and not for ever."""
        if not self._stop():
            return  # somebody else noticed first
        with self._guard:
            self._counted = 0
            self._failures += 1
            self._helpers = self._failures < _STARTS
            again = self._helpers
        _log.warning(
            "a helper process failed; its work is done here%s",
            "" if again else " from now on: helpers failed too often",
        )

    def _stop(self) -> bool:
        """End what runs; False where nothing did."""
        with self._guard:
            running, self._running = self._running, []
        for line in running:
            line.close()
        return bool(running)


def _wire(checks: Sequence[Check]) -> bytes:
    wire: _Wire = [
        (key.algorithm.value, key.cose_key, signature, message)
        for key, signature, message in checks
    ]
    return msgspec.msgpack.encode(wire)


def _seen(answer: bytes | None, count: int) -> list[Examined | None] | None:
    """A helper's answer about so many statements; none where it failed."""
    if answer is None:
        return None
    try:
        seen = _ANSWERS.decode(answer)
    except msgspec.DecodeError:
        return None
    return seen if len(seen) == count else None


_ANSWERS: Final = msgspec.msgpack.Decoder(_Seen)


def serve() -> None:
    """What a helper does: answer on standard output until standard input ends."""
    checker, examiner = _Checker(), Examiner()
    statements = msgspec.msgpack.Decoder(list[bytes])
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (data := receive(source)) is not None:
        if data[:1] == _EXAMINE:
            seen = examiner.examine_all(statements.decode(data[1:]))
            send(sink, msgspec.msgpack.encode(seen))
        else:
            send(sink, checker.check(data[1:]))


class _Checker:
    """Checks signatures with keys that come along; owned by one helper process."""

    def __init__(self) -> None:
        self._keys: dict[tuple[int, bytes], PublicKey] = {}
        self._decoder = msgspec.msgpack.Decoder(_Wire)

    def check(self, data: bytes) -> bytes:
        keys = self._keys
        if len(keys) > _MOST_KEYS:
            keys.clear()
        answers = bytearray()
        for algorithm, cose_key, signature, message in self._decoder.decode(data):
            key = keys.get((algorithm, cose_key))
            if key is None:
                key = keys[algorithm, cose_key] = PublicKey(Algorithm(algorithm), cose_key)
            answers.append(verify(key, signature, message))
        return bytes(answers)
