# SPDX-License-Identifier: Apache-2.0
"""The software unit: keys in one encrypted file.

Keeps: 1. At rest every private key is sealed (AES-256-GCM, its name, label and algorithm bound
in); there is no way to export one. 2. A wrong secret, a damaged file and a file that was changed
are three different problems, each clear. 3. Writing is atomic and durable: a crash leaves the old
file or the new one. Two processes that make keys at once both keep theirs. 4. The file says how its
secret becomes a key (scrypt for a passphrase, HKDF for 32 random bytes), and the cost it may ask
for is bounded. 5. The file has a version that only grows: an older copy put back is noticed by the
unit that saw a newer one, and after a restart by the witness file where one is kept.
Does not: stop somebody who can put back an old copy of the file *and* of its witness: keep the
witness where the one who restores the file cannot write.
Standard: RFC 7914 (scrypt), RFC 5869 (HKDF), NIST SP 800-38D (GCM).
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hmac import compare_digest
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kizuna.model.errors import Misconfigured, Problem
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey
from kizuna.roots.units.ephemeral import EphemeralUnit
from kizuna.roots.units.keyfile import (
    A256GCM,
    FORMAT,
    MAX_KEYS,
    Derivation,
    KeyFile,
    Sealed,
    Secrets,
    check_of,
    check_seal,
    derive,
    read,
    seal_of,
    tampered,
    unwritable,
)
from kizuna.roots.units.problems import checked_label, checked_use, full, no_such_key
from kizuna.roots.units.registers import Registers
from kizuna.roots.units.soft import Soft
from kizuna.roots.units.unit import Handle, Protection, Purpose, Secret, Traits
from kizuna.roots.units.witness import Witness, rolled_back

__all__ = ["SoftwareUnit"]

_TRAITS: Final = Traits(
    kind="software",
    protection=Protection.MEMORY,
    durable=True,
    registers="imitation",
    attestation="imitation",
    agreement_inside=False,
    algorithms=(Algorithm.ES256, Algorithm.EDDSA),
    purposes=tuple(Purpose),
)


class SoftwareUnit(Soft):
    """A unit in one file. Make one with ``create``, use one with ``open``."""

    def __init__(
        self, path: Path, secrets: Secrets, content: KeyFile, witness: Witness | None
    ) -> None:
        self._path = path
        self._keys = secrets
        self._content = content
        self._witness = witness
        self._opened: dict[str, PrivateKey] = {}
        self._lock = threading.Lock()
        self._bank = Registers()

    def __repr__(self) -> str:
        return f"<software unit {self._path}>"

    @property
    def traits(self) -> Traits:
        """Memory of this process, encrypted only while it lies in the file."""
        return _TRAITS

    @property
    def version(self) -> int:
        """How often the file was written."""
        return self._content.version

    @staticmethod
    def ephemeral(seed: bytes | None = None) -> EphemeralUnit:
        """A unit in memory, for worlds and tests."""
        return EphemeralUnit(seed)

    @staticmethod
    def create(
        path: Path | str,
        secret: bytes,
        *,
        random: bool = False,
        witness: Path | None = None,
    ) -> SoftwareUnit:
        """A new, empty unit.

        Args:
            path: the file; it must not be there yet.
            secret: a passphrase of at least 8 bytes, or with ``random`` at least 32 bytes from a
                source of randomness, which open faster.
            random: whether ``secret`` is random.
            witness: a file that remembers the newest version, best on another disk.

        Raises:
            Misconfigured: ``unit.exists``, ``unit.secret-weak``.
            Unavailable: ``unit.unwritable``.
        """
        path = Path(path)
        if len(secret) < (32 if random else 8):
            raise Misconfigured(
                "unit.secret-weak",
                "the secret is too short",
                why="a passphrase has at least 8 bytes, a random secret at least 32",
                hint="choose a longer one",
            )
        derivation = Derivation("hkdf-sha256" if random else "scrypt", os.urandom(32))
        secrets = derive(derivation, secret)
        unit = SoftwareUnit(
            path,
            secrets,
            KeyFile(FORMAT, derivation, check_of(secrets), []),
            None if witness is None else Witness(witness, secrets.binding),
        )
        with unit._exclusive():
            if path.exists():
                raise Misconfigured(
                    "unit.exists",
                    f"there is a key file already: {path}",
                    why="it is never overwritten, because its keys could not be had back",
                    hint="open it, or choose another path",
                    path=str(path),
                )
            unit._write([])
        return unit

    @staticmethod
    def open(path: Path | str, secret: bytes, *, witness: Path | None = None) -> SoftwareUnit:
        """An existing unit.

        Raises:
            Misconfigured: ``unit.missing``, ``unit.unreadable``, ``unit.damaged``,
                ``unit.secret-wrong``.
            Tampered: ``unit.tampered``, ``unit.rolled-back``.
        """
        path = Path(path)
        content = read(path)
        secrets = derive(content.derivation, secret)
        if not compare_digest(content.check, check_of(secrets)):
            raise Misconfigured(
                "unit.secret-wrong",
                f"the secret does not open the key file {path}",
                why="it is another secret, or the head of the file was changed",
                hint="give the secret that the file was made with",
                path=str(path),
            )
        check_seal(path, content, secrets)
        kept = None if witness is None else Witness(witness, secrets.binding)
        if kept is not None:
            kept.check(path, content.version)
        return SoftwareUnit(path, secrets, content, kept)

    def generate(self, algorithm: Algorithm, label: str, purpose: Purpose = Purpose.SIGN) -> Handle:
        """Make a key; it is on disk before its handle is returned.

        Raises:
            Malformed: ``key.unsupported``, ``unit.label``.
            Misconfigured: ``unit.full``, ``unit.missing``, ``unit.unreadable``, ``unit.damaged``.
            Tampered: ``unit.tampered``.
            Unavailable: ``unit.unwritable``.
        """
        checked_label(label)
        checked_use(algorithm, purpose)
        key = PrivateKey.generate(algorithm)
        handle = Handle(key.public.thumbprint.hex(), label, algorithm, purpose)
        sealed = Sealed(handle.id, label, algorithm.value, key.public.cose_key, b"", b"", purpose)
        self._add(sealed, key.to_bytes())
        with self._lock:
            self._opened[handle.id] = key
        return handle

    def generate_secret(self, label: str) -> Secret:
        """Make an AES key; it is on disk before its handle is returned.

        Raises:
            Malformed, Misconfigured, Tampered, Unavailable: as ``generate``.
        """
        checked_label(label)
        secret = Secret(os.urandom(32).hex(), label)
        self._add(Sealed(secret.id, label, A256GCM, b"", b"", b""), os.urandom(32))
        return secret

    def handles(self) -> list[Handle]:
        """The key pairs in the file as it was last read or written, oldest first."""
        return [sealed.handle() for sealed in self._content.keys if not sealed.secret]

    def secrets(self) -> list[Secret]:
        """The AES keys in the file as it was last read or written, oldest first."""
        return [Secret(sealed.id, sealed.label) for sealed in self._content.keys if sealed.secret]

    def public(self, handle: Handle) -> PublicKey:
        """The public part of a key.

        Raises:
            Absent: ``unit.no-such-key``.
        """
        sealed = self._find(handle)
        return PublicKey(Algorithm(sealed.algorithm), sealed.public)

    def destroy(self, key: Handle | Secret) -> None:
        """Take a key out of the file. Copies of the file made before still hold it.

        Raises:
            Absent: ``unit.no-such-key``.
            Misconfigured, Tampered, Unavailable: as ``generate``.
        """
        with self._lock, self._exclusive():
            kept = self._fresh()
            left = [sealed for sealed in kept if sealed.id != key.id]
            if len(left) == len(kept):
                raise no_such_key(key)
            self._write(left)
            self._opened.pop(key.id, None)

    def refresh(self) -> None:
        """See the keys that another process made or destroyed meanwhile.

        Raises:
            Misconfigured, Tampered: as ``generate``.
        """
        with self._lock:
            kept = self._fresh()
            names = {sealed.id for sealed in kept}
            for name in [name for name in self._opened if name not in names]:
                del self._opened[name]

    def _add(self, sealed: Sealed, private: bytes) -> None:
        nonce = os.urandom(12)
        box = AESGCM(self._keys.sealing).encrypt(nonce, private, sealed.bound())
        with self._lock, self._exclusive():
            kept = self._fresh()
            if len(kept) >= MAX_KEYS:
                raise full("software", MAX_KEYS)
            self._write([*kept, msgspec.structs.replace(sealed, nonce=nonce, box=box)])

    def _find(self, key: Handle | Secret) -> Sealed:
        secret = isinstance(key, Secret)
        for sealed in self._content.keys:
            if sealed.id == key.id and sealed.secret == secret:
                return sealed
        raise no_such_key(key)

    def _open(self, sealed: Sealed) -> bytes:
        try:
            return AESGCM(self._keys.sealing).decrypt(sealed.nonce, sealed.box, sealed.bound())
        except InvalidTag as fault:
            raise tampered(self._path) from fault

    def _private(self, handle: Handle) -> PrivateKey:
        opened = self._opened.get(handle.id)
        if opened is not None:
            return opened
        sealed = self._find(handle)
        try:
            key = PrivateKey.from_bytes(self._open(sealed))
        except Problem as fault:
            raise tampered(self._path) from fault
        if key.public.thumbprint.hex() != sealed.id:
            raise tampered(self._path)
        with self._lock:
            self._opened[handle.id] = key
        return key

    def _purpose(self, handle: Handle) -> Purpose:
        return self._find(handle).purpose

    def _aes(self, secret: Secret) -> bytes:
        return self._open(self._find(secret))

    def _storage(self) -> bytes:
        return self._keys.storage

    def _registers(self) -> Registers:
        return self._bank

    def _fresh(self) -> list[Sealed]:
        """The keys in the file now; the secret must still be the one that opened it."""
        content = read(self._path)
        if content.derivation != self._content.derivation:
            raise tampered(self._path)
        check_seal(self._path, content, self._keys)
        if content.version < self._content.version:
            raise rolled_back(self._path, content.version, self._content.version)
        if self._witness is not None:
            self._witness.check(self._path, content.version)
        self._content = content
        return content.keys

    def _write(self, keys: list[Sealed]) -> None:
        content = KeyFile(
            FORMAT,
            self._content.derivation,
            check_of(self._keys),
            keys,
            version=self._content.version + 1,
        )
        content = msgspec.structs.replace(content, seal=seal_of(content, self._keys))
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.msgpack.encode(content))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            raise unwritable(self._path, fault) from fault
        self._content = content
        if self._witness is not None:
            self._witness.remember(content.version)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the file's lock, so that two processes do not lose each other's keys."""
        guard = self._path.with_name(self._path.name + ".lock")
        try:
            guard.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(guard, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise unwritable(self._path, fault) from fault
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)
