# SPDX-License-Identifier: Apache-2.0
"""Putting a store together: keys, log, database, in an order that a fall at any step leaves clean.

Keeps: 1. Concrete back ends (software unit, SQLite, PostgreSQL) are named here and in ``folder``
only. 2. ``kizuna.json`` is written last: a folder without it is no store. 3. Opening to read needs
no passphrase: keys are opened when something is signed.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, TypeVar

from kizuna.app.wiring.folder import Description, Folder
from kizuna.app.wiring.keys.life import ORGANISATION
from kizuna.app.wiring.owner import Owner
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Malformed, Misconfigured
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of

if TYPE_CHECKING:
    from kizuna.record.log import EvidenceLog
    from kizuna.record.store import Backend, StoreSettings
    from kizuna.roots.units import Handle, Unit

__all__ = ["attach", "backend_of", "construct", "new_identity", "reopen"]

LOG = "log"
"""Label of the log's key in the unit."""

_W = TypeVar("_W", bound=Owner)
_FORMAT = 1
_NAME = 200


def construct(
    kind: type[_W],
    folder: Folder,
    settings: Settings,
    *,
    name: str,
    now: int,
    database: str | None,
    origin: str | None,
    policy: str,
) -> _W:
    """A new store in an empty folder; see ``Workspace.init``."""
    from kizuna.app.wiring.keys.units import home_unit
    from kizuna.record.lists import list_id_of
    from kizuna.record.log import EvidenceLog, Signer
    from kizuna.record.store import Store
    from kizuna.roots.keys import Algorithm

    name = checked_name(name)
    checked_policy(policy)
    folder.prepare()
    unit, handle, identity = new_identity(folder, settings)
    log_handle = unit.generate(Algorithm.EDDSA, LOG)
    chosen = origin or default_origin(name, identity)
    log = EvidenceLog.create(folder.log, chosen, Signer(chosen, unit, log_handle), now)
    description = Description(
        format=_FORMAT,
        kind="store",
        name=name,
        organization=identity,
        key=handle.id,
        list=list_id_of(identity, "own"),
        origin=chosen,
        log_key=log_handle.id,
        policy=policy,
        database=without_password(database) if database else "sqlite",
        unit=home_unit(settings.unit),
    )
    workspace = kind(settings, folder, description)
    workspace.bind_unit(unit)
    backend = backend_of(folder, description, database)
    try:
        workspace.bind_store(
            Store.create(folder.log, backend, log, store_settings(workspace), clock=settings.clock)
        )
    except BaseException:
        backend.close()
        raise
    folder.write_description(description)
    return workspace


def reopen(
    kind: type[_W],
    folder: Folder,
    settings: Settings,
    *,
    database: str | None,
    read_only: bool,
) -> _W:
    """A store that is there; see ``Workspace.open``."""
    description = folder.describe()
    if description.kind != "store":
        raise Misconfigured(
            "store.member",
            f"{folder.path} holds an organisation that publishes in {description.url}, no store",
            why="`kizuna join` made it",
            hint="use `kizuna publish`, or name a store with --store",
            path=str(folder.path),
            url=description.url,
        )
    workspace = kind(settings, folder, description)
    attach(workspace, database=database, read_only=read_only)
    return workspace


def attach(workspace: Owner, *, database: str | None, read_only: bool) -> None:
    """Open log and database of a workspace whose description was read."""
    from kizuna.record.store import Store

    folder, description = workspace.folder, workspace.description
    log = open_log(workspace, read_only=read_only)
    backend = backend_of(folder, description, database)
    try:
        workspace.bind_store(
            Store.open(
                folder.log,
                backend,
                log,
                store_settings(workspace),
                clock=workspace.settings.clock,
            )
        )
    except BaseException:
        backend.close()
        raise


def open_log(workspace: Owner, *, read_only: bool) -> EvidenceLog:
    """The evidence log; with its key unless it is only read."""
    from kizuna.record.log import EvidenceLog, Signer

    folder, description = workspace.folder, workspace.description
    signer = None
    if not read_only:
        unit = workspace.unit
        handle = next((h for h in unit.handles() if h.id == description.log_key), None)
        if handle is None:
            raise Misconfigured(
                "store.log-key-missing",
                "the log's key is not among the keys of this folder",
                why="the key file belongs to another store, or is older than the log",
                hint="restore the key file from a backup",
                path=str(folder.keys),
            )
        signer = Signer(description.origin, unit, handle)
    return EvidenceLog(folder.log, description.origin, signer)


def store_settings(workspace: Owner) -> StoreSettings:
    """What the store needs to know of its operator."""
    from kizuna.record.store import OperatorKey, RegistrationPolicy, StoreSettings
    from kizuna.roots.identity import pinned_keys

    def sign(kind: Kind, subject: SubjectId, payload: bytes, at: int) -> bytes:
        from kizuna.roots.cose import sign_statement

        return sign_statement(
            workspace.unit,
            workspace.handle,
            issuer=workspace.identity,
            subject=subject,
            media_type=media_type_of(kind),
            payload=payload,
            issued_at=at,
        )

    return StoreSettings(
        operator=OperatorKey(workspace.identity, sign),
        list_id=workspace.list_id,
        policy=RegistrationPolicy(workspace.description.policy),
        pinned={i.id: pinned_keys(i.keys) for i in workspace.anchors().identities},
    )


def backend_of(folder: Folder, description: Description, database: str | None) -> Backend:
    """The database that the description names.

    Args:
        folder: of the store.
        description: names the database, without its password.
        database: a fuller address (with password) from setting or option.

    Raises:
        Misconfigured: ``store.extra-missing`` where PostgreSQL's client is not installed.
    """
    if description.database in ("", "sqlite"):
        from kizuna.record.store.sqlite import SqliteBackend

        return SqliteBackend(folder.database)
    try:
        from kizuna.record.store.postgresql import PostgresqlBackend
    except ModuleNotFoundError as fault:
        raise Misconfigured(
            "store.extra-missing",
            "PostgreSQL's client is not installed",
            why="it comes with the extra `postgres`",
            hint="pip install 'kizuna[postgres]'",
            extra="postgres",
        ) from fault
    digest = hashlib.sha256(description.origin.encode()).hexdigest()[:12]
    return PostgresqlBackend(database or description.database, schema=f"kizuna_{digest}")


def new_identity(folder: Folder, settings: Settings) -> tuple[Unit, Handle, SubjectId]:
    """A unit with one key, and the identity that this key names."""
    from kizuna.app.wiring.keys.units import new_unit
    from kizuna.roots.identity import did_key
    from kizuna.roots.keys import Algorithm

    unit = new_unit(folder, settings)
    handle = unit.generate(Algorithm.ES256, ORGANISATION)
    return unit, handle, did_key(unit.public(handle))


def checked_name(name: str) -> str:
    """An organisation's name, bounded and without controls.

    Raises:
        Malformed: ``store.name``.
    """
    name = name.strip()
    if not name or len(name) > _NAME or not name.isprintable():
        raise Malformed(
            "store.name",
            "not a name for an organisation",
            why=f"a name has 1 to {_NAME} characters, none of them a control character",
            hint="give the name as people write it, e.g. --name 'Fuji Pumps'",
            limit=_NAME,
        )
    return name


def checked_policy(policy: str) -> None:
    """Refuse a registration policy that does not exist.

    Raises:
        Malformed: ``store.policy``.
    """
    from kizuna.record.store import RegistrationPolicy

    known = [p.value for p in RegistrationPolicy]
    if policy not in known:
        raise Malformed(
            "store.policy",
            f"no registration policy is called {policy[:40]!r}",
            hint="one of " + ", ".join(known),
            policy=policy[:40],
            known=", ".join(known),
        )


def default_origin(name: str, identity: str) -> str:
    """A name for the log that is nobody else's: under a domain that cannot exist (RFC 2606)."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "log"
    return f"kizuna.invalid/{slug}/{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def without_password(address: str) -> str:
    """A database address as it may be written down.

    Raises:
        Malformed: ``store.database``.
    """
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(address)
    if parts.scheme not in ("postgresql", "postgres") or "password" in parts.query:
        raise Malformed(
            "store.database",
            "not an address of a PostgreSQL database",
            why="it begins with postgresql:// and carries no password in its query",
            hint="write postgresql://user@host/database; the password comes from PGPASSWORD, "
            "~/.pgpass or the address in KIZUNA_DATABASE",
        )
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit(
        (parts.scheme, f"{user}{parts.hostname or ''}{port}", parts.path, parts.query, "")
    )
