# SPDX-License-Identifier: Apache-2.0
"""Making manifests: one image for one component, checked when it is fetched, installed and started.
The image may be encrypted for its devices, and the manifest may depend on manifests of others.

Keeps: what is made here is what the reader accepts, in deterministic CBOR; identifiers are UUIDs
made from names as the draft describes (version 5: the vendor's domain, then the class under it).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from kizuna.roots.boot.suit.commands import Command, Parameter, suit_malformed
from kizuna.roots.boot.suit.manifest import Procedure
from kizuna.roots.cose import encode

__all__ = ["Firmware", "Needed", "class_id", "make_manifest", "vendor_id"]

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
    encryption: bytes | None = None
    """How the image is opened (COSE_Encrypt), where it travels encrypted."""
    sealed: tuple[bytes, int] | None = None
    """Digest and size of what travels, where the image is encrypted."""
    dependencies: tuple[Needed, ...] = ()
    text: str | None = None
    """What the update is about, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """A manifest, mostly of somebody else, on which another depends."""

    name: bytes
    """Where its components stand: what goes before their names."""
    envelope: bytes
    uri: str | None = None
    """Where it is fetched; without it, it travels inside the envelope."""

    @property
    def inside(self) -> str:
        """The name under which it travels inside."""
        return self.uri or "#" + self.name.decode("utf-8", "backslashreplace")


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
    components = [list(firmware.component)]
    update: list[object] = [
        Command.OVERRIDE_PARAMETERS,
        {int(Parameter.URI): firmware.uri},
        Command.FETCH,
        _REPORT_FAILURE,
        *match,
    ]
    if firmware.encryption is not None and firmware.sealed is not None:
        components.append([_ENCRYPTED])
        update = [*_unsealing(firmware.encryption, *firmware.sealed, firmware.uri), *match]
    common: dict[int, object] = {2: components, 4: shared}
    validate: list[object] = list(match)
    invoke: list[object] = [Command.INVOKE, _REPORT_FAILURE]
    if firmware.dependencies:
        first = len(components)
        which = {first + n: {1: [one.name]} for n, one in enumerate(firmware.dependencies)}
        common[1] = which
        each = _each(list(which), Command.PROCESS_DEPENDENCY, _REPORT_ALL)
        fetching = [
            part
            for index, one in zip(which, firmware.dependencies, strict=True)
            for part in _fetching(index, one)
        ]
        update, validate = [*fetching, *each, *update], [*each, *validate]
        invoke = [*each, *invoke]
    manifest: dict[int, object] = {
        1: 1,
        2: firmware.sequence,
        3: encode(common),
        int(Procedure.VALIDATE): _commands(*validate),
        int(Procedure.INVOKE): _commands(*invoke),
        int(Procedure.INSTALL): _commands(*update),
    }
    if firmware.reference is not None:
        manifest[4] = firmware.reference
    if firmware.text is not None:
        manifest[23] = encode({"en": {2: firmware.text}})
    return encode(manifest)


_ENCRYPTED: Final = b"encrypted"
"""Name of the component into which an encrypted image is fetched."""


def _unsealing(encryption: bytes, digest: bytes, size: int, uri: str) -> list[object]:
    """Fetch what travels, check it, then open it into the component of the image."""
    return [
        Command.SET_COMPONENT_INDEX,
        1,
        Command.OVERRIDE_PARAMETERS,
        {
            int(Parameter.URI): uri,
            int(Parameter.IMAGE_DIGEST): encode([-16, digest]),
            int(Parameter.IMAGE_SIZE): size,
        },
        Command.FETCH,
        _REPORT_FAILURE,
        Command.IMAGE_MATCH,
        _REPORT_ALL,
        Command.SET_COMPONENT_INDEX,
        0,
        Command.OVERRIDE_PARAMETERS,
        {int(Parameter.SOURCE): 1, int(Parameter.ENCRYPTION): encryption},
        Command.COPY,
        _REPORT_FAILURE,
    ]


def _fetching(index: int, needed: Needed) -> list[object]:
    """Fetch a dependency, of exactly these bytes."""
    return [
        Command.SET_COMPONENT_INDEX,
        index,
        Command.OVERRIDE_PARAMETERS,
        {
            int(Parameter.URI): needed.inside,
            int(Parameter.IMAGE_DIGEST): encode([-16, sha256(needed.envelope).digest()]),
            int(Parameter.IMAGE_SIZE): len(needed.envelope),
        },
        Command.FETCH,
        _REPORT_FAILURE,
        Command.IMAGE_MATCH,
        _REPORT_ALL,
    ]


def _each(indices: list[int], *commands: object) -> list[object]:
    """The same for each of these components; afterwards the first component counts again."""
    chosen = [part for index in indices for part in (Command.SET_COMPONENT_INDEX, index, *commands)]
    return [*chosen, Command.SET_COMPONENT_INDEX, 0]


def _commands(*parts: object) -> bytes:
    return encode([int(part) if isinstance(part, Command) else part for part in parts])


def _uuid(text: str) -> bytes | None:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None
