# SPDX-License-Identifier: Apache-2.0
"""Checking signatures beside the writing: on threads, and in bulk by helper processes.

Threads let go of the interpreter lock for each signature and must win it back for the next, from a
writer that rarely lets go; in bulk that halves the rate. Helper processes have no such lock to
share. They are started once so many signatures came that their start pays, and they end with the
pipe that feeds them: when this process ends, however it ends, so do they.

Keeps: 1. The answer is the same either way: both run ``roots.keys.verify``. 2. A helper that fails
is given up and its part is checked here: never skipped, never assumed. 3. A helper is given public
keys, signatures and messages, and nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Final

import msgspec

from kizuna.roots.keys import Algorithm, Check, PublicKey, verify, verify_many

__all__ = ["Checkers", "serve"]

_PAYS_FROM: Final = 4096
"""Signatures after which helpers are started."""

_SMALL: Final = 64
"""Fewer than these are checked here: asking would take longer."""

_PREFIX: Final = 4
_MOST_KEYS: Final = 65_536
_PROGRAM: Final = "from kizuna.record.store.checking import serve; serve()"

_Wire = list[tuple[int, bytes, bytes, bytes]]


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
        return self._queue.submit(self._check, checks)

    def close(self) -> None:
        """End helpers and threads."""
        self._queue.shutdown()
        self._pipes.shutdown()
        self._stop()

    def _check(self, checks: Sequence[Check]) -> list[bool]:
        self._seen += len(checks)
        if self._helpers and not self._running and self._seen >= _PAYS_FROM:
            self._start()
        if not self._running or len(checks) < _SMALL:
            return verify_many(checks, self._threads)
        share = -(-len(checks) // len(self._running))
        parts = [checks[at : at + share] for at in range(0, len(checks), share)]
        asked = [
            self._pipes.submit(_ask, helper, part)
            for helper, part in zip(self._running, parts, strict=False)
        ]
        answers: list[bool] = []
        failed = False
        for future, part in zip(asked, parts, strict=True):
            answer = future.result()
            if answer is None:
                failed = True
                answer = verify_many(part, self._threads)
            answers += answer
        if failed:
            self._stop()
            self._helpers = False
        return answers

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
    if helper.stdin is None or helper.stdout is None:
        return None
    try:
        _send(helper.stdin, msgspec.msgpack.encode(wire))
        answer = _receive(helper.stdout)
    except OSError:
        return None
    if answer is None or len(answer) != len(checks):
        return None
    return [byte == 1 for byte in answer]


def serve() -> None:
    """What a helper does: answer on standard output until standard input ends."""
    keys: dict[tuple[int, bytes], PublicKey] = {}
    decoder = msgspec.msgpack.Decoder(_Wire)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while (data := _receive(source)) is not None:
        if len(keys) > _MOST_KEYS:
            keys.clear()
        answers = bytearray()
        for algorithm, cose_key, signature, message in decoder.decode(data):
            key = keys.get((algorithm, cose_key))
            if key is None:
                key = keys[algorithm, cose_key] = PublicKey(Algorithm(algorithm), cose_key)
            answers.append(verify(key, signature, message))
        _send(sink, bytes(answers))


def _send(sink: IO[bytes], data: bytes) -> None:
    sink.write(len(data).to_bytes(_PREFIX, "big"))
    sink.write(data)
    sink.flush()


def _receive(source: IO[bytes]) -> bytes | None:
    prefix = source.read(_PREFIX)
    if len(prefix) < _PREFIX:
        return None
    size = int.from_bytes(prefix, "big")
    data = source.read(size)
    return data if len(data) == size else None
