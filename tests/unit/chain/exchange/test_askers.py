# SPDX-License-Identifier: Apache-2.0
"""Threads that ask: kept while they come home, left behind when one does not."""

import threading

import pytest

from kizuna.chain.exchange.askers import Askers


@pytest.fixture
def askers():
    made = Askers()
    yield made
    made.close()


def test_threads_are_kept_from_question_to_question(askers):
    def who():
        return threading.current_thread()

    first = askers.send(who).result(30)
    askers.rest()
    again = askers.send(who).result(30)
    assert again.name.split("_")[0] == first.name.split("_")[0]
    assert first.is_alive(), "a question that is over ends no thread"


def test_whoever_still_waits_when_a_question_ends_holds_up_no_later_one(askers):
    mute, waiting = threading.Event(), threading.Event()

    def wait():
        waiting.set()
        return mute.wait(30)

    late = askers.send(wait)
    assert waiting.wait(30)
    askers.rest()
    told = threading.Barrier(2)
    askers.each([lambda: told.wait(30), lambda: told.wait(30)])
    assert not late.done()
    mute.set()
    assert late.result(30)


def test_a_fault_is_told_to_whoever_asked_for_all(askers):
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        askers.each([fails, fails])
    askers.each([])
    done = []
    askers.each([lambda: done.append(1)])
    assert done == [1]


def test_nothing_is_sent_after_the_end_but_by_new_threads(askers):
    askers.send(len, b"x").result(30)
    askers.close()
    assert askers.send(len, b"xy").result(30) == 2
