# SPDX-License-Identifier: Apache-2.0
"""What stands in one line of a fleet's tables, and the value that it is.

Keeps: 1. What is written reads back as the same value, also by later versions: members are added,
never given another meaning. 2. A shared secret is written closed; lines of earlier versions that
hold one in the open are still read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from kizuna.model.identifier import Digest, canonical
from kizuna.proof.attestation.endorsement import Endorsement, Option, Said, Wanted
from kizuna.proof.attestation.reference import Anchor, Endorsed, Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.observed import LEARNT, Learnt
from kizuna.roots.cose import SharedKey
from kizuna.roots.keys import Algorithm, PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.sealing import Sealing

__all__ = [
    "anchor_entry",
    "device_entry",
    "device_of",
    "endorsed_entry",
    "endorsement_entry",
    "in_the_open",
    "reference_entry",
    "take_reference",
    "take_vouched",
]


class _Marked(Protocol):
    """Anything that came out of a maker's document."""

    @property
    def source(self) -> Digest | None: ...
    @property
    def signed(self) -> bool: ...
    @property
    def since(self) -> int | None: ...
    @property
    def until(self) -> int | None: ...


def in_the_open(entry: Mapping[str, Any]) -> bool:
    """Whether a line of an earlier version holds a secret as it is."""
    return "secret" in entry


def device_entry(device: Enrolled, sealing: Sealing) -> dict[str, Any]:
    """The line of an enrolled device."""
    entry: dict[str, Any] = {"subject": device.subject, "scheme": device.scheme}
    if isinstance(device.key, PublicKey):
        entry["key"] = _key_text(device.key)
    elif device.key is not None:
        entry["sealed"] = sealing.close(device.key.secret, device.subject or "")
    if device.roots:
        entry["roots"] = [_root_text(root) for root in device.roots]
    for name in ("reference", "position"):
        if getattr(device, name) is not None:
            entry[name] = getattr(device, name)
    if device.identity is not None:
        entry["identity"] = device.identity.hex()
    if isinstance(signer := device.about.get("signer"), bytes):
        entry["signer"] = signer.hex()
    if selection := device.about.get("selection"):
        entry["selection"] = selection
    learnt = device.about.get(LEARNT)
    if isinstance(learnt, Learnt):
        entry["learnt"] = {
            "address": learnt.address,
            "position": learnt.position,
            "banner": None if learnt.banner is None else learnt.banner.hex(),
            "interval": learnt.interval,
            "tolerance": learnt.tolerance,
        }
    return entry


def device_of(entry: Mapping[str, Any], sealing: Sealing | None) -> Enrolled:
    """The device of a line; without its shared secret where ``sealing`` is not given.

    Raises:
        Misconfigured: ``fleet.sealing-lost``. Tampered: ``fleet.secret-changed``.
    """
    key: PublicKey | SharedKey | None = None
    if "key" in entry:
        key = _key(entry["key"])
    elif sealing is not None and "sealed" in entry:
        key = SharedKey(sealing.open(entry["sealed"], entry["subject"]))
    elif sealing is not None and in_the_open(entry):
        key = SharedKey(bytes.fromhex(entry["secret"]))
    about: dict[str, Any] = {}
    if learnt := entry.get("learnt"):
        banner = learnt["banner"]
        about[LEARNT] = Learnt(
            address=learnt["address"],
            position=learnt["position"],
            banner=None if banner is None else bytes.fromhex(banner),
            interval=learnt["interval"],
            tolerance=learnt["tolerance"],
        )
    if signer := entry.get("signer"):
        about["signer"] = bytes.fromhex(signer)
    if selection := entry.get("selection"):
        about["selection"] = tuple((bank, tuple(numbers)) for bank, numbers in selection)
    return Enrolled(
        scheme=entry["scheme"],
        subject=canonical(entry["subject"]),
        key=key,
        roots=tuple(_root(text) for text in entry.get("roots", ())),
        reference=entry.get("reference"),
        identity=_bytes(entry.get("identity")),
        position=entry.get("position"),
        about=about,
    )


# --- what makers say --------------------------------------------------------------------------


def reference_entry(value: Reference, *, closed: bool) -> dict[str, Any]:
    """The line of a reference value."""
    return {
        "model": value.model,
        "component": value.component,
        "alg": value.digest_alg,
        "digest": value.digest.hex(),
        "version": value.version,
        "signer": _hex(value.signer),
        **_marks(value),
        "closed": closed,
    }


def take_reference(references: References, entry: Mapping[str, Any]) -> None:
    """Accept the reference value of a line; its class is closed unless the line says otherwise."""
    references.add(
        Reference(
            model=entry["model"],
            component=entry["component"],
            digest_alg=entry["alg"],
            digest=bytes.fromhex(entry["digest"]),
            version=entry.get("version"),
            signer=_bytes(entry.get("signer")),
            **_marked(entry),
        )
    )
    if entry.get("closed", True):
        references.close(entry["model"])


def endorsed_entry(key: Endorsed) -> dict[str, Any]:
    """The line of a key that a maker vouches for."""
    return {
        "model": key.model,
        "identity": _hex(key.identity),
        "key": key.key.cose_key.hex(),
        "algorithm": key.key.algorithm.value,
        "purpose": key.purpose,
        **_marks(key),
    }


def anchor_entry(anchor: Anchor) -> dict[str, Any]:
    """The line of certificates that vouch for keys."""
    return {
        "model": anchor.model,
        "identity": _hex(anchor.identity),
        "certificates": anchor.certificates.decode("ascii", "replace"),
        **_marks(anchor),
    }


def endorsement_entry(endorsement: Endorsement) -> dict[str, Any]:
    """The line of what a maker says of devices beyond their measurements."""
    return {
        "model": endorsement.model,
        "identity": _hex(endorsement.identity),
        "condition": [_wanted_entry(one) for one in endorsement.condition],
        "options": [
            {
                "selection": [_wanted_entry(one) for one in option.selection],
                "said": [{"component": s.component, "claims": dict(s.claims)} for s in option.said],
            }
            for option in endorsement.options
        ],
        **_marks(endorsement),
    }


def take_vouched(references: References, entry: Mapping[str, Any]) -> None:
    """Accept what a line of the table of endorsements holds: a key, certificates or a word."""
    model, identity = entry["model"], _bytes(entry.get("identity"))
    marks = _marked(entry)
    if "certificates" in entry:
        pem = entry["certificates"].encode()
        references.vouch(Anchor(model=model, identity=identity, certificates=pem, **marks))
    elif "options" in entry:
        references.say(
            Endorsement(
                model=model,
                identity=identity,
                condition=tuple(_wanted(one) for one in entry["condition"]),
                options=tuple(
                    Option(
                        selection=tuple(_wanted(one) for one in option["selection"]),
                        said=tuple(
                            Said(component=s["component"], claims=s["claims"])
                            for s in option["said"]
                        ),
                    )
                    for option in entry["options"]
                ),
                **marks,
            )
        )
    else:
        key = PublicKey.from_cose(bytes.fromhex(entry["key"]), Algorithm(entry["algorithm"]))
        references.endorse(
            Endorsed(model=model, identity=identity, key=key, purpose=entry["purpose"], **marks)
        )


def _wanted_entry(one: Wanted) -> dict[str, Any]:
    return {
        "component": one.component,
        "digests": [[name, digest.hex()] for name, digest in one.digests],
        "version": one.version,
        "signer": _hex(one.signer),
        "svn": one.svn,
        "min-svn": one.min_svn,
        "flags": dict(one.flags),
    }


def _wanted(entry: Mapping[str, Any]) -> Wanted:
    return Wanted(
        component=entry["component"],
        digests=tuple((name, bytes.fromhex(digest)) for name, digest in entry["digests"]),
        version=entry["version"],
        signer=_bytes(entry["signer"]),
        svn=entry.get("svn"),
        min_svn=entry.get("min-svn"),
        flags=tuple(entry.get("flags", {}).items()),
    )


def _marks(value: _Marked) -> dict[str, Any]:
    return {
        "source": _hex(value.source),
        "signed": value.signed,
        "since": value.since,
        "until": value.until,
    }


def _marked(entry: Mapping[str, Any]) -> dict[str, Any]:
    source = entry.get("source")
    return {
        "source": Digest(bytes.fromhex(source)) if source else None,
        "signed": bool(entry.get("signed")),
        "since": entry.get("since"),
        "until": entry.get("until"),
    }


def _hex(value: bytes | Digest | None) -> str | None:
    return None if value is None else value.hex()


def _bytes(text: str | None) -> bytes | None:
    return bytes.fromhex(text) if text else None


def _key_text(key: PublicKey) -> str:
    return f"{key.algorithm.value}:{key.cose_key.hex()}"


def _key(text: str) -> PublicKey:
    algorithm, _, cose_key = text.partition(":")
    return PublicKey(Algorithm(int(algorithm)), bytes.fromhex(cose_key))


def _root_text(root: object) -> str:
    if isinstance(root, PublicKey):
        return "key:" + _key_text(root)
    return "bytes:" + root.hex() if isinstance(root, bytes) else ""


def _root(text: str) -> PublicKey | bytes:
    form, _, rest = text.partition(":")
    return _key(rest) if form == "key" else bytes.fromhex(rest)
