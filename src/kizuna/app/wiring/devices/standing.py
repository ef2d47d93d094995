# SPDX-License-Identifier: Apache-2.0
"""From changes of standing to statements: what the verifier says, once, when it is so.

Keeps: 1. A change is one ``evidence`` of type ``attestation`` about the device; the one before it
loses its place. 2. Going bad also brings one notice, and only its own end withdraws it. 3. What
stays as it was says nothing: of all devices of a gateway in an epoch there is one root. 4. A status
that nobody could give (``none``) says no tier, so that a requirement finds nothing to judge by and
the device is undetermined, never untrusted and never trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from kizuna import __version__
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import (
    Action,
    Claim,
    Notice,
    Payload,
    Reference,
    Severity,
    Target,
)
from kizuna.model.payload import Status as StatusOf
from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.ear import MEDIA_TYPE, sign_ear
from kizuna.proof.attestation.fleet import TAMPERING, Alarm, Event
from kizuna.proof.attestation.fleet.alarm import RAISED_BY_ANYONE

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["ATTESTATION", "EPOCH_TYPE", "EpochRoot", "Sayings", "epoch_claim", "standing_claim"]

ATTESTATION: Final = "attestation"
EPOCH_TYPE: Final = "attestation-epoch"

_MEND: Final[Mapping[Alarm, str]] = {
    Alarm.SILENCE: "Find out why the device is silent: power, network, or its gateway.",
    Alarm.CLOCK_BACK: "Take the device off the network, find out why its clock went back, and "
    "enrol it anew.",
    Alarm.COUNTER_BACK: "Take the device off the network: its state was set back. Enrol it anew.",
    Alarm.TWO_STREAMS: "Two things speak with this device's key. Take both off the network, "
    "replace the key, and enrol the right one anew.",
    Alarm.CLONE: "The device's key was copied. Take both off the network, replace the key, and "
    "enrol the right one anew.",
    Alarm.UNKNOWN_FIRMWARE: "Install the firmware that the maker published, or add the value of a "
    "release that the maker signed.",
    Alarm.MOVED: "Put the device back in its place, or enrol it at the new one.",
    Alarm.SWAP: "Another thing stands in the device's place: put the right one back, or enrol the "
    "new one with its owner's voucher.",
    Alarm.TAMPERING: "Take the device off the network and install known software from a clean "
    "medium.",
    Alarm.LYING_GATEWAY: "Take the gateway out of service; attest its devices through another one.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRoot:
    """What one gateway affirmed in one epoch."""

    gateway: SubjectId
    epoch: int
    devices: int
    affirming: int
    root: bytes
    checked: int
    """Leaves that were opened and held."""


class Sayings:
    """Says in the workspace's name what changed. Owner of the table of notices in effect."""

    def __init__(
        self, workspace: Workspace, notices: dict[str, str], keep: Callable[[bytes], str]
    ) -> None:
        self._workspace = workspace
        self._keep = keep
        self.notices = notices

    def say(self, events: Iterable[Event], roots: Iterable[EpochRoot] = ()) -> int:
        """Register what these come to; how many statements it took.

        Of several changes of one device in one batch only the last is said, and the alarms between;
        never what anybody on the network can bring about, or strangers would fill the log.
        """
        statements: list[bytes] = []
        last: dict[str, Event] = {}
        for event in events:
            if (
                event.changed
                or event.again
                or (
                    event.alarm is not None
                    and event.alarm not in RAISED_BY_ANYONE
                    and event.after is not Status.AFFIRMING
                )
            ):
                held = last.get(event.subject)
                if held is None or _outweighs(event, held):
                    last[event.subject] = event
        for event in last.values():
            statements += self._of(event)
        for root in roots:
            statements.append(self._sign(Kind.EVIDENCE, root.gateway, epoch_claim(root)))
        if statements:
            outcomes = self._workspace.register(statements)
            for outcome in outcomes:
                problem = getattr(outcome, "problem", None)
                if problem is not None:
                    raise problem
        return len(statements)

    def _of(self, event: Event) -> list[bytes]:
        subject = event.subject
        bad = event.after in (Status.CONTRAINDICATED, Status.WARNING)
        claim = standing_claim(event)
        if bad and event.appraisal is not None:
            # the whole result stands beside the log, for whoever has to find out what happened
            claim = replace(claim, evidence=[*claim.evidence, self._result(event.appraisal)])
        made = [self._sign(Kind.EVIDENCE, subject, claim)]
        if event.again:
            return made
        held = self.notices.get(subject)
        if held is not None:
            withdrawal = StatusOf(
                action=Action.WITHDRAW,
                target=Target(statement=held),
                reason=None if bad else "the device attested again and is well",
            )
            made.append(self._sign(Kind.STATUS, subject, withdrawal))
            del self.notices[subject]
        if bad:
            statement = self._sign(Kind.NOTICE, subject, _notice(event))
            self.notices[subject] = self._workspace.digest_of(statement)
            made.append(statement)
        return made

    def _result(self, appraisal: Appraisal) -> Reference:
        workspace = self._workspace
        result = sign_ear(workspace.unit, workspace.handle, appraisal, version=__version__)
        return Reference(
            sha256=self._keep(result),
            media_type=MEDIA_TYPE,
            note="the attestation result (EAR), in fleet/results of the verifier",
        )

    def _sign(self, kind: Kind, subject: SubjectId, payload: Payload) -> bytes:
        return self._workspace.sign(kind, subject, payload)


def standing_claim(event: Event) -> Claim:
    """The claim ``attestation`` of one change."""
    claims: dict[str, Any] = {"status": event.after.value, "before": event.before.value}
    if event.alarm is not None:
        claims["reason"] = event.alarm.value
    if event.source:
        claims["by"] = event.source[:200]
    if event.detail:
        claims["detail"] = event.detail[:200]
    evidence = []
    appraisal = event.appraisal
    if appraisal is not None:
        claims["scheme"] = appraisal.scheme
        claims["vector"] = list(appraisal.vector.numbers)
        if appraisal.findings:
            claims["findings"] = sorted({f.code.value for f in appraisal.findings})
        evidence.append(
            Reference(sha256=appraisal.evidence.hex(), note="the evidence that was appraised")
        )
    if event.after is not Status.NONE:
        tier = None if appraisal is None else appraisal.tier.value
        claims["tier"] = tier or "gateway"
    return Claim(type=ATTESTATION, claims=claims, evidence=evidence)


def epoch_claim(root: EpochRoot) -> Claim:
    """The claim ``attestation-epoch`` of one gateway and epoch."""
    return Claim(
        type=EPOCH_TYPE,
        claims={
            "epoch": root.epoch,
            "devices": root.devices,
            "affirming": root.affirming,
            "root": root.root.hex(),
            "checked": root.checked,
        },
    )


def _notice(event: Event) -> Notice:
    alarm = event.alarm
    tampered = alarm in TAMPERING
    said = alarm.value if alarm is not None else event.after.value
    found = [] if event.appraisal is None else [f.code.value for f in event.appraisal.findings]
    words = [f"attestation: {said}"]
    if event.detail:
        words.append(event.detail)
    words += found[:3]
    return Notice(
        type="tampering" if tampered else "attestation-failed",
        severity=Severity.HIGH if event.after is Status.CONTRAINDICATED else Severity.MEDIUM,
        id=said,
        summary="; ".join(words)[:4000],
        mend=None if alarm is None else _MEND.get(alarm),
        since=datetime.fromtimestamp(event.at, UTC),
    )


def _outweighs(later: Event, earlier: Event) -> bool:
    """The last word counts; of two at the same instant the worse."""
    return later.at > earlier.at or later.after is not earlier.after or later.alarm is not None
