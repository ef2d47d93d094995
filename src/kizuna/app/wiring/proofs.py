# SPDX-License-Identifier: Apache-2.0
"""Checking what a log says of itself: checkpoints, proofs of inclusion, receipts.

Keeps: checking uses the verifier's anchors, never keys that came with what is checked.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kizuna.model.errors import Absent, Malformed, Problem, Tampered
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.model.verdict import Known

__all__ = ["anchor_of", "check", "read_checkpoint"]

_HEX64 = re.compile(r"[0-9a-f]{64}")
_FIRST_PROOF_LINE: Final = b"c2sp.org/tlog-proof@"


def read_checkpoint(data: bytes) -> Known:
    """Origin, size and root of a checkpoint file; nobody's word is taken for it.

    Raises:
        Malformed: ``log.note-malformed``, ``log.checkpoint-malformed``.
    """
    from kizuna.record.log import parse_checkpoint
    from kizuna.record.log.note import parse_note

    return parse_checkpoint(parse_note(data).text).known


def check(data: bytes, anchors: Anchors, *, entry: str | None) -> dict[str, Any]:
    """Judge a checkpoint, a proof of inclusion, a transparent statement, or a receipt alone (as
    SCRAPI hands it out; then ``entry`` says of what), with these anchors.

    Raises:
        Tampered: ``log.*`` where it does not hold. Malformed: where it is none of them.
        Absent: ``log.not-accepted`` where the anchors do not name its log.
    """
    from kizuna.record.log import read_checkpoint as judged

    if data.startswith(_FIRST_PROOF_LINE):
        return _check_proof(data, anchors, entry)
    if data[:1] in (b"\xd2", b"\x84"):
        if not _is_receipt(data):
            return _check_transparent(data, anchors)
        digest = _named(entry)
        return {"what": "receipt", "entry": digest} | receipt_holds(
            data, bytes.fromhex(digest), anchors
        )
    known = read_checkpoint(data)
    signed = judged(data, anchor_of(anchors, known.origin), anchors.witnesses)
    return {
        "what": "checkpoint",
        "origin": known.origin,
        "size": known.size,
        "root": known.root,
        "quorum": signed.quorum,
        "quorum_asked": anchors.quorum,
    }


def anchor_of(anchors: Anchors, origin: str) -> LogAnchor:
    """What is believed of the log with that name.

    Raises:
        Absent: ``log.not-accepted``.
    """
    for anchor in anchors.logs:
        if anchor.origin == origin:
            return anchor
    raise Absent(
        "log.not-accepted",
        f"the log {origin} is not among those that are believed",
        why="the trust file names " + (", ".join(a.origin for a in anchors.logs) or "none"),
        hint="add its key: `kizuna trust import FILE` with a file of its operator that you checked",
        origin=origin[:200],
    )


def _check_proof(data: bytes, anchors: Anchors, entry: str | None) -> dict[str, Any]:
    from kizuna.record.log.proof import check_proof, read_proof

    entry = _named(entry)
    proof = read_proof(data)
    anchor = anchor_of(anchors, read_checkpoint(proof.note).origin)
    signed = check_proof(
        proof,
        bytes.fromhex(entry),
        anchor,
        witnesses=anchors.witnesses,
        quorum=anchors.quorum,
    )
    found = signed.checkpoint
    return {
        "what": "proof",
        "origin": found.origin,
        "size": found.size,
        "root": found.known.root,
        "index": proof.index,
        "entry": entry,
        "quorum": signed.quorum,
        "quorum_asked": anchors.quorum,
    }


def _named(entry: str | None) -> str:
    if entry is None or not _HEX64.fullmatch(entry):
        raise Malformed(
            "log.entry-unnamed",
            "a proof shows one entry: which?",
            hint="give the statement's digest with --entry",
            value=entry or "",
        )
    return entry


def _is_receipt(data: bytes) -> bool:
    from kizuna.record.log import read_receipt

    try:
        read_receipt(data)
    except Problem:
        return False
    return True


def receipt_holds(raw: bytes, entry: bytes, anchors: Anchors) -> dict[str, Any]:
    """What a receipt shows of an entry (its digest), by the log keys that are believed.

    A key that was closed counts no more, however small the tree that it names: whoever stole it
    writes any size, and nobody cosigns a receipt. The log gives a new one under its present key.

    Raises:
        Tampered: ``log.receipt-wrong``, ``log.key-closed``. Malformed: ``log.receipt-malformed``.
        Absent: ``log.not-accepted`` where the anchors name neither its log nor its key.
    """
    from kizuna.record.log import NoteKey, check_receipt, read_receipt

    receipt = read_receipt(raw)
    anchor = anchor_of(anchors, (receipt.origin or "").removeprefix("https://"))
    keys = [NoteKey.parse(text) for text in anchor.keys]
    key = next((k for k in keys if k.public.thumbprint == receipt.key_id), None)
    if key is None:
        raise Absent(
            "log.not-accepted",
            f"a receipt of {receipt.origin} is signed with a key that is not believed",
            hint="check the log's keys in the trust file",
            origin=receipt.origin or "",
        )
    root = check_receipt(receipt, entry, key.public)
    if key.label in anchor.closed:
        raise Tampered(
            "log.key-closed",
            f"the key that signed this receipt of {anchor.origin} was closed",
            why="it was lost or stolen: whoever has it writes receipts over any tree",
            hint="ask the log for a receipt signed with its present key",
            origin=anchor.origin,
            size=receipt.size,
        )
    return {"origin": anchor.origin, "root": root.hex()}


def _check_transparent(data: bytes, anchors: Anchors) -> dict[str, Any]:
    from kizuna.roots.cose import parse_sign1

    envelope = parse_sign1(data)
    held = [receipt_holds(raw, envelope.digest, anchors) for raw in envelope.receipts]
    if not held:
        raise Absent(
            "log.no-receipt",
            "the statement carries no receipt",
            hint="ask the store for the transparent statement: `kizuna statement show --out FILE`",
        )
    return {"what": "statement", "digest": envelope.digest.hex(), "receipts": held}
