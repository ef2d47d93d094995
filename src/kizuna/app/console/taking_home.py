# SPDX-License-Identifier: Apache-2.0
"""Answers that are signed elsewhere: a sheet to take home, and what comes back signed.

Keeps: 1. What is taken home is what was shown: the page's digest goes along, and where a plan made
now gives another, there is nothing to take. 2. What comes back is believed for its signatures and
for its bytes, which must be the shown ones; no session, token or code signs anything here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Response, get, post

from kizuna.app.console.asked import Asked
from kizuna.app.console.desk import Desk
from kizuna.app.console.sending import KEPT, onward, to_sign_in
from kizuna.app.wiring.assess.away import read_signed
from kizuna.app.wiring.assess.taking import drawn_up, take_signed
from kizuna.model.errors import Malformed, Refused

if TYPE_CHECKING:
    from litestar.types import ControllerRouterHandler

__all__ = ["TakingHome"]

_OPT: Final = {"permission": "public"}


class TakingHome(Desk):
    """The pages of one workspace for those who sign elsewhere."""

    @property
    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Route handlers; none where nobody may sign in."""
        if not self._door.exists:
            return ()
        here = self

        @get("/answer/sheet", opt=_OPT, include_in_schema=False, name="page /answer/sheet")
        async def sheet(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._sheet(Asked(request.scope), request)

        @post(
            "/answer/signed",
            opt=_OPT,
            include_in_schema=False,
            name="page /answer/signed",
            status_code=200,
        )
        async def signed(request: Request[Any, Any, Any]) -> Response[bytes]:
            return await here._signed(Asked(request.scope), request)

        return sheet, signed

    async def _sheet(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor = self._door.visitor(request.scope)
        if visitor is None:
            return to_sign_in(asked, request)
        author = visitor.identity or self._workspace.identity

        def tell() -> tuple[str, bytes]:
            element = asked.text("element")
            questions = self._questions(
                asked.needed("subject"), asked.many("profile"), element, visitor
            )
            plan, made = drawn_up(self._workspace, author, questions, element=element)
            if asked.needed("seen") != plan.seen:
                raise Refused(
                    "assess.changed-since",
                    "what would be signed is no longer what was shown",
                    why="answers, questions, lists or what is registered changed in between",
                    hint="look again at what would be signed, then send it",
                )
            return plan.seen, made.to_json()

        seen, data = await self._run(tell)
        return Response(
            data,
            media_type="application/json",
            headers={
                "content-disposition": f'attachment; filename="answers-{seen[:8]}.json"',
                **KEPT,
            },
        )

    async def _signed(self, asked: Asked, request: Request[Any, Any, Any]) -> Response[bytes]:
        visitor, sent = await self._genuine(request)
        author = visitor.identity or self._workspace.identity

        def act() -> dict[str, Any]:
            questions = self._named(sent, visitor)
            files = [data for _, data in sent.files.get("signed", ()) if data]
            if len(files) != 1:
                raise Malformed(
                    "assess.sheet-malformed",
                    "no file of signed answers came with the form",
                    why="no file was chosen",
                    hint="choose the file that `kizuna assess sign` wrote",
                    fault="no file was chosen",
                )
            back = read_signed(files[0])
            where = {
                "subject": questions.subject,
                "profile": [part.profile for part in questions.each],
                "element": sent.text("element"),
            }
            named = {"subject": back.subject, "profile": list(back.profiles)}
            if named | {"element": back.element} != where or sent.text("seen") != back.seen:
                raise Refused(
                    "assess.signed-differs",
                    "what came back is not what was to be signed",
                    why="it belongs to other answers than those on the page",
                    hint="download what is to be signed again, and sign that",
                    number=0,
                )
            take_signed(self._workspace, author, questions, back)
            return where

        where = await self._run(act)
        return onward(asked.url("/answer/sent", **where))
