# SPDX-License-Identifier: Apache-2.0
"""The pages of catalogs: what is asked, how catalogs map onto each other, what a verdict covers.

Keeps: 1. No text of a control is shown: it is the publisher's, and the reader's own file has it.
2. Coverage is judged with the reader's eyes. 3. Profiles and catalogs are named, never read from a
path that a reader gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring import showing
from kizuna.app.wiring.coverage import coverage
from kizuna.app.wiring.criteria.catalogs import catalogs_of, control_json, find_catalog
from kizuna.app.wiring.criteria.mappings import mapping_json, mappings_of

if TYPE_CHECKING:
    from kizuna.app.console.reading import Reading

__all__ = ["catalog_data", "catalogs_data"]

_MOST: Final = 2_000


def catalogs_data(reading: Reading, lang: str) -> dict[str, Any]:
    """Every catalog and mapping at hand."""
    settings = reading.workspace.settings
    return {
        "catalogs": [
            {
                "name": catalog.id,
                "title": catalog.title,
                "version": catalog.version,
                "active": catalog.active,
                "withdrawn": catalog.withdrawn,
                "origin": origin,
            }
            for catalog, origin in catalogs_of(settings)
        ],
        "mappings": [mapping_json(m, origin, lang) for m, origin in mappings_of(settings)],
    }


def catalog_data(
    reading: Reading, name: str, subject: str, profile: str, lang: str
) -> dict[str, Any]:
    """One catalog; with a subject and a profile, what the verdict says under it.

    Raises:
        Absent: ``catalog.unknown``, ``profile.unknown``. Malformed: ``catalog.name``,
            ``identifier.malformed``.
    """
    catalog = find_catalog(name, reading.workspace.settings)
    data: dict[str, Any] = {
        "name": catalog.id,
        "title": catalog.title,
        "version": catalog.version,
        "note": catalog.note,
        "active": catalog.active,
        "withdrawn": catalog.withdrawn,
        "profiles": reading.profiles(lang),
        "subject": subject,
        "profile": profile,
        "covered": None,
    }
    if subject and profile:
        chosen = showing.profile_named(reading.workspace, profile)
        told, _ = coverage(reading.workspace, subject, chosen, name, view=reading.view, lang=lang)
        return data | {"covered": told, "controls": []}
    rows = [control_json(c, lang) for c in catalog.controls[:_MOST]]
    return data | {"controls": rows}
