# SPDX-License-Identifier: Apache-2.0
"""SUIT manifests: what firmware is, for which devices, and how it is put in place, signed.

Keeps: 1. Nothing of a manifest is read before a signature of an accepted key covers it. 2. It is
carried out by an interpreter that can compare, copy and ask the caller for bytes, under bounds, and
nothing else: it opens no file and no connection. 3. A manifest that says what is not understood
here is refused, never carried out in part.
Standard: draft-ietf-suit-manifest-34, without dependencies on other manifests (a draft of its own)
and without encrypted payloads; architecture and information model as RFC 9019 and RFC 9124.
"""

from kizuna.roots.boot.suit.encoding import Firmware, class_id, make_manifest, vendor_id
from kizuna.roots.boot.suit.envelope import Envelope, mac_manifest, read_envelope, sign_manifest
from kizuna.roots.boot.suit.interpreter import Content, Device, Failure, Run, boot, install
from kizuna.roots.boot.suit.manifest import Manifest, Procedure, read_manifest

__all__ = [
    "Content",
    "Device",
    "Envelope",
    "Failure",
    "Firmware",
    "Manifest",
    "Procedure",
    "Run",
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
