# SPDX-License-Identifier: Apache-2.0
"""Answers of members who keep their own key: drawn up here, signed there, brought back.

Keeps: 1. Every request is signed by the member, who must be one now. 2. What is registered is what
was drawn up, or nothing. 3. A code opens the pages, and signs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import Request, post
from litestar.params import Body

from kizuna.app.api.asked import as_subject
from kizuna.app.api.assess import Given, as_given
from kizuna.app.wiring import showing
from kizuna.app.wiring.assess.asking import questionnaire_of
from kizuna.app.wiring.assess.away import read_signed
from kizuna.app.wiring.assess.export import element_named
from kizuna.app.wiring.assess.taking import admitted, drawn_up, keep_answers, take_signed
from kizuna.app.wiring.served.member_codes import MemberCodes
from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

    from kizuna.app.api.context import Context
    from kizuna.model.identifier import SubjectId
    from kizuna.proof.assurance import Questionnaire

__all__ = ["answers_away"]

_SIGNED: Final = {"permission": "signature"}
_PROFILES: Final = 8


def answers_away(context: Context) -> Sequence[ControllerRouterHandler]:
    """Routes of this resource."""
    workspace = context.workspace

    async def member(request: Request[Any, Any, Any], body: bytes) -> SubjectId:
        def look() -> SubjectId:
            who = context.readers.signer(request.scope, body)
            admitted(workspace, who)
            return who

        return await context.ask(look)

    def asked_of(
        subject: str, profiles: Sequence[str], element: str, who: SubjectId
    ) -> Questionnaire:
        from kizuna.record.store.view import View  # noqa: PLC0415 - the store is open

        return questionnaire_of(
            workspace,
            as_subject(subject),
            [showing.profile_named(workspace, name) for name in profiles[:_PROFILES]],
            element=element_named(element or None),
            view=View.of(who),
        )

    @post(
        "/api/assess/code",
        opt=_SIGNED,
        tags=["assessment"],
        status_code=200,
        summary="A code that opens the pages to the member who signed this request",
        description="It ends after half a day, and the one before ends now. It signs nothing.",
    )
    async def code(request: Request[Any, Any, Any]) -> dict[str, Any]:
        who = await member(request, await request.body())
        return await context.ask(lambda: MemberCodes(workspace).make(who))

    @post(
        "/api/assess/prepare",
        opt=_SIGNED,
        tags=["assessment"],
        status_code=200,
        summary="Keep answers as a draft of the member who signed this request; what to sign",
        description="The answer is the sheet that `kizuna assess sign` reads: every statement word "
        "for word, evidence in Base64, and `seen`, the digest of them all. Nothing is signed.",
    )
    async def prepare(
        request: Request[Any, Any, Any], data: Annotated[Given, Body()]
    ) -> dict[str, Any]:
        who = await member(request, await request.body())
        if data.member is not None:
            raise Malformed(
                "assess.for-elsewhere",
                "keys of others are kept where the store is, not here",
                hint="leave `member` out: what is drawn up is for whoever signed the request",
            )

        def draw() -> dict[str, Any]:
            names = [data.profile] if isinstance(data.profile, str) else data.profile
            element = data.element or ""
            asked = asked_of(data.subject, names, element, who)
            given, files = as_given(data)
            keep_answers(workspace, who, asked, given, files, element=element, whole=data.whole)
            _, sheet = drawn_up(workspace, who, asked, element=element)
            told: dict[str, Any] = json.loads(sheet.to_json())
            return told

        return await context.intake.run(draw)

    @post(
        "/api/assess/signed",
        opt=_SIGNED,
        tags=["assessment"],
        status_code=200,
        summary="Register answers that were drawn up here and signed elsewhere",
        description="The body is what `kizuna assess sign --out FILE` writes. Every statement must "
        "be, byte for byte, what was drawn up; else nothing is registered.",
    )
    async def signed(request: Request[Any, Any, Any]) -> dict[str, Any]:
        body = await request.body()
        who = await member(request, body)

        def take() -> dict[str, Any]:
            back = read_signed(body)
            asked = asked_of(back.subject, back.profiles, back.element, who)
            return take_signed(workspace, who, asked, back)

        return await context.intake.run(take)

    return (code, prepare, signed)
