# SPDX-License-Identifier: Apache-2.0
"""Checking signatures beside the writing: on threads, and in bulk by helper processes, which read
the statements too.

Threads let go of the interpreter lock for each signature and must win it back for the next, from a
writer that rarely lets go; in bulk that halves the rate. Helper processes have no such lock to
share. They are started once so many signatures came that their start pays, and they end with the
pipe that feeds them: when this process ends, however it ends, so do they.

Keeps: 1. The answer is the same either way: both run ``roots.keys.verify``. 2. A helper that fails
is given up and its part is checked here: never skipped, never assumed. 3. A helper is given
statements as they arrived, public keys, signatures and messages, and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec

from kizuna.record.store.examining import Examined, Examiner
from kizuna.record.store.pipes import receive, send, widen
from kizuna.roots.keys import Algorithm, Check, PublicKey, verify, verify_many

__all__ = ["Checkers", "serve"]

_PAYS_FROM: Final = 4096
"""Signatures after which helpers are started."""

_SMALL: Final = 64
"""Fewer than these are checked here: asking would take longer."""

_MOST_KEYS: Final = 65_536
_PROGRAM: Final = "from kizuna.record.store.checking import serve; serve()"

_CHECK: Final = b"c"
_EXAMINE: Final = b"e"

T = TypeVar("T")
A = TypeVar("A")

_Wire = list[tuple[int, bytes, bytes, bytes]]
_Seen = list[Examined | None]


class Checkers:
    """Checks signatures in the background, in the order asked.

    Args:
        threads: how many threads, or helper processes, work at once.
        helpers: whether helper processes may be started.
    """

    def __init__(self, threads: int, *, helpers: bool) -> None:
        self._threads = threads
        self._helpers = helpers and threads > 1
        self._seen = 0
        self._running: list[subprocess.Popen[bytes]] = []
        self._queue = ThreadPoolExecutor(1, "signatures")
        self._pipes = ThreadPoolExecutor(threads, "signature-pipes")

    def submit(self, checks: Sequence[Check]) -> Future[list[bool]]:
        """Have signatures checked; the answers come in the order of the checks."""
        if not checks:  # nothing to wait for behind what is being looked at
            nothing: Future[list[bool]] = Future()
            nothing.set_result([])
            return nothing
        return self._queue.submit(self._check, checks)

    def examine(self, statements: Sequence[bytes]) -> Future[list[Examined | None]]:
        """Have statements looked at, where helpers run and it pays; else all stay open."""
        return self._queue.submit(self._examine, statements)

    def close(self) -> None:
        """End helpers and threads."""
        self._queue.shutdown()
        self._pipes.shutdown()
        self._stop()

    def _check(self, checks: Sequence[Check]) -> list[bool]:
        if not self._pays(len(checks)):
            return verify_many(checks, self._threads)
        answers: list[bool] = []
        failed = False
        for part, answer in self._shared(checks, _ask):
            failed = failed or answer is None
            answers += verify_many(part, self._threads) if answer is None else answer
        if failed:
            self._give_up()
        return answers

    def _examine(self, statements: Sequence[bytes]) -> list[Examined | None]:
        if not self._pays(len(statements)):
            return [None] * len(statements)
        seen: list[Examined | None] = []
        failed = False
        for part, answer in self._shared(statements, _show):
            failed = failed or answer is None
            seen += [None] * len(part) if answer is None else answer
        if failed:
            self._give_up()
        return seen

    def _pays(self, count: int) -> bool:
        """Whether helpers run by now and this many are worth asking for."""
        self._seen += count
        if self._helpers and not self._running and self._seen >= _PAYS_FROM:
            self._start()
        return bool(self._running) and count >= _SMALL

    def _shared(
        self,
        items: Sequence[T],
        ask: Callable[[subprocess.Popen[bytes], Sequence[T]], list[A] | None],
    ) -> list[tuple[Sequence[T], list[A] | None]]:
        """Each part of the items, with what a helper made of it; none where it failed."""
        share = -(-len(items) // len(self._running))
        parts = [items[at : at + share] for at in range(0, len(items), share)]
        asked = [
            self._pipes.submit(ask, helper, part)
            for helper, part in zip(self._running, parts, strict=False)
        ]
        return [(part, future.result()) for part, future in zip(parts, asked, strict=True)]

    def _give_up(self) -> None:
        self._stop()
        self._helpers = False

    def _start(self) -> None:
        try:
            self._running = [
                subprocess.Popen(  # noqa: S603 - our own program, no input of others
                    [sys.executable, "-P", "-c", _PROGRAM],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # an interrupt at the terminal is for the writer
                )
                for _ in range(self._threads)
            ]
        except OSError:
            self._helpers = False
        for helper in self._running:
            for pipe in (helper.stdin, helper.stdout):
                if pipe is not None:
                    widen(pipe)

    def _stop(self) -> None:
        for helper in self._running:
            for pipe in (helper.stdin, helper.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:
                        continue
            helper.kill()
            helper.wait()
        self._running = []


def _ask(helper: subprocess.Popen[bytes], checks: Sequence[Check]) -> list[bool] | None:
    """A helper's answers; none where it failed."""
    wire: _Wire = [
        (key.algorithm.value, key.cose_key, signature, message)
        for key, signature, message in checks
    ]
    answer = _exchange(helper, _CHECK + msgspec.msgpack.encode(wire))
    if answer is None or len(answer) != len(checks):
        return None
    return [byte == 1 for byte in answer]


def _show(
    helper: subprocess.Popen[bytes], statements: Sequence[bytes]
) -> list[Examined | None] | None:
    """What a helper saw in statements; none where it failed."""
    answer = _exchange(helper, _EXAMINE + msgspec.msgpack.encode(statements))
    if answer is None:
        return None
    try:
        seen = msgspec.msgpack.decode(answer, type=_Seen)
    except msgspec.DecodeError:
        return None
    return seen if len(seen) == len(statements) else None


def _exchange(helper: subprocess.Popen[bytes], question: bytes) -> bytes | None:
    if helper.stdin is None or helper.stdout is None:
        return None
    try:
        send(helper.stdin, question)
        return receive(helper.stdout)
    except OSError:
        return None


def serve() -> None:
    """What a helper does: answer on standard output until standard input ends."""
    checker, examiner = _Checker(), Examiner()
    statements = msgspec.msgpack.Decoder(list[bytes])
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (data := receive(source)) is not None:
        if data[:1] == _EXAMINE:
            seen = [examiner.examine(raw) for raw in statements.decode(data[1:])]
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
