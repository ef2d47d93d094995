# SPDX-License-Identifier: Apache-2.0
"""Answering a questionnaire in the browser: drafts, a look at what will be signed, sending.

Keeps: 1. Only who signed in comes here, and each sees drafts of their own alone. 2. Every form
carries the word of its session and comes from a page of this server; anything else changes nothing.
3. Nothing is signed by a session: whoever sends shows again what opened it, and signs exactly what
was shown, or nothing. 4. Sending twice signs once. 5. Works without JavaScript, of which there is
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get, post
from litestar.types import ControllerRouterHandler

from kizuna.app.console.asked import Asked
from kizuna.app.console.desk import Desk, view_of
from kizuna.app.console.form import answers_in, pages_of, question_rows
from kizuna.app.console.reviewing import differing, faults_of, head_of, plan_told, says_nothing
from kizuna.app.console.sending import number, onward, to_sign_in, whole
from kizuna.app.wiring import showing
from kizuna.app.wiring.assess.drafts import Draft, as_answers
from kizuna.app.wiring.assess.held import held_for
from kizuna.app.wiring.assess.plan import register_plan
from kizuna.app.wiring.judging.answers import problem_json
from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import Element
from kizuna.proof.assurance import Answer, Questionnaire

if TYPE_CHECKING:
    from kizuna.app.console.signing_in import Visitor

__all__ = ["Answering"]

_OPT: Final = {"permission": "public"}


class Answering(Desk):
    """The pages of one workspace by which answers are given."""

    @property
    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Route handlers; none where nobody may sign in."""
        if not self._door.exists:
            return ()
        here = self

        @get("/answer", opt=_OPT, include_in_schema=False, name="page /answer")
        async def form(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._form(Asked(request.scope), request)

        @post(
            "/answer", opt=_OPT, include_in_schema=False, name="page /answer post", status_code=200
        )
        async def save(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._save(Asked(request.scope), request)

        @get("/answer/review", opt=_OPT, include_in_schema=False, name="page /answer/review")
        async def review(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._review(Asked(request.scope), request)

        @post(
            "/answer/send",
            opt=_OPT,
            include_in_schema=False,
            name="page /answer/send",
            status_code=200,
        )
        async def send(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._send(Asked(request.scope), request)

        @get("/answer/sent", opt=_OPT, include_in_schema=False, name="page /answer/sent")
        async def sent(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._sent(Asked(request.scope), request)

        return form, save, review, send, sent

    # --- pages --------------------------------------------------------------------------------

    async def _form(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            return to_sign_in(asked, request)
        subject, profiles = asked.text("subject"), asked.many("profile")
        if not subject or not profiles:
            data = await self._run(lambda: self._begin(visitor, asked))
            return self._page(asked, request, "answer_begin.html", data)

        def tell() -> dict[str, Any]:
            questions = self._questions(subject, profiles, asked.text("element"), visitor)
            draft = self._drafts(visitor).open(questions, asked.text("element"))
            return self._shown(
                questions, draft, draft.answers, number(asked.text("page")), asked, visitor
            )

        data = await self._run(tell)
        data["saved"] = asked.text("saved") == "1"
        return self._page(asked, request, "answer.html", data)

    async def _save(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor, sent = await self._genuine(request)

        def keep() -> tuple[Draft, int, dict[str, Any] | None]:
            questions, page = self._named(sent, visitor), number(sent.text("page"))
            drafts = self._drafts(visitor)
            draft = drafts.open(questions, sent.text("element"))
            if sent.text("go") == "delete":
                drafts.drop(draft, version=whole(sent.text("version")))
                return draft, 0, None
            if sent.text("questions") != questions.digest:
                raise Refused(
                    "assess.questions-changed",
                    "the profile asks something else since this page was opened",
                    hint="open the page again; what was saved is still there",
                )
            answers, evidence = answers_in(sent, questions, draft.answers, page)
            try:
                kept = drafts.keep(
                    draft, answers, evidence, version=whole(sent.text("version"), wrong=-1)
                )
            except Refused as problem:
                if problem.code != "assess.draft-stale":
                    raise
                # nothing typed is lost: it stands in the form, beside what was saved elsewhere
                shown = self._shown(questions, draft, answers, page, asked, visitor)
                shown["stale"] = differing(questions, draft.answers, answers, asked.lang)
                return draft, page, shown
            return kept, page, None

        draft, page, shown = await self._run(keep)
        if shown is not None:
            answer = self._page(asked, request, "answer.html", shown)
            answer.status_code = 409
            return answer
        if page == 0:
            return onward(asked.url("/answer"))
        where = {"subject": draft.subject, "profile": draft.profiles, "element": draft.element}
        go = sent.text("go")
        if go == "review":
            return onward(asked.url("/answer/review", **where))
        last = go.removeprefix("page-")
        after = number(last) if go.startswith("page-") else page
        return onward(asked.url("/answer", **where, page=after, saved="1"))

    async def _review(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            return to_sign_in(asked, request)

        def tell() -> dict[str, Any]:
            questions = self._questions(
                asked.needed("subject"), asked.many("profile"), asked.text("element"), visitor
            )
            return self._reviewed(questions, visitor, asked, element=asked.text("element"))

        data = await self._run(tell)
        return self._page(asked, request, "answer_review.html", data)

    def _reviewed(
        self,
        questions: Questionnaire,
        visitor: Visitor,
        asked: Asked,
        *,
        element: str,
        wrong: bool = False,
    ) -> dict[str, Any]:
        draft = self._drafts(visitor).open(questions, element)
        data = head_of(questions, draft)
        faults = faults_of(questions, draft, asked.lang)
        plan = None
        if not faults:
            try:
                plan = self._plan(questions, draft, self._pen(visitor), visitor)
            except Problem as problem:
                if not problem.code.startswith("assess."):
                    raise
                told = problem_json(problem, asked.lang)
                faults = [{"place": "", "page": 1, "id": "", "message": told["message"]}]
        return data | {
            "faults": faults,
            "plan": None if plan is None else plan_told(plan),
            "wrong": wrong,
            "unchanged": plan is not None and says_nothing(plan, draft),
        }

    async def _send(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor, sent = await self._genuine(request)

        def act() -> tuple[Draft, dict[str, Any] | None]:
            questions = self._named(sent, visitor)
            drafts = self._drafts(visitor)
            draft = drafts.open(questions, sent.text("element"))
            seen = sent.text("seen")
            if drafts.sent_as(draft).get("seen") == seen and seen:
                return draft, None  # sent already: the same answer again
            if not self._door.proves(visitor, sent.text("secret")):
                return draft, self._reviewed(
                    questions, visitor, asked, element=draft.element, wrong=True
                )
            if draft.version != whole(sent.text("version"), wrong=-1):
                raise Refused(
                    "assess.draft-stale",
                    "the draft was changed elsewhere since this page was opened",
                    why="another window or another person saved it",
                    hint="compare your answers with those saved, then save again",
                )
            pen = self._pen(visitor)
            with drafts.sending():
                if drafts.sent_as(draft).get("seen") == seen:
                    return draft, None
                plan = self._plan(questions, draft, pen, visitor)
                told = register_plan(self._workspace, plan, pen=pen, seen=seen)
                drafts.sent(draft, seen, told)
            return draft, None

        draft, again = await self._run(act)
        if again is not None:
            answer = self._page(asked, request, "answer_review.html", again)
            answer.status_code = 403
            return answer
        where = {"subject": draft.subject, "profile": draft.profiles, "element": draft.element}
        return onward(asked.url("/answer/sent", **where))

    async def _sent(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            return to_sign_in(asked, request)

        def tell() -> dict[str, Any]:
            questions = self._questions(
                asked.needed("subject"), asked.many("profile"), asked.text("element"), visitor
            )
            drafts = self._drafts(visitor)
            draft = drafts.open(questions, asked.text("element"))
            told = drafts.sent_as(draft).get("told")
            return head_of(questions, draft) | {"told": told}

        data = await self._run(tell)
        return self._page(asked, request, "answer_sent.html", data)

    # --- inside -------------------------------------------------------------------------------

    def _begin(self, visitor: Visitor, asked: Asked) -> dict[str, Any]:
        identity = visitor.identity or self._workspace.identity
        drafts: list[dict[str, Any]] = [
            {
                "subject": d.subject,
                "profiles": list(d.profiles),
                "element": d.element,
                "changed": d.changed,
                "answered": len(as_answers(d).answers),
            }
            for d in self._drafts(visitor).every()
        ]
        profiles = [
            {"name": p.name, "title": p.title.get(asked.lang) or p.title.get("en") or p.name}
            for p in self._workspace.profiles()
        ]
        return {
            "identity": identity,
            "speaker": visitor.name or self._workspace.name,
            "subject": asked.text("subject") or (identity if visitor.identity else ""),
            "chosen": asked.many("profile"),
            "drafts": drafts,
            "profiles": profiles,
            "elements": [e.value for e in Element],
            "names": showing.names(
                self._workspace, [d["subject"] for d in drafts], view_of(visitor)
            ),
        }

    def _shown(
        self,
        questions: Questionnaire,
        draft: Draft,
        answers: Sequence[Answer],
        page: int,
        asked: Asked,
        visitor: Visitor,
    ) -> dict[str, Any]:
        pages = pages_of(questions)
        page = min(max(page, 1), pages)
        rows = question_rows(questions, answers, page, asked.lang)
        held = held_for(self._workspace, questions, asked.lang, view_of(visitor))
        for row in rows:
            row["held"] = held.get(row["id"], [])
        return head_of(questions, draft) | {
            "rows": rows,
            "page": page,
            "pages": pages,
            "stale": None,
            "saved": False,
        }
