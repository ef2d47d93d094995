# SPDX-License-Identifier: Apache-2.0
"""Exported proofs: one text file that shows one entry in a log, for any tlog client.

Keeps: 1. A proof has one form and is refused in any other. 2. It is judged with the verifier's own
keys and quorum; the extra data in it is never believed.
Standard: C2SP tlog-proof v1 (file extension ``.tlog-proof``).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.trust import LogAnchor, WitnessAnchor
from kizuna.record.log.checkpoint import SignedCheckpoint, read_checkpoint
from kizuna.record.log.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from kizuna.record.log.note import MAX_NOTE

__all__ = ["LogProof", "check_proof", "read_proof"]

_FIRST: Final = "c2sp.org/tlog-proof@v1"
_MAX_EXTRA: Final = 1 << 16
_MAX_PATH: Final = 63


@dataclass(frozen=True, slots=True)
class LogProof:
    """Index, inclusion path and signed checkpoint of one entry."""

    index: int
    path: tuple[bytes, ...]
    note: bytes
    extra: bytes = b""

    def to_bytes(self) -> bytes:
        """The text of the proof."""
        lines = [_FIRST]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines.extend(base64.b64encode(h).decode() for h in self.path)
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.note


def read_proof(data: bytes) -> LogProof:
    """Read an exported proof.

    Raises:
        Malformed: ``log.proof-malformed``.
    """
    if len(data) > MAX_NOTE + 2 * _MAX_EXTRA:
        raise _malformed("it is too long")
    head, found, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as fault:
        raise _malformed("its first part is not ASCII") from fault
    if not found or lines.pop(0) != _FIRST:
        raise _malformed(f"it does not begin with {_FIRST}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _bytes(lines.pop(0)[6:])
    word, _, digits = (lines.pop(0) if lines else "").partition(" ")
    if word != "index" or not digits.isdigit() or len(digits) > 19 or len(lines) > _MAX_PATH:
        raise _malformed("no index stands before the path, or the path is too long")
    path = tuple(_bytes(line) for line in lines)
    proof = LogProof(int(digits), path, note, extra)
    if any(len(h) != HASH_SIZE for h in path) or proof.to_bytes() != data:
        raise _malformed("it is not in its one form")
    return proof


def check_proof(
    proof: LogProof,
    entry: bytes,
    anchor: LogAnchor,
    *,
    witnesses: Iterable[WitnessAnchor] = (),
    quorum: int = 0,
) -> SignedCheckpoint:
    """The checkpoint under which the log holds ``entry``, judged with the verifier's anchors.

    Raises:
        Tampered: ``log.proof-wrong``, ``log.quorum-missing``, and as ``read_checkpoint``.
    """
    signed = read_checkpoint(proof.note, anchor, witnesses)
    if signed.quorum < quorum:
        raise Tampered(
            "log.quorum-missing",
            f"{signed.quorum} of the witnesses cosigned, {quorum} are asked for",
            why="the checkpoint was not shown to enough witnesses, or to others",
            hint="ask for a proof at a checkpoint with more cosignatures",
            have=signed.quorum,
            need=quorum,
        )
    checkpoint = signed.checkpoint
    if not verify_inclusion(
        leaf_hash(entry), proof.index, checkpoint.size, proof.path, checkpoint.root
    ):
        raise Tampered(
            "log.proof-wrong",
            f"the proof does not show this entry at index {proof.index}",
            why="entry, path and checkpoint do not fit each other",
            hint="ask the log for the proof again; keep this one as evidence",
            index=proof.index,
        )
    return signed


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as fault:
        raise _malformed("a line is not base64") from fault


def _malformed(why: str) -> Malformed:
    return Malformed(
        "log.proof-malformed",
        f"not a tlog proof: {why}",
        why=why,
        hint="export it again with `kizuna log prove`",
        fault=why,
    )
