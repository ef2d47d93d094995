# SPDX-License-Identifier: Apache-2.0
"""Making manifests: one image for one component, checked when it is fetched, installed and started.

Keeps: what is made here is what the reader accepts, in deterministic CBOR; identifiers are UUIDs
made from names as the draft describes (version 5: the vendor's domain, then the class under it).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import sha256

from kizuna.roots.boot.suit.manifest import Command, Parameter, Procedure, suit_malformed
from kizuna.roots.cose import encode

__all__ = ["Firmware", "class_id", "make_manifest", "vendor_id"]

_REPORT_ALL, _REPORT_FAILURE = 15, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """What a manifest is to say about one image."""

    vendor: bytes
    model: bytes
    """The class id."""
    digest: bytes
    size: int
    sequence: int
    uri: str
    component: tuple[bytes, ...] = (b"\x00",)
    reference: str | None = None
    """The identifier of the firmware as a subject, which the manifest names (reference URI)."""


def vendor_id(domain: str) -> bytes:
    """The vendor's UUID: of its domain, or the UUID itself."""
    return _uuid(domain) or uuid.uuid5(uuid.NAMESPACE_DNS, domain.strip().lower()).bytes


def class_id(vendor: bytes, name: str) -> bytes:
    """The UUID of a class of devices: of its name under the vendor, or the UUID itself."""
    return _uuid(name) or uuid.uuid5(uuid.UUID(bytes=vendor), name.strip()).bytes


def digest_and_size(image: bytes) -> tuple[bytes, int]:
    """What a manifest says about an image."""
    return sha256(image).digest(), len(image)


def make_manifest(firmware: Firmware) -> bytes:
    """The bytes of a manifest, to be signed.

    Raises:
        Malformed: ``suit.malformed`` where a part is out of range.
    """
    if len(firmware.vendor) != 16 or len(firmware.model) != 16 or len(firmware.digest) != 32:
        raise suit_malformed("identifiers have 16 bytes, a digest 32")
    if not 0 <= firmware.sequence < 2**64 or not 0 <= firmware.size < 2**64:
        raise suit_malformed("sequence number or size out of range")
    match = (Command.IMAGE_MATCH, _REPORT_ALL)
    shared = _commands(
        Command.OVERRIDE_PARAMETERS,
        {
            int(Parameter.VENDOR): firmware.vendor,
            int(Parameter.CLASS): firmware.model,
            int(Parameter.IMAGE_DIGEST): encode([-16, firmware.digest]),
            int(Parameter.IMAGE_SIZE): firmware.size,
        },
        Command.VENDOR,
        _REPORT_ALL,
        Command.CLASS,
        _REPORT_ALL,
    )
    update = _commands(
        Command.OVERRIDE_PARAMETERS,
        {int(Parameter.URI): firmware.uri},
        Command.FETCH,
        _REPORT_FAILURE,
        *match,
    )
    manifest: dict[int, object] = {
        1: 1,
        2: firmware.sequence,
        3: encode({2: [list(firmware.component)], 4: shared}),
        int(Procedure.VALIDATE): _commands(*match),
        int(Procedure.INVOKE): _commands(Command.INVOKE, _REPORT_FAILURE),
        int(Procedure.INSTALL): update,
    }
    if firmware.reference is not None:
        manifest[4] = firmware.reference
    return encode(manifest)


def _commands(*parts: object) -> bytes:
    return encode([int(part) if isinstance(part, Command) else part for part in parts])


def _uuid(text: str) -> bytes | None:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None
