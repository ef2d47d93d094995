# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: the size and root that a log signed, and who else saw them.

Keeps: 1. A checkpoint counts only with a signature of a key that the *verifier* accepts for that
origin. 2. A key that was closed counts up to its size and only where an accepted witness cosigned:
a thief can sign small trees too. 3. Time comes from cosignatures; where a verifier asks for none,
from the log's own clock. Registration is an interval, and of several witnesses no minority can move
its ends.
Standard: C2SP tlog-checkpoint v1.0.0. Extension lines are kept and mean nothing.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.statement import Interval
from kizuna.model.trust import LogAnchor, WitnessAnchor
from kizuna.model.verdict import Known
from kizuna.record.log.merkle import EMPTY_ROOT, HASH_SIZE, MAX_TREE_SIZE
from kizuna.record.log.note import (
    COSIGNATURE,
    NOTE,
    Note,
    NoteKey,
    parse_note,
    signed_by,
)

__all__ = [
    "Checkpoint",
    "Intervals",
    "Seen",
    "SignedCheckpoint",
    "close_key",
    "parse_checkpoint",
    "read_checkpoint",
    "seen_of",
    "witness_keys",
]

_DIGITS: Final = 19


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Size and root of the tree of one log."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text that is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode())
        return "".join(f"{line}\n" for line in (*lines, *self.extensions))

    @property
    def known(self) -> Known:
        """The same as a value of the model, root in hexadecimal."""
        return Known(origin=self.origin, size=self.size, root=self.root.hex())


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint whose log signature holds, with the accepted witnesses that cosigned it.

    ``witnesses`` counts once per witness: (name, time), sorted by time.
    """

    checkpoint: Checkpoint
    note: Note
    signers: tuple[str, ...]
    witnesses: tuple[tuple[str, int], ...] = ()

    @property
    def quorum(self) -> int:
        """How many of the verifier's witnesses cosigned."""
        return len(self.witnesses)


@dataclass(frozen=True, slots=True)
class Seen:
    """That a tree of this size was there at these times (one a witness, or the log's own).

    ``again``: when each saw it last, where somebody saw it more than once; else as ``times``.
    """

    size: int
    times: tuple[int, ...]
    again: tuple[int, ...] = ()


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note text.

    Raises:
        Malformed: ``log.checkpoint-malformed``.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise _malformed("it has three lines that are not empty, and each has an end")
    origin, digits, encoded = lines[:3]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS:
        raise _malformed("the second line is the size")
    size = int(digits)
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise _malformed("the third line is the root in base64") from fault
    checkpoint = Checkpoint(origin, size, root, tuple(lines[3:]))
    if len(root) != HASH_SIZE or size > MAX_TREE_SIZE or checkpoint.text() != text:
        raise _malformed("the third line is a root of 32 bytes, and numbers have one form")
    if size == 0 and root != EMPTY_ROOT:
        raise _malformed("an empty tree has the root of the empty tree")
    return checkpoint


def witness_keys(witnesses: Iterable[WitnessAnchor]) -> tuple[NoteKey, ...]:
    """The keys of the verifier's witnesses; one key under two names counts once.

    Raises:
        Malformed: ``log.key-malformed``; ``log.witness-key-wrong`` when a key is no cosignature
            key or its name is not the witness's.
    """
    keys: dict[bytes, NoteKey] = {}
    for witness in witnesses:
        key = NoteKey.parse(witness.key)
        if key.kind != COSIGNATURE or key.name != witness.name:
            raise Malformed(
                "log.witness-key-wrong",
                f"the key given for witness {witness.name} is not one of a witness of that name",
                hint="copy the key as the witness prints it (its type is 04)",
                name=witness.name,
            )
        keys.setdefault(key.public.thumbprint, key)
    return tuple(keys.values())


def read_checkpoint(
    data: bytes, anchor: LogAnchor, witnesses: Iterable[WitnessAnchor] = ()
) -> SignedCheckpoint:
    """A checkpoint of the log that the anchor names, signed by a key that counts.

    How many witnesses are enough is for the caller to say; a closed key needs at least one.

    Raises:
        Malformed: ``log.note-malformed``, ``log.checkpoint-malformed``, ``log.key-malformed``.
        Tampered: ``log.origin-wrong``, ``log.not-signed``, ``log.signature-wrong``,
            ``log.key-closed``.
    """
    note = parse_note(data)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != anchor.origin:
        raise Tampered(
            "log.origin-wrong",
            f"a checkpoint of {checkpoint.origin!r}, not of {anchor.origin!r}",
            why="another log's checkpoint stands where this log's belongs",
            hint="ask the log at its own address",
            origin=checkpoint.origin[:200],
            expected=anchor.origin,
        )
    keys = [NoteKey.parse(text) for text in anchor.keys]
    observers = witness_keys(witnesses)
    logs = {key.public.thumbprint for key in keys}
    held = signed_by(note, [key for key in keys if key.kind == NOTE] + list(observers))
    # a log does not witness itself, whatever name it takes
    observed = tuple(
        sorted(
            (
                (s.key.name, s.time)
                for s in held
                if s.key.kind == COSIGNATURE
                and s.time is not None
                and s.key.public.thumbprint not in logs
            ),
            key=lambda pair: (pair[1], pair[0]),
        )
    )
    by_log = [s.key for s in held if s.key.kind == NOTE]
    if not by_log:
        raise Tampered(
            "log.not-signed",
            f"no accepted key of {anchor.origin} signed this checkpoint",
            why="the signature is missing, or made with a key that the anchors do not name",
            hint="check the log's keys in your file of trust anchors",
            origin=anchor.origin,
        )
    counting = [
        key
        for key in by_log
        if key.label not in anchor.closed
        or (checkpoint.size <= anchor.closed[key.label] and observed)
    ]
    if not counting:
        raise Tampered(
            "log.key-closed",
            f"the key that signed this checkpoint of {anchor.origin} was closed",
            why="a closed key counts up to its last size, and only with a witness's cosignature",
            hint="ask the log for a checkpoint signed with its present key",
            origin=anchor.origin,
            size=checkpoint.size,
        )
    return SignedCheckpoint(checkpoint, note, tuple(key.label for key in counting), observed)


def close_key(anchor: LogAnchor, key: str, size: int, successor: str | None = None) -> LogAnchor:
    """The anchor after a log key was lost or stolen: closed at ``size``, its successor accepted.

    ``size`` is that of the last checkpoint that is known to be the log's own (best one that
    witnesses cosigned before the theft). Closing again can only lower it.

    Raises:
        Malformed: ``log.key-malformed``, ``log.key-unknown``.
    """
    closing = NoteKey.parse(key)
    if key not in anchor.keys:
        raise Malformed(
            "log.key-unknown",
            f"{closing.label} is no key of {anchor.origin}",
            hint="name one of the keys in the anchors",
            key=closing.label,
            origin=anchor.origin,
        )
    keys = list(anchor.keys)
    if successor is not None:
        NoteKey.parse(successor)
        if successor not in keys:
            keys.append(successor)
    last = min(size, anchor.closed.get(closing.label, size))
    return msgspec.structs.replace(anchor, keys=keys, closed={**anchor.closed, closing.label: last})


class Intervals:
    """Registration times of a log's entries, from what was seen of its growth.

    An entry was registered after the last tree without it and not after the first tree with it.
    With a quorum of q the end is the q-th earliest time at which such a tree was seen, the
    beginning the q-th latest: among q witnesses at least one is honest, if the verifier chose the
    quorum well. Entries of the first tree have no known beginning.
    """

    def __init__(self, seen: Iterable[Seen], quorum: int = 0) -> None:
        enough = max(quorum, 1)
        by_size: dict[int, tuple[list[int], list[int]]] = {}
        for one in seen:
            first, last = by_size.setdefault(one.size, ([], []))
            first.extend(one.times)
            last.extend(one.again or one.times)
        kept = sorted(
            (size, sorted(first), sorted(last))
            for size, (first, last) in by_size.items()
            if len(first) >= enough
        )
        self._sizes = [size for size, _, _ in kept]
        ends = [first[enough - 1] for _, first, _ in kept]
        begins = [last[-enough] for _, _, last in kept]
        # growth is monotonous: a larger tree seen earlier bounds the smaller ones as well
        for at in reversed(range(len(ends) - 1)):
            ends[at] = min(ends[at], ends[at + 1])
        for at in range(1, len(begins)):
            begins[at] = max(begins[at], begins[at - 1])
        self._ends, self._begins = ends, begins

    def of(self, index: int) -> Interval | None:
        """When the entry was registered; ``None`` where no tree with it was seen often enough."""
        at = bisect_right(self._sizes, index)
        if at == len(self._sizes):
            return None
        latest = self._ends[at]
        earliest = self._begins[at - 1] if at else 0
        return Interval(min(earliest, latest), latest)


def seen_of(checkpoints: Iterable[SignedCheckpoint]) -> list[Seen]:
    """What cosigned checkpoints say about the growth of their log.

    A witness counts once a size, however many notes carry its line: with its first and last time.
    """
    by_size: dict[int, dict[str, list[int]]] = {}
    for one in checkpoints:
        witnesses = by_size.setdefault(one.checkpoint.size, {})
        for name, time in one.witnesses:
            witnesses.setdefault(name, []).append(time)
    made = []
    for size, witnesses in by_size.items():
        first = tuple(sorted(min(times) for times in witnesses.values()))
        last = tuple(sorted(max(times) for times in witnesses.values()))
        made.append(Seen(size, first, () if first == last else last))
    return made


def _malformed(why: str) -> Malformed:
    return Malformed(
        "log.checkpoint-malformed",
        f"not a checkpoint: {why}",
        why=why,
        hint="send the checkpoint as the log serves it",
        fault=why,
    )
