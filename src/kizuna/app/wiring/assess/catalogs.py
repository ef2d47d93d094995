# SPDX-License-Identifier: Apache-2.0
"""One set of answers, measured by several catalogs at once.

Keeps: 1. The answers are given once; what they say under each catalog follows from the verdict and
the mappings, by the same coverage as `kizuna catalog` shows. 2. What is not asked or not mapped is
counted as such, never as covered. 3. Several profiles are several verdicts: nothing is summed up
but the lowest of them, and a control that several ask for is met where all of them are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.model.identifier import Element, SubjectId
    from kizuna.record.store import View

__all__ = ["gaps_under", "under_catalogs"]

_ORDER: Final = ("untrusted", "undetermined", "trusted")
_EACH: Final = ("profile", "profile_digest", "verdict", "exit", "asked", "met")


def gaps_under(
    organisation: Organisation,
    subject: SubjectId,
    profiles: Sequence[Profile],
    catalogs: Sequence[str] = (),
    *,
    lang: str,
    workspace: Workspace | None = None,
    element: Element | None = None,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
) -> dict[str, Any]:
    """What each of some profiles asks and is not shown, and what all say under each catalog.

    Returns:
        The gaps of one profile as ``assess.gaps`` tells them; of several the same members over
        all of them, each gap with its ``profile``, and ``profiles``: what each came to.

    Raises:
        Absent: ``catalog.unknown``. Malformed: ``assess.no-profile``, ``assess.under-elsewhere``.
    """
    from kizuna.app.wiring.assess.asking import gaps, questionnaire_of
    from kizuna.model.outcome import Outcome, worst

    once = list({profile.name: profile for profile in profiles}.values())
    questionnaire_of(organisation, subject, once, element=element, view=view)
    each = [
        gaps(organisation, subject, p, lang=lang, element=element, at=at, lists=lists, view=view)
        for p in once
    ]
    told = dict(each[0])
    if len(each) > 1:
        lowest = min(each, key=lambda one: _ORDER.index(one["verdict"]))
        told |= {
            "profile": ", ".join(one["profile"] for one in each),
            "profile_digest": "",
            "profiles": [{member: one[member] for member in _EACH} for one in each],
            "verdict": lowest["verdict"],
            "exit": int(worst(Outcome(one["exit"]) for one in each)),
            "asked": sum(one["asked"] for one in each),
            "met": sum(one["met"] for one in each),
            "answered_by": next((one["answered_by"] for one in each if one["answered_by"]), ""),
            "gaps": [{**gap, "profile": one["profile"]} for one in each for gap in one["gaps"]],
        }
    if catalogs:
        told["under"] = under_catalogs(
            workspace or _owner(organisation),
            subject,
            once,
            catalogs,
            at=at,
            lists=lists,
            view=view,
            lang=lang,
        )
    return told


def _owner(organisation: Organisation) -> Workspace:
    """Whoever has the store: catalogs are measured over all of its evidence."""
    from kizuna.app.wiring.workspace import Workspace

    if not isinstance(organisation, Workspace):
        raise Malformed(
            "assess.under-elsewhere",
            "what answers say under catalogs is measured where the store is",
            hint="leave --under out here; the page of the store's assessments shows it",
        )
    return organisation


def under_catalogs(
    workspace: Workspace,
    subject: SubjectId,
    profiles: Sequence[Profile],
    catalogs: Sequence[str],
    *,
    at: int | None = None,
    lists: Sequence[str] | None = None,
    view: View | None = None,
    lang: str = "en",
) -> list[dict[str, Any]]:
    """What the verdicts about a subject say under each catalog.

    Raises:
        Absent: ``catalog.unknown``.
    """
    from kizuna.app.wiring.coverage import coverage

    made = []
    for name in dict.fromkeys(catalogs):
        told, _ = coverage(
            workspace,
            subject,
            profiles[0],
            name,
            beside=profiles[1:],
            at=at,
            lists=lists,
            view=view,
            lang=lang,
        )
        members = ("catalog", "verdict", "counts", "controls", "controls_unknown")
        made.append({member: told[member] for member in members})
    return made
