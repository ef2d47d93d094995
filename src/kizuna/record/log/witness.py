# SPDX-License-Identifier: Apache-2.0
"""A witness: somebody else who has seen the log grow, and only grow.

Keeps: 1. A checkpoint is cosigned only if a key that the witness accepts signed it and a proof
shows that it continues the last one cosigned for that log. 2. What was cosigned is on disk before
the cosignature leaves, and a larger tree never gives way to a smaller one: one lock a witness,
held from reading the state to writing it. 3. A signed checkpoint that contradicts the last one is
kept as evidence. 4. Nothing else is promised: what the leaves say, or that the map is right, is
not (see ``audit``).
Standard: C2SP tlog-witness v1.0.0 (bodies and status codes; no transport), tlog-cosignature v1.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from kizuna.model.errors import Absent, Malformed, Problem, Refused, Tampered
from kizuna.model.trust import LogAnchor, WitnessAnchor
from kizuna.record.log.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    parse_checkpoint,
    read_checkpoint,
)
from kizuna.record.log.disk import FolderLock, replace_durably, unreadable
from kizuna.record.log.evidence import keep_evidence
from kizuna.record.log.merkle import HASH_SIZE, MAX_TREE_SIZE, verify_consistency
from kizuna.record.log.note import COSIGNATURE, MAX_NOTE, NoteKey, Signature, cosign, parse_note
from kizuna.record.log.signer import Signer
from kizuna.record.log.tiles import Source, TileReader

__all__ = ["Answer", "Witness", "read_conflict", "read_request", "request_body"]

MAX_PROOF: Final = 63
MAX_REQUEST: Final = MAX_NOTE + 64 * 64
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the witness protocol answers: an HTTP status, a media type and a body."""

    status: int
    media_type: str
    body: bytes


class _Conflict(Exception):  # noqa: N818 - not an error: the protocol's way to tell the size
    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


def request_body(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """The body of ``add-checkpoint``."""
    lines = [f"old {old}", *(base64.b64encode(h).decode() for h in proof)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\n" + note


def read_request(body: bytes) -> tuple[int, tuple[bytes, ...], bytes]:
    """Old size, consistency proof and note of an ``add-checkpoint`` body.

    Raises:
        Malformed: ``log.request-malformed``.
    """
    head, found, note = body[:MAX_REQUEST].partition(b"\n\n")
    if not found or len(body) > MAX_REQUEST:
        raise _request("no empty line stands between proof and checkpoint, or it is too long")
    lines = head.split(b"\n")
    if len(lines) > MAX_PROOF + 1:
        raise _request(f"a proof has at most {MAX_PROOF} hashes")
    word, _, digits = lines[0].partition(b" ")
    if word != b"old" or not digits.isdigit() or len(digits) > 19:
        raise _request("the first line says the old size")
    old = int(digits)
    if str(old).encode() != digits or old > MAX_TREE_SIZE:
        raise _request("the old size is a number without leading zeroes")
    proof: list[bytes] = []
    for line in lines[1:]:
        try:
            proof.append(base64.b64decode(line, validate=True))
        except (binascii.Error, ValueError) as fault:
            raise _request("a proof line is a hash in base64") from fault
        if len(proof[-1]) != HASH_SIZE or base64.b64encode(proof[-1]) != line:
            raise _request("a proof line is a hash in base64")
    return old, tuple(proof), note


def read_conflict(answer: Answer) -> int:
    """The size that a witness names when ours is not the one it knows (status 409).

    Raises:
        Malformed: ``log.answer-malformed``.
    """
    digits = answer.body.removesuffix(b"\n")
    if answer.status != 409 or not digits.isdigit() or len(digits) > 19:
        raise Malformed(
            "log.answer-malformed",
            "the witness answered something else than its size",
            hint="check the address of the witness",
            status=answer.status,
        )
    return int(digits)


class Witness:
    """A witness with its own key and its own memory, in a folder of its own."""

    def __init__(self, path: str | Path, signer: Signer, logs: Sequence[LogAnchor]) -> None:
        """``logs`` are the logs it watches, with the keys it accepts for them.

        Raises:
            Malformed: ``log.key-not-ed25519``, ``log.key-malformed``.
        """
        self.path = Path(path)
        self.signer = signer
        self.key = NoteKey.of(signer, COSIGNATURE)
        self._logs = {log.origin: log for log in logs}
        self._lock = FolderLock(self.path / "lock", self.path)

    @property
    def anchor(self) -> WitnessAnchor:
        """What a verifier writes into its anchors to accept this witness."""
        return WitnessAnchor(name=self.key.name, key=self.key.vkey)

    def last(self, origin: str) -> Checkpoint | None:
        """The last checkpoint it cosigned for a log.

        Raises:
            Tampered: ``log.witness-state-damaged``.
        """
        note = self.last_note(origin)
        return None if note is None else parse_checkpoint(parse_note(note).text)

    def last_note(self, origin: str) -> bytes | None:
        """The same as a note, with this witness's cosignature.

        Raises:
            Tampered: ``log.witness-state-damaged``.
            Unavailable: ``log.unreadable``.
        """
        path = self._file(origin)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as fault:
            raise unreadable(path, fault) from fault
        try:
            found = parse_checkpoint(parse_note(data).text)
        except Malformed as fault:
            raise _state(path) from fault
        if found.origin != origin:
            raise _state(path)
        return data

    def update(
        self, note: bytes, old: int, proof: Sequence[bytes], now: int
    ) -> tuple[Signature, ...]:
        """Cosign a checkpoint that continues the last one; returns the signature line.

        Raises:
            Absent: ``log.unknown-origin``.
            Malformed: ``log.request-malformed``, ``log.note-malformed``.
            Refused: ``log.witness-conflict`` when ``old`` is not the size cosigned last.
            Tampered: ``log.not-signed``, ``log.not-consistent``, ``log.forked`` ...
            Unavailable: ``log.busy``, ``log.not-written``.
        """
        try:
            return self._update(note, old, proof, now)
        except _Conflict as conflict:
            raise Refused(
                "log.witness-conflict",
                f"the witness knows {conflict.size} entries, not {old}",
                hint=f"send a proof that begins at {conflict.size}",
                size=conflict.size,
                old=old,
            ) from None

    def add_checkpoint(self, body: bytes, now: int) -> Answer:
        """Answer one ``add-checkpoint`` request. Never raises for what was sent."""
        try:
            old, proof, note = read_request(body)
            lines = self._update(note, old, proof, now)
        except _Conflict as conflict:
            return Answer(409, "text/x.tlog.size", f"{conflict.size}\n".encode())
        except Problem as problem:
            return Answer(_STATUS.get(problem.code, problem.status), _TEXT, _line(problem))
        return Answer(200, _TEXT, "".join(line.line() for line in lines).encode())

    def observe(self, source: Source, origin: str, now: int) -> tuple[Signature, ...]:
        """Look at a log's own files, check its growth from its tiles, cosign.

        Raises:
            As ``update``; ``log.file-absent`` and others from the files.
        """
        anchor = self._logs.get(origin)
        if anchor is None:
            raise _unknown(origin)
        note = source("checkpoint")
        found = read_checkpoint(note, anchor).checkpoint
        last = self.last(origin)
        old = last.size if last else 0
        if last is not None and found.size < old:
            keep_evidence(self.path / "evidence", self.last_note(origin) or b"", note)
            raise Tampered(
                "log.rolled-back",
                f"{origin} shows {found.size} entries and has shown {old}",
                why="it was restored from an old backup, or shows different trees",
                hint="both checkpoints are kept as evidence; the log's operator must explain them",
                signed=old,
                size=found.size,
            )
        proof: tuple[bytes, ...] = ()
        if 0 < old < found.size:
            proof = TileReader(source, found.size).consistency(old, found.size)
        return self.update(note, old, proof, now)

    def _update(
        self, note: bytes, old: int, proof: Sequence[bytes], now: int
    ) -> tuple[Signature, ...]:
        origin = parse_checkpoint(parse_note(note).text).origin
        anchor = self._logs.get(origin)
        if anchor is None:
            raise _unknown(origin)
        signed = read_checkpoint(note, anchor)
        found = signed.checkpoint
        if old > found.size:
            raise _request("the old size is larger than the checkpoint's")
        with self._lock.held(_PATIENCE):
            last = self.last(origin)
            known = last.size if last else 0
            if last is not None and found.size == known and found.root != last.root:
                self._contradicted(signed, origin, "log.forked")
            if old != known:
                raise _Conflict(known)
            if last is not None and not verify_consistency(
                known, found.size, proof, last.root, found.root
            ):
                self._contradicted(signed, origin, "log.not-consistent")
            if last is None and proof:
                raise _request("from size 0 the proof is empty")
            line = cosign(found.text(), self.signer, now)
            replace_durably(self._file(origin), signed.note.with_signatures([line]).to_bytes())
        return (line,)

    def _contradicted(self, signed: SignedCheckpoint, origin: str, code: str) -> None:
        last = self.last_note(origin) or b""
        keep_evidence(self.path / "evidence", last, signed.note.to_bytes())
        raise Tampered(
            code,
            f"the checkpoint of {origin} does not continue the one cosigned before",
            why="the log has signed two histories, or the proof was damaged on its way",
            hint="both checkpoints are kept as evidence; the log's operator must explain them",
            origin=origin,
            size=signed.checkpoint.size,
        )

    def _file(self, origin: str) -> Path:
        return self.path / f"{sha256(origin.encode()).hexdigest()[:32]}.note"


_PATIENCE: Final = 30.0
"""Seconds to wait for another process of this witness."""

_STATUS: Final = {
    "log.unknown-origin": 404,
    "log.not-signed": 403,
    "log.signature-wrong": 403,
    "log.key-closed": 403,
    "log.forked": 409,
    "log.not-consistent": 422,
}


def _line(problem: Problem) -> bytes:
    return f"{problem.code}: {problem.what}\n".encode()


def _unknown(origin: str) -> Absent:
    return Absent(
        "log.unknown-origin",
        f"this witness does not watch {origin[:200]!r}",
        hint="ask its operator to add the log with its key",
        origin=origin[:200],
    )


def _request(why: str) -> Malformed:
    return Malformed(
        "log.request-malformed",
        f"not an add-checkpoint request: {why}",
        why=why,
        hint="see C2SP tlog-witness",
        fault=why,
    )


def _state(path: Path) -> Tampered:
    return Tampered(
        "log.witness-state-damaged",
        f"{path} is not what this witness wrote",
        why="without its memory a witness cannot tell a fork; it signs nothing",
        hint="restore the file, or retire this witness key and begin with a new one",
        path=str(path),
    )
