# SPDX-License-Identifier: Apache-2.0
"""Keeping a store: its state, backup and restore, erasure, invites, the log's key.

Keeps: 1. Whatever may be made again is made again from log and statement files. 2. A backup holds
no secret: the keys in it are encrypted, and what opens them is kept elsewhere. 3. A restored store
writes only after it was shown the newest checkpoint that anyone has. 4. What restrains the store or
was seen to hold is brought back with it: the gate before its keys, lists of what is revoked, what
other stores proved, the numbers of issues. Drafts and what waits to be sent are not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.construction import LOG, backend_of
from kizuna.app.wiring.folder import Folder
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Progress, quiet
from kizuna.model.errors import Absent
from kizuna.model.identifier import Digest

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.trust import LogAnchor

__all__ = [
    "backup",
    "complete",
    "erase",
    "invite",
    "invites",
    "log_key_compromised",
    "migrate",
    "rebuild",
    "restore",
    "resume",
    "rotate_log_key",
    "status",
    "withdraw_invite",
]

_OWN: Final = "folder"
"""Where a backup keeps the store's own files, beside what the store copies itself."""

_KEPT: Final = ("kizuna.json", "trust.json", "keys", "federation.json", "hosted-codes.json")
_FOLDERS: Final = (
    *("catalogs", "gate", "lists", "processes", "procure", "profiles", "published"),
    *("remote", "risk", "status"),
)


def status(workspace: Workspace) -> dict[str, Any]:
    """What the store holds and whether it writes."""
    from kizuna.record.store.hosting import Hosting

    store = workspace.store
    head = store.head()
    refusal = store.refusal()
    return {
        "organization": workspace.identity,
        "name": workspace.name,
        "origin": head.origin,
        "size": head.size,
        "root": head.root,
        "published_at": workspace.log.published_at,
        "policy": workspace.description.policy,
        "database": workspace.description.database,
        "members": len(store.members.names(workspace.clock())),
        "hosted": [
            {"id": o.identity, "name": o.name, "joined_at": o.joined_at}
            for o in Hosting(store).organisations()
        ],
        "writes": refusal is None,
        "refusal": None if refusal is None else refusal.code,
    }


def rebuild(workspace: Workspace, *, progress: Progress = quiet) -> dict[str, Any]:
    """Every derived table and the map, made again from log and statement files."""
    total = workspace.head().size
    count = workspace.store.rebuild(lambda done: progress("phase.rebuilding", done, total))
    return {"statements": count}


def migrate(workspace: Workspace) -> dict[str, Any]:
    """Bring the tables to the form that this version needs (opening does it, too)."""
    before, after = workspace.store.backend.migrate()
    return {"before": before, "after": after}


def backup(workspace: Workspace, target: str) -> dict[str, Any]:
    """Copy the store as it is at one checkpoint, while it serves."""
    from kizuna.app.wiring.devices.keeping import copied
    from kizuna.record.store.backup import backup as copy

    place = Path(target)
    manifest = copy(workspace.store, place, now=workspace.clock())
    own = place / _OWN
    own.mkdir(mode=0o700)
    with copied(workspace, own), _gate_at_rest(workspace):
        for name in _KEPT:
            source = workspace.path / name
            if source.is_file():
                shutil.copyfile(source, own / name)
                (own / name).chmod(0o600)
        for name in _FOLDERS:
            if (workspace.path / name).is_dir():
                shutil.copytree(workspace.path / name, own / name, copy_function=_copy)
    return {
        "folder": str(place),
        "origin": manifest.origin,
        "size": manifest.size,
        "root": manifest.root,
        "files": len(manifest.files),
        "bytes": sum(length for length, _ in manifest.files.values()),
    }


@contextmanager
def _gate_at_rest(workspace: Workspace) -> Iterator[None]:
    """Nobody asks the gate before the store's keys until the block ends."""
    if not (workspace.path / "gate").is_dir():
        yield
        return
    from kizuna.roots.gates import FileBook

    with FileBook(workspace.path / "gate").turn():
        yield


def _copy(source: str, target: str) -> None:
    """A file may go while the folder is read: what is written whole takes another's place."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def restore(source: str, settings: Settings, *, secret: bytes | None) -> dict[str, Any]:
    """Make the store again in an empty folder.

    Raises:
        Absent: ``backup.own-files-missing``. Refused: ``store.exists``. And as the store's restore.
    """
    from kizuna.app.wiring.devices.keeping import bring_back as bring_fleet_back
    from kizuna.app.wiring.folder import write_whole
    from kizuna.record.store.backup import restore as bring_back

    place = Path(source)
    own = Folder(place / _OWN)
    if not own.exists():
        raise Absent(
            "backup.own-files-missing",
            f"{source} holds no kizuna.json",
            why="it was not made by `kizuna store backup`",
            hint="name the folder that `kizuna store backup` made",
            path=source,
        )
    description = own.describe()
    folder = Folder(settings.store)
    folder.prepare()
    backend = backend_of(folder, description, settings.database)
    try:
        manifest = bring_back(place, folder.log, backend)
    finally:
        backend.close()
    for name in _KEPT[1:]:
        if (own.path / name).is_file():
            write_whole(folder.path / name, (own.path / name).read_bytes())
    for name in _FOLDERS:
        if (own.path / name).is_dir():
            shutil.copytree(own.path / name, folder.path / name, dirs_exist_ok=True)
    bring_fleet_back(own.path, folder.path)
    if secret is not None:
        write_whole(folder.secret_file, secret)
    folder.write_description(description)
    return {
        "store": str(folder.path),
        "origin": manifest.origin,
        "size": manifest.size,
        "root": manifest.root,
        "writes": False,
    }


def resume(workspace: Workspace, newest: bytes | None, *, lost: bool) -> dict[str, Any]:
    """Let a restored store write again.

    Args:
        workspace: the restored store.
        newest: the newest checkpoint that anyone has.
        lost: True where what came after the backup is gone for good: the log's key is closed at
            this size and a new one takes over.
    """
    if newest is not None:
        checkpoint = workspace.store.resume(newest)
        return {"origin": checkpoint.origin, "size": workspace.head().size, "key": None}
    if not lost:
        raise Absent(
            "store.resume-nothing",
            "no checkpoint was shown",
            hint="name the newest checkpoint anyone has with --checkpoint, or, where what came "
            "after the backup is gone for good, say --lost",
        )
    signer = _new_log_key(workspace)
    anchor = workspace.store.resume_with(signer, now=workspace.clock())
    return _after_rotation(workspace, signer.handle.id, anchor)


def complete(workspace: Workspace, where: str, *, progress: Progress = quiet) -> dict[str, Any]:
    """Bring what was published after the backup back from a copy: a folder or a server's address.

    Raises:
        As ``Store.complete``.
    """
    from kizuna.app.wiring.copies import copy_at

    before = workspace.head().size
    with copy_at(workspace, where) as copy:
        done = workspace.store.complete(
            copy.source,
            copy.statements,
            copy.documents,
            now=workspace.clock(),
            progress=lambda done, total: progress("phase.fetching", done, total),
        )
    return {
        "origin": done.checkpoint.origin,
        "size": workspace.head().size,
        "brought": workspace.head().size - before,
        "documents": done.documents,
        "missing": done.missing,
        "erased": done.erased,
    }


def rotate_log_key(workspace: Workspace) -> dict[str, Any]:
    """Sign the log with a new key from now on."""
    signer = _new_log_key(workspace)
    anchor = workspace.store.rotate_log_key(signer, now=workspace.clock())
    return _after_rotation(workspace, signer.handle.id, anchor)


def log_key_compromised(workspace: Workspace, *, size: int | None) -> dict[str, Any]:
    """Close the log's key at the last size that is known to be the log's own; a new one signs."""
    signer = _new_log_key(workspace)
    last = workspace.log.published_size if size is None else size
    anchor = workspace.store.rotate_log_key(signer, now=workspace.clock(), compromised_after=last)
    return _after_rotation(workspace, signer.handle.id, anchor)


def erase(workspace: Workspace, digest: str, *, reason: str) -> dict[str, Any]:
    """Remove the document of a statement; its proof remains."""
    from kizuna.app.wiring.entries import parse_digest

    found: Digest = parse_digest(digest)
    accepted = workspace.store.erase(found, reason=reason, now=workspace.clock())
    return {"erased": digest, "statement": accepted.digest.hex(), "index": accepted.index}


def invite(
    workspace: Workspace,
    *,
    note: str,
    roles: Sequence[str],
    scope: Sequence[str],
    days: int,
    uses: int,
) -> dict[str, Any]:
    """An invitation: a code that lets another organisation join this store."""
    from kizuna.app.wiring.lists.own import member_services
    from kizuna.record.store.hosting import Hosting

    now = workspace.clock()
    services = member_services(roles, scope)
    code = Hosting(workspace.store).invite(
        now=now, expires_at=now + days * 86_400, uses=uses, services=services, note=note
    )
    return {"invite": code, "name": note, "expires_at": now + days * 86_400, "uses": uses}


def invites(workspace: Workspace) -> list[dict[str, Any]]:
    """Every invitation; the codes themselves are kept nowhere."""
    from kizuna.record.store.hosting import Hosting

    return [
        {
            "reference": i.reference,
            "name": i.note,
            "created_at": i.created_at,
            "expires_at": i.expires_at,
            "uses_left": i.uses_left,
        }
        for i in Hosting(workspace.store).invites()
    ]


def withdraw_invite(workspace: Workspace, reference: str) -> dict[str, Any]:
    """End an invitation.

    Raises:
        Absent: ``invite.unknown``.
    """
    from kizuna.record.store.hosting import Hosting

    if not Hosting(workspace.store).withdraw_invite(reference):
        raise Absent(
            "invite.unknown",
            f"no open invitation {reference[:40]!r}",
            hint="`kizuna store invites` prints them",
            reference=reference[:40],
        )
    return {"withdrawn": reference}


def _new_log_key(workspace: Workspace) -> Any:  # noqa: ANN401 - record.log.Signer, imported late
    from kizuna.record.log import Signer
    from kizuna.roots.keys import Algorithm

    handle = workspace.unit.generate(Algorithm.EDDSA, LOG)
    return Signer(workspace.log.origin, workspace.unit, handle)


def _after_rotation(workspace: Workspace, key: str, anchor: LogAnchor) -> dict[str, Any]:
    """Remember the new key, and believe it: the operator's own anchors follow at once."""
    workspace.describe_as(msgspec.structs.replace(workspace.description, log_key=key))
    anchors = workspace.anchors()
    kept = [a for a in anchors.logs if a.origin != anchor.origin]
    workspace.set_anchors(msgspec.structs.replace(anchors, logs=[anchor, *kept]))
    return {
        "origin": anchor.origin,
        "size": workspace.head().size,
        "key": anchor.keys[-1],
        "anchor": msgspec.to_builtins(anchor),
    }
