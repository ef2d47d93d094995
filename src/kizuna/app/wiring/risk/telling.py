# SPDX-License-Identifier: Apache-2.0
"""Frameworks, placements and their differences in the one shape that every door shows.

Keeps: command, HTTP and console say the same of a placement; words come in the reader's language,
identifiers stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kizuna.app.wiring import showing
from kizuna.app.wiring.risk.placing import all_placements
from kizuna.criteria.risk import (
    Difference,
    Framework,
    Placement,
    compare,
    draw_plane,
    in_language,
    shortfalls,
    tailor,
)

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = [
    "comparison",
    "difference_json",
    "framework_json",
    "placement_json",
    "plane_of",
    "shown_placements",
    "tailored",
]


def shown_placements(
    workspace: Workspace, framework: Framework, lang: str, *, view: View | None = None
) -> dict[str, Any]:
    """Everything placed here and what is inconsistent about it, for doors that show it all."""
    placed = all_placements(workspace, framework, view=view)
    return {
        "framework": framework_json(framework, lang),
        "placements": [placement_json(framework, p, lang) for p in placed],
        "differences": [difference_json(framework, d, lang) for d in compare(framework, placed)],
    }


def plane_of(
    workspace: Workspace, framework: Framework, lang: str, *, view: View | None = None
) -> str:
    """The plane as SVG, with everything that was placed here."""
    placed = all_placements(workspace, framework, view=view)
    names = showing.names(workspace, sorted({p.device for p in placed}), view)
    return draw_plane(framework, placed, lang, names)


def comparison(framework: Framework, lang: str) -> dict[str, Any]:
    """The categories side by side: what each asks for from every viewpoint, the lightest first."""
    words = {s.id: in_language(s.title, lang) for s in framework.strengths}
    return {
        "framework": framework.name,
        "categories": [
            {"id": c.id, "title": in_language(c.title, lang), "share": c.share}
            for c in framework.categories
        ],
        "viewpoints": [
            {
                "id": v.id,
                "title": in_language(v.title, lang),
                "required": {
                    c.id: words.get(c.required.get(v.id, ""), "") for c in framework.categories
                },
            }
            for v in framework.viewpoints
        ],
    }


def framework_json(framework: Framework, lang: str) -> dict[str, Any]:
    """A framework, in the one shape that every door shows."""
    return {
        "name": framework.name,
        "version": framework.version,
        "digest": framework.digest,
        "title": in_language(framework.title, lang),
        "origin": in_language(framework.origin, lang),
        "axes": [
            {
                "id": a.id,
                "title": in_language(a.title, lang),
                "levels": [{"id": s.id, "title": in_language(s.title, lang)} for s in a.levels],
            }
            for a in framework.axes
        ],
        "viewpoints": [
            {"id": v.id, "title": in_language(v.title, lang), "claims": list(v.claims)}
            for v in framework.viewpoints
        ],
        "strengths": [
            {"id": s.id, "title": in_language(s.title, lang)} for s in framework.strengths
        ],
        "categories": [
            {
                "id": c.id,
                "title": in_language(c.title, lang),
                "required": dict(c.required),
                "share": c.share,
            }
            for c in framework.categories
        ],
        "plane": [list(row) for row in framework.cells],
    }


def placement_json(framework: Framework, placement: Placement, lang: str) -> dict[str, Any]:
    """A placement, in the one shape that every door shows."""
    category = framework.category(placement.category)
    return {
        "device": placement.device,
        "use": placement.use,
        "site": placement.site,
        "reason": placement.reason,
        "framework": placement.framework,
        "levels": {a.id: s for a, s in zip(framework.axes, placement.levels, strict=True)},
        "category": category.id,
        "category_title": in_language(category.title, lang),
        "required": dict(category.required),
        "in_place": dict(placement.in_place),
        "short": [
            {"what": d.what.value, "viewpoint": d.viewpoint, "has": d.has, "asked": d.asked}
            for d in shortfalls(framework, placement)
        ],
        "link_category": framework.link_category(category.id),
        "issuer": placement.issuer,
        "statement": placement.statement,
    }


def difference_json(framework: Framework, found: Difference, lang: str) -> dict[str, Any]:
    """A difference, in the one shape that every door shows."""
    other = found.other
    return {
        "what": found.what.value,
        "device": found.placement.device,
        "use": found.placement.use,
        "category": found.placement.category,
        "viewpoint": found.viewpoint,
        "viewpoint_title": in_language(framework.viewpoint(found.viewpoint).title, lang),
        "has": found.has,
        "asked": found.asked,
        "other": None
        if other is None
        else {"device": other.device, "use": other.use, "category": other.category},
    }


def tailored(profile: Profile, framework: Framework, category: str) -> dict[str, Any]:
    """The profile made as strict as the category asks for, and what that changed."""
    made = tailor(profile, framework, category)
    return {
        "profile": made.profile.name,
        "version": made.profile.version,
        "digest": made.profile.digest,
        "from": {"profile": profile.name, "version": profile.version, "digest": profile.digest},
        "framework": framework.name,
        "category": category,
        "changes": [
            {
                "what": c.what,
                "where": c.where,
                "before": c.before,
                "after": c.after,
                "viewpoint": c.viewpoint,
                "strength": c.strength,
            }
            for c in made.changes
        ],
        "untouched": list(made.untouched),
        "document": made.profile.document(),
    }
