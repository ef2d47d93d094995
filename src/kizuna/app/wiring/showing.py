# SPDX-License-Identifier: Apache-2.0
"""What HTTP and console both show of log, lists and profiles: one shape each, one place.

Keeps: 1. Both doors ask here, so that a page and its JSON, and the API, never differ. 2. Everything
goes through the reader's view: what it may not show is ``Absent``, exactly as what is not there.
3. Work is bounded: a page of entries never reads more of the log than it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.lines import entry_json
from kizuna.model.errors import Absent
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.payload import encode_payload
from kizuna.model.statement import Registered

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import StoreReader, View

__all__ = [
    "about",
    "entries",
    "entry",
    "latest_entries",
    "log_head",
    "names",
    "profile_json",
    "profile_named",
    "proof_of",
    "registered",
]


def registered(workspace: Workspace, digest: Digest, view: View | None) -> Registered:
    """The statement of that digest.

    Raises:
        Absent: ``statement.unknown``.
    """
    found = _reader(workspace, view).by_digests([digest]).get(digest)
    if found is None:
        raise Absent(
            "statement.unknown",
            f"no statement {digest.hex()[:16]}… here",
            hint="check the digest, and which store registered it",
            digest=digest.hex(),
        )
    return found


def entries(
    workspace: Workspace, start: int, limit: int, view: View | None
) -> tuple[list[dict[str, Any]], int | None]:
    """One page of the log, upwards from ``start``; and where the next one begins."""
    reader = _reader(workspace, view)
    end = min(start + limit, reader.size)
    found = reader.by_indices(range(start, end))
    return [entry_json(one) for one in found], end if end < reader.size else None


def latest_entries(
    workspace: Workspace, before: int | None, limit: int, view: View | None
) -> tuple[list[dict[str, Any]], int | None]:
    """The newest entries below an index, newest first; and below which the next page begins."""
    found = _reader(workspace, view).latest(limit, before=before)
    following = found[-1].index if len(found) == limit and found[-1].index > 0 else None
    return [entry_json(one) for one in found], following


def about(
    workspace: Workspace, subject: SubjectId, limit: int, view: View | None
) -> list[dict[str, Any]]:
    """What was said about a subject, the newest first."""
    from kizuna.record.log.keys import subject_key

    key = subject_key(subject)
    rows: Sequence[Registered] = _reader(workspace, view).by_keys([key]).get(key, ())
    return [entry_json(found) for found in sorted(rows, key=lambda r: -r.index)[:limit]]


def entry(workspace: Workspace, digest: Digest, view: View | None) -> dict[str, Any]:
    """One statement with what it says and the proof that it is in the log."""
    found = registered(workspace, digest, view)
    payload = found.statement.payload
    return {
        **entry_json(found),
        "payload": None if payload is None else encode_payload(payload).decode(),
        "proof": proof_of(workspace, found.index),
    }


def proof_of(workspace: Workspace, index: int) -> dict[str, Any] | None:
    """The path from an entry to the root of the last checkpoint; None before there is one."""
    head = workspace.store.head()
    if index >= head.size:
        return None
    path = workspace.log.inclusion(index, head.size)
    return {
        "index": index,
        "size": head.size,
        "root": head.root,
        "path": [node.hex() for node in path],
    }


def log_head(workspace: Workspace) -> dict[str, Any]:
    """The last published checkpoint."""
    head = workspace.store.head()
    note = workspace.log.checkpoint()
    return {
        "origin": head.origin,
        "size": head.size,
        "root": head.root,
        "checkpoint": note.decode(),
    }


def names(workspace: Workspace, identifiers: Iterable[str], view: View | None) -> dict[str, str]:
    """What people call these, as far as the view shows."""
    from kizuna.app.wiring.naming import names_of

    return names_of(_reader(workspace, view), identifiers, workspace.anchors())


def profile_named(workspace: Workspace, name: str) -> Profile:
    """A profile by name only: what comes from outside never opens a file.

    Raises:
        Absent: ``profile.unknown``.
    """
    for profile in workspace.profiles():
        if profile.name == name:
            return profile
    raise Absent(
        "profile.unknown",
        f"no profile named {name[:80]!r}",
        hint="`kizuna profile list` prints the profiles that can be named",
        name=name[:80],
    )


def profile_json(profile: Profile) -> dict[str, Any]:
    """A profile with its digest."""
    return {
        "name": profile.name,
        "version": profile.version,
        "title": dict(profile.title),
        "digest": profile.digest,
        "document": profile.document(),
    }


def _reader(workspace: Workspace, view: View | None) -> StoreReader:
    return workspace.store.reader() if view is None else workspace.store.reader(view)
