# SPDX-License-Identifier: Apache-2.0
"""The log: one RFC 9162 tree in two encodings, and a verifiable map beside it.

Keeps: what is in the log stays, and everyone sees the same: signed, witnessed, provable. It never
decides what is registered or whom to trust.
"""

from kizuna.record.log.checkpoint import (
    Checkpoint,
    Intervals,
    Seen,
    SignedCheckpoint,
    close_key,
    parse_checkpoint,
    read_checkpoint,
    seen_of,
)
from kizuna.record.log.evidence_log import EvidenceLog
from kizuna.record.log.keys import (
    KEYS_VERSION,
    dependents_key,
    keys_of,
    members_key,
    statement_key,
    subject_key,
)
from kizuna.record.log.map import (
    Head,
    Heads,
    MapProof,
    MemoryHeads,
    Row,
    Staged,
    VerifiableMap,
    bucket_of,
    verify_map_proof,
)
from kizuna.record.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    root_from_inclusion,
    verify_consistency,
    verify_inclusion,
)
from kizuna.record.log.note import NoteKey
from kizuna.record.log.receipt import Receipt, check_receipt, read_receipt
from kizuna.record.log.signer import Signer

__all__ = [
    "EMPTY_ROOT",
    "KEYS_VERSION",
    "Checkpoint",
    "EvidenceLog",
    "Frontier",
    "Head",
    "Heads",
    "Intervals",
    "MapProof",
    "MemoryHeads",
    "NoteKey",
    "Receipt",
    "Row",
    "Seen",
    "SignedCheckpoint",
    "Signer",
    "Staged",
    "VerifiableMap",
    "bucket_of",
    "check_receipt",
    "close_key",
    "dependents_key",
    "keys_of",
    "leaf_hash",
    "members_key",
    "parse_checkpoint",
    "read_checkpoint",
    "read_receipt",
    "root_from_inclusion",
    "seen_of",
    "statement_key",
    "subject_key",
    "verify_consistency",
    "verify_inclusion",
    "verify_map_proof",
]
