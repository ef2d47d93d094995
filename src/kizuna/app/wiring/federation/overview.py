# SPDX-License-Identifier: Apache-2.0
"""Where the store stands in federations, and what it knows of others: for a page.

Keeps: whom this verifier believes and follows is shown to its operator alone; everybody else sees
what the store publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.federation.joining import own_standing
from kizuna.app.wiring.federation.reading import Reading
from kizuna.model.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["overview"]


def overview(workspace: Workspace, *, everything: bool) -> dict[str, Any]:
    """Its own standing; with ``everything`` also anchors, followed lists and kept chains."""
    try:
        own = own_standing(workspace)
    except Misconfigured:
        own = None
    told: dict[str, Any] = {"own": own, "anchors": [], "following": [], "entities": []}
    if everything:
        reading = Reading(workspace.path, workspace.clock())
        told["anchors"] = reading.anchors()["anchors"]
        told["following"] = [
            {"name": f.name, "anchor": f.anchor, "entities": [e.entity for e in f.entities]}
            for f in reading.book.read().following
        ]
        told["entities"] = [_shown(reading, entity) for entity in reading.kept()]
    return told


def _shown(reading: Reading, entity: str) -> dict[str, Any]:
    try:
        return {**reading.told(reading.show(entity)), "fault": None}
    except Problem as fault:
        return {"entity": entity, "chains": [], "age": None, "fault": fault.as_json()}
