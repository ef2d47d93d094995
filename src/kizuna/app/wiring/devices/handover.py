# SPDX-License-Identifier: Apache-2.0
"""Devices change hands: a voucher and its acceptance, in one log or in two that cite each other.

::

    giver's log   voucher ────────────────┐ release: the voucher with its receipt
    taker's log                           └─▶ acceptance, cites both ─┐ with its receipt
    giver's log   handover, cites both ◀──────────────────────────────┘

Keeps: 1. In one log giver and taker need nothing but the log. 2. Across logs nobody believes a
file: the other side's signature is checked with keys that count for it, and its receipt with a log
key that is believed here. 3. A voucher is taken once, in time, by the one it names, for the device
it names. 4. Each log tells the whole of what it saw: digests of the other side's statement and
receipt stand in its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.devices.life import Enrolment, Lives
from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, Scalar, seconds

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Envelope
    from kizuna.model.trust import Anchors

__all__ = ["Passed", "accept", "hand_over", "passed", "transfer", "transparent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A statement of somebody else's log, with the receipt that it stands there; both checked."""

    envelope: Envelope
    claim: Claim
    statement: bytes
    origin: str
    receipt: str
    """SHA-256 of the receipt."""


def transfer(
    lives: Lives,
    subject: str,
    to: str,
    *,
    expires: int | None = None,
    assertion: str = "verified",
    certificate: bytes | None = None,
    serial: str | None = None,
    nonce: bytes | None = None,
) -> tuple[dict[str, Any], bytes | None]:
    """Give a device to somebody: a voucher in the log, and with the new owner's certificate
    the same as a document of RFC 8366.

    Raises:
        Refused: ``life.no-effect``. Malformed: ``life.voucher``, ``life.assertion``.
    """
    from kizuna.roots.life import Assertion, Voucher, read_certificates, sign_voucher
    from kizuna.roots.life import voucher_claim as claim_of

    device, workspace = canonical(subject), lives.workspace
    if assertion not in [a.value for a in Assertion]:
        raise Malformed(
            "life.assertion",
            f"not a way of knowing the new owner: {assertion[:40]!r}",
            hint="use verified, logged or proximity",
            assertion=assertion[:40],
        )
    now = workspace.clock()
    document: bytes | None = None
    if certificate is not None:
        voucher = Voucher(
            created_on=now,
            expires_on=expires,
            assertion=Assertion(assertion),
            serial_number=serial or device[:512],
            pinned_domain_cert=read_certificates(certificate)[0],
            nonce=nonce,
        )
        document = sign_voucher(workspace.unit, workspace.handle, voucher)
    life = lives.life(device)
    about: dict[str, Scalar] = {}
    if serial:
        about["serial-number"] = serial
    if nonce:
        about["nonce"] = nonce.hex()
    claim = claim_of(
        to,
        assertion=Assertion(assertion),
        prior=life.vouchers[-1] if life.vouchers else None,
        created=now,
        expires=expires,
        about=about,
        document=None if document is None else hashlib.sha256(document).hexdigest(),
    )
    done = lives.register(life, device, [(Kind.CERTIFICATE, claim)])
    return done | {
        "subject": device,
        "to": canonical(to),
        "voucher": done["statement"],
    }, document


def accept(
    lives: Lives,
    subject: str,
    said: Enrolment,
    *,
    release: bytes | None = None,
    anchors: Anchors | None = None,
) -> dict[str, Any]:
    """Take a device that was given to this organisation, under a key of its own.

    Args:
        lives: the taker's.
        subject: the device.
        said: its new key, and how it attests.
        release: the giver's voucher with its receipt, where it stands in another log.
        anchors: what is believed of that log; else what this store believes.

    Raises:
        Refused: ``life.not-offered``, ``life.no-effect``, ``life.voucher-over``,
            ``life.voucher-used``. Malformed: ``life.release``, ``envelope.*``.
        Tampered: ``life.release-signature``, ``log.receipt-wrong``. Absent: ``log.not-accepted``.
    """
    device = canonical(subject)
    if release is not None:
        return _taken(lives, device, said, passed(lives.workspace, release, anchors))
    offer = lives.life(device).offer
    if offer is None or offer.to != lives.workspace.identity:
        raise _not_offered(subject)
    taken = replace(said, voucher=offer.digest, owner=None, made=False)
    return lives.enrol(subject, taken) | {"voucher": offer.digest, "from": offer.by}


def hand_over(
    lives: Lives, subject: str, acceptance: bytes, anchors: Anchors | None = None
) -> dict[str, Any]:
    """Close a transfer in the giver's log with the taker's acceptance, which stands in another.

    Raises:
        Refused: ``life.not-offered``, ``life.no-effect``. Malformed: ``life.release``.
        Tampered: ``life.release-signature``, ``log.receipt-wrong``. Absent: ``log.not-accepted``.
    """
    from kizuna.roots.life import LDEVID, handover

    device = canonical(subject)
    life = lives.life(device)
    offer = life.offer
    found = passed(lives.workspace, acceptance, anchors)
    fits = (
        offer is not None
        and found.claim.type == LDEVID
        and found.envelope.subject == device
        and found.envelope.issuer == offer.to
        and found.claim.claims.get("voucher") == offer.digest
    )
    if not fits or offer is None:
        raise Refused(
            "life.not-accepted",
            f"this is no acceptance of {subject[:200]}",
            why="it is about another device or voucher, or not said by whom it was given to",
            hint="ask the new owner for what `kizuna device accept --acceptance FILE` wrote",
            subject=subject[:200],
        )
    claim = handover(
        offer.to,
        voucher=offer.digest,
        acceptance=found.envelope.digest.hex(),
        log=found.origin,
        receipt=found.receipt,
    )
    done = lives.register(life, device, [(Kind.EVIDENCE, claim)])
    return done | {"subject": device, "to": offer.to, "acceptance": found.envelope.digest.hex()}


def transparent(workspace: Workspace, digest: str) -> bytes:
    """A registered statement with its receipt, for somebody with another log."""
    from kizuna.model.identifier import Digest

    return workspace.store.transparent(Digest(bytes.fromhex(digest)))


def passed(workspace: Workspace, data: bytes, anchors: Anchors | None = None) -> Passed:
    """A certificate claim of another log, its signature and receipt checked.

    Raises:
        Malformed: ``life.release``, ``envelope.*``. Tampered: ``life.release-signature``,
            ``log.receipt-wrong``. Absent: ``log.not-accepted``.
    """
    from kizuna.app.wiring.devices.makers import history_of
    from kizuna.app.wiring.proofs import check
    from kizuna.model.payload import decode_payload
    from kizuna.roots.cose import check_signature, parse_sign1, with_receipts

    try:
        envelope = parse_sign1(data)
        payload = decode_payload(Kind.CERTIFICATE, envelope.payload)
    except Malformed as fault:
        raise _no_release() from fault
    said = envelope.media_type == media_type_of(Kind.CERTIFICATE)
    if not said or not isinstance(payload, Claim) or len(envelope.receipts) != 1:
        raise _no_release()
    history = history_of(workspace, envelope.issuer)
    keys = history.current(2**53)
    key = next((one for one in keys if one.thumbprint == envelope.key_id), None)
    if key is None or not check_signature(envelope, key):
        raise Tampered(
            "life.release-signature",
            "the other side's statement is not signed with a key of its issuer",
            why=f"the keys of {envelope.issuer} that are known here do not fit",
            hint="list the issuer with its key, or ask it for the statement again",
            issuer=envelope.issuer,
        )
    told = check(data, anchors or workspace.anchors(), entry=None)
    (receipt,) = told["receipts"]
    return Passed(
        envelope=envelope,
        claim=payload,
        statement=with_receipts(data, ()),
        origin=receipt["origin"],
        receipt=hashlib.sha256(envelope.receipts[0]).hexdigest(),
    )


def _taken(lives: Lives, device: SubjectId, said: Enrolment, found: Passed) -> dict[str, Any]:
    from kizuna.roots.life import VOUCHER

    workspace, claim = lives.workspace, found.claim
    digest = found.envelope.digest.hex()
    if (
        claim.type != VOUCHER
        or claim.claims.get("owner") != workspace.identity
        or found.envelope.subject != device
    ):
        raise _not_offered(device)
    if claim.valid_until is not None and seconds(claim.valid_until) <= workspace.clock():
        raise Refused(
            "life.voucher-over",
            "the voucher has ended",
            hint="ask the present owner for a new one",
            subject=device,
        )
    life = lives.life(device)
    if any(binding.claims.get("voucher") == digest for binding in life.bindings):
        raise Refused(
            "life.voucher-used",
            "this voucher was taken already",
            why="each voucher passes a device on once",
            hint="`kizuna device history` shows when; ask its present owner for a new one",
            subject=device,
        )
    if life.owners or life.maker is not None:  # this log knows more of it: the voucher joins that
        try:
            workspace.register_one(found.statement)
        except Problem as problem:
            raise _not_offered(device) from problem
        offer = lives.life(device).offer
        if offer is None or offer.digest != digest:
            raise _not_offered(device)
    cites: dict[str, Scalar] = {"released-in": found.origin, "release-receipt": found.receipt}
    taken = replace(said, voucher=digest, owner=None, made=False, cites=cites)
    return lives.enrol(device, taken) | {
        "voucher": digest,
        "from": found.envelope.issuer,
        "released_in": found.origin,
    }


def _not_offered(subject: str) -> Refused:
    return Refused(
        "life.not-offered",
        f"{subject[:200]} is not on offer to this organisation",
        why="no voucher in this store names it as the next owner",
        hint="ask the present owner for `kizuna device transfer`",
        subject=subject[:200],
    )


def _no_release() -> Malformed:
    return Malformed(
        "life.release",
        "not a voucher or an acceptance with its receipt",
        hint="ask the other side for what `kizuna device transfer --release` or "
        "`kizuna device accept --acceptance` wrote",
    )
