# SPDX-License-Identifier: Apache-2.0
"""By what something is watched: a profile by name, read through mappings where some are named.

Keeps: 1. A watch says the same as ``verify`` with the same words: the profile and the mappings are
looked up by name each time, as they are then. 2. Whether a profile, a mapping or a catalog of the
store was exchanged is seen by its folder, without reading any of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.values import Standing
    from kizuna.criteria.profiles import Profile

__all__ = ["marked", "measured", "stamp_of"]


def measured(workspace: Owner, measure: str) -> Profile:
    """The profile that a watch is judged by, with what accepted mappings carry to it.

    Raises:
        Absent: ``profile.unknown``, ``mapping.unknown``, ``catalog.unknown``.
    """
    from kizuna.record.store.watches import measure_parts

    name, through = measure_parts(measure)
    profile = workspace.profile(name)
    if not through:
        return profile
    from kizuna.app.wiring.criteria.through import reading_through

    return reading_through(workspace.settings, profile, through).profile


def marked(standing: Standing, measure: str) -> Standing:
    """A line of the portfolio with the words under which it is watched."""
    from kizuna.record.store.watches import measure_parts

    name, through = measure_parts(measure)
    return replace(standing, profile=name, through=through)


def stamp_of(settings: Settings) -> tuple[int, ...]:
    """When profiles, mappings and catalogs of the store were last exchanged."""
    from kizuna.app.wiring.criteria.catalogs import kept_folder

    kept = kept_folder(settings)
    folders = (settings.store / "profiles", kept, kept / "mappings")
    return tuple(f.stat().st_mtime_ns if f.is_dir() else 0 for f in folders)
