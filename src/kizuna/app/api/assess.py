# SPDX-License-Identifier: Apache-2.0
"""Assessments: questions, answers, gaps, and the types of certificate that are known.

Keeps: 1. Answers are taken from the store's own organisation alone, in a signed request: the server
signs them in its name. 2. Questions and gaps go through the asker's view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import Body, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_subject, language
from kizuna.app.api.context import Context
from kizuna.app.wiring import assess as assessing
from kizuna.app.wiring import showing
from kizuna.app.wiring.assess_export import question_json
from kizuna.app.wiring.certificates import listed, shown
from kizuna.proof.assurance import Answer, Answers
from kizuna.proof.assurance.rows import state_of

__all__ = ["Given", "Reply", "assess"]

_OPERATOR: Final = {"permission": "operator"}
_READ: Final = {"permission": "view"}
_Subject = Annotated[str, QueryParameter(description="What is assessed.", max_length=2048)]
_Profile = Annotated[
    str, QueryParameter(description="Name of a profile, see /api/profiles.", max_length=200)
]


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said of one requirement."""

    requirement: str
    answer: str
    claim: str = ""
    fields: dict[str, str | int | bool] = {}
    due: str = ""
    owner: str = ""
    reason: str = ""
    note: str = ""


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Answers to what a profile asks of a subject."""

    subject: str
    profile: str
    answers: list[Reply]


def assess(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    @get(
        "/api/assess/questions",
        opt=_READ,
        tags=["assessment"],
        summary="What a profile asks of a subject",
    )
    async def questions(
        request: Request[Any, Any, Any], subject: _Subject, profile: _Profile
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        lang = language(request.scope)
        what = as_subject(subject)

        def tell() -> dict[str, Any]:
            chosen = showing.profile_named(workspace, profile)
            asked = assessing.questionnaire(workspace, what, chosen, view=view)
            return {
                "subject": asked.subject,
                "profile": asked.profile,
                "questions": [question_json(one, lang) for one in asked.questions],
            }

        return await context.ask(tell)

    @get(
        "/api/assess/gaps",
        opt=_READ,
        tags=["assessment"],
        summary="What is asked and not shown, with owner and day",
    )
    async def gaps(
        request: Request[Any, Any, Any], subject: _Subject, profile: _Profile
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        lang = language(request.scope)
        what = as_subject(subject)

        def tell() -> dict[str, Any]:
            chosen = showing.profile_named(workspace, profile)
            return assessing.gaps(workspace, what, chosen, lang=lang, view=view)

        return await context.ask(tell)

    @post(
        "/api/assess/answers",
        opt=_OPERATOR,
        tags=["assessment"],
        status_code=200,
        summary="Register answers (signed by the store's organisation)",
    )
    async def answers(
        request: Request[Any, Any, Any], data: Annotated[Given, Body()]
    ) -> dict[str, Any]:
        body = await request.body()
        await context.readers.operator(request.scope, body)
        what = as_subject(data.subject)

        def take() -> dict[str, Any]:
            chosen = showing.profile_named(workspace, data.profile)
            asked = assessing.questionnaire(workspace, what, chosen)
            given = Answers(
                answers=tuple(
                    Answer(
                        requirement=one.requirement,
                        state=state_of(one.answer),
                        claim=one.claim,
                        fields=dict(one.fields),
                        due=one.due,
                        owner=one.owner,
                        reason=one.reason,
                        note=one.note,
                    )
                    for one in data.answers
                )
            )
            return assessing.register_answers(workspace, asked, given)

        return await context.repeated.once(
            request.scope, workspace.identity, body, lambda: context.intake.run(take)
        )

    @get(
        "/api/assess/certificates",
        opt={"permission": "public"},
        tags=["assessment"],
        summary="Types of certificate that are known",
    )
    async def certificates(
        request: Request[Any, Any, Any],
        name: Annotated[str | None, QueryParameter(name="type", max_length=200)] = None,
    ) -> dict[str, Any]:
        lang = language(request.scope)
        return {"types": listed(lang)} if name is None else shown(name, lang)

    return (questions, gaps, answers, certificates)
