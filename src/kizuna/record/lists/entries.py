# SPDX-License-Identifier: Apache-2.0
"""Entries: the membership payloads that a list operator signs.

Keeps: an entry that suspends or withdraws repeats the services it concerns, so that every entry
says by itself what was the matter; a reason is part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Membership, Service, Standing

__all__ = ["grant", "list_id_of", "suspend", "withdraw"]


def list_id_of(operator: SubjectId, name: str) -> SubjectId:
    """The identifier of a list that ``operator`` keeps under ``name``: a DID URL with a path (or a
    path below the operator's own address), so that nobody else can take the name.
    """
    return canonical(f"{operator.rstrip('/')}/lists/{name}")


def grant(
    list_id: SubjectId,
    services: Sequence[Service],
    *,
    name: str | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    reason: str | None = None,
    logs: Sequence[str] = (),
    keys: Sequence[dict[str, str]] = (),
    ext: Mapping[str, Any] | None = None,
) -> Membership:
    """An entry that grants services.

    Raises:
        Malformed: ``list.no-services`` for an entry that would grant nothing.
    """
    if not services:
        raise Malformed(
            "list.no-services",
            "an entry without services grants nothing",
            hint="name at least one role, for instance maker",
        )
    return Membership(
        list_id=list_id,
        state=Standing.GRANTED,
        services=list(services),
        name=name,
        valid_from=valid_from,
        valid_until=valid_until,
        reason=reason,
        logs=list(logs),
        keys=list(keys),
        ext=dict(ext or {}),
    )


def suspend(entry: Membership, reason: str) -> Membership:
    """The entry that suspends ``entry`` from its registration on."""
    return _changed(entry, Standing.SUSPENDED, reason)


def withdraw(entry: Membership, reason: str) -> Membership:
    """The entry that ends ``entry`` from its registration on."""
    return _changed(entry, Standing.WITHDRAWN, reason)


def _changed(entry: Membership, state: Standing, reason: str) -> Membership:
    if not reason.strip():
        raise Malformed(
            "list.reason-missing",
            "taking an entry out of force needs a reason",
            hint="say in a sentence why; the member and its customers will read it",
        )
    return Membership(
        list_id=entry.list_id,
        state=state,
        services=entry.services,
        name=entry.name,
        reason=reason,
        logs=entry.logs,
        keys=entry.keys,
        ext=entry.ext,
    )
