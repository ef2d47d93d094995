# SPDX-License-Identifier: Apache-2.0
"""What a shell may offer while a command is being typed: subjects, profiles, lists, keys.

Keeps: 1. Quick and bounded: of subjects only those of the newest statements of a store in this
machine's files are looked at. 2. Nothing is made, written or asked for, and nothing fails: where
there is no store, or it cannot be read, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kizuna.app.wiring.folder import Folder
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Problem

__all__ = ["claims", "keys", "kinds", "lists", "profiles", "roles", "subjects"]

_NEWEST: Final = 5_000
"""Statements looked at."""
_OFFERED: Final = 200
_SUBJECT: Final = 4
"""Where the subject stands in a row."""


def subjects(settings: Settings, begins: str) -> list[str]:
    """Subjects of the newest statements that begin so."""
    from kizuna.app.wiring.construction import backend_of

    folder = Folder(settings.store)
    try:
        description = folder.describe()
        if description.kind != "store" or description.database not in ("", "sqlite"):
            return []
        backend = backend_of(folder, description, None)
    except Problem:
        return []
    try:
        batch = backend.last_batch()
        rows = backend.rows(max(0, batch.size - _NEWEST), _NEWEST) if batch is not None else []
    except Problem:
        return []
    finally:
        backend.close()
    return _some((str(row[_SUBJECT]) for row in reversed(rows)), begins)


def profiles(settings: Settings, begins: str) -> list[str]:
    """Names of profiles that begin so."""
    from kizuna.criteria.profiles import SHIPPED

    kept = (file.stem for file in sorted((settings.store / "profiles").glob("*.json")))
    return _some((*SHIPPED, *kept), begins)


def claims(settings: Settings, begins: str) -> list[str]:
    """Types of claims that profiles at hand ask for and that begin so."""
    from kizuna.app.wiring.profiles import every_profile

    try:
        asked = sorted(
            {c for p in every_profile(settings) for r in p.requirements for c in r.claim}
        )
    except Problem:
        return []
    return _some(asked, begins)


def roles(settings: Settings, begins: str) -> list[str]:
    """Roles that a list can give and that begin so."""
    from kizuna.record.lists.roles import Role

    del settings  # the same in every store
    return _some((role.value for role in Role), begins)


def kinds(settings: Settings, begins: str) -> list[str]:
    """Kinds of statements that begin so."""
    from kizuna.model.kind import Kind

    del settings  # the same in every store
    return _some((kind.value for kind in Kind), begins)


def lists(settings: Settings, begins: str) -> list[str]:
    """Names of lists that this verifier accepts and that begin so."""
    from kizuna.app.wiring.workspace import Workspace

    try:
        with Workspace.open(settings=settings, read_only=True) as workspace:
            return _some((one.name for one in workspace.anchors().lists), begins)
    except Problem:
        return []


def keys(settings: Settings, begins: str) -> list[str]:
    """Thumbprints of the organisation's keys that begin so."""
    from kizuna.app.wiring.workspace import Workspace

    try:
        with Workspace.open(settings=settings, read_only=True) as workspace:
            return _some((str(row["thumbprint"]) for row in workspace.keys.states()), begins)
    except Problem:
        return []


def _some(names: Iterable[str], begins: str) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        if name.startswith(begins):
            found[name] = None
            if len(found) == _OFFERED:
                break
    return sorted(found)
