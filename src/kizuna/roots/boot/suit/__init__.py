# SPDX-License-Identifier: Apache-2.0
"""SUIT manifests: what firmware is, for which devices, and how it is put in place, signed.

Keeps: 1. Nothing of a manifest is read before a signature of an accepted key covers it. 2. It is
carried out by an interpreter that can compare, copy and ask the caller for bytes, under bounds, and
nothing else: it opens no file and no connection. 3. A manifest that says what is not understood
here is refused, never carried out in part.
Standard: draft-ietf-suit-manifest-34, with dependencies on other manifests as in
draft-ietf-suit-trust-domains (without uninstalling and delegation, which are refused by name) and
encrypted payloads as in draft-ietf-suit-firmware-encryption (AES-GCM under AES-KW or
ECDH-ES+A128KW); architecture and information model as RFC 9019 and RFC 9124.
"""

from kizuna.roots.boot.suit.encoding import Firmware, Needed, class_id, make_manifest, vendor_id
from kizuna.roots.boot.suit.envelope import Envelope, mac_manifest, read_envelope, sign_manifest
from kizuna.roots.boot.suit.interpreter import (
    Content,
    Dependency,
    Device,
    Failure,
    Run,
    boot,
    install,
)
from kizuna.roots.boot.suit.manifest import Manifest, Procedure, Text, read_manifest

__all__ = [
    "Content",
    "Dependency",
    "Device",
    "Envelope",
    "Failure",
    "Firmware",
    "Manifest",
    "Needed",
    "Procedure",
    "Run",
    "Text",
    "boot",
    "class_id",
    "install",
    "mac_manifest",
    "make_manifest",
    "read_envelope",
    "read_manifest",
    "sign_manifest",
    "vendor_id",
]
