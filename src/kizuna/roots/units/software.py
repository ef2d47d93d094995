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
from dataclasses import dataclass
from hmac import compare_digest, digest
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Meta, Struct

from kizuna.model.errors import Misconfigured, Problem, Tampered, Unavailable
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey
from kizuna.roots.units.ephemeral import EphemeralUnit
from kizuna.roots.units.problems import checked_label, checked_use, full, no_such_key
from kizuna.roots.units.registers import Registers
from kizuna.roots.units.soft import Soft
from kizuna.roots.units.unit import Handle, Protection, Purpose, Secret, Traits
from kizuna.roots.units.witness import Witness, rolled_back

__all__ = ["SoftwareUnit"]

_FORMAT: Final = "kizuna-keys-2"
_A256GCM: Final = 3
"""COSE's number for the keys that encrypt."""
_MAX_FILE: Final = 16 << 20
_MAX_KEYS: Final = 10_000
_SCRYPT_N: Final = 1 << 15
"""Cost of a passphrase: about 32 MiB and a tenth of a second."""


class _Derivation(Struct, frozen=True, forbid_unknown_fields=True):
    """How the secret becomes a key. The bounds keep a planted file from costing gigabytes."""

    name: Literal["scrypt", "hkdf-sha256"]
    salt: Annotated[bytes, Meta(min_length=16, max_length=64)]
    n: Annotated[int, Meta(ge=1 << 14, le=1 << 18)] = _SCRYPT_N
    r: Annotated[int, Meta(ge=8, le=16)] = 8
    p: Annotated[int, Meta(ge=1, le=4)] = 1


class _Sealed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One key: its public part in the open, the private one sealed; or a secret key."""

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    label: Annotated[str, Meta(max_length=200)]
    algorithm: int
    public: bytes
    nonce: Annotated[bytes, Meta(min_length=12, max_length=12)]
    box: Annotated[bytes, Meta(max_length=8192)]
    purpose: Purpose = Purpose.SIGN

    def bound(self) -> bytes:
        open_part = ["kizuna-keys-1", self.id, self.label, self.algorithm, self.public]
        return msgspec.json.encode(
            open_part if self.purpose is Purpose.SIGN else [*open_part, self.purpose]
        )

    @property
    def secret(self) -> bool:
        """Whether it is an AES key."""
        return self.algorithm == _A256GCM

    def handle(self) -> Handle:
        return Handle(self.id, self.label, Algorithm(self.algorithm), self.purpose)


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``check`` tells a wrong secret, ``seal`` a change of anything else."""

    format: Literal["kizuna-keys-1", "kizuna-keys-2"]
    derivation: _Derivation
    check: bytes
    keys: Annotated[list[_Sealed], Meta(max_length=_MAX_KEYS)]
    seal: bytes = b""
    version: Annotated[int, Meta(ge=0, le=1 << 62)] = 0


@dataclass(frozen=True, slots=True)
class _Secrets:
    """What the secret becomes: keys with one purpose each."""

    sealing: bytes
    checking: bytes
    binding: bytes
    storage: bytes


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
        self, path: Path, secrets: _Secrets, content: _File, witness: Witness | None
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
        derivation = _Derivation("hkdf-sha256" if random else "scrypt", os.urandom(32))
        secrets = _derive(derivation, secret)
        unit = SoftwareUnit(
            path,
            secrets,
            _File(_FORMAT, derivation, _check(secrets), []),
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
        content = _read(path)
        secrets = _derive(content.derivation, secret)
        if not compare_digest(content.check, _check(secrets)):
            raise Misconfigured(
                "unit.secret-wrong",
                f"the secret does not open the key file {path}",
                why="it is another secret, or the head of the file was changed",
                hint="give the secret that the file was made with",
                path=str(path),
            )
        _check_seal(path, content, secrets)
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
        sealed = _Sealed(handle.id, label, algorithm.value, key.public.cose_key, b"", b"", purpose)
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
        self._add(_Sealed(secret.id, label, _A256GCM, b"", b"", b""), os.urandom(32))
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

    def _add(self, sealed: _Sealed, private: bytes) -> None:
        nonce = os.urandom(12)
        box = AESGCM(self._keys.sealing).encrypt(nonce, private, sealed.bound())
        with self._lock, self._exclusive():
            kept = self._fresh()
            if len(kept) >= _MAX_KEYS:
                raise full("software", _MAX_KEYS)
            self._write([*kept, msgspec.structs.replace(sealed, nonce=nonce, box=box)])

    def _find(self, key: Handle | Secret) -> _Sealed:
        secret = isinstance(key, Secret)
        for sealed in self._content.keys:
            if sealed.id == key.id and sealed.secret == secret:
                return sealed
        raise no_such_key(key)

    def _open(self, sealed: _Sealed) -> bytes:
        try:
            return AESGCM(self._keys.sealing).decrypt(sealed.nonce, sealed.box, sealed.bound())
        except InvalidTag as fault:
            raise _tampered(self._path) from fault

    def _private(self, handle: Handle) -> PrivateKey:
        opened = self._opened.get(handle.id)
        if opened is not None:
            return opened
        sealed = self._find(handle)
        try:
            key = PrivateKey.from_bytes(self._open(sealed))
        except Problem as fault:
            raise _tampered(self._path) from fault
        if key.public.thumbprint.hex() != sealed.id:
            raise _tampered(self._path)
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

    def _fresh(self) -> list[_Sealed]:
        """The keys in the file now; the secret must still be the one that opened it."""
        content = _read(self._path)
        if content.derivation != self._content.derivation:
            raise _tampered(self._path)
        _check_seal(self._path, content, self._keys)
        if content.version < self._content.version:
            raise rolled_back(self._path, content.version, self._content.version)
        if self._witness is not None:
            self._witness.check(self._path, content.version)
        self._content = content
        return content.keys

    def _write(self, keys: list[_Sealed]) -> None:
        content = _File(
            _FORMAT,
            self._content.derivation,
            _check(self._keys),
            keys,
            version=self._content.version + 1,
        )
        content = msgspec.structs.replace(content, seal=_binding(content, self._keys))
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
            raise _unwritable(self._path, fault) from fault
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
            raise _unwritable(self._path, fault) from fault
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)


def _derive(derivation: _Derivation, secret: bytes) -> _Secrets:
    if derivation.name == "scrypt":
        scrypt = Scrypt(
            salt=derivation.salt, length=32, n=derivation.n, r=derivation.r, p=derivation.p
        )
        secret = scrypt.derive(secret)

    def purpose(name: bytes) -> bytes:
        hkdf = HKDF(hashes.SHA256(), 32, derivation.salt, b"kizuna software unit: " + name)
        return hkdf.derive(secret)

    return _Secrets(*(purpose(name) for name in (b"seal", b"check", b"bind", b"storage")))


def _check(secrets: _Secrets) -> bytes:
    return digest(secrets.checking, b"kizuna-keys-1", "sha256")


def _binding(content: _File, secrets: _Secrets) -> bytes:
    unsealed = msgspec.structs.replace(content, seal=b"")
    members = {name: getattr(unsealed, name) for name in unsealed.__struct_fields__}
    if content.format == "kizuna-keys-1":  # as written before files had versions
        del members["version"]
    return digest(secrets.binding, msgspec.msgpack.encode(members), "sha256")


def _check_seal(path: Path, content: _File, secrets: _Secrets) -> None:
    if not compare_digest(content.seal, _binding(content, secrets)):
        raise _tampered(path)


def _read(path: Path) -> _File:
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
        content = msgspec.msgpack.decode(data, type=_File)
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


def _tampered(path: Path) -> Tampered:
    return Tampered(
        "unit.tampered",
        f"the key file {path} was changed by somebody without its secret",
        why="its seal does not hold: a key was added, removed, renamed or exchanged",
        hint="restore the file from its backup, and find out who can write it",
        path=str(path),
    )


def _unwritable(path: Path, fault: OSError) -> Unavailable:
    return Unavailable(
        "unit.unwritable",
        f"the key file {path} cannot be written",
        why=fault.strerror or "",
        hint="make room on the disk, and let the user who runs kizuna write there",
        path=str(path),
    )
