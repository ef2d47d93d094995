# SPDX-License-Identifier: Apache-2.0
"""The log: one RFC 9162 tree in two encodings, and a verifiable map beside it.

Keeps: what is in the log stays, and everyone sees the same: signed, witnessed, provable. It never
decides what is registered or whom to trust.
"""

from kizuna.record.log.audit import MapAudit, audit_map, vouch
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
from kizuna.record.log.fsck import Checked, Fault, check_log, check_map
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
from kizuna.record.log.map_head import (
    MAP_HEAD,
    MapHead,
    map_head_claim,
    map_head_subject,
    read_map_head,
)
from kizuna.record.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    root_from_inclusion,
    verify_consistency,
    verify_inclusion,
)
from kizuna.record.log.mirror import Mirrored, mirror
from kizuna.record.log.note import NoteKey
from kizuna.record.log.proof import LogProof, check_proof, read_proof
from kizuna.record.log.receipt import Receipt, check_receipt, read_receipt
from kizuna.record.log.signer import Signer
from kizuna.record.log.tiles import Source, TileReader, directory
from kizuna.record.log.witness import Answer, Witness, read_conflict, read_request, request_body

__all__ = [
    "EMPTY_ROOT",
    "KEYS_VERSION",
    "MAP_HEAD",
    "Answer",
    "Checked",
    "Checkpoint",
    "EvidenceLog",
    "Fault",
    "Frontier",
    "Head",
    "Heads",
    "Intervals",
    "LogProof",
    "MapAudit",
    "MapHead",
    "MapProof",
    "MemoryHeads",
    "Mirrored",
    "NoteKey",
    "Receipt",
    "Row",
    "Seen",
    "SignedCheckpoint",
    "Signer",
    "Source",
    "Staged",
    "TileReader",
    "VerifiableMap",
    "Witness",
    "audit_map",
    "bucket_of",
    "check_log",
    "check_map",
    "check_proof",
    "check_receipt",
    "close_key",
    "dependents_key",
    "directory",
    "keys_of",
    "leaf_hash",
    "map_head_claim",
    "map_head_subject",
    "members_key",
    "mirror",
    "parse_checkpoint",
    "read_checkpoint",
    "read_conflict",
    "read_map_head",
    "read_proof",
    "read_receipt",
    "read_request",
    "request_body",
    "root_from_inclusion",
    "seen_of",
    "statement_key",
    "subject_key",
    "verify_consistency",
    "verify_inclusion",
    "verify_map_proof",
    "vouch",
]
