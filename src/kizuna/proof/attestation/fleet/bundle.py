# SPDX-License-Identifier: Apache-2.0
"""A gateway's bundle: one signed token for all its devices in one epoch.

::

    COSE_Sign1 (gateway's key)
      265  eat_profile     this profile
        2  sub             the gateway
       10  eat_nonce       nonce of the epoch: the bundle cannot have been made before
        6  iat
      266  submods         the exceptions only, by name: why, and the evidence where there is some
    -70100  epoch          number
    -70101  affirming      how many leaves the tree has
    -70102  root           Merkle root over the leaves, in the order of the devices' names
    -70103  exceptions     how many submods there are

A leaf is ``[subject, scheme, status, SHA-256 of the evidence, epoch]``.

Keeps: 1. The gateway answers for its leaves with its key, and the verifier can ask for any of them:
the leaf at a place must be the device that stands there in the order of names, so none can be left
out or counted twice. 2. A bundle is bounded in size and number before anything is built.
Standard: RFC 9711 (EAT, ``submods``), RFC 9052, RFC 9162 (the tree).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.proof.attestation.appraisal import Status
from kizuna.proof.attestation.fleet.alarm import Alarm
from kizuna.proof.attestation.fleet.tree import proof_of, root_of
from kizuna.roots.cose import check_sign1, decode, encode, read_sign1, sign1
from kizuna.roots.keys import PublicKey
from kizuna.roots.units import Handle, Unit

__all__ = [
    "MAX_BUNDLE",
    "MAX_EXCEPTIONS",
    "PROFILE",
    "Bundle",
    "Exceptional",
    "Leaf",
    "Opening",
    "make_bundle",
    "open_leaves",
    "read_bundle",
    "read_leaf",
]

PROFILE: Final = "tag:kizuna.example,2026:eat#gateway-bundle"
MAX_BUNDLE: Final = 1 << 20
MAX_EXCEPTIONS: Final = 4096
MAX_LEAVES: Final = 1 << 20

_SUB, _IAT, _NONCE, _PROFILE, _SUBMODS = 2, 6, 10, 265, 266
_EPOCH, _AFFIRMING, _ROOT, _EXCEPTIONS = -70100, -70101, -70102, -70103
_REASON, _EVIDENCE, _STATUS, _STRANGER = -70110, -70111, -70112, -70113

LATE: Final = "late"
"""The reason of a device that was not heard in this epoch and is not yet silent."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a gateway says of one device that it affirms."""

    subject: str
    scheme: str
    evidence: bytes
    """SHA-256 of the evidence it looked at."""
    epoch: int

    def entry(self) -> bytes:
        """The bytes that stand in the tree."""
        return encode([self.subject, self.scheme, _AFFIRMING_WORD, self.evidence, self.epoch])


_AFFIRMING_WORD: Final = Status.AFFIRMING.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptional:
    """One device that a gateway does not affirm, or that does not stand under it."""

    alarm: Alarm | None = None
    status: Status | None = None
    """None: only not heard in this epoch."""
    evidence: bytes | None = None
    stranger: bool = False
    """Heard here, though it was enrolled at another place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose signature was checked."""

    gateway: str
    epoch: int
    nonce: bytes
    issued_at: int
    affirming: int
    root: bytes
    exceptions: Mapping[str, Exceptional]


@dataclass(frozen=True, slots=True)
class Opening:
    """A leaf that was asked for: its place, its bytes, the way to the root, its evidence."""

    index: int
    entry: bytes
    proof: tuple[bytes, ...]
    evidence: bytes


def make_bundle(
    unit: Unit,
    handle: Handle,
    *,
    gateway: str,
    epoch: int,
    nonce: bytes,
    leaves: Sequence[Leaf],
    exceptions: Mapping[str, Exceptional],
    now: int,
) -> bytes:
    """The signed bundle; ``leaves`` in the order of their subjects."""
    claims: dict[int, Any] = {
        _PROFILE: PROFILE,
        _SUB: gateway,
        _NONCE: nonce,
        _IAT: now,
        _EPOCH: epoch,
        _AFFIRMING: len(leaves),
        _ROOT: root_of([leaf.entry() for leaf in leaves]),
        _EXCEPTIONS: len(exceptions),
        _SUBMODS: {name: _written(found) for name, found in exceptions.items()},
    }
    return sign1(unit, handle, {}, encode(claims))


def open_leaves(
    leaves: Sequence[Leaf], evidence: Sequence[bytes], places: Sequence[int]
) -> list[Opening]:
    """The openings of these leaves; places beyond the last are left out."""
    entries = [leaf.entry() for leaf in leaves]
    return [
        Opening(place, entries[place], tuple(proof_of(entries, place)), evidence[place])
        for place in places
        if 0 <= place < len(entries)
    ]


def read_bundle(data: bytes, key: PublicKey, gateway: str) -> Bundle:
    """A bundle that ``key`` signed for ``gateway``.

    Raises:
        Malformed: ``fleet.bundle-malformed``. Tampered: ``fleet.bundle-signature``.
    """
    if len(data) > MAX_BUNDLE:
        raise _malformed(f"{len(data)} bytes, at most {MAX_BUNDLE}")
    try:
        message = read_sign1(data)
        authentic = check_sign1(message, key)
        claims = decode(message.payload or b"") if authentic else None
    except Problem as fault:
        raise _malformed(fault.why or fault.what) from fault
    if not authentic:
        raise Tampered(
            "fleet.bundle-signature",
            f"the bundle was not signed by {gateway}",
            why="it was changed on its way, or another key signed it",
            hint="enrol the gateway anew if its key was renewed; otherwise find who sends this",
            gateway=gateway[:200],
        )
    if type(claims) is not dict or claims.get(_PROFILE) != PROFILE:
        raise _malformed("it is not of the profile of gateway bundles")
    return _bundle(claims, gateway)


def read_leaf(entry: bytes) -> Leaf:
    """A leaf from its bytes in the tree.

    Raises:
        Malformed: ``fleet.bundle-malformed``.
    """
    try:
        parts = decode(entry)
    except Problem as fault:
        raise _malformed(fault.why or fault.what) from fault
    if type(parts) is not list or len(parts) != 5:
        raise _malformed("a leaf has five parts")
    subject, scheme, status, evidence, epoch = parts
    if (
        type(subject) is not str
        or type(scheme) is not str
        or status != _AFFIRMING_WORD
        or type(evidence) is not bytes
        or len(evidence) != 32
        or type(epoch) is not int
    ):
        raise _malformed("a leaf says subject, scheme, affirming, digest, epoch")
    return Leaf(subject, scheme, evidence, epoch)


def _bundle(claims: Mapping[Any, Any], gateway: str) -> Bundle:
    epoch, affirming = claims.get(_EPOCH), claims.get(_AFFIRMING)
    root, nonce, issued = claims.get(_ROOT), claims.get(_NONCE), claims.get(_IAT)
    submods = claims.get(_SUBMODS)
    if claims.get(_SUB) != gateway:
        raise _malformed("it speaks for another gateway than the one that signed it")
    if (
        type(epoch) is not int
        or not 0 <= epoch < 2**32
        or type(affirming) is not int
        or not 0 <= affirming <= MAX_LEAVES
        or type(root) is not bytes
        or len(root) != 32
        or type(nonce) is not bytes
        or len(nonce) != 32
        or type(issued) is not int
    ):
        raise _malformed("epoch, nonce, number of leaves, root or time is missing or out of range")
    if (
        type(submods) is not dict
        or len(submods) > MAX_EXCEPTIONS
        or len(submods) != claims.get(_EXCEPTIONS)
    ):
        raise _malformed(f"its exceptions are no map of at most {MAX_EXCEPTIONS}")
    return Bundle(
        gateway=gateway,
        epoch=epoch,
        nonce=nonce,
        issued_at=issued,
        affirming=affirming,
        root=root,
        exceptions={_name(name): _read(found) for name, found in submods.items()},
    )


def _written(found: Exceptional) -> dict[int, Any]:
    told: dict[int, Any] = {_REASON: LATE if found.alarm is None else found.alarm.value}
    if found.status is not None:
        told[_STATUS] = found.status.value
    if found.evidence is not None:
        told[_EVIDENCE] = found.evidence
    if found.stranger:
        told[_STRANGER] = True
    return told


def _read(found: object) -> Exceptional:
    if type(found) is not dict:
        raise _malformed("an exception is no map")
    reason, status = found.get(_REASON), found.get(_STATUS)
    evidence, stranger = found.get(_EVIDENCE), found.get(_STRANGER, False)
    if evidence is not None and type(evidence) is not bytes:
        raise _malformed("the evidence of an exception is no byte string")
    try:
        return Exceptional(
            alarm=None if reason == LATE else Alarm(str(reason)),
            status=None if status is None else Status(str(status)),
            evidence=evidence,
            stranger=stranger is True,
        )
    except ValueError as fault:
        raise _malformed("an exception names a reason or status that is not known") from fault


def _name(name: object) -> str:
    if type(name) is not str or not 0 < len(name) <= 2048:
        raise _malformed("an exception without a name")
    return name


def _malformed(why: str) -> Malformed:
    return Malformed(
        "fleet.bundle-malformed",
        f"the gateway's bundle cannot be read: {why}",
        why=why,
        hint="send the bundle as the gateway made it",
        fault=why[:200],
    )
