# SPDX-License-Identifier: Apache-2.0
"""Assessments: questions, answers, gaps, and the types of certificate that are known.

Keeps: 1. Answers are taken from the store's own organisation alone, in a signed request: the server
signs them in its name. 2. Questions and gaps go through the asker's view.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import Body, QueryParameter
from litestar.types import ControllerRouterHandler

from kizuna.app.api.asked import as_subject, language
from kizuna.app.api.context import Context
from kizuna.app.wiring import showing
from kizuna.app.wiring.assess import asking as assessing
from kizuna.app.wiring.assess.catalogs import gaps_under
from kizuna.app.wiring.assess.export import element_named, question_json
from kizuna.app.wiring.assess.held import held_for
from kizuna.app.wiring.assess.plan import plan_answers
from kizuna.app.wiring.certificates import listed, shown
from kizuna.app.wiring.served.codes import pen_of
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.proof.assurance import Answer, Answers
from kizuna.proof.assurance.rows import evidence_of, state_of

if TYPE_CHECKING:
    from kizuna.proof.assurance import Questionnaire

__all__ = ["Given", "Reply", "as_given", "assess"]

_PROFILES: Final = 8
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
    evidence: list[str] = []
    """Names of ``files``, addresses (https) or digests of registered statements."""


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Answers to what a profile asks of a subject."""

    subject: str
    profile: str | list[str]
    """One profile or several: what several ask alike is answered once."""
    answers: list[Reply]
    element: str | None = None
    files: dict[str, str] = {}
    """Evidence by name, in Base64."""
    member: str | None = None
    """Short name of the member in whose name it is signed; none: the store's organisation."""
    whole: bool = False
    """These are all the answers; otherwise what they do not speak of stays as it was."""


def as_given(data: Given) -> tuple[Answers, dict[str, bytes]]:
    """The answers of a request, and its files by name.

    Raises:
        Malformed: ``assess.answer-unknown``, ``assess.file-encoding``.
    """
    given = []
    for one in data.answers:
        names, links, statements = evidence_of(one.evidence)
        given.append(
            Answer(
                requirement=one.requirement,
                state=state_of(one.answer),
                claim=one.claim,
                fields=dict(one.fields),
                due=one.due,
                owner=one.owner,
                reason=one.reason,
                note=one.note,
                names=names,
                links=links,
                files=statements,
            )
        )
    files = {}
    for name, text in data.files.items():
        try:
            files[name] = base64.b64decode(text, validate=True)
        except ValueError as fault:
            raise Malformed(
                "assess.file-encoding",
                f"{name[:80]}: not Base64",
                hint="send each file's bytes in Base64, without line breaks",
                name=name[:80],
            ) from fault
    return Answers(answers=tuple(given)), files


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
            held = held_for(workspace, asked, lang, view)
            return {
                "subject": asked.subject,
                "profile": asked.profile,
                "questions": [
                    question_json(one, lang) | {"held": held.get(one.id, [])}
                    for one in asked.questions
                ],
            }

        return await context.ask(tell)

    @get(
        "/api/assess/gaps",
        opt=_READ,
        tags=["assessment"],
        summary="What is asked and not shown, with owner and day",
    )
    async def gaps(
        request: Request[Any, Any, Any],
        subject: _Subject,
        profiles: Annotated[
            list[str],
            QueryParameter(name="profile", description="Profiles by name.", max_items=_PROFILES),
        ],
        under: Annotated[
            list[str] | None,
            QueryParameter(
                description="Catalogs to measure by as well, see /api/catalogs.",
                max_items=_PROFILES,
            ),
        ] = None,
    ) -> dict[str, Any]:
        view = await context.view(request.scope)
        lang = language(request.scope)
        what = as_subject(subject)

        def tell() -> dict[str, Any]:
            chosen = [showing.profile_named(workspace, name) for name in profiles]
            return gaps_under(
                workspace, what, chosen, under or (), lang=lang, workspace=workspace, view=view
            )

        return await context.ask(tell)

    def asked_of(data: Given, what: SubjectId) -> Questionnaire:
        names = [data.profile] if isinstance(data.profile, str) else data.profile
        return assessing.questionnaire_of(
            workspace,
            what,
            [showing.profile_named(workspace, name) for name in names[:_PROFILES]],
            element=element_named(data.element),
        )

    @post(
        "/api/assess/preview",
        opt=_OPERATOR,
        tags=["assessment"],
        status_code=200,
        summary="What registering answers would sign, word for word; nothing is signed",
    )
    async def preview(
        request: Request[Any, Any, Any], data: Annotated[Given, Body()]
    ) -> dict[str, Any]:
        await context.readers.operator(request.scope, await request.body())
        what = as_subject(data.subject)

        def tell() -> dict[str, Any]:
            given, files = as_given(data)
            pen = pen_of(workspace, data.member)
            plan = plan_answers(
                workspace, asked_of(data, what), given, files, pen=pen, whole=data.whole
            )
            return {
                "subject": what,
                "issuer": plan.issuer,
                "level": plan.level.value,
                "answers": dict(plan.answers),
                "statements": [one.told() for one in plan.sayings],
                "seen": plan.seen,
            }

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
            given, files = as_given(data)
            return assessing.register_answers(
                workspace,
                asked_of(data, what),
                given,
                files,
                pen=pen_of(workspace, data.member),
                whole=data.whole,
            )

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

    return (questions, gaps, preview, answers, certificates)
