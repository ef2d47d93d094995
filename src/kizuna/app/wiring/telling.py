# SPDX-License-Identifier: Apache-2.0
"""Answering verifiers elsewhere: what stands under some keys of this store's map, with proof.

Keeps: 1. An answer is of one checkpoint, in the view of whoever asks. 2. Those who only look
whether anything changed ask for no key, and most of what a store is asked is that: such an answer
is made once for a checkpoint, and again as soon as the log grew, a witness cosigned or this store
believes otherwise.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.owner import Keeper
from kizuna.model.errors import Unavailable

if TYPE_CHECKING:
    from kizuna.chain.exchange import asking
    from kizuna.record.store import StoreReader, View

__all__ = ["Teller"]

_TRIES: Final = 6
_KEPT: Final = 64
_SMALL: Final = 1 << 18


class Teller:
    """What one store tells others.

    Owner of mutable state: the last answers about a checkpoint alone, under a lock of their own.
    """

    def __init__(self, workspace: Keeper) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._state: object = None
        self._answers: dict[tuple[int, View | None], bytes] = {}

    def answer(self, question: bytes, view: View | None) -> bytes:
        """What this store tells another verifier who asks for the lists of some keys.

        Raises:
            Malformed: ``exchange.question``. Absent, Unavailable: ``bundle.*``.
        """
        from kizuna.chain.exchange import asking

        asked = asking.Question.from_bytes(question)
        store = self._workspace.store
        for again in range(_TRIES):
            if again:  # it grew meanwhile, perhaps by the hand of another process
                store.refresh()
            reader = store.reader() if view is None else store.reader(view)
            try:
                return self._told(asked, reader, view)
            except Unavailable as fault:
                if fault.code != "bundle.moved-on" or again == _TRIES - 1:
                    raise
        raise AssertionError  # the loop ends by returning or raising

    def _told(self, asked: asking.Question, reader: StoreReader, view: View | None) -> bytes:
        from kizuna.chain.exchange.asking import answer_question

        workspace = self._workspace
        anchors = workspace.anchors()
        store = workspace.store
        state: object = None
        if not asked.keys and reader.size:
            witnessed = store.log.cosigned(anchors) if anchors.quorum else ()
            state = (reader.heads(), store.log.note(reader.size), tuple(witnessed), anchors)
            with self._lock:
                if state == self._state and (asked.since, view) in self._answers:
                    return self._answers[asked.since, view]
        told = answer_question(
            asked, reader, store.log, store.map, owner=workspace.identity, anchors=anchors
        )
        data = told.to_bytes()
        # a document may be erased, and an answer that holds one is not kept
        if state is not None and not told.documents and len(data) <= _SMALL:
            with self._lock:
                if state != self._state:
                    self._state = state
                    self._answers.clear()
                elif len(self._answers) >= _KEPT:
                    del self._answers[next(iter(self._answers))]
                self._answers[asked.since, view] = data
        return data
