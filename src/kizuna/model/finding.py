# SPDX-License-Identifier: Apache-2.0
"""Findings: what is wrong, where, by which requirement, whose turn it is, what would mend it.

Keeps: 1. A finding is a value with a stable code; words come from the message catalogue by that
code. 2. The code alone decides the value that a finding gives its node (untrusted or
undetermined), the outcome, and whether a waiver may remove it: never the text. 3. "Could not
verify" is ``undetermined``; only something positively wrong is ``untrusted``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from kizuna.model.identifier import SubjectId
from kizuna.model.outcome import Outcome

__all__ = ["Code", "Finding", "Value"]


class Value(IntEnum):
    """The three-valued verdict, ordered: the meet of two is the smaller one."""

    UNTRUSTED = 0
    UNDETERMINED = 1
    TRUSTED = 2

    @property
    def word(self) -> str:
        """``untrusted``, ``undetermined`` or ``trusted``."""
        return self.name.lower()


class Code(StrEnum):
    """Every kind of finding. The names are an interface and never change."""

    # tampering: nothing waives it
    TAMPERED = "tampering.reported"
    LOG_FORKED = "log.forked"
    SIGNATURE_WRONG = "signature.wrong"
    # expired or stale
    CLAIM_EXPIRED = "claim.expired"
    CLAIM_NOT_YET_VALID = "claim.not-yet-valid"
    CLAIM_STALE = "claim.stale"
    STORE_STALE = "store.stale"
    LIST_STALE = "list.stale"
    LOG_ROLLED_BACK = "log.rolled-back"
    # nonconformant
    CONDITION_FAILED = "condition.failed"
    LEVEL_TOO_LOW = "level.too-low"
    # not trusted
    CLAIM_REVOKED = "claim.revoked"
    CLAIM_SUSPENDED = "claim.suspended"
    NOTICE_ADVERSE = "notice.adverse"
    PARTY_SILENT_REFUSED = "party.silent-refused"
    # cannot reach
    STORE_UNREACHABLE = "store.unreachable"
    # chain incomplete
    LINK_MISSING = "link.missing"
    COMPLETENESS_UNPROVEN = "completeness.unproven"
    PARTY_SILENT = "party.silent"
    # evidence missing
    CLAIM_MISSING = "claim.missing"
    CLAIM_UNAUTHORISED = "claim.unauthorised"
    CLAIM_ERASED = "claim.erased"
    CLAIM_RESTRICTED = "claim.restricted"
    CLAIM_CONTRADICTED = "claim.contradicted"
    CLAIM_TIME_UNCERTAIN = "claim.time-uncertain"
    KEY_COMPROMISED = "key.compromised"
    KEY_ENDED = "key.ended"
    CONDITION_UNDECIDED = "condition.undecided"
    SUBJECT_UNKNOWN = "subject.unknown"
    NOTHING_ASKED = "profile.asks-nothing"
    ANCHORS_MISSING = "anchors.missing"
    QUORUM_MISSING = "quorum.missing"
    PROOF_INCOMPLETE = "proof.incomplete"
    PROOF_WITHHELD = "proof.withheld"
    # shown, without effect
    NOTICE_UNCONFIRMED = "notice.unconfirmed"
    WAIVED = "finding.waived"
    WAIVER_IDLE = "waiver.without-effect"
    BILLS_DIFFER = "bill.contradicted"
    SIGNATURE_INSIDE_UNVERIFIED = "document.signature-unverified"
    MAPPING_CARRIED = "mapping.carried"
    MAPPING_PROPOSED = "mapping.proposed"
    MAPPING_PARTLY = "mapping.partly"
    MAPPING_NONE = "mapping.none"

    @property
    def value_given(self) -> Value:
        """What a node with this finding is at best."""
        return _EFFECT[self][0]

    @property
    def outcome(self) -> Outcome:
        """The outcome (and exit code) this finding stands for."""
        return _EFFECT[self][1]

    @property
    def waivable(self) -> bool:
        """False for tampering, and for what is missing from the verifier's own side."""
        return self not in _NEVER_WAIVED


_U, _D, _T = Value.UNTRUSTED, Value.UNDETERMINED, Value.TRUSTED
_EFFECT: Final[dict[Code, tuple[Value, Outcome]]] = {
    Code.TAMPERED: (_U, Outcome.TAMPERED),
    Code.LOG_FORKED: (_U, Outcome.TAMPERED),
    Code.SIGNATURE_WRONG: (_U, Outcome.TAMPERED),
    Code.CLAIM_EXPIRED: (_D, Outcome.STALE),
    Code.CLAIM_NOT_YET_VALID: (_D, Outcome.STALE),
    Code.CLAIM_STALE: (_D, Outcome.STALE),
    Code.STORE_STALE: (_D, Outcome.STALE),
    Code.LIST_STALE: (_D, Outcome.STALE),
    Code.LOG_ROLLED_BACK: (_D, Outcome.STALE),
    Code.CONDITION_FAILED: (_U, Outcome.NONCONFORMANT),
    Code.LEVEL_TOO_LOW: (_U, Outcome.NONCONFORMANT),
    Code.CLAIM_REVOKED: (_U, Outcome.NOT_TRUSTED),
    Code.CLAIM_SUSPENDED: (_U, Outcome.NOT_TRUSTED),
    Code.NOTICE_ADVERSE: (_U, Outcome.NOT_TRUSTED),
    Code.PARTY_SILENT_REFUSED: (_U, Outcome.NOT_TRUSTED),
    Code.STORE_UNREACHABLE: (_D, Outcome.UNREACHABLE),
    Code.LINK_MISSING: (_D, Outcome.CHAIN_INCOMPLETE),
    Code.COMPLETENESS_UNPROVEN: (_D, Outcome.CHAIN_INCOMPLETE),
    Code.PARTY_SILENT: (_D, Outcome.CHAIN_INCOMPLETE),
    Code.CLAIM_MISSING: (_D, Outcome.EVIDENCE_MISSING),
    Code.CLAIM_UNAUTHORISED: (_D, Outcome.EVIDENCE_MISSING),
    Code.CLAIM_ERASED: (_D, Outcome.EVIDENCE_MISSING),
    Code.CLAIM_RESTRICTED: (_D, Outcome.EVIDENCE_MISSING),
    Code.CLAIM_CONTRADICTED: (_D, Outcome.EVIDENCE_MISSING),
    Code.CLAIM_TIME_UNCERTAIN: (_D, Outcome.EVIDENCE_MISSING),
    Code.KEY_COMPROMISED: (_D, Outcome.EVIDENCE_MISSING),
    Code.KEY_ENDED: (_D, Outcome.EVIDENCE_MISSING),
    Code.CONDITION_UNDECIDED: (_D, Outcome.EVIDENCE_MISSING),
    Code.SUBJECT_UNKNOWN: (_D, Outcome.EVIDENCE_MISSING),
    Code.NOTHING_ASKED: (_D, Outcome.EVIDENCE_MISSING),
    Code.ANCHORS_MISSING: (_D, Outcome.EVIDENCE_MISSING),
    Code.QUORUM_MISSING: (_D, Outcome.EVIDENCE_MISSING),
    Code.PROOF_INCOMPLETE: (_D, Outcome.EVIDENCE_MISSING),
    Code.PROOF_WITHHELD: (_D, Outcome.EVIDENCE_MISSING),
    Code.NOTICE_UNCONFIRMED: (_T, Outcome.HOLDS),
    Code.WAIVED: (_T, Outcome.HOLDS),
    Code.WAIVER_IDLE: (_T, Outcome.HOLDS),
    Code.BILLS_DIFFER: (_T, Outcome.HOLDS),
    Code.SIGNATURE_INSIDE_UNVERIFIED: (_T, Outcome.HOLDS),
    Code.MAPPING_CARRIED: (_T, Outcome.HOLDS),
    Code.MAPPING_PROPOSED: (_T, Outcome.HOLDS),
    Code.MAPPING_PARTLY: (_T, Outcome.HOLDS),
    Code.MAPPING_NONE: (_T, Outcome.HOLDS),
}
_NEVER_WAIVED: Final = frozenset(
    {
        Code.TAMPERED,
        Code.LOG_FORKED,
        Code.SIGNATURE_WRONG,
        Code.ANCHORS_MISSING,
        Code.QUORUM_MISSING,
        Code.PROOF_INCOMPLETE,
        Code.PROOF_WITHHELD,
        Code.SUBJECT_UNKNOWN,
        Code.NOTHING_ASKED,
        Code.STORE_STALE,
        Code.LIST_STALE,
        Code.LOG_ROLLED_BACK,
        Code.STORE_UNREACHABLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One thing that keeps a subject from being trusted (or that its reader should know).

    ``turn`` is the party that can act; ``statements`` the digests (hex) it rests on; ``about`` the
    values that the catalogue's sentences for message and mend need, as sorted pairs.
    ``counts`` is False where the profile lets the node's place in the chain be informative, or a
    share of parts be bad: the finding is shown and does not decide.
    """

    subject: SubjectId
    code: Code
    requirement: str = ""
    turn: str = ""
    statements: tuple[str, ...] = ()
    about: tuple[tuple[str, str], ...] = ()
    counts: bool = True
