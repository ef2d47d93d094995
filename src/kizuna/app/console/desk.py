# SPDX-License-Identifier: Apache-2.0
"""Where answers are given: who sits there, about what, with which draft and whose pen.

Keeps: 1. Only who signed in comes here, and each sees drafts of their own alone. 2. Every form
carries the word of its session and comes from a page of this server. 3. Whoever keeps a key of
their own has no pen here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from litestar import Request, Response

from kizuna.app.console.asked import Asked
from kizuna.app.console.form import Sent
from kizuna.app.console.sending import KEPT, foreign, of_this_site, read_form
from kizuna.app.wiring import showing
from kizuna.app.wiring.assess.asking import questionnaire_of
from kizuna.app.wiring.assess.drafts import Draft, Drafts, as_answers
from kizuna.app.wiring.assess.pen import AwayPen
from kizuna.app.wiring.assess.plan import Plan, plan_answers
from kizuna.app.wiring.messages import text
from kizuna.app.wiring.served.codes import pen_of
from kizuna.model.errors import Refused
from kizuna.model.identifier import Element, canonical
from kizuna.proof.assurance import Questionnaire
from kizuna.record.store import OPERATOR, View

if TYPE_CHECKING:
    from kizuna.app.console.showing import Run
    from kizuna.app.console.signing_in import Door, Visitor
    from kizuna.app.wiring.assess.pen import Pen
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Desk", "Rendered", "view_of"]

_PROFILES: Final = 8


class Rendered(Protocol):
    """Makes a whole page of a template."""

    def __call__(
        self, asked: Asked, template: str, title: str, data: dict[str, Any], commands: list[str]
    ) -> Response[bytes]:
        """The page."""
        ...


class Desk:
    """Where answers of one workspace are given."""

    def __init__(self, workspace: Workspace, run: Run, door: Door, render: Rendered) -> None:
        self._workspace = workspace
        self._run = run
        self._door = door
        self._render = render

    async def _genuine(self, request: Request[Any, Any, Any]) -> tuple[Visitor, Sent]:
        """Who sent a form, and the form; before anything of it is believed.

        Raises:
            Refused: ``console.sign-in-needed``, ``console.form-foreign``.
            Malformed: ``assess.form``.
        """
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            raise Refused(
                "console.sign-in-needed",
                "nobody is signed in here any more",
                why="sessions end after half a day, and when the server ends",
                hint="sign in again; what was saved is still there",
            )
        if not of_this_site(request):
            raise foreign()
        sent = await read_form(request)
        if not self._door.genuine(request.scope, sent.text("word")):
            raise foreign()
        return visitor, sent

    def _named(self, sent: Sent, visitor: Visitor) -> Questionnaire:
        profiles = [p.strip()[:200] for p in sent.texts.get("profile", ())]
        subject = sent.text("subject", 2_048)
        return self._questions(subject, profiles, sent.text("element"), visitor)

    def _questions(
        self, subject: str, profiles: Sequence[str], element: str, visitor: Visitor
    ) -> Questionnaire:
        chosen = [
            showing.profile_named(self._workspace, name)
            for name in dict.fromkeys(profiles[:_PROFILES])
        ]
        what = None if element not in set(Element) else Element(element)
        return questionnaire_of(
            self._workspace, canonical(subject), chosen, element=what, view=view_of(visitor)
        )

    def _drafts(self, visitor: Visitor) -> Drafts:
        return Drafts(self._workspace, visitor.identity or self._workspace.identity)

    def _pen(self, visitor: Visitor) -> Pen:
        if visitor.keeps_key and visitor.identity is not None:
            return AwayPen(visitor.identity)
        return pen_of(self._workspace, visitor.name)

    def _plan(self, questions: Questionnaire, draft: Draft, pen: Pen, visitor: Visitor) -> Plan:
        files = self._drafts(visitor).evidence(draft, questions)
        return plan_answers(
            self._workspace, questions, as_answers(draft), files, pen=pen, whole=True
        )

    def _page(
        self, asked: Asked, request: Request[Any, Any, Any], template: str, data: dict[str, Any]
    ) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        asked.visitor = visitor
        asked.operator = visitor is not None and visitor.guest is None
        name = None if visitor is None else visitor.name
        data["word"] = self._door.word(request.scope)
        data["speaker"] = name or self._workspace.name
        data["member"] = name is not None
        data["away"] = visitor is not None and visitor.keeps_key
        answer = self._render(asked, template, text("page.answer.title", asked.lang), data, [])
        answer.headers.update(KEPT)
        return answer


def view_of(visitor: Visitor) -> View:
    """Whose eyes somebody who signed in has."""
    return OPERATOR if visitor.identity is None else View.of(visitor.identity)
