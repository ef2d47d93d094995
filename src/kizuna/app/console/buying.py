# SPDX-License-Identifier: Apache-2.0
"""The pages of procurement and of assessments: what they show.

Keeps: 1. Pages only read: answers are registered by command or by a signed request. 2. What is
shown is judged with the eyes of whoever looks; kept requests are the operator's own. 3. A page asks
of one product with a bounded number of lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.assess.catalogs import gaps_under
from kizuna.app.wiring.criteria.catalogs import catalogs_of
from kizuna.app.wiring.procure import buying as procure
from kizuna.app.wiring.procure import watch as procure_watch
from kizuna.app.wiring.procure.request import Line, Request
from kizuna.app.wiring.showing import profile_named
from kizuna.model.errors import Malformed
from kizuna.model.identifier import canonical

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["assess_page", "procure_page"]

_LINES: Final = 200

_MEASURES: Final = 8
"""Most catalogs under which one page measures answers."""


def procure_page(
    workspace: Workspace, asked: dict[str, str], lang: str, view: View | None, *, operator: bool
) -> dict[str, Any]:
    """What the page of procurement shows: the kept requests, and one question.

    Args:
        workspace: whose evidence.
        asked: ``product``, ``lines``, ``suppliers`` (identifiers with spaces between), ``profile``.
        lang: of the words.
        view: whose eyes.
        operator: whether the operator looks.

    Raises:
        Malformed: ``identifier.malformed``, ``procure.too-many-lines``. Absent:
            ``profile.unknown``.
    """
    lines, suppliers = asked["lines"].split(), asked["suppliers"].split()
    if len(lines) > _LINES or len(suppliers) > _LINES:
        raise Malformed(
            "procure.too-many-lines",
            f"{max(len(lines), len(suppliers))} lines, at most {_LINES}",
            hint="ask for one assembly after the other",
            count=max(len(lines), len(suppliers)),
            limit=_LINES,
        )
    data: dict[str, Any] = {
        "asked": asked,
        "kept": procure_watch.kept(workspace) if operator else [],
        "answer": None,
    }
    if asked["profile"] and (asked["product"] or lines):
        request = Request(
            product=asked["product"] or None,
            lines=[Line(part=one, suppliers=suppliers) for one in lines],
        )
        found = procure.check(
            workspace, request, profile_named(workspace, asked["profile"]), view=view
        )
        data["answer"] = found.told(lang)
    return data


def assess_page(
    workspace: Workspace, subject: str, profile: str, lang: str, view: View | None
) -> dict[str, Any]:
    """What the page of assessments shows: what is asked of one subject, and what is open.

    Raises:
        Malformed: ``identifier.malformed``. Absent: ``profile.unknown``.
    """
    data: dict[str, Any] = {"subject": subject, "profile": profile, "gaps": None, "name": ""}
    if subject and profile:
        what = canonical(subject)
        data["gaps"] = gaps_under(
            workspace,
            what,
            [profile_named(workspace, profile)],
            [c.id for c, _ in catalogs_of(workspace.settings)][:_MEASURES],
            lang=lang,
            workspace=workspace,
            view=view,
        )
        data["name"] = data["gaps"]["name"]
    return data
