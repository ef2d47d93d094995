# SPDX-License-Identifier: Apache-2.0
"""The pages of value creation processes and of the plane of risk: what they show and draw.

Keeps: 1. Pictures are the ones the commands draw, with their colours as attributes; nothing in them
needs what the content security policy forbids. 2. What is shown at a border is judged with the eyes
of whoever looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from kizuna.app.wiring.risk import frameworks, telling
from kizuna.app.wiring.showing import names, profile_named
from kizuna.app.wiring.vcp.kept import named_process, processes_of
from kizuna.app.wiring.vcp.shapes import process_json, shown_json
from kizuna.app.wiring.vcp.standing import draw, shown_of, status_of

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["process_page", "risk_page"]


def process_page(
    workspace: Workspace, name: str, profile: str, lang: str, view: View | None
) -> tuple[dict[str, Any], Markup]:
    """What the page of processes shows, and its picture.

    Raises:
        Absent: ``vcp.unknown``, ``profile.unknown``.
    """
    found = processes_of(workspace.settings)
    data: dict[str, Any] = {
        "processes": [
            {"name": k.process.name, "title": k.process.title.get(lang) or k.process.title["en"]}
            for k in found
        ],
        "process": None,
        "profile": profile,
        "points": [],
        "gaps": [],
        "names": {},
    }
    if not found:
        return data, Markup()
    kept = named_process(name, workspace.settings) if name else found[0]
    shown = None
    missing: dict[str, int] = {}
    if profile:
        chosen = profile_named(workspace, profile)
        shown = shown_of(workspace, kept, chosen, view=view)
        rows = shown_json(kept, shown, chosen, lang)
        data["gaps"] = [r for r in rows if r["state"] not in ("shown", "waived")]
        for row in data["gaps"]:
            missing[row["point"]] = missing.get(row["point"], 0) + 1
    told = process_json(kept, lang)
    courses = {c["point"]: c for c in status_of(workspace, kept, view=view)}
    parties = {p["id"]: p["title"] for p in told["organizations"]}
    data["process"] = told
    data["points"] = [
        {
            **point,
            "from_title": parties[point["from"]],
            "to_title": parties[point["to"]],
            "missing": missing.get(point["id"], 0) if profile else None,
            "state": courses[point["id"]]["state"],
            "waiting": [parties.get(w, w) for w in courses[point["id"]]["waiting"]],
        }
        for point in told["points"]
    ]
    return data, Markup(draw(kept, lang, shown))  # noqa: S704 - the drawing escapes its words


def risk_page(
    workspace: Workspace, name: str, lang: str, view: View | None
) -> tuple[dict[str, Any], Markup]:
    """What the page of the plane shows, and its picture.

    Raises:
        Absent: ``risk.framework-unknown``.
    """
    every = [f for f, _ in frameworks.frameworks_of(workspace.settings)]
    table = frameworks.named_framework(name, workspace.settings) if name else every[0]
    data = telling.shown_placements(workspace, table, lang, view=view)
    data["frameworks"] = [f.name for f in every]
    data["comparison"] = telling.comparison(table, lang)
    devices = sorted({p["device"] for p in data["placements"]})
    data["names"] = names(workspace, devices, view)
    drawn = telling.plane_of(workspace, table, lang, view=view)
    return data, Markup(drawn)  # noqa: S704 - the drawing escapes its words
