# SPDX-License-Identifier: Apache-2.0
"""Keeping a store: its state, and making again what is derived.

Keeps: nothing here changes what was said; everything here may be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.values import Progress, quiet

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["rebuild", "status"]


def status(workspace: Workspace) -> dict[str, Any]:
    """What the store holds and whether it writes."""
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
        "writes": refusal is None,
        "refusal": None if refusal is None else refusal.code,
    }


def rebuild(workspace: Workspace, *, progress: Progress = quiet) -> dict[str, Any]:
    """Every derived table and the map, made again from log and statement files."""
    total = workspace.head().size
    count = workspace.store.rebuild(lambda done: progress("phase.rebuilding", done, total))
    return {"statements": count}
