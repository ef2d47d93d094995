# SPDX-License-Identifier: Apache-2.0
"""Questions about a chain: verdict, explanation, impact, proof bundle.

Keeps: the answers are those of the command line, member for member: both are made by
``wiring.answers`` from what the one workspace says, under the view of whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import Body, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_instant, as_known, as_subject, language
from kizuna.app.api.context import Context
from kizuna.app.api.elsewhere import across_for
from kizuna.app.wiring import showing
from kizuna.app.wiring.criteria.through import reading_through
from kizuna.app.wiring.judging.answers import tree_json, verdict_json
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.naming import identifiers_in, names_in_tree, unnamed_in_tree
from kizuna.app.wiring.served.hosted import with_signers

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store import View

__all__ = ["QuestionBody", "judging"]

BUNDLE: Final = "application/vnd.kizuna.bundle"
_READ: Final = {"permission": "view"}

_Subject = Annotated[
    str, QueryParameter(description="Identifier of what is judged.", max_length=2048)
]
_Profile = Annotated[
    str, QueryParameter(description="Name of a profile, see /api/profiles.", max_length=200)
]
_At = Annotated[
    str | None,
    QueryParameter(
        description="Valid at this instant: RFC 3339, a date, or seconds since 1970.",
        max_length=40,
    ),
]
_Known = Annotated[
    list[str] | None,
    QueryParameter(
        name="known",
        description="What had been registered: ORIGIN@SIZE or ORIGIN@SIZE:ROOT, once a log.",
        max_items=16,
    ),
]
_Lists = Annotated[
    list[str] | None,
    QueryParameter(name="list", description="Believe only these lists, by name.", max_items=32),
]

_Across = Annotated[
    bool,
    QueryParameter(description="Ask the stores elsewhere that the lists lead to (operator only)."),
]


_Through = Annotated[
    list[str] | None,
    QueryParameter(
        name="through",
        description="Count claims made under another catalog as far as these mappings carry them.",
        max_items=16,
    ),
]


class QuestionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A question in the body, for identifiers that should not stand in an address."""

    subject: str
    profile: str
    at: str | int | None = None
    known: list[str] = []
    lists: list[str] | None = None
    through: list[str] = []
    """Names of mappings through which claims made under another catalog count."""
    across: bool = False
    """Ask the stores elsewhere that the anchors give an address for; the operator's alone."""


def judging(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    async def verdict(request: Request[Any, Any, Any], asked: QuestionBody, body: bytes) -> Any:  # noqa: ANN401 - JSON
        view = await context.view(request.scope, body)
        question_of = _parsed(asked)

        def judge() -> dict[str, Any]:
            question = question_of(workspace, view)
            lang = language(request.scope)
            across = across_for(workspace, view) if asked.across else None
            verify = workspace.verify if across is None else across.verify
            profile, told = question.profile, {}
            if asked.through:
                reading = reading_through(workspace.settings, profile, asked.through)
                judged = reading.judge(lambda by: verify(replace(question, profile=by)))
                profile, told = reading.profile, {"through": reading.told(lang)}
            else:
                judged = verify(question)
            called = identifiers_in(judged.findings)
            if across is not None:
                names = across.names(question.subject, called)
            else:
                names = showing.names(workspace, called, view)
            return verdict_json(judged, lang, profile=profile, names=names) | told

        return await context.ask(judge)

    @get(
        "/api/verify",
        opt=_READ,
        tags=["judgement"],
        summary="Judge the chain of a subject",
        description="`verdict`, `coverage`, `findings` with message and mend, as `kizuna verify`.",
    )
    async def verify(
        request: Request[Any, Any, Any],
        subject: _Subject,
        profile: _Profile,
        at: _At = None,
        known: _Known = None,
        lists: _Lists = None,
        through: _Through = None,
        *,
        across: _Across = False,
    ) -> dict[str, Any]:
        asked = QuestionBody(
            subject=subject,
            profile=profile,
            at=at,
            known=known or [],
            lists=lists,
            through=through or [],
            across=across,
        )
        answer: dict[str, Any] = await verdict(request, asked, b"")
        return answer

    @post(
        "/api/verify",
        opt=_READ,
        tags=["judgement"],
        status_code=200,
        summary="Judge the chain of a subject named in the body",
    )
    async def verify_asked(
        request: Request[Any, Any, Any], data: Annotated[QuestionBody, Body()]
    ) -> dict[str, Any]:
        answer: dict[str, Any] = await verdict(request, data, await request.body())
        return answer

    @get(
        "/api/explain",
        opt=_READ,
        tags=["judgement"],
        summary="The tree of reasons",
        description="The same tree as `kizuna explain --json`: the worst first, each part once.",
    )
    async def explain(
        request: Request[Any, Any, Any],
        subject: _Subject,
        profile: _Profile,
        at: _At = None,
        known: _Known = None,
        lists: _Lists = None,
        *,
        across: _Across = False,
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        lang = language(request.scope)
        asked = QuestionBody(
            subject=subject, profile=profile, at=at, known=known or [], lists=lists
        )
        question_of = _parsed(asked)

        def tell() -> dict[str, Any]:
            question = question_of(workspace, view)
            judge = across_for(workspace, view) if across else None
            told = workspace.explain(question) if judge is None else judge.explain(question)
            spoken_of = identifiers_in(told.verdict.findings) | unnamed_in_tree(told.tree)
            if judge is None:
                names = showing.names(workspace, spoken_of, view)
            else:
                names = judge.names(question.subject, spoken_of)
            names |= names_in_tree(told.tree)
            return {
                "tree": with_signers(
                    workspace,
                    tree_json(told.tree, lang, profile=question.profile, names=names),
                    view,
                ),
                "verdict": told.verdict.value.word,
                "subject": told.verdict.subject,
                "profile": told.verdict.profile,
                "at": told.verdict.at,
            }

        return await context.ask(tell)

    @get(
        "/api/impact",
        opt=_READ,
        tags=["judgement"],
        summary="Whose standing depends on a subject or statement",
    )
    async def impact(
        request: Request[Any, Any, Any],
        of: Annotated[
            str,
            QueryParameter(
                description="Identifier, or digest (hex) of a statement.", max_length=2048
            ),
        ],
        profile: Annotated[str | None, QueryParameter(max_length=200)] = None,
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        digest = len(of) == 64 and set(of) <= set("0123456789abcdef")
        what = of if digest else as_subject(of)

        def tell() -> dict[str, Any]:
            chosen = None if profile is None else showing.profile_named(workspace, profile)
            return {"of": what, "affected": workspace.impact(what, profile=chosen, view=view)}

        return await context.ask(tell)

    @get(
        "/api/export",
        opt=_READ,
        tags=["judgement"],
        media_type=BUNDLE,
        summary="A proof bundle: everything needed to judge again offline",
        description="Check it with `kizuna verify --bundle FILE --trust FILE`; whom to believe "
        "comes from the verifier, never from the bundle.",
    )
    async def export(
        request: Request[Any, Any, Any],
        subject: _Subject,
        profile: _Profile,
        through: Annotated[
            list[str] | None,
            QueryParameter(description="Mappings that shall travel along.", max_items=16),
        ] = None,
    ) -> Response[bytes]:
        view = await context.view(request.scope)
        what = as_subject(subject)

        def write() -> Any:  # noqa: ANN401 - WrittenBundle
            return workspace.export_bundle(
                what, showing.profile_named(workspace, profile), view=view, through=through or ()
            )

        written = await context.ask(write)
        return Response(
            written.data,
            media_type=BUNDLE,
            headers={
                "content-disposition": 'attachment; filename="proof.kz"',
                "x-kizuna-statements": str(written.statements),
            },
        )

    return (verify, verify_asked, explain, impact, export)


def _parsed(asked: QuestionBody) -> Callable[[Workspace, View], Question]:
    """The question, parsed now; the store is asked for its part when the answer is drawn up."""
    subject = as_subject(asked.subject)
    at = None if asked.at is None else as_instant(str(asked.at))
    known = as_known(asked.known) or None

    def question(workspace: Workspace, view: View) -> Question:
        return Question(
            subject,
            showing.profile_named(workspace, asked.profile),
            at=at,
            known=workspace.known(known),
            lists=asked.lists,
            view=view,
        )

    return question
