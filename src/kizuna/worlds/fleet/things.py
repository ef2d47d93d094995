# SPDX-License-Identifier: Apache-2.0
"""Simulated devices: each kind speaks its scheme's own bytes, honest or not.

Keeps: 1. What a device sends is made as a real one makes it: signed or tagged by a key of its own,
over claims that its scheme reads. 2. A device knows nothing of what befalls it: an event changes
its state (firmware, counters, key), and the evidence follows from that.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from kizuna.model.identifier import SubjectId, canonical
from kizuna.proof.attestation.reference import Reference
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.proof.attestation.schemes.observed import (
    LEARNT,
    Learnt,
    Observation,
    observed_claims,
)
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit, Handle

__all__ = ["KINDS", "MODELS", "Thing", "good_value", "references", "thing"]

KINDS: Final = ("psa", "hmac", "observed")

MODELS: Final = {
    "psa": sha256(b"simulated controller").hexdigest(),
    "hmac": "simulated-sensor",
}
_GOOD: Final = {
    "psa": (("BL", b"bootloader 2.1"), ("APP", b"controller firmware 4.0")),
    "hmac": (("app", b"sensor firmware 1.3"),),
}
_SIGNER: Final = sha256(b"simulated maker").digest()
_SECURED: Final = 0x3000
_TFM: Final = "tag:psacertified.org,2023:psa#tfm"


def references() -> list[Reference]:
    """The values that the makers of the simulated devices published."""
    return [_value(kind, name, image) for kind, images in _GOOD.items() for name, image in images]


def good_value(thing: Thing, name: str) -> Reference:
    """A value that calls good whatever this device runs now."""
    return _value(thing.kind, name, thing.images[name])


def _value(kind: str, name: str, image: bytes) -> Reference:
    return Reference(
        model=MODELS[kind],
        component=name,
        digest_alg="sha-256",
        digest=sha256(image).digest(),
        signer=_SIGNER if kind == "psa" else None,
        signed=True,
    )


@dataclass(slots=True)
class Thing:
    """One device and its state."""

    subject: SubjectId
    kind: str
    identity: bytes
    unit: EphemeralUnit
    handle: Handle | None
    secret: SharedKey | None
    gateway: str | None
    port: str
    images: dict[str, bytes]
    boot: int = 1
    sequence: int = 0
    started: int = 0
    seed: bytes = b""
    rhythm: int = 1000
    banner: bytes = b""
    silent: bool = False
    behind: int = 0
    """Seconds that its clock is set back."""
    last: list[bytes] = field(default_factory=list)
    """Its last evidence, the newest last: what somebody on the network could have recorded."""

    def reboot(self, draw: random.Random, now: int) -> None:
        """Start again: boot counter on, sequence and clock anew, a new boot session."""
        self.boot += 1
        self.sequence = 0
        self.started = now
        self.seed = draw.randbytes(32)

    def copy(self, draw: random.Random) -> Thing:
        """Another thing with the same key and counters, started on its own."""
        return replace(self, seed=draw.randbytes(32), last=[], images=dict(self.images))

    def evidence(self, nonce: bytes, now: int) -> bytes:
        """What it sends in answer to this nonce."""
        self.sequence += 1
        made = getattr(self, f"_{self.kind}")(nonce, now)
        self.last = [*self.last[-3:], made]
        return bytes(made)

    def _psa(self, nonce: bytes, now: int) -> bytes:  # noqa: ARG002 - such a token has no clock
        claims = {
            265: _TFM,
            10: nonce,
            256: self.identity,
            2396: bytes.fromhex(MODELS["psa"]),
            2394: 1,
            2395: _SECURED,
            2399: [
                {1: name, 2: sha256(image).digest(), 5: _SIGNER}
                for name, image in self.images.items()
            ],
            268: self.seed,
        }
        return self._signed(claims)

    def _hmac(self, nonce: bytes, now: int) -> bytes:
        claims = tiny_claims(
            identity=self.identity,
            boot=self.boot,
            sequence=self.sequence,
            measurements={n: sha256(image).digest() for n, image in self.images.items()},
            nonce=nonce,
            uptime=max(0, now - self.started - self.behind),
            model=MODELS["hmac"],
        )
        if self.secret is None:
            raise ValueError("a sensor has a secret")
        return make_token(self.secret, claims)

    def _observed(self, nonce: bytes, now: int) -> bytes:
        claims = observed_claims(
            gateway=sha256(str(self.gateway).encode()).digest(),
            device=self.identity,
            sequence=now,
            observation=Observation(
                address=self.port,
                position=self.port,
                banner=sha256(self.banner).digest(),
                interval=self.rhythm,
            ),
            nonce=nonce,
        )
        return self._signed(claims)

    def _signed(self, claims: dict[int, object]) -> bytes:
        if self.handle is None:
            raise ValueError("this device has a key")
        return sign1(self.unit, self.handle, {}, encode(claims))

    def enrolled(self) -> Enrolled:
        """What its owner enrols of it."""
        about = {}
        if self.kind == "observed":
            about[LEARNT] = Learnt(
                address=self.port,
                position=self.port,
                banner=sha256(self.banner).digest(),
                interval=self.rhythm,
                tolerance=self.rhythm // 5,
            )
        key = self.secret if self.handle is None else self.unit.public(self.handle)
        return Enrolled(
            scheme=self.kind,
            subject=self.subject,
            key=key,
            reference=MODELS.get(self.kind),
            identity=self.identity,
            position=self.gateway,
            about=about,
        )


def thing(
    number: int,
    kind: str,
    unit: EphemeralUnit,
    draw: random.Random,
    *,
    now: int,
    gateway: str | None = None,
    watcher: Handle | None = None,
) -> Thing:
    """A new device.

    Args:
        number: gives its name.
        kind: one of ``KINDS``.
        unit: where its key is made.
        draw: the simulation's randomness.
        now: when it was started.
        gateway: under which it stands.
        watcher: the gateway's key, for a device that says nothing itself.
    """
    identity = draw.randbytes(32)
    handle = watcher
    if kind == "psa":
        handle = unit.generate(Algorithm.ES256, f"device {number}")
        identity = b"\x01" + sha256(unit.public(handle).cose_key).digest()
    return Thing(
        subject=canonical(f"urn:dev:ops:000000-sim-{kind}-{number:06d}"),
        kind=kind,
        identity=identity,
        unit=unit,
        handle=None if kind == "hmac" else handle,
        secret=SharedKey(draw.randbytes(32)) if kind == "hmac" else None,
        gateway=gateway,
        port=f"port-{number}",
        images=dict(_GOOD.get(kind, ())),
        started=now,
        seed=draw.randbytes(32),
        rhythm=draw.randrange(500, 5000),
        banner=b"pump 7 " + draw.randbytes(4),
    )
