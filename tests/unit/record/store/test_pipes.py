# SPDX-License-Identifier: Apache-2.0
"""Lines to helper processes: answers in the order asked, and none once the helper is gone."""

from __future__ import annotations

import signal
import sys

import pytest

from kizuna.record.store.pipes import Line

_PIPES = "from kizuna.record.store.pipes import receive, send; import sys; "
_LOUD = _PIPES + (
    "i, o = sys.stdin.buffer, sys.stdout.buffer\n"
    "while (data := receive(i)) is not None: send(o, data.upper())"
)
_ONCE = _PIPES + "send(sys.stdout.buffer, receive(sys.stdin.buffer))"
_UNASKED = _PIPES + "send(sys.stdout.buffer, b'hello'); receive(sys.stdin.buffer)"
_DEAF = "import time; time.sleep(600)"


def line(program: str, patience: float = 600.0) -> Line:
    return Line([sys.executable, "-P", "-c", program], patience=patience)


def test_answers_come_in_the_order_asked_also_where_the_pipes_are_full() -> None:
    helper = line(_LOUD)
    answers = [helper.ask(b"%d " % number + b"a" * 300_000) for number in range(12)]
    for number, answer in enumerate(answers):
        assert answer.result(60) == b"%d " % number + b"A" * 300_000
    helper.close()


def test_a_helper_that_ends_answers_nothing_more() -> None:
    helper = line(_ONCE)
    first, *others = [helper.ask(b"question") for _ in range(3)]
    assert first.result(60) == b"question"
    assert [answer.result(60) for answer in others] == [None, None]
    assert helper.ask(b"question").result(60) is None
    helper.close()


def test_a_helper_that_speaks_unasked_is_not_believed_again() -> None:
    helper = line(_UNASKED)
    helper.process.wait(60)
    helper._threads[1].join(60)
    assert helper.ask(b"question").result(60) is None
    helper.close()


@pytest.mark.parametrize("size", [1, 300_000])
def test_nobody_waits_for_a_helper_that_is_stopped(size: int) -> None:
    helper = line(_LOUD, patience=0.2)
    helper.process.send_signal(signal.SIGSTOP)
    answers = [helper.ask(b"a" * size) for _ in range(12)]
    assert [answer.result(60) for answer in answers] == [None] * 12
    assert helper.ask(b"a").result(60) is None
    helper.close()


def test_closing_waits_for_nobody() -> None:
    helper = line(_DEAF)
    answers = [helper.ask(b"a" * 300_000) for _ in range(12)]
    helper.close()
    assert [answer.result(60) for answer in answers] == [None] * 12
