# SPDX-License-Identifier: Apache-2.0
"""Copies of a store that one of its backups is completed from: a folder, or a server.

Keeps: 1. A copy is not believed: whoever takes from it holds everything against what the log has
signed. 2. A server is asked as oneself, and where it does not know this organisation, as the
public. 3. A copy without documents, or whose database is out of reach, still gives its statements.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from kizuna.model.errors import Absent, Problem, Refused
from kizuna.model.identifier import Digest

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.log.tiles import Source
    from kizuna.record.store.completing import Documents, Lost, Statements

__all__ = ["Copy", "copy_at"]

_UNKNOWN: Final = "identity.request-key"


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the log's files, the statements and the documents of a copy are."""

    source: Source
    statements: Statements
    documents: Documents


@contextmanager
def copy_at(workspace: Workspace, where: str) -> Iterator[Copy]:
    """The copy at a folder (a backup, a store, the folder of a log) or at a server's address.

    Raises:
        Malformed: ``request.address``. Misconfigured: ``store.damaged``.
    """
    from kizuna.app.wiring.logs import source_of
    from kizuna.record.store.archive import Archive
    from kizuna.record.store.completing import archived

    if where.startswith(("http://", "https://")):
        server = _Server(workspace, where)
        yield Copy(source_of(where), server.statements, server.documents)
        return
    folder = Path(where)
    inside = folder / "log" if (folder / "log").is_dir() else folder
    with ExitStack() as after:
        archive = Archive.open(inside / "statements")
        after.callback(archive.close)
        yield Copy(source_of(str(inside)), archived(archive), _documents_in(folder, after))


def _documents_in(folder: Path, after: ExitStack) -> Documents:
    """The documents beside a backup, or a store, where its tables can be read."""
    from kizuna.app.wiring.construction import backend_of
    from kizuna.app.wiring.folder import Folder
    from kizuna.record.store.completing import no_documents, stored
    from kizuna.record.store.sqlite import SqliteBackend

    tables = folder / "tables"
    if tables.is_file():  # a backup
        if _made_by(folder) == "postgresql":
            from kizuna.record.store.postgresql import documents_in

            return documents_in(tables)
        backup = SqliteBackend(tables)
        after.callback(backup.close)
        return stored(backup)
    store = Folder(folder)
    if not store.exists():
        return no_documents
    try:
        description = store.describe()
        if description.database in ("", "sqlite") and not store.database.is_file():
            return no_documents
        backend = backend_of(store, description, None)
        after.callback(backend.close)
        if not backend.version():
            return no_documents
    except Problem:  # its database is elsewhere, and out of reach
        return no_documents
    return stored(backend)


def _made_by(folder: Path) -> str:
    """The kind of database that a backup was made of; empty where it does not say."""
    try:
        told = msgspec.json.decode((folder / "manifest.json").read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return str(told.get("backend", "")) if isinstance(told, dict) else ""


class _Server:
    """A server that has the same log."""

    def __init__(self, workspace: Workspace, address: str) -> None:
        from kizuna.app.wiring.asking_as_oneself import Oneself
        from kizuna.app.wiring.network import checked_url

        self._base = checked_url(address)
        self._oneself: Oneself | None = Oneself(workspace)
        self._speaks_of: dict[Digest, Digest] = {}

    def statements(self, _: int, digests: Sequence[Digest]) -> Iterator[Lost]:
        """Statements by digest; which document each speaks of is remembered."""
        from kizuna.roots.cose import parse_sign1

        for digest in digests:
            try:
                raw = self._fetch(f"/api/statements/{digest.hex()}", "application/cose")
            except Absent:
                return  # it does not have it, or not for this reader
            try:
                envelope = parse_sign1(raw)
            except Problem:
                envelope = None  # whoever takes it says that it is not what was logged
            if envelope is not None and envelope.by_hash:
                self._speaks_of[Digest(envelope.payload)] = digest
            yield raw, None

    def documents(self, digests: Sequence[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Documents that the server has and shows to this organisation."""
        for document in digests:
            statement = self._speaks_of.get(document)
            if statement is None:
                continue
            try:
                found = self._fetch(f"/api/statements/{statement.hex()}/document", "*/*")
            except Absent:
                continue
            yield document, found

    def _fetch(self, path: str, form: str) -> bytes:
        from kizuna.app.wiring.network import fetch

        url = f"{self._base}{path}"
        if self._oneself is not None:
            signed = self._oneself.signature("GET", url, b"")
            try:
                return fetch(url, {"accept": form, **signed})
            except Refused as refused:
                if refused.code != _UNKNOWN:
                    raise
                self._oneself = None  # it does not know this organisation: go on as the public
        return fetch(url, {"accept": form})
