# SPDX-License-Identifier: Apache-2.0
"""The life of devices in a store: enrolled, handed over, renewed, lost, ended, and asked about.

Keeps: 1. Every step is a registered statement; what the fleet's verifier needs is written beside it
only after the statement stands. 2. A shared key never reaches the log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.devices.activation import Activation
from kizuna.app.wiring.devices.appraisal import read_keys
from kizuna.app.wiring.devices.life_log import LifeLog
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Link, Links, Payload, Scalar
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.roots.cose import SharedKey
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.life import Binding, DeviceLife

__all__ = ["Enrolment", "Lives"]

HMAC: Final = "hmac"
_SPEAKING = frozenset({"tpm", "psa", "dice", HMAC})
"""Schemes in which the device itself speaks."""
_SMALLEST: Final = 7
_LARGEST: Final = 33
"""Bytes of a UEID (RFC 9711)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What an operator says of a device when they enrol it."""

    key: tuple[str, bytes] | None = None
    """Name and content of the file with its key."""
    scheme: str | None = None
    owner: str | None = None
    gateway: str | None = None
    position: str | None = None
    reference: str | None = None
    """The class of its reference values."""
    identity: str | None = None
    """The instance id that its evidence shows, in hexadecimal."""
    registers: str | None = None
    """The registers that a TPM's quotes are over, as numbers; others are refused."""
    quote: bytes | None = None
    """A quote of the TPM, of which registers and signer are bound."""
    activation: str | None = None
    """A challenge that the chip answered, which proves that it holds the key."""
    learnt: bytes | None = None
    """How a device looks that says nothing, as its connector learnt it."""
    voucher: str | None = None
    cites: Mapping[str, Scalar] = field(default_factory=dict)
    """What of another log this rests on."""
    made: bool = False
    """Whether this is said by the maker (``idevid``) and not by the owner (``ldevid``)."""


class Lives(LifeLog):
    """Devices of one workspace, and the steps of their lives."""

    # --- steps --------------------------------------------------------------------------------

    def enrol(
        self,
        subject: str,
        said: Enrolment,
        *,
        chain: Sequence[bytes] = (),
        anchors: Sequence[bytes] = (),
    ) -> dict[str, Any]:
        """Enrol a device: bind its key, say where it stands, and tell the fleet's verifier.

        Args:
            subject: the device.
            said: what is known of it.
            chain: its IDevID certificate chain (DER or PEM), whose key is then the device's.
            anchors: certificates of the makers that are believed, for ``chain``.

        Raises:
            Refused: ``life.no-effect``, ``life.idevid``. Malformed: ``life.*``, ``key.*``.
        """
        from kizuna.roots.life import idevid, ldevid

        device = canonical(subject)
        _instance(said)
        key, papers = self._key_of(said, chain, anchors)
        named = _named(key)
        about = self._about(said, key) | papers.about | self._proven(said, key, device)
        about |= said.cites
        owner = canonical(said.owner) if said.owner else self.workspace.identity
        life = self.life(device)
        if not said.made and said.scheme in _SPEAKING and named is None and not said.identity:
            raise Malformed(
                "life.key-missing",
                "neither a key nor an instance id was given: any device of the class could speak",
                why="a maker's document vouches for the keys of many devices",
                hint="give the device's public key with --key, or its instance id with --identity",
            )
        said = self._observed(device, said)
        roots = self._roots(device, said, key, anchors)
        self._ready_for(key)
        if said.made:
            claim = idevid(_needed(named), about=about, chain=papers.digest)
        else:
            claim = ldevid(named, owner=owner, voucher=said.voucher, about=about)
        done = self.register(life, device, [(Kind.CERTIFICATE, claim)], self._ties(said))
        if said.activation is not None:
            Activation(self.workspace).used(said.activation, str(about["chip"]), device)
        if not said.made and said.scheme:
            self._tell_fleet(device, said, key, about, roots)
        return done | {
            "subject": device,
            "chip": about.get("chip"),
            "owner": None if said.made else owner,
            "key": None if named is None else (named if isinstance(named, str) else _name(named)),
            "scheme": said.scheme,
            "serial": papers.about.get("serial-number"),
        }

    def rotate(self, subject: str, said: Enrolment) -> dict[str, Any]:
        """Let a new key of the device take over from its operational key.

        Raises:
            Absent: ``life.no-key``. Refused: ``life.no-effect``.
        """
        from kizuna.roots.life import ldevid

        device = canonical(subject)
        life = self.life(device)
        last = _last_key(life)
        key, _ = self._key_of(said, (), ())
        self._ready_for(key)
        named = _named(key)
        kept = _kept(last)
        about = kept | self._about(said, key)
        claim = ldevid(
            _needed(named), owner=life.owner or last.holder, replaces=last.key, about=about
        )
        done = self.register(life, device, [(Kind.CERTIFICATE, claim)])
        scheme = said.scheme or kept.get("scheme")
        if isinstance(scheme, str):
            filled = _filled(said, kept, scheme)
            self._tell_fleet(device, filled, key, about, self._roots(device, filled, key, ()))
        return done | {"subject": device, "old": last.key, "new": str(claim.claims["key"])}

    def revoke(
        self, subject: str, why: str, *, since: int | None = None, reason: str = ""
    ) -> dict[str, Any]:
        """End the device's operational key: lost, stolen (since when), or for another reason.

        Raises:
            Absent: ``life.no-key``. Malformed: ``life.ending``. Refused: ``life.no-effect``.
        """
        from kizuna.roots.life import Ending, end_binding

        endings = ("lost", "stolen", "revoked")
        if why not in endings:
            raise Malformed(
                "life.ending",
                f"not a reason to revoke a device's key: {why[:40]!r}",
                hint="use lost, stolen or revoked",
                ending=why[:40],
            )
        device = canonical(subject)
        life = self.life(device)
        last = _last_key(life)
        status = end_binding(last.digest, Ending(why), since=since, reason=reason)
        done = self.register(life, device, [(Kind.STATUS, status)])
        self._forget_key(device, life)
        return done | {"subject": device, "key": last.key, "ending": why}

    def retire(self, subject: str, reason: str = "") -> dict[str, Any]:
        """End the device's life.

        Raises:
            Refused: ``life.no-effect``.
        """
        from kizuna.roots.life import retirement

        device = canonical(subject)
        life = self.life(device)
        done = self.register(life, device, [(Kind.EVIDENCE, retirement(reason))])
        self._forget_key(device, life)
        return done | {"subject": device}

    # --- inside -------------------------------------------------------------------------------

    def _key_of(
        self, said: Enrolment, chain: Sequence[bytes], anchors: Sequence[bytes]
    ) -> tuple[PublicKey | SharedKey | None, _Papers]:
        if chain:
            from kizuna.roots.life import check_idevid, read_certificates

            certificates = [c for data in chain for c in read_certificates(data)]
            trusted = [c for data in anchors for c in read_certificates(data)]
            if not trusted:
                raise Malformed(
                    "life.anchor-missing",
                    "no maker's certificate was given to check the chain against",
                    why="what comes along with a device proves nothing about its maker",
                    hint="give the maker's root with --anchor",
                )
            found = check_idevid(certificates, trusted, self.workspace.clock())
            about: dict[str, Scalar] = {"serial-number": found.serial_number}
            return found.key, _Papers(about, hashlib.sha256(b"".join(certificates)).hexdigest())
        if said.key is None:
            return None, _Papers({}, None)
        ring = read_keys([said.key])
        keys: list[PublicKey | SharedKey] = [*ring.public, *ring.shared]
        if len(keys) != 1:
            raise Malformed(
                "life.key-file",
                f"{said.key[0]} holds {len(keys)} keys of a device",
                hint="give one public key in PEM or as a JWK, or a shared one as a JWK (oct)",
                path=said.key[0],
            )
        return keys[0], _Papers({}, None)

    def _proven(self, said: Enrolment, key: object, device: SubjectId) -> dict[str, Scalar]:
        """Which chip holds the key, where that was proven."""
        from kizuna.roots.keys import PublicKey

        if said.activation is None:
            return {}
        public = key if isinstance(key, PublicKey) else None
        held = Activation(self.workspace).proven(said.activation, public, device)
        return {"chip": held.chip, "chip-maker": held.maker}

    @staticmethod
    def _about(said: Enrolment, key: object) -> dict[str, Scalar]:
        from kizuna.app.wiring.devices import chips

        named: Mapping[str, str | None] = {
            "scheme": said.scheme,
            "reference": said.reference,
            "position": said.position,
            "identity": said.identity,
            "gateway": canonical(said.gateway) if said.gateway else None,
        }
        found: dict[str, Scalar] = {name: value for name, value in named.items() if value}
        if said.learnt is not None:
            found["learnt"] = hashlib.sha256(said.learnt).hexdigest()
        return found | chips.said(said.registers, said.quote, key)

    def _observed(self, device: SubjectId, said: Enrolment) -> Enrolment:
        """A device that a connector looks at is named in its word by what it is called here.

        Raises:
            Malformed: ``life.learnt``. Refused: ``life.observer``.
        """
        from kizuna.app.wiring.devices.seeing import device_identity, read_learnt
        from kizuna.app.wiring.devices.shelf import Shelf

        if said.learnt is None:
            return said
        read_learnt(said.learnt)
        known = {d.subject for d in Shelf(self.workspace).devices(secrets=False)}
        if said.scheme != "observed" or (said.gateway and canonical(said.gateway) not in known):
            raise Refused(
                "life.observer",
                "what was learnt of a device needs an observer who is enrolled, too",
                why="the device is not of the observed class, or its connector is not enrolled",
                hint="enrol the connector first, then the device with --scheme observed, "
                "--gateway CONNECTOR and the connector's key",
            )
        return replace(said, identity=said.identity or device_identity(device).hex())

    def _ties(self, said: Enrolment) -> list[tuple[Kind, Payload]]:
        from kizuna.app.wiring.devices.fleet import collector_of

        if not (said.gateway or said.scheme):
            return []
        # a device under no gateway is listened to by this store's own verifier
        listener = said.gateway or collector_of(self.workspace.identity)
        tie = Link(relation=Relation.MEASURED_BY, object=canonical(listener))
        return [(Kind.LINK, Links(links=[tie], part="enrolment"))]

    def _forget_key(self, device: SubjectId, life: DeviceLife) -> None:
        """Let the fleet's verifier know the device without its key: nothing vouches for it now."""
        from kizuna.proof.attestation.fleet import ENDED

        kept = _kept(life.bindings[-1]) if life.bindings else {}
        if isinstance(kept.get("scheme"), str):
            # no scheme reads its evidence: a maker who vouches for the same key brings it back not
            self._tell_fleet(device, _filled(Enrolment(), kept, ENDED), None, {})

    def _ready_for(self, key: object) -> None:
        """A device is said in the log only where its secret can be kept."""
        from kizuna.app.wiring.devices.shelf import Shelf

        Shelf(self.workspace).ready_for(key)

    def _roots(
        self,
        device: SubjectId,
        said: Enrolment,
        key: PublicKey | SharedKey | None,
        anchors: Sequence[bytes],
    ) -> tuple[Any, ...]:
        """What vouches for a device's chain of certificates: the makers' roots given, those of its
        last enrolment, or its own identity key.

        Raises:
            Malformed: ``life.dice-anchor``, ``boot.malformed``.
        """
        from kizuna.app.wiring.devices.shelf import Shelf
        from kizuna.roots.boot.path import read_anchors
        from kizuna.roots.keys import PublicKey

        if said.scheme != "dice" or said.made:
            return ()
        for anchor in anchors:
            read_anchors(anchor)
        if anchors:
            return tuple(anchors)
        known = (d for d in Shelf(self.workspace).devices(secrets=False) if d.subject == device)
        last = next(known, None)
        kept = tuple(root for root in (last.roots if last else ()) if isinstance(root, bytes))
        if kept:
            return kept
        if key is None:
            return ()  # enrolled by its instance id: a maker's document vouches for it
        if isinstance(key, PublicKey):
            return (key,)
        raise Malformed(
            "life.dice-anchor",
            "nothing was given that vouches for the certificates of this device",
            why="the chain that a device sends proves nothing by itself",
            hint="give the maker's root with --anchor, or the device's own identity key with --key",
        )

    def _tell_fleet(
        self,
        device: SubjectId,
        said: Enrolment,
        key: PublicKey | SharedKey | None,
        about: Mapping[str, Scalar],
        roots: tuple[Any, ...] = (),
    ) -> None:
        from kizuna.app.wiring.devices import chips
        from kizuna.app.wiring.devices.seeing import read_learnt
        from kizuna.app.wiring.devices.shelf import Shelf
        from kizuna.proof.attestation.fleet import OBSERVED
        from kizuna.proof.attestation.scheme import Enrolled
        from kizuna.proof.attestation.schemes.observed import LEARNT

        bound = chips.bound(about)
        if said.learnt is not None:
            bound[LEARNT] = read_learnt(said.learnt)
        elif said.scheme == OBSERVED:  # a new key of its connector changes nothing in the device
            known = (d for d in Shelf(self.workspace).devices(secrets=False) if d.subject == device)
            bound |= {n: v for one in known for n, v in one.about.items() if n == LEARNT}
        identity = _instance(said)
        Shelf(self.workspace).add_devices(
            [
                Enrolled(
                    scheme=said.scheme or "",
                    subject=device,
                    key=key,
                    roots=roots,
                    reference=said.reference,
                    identity=identity,
                    position=canonical(said.gateway) if said.gateway else said.position,
                    about=bound,
                )
            ]
        )


def _instance(said: Enrolment) -> bytes | None:
    """The instance id, of a size that evidence of the scheme can have."""
    if not said.identity:
        return None
    try:
        identity = bytes.fromhex(said.identity)
    except ValueError as fault:
        raise Malformed(
            "life.identity",
            "the instance id is not in hexadecimal",
            hint="copy it from the device's evidence",
        ) from fault
    if said.scheme == HMAC and not _SMALLEST <= len(identity) <= _LARGEST:
        raise Malformed(
            "life.identity-size",
            f"an instance id of {len(identity)} bytes: evidence of this scheme has {_SMALLEST} to "
            f"{_LARGEST}",
            why="a shorter one is no UEID, and no evidence could ever show it",
            hint="give the device a longer one, and enrol that",
            size=len(identity),
            least=_SMALLEST,
            most=_LARGEST,
        )
    return identity


@dataclass(frozen=True, slots=True)
class _Papers:
    """What an IDevID chain says beside the key."""

    about: dict[str, Scalar]
    digest: str | None


def _named(key: PublicKey | SharedKey | None) -> PublicKey | str | None:
    """The key as it may stand in a statement: of a shared one only its name."""
    from kizuna.roots.cose import SharedKey

    return key.id.hex() if isinstance(key, SharedKey) else key


def _name(key: object) -> str:
    thumbprint: bytes = getattr(key, "thumbprint", b"")
    return thumbprint.hex()


def _needed(key: Any) -> Any:  # noqa: ANN401 - a public key or a name, as it came
    if key is None:
        raise Malformed(
            "life.key-missing",
            "a key is needed here and none was given",
            hint="give the device's public key with --key, or its certificates with --idevid",
        )
    return key


def _last_key(life: DeviceLife) -> Binding:
    """The operational key that is in force or was last: what a step now acts on."""
    found = [b for b in life.bindings if b.type == "ldevid" and b.kind != "none"]
    if not found:
        raise Absent(
            "life.no-key",
            f"{life.subject} has no operational key here",
            hint="enrol it with `kizuna device enrol`",
            subject=life.subject,
        )
    return found[-1]


def _kept(binding: Binding) -> dict[str, Scalar]:
    """What an earlier enrolment said that a step leaves as it is."""
    return {
        name: value
        for name, value in binding.claims.items()
        if name in ("scheme", "reference", "position", "gateway", "identity", "registers")
        and isinstance(value, str)
    }


def _filled(said: Enrolment, kept: Mapping[str, Scalar], scheme: str) -> Enrolment:
    def of(name: str) -> str | None:
        value = kept.get(name)
        return value if isinstance(value, str) else None

    return replace(
        said,
        scheme=scheme,
        gateway=said.gateway or of("gateway"),
        position=said.position or of("position"),
        reference=said.reference or of("reference"),
        identity=said.identity or of("identity"),
    )
