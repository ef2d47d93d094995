# SPDX-License-Identifier: Apache-2.0
"""Answering a questionnaire in the browser: drafts, a look at what will be signed, sending.

Keeps: 1. Only who signed in comes here, and each sees drafts of their own alone. 2. Every form
carries the word of its session and comes from a page of this server; anything else changes nothing.
3. Nothing is signed by a session: whoever sends shows again what opened it, and signs exactly what
was shown, or nothing. 4. Sending twice signs once. 5. Works without JavaScript, of which there is
none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from litestar import Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.types import ControllerRouterHandler

from kizuna.app.console.asked import Asked
from kizuna.app.console.form import PAGE, Sent, answers_in, pages_of, question_rows
from kizuna.app.wiring import showing
from kizuna.app.wiring.answers import problem_json
from kizuna.app.wiring.assess import questionnaire_of
from kizuna.app.wiring.assess_drafts import Draft, Drafts, as_answers
from kizuna.app.wiring.assess_held import held_for
from kizuna.app.wiring.assess_plan import Plan, plan_answers, register_plan
from kizuna.app.wiring.hosted_codes import pen_of
from kizuna.app.wiring.messages import text
from kizuna.model.errors import Malformed, Problem, Refused
from kizuna.model.identifier import Element, canonical
from kizuna.proof.assurance import Answer, Answers, Questionnaire, State
from kizuna.record.store import OPERATOR, View

if TYPE_CHECKING:
    from kizuna.app.console.showing import Run
    from kizuna.app.console.signing_in import Door, Visitor
    from kizuna.app.wiring.assess_pen import Pen
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Answering", "Rendered", "foreign", "of_this_site"]

_OPT: Final = {"permission": "public"}
_PROFILES: Final = 8
_PARTS: Final = 900
_KEPT: Final = {"referrer-policy": "same-origin", "cache-control": "no-store", "vary": "cookie"}
"""A page with a form lets the browser name it as the origin of what it sends to us."""


class Rendered(Protocol):
    """Makes a whole page of a template."""

    def __call__(
        self, asked: Asked, template: str, title: str, data: dict[str, Any], commands: list[str]
    ) -> Response[bytes]:
        """The page."""
        ...


class Answering:
    """The pages of one workspace by which answers are given."""

    def __init__(self, workspace: Workspace, run: Run, door: Door, render: Rendered) -> None:
        self._workspace = workspace
        self._run = run
        self._door = door
        self._render = render

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
            return _to_sign_in(asked, request)
        subject, profiles = asked.text("subject"), asked.many("profile")
        if not subject or not profiles:
            data = await self._run(lambda: self._begin(visitor, asked))
            return self._page(asked, request, "answer_begin.html", data)

        def tell() -> dict[str, Any]:
            questions = self._questions(subject, profiles, asked.text("element"), visitor)
            draft = self._drafts(visitor).open(questions, asked.text("element"))
            return self._shown(
                questions, draft, draft.answers, _number(asked.text("page")), asked, visitor
            )

        data = await self._run(tell)
        data["saved"] = asked.text("saved") == "1"
        return self._page(asked, request, "answer.html", data)

    async def _save(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor, sent = await self._genuine(request)

        def keep() -> tuple[Draft, int, dict[str, Any] | None]:
            questions, page = self._named(sent, visitor), _number(sent.text("page"))
            drafts = self._drafts(visitor)
            draft = drafts.open(questions, sent.text("element"))
            if sent.text("go") == "delete":
                drafts.drop(draft, version=_whole(sent.text("version")))
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
                    draft, answers, evidence, version=_whole(sent.text("version"), wrong=-1)
                )
            except Refused as problem:
                if problem.code != "assess.draft-stale":
                    raise
                # nothing typed is lost: it stands in the form, beside what was saved elsewhere
                shown = self._shown(questions, draft, answers, page, asked, visitor)
                shown["stale"] = _differing(questions, draft.answers, answers, asked.lang)
                return draft, page, shown
            return kept, page, None

        draft, page, shown = await self._run(keep)
        if shown is not None:
            answer = self._page(asked, request, "answer.html", shown)
            answer.status_code = 409
            return answer
        if page == 0:
            return _onward(asked.url("/answer"))
        where = {"subject": draft.subject, "profile": draft.profiles, "element": draft.element}
        go = sent.text("go")
        if go == "review":
            return _onward(asked.url("/answer/review", **where))
        last = go.removeprefix("page-")
        after = _number(last) if go.startswith("page-") else page
        return _onward(asked.url("/answer", **where, page=after, saved="1"))

    async def _review(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            return _to_sign_in(asked, request)

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
        data = self._head(questions, draft)
        faults = _faults(questions, draft, asked.lang)
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
            "plan": None if plan is None else _plan_told(plan),
            "wrong": wrong,
            "unchanged": plan is not None and _says_nothing(plan, draft),
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
            if draft.version != _whole(sent.text("version"), wrong=-1):
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
        return _onward(asked.url("/answer/sent", **where))

    async def _sent(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            return _to_sign_in(asked, request)

        def tell() -> dict[str, Any]:
            questions = self._questions(
                asked.needed("subject"), asked.many("profile"), asked.text("element"), visitor
            )
            drafts = self._drafts(visitor)
            draft = drafts.open(questions, asked.text("element"))
            told = drafts.sent_as(draft).get("told")
            return self._head(questions, draft) | {"told": told}

        data = await self._run(tell)
        return self._page(asked, request, "answer_sent.html", data)

    # --- inside -------------------------------------------------------------------------------

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
        sent = await _read(request)
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
            self._workspace, canonical(subject), chosen, element=what, view=_view(visitor)
        )

    def _drafts(self, visitor: Visitor) -> Drafts:
        return Drafts(self._workspace, visitor.identity or self._workspace.identity)

    def _pen(self, visitor: Visitor) -> Pen:
        return pen_of(self._workspace, visitor.name)

    def _plan(self, questions: Questionnaire, draft: Draft, pen: Pen, visitor: Visitor) -> Plan:
        files = self._drafts(visitor).evidence(draft, questions)
        return plan_answers(
            self._workspace, questions, as_answers(draft), files, pen=pen, whole=True
        )

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
            "names": showing.names(self._workspace, [d["subject"] for d in drafts], _view(visitor)),
        }

    def _head(self, questions: Questionnaire, draft: Draft) -> dict[str, Any]:
        counted = {state.value: 0 for state in State}
        known = {a.requirement: a.state for a in draft.answers}
        for question in questions.questions:
            counted[known.get(question.id, State.OPEN).value] += 1
        total = len(questions.questions)
        return {
            "subject": questions.subject,
            "profiles": list(draft.profiles),
            "element": draft.element,
            "title": dict(questions.title),
            "version": draft.version,
            "questions": questions.digest,
            "counts": counted,
            "total": total,
            "answered": total - counted[State.OPEN.value],
            "names": {},
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
        held = held_for(self._workspace, questions, asked.lang, _view(visitor))
        for row in rows:
            row["held"] = held.get(row["id"], [])
        return self._head(questions, draft) | {
            "rows": rows,
            "page": page,
            "pages": pages,
            "stale": None,
            "saved": False,
        }

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
        answer = self._render(asked, template, text("page.answer.title", asked.lang), data, [])
        answer.headers.update(_KEPT)
        return answer


def _view(visitor: Visitor) -> View:
    return OPERATOR if visitor.identity is None else View.of(visitor.identity)


def _says_nothing(plan: Plan, draft: Draft) -> bool:
    """Whether sending would only say again what stands: no draft was kept, nothing is new."""
    return draft.version == 0 and all(s.why == "summary" for s in plan.sayings)


def _plan_told(plan: Plan) -> dict[str, Any]:
    return {
        "issuer": plan.issuer,
        "level": plan.level.value,
        "seen": plan.seen,
        "counts": dict(plan.answers),
        "certificate_needed": list(plan.certificate_needed),
        "sayings": [
            one | {"text": json.dumps(one.get("payload"), indent=2, ensure_ascii=False)}
            for one in (s.told() for s in plan.sayings)
        ],
    }


def _faults(questions: Questionnaire, draft: Draft, lang: str) -> list[dict[str, Any]]:
    """Every answer that is not whole, with the page on which it stands."""
    found = []
    places = {q.id: n for n, q in enumerate(questions.questions)}
    for answer in as_answers(draft).answers:
        try:
            Answers(answers=(answer,)).check(questions)
        except Malformed as problem:
            place = places.get(answer.requirement, 0)
            found.append(
                {
                    "place": place,
                    "page": place // PAGE + 1,
                    "id": answer.requirement,
                    "message": problem_json(problem, lang)["message"],
                }
            )
    return found


def _differing(
    questions: Questionnaire, saved: Sequence[Answer], typed: Sequence[Answer], lang: str
) -> list[dict[str, str]]:
    """The questions that were saved with another answer meanwhile."""
    before, now = ({a.requirement: a for a in some} for some in (saved, typed))
    return [
        {
            "id": q.id,
            "title": q.title.get(lang) or q.title.get("en") or q.id,
            "saved": (before[q.id].state if q.id in before else State.OPEN).value,
        }
        for q in questions.questions
        if before.get(q.id) != now.get(q.id)
    ]


def of_this_site(request: Request[Any, Any, Any]) -> bool:
    """Whether the browser says that a page of this server sent the form."""
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    return origin.partition("://")[2] == headers.get("host", "")


async def _read(request: Request[Any, Any, Any]) -> Sent:
    """The texts and files of a form.

    Raises:
        Malformed: ``assess.form``.
    """
    texts: dict[str, list[str]] = {}
    files: dict[str, list[tuple[str, bytes]]] = {}
    form = await request.form()
    for count, (name, value) in enumerate(form.multi_items()):
        if count >= _PARTS:
            raise Malformed(
                "assess.form",
                "the form came back as something else: too many fields",
                hint="open the page again and fill it in",
                fault="too many fields",
            )
        if isinstance(value, UploadFile):
            files.setdefault(name, []).append((value.filename or "", await value.read()))
            await value.close()
        else:
            texts.setdefault(name, []).append(str(value))
    return Sent(texts, files)


def foreign() -> Refused:
    """The problem of a form that somebody else's page sent."""
    return Refused(
        "console.form-foreign",
        "this form does not come from a page of yours here",
        why="another site, or a page of a session that ended, could have sent it",
        hint="open the page again and send it from there",
    )


def _number(text: str) -> int:
    return max(1, _whole(text, wrong=1))


def _whole(text: str, wrong: int = 0) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else wrong


def _to_sign_in(asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
    raw = bytes(request.scope.get("query_string", b"")).decode("latin-1")
    here = str(request.scope["path"]) + (f"?{raw}" if raw else "")
    return _onward(asked.url("/sign-in", next=here[:1_500]))


def _onward(where: str) -> Response[bytes]:
    return Response(
        b"", status_code=303, media_type="text/html", headers={"location": where, **_KEPT}
    )
