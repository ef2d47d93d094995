# SPDX-License-Identifier: Apache-2.0
"""The file of the software unit: what stands in it, how its secret opens it, how a change shows.

Keeps: 1. Bounded before it is worked on: size, number of keys, and the cost that a planted file may
ask for. 2. ``check`` tells a wrong secret, ``seal`` (HMAC over everything) a change of anything.
3. Files of the first format, without version, still open; what is written is of the second.
Standard: RFC 7914 (scrypt), RFC 5869 (HKDF).
"""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest, digest
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Meta, Struct

from kizuna.model.errors import Misconfigured, Tampered, Unavailable
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.unit import Handle, Purpose

__all__ = [
    "A256GCM",
    "FORMAT",
    "MAX_KEYS",
    "Derivation",
    "KeyFile",
    "Sealed",
    "Secrets",
    "check_of",
    "check_seal",
    "derive",
    "read",
    "seal_of",
    "tampered",
    "unwritable",
]

FORMAT: Final = "kizuna-keys-2"
A256GCM: Final = 3
"""COSE's number for the keys that encrypt."""
_MAX_FILE: Final = 16 << 20
MAX_KEYS: Final = 10_000
_SCRYPT_N: Final = 1 << 15
"""Cost of a passphrase: about 32 MiB and a tenth of a second."""


class Derivation(Struct, frozen=True, forbid_unknown_fields=True):
    """How the secret becomes a key. The bounds keep a planted file from costing gigabytes."""

    name: Literal["scrypt", "hkdf-sha256"]
    salt: Annotated[bytes, Meta(min_length=16, max_length=64)]
    n: Annotated[int, Meta(ge=1 << 14, le=1 << 18)] = _SCRYPT_N
    r: Annotated[int, Meta(ge=8, le=16)] = 8
    p: Annotated[int, Meta(ge=1, le=4)] = 1


class Sealed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key: its public part in the open, the private one sealed; or a secret key."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    label: Annotated[str, Meta(max_length=200)]
    algorithm: int
    public: bytes
    nonce: Annotated[bytes, Meta(min_length=12, max_length=12)]
    box: Annotated[bytes, Meta(max_length=8192)]
    purpose: Purpose = Purpose.SIGN

    def bound(self) -> bytes:
        """What is authenticated together with the sealed part."""
        open_part = ["kizuna-keys-1", self.id, self.label, self.algorithm, self.public]
        return msgspec.json.encode(
            open_part if self.purpose is Purpose.SIGN else [*open_part, self.purpose]
        )

    @property
    def secret(self) -> bool:
        """Whether it is an AES key."""
        return self.algorithm == A256GCM

    def handle(self) -> Handle:
        """The handle of a key pair."""
        return Handle(self.id, self.label, Algorithm(self.algorithm), self.purpose)


class KeyFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``check`` tells a wrong secret, ``seal`` a change of anything else."""

    format: Literal["kizuna-keys-1", "kizuna-keys-2"]
    derivation: Derivation
    check: bytes
    keys: Annotated[list[Sealed], Meta(max_length=MAX_KEYS)]
    seal: bytes = b""
    version: Annotated[int, Meta(ge=0, le=1 << 62)] = 0


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the secret becomes: keys with one purpose each."""

    sealing: bytes
    checking: bytes
    binding: bytes
    storage: bytes


def derive(derivation: Derivation, secret: bytes) -> Secrets:
    """The keys that a secret becomes."""
    if derivation.name == "scrypt":
        scrypt = Scrypt(
            salt=derivation.salt, length=32, n=derivation.n, r=derivation.r, p=derivation.p
        )
        secret = scrypt.derive(secret)

    def purpose(name: bytes) -> bytes:
        hkdf = HKDF(hashes.SHA256(), 32, derivation.salt, b"kizuna software unit: " + name)
        return hkdf.derive(secret)

    return Secrets(*(purpose(name) for name in (b"seal", b"check", b"bind", b"storage")))


def check_of(secrets: Secrets) -> bytes:
    """What tells this secret from another."""
    return digest(secrets.checking, b"kizuna-keys-1", "sha256")


def seal_of(content: KeyFile, secrets: Secrets) -> bytes:
    """The HMAC over everything else in a file."""
    unsealed = msgspec.structs.replace(content, seal=b"")
    members = {name: getattr(unsealed, name) for name in unsealed.__struct_fields__}
    if content.format == "kizuna-keys-1":  # as written before files had versions
        del members["version"]
    return digest(secrets.binding, msgspec.msgpack.encode(members), "sha256")


def check_seal(path: Path, content: KeyFile, secrets: Secrets) -> None:
    """Refuse a file that was changed (``unit.tampered``)."""
    if not compare_digest(content.seal, seal_of(content, secrets)):
        raise tampered(path)


def read(path: Path) -> KeyFile:
    """A file, bounded.

    Raises:
        Misconfigured: ``unit.missing``, ``unit.unreadable``, ``unit.damaged``.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except FileNotFoundError as fault:
        raise Misconfigured(
            "unit.missing",
            f"no key file at {path}",
            hint="make a store with `kizuna init`, or restore the file from its backup",
            path=str(path),
        ) from fault
    except OSError as fault:
        raise Misconfigured(
            "unit.unreadable",
            f"the key file {path} cannot be read",
            why=fault.strerror or "",
            hint="let the user who runs kizuna read it",
            path=str(path),
        ) from fault
    try:
        if len(data) > _MAX_FILE:
            raise _damaged(path)
        content = msgspec.msgpack.decode(data, type=KeyFile)
        for sealed in content.keys:
            if not sealed.secret:
                Algorithm(sealed.algorithm)
    except (msgspec.DecodeError, ValueError) as fault:
        raise _damaged(path) from fault
    return content


def _damaged(path: Path) -> Misconfigured:
    return Misconfigured(
        "unit.damaged",
        f"not a key file, or cut short: {path}",
        hint="restore the file from its backup",
        path=str(path),
    )


def tampered(path: Path) -> Tampered:
    """The problem of a file that was changed."""
    return Tampered(
        "unit.tampered",
        f"the key file {path} was changed by somebody without its secret",
        why="its seal does not hold: a key was added, removed, renamed or exchanged",
        hint="restore the file from its backup, and find out who can write it",
        path=str(path),
    )


def unwritable(path: Path, fault: OSError) -> Unavailable:
    """The problem of a file that cannot be written."""
    return Unavailable(
        "unit.unwritable",
        f"the key file {path} cannot be written",
        why=fault.strerror or "",
        hint="make room on the disk, and let the user who runs kizuna write there",
        path=str(path),
    )
