# SPDX-License-Identifier: Apache-2.0
"""The store's folder: where its files lie, its description, and its secret.

::

    kizuna.json     what this folder is: organisation, log, list, database, policy
    secret          32 random bytes that open the keys, 0600; absent where a passphrase is used
    keys            the unit's keys, encrypted
    trust.json      whom this verifier believes
    log/            tiles, checkpoint, map, statements as received: the evidence log
    store.sqlite    the store's rows, where no other database is named

Keeps: 1. ``kizuna.json`` is written whole or not at all, and last, so that a folder half made is
no store. 2. It names the database without its password.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from kizuna.model.errors import Misconfigured, Refused
from kizuna.roots.units import Unit

__all__ = ["Description", "Folder", "write_whole"]

_FORMAT: Final = 1


class Description(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """What stands in ``kizuna.json``."""

    format: int
    kind: str
    """``store``: with a log of its own; ``member``: an organisation that publishes elsewhere."""
    name: str
    organization: str
    key: str
    """Thumbprint of the key that signs now."""
    list: str = ""
    origin: str = ""
    log_key: str = ""
    policy: str = "members"
    database: str = ""
    """``sqlite`` or a PostgreSQL address without password."""
    url: str = ""
    unit: str = ""
    """Where the keys are; empty for the software unit in this folder."""
    units: dict[str, str] = {}
    """Further units of this organisation, by short name."""
    own_lists: dict[str, str] = {}
    """Further lists that this organisation operates, by short name."""


class Folder:
    """Paths and description of one store."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def description_file(self) -> Path:
        """``kizuna.json``."""
        return self.path / "kizuna.json"

    @property
    def trust_file(self) -> Path:
        """``trust.json``."""
        return self.path / "trust.json"

    @property
    def log(self) -> Path:
        """The folder of the evidence log."""
        return self.path / "log"

    @property
    def map(self) -> Path:
        """The file of the verifiable map."""
        return self.log / "map"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "store.sqlite"

    @property
    def keys(self) -> Path:
        """The unit's file."""
        return self.path / "keys"

    @property
    def secret_file(self) -> Path:
        """The random secret that opens the unit."""
        return self.path / "secret"

    def exists(self) -> bool:
        """Whether a store (or a member) stands here."""
        return self.description_file.is_file()

    def prepare(self) -> None:
        """Make the folder, private to its owner.

        Raises:
            Refused: ``store.exists``. Misconfigured: ``store.folder``.
        """
        if self.exists():
            raise Refused(
                "store.exists",
                f"a store is already in {self.path}",
                why="init never overwrites: keys and log cannot be made again",
                hint="choose another folder with --store, or use the one that is there",
                path=str(self.path),
            )
        if self.path.is_dir() and any(self.path.iterdir()):
            raise Refused(
                "store.folder-used",
                f"{self.path} is not empty",
                why="other files are in it, or an earlier init was interrupted",
                hint="choose another folder with --store, or empty this one",
                path=str(self.path),
            )
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as fault:
            raise Misconfigured(
                "store.folder",
                f"cannot make the folder {self.path}",
                why=str(fault.strerror or fault),
                hint="check the path and its permissions",
                path=str(self.path),
            ) from fault

    def abandon(self) -> None:
        """Take back what ``prepare`` and ``create_unit`` made, where nothing came of it."""
        for file in (self.keys, self.keys.with_name("keys.lock"), self.secret_file):
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def describe(self) -> Description:
        """Read ``kizuna.json``.

        Raises:
            Misconfigured: ``store.absent``, ``store.description``.
        """
        try:
            data = self.description_file.read_bytes()
        except FileNotFoundError as fault:
            raise Misconfigured(
                "store.absent",
                f"no store in {self.path}",
                why="there is no kizuna.json",
                hint="make one with `kizuna init --name NAME`, join another with `kizuna join`, or "
                "name its folder with --store",
                path=str(self.path),
            ) from fault
        except OSError as fault:
            raise Misconfigured(
                "store.folder",
                f"cannot read {self.description_file}",
                why=str(fault.strerror or fault),
                hint="check the path and its permissions",
                path=str(self.path),
            ) from fault
        try:
            found = msgspec.json.decode(data, type=Description)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Misconfigured(
                "store.description",
                f"{self.description_file} is not what kizuna wrote",
                why=str(fault),
                hint="restore it from a backup",
                path=str(self.path),
            ) from fault
        if found.format != _FORMAT:
            raise Misconfigured(
                "store.format",
                f"the store in {self.path} has format {found.format}, this program reads {_FORMAT}",
                hint="use the version of kizuna that made it, or `kizuna store migrate`",
                path=str(self.path),
                format=found.format,
            )
        return found

    def write_description(self, description: Description) -> None:
        """Write ``kizuna.json`` whole."""
        data = msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n"
        write_whole(self.description_file, data)

    # --- the unit -----------------------------------------------------------------------------

    def create_unit(self, passphrase: bytes | None) -> Unit:
        """A new software unit; without a passphrase under a random secret kept beside it."""
        from kizuna.roots.units.software import SoftwareUnit

        random = passphrase is None
        if passphrase is None:
            passphrase = secrets.token_bytes(32)
            write_whole(self.secret_file, passphrase, mode=0o600)
        return SoftwareUnit.create(self.keys, passphrase, random=random)

    def open_unit(self, passphrase: bytes | None) -> Unit:
        """The software unit of this folder.

        Raises:
            Misconfigured: ``unit.*`` and ``store.secret-missing``.
        """
        from kizuna.roots.units.software import SoftwareUnit

        if passphrase is None:
            try:
                passphrase = self.secret_file.read_bytes()
            except FileNotFoundError as fault:
                raise Misconfigured(
                    "store.secret-missing",
                    "the keys are closed and nothing here opens them",
                    why=f"neither KIZUNA_PASSPHRASE nor {self.secret_file} is there",
                    hint="put the secret file back there, or set KIZUNA_PASSPHRASE or "
                    "KIZUNA_PASSPHRASE_FILE",
                    path=str(self.secret_file),
                ) from fault
        return SoftwareUnit.open(self.keys, passphrase)


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file durably, whole or not at all."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        part.unlink(missing_ok=True)
        raise
