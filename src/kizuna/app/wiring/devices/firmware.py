# SPDX-License-Identifier: Apache-2.0
"""Firmware from its maker to a device: signed, installed, and each step a statement.

Keeps: 1. What is signed is registered, with the image's digest as a reference value. 2. Nothing is
recorded as installed that was not checked, and nothing older than what stands by then. 3. After an
install the device has the new firmware as its part, so that what befalls that firmware befalls the
device. 4. An image for some eyes only leaves here encrypted; its manifest tells nothing of it but
size, digest and for whom it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from kizuna.app.wiring.devices.firmware_check import (
    Update,
    check_firmware,
    installed,
    named,
    number,
)
from kizuna.app.wiring.devices.makers import CLAIM
from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import Element, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Described, Link, Links, Reference, Scalar
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.cose import SharedKey
    from kizuna.roots.keys import PublicKey

__all__ = [
    "Update",
    "check_firmware",
    "install_firmware",
    "installed",
    "sign_firmware",
]

MEDIA_TYPE: Final = "application/suit-envelope+cose"
_MAX_NAME: Final = 60
_SLUG: Final = re.compile(r"[^a-z0-9.-]+")


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
    encrypt_for: Sequence[PublicKey | SharedKey] = (),
    needs: Sequence[bytes] = (),
    text: str | None = None,
) -> tuple[bytes, bytes, dict[str, Any]]:
    """A signed manifest for an image, registered with the image's digest as a reference value.

    Args:
        workspace: the store of the maker.
        image: the image.
        vendor: domain or UUID of the vendor.
        model: class of devices it is for.
        sequence: counts releases.
        version: what people call it.
        subject: identifier of the firmware.
        uri: where devices fetch the image.
        encrypt_for: whose devices alone may read it; nobody means that it travels as it is.
        needs: signed manifests, mostly of others, that must be carried out first.
        text: what the update is about, for people.

    Returns:
        The manifest, the image as it travels, and what was registered.

    Raises:
        Malformed: ``firmware.sequence``, ``firmware.empty``, ``identifier.malformed``,
            ``envelope.recipient``, ``suit.malformed``.
        Refused: as registering.
    """
    from kizuna.app.wiring.devices.reference import import_references, make_references
    from kizuna.roots.boot.suit import (
        Firmware,
        Needed,
        class_id,
        make_manifest,
        read_envelope,
        sign_manifest,
        vendor_id,
    )
    from kizuna.roots.cose.encrypted import encrypt

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
    how, travels = encrypt(image, encrypt_for) if encrypt_for else (None, image)
    needed = [
        Needed(name=_component(read_envelope(envelope).manifest), envelope=envelope)
        for envelope in needs
    ]
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
                encryption=how,
                sealed=(sha256(travels).digest(), len(travels)) if how else None,
                dependencies=tuple(needed),
                text=text,
            )
        ),
        [(workspace.unit, workspace.handle)],
        payloads={one.inside: one.envelope for one in needed},
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
    return (
        manifest,
        travels,
        {
            "firmware": about,
            "sequence": sequence,
            "digest": digest,
            "size": len(image),
            "vendor": said["vendor"],
            "class": said["class"],
            "version": version,
            "manifest": name,
            "encrypted": how is not None,
            "needs": len(needed),
            "statements": [*registered, *taken["statements"]],
        },
    )


def install_firmware(workspace: Workspace, update: Update) -> dict[str, Any]:
    """Record that the device runs this firmware now: a claim, and the firmware as its part.

    Raises:
        Refused: ``firmware.rollback`` where something newer was registered since the check.
    """
    from kizuna.roots.boot.suit.interpreter import rollback

    now = installed(workspace, update.device)
    if now is not None and number(now, "sequence") >= update.sequence:
        raise rollback(update.sequence, number(now, "sequence"))
    said: dict[str, Scalar | list[Scalar]] = {
        "sequence": update.sequence,
        "digest": update.digest,
        "vendor": str(update.vendor),
        "class": str(update.model),
        "firmware": update.firmware,
        "signer": update.signer,
        "manifest": update.manifest,
    }
    if update.dependencies:
        said["dependencies"] = [f"{name}={at}" for name, at in update.dependencies.items()]
    if update.version is not None:
        said["version"] = update.version
    papers = [Reference(sha256=update.manifest, media_type=MEDIA_TYPE)]
    claim = Claim(type=CLAIM, claims=said, evidence=papers)
    parts = [
        Link(relation=Relation.PART_OF, subject=one) for one in (update.firmware, *update.parts)
    ]
    statements = [
        workspace.sign(Kind.EVIDENCE, update.device, claim),
        workspace.sign(Kind.LINK, update.device, Links(links=parts, part=CLAIM)),
    ]
    return update.as_json() | {"statements": _registered(workspace, statements)}


def _registered(workspace: Workspace, statements: list[bytes]) -> list[str]:
    digests: list[str] = []
    for result in workspace.register_each(statements):
        if isinstance(result, Problem):
            raise result
        digests.append(result[0])
    return digests


def _component(manifest: bytes) -> bytes:
    """Where a dependency is kept: one place for all releases of one firmware."""
    family = named(manifest).partition("@")[0].encode()
    return family if len(family) <= _MAX_NAME else sha256(family).hexdigest().encode()
