# SPDX-License-Identifier: Apache-2.0
"""Simulated devices: each kind speaks its scheme's own bytes, honest or not.

Keeps: 1. What a device sends is made as a real one makes it: signed or tagged by a key of its own,
over claims that its scheme reads. 2. A device knows nothing of what befalls it: an event changes
its state (firmware, counters, key), and the evidence follows from that.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, field, replace
from hashlib import sha256, sha512
from typing import Final

from kizuna.model.identifier import SubjectId, canonical
from kizuna.proof.attestation.reference import Reference
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.dice import write_evidence as dice_evidence
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.proof.attestation.schemes.observed import (
    LEARNT,
    Learnt,
    Observation,
    observed_claims,
)
from kizuna.proof.attestation.schemes.tpm.evidence import write_evidence as tpm_evidence
from kizuna.roots.boot.layer import (
    Inputs,
    Secrets,
    certify_layer,
    chain_of,
    layer_key,
    next_secrets,
)
from kizuna.roots.boot.signature import write_ecdsa
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.cose.cbor import bytes_of
from kizuna.roots.cose.message import sig_structure
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit, Handle

__all__ = ["KINDS", "MODELS", "Thing", "good_value", "references", "thing"]

KINDS: Final = ("psa", "hmac", "tpm", "dice", "observed")

MODELS: Final = {
    "psa": sha256(b"simulated controller").hexdigest(),
    "hmac": "simulated-sensor",
    "tpm": "simulated-server",
    "dice": "simulated-meter",
}
_GOOD: Final = {
    "psa": (("BL", b"bootloader 2.1"), ("APP", b"controller firmware 4.0")),
    "hmac": (("app", b"sensor firmware 1.3"),),
    "tpm": (("0", b"firmware of the board"), ("7", b"secure boot is on")),
    "dice": (("layer-0.code", b"meter loader 3"), ("layer-1.code", b"meter application 9")),
}
_SIGNER: Final = sha256(b"simulated maker").digest()
_SECURED: Final = 0x3000
_TFM: Final = "tag:psacertified.org,2023:psa#tfm"


def references() -> list[Reference]:
    """The values that the makers of the simulated devices published."""
    found = [_value(kind, name, image) for kind, images in _GOOD.items() for name, image in images]
    found += [  # what a layer was configured with, and by whom
        Reference(
            model=MODELS["dice"],
            component=f"layer-{place}.{part}",
            digest_alg="sha-512",
            digest=bytes(64),
            signed=True,
        )
        for place in range(len(_GOOD["dice"]))
        for part in ("config", "authority")
    ]
    return found


def good_value(thing: Thing, name: str) -> Reference:
    """A value that calls good whatever this device runs now."""
    return _value(thing.kind, name, thing.images[name])


def _value(kind: str, name: str, image: bytes) -> Reference:
    return Reference(
        model=MODELS[kind],
        component=name,
        digest_alg="sha-512" if kind == "dice" else "sha-256",
        digest=sha512(image).digest() if kind == "dice" else sha256(image).digest(),
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
        if self.kind != "dice":  # whose seed is its unique secret
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

    def _tpm(self, nonce: bytes, now: int) -> bytes:
        """A quote as a TPM builds it: TPMS_ATTEST over nonce, clock, resets and registers."""
        if self.handle is None:
            raise ValueError("a server has a key")
        registers = {("sha256", int(n)): sha256(image).digest() for n, image in self.images.items()}
        selected = bytearray(3)
        for _, number in registers:
            selected[number // 8] |= 1 << number % 8
        digest = sha256(b"".join(registers[place] for place in sorted(registers))).digest()
        clock = max(0, now - self.started - self.behind) * 1000
        attest = b"".join(
            (
                b"\xff\x54\x43\x47\x80\x18",
                _sized(b"\x00\x0b" + self.identity),
                _sized(nonce),
                struct.pack(">QIIB", clock, self.boot, 0, 1),
                bytes(8),
                b"\x00\x00\x00\x01\x00\x0b\x03" + bytes(selected),
                _sized(digest),
            )
        )
        signature = write_ecdsa(self.unit.sign(self.handle, attest))
        return tpm_evidence(attest, signature, registers, node=self.identity[:16])

    def _dice(self, nonce: bytes, now: int) -> bytes:  # noqa: ARG002 - such a chain has no clock
        """The layers' certificates, each made by the one below, and the last key's proof."""
        secrets = Secrets(self.seed, bytes(32))
        root = key = layer_key(secrets.attest)
        certificates = []
        for image in self.images.values():
            inputs = Inputs(code=sha512(image).digest(), mode=1)
            secrets = next_secrets(secrets, inputs)
            below = layer_key(secrets.attest)
            certificates.append(certify_layer(key, below.public, inputs))
            key = below
        header = encode({1: int(key.public.algorithm)})
        signature = key.sign(sig_structure(header, nonce))
        proof = b"".join(
            (b"\xd2\x84", bytes_of(header), b"\xa0", bytes_of(nonce), bytes_of(signature))
        )
        return dice_evidence(chain_of(root.public, certificates), proof)

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
        roots: tuple[PublicKey, ...] = ()
        identity: bytes | None = self.identity
        if self.kind == "dice":
            root = layer_key(Secrets(self.seed, bytes(32)).attest).public
            key, roots, identity = None, (root,), None
        elif self.kind == "tpm":
            identity = self.identity[:16]
        return Enrolled(
            scheme=self.kind,
            subject=self.subject,
            key=key,
            roots=roots,
            reference=MODELS.get(self.kind),
            identity=identity,
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
    if kind in ("psa", "tpm"):
        handle = unit.generate(Algorithm.ES256, f"device {number}")
    if kind == "psa" and handle is not None:
        identity = b"\x01" + sha256(unit.public(handle).cose_key).digest()
    return Thing(
        subject=canonical(f"urn:dev:ops:000000-sim-{kind}-{number:06d}"),
        kind=kind,
        identity=identity,
        unit=unit,
        handle=None if kind in ("hmac", "dice") else handle,
        secret=SharedKey(draw.randbytes(32)) if kind == "hmac" else None,
        gateway=gateway,
        port=f"port-{number}",
        images=dict(_GOOD.get(kind, ())),
        boot=5,
        started=now,
        seed=draw.randbytes(32),
        rhythm=draw.randrange(500, 5000),
        banner=b"pump 7 " + draw.randbytes(4),
    )


def _sized(data: bytes) -> bytes:
    """A TPM2B: two bytes of length, then the bytes."""
    return len(data).to_bytes(2, "big") + data
