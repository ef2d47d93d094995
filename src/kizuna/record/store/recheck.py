# SPDX-License-Identifier: Apache-2.0
"""Checking every signature again: the archive against the log and against the issuers' keys.

The intake checked each signature once; an auditor wants to see it with his own eyes. The archive is
cut into as many pieces as there are processors, and each piece is read, parsed and verified by a
process of its own, with keys from the issuers' names. What such a process cannot settle alone
(issuers whose keys were enrolled, rotated or pinned) is settled here, with their key histories.

Keeps: 1. Every entry of the log is accounted for: its bytes are there, have the digest that was
logged, and are signed by a key of its issuer; whether that key still counts is for a judgement.
2. Nothing is skipped: a process that fails is a problem, not a pass. 3. Nothing is changed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from kizuna.model.errors import Problem, Unavailable
from kizuna.record.store.archive import Archive
from kizuna.roots.cose import check_signature, parse_sign1
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import PublicKey

__all__ = ["Rechecked", "SignatureFault", "recheck", "serve"]

_GOOD: Final = b"\x00"
_ASK: Final = b"\x01"
_MALFORMED: Final = b"\x02"
_LINE: Final = 33
"""What a process says of one statement: an answer and the digest."""
_MOST_KEYS: Final = 65_536
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
    progress: Callable[[int], None] = lambda _: None,
) -> Rechecked:
    """Check every statement of an archive again.

    Args:
        path: the archive.
        pieces: byte ranges of whole records, in order; one process each.
        entries: the digests that the log holds, in order.
        settle: the answer for a statement whose key is not in its issuer's name.
        progress: called with the number of statements done.

    Raises:
        Unavailable: ``store.recheck-failed`` when a process ended early.
    """
    report = Rechecked()
    with ThreadPoolExecutor(max(len(pieces), 1), "recheck") as readers:
        running = [_start(path, piece) for piece in pieces]
        try:
            answers = [readers.submit(_drain, process) for process in running]
            index = 0
            archive = Archive.open(path)
            try:
                for future, (start, end) in zip(answers, pieces, strict=True):
                    lines = future.result()
                    index = _account(
                        report, archive, (start, end), lines, entries, settle, index, progress
                    )
            finally:
                archive.close()
        finally:
            for process in running:
                process.kill()
                process.wait()
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


def _start(path: Path, piece: tuple[int, int]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own program, no input of others
            [sys.executable, "-P", "-c", _PROGRAM, str(path), str(piece[0]), str(piece[1])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as fault:
        raise _failed(str(fault)) from fault


def _drain(process: subprocess.Popen[bytes]) -> bytes:
    out, _ = process.communicate()
    if process.returncode != 0 or len(out) % _LINE:
        raise _failed("a process ended before it was done")
    return out


def serve() -> None:
    """What a process does: say of each record of its piece whether it holds, and its digest."""
    path, start, end = sys.argv[1:4]
    archive = Archive.open(Path(path))
    _check_piece(archive, int(start), int(end), sys.stdout.buffer)


def _check_piece(archive: Archive, start: int, end: int, sink: IO[bytes]) -> None:
    keys: dict[str, tuple[PublicKey, ...]] = {}
    said: list[bytes] = []
    for record in archive.records(start, end):
        try:
            envelope = parse_sign1(record.raw)
        except Problem:
            said += (_MALFORMED, bytes(32))
            continue
        issuer = envelope.issuer
        known = keys.get(issuer)
        if known is None:
            if len(keys) > _MOST_KEYS:
                keys.clear()
            known = keys[issuer] = _from_name(issuer)
        named = envelope.key_id
        good = any(
            (len(named) != 32 or key.thumbprint == named) and check_signature(envelope, key)
            for key in known
        )
        said += (_GOOD if good else _ASK, envelope.digest)
        if len(said) >= 4096:
            sink.write(b"".join(said))
            said.clear()
    sink.write(b"".join(said))
    sink.flush()


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
