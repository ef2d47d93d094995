# SPDX-License-Identifier: Apache-2.0
"""Who stands under this store in a federation: the members of its own trust list, by address.

Keeps: 1. Nobody is a subordinate but by an entry that is in force, as the public may see it.
2. A member with a name on the web is the entity at that address, and the other way round; a member
whose name is a key has an address of this store's. 3. A member's keys are those that its entry
pins, and those that its key events gave it since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from kizuna.model.errors import Problem
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Membership, Service, Standing
from kizuna.model.statement import Registered
from kizuna.record.lists import Entry, ListState
from kizuna.record.log.keys import members_key, statement_key, subject_key
from kizuna.record.store.view import PUBLIC
from kizuna.roots.identity import KeyHistory, genesis_keys, key_event, pinned_keys
from kizuna.roots.keys import PublicKey

__all__ = ["HOSTED", "Subordinate", "did_web_of", "entity_of", "keys_of", "subordinates"]

HOSTED = "/members/"
"""Below the store's address: entities whose configuration the store holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subordinate:
    """A member as an entity."""

    entity: str
    member: SubjectId
    name: str
    services: tuple[Service, ...]
    granted: bool
    """In force now; a subordinate that is not has no statement, and its marks are revoked."""
    until: int | None
    hosted: bool
    entry: Entry


def did_web_of(entity: str) -> SubjectId:
    """The ``did:web`` of an https address.

    Raises:
        Malformed: ``identifier.malformed``.
    """
    parts = urlsplit(entity)
    host = (parts.hostname or "") + (f"%3A{parts.port}" if parts.port else "")
    path = "".join(":" + quote(unquote(part)) for part in parts.path.split("/") if part)
    return canonical(f"did:web:{host}{path}")


def entity_of(member: str, address: str) -> tuple[str, bool] | None:
    """The address of a member, and whether this store holds its configuration."""
    if member.startswith("did:web:"):
        host, *path = member.removeprefix("did:web:").split(":")
        return "/".join([f"https://{host.replace('%3A', ':').replace('%3a', ':')}", *path]), False
    if member.startswith("https://"):
        return member.rstrip("/"), False
    if member.startswith(("did:key:", "did:jwk:")):
        try:
            (key,) = genesis_keys(member)
        except (Problem, ValueError):
            return None
        return f"{address}{HOSTED}{key.thumbprint.hex()}", True
    return None


def subordinates(workspace: Any, address: str) -> Mapping[str, Subordinate]:  # noqa: ANN401 - Workspace; both name each other
    """Every member that was ever on the store's own list, by address."""
    state, _ = _state(workspace)
    now = workspace.clock()
    found: dict[str, Subordinate] = {}
    for entry in state.entries.values():
        place = entity_of(entry.member, address)
        if place is None or entry.member == workspace.identity or place[0] == address:
            continue
        found.setdefault(
            place[0],
            Subordinate(
                entity=place[0],
                member=entry.member,
                name=entry.name,
                services=entry.services,
                granted=entry.in_force(now),
                until=entry.valid_until,
                hosted=place[1],
                entry=entry,
            ),
        )
    return found


def keys_of(workspace: Any, member: SubjectId) -> tuple[PublicKey, ...]:  # noqa: ANN401 - as above
    """The keys that may sign for a member now."""
    try:
        genesis = genesis_keys(member)
    except Problem:
        genesis = ()
    history = KeyHistory.of(member, genesis)
    reader = workspace.store.reader(PUBLIC)
    key = subject_key(member)
    for row in reader.by_keys([key]).get(key, ()):
        said = row.statement.payload
        if (
            isinstance(said, Membership)
            and said.list_id == workspace.list_id
            and said.state is Standing.GRANTED
            and row.statement.issuer == workspace.identity
            and row.statement.subject == member
        ):
            for pin in pinned_keys(said.keys):
                history = history.pin(pin, row.index)
        event = key_event(row)
        if event is not None and event.identity == member:
            history = history.apply(event, superior=event.issuer == workspace.identity)
    return history.current(reader.size)


def _state(workspace: Any) -> tuple[ListState, dict[bytes, Registered]]:  # noqa: ANN401 - as above
    reader = workspace.store.reader(PUBLIC)
    key = members_key(workspace.list_id)
    rows = list(reader.by_keys([key]).get(key, ()))
    for more in reader.by_keys([statement_key(r.statement.digest) for r in rows]).values():
        rows.extend(more)
    unique = {r.statement.digest: r for r in rows}
    state = ListState.of(workspace.list_id, workspace.identity, unique.values())
    return state, {bytes(d): r for d, r in unique.items()}
