# SPDX-License-Identifier: Apache-2.0
"""Checking every signature again: the archive against the log and against the issuers' keys.

The intake checked each signature once; an auditor wants to see it with his own eyes. The archive is
cut into pieces, which as many processes as there are processors read and verify one after the
other, with keys from the issuers' names, while what they said is held against the log here. What
they cannot settle alone (issuers whose keys were enrolled, rotated or pinned) is settled here, with
their key histories. That the bytes are in order was seen at intake: that they are still the same
bytes is what the log shows.

Keeps: 1. Every entry of the log is accounted for: its bytes are there, have the digest that was
logged, and are signed by a key of its issuer; whether that key still counts is for a judgement.
2. Nothing is skipped: a process that fails is a problem, not a pass. 3. Nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Final

from kizuna.model.errors import Problem, Unavailable
from kizuna.record.store.archive import Archive
from kizuna.record.store.pipes import Line, receive, send
from kizuna.roots.cose.message import decode_header, read_frame
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import PublicKey, verify

__all__ = ["Rechecked", "SignatureFault", "recheck", "serve"]

_GOOD: Final = b"\x00"
_ASK: Final = b"\x01"
_MALFORMED: Final = b"\x02"
_LINE: Final = 33
"""What a process says of one statement: an answer and the digest."""
_MOST_KEYS: Final = 65_536
_AT_ONCE: Final = 512
"""Statements that a process reads before it checks any of them."""
_PROGRAM: Final = "from kizuna.record.store.recheck import serve; serve()"
_SETTLE: Final = "envelope.signature-wrong"

Settle = Callable[[bytes], bool]
"""Whether a statement is signed by a key that its issuer ever had."""


@dataclass(frozen=True, slots=True)
class SignatureFault:
    """A statement that does not hold: a code, what, and its index."""

    code: str
    what: str
    index: int


@dataclass(slots=True)
class Rechecked:
    """What came of it."""

    statements: int = 0
    faults: list[SignatureFault] = field(default_factory=list)


def recheck(
    path: Path,
    pieces: list[tuple[int, int]],
    entries: Iterator[bytes],
    settle: Settle,
    *,
    processes: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> Rechecked:
    """Check every statement of an archive again.

    Args:
        path: the archive.
        pieces: byte ranges of whole records, in order.
        entries: the digests that the log holds, in order.
        settle: the answer for a statement whose key is not in its issuer's name.
        processes: how many check at once.
        progress: called with the number of statements done.

    Raises:
        Unavailable: ``store.recheck-failed`` when a process ended early, or fell silent.
    """
    report = Rechecked()
    answers: list[Future[bytes]] = [Future() for _ in pieces]
    with ThreadPoolExecutor(max(processes, 1), "recheck") as askers:
        running: list[Line] = []
        try:
            todo = iter(list(zip(pieces, answers, strict=True)))
            taking = Lock()
            for _ in range(min(processes, len(pieces))):
                running.append(_start(path))
                askers.submit(_ask, running[-1], todo, taking)
            index = 0
            archive = Archive.open(path)
            try:
                for future, piece in zip(answers, pieces, strict=True):
                    index = _account(
                        report, archive, piece, future.result(), entries, settle, index, progress
                    )
            finally:
                archive.close()
        finally:
            for line in running:
                line.close()
    missing = sum(1 for _ in entries)
    if missing:
        report.faults.append(
            SignatureFault(
                "store.archive-differs", f"{missing} entries of the log have no bytes here", index
            )
        )
    report.statements = index
    return report


def _account(
    report: Rechecked,
    archive: Archive,
    piece: tuple[int, int],
    lines: bytes,
    entries: Iterator[bytes],
    settle: Settle,
    index: int,
    progress: Callable[[int], None],
) -> int:
    """Hold what a process said against the log; settle what it could not."""
    records: Iterator[bytes] | None = None
    taken = first = index
    for at in range(0, len(lines), _LINE):
        answer, digest = lines[at : at + 1], lines[at + 1 : at + _LINE]
        if next(entries, None) != digest:
            report.faults.append(
                SignatureFault(
                    "store.archive-differs", "the bytes here are not those that were logged", index
                )
            )
        elif answer != _GOOD:
            if records is None:
                records = (record.raw for record in archive.records(*piece))
                taken = first
            raw = b""
            while taken <= index:
                raw = next(records, b"")
                taken += 1
            if answer == _MALFORMED or not settle(raw):
                report.faults.append(
                    SignatureFault(_SETTLE, "no key of its issuer made this signature", index)
                )
        index += 1
        if index % 4096 == 0:
            progress(index)
    progress(index)
    return index


def _start(path: Path) -> Line:
    try:
        return Line([sys.executable, "-P", "-c", _PROGRAM, str(path)])
    except OSError as fault:
        raise _failed(str(fault)) from fault


def _ask(
    line: Line,
    todo: Iterator[tuple[tuple[int, int], Future[bytes]]],
    taking: Lock,
) -> None:
    """Have a process do one piece after the other, until none is left or it fails."""
    while True:
        with taking:
            following = next(todo, None)
        if following is None:
            return
        (start, end), future = following
        lines = line.ask(f"{start} {end}".encode()).result()
        if lines is None or len(lines) % _LINE:
            future.set_exception(_failed("a process ended, or fell silent, before it was done"))
            return
        future.set_result(lines)


def serve() -> None:
    """What a process does: say of each record of the pieces it is given whether it holds."""
    archive = Archive.open(Path(sys.argv[1]))
    keys: dict[str, tuple[PublicKey, ...]] = {}
    while (piece := receive(sys.stdin.buffer)) is not None:
        start, end = piece.split()
        records = archive.records(int(start), int(end))
        said: list[bytes] = []
        while some := [record.raw for record in islice(records, _AT_ONCE)]:
            said += _said(some, keys)
        send(sys.stdout.buffer, b"".join(said))


def _said(raws: Sequence[bytes], keys: dict[str, tuple[PublicKey, ...]]) -> list[bytes]:
    """An answer about each statement, and its digest.

    One step after the other for all of them: a signature is checked faster where the processor
    did nothing else in between.
    """
    opened = [_opened(raw, keys) for raw in raws]
    answers = [_MALFORMED if one is None else _GOOD if _holds(*one) else _ASK for one in opened]
    return [answer + sha256(raw).digest() for answer, raw in zip(answers, raws, strict=True)]


def _opened(
    raw: bytes, keys: dict[str, tuple[PublicKey, ...]]
) -> tuple[tuple[PublicKey, ...], bytes, bytes] | None:
    """The keys that may have signed a statement, the signature, and what it covers."""
    try:
        protected, _, _, signature, _, covered = read_frame(raw)
        header = decode_header(protected)
        named, issuer, algorithm = header.get(4, b""), header[15][1], header[1]
    except (Problem, KeyError, TypeError):
        return None
    if type(issuer) is not str or type(named) is not bytes or type(algorithm) is not int:
        return None
    known = keys.get(issuer)
    if known is None:
        if len(keys) > _MOST_KEYS:
            keys.clear()
        known = keys[issuer] = _from_name(issuer)
    fitting = tuple(
        key
        for key in known
        if (len(named) != 32 or key.thumbprint == named) and key.algorithm.answers_to(algorithm)
    )
    return fitting, signature, covered


def _holds(keys: tuple[PublicKey, ...], signature: bytes, covered: bytes) -> bool:
    return any(verify(key, signature, covered) for key in keys)


def _from_name(issuer: str) -> tuple[PublicKey, ...]:
    try:
        return genesis_keys(issuer)
    except Problem:
        return ()


def _failed(why: str) -> Unavailable:
    return Unavailable(
        "store.recheck-failed",
        "the signatures could not all be checked again",
        why=why,
        hint="try again; free memory, and allow this program to start processes",
    )
