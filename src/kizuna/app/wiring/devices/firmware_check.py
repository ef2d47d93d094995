# SPDX-License-Identifier: Apache-2.0
"""Whether firmware may be put on a device: signer, class, digests, newer than before.

Keeps: 1. A manifest counts when somebody who may speak for the firmware signed it: this store's
organisation, or a listed maker with it in scope, with a key that stands; for a manifest on
which it depends, the same. 2. What is installed on a device is what its owner registered; the
highest sequence number ever registered for it, and for each manifest it depends on, is the bound
below which nothing is installed. 3. A check changes nothing, and names what it did not look at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID

from kizuna.app.wiring.devices.makers import MAKERS, firmware_claims, issuers_of, listed, said_of
from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import SubjectId, canonical
from kizuna.record.lists.roles import Role

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.boot.suit import Content, Dependency, Manifest, Run
    from kizuna.roots.boot.suit.envelope import Envelope
    from kizuna.roots.cose.encrypted import Opener
    from kizuna.roots.keys import PublicKey

__all__ = ["Update", "check_firmware", "installed", "named", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A manifest that fits an image, a device and a signer."""

    device: SubjectId
    firmware: SubjectId
    sequence: int
    before: int | None
    vendor: UUID
    model: UUID
    digest: str
    size: int
    version: str | None
    signer: SubjectId
    key: str
    manifest: str
    steps: tuple[str, ...]
    dependencies: Mapping[str, int]
    """Sequence numbers of the manifests it depends on, by the component that holds them."""
    parts: tuple[SubjectId, ...]
    """The firmware that those manifests are about."""
    left: tuple[str, ...]
    """What manifests hold and an update does not carry out: it comes when the device starts."""
    texts: tuple[str, ...]
    """What the maker says to people."""
    image: bytes
    """What the device will run, opened where it travelled encrypted."""

    def as_json(self) -> dict[str, Any]:
        """The members that every door shows."""
        return {
            "device": self.device,
            "firmware": self.firmware,
            "sequence": self.sequence,
            "installed": self.before,
            "vendor": str(self.vendor),
            "class": str(self.model),
            "digest": self.digest,
            "size": self.size,
            "version": self.version,
            "signer": self.signer,
            "key": self.key,
            "manifest": self.manifest,
            "steps": list(self.steps),
            "dependencies": dict(self.dependencies),
            "parts": list(self.parts),
            "left": list(self.left),
            "texts": list(self.texts),
        }


def check_firmware(
    workspace: Workspace,
    manifest: bytes,
    image: bytes,
    *,
    device: str,
    vendor: str | None = None,
    model: str | None = None,
    parts: Mapping[str, bytes] | None = None,
    keys: Sequence[Opener] = (),
) -> Update:
    """Whether this image may be put on this device.

    Args:
        workspace: the store of the device's owner.
        manifest: the signed manifest.
        image: the image, as it travels.
        device: the device.
        vendor: domain or UUID of its vendor; without it as last installed.
        model: class of the device; without it as last installed.
        parts: further things that the manifest fetches, by the URI it names.
        keys: what opens an encrypted image.

    Raises:
        Tampered: ``suit.digest``, ``suit.signature``, ``firmware.altered``,
            ``envelope.ciphertext``.
        Refused: ``suit.unsigned``, ``firmware.unauthorised``, ``firmware.withdrawn``,
            ``firmware.rollback``, ``firmware.wrong-device``, ``firmware.refused``,
            ``envelope.not-for-us``, ``envelope.cipher``.
        Malformed: ``suit.malformed``, ``firmware.device-unknown``, ``firmware.nameless``.
    """
    from kizuna.roots.boot.suit import Content, Device, class_id, install, read_envelope, vendor_id
    from kizuna.roots.boot.suit.manifest import Parameter

    target = canonical(device)
    envelope = read_envelope(manifest)
    name = sha256(manifest).hexdigest()
    before = installed(workspace, target)
    opened, signer, key = _opened(workspace, envelope, name)
    about = named(envelope.manifest)
    said = said_of(workspace, about, name, signer)
    vendor_uuid = _settled(target, "vendor", before, vendor_id(vendor) if vendor else None)
    given = class_id(vendor_uuid, model) if model and vendor_uuid else None
    model_uuid = _settled(target, "class", before, given)
    if vendor_uuid is None or model_uuid is None:
        raise Malformed(
            "firmware.device-unknown",
            f"nothing is known yet of vendor and class of {target}",
            why="nothing was installed on it through this store before",
            hint="say them once: --vendor DOMAIN --class NAME",
            subject=target,
        )

    needed: list[SubjectId] = []

    def fetch(uri: str) -> Content | None:
        found = envelope.payloads.get(uri, (parts or {}).get(uri))
        return Content.of(image if found is None else found)

    def opening(data: bytes) -> Dependency:
        inner = read_envelope(data)
        part = named(inner.manifest)
        needed.append(part)
        issuers = issuers_of(workspace, part, sha256(data).hexdigest())
        return inner.open_dependency([one for _, held in issuers for one in held])

    run = install(
        opened,
        Device(
            vendor=vendor_uuid,
            model=model_uuid,
            sequence=None if before is None else number(before, "sequence"),
            dependencies=_bounds(workspace, target),
        ),
        fetch,
        opening=opening,
        openers=keys,
    )
    if run.failure is not None:
        raise _refused(run, target)
    said_of_it = opened.parameters()
    for parameter, own in ((Parameter.VENDOR, vendor_uuid), (Parameter.CLASS, model_uuid)):
        if said_of_it.get(parameter) != own:  # one that asks nothing would fit every device
            raise _wrong_device(target, parameter.name.lower())
    wanted = said_of_it.get(Parameter.IMAGE_DIGEST)
    held = run.slots.get(opened.components[0])
    runs = None if held is None else held.data
    if wanted is None or runs is None or not wanted.fits(runs):
        raise _altered(target, "the manifest names no digest that the image has")
    version = said.get("version")
    return Update(
        device=target,
        firmware=about,
        sequence=opened.sequence,
        before=None if before is None else number(before, "sequence"),
        vendor=UUID(bytes=vendor_uuid),
        model=UUID(bytes=model_uuid),
        digest=sha256(runs).hexdigest(),
        size=len(runs),
        version=version if isinstance(version, str) else None,
        signer=signer,
        key=key.thumbprint.hex(),
        manifest=name,
        steps=run.steps,
        dependencies={_spelled(name): at for name, at in run.dependencies.items()},
        parts=tuple(dict.fromkeys(needed)),
        left=run.left,
        texts=tuple(text.text for text in opened.texts),
        image=runs,
    )


def installed(workspace: Workspace, device: SubjectId) -> dict[str, Any] | None:
    """What was installed last on a device; None where nothing ever was.

    The highest sequence number counts and not the latest word, so that nobody steps back by
    registering anew.
    """
    found: dict[str, Any] | None = None
    trusted = {workspace.identity, *listed(workspace, device, _OWNERS, own=True)}
    for claim, row in firmware_claims(workspace, device):
        sequence = claim.claims.get("sequence")
        if row.statement.issuer not in trusted or type(sequence) is not int:
            continue
        if found is None or sequence >= found["sequence"]:
            found = dict(claim.claims)
    return found


_OWNERS = MAKERS | {Role.FACILITY_OPERATOR.value}
_COMPONENT = "/"


def _spelled(name: tuple[bytes, ...]) -> str:
    return _COMPONENT.join(part.hex() for part in name)


def _bounds(workspace: Workspace, device: SubjectId) -> dict[tuple[bytes, ...], int]:
    """The highest sequence number of each manifest that was ever a dependency on the device."""
    found: dict[tuple[bytes, ...], int] = {}
    trusted = {workspace.identity, *listed(workspace, device, _OWNERS, own=True)}
    for claim, row in firmware_claims(workspace, device):
        held = claim.claims.get("dependencies")
        if row.statement.issuer not in trusted or not isinstance(held, list):
            continue
        for one in held:
            name, _, at = str(one).partition("=")
            try:
                parts = tuple(bytes.fromhex(part) for part in name.split(_COMPONENT))
                found[parts] = max(found.get(parts, 0), int(at))
            except ValueError:
                continue
    return found


def _opened(
    workspace: Workspace, envelope: Envelope, name: str
) -> tuple[Manifest, SubjectId, PublicKey]:
    """The manifest, who signed it, and with which key.

    Names are read from bytes that nobody vouched for yet: they only choose whom to ask.
    """
    issuers = dict(issuers_of(workspace, named(envelope.manifest), name))
    opened = envelope.open([key for keys in issuers.values() for key in keys])
    signer, key = next(
        (issuer, key) for issuer, keys in issuers.items() for key in keys if envelope.signers([key])
    )
    return opened, signer, key


def _settled(
    device: SubjectId, part: str, before: dict[str, Any] | None, given: bytes | None
) -> bytes | None:
    """Vendor or class of a device: as last installed; what is said now may not differ.

    Raises:
        Refused: ``firmware.wrong-device``.
    """
    known = _uuid(before, part)
    if known is not None and given is not None and known != given:
        raise _wrong_device(device, part)
    return known or given


def _wrong_device(device: SubjectId, part: str) -> Refused:
    return Refused(
        "firmware.wrong-device",
        f"the firmware is not for {device}",
        why=f"its {part} is another",
        hint="take the firmware that the maker names for this class of device",
        subject=device,
        part=part,
    )


def _refused(run: Run, device: SubjectId) -> Problem:
    failure = run.failure
    why = "" if failure is None else failure.why
    if why in ("digest", "size", "empty", "content"):
        return _altered(device, f"{why} differs from what the manifest names")
    if why in ("vendor", "class", "device"):
        return _wrong_device(device, why)
    command = "" if failure is None else f"{failure.procedure.name.lower()}: {failure.command}"
    return Refused(
        "firmware.refused",
        "the manifest's own conditions do not hold",
        why=f"{command}: {why}",
        hint="read the maker's notes for this update",
        fault=f"{command}: {why}",
    )


def _altered(device: SubjectId, why: str) -> Tampered:
    return Tampered(
        "firmware.altered",
        f"the image is not the one that was signed; nothing was done to {device}",
        why=why,
        hint="fetch the image again from its maker; if it differs again, report it",
        subject=device,
    )


def named(manifest: bytes) -> SubjectId:
    """The firmware that a manifest says it is about.

    Raises:
        Malformed: ``firmware.nameless``, ``suit.malformed``.
    """
    from kizuna.roots.boot.suit.manifest import reference_of

    reference = reference_of(manifest)
    if reference is None:
        raise Malformed(
            "firmware.nameless",
            "the manifest does not say which firmware it is about",
            why="its reference URI is missing, so nobody can be asked who may sign it",
            hint="sign it with `kizuna device firmware sign`, or name the subject in its "
            "reference URI",
        )
    return canonical(reference)


def number(said: dict[str, Any], name: str) -> int:
    """A number that was said; -1 where it is none."""
    value = said[name]
    return value if type(value) is int else -1


def _uuid(said: dict[str, Any] | None, name: str) -> bytes | None:
    try:
        return None if said is None else UUID(str(said.get(name))).bytes
    except ValueError:
        return None
