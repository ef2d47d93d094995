# SPDX-License-Identifier: Apache-2.0
"""Firmware from its maker to a device: signed, checked, installed, and each step a statement.

Keeps: 1. A manifest counts when somebody who may speak for the firmware signed it: this store's
organisation, or a listed maker or supplier in scope, with a key that stands. 2. What is installed
on a device is what its owner registered; the highest sequence number ever registered for it is the
bound below which nothing is installed. 3. A check that fails changes nothing. 4. After an install
the device has the new firmware as its part, so that what befalls that firmware befalls the device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from kizuna.app.wiring.devices.makers import (
    CLAIM,
    MAKERS,
    firmware_claims,
    issuers_of,
    listed,
    said_of,
)
from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import Element, SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Described, Link, Links, Reference, Scalar
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.boot.suit import Run

__all__ = ["Update", "check_firmware", "install_firmware", "installed", "sign_firmware"]

MEDIA_TYPE: Final = "application/suit-envelope+cose"
_SLUG: Final = re.compile(r"[^a-z0-9.-]+")


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
        }


def sign_firmware(
    workspace: Workspace,
    image: bytes,
    *,
    vendor: str,
    model: str,
    sequence: int,
    version: str | None = None,
    subject: str | None = None,
    uri: str | None = None,
) -> tuple[bytes, dict[str, Any]]:
    """A signed manifest for an image, registered with the image's digest as a reference value.

    Raises:
        Malformed: ``firmware.sequence``, ``firmware.empty``, ``identifier.malformed``.
        Refused: as registering.
    """
    from kizuna.app.wiring.devices.reference import import_references, make_references
    from kizuna.roots.boot.suit import (
        Firmware,
        class_id,
        make_manifest,
        sign_manifest,
        vendor_id,
    )

    if not 0 <= sequence < 2**53:
        raise Malformed(
            "firmware.sequence",
            f"not a sequence number: {sequence}",
            why="it counts releases, from 0, and fits into 53 bits",
            hint="take the last one and add 1, or the time in seconds",
            sequence=sequence,
        )
    if not image:
        raise Malformed("firmware.empty", "the image is empty", hint="name the file of the image")
    slug = _SLUG.sub("-", model.strip().lower()).strip("-") or "device"
    about = canonical(subject or f"pkg:generic/{slug}-firmware@{version or sequence}")
    vendor_uuid = vendor_id(vendor)
    model_uuid = class_id(vendor_uuid, model)
    digest = sha256(image).hexdigest()
    manifest = sign_manifest(
        make_manifest(
            Firmware(
                vendor=vendor_uuid,
                model=model_uuid,
                digest=bytes.fromhex(digest),
                size=len(image),
                sequence=sequence,
                uri=uri or "#image",
                reference=about,
            )
        ),
        [(workspace.unit, workspace.handle)],
    )
    name = sha256(manifest).hexdigest()
    said: dict[str, Scalar | list[Scalar]] = {
        "sequence": sequence,
        "digest": digest,
        "size": len(image),
        "vendor": str(UUID(bytes=vendor_uuid)),
        "class": str(UUID(bytes=model_uuid)),
        "manifest": name,
    }
    if version is not None:
        said["version"] = version
    papers = [Reference(sha256=name, media_type=MEDIA_TYPE)]
    claim = Claim(type=CLAIM, claims=said, evidence=papers)
    described = Described(
        element=Element.COMPONENT,
        name=f"{model} firmware",
        version=version or str(sequence),
        hashes={"sha-256": digest},
    )
    made_by = Link(relation=Relation.MADE_BY, object=workspace.identity)
    statements = [
        workspace.sign(Kind.EVIDENCE, about, claim),
        workspace.sign(Kind.LINK, about, Links(described=[described], links=[made_by], part=CLAIM)),
    ]
    registered = _registered(workspace, statements)
    values, _ = make_references(
        workspace, [(CLAIM, image)], model=model, version=version or str(sequence)
    )
    taken = import_references(workspace, [("firmware", values)], signers=(), subject=about)
    return manifest, {
        "firmware": about,
        "sequence": sequence,
        "digest": digest,
        "size": len(image),
        "vendor": said["vendor"],
        "class": said["class"],
        "version": version,
        "manifest": name,
        "statements": [*registered, *taken["statements"]],
    }


def check_firmware(
    workspace: Workspace,
    manifest: bytes,
    image: bytes,
    *,
    device: str,
    vendor: str | None = None,
    model: str | None = None,
) -> Update:
    """Whether this image may be put on this device.

    Args:
        workspace: the store of the device's owner.
        manifest: the signed manifest.
        image: the image.
        device: the device.
        vendor: domain or UUID of its vendor; without it as last installed.
        model: class of the device; without it as last installed.

    Raises:
        Tampered: ``suit.digest``, ``suit.signature``, ``firmware.altered``.
        Refused: ``suit.unsigned``, ``firmware.unauthorised``, ``firmware.withdrawn``,
            ``firmware.rollback``, ``firmware.wrong-device``, ``firmware.refused``.
        Malformed: ``suit.malformed``, ``firmware.device-unknown``, ``firmware.nameless``.
    """
    from kizuna.roots.boot.suit import Content, Device, class_id, install, read_envelope, vendor_id
    from kizuna.roots.boot.suit.manifest import Parameter

    target = canonical(device)
    envelope = read_envelope(manifest)
    name = sha256(manifest).hexdigest()
    before = installed(workspace, target)
    # names are read from bytes that nobody vouched for yet: they only choose whom to ask
    about = _named(envelope.manifest)
    issuers = dict(issuers_of(workspace, about, name))
    opened = envelope.open([key for keys in issuers.values() for key in keys])
    signer, key = next(
        (issuer, key) for issuer, keys in issuers.items() for key in keys if envelope.signers([key])
    )
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
    run = install(
        opened,
        Device(
            vendor=vendor_uuid,
            model=model_uuid,
            sequence=None if before is None else _number(before, "sequence"),
        ),
        lambda _: Content.of(image),
    )
    if run.failure is not None:
        raise _refused(run, target)
    said_of_it = opened.parameters()
    for parameter, own in ((Parameter.VENDOR, vendor_uuid), (Parameter.CLASS, model_uuid)):
        if said_of_it.get(parameter) != own:  # one that asks nothing would fit every device
            raise _wrong_device(target, parameter.name.lower())
    wanted = said_of_it.get(Parameter.IMAGE_DIGEST)
    if wanted is None or not wanted.fits(image):
        raise _altered(target, "the manifest names no digest that the image has")
    version = said.get("version")
    return Update(
        device=target,
        firmware=about,
        sequence=opened.sequence,
        before=None if before is None else _number(before, "sequence"),
        vendor=UUID(bytes=vendor_uuid),
        model=UUID(bytes=model_uuid),
        digest=sha256(image).hexdigest(),
        size=len(image),
        version=version if isinstance(version, str) else None,
        signer=signer,
        key=key.thumbprint.hex(),
        manifest=name,
        steps=run.steps,
    )


def install_firmware(workspace: Workspace, update: Update) -> dict[str, Any]:
    """Record that the device runs this firmware now: a claim, and the firmware as its part.

    Raises:
        Refused: ``firmware.rollback`` where something newer was registered since the check.
    """
    from kizuna.roots.boot.suit.interpreter import rollback

    now = installed(workspace, update.device)
    if now is not None and _number(now, "sequence") >= update.sequence:
        raise rollback(update.sequence, _number(now, "sequence"))
    said: dict[str, Scalar | list[Scalar]] = {
        "sequence": update.sequence,
        "digest": update.digest,
        "vendor": str(update.vendor),
        "class": str(update.model),
        "firmware": update.firmware,
        "signer": update.signer,
        "manifest": update.manifest,
    }
    if update.version is not None:
        said["version"] = update.version
    papers = [Reference(sha256=update.manifest, media_type=MEDIA_TYPE)]
    claim = Claim(type=CLAIM, claims=said, evidence=papers)
    part = Link(relation=Relation.PART_OF, subject=update.firmware)
    statements = [
        workspace.sign(Kind.EVIDENCE, update.device, claim),
        workspace.sign(Kind.LINK, update.device, Links(links=[part], part=CLAIM)),
    ]
    return update.as_json() | {"statements": _registered(workspace, statements)}


def installed(workspace: Workspace, device: SubjectId) -> dict[str, Any] | None:
    """What was installed last on a device; None where nothing ever was.

    The highest sequence number counts and not the latest word, so that nobody steps back by
    registering anew.
    """
    found: dict[str, Any] | None = None
    trusted = {workspace.identity, *listed(workspace, device, MAKERS | {"facility-operator"})}
    for claim, row in firmware_claims(workspace, device):
        sequence = claim.claims.get("sequence")
        if row.statement.issuer not in trusted or type(sequence) is not int:
            continue
        if found is None or sequence >= found["sequence"]:
            found = dict(claim.claims)
    return found


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


def _named(manifest: bytes) -> SubjectId:
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


def _registered(workspace: Workspace, statements: list[bytes]) -> list[str]:
    digests: list[str] = []
    for result in workspace.register_each(statements):
        if isinstance(result, Problem):
            raise result
        digests.append(result[0])
    return digests


def _number(said: dict[str, Any], name: str) -> int:
    value = said[name]
    return value if type(value) is int else -1


def _uuid(said: dict[str, Any] | None, name: str) -> bytes | None:
    try:
        return None if said is None else UUID(str(said.get(name))).bytes
    except ValueError:
        return None
