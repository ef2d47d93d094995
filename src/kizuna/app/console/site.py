# SPDX-License-Identifier: Apache-2.0
"""The pages and their addresses.

Keeps: 1. Pages only read, but those by which answers are given (``answering``), and the one that
shows a token and changes whose eyes the pages are (``signing_in``). 2. Everything works without
JavaScript, of which there is none; styles come from one file of this server; the content security
policy forbids all else. 3. Each page that reads has a ``.json`` twin made of the same values.
4. Where the language was asked for by ``?lang=``, every link keeps it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response, get, post
from litestar.types import ControllerRouterHandler

from kizuna.app.console.answering import Answering
from kizuna.app.console.asked import Asked
from kizuna.app.console.cells import clock, table, verdict_mark
from kizuna.app.console.chains import short_name
from kizuna.app.console.sending import foreign, of_this_site
from kizuna.app.console.showing import Run, Showing, Shown
from kizuna.app.console.signing_in import Door
from kizuna.app.console.taking_home import TakingHome
from kizuna.app.console.texts import say, typed
from kizuna.app.wiring.judging.answers import problem_json
from kizuna.model.errors import Problem
from kizuna.record.store.view import View

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Site"]

_FOLDER: Final = Path(__file__).resolve().parent
_PUBLIC: Final = {"permission": "public"}
_UNKEPT: Final = {"cache-control": "no-store", "vary": "cookie"}

ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#2b4a78"/><path d="M8 20c0-6 7-9 9-4s8 2 8-4M8 12c0 6 7 9 9 4s8-2 8 4" '
    'fill="none" stroke="#fff" stroke-width="2.6" stroke-linecap="round"/></svg>'
)


class Site:
    """The console of one workspace.

    Args:
        workspace: what is shown.
        run: how to run a blocking call beside the event loop.
        view: whose eyes the pages are for somebody who did not sign in.
        door: lets the operator sign in.
    """

    policy = (
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'"
    )

    def __init__(self, workspace: Workspace, run: Run, view: View | None, door: Door) -> None:
        self._workspace = workspace
        self._run = run
        self._door = door
        self._showing = Showing(workspace, run, view)
        self._style = (_FOLDER / "style.css").read_bytes()
        self._style_path = f"/static/{sha256(self._style).hexdigest()[:16]}.css"
        self._icon_path = f"/static/{sha256(ICON.encode()).hexdigest()[:16]}.svg"
        self._templates = Environment(
            loader=PackageLoader("kizuna.app.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(mark=verdict_mark, short=short_name)
        self._templates.filters["typed"] = typed

    # --- addresses ----------------------------------------------------------------------------

    @property
    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Route handlers of all pages."""
        site, show = self, self._showing

        def page(
            path: str, twin: str, answer: Callable[[Asked], Awaitable[Shown]]
        ) -> Sequence[ControllerRouterHandler]:
            @get(path, opt=_PUBLIC, include_in_schema=False, name=f"page {path}")
            async def human(request: Request[Any, Any, Any]) -> Response[bytes]:
                asked = site._asked(request.scope)
                return site._page(asked, await answer(asked), here=path, twin=twin)

            @get(twin, opt=_PUBLIC, include_in_schema=False, name=f"page {twin}")
            async def machine(request: Request[Any, Any, Any]) -> Response[bytes]:
                shown = await answer(site._asked(request.scope))
                return Response(
                    msgspec.json.encode(shown.data),
                    media_type="application/json",
                    headers=_UNKEPT,
                )

            return human, machine

        @get("/portfolio.csv", opt=_PUBLIC, include_in_schema=False, name="page /portfolio.csv")
        async def spreadsheet(request: Request[Any, Any, Any]) -> Response[bytes]:
            shown = await show.portfolio(site._asked(request.scope))
            return Response(
                table(shown.data["watches"]),
                media_type="text/csv",
                headers={"content-disposition": 'attachment; filename="portfolio.csv"', **_UNKEPT},
            )

        @get(
            [self._style_path, self._icon_path],
            opt=_PUBLIC,
            include_in_schema=False,
            name="page files",
        )
        async def files(request: Request[Any, Any, Any]) -> Response[bytes]:
            style = request.scope["path"] == site._style_path
            return Response(
                site._style if style else ICON.encode(),
                media_type="text/css" if style else "image/svg+xml",
                headers={"cache-control": "public, max-age=31536000, immutable"},
            )

        @get("/sign-in", opt=_PUBLIC, include_in_schema=False, name="page /sign-in")
        async def door(request: Request[Any, Any, Any]) -> Response[bytes]:
            return site._sign_in(Asked(request.scope), wrong=False)

        @post("/sign-in", opt=_PUBLIC, include_in_schema=False, name="page /sign-in post")
        async def enter(request: Request[Any, Any, Any]) -> Response[bytes]:
            asked = Asked(request.scope)
            if not of_this_site(request):
                raise foreign()  # else another site signs somebody in as whom it likes
            body = await request.body()
            cookie = site._door.enter(_field(body, "token"))
            if cookie is None:
                return site._sign_in(asked, wrong=True)
            return _onward(asked, cookie, _field(body, "next"))

        @post("/sign-out", opt=_PUBLIC, include_in_schema=False, name="page /sign-out")
        async def leave(request: Request[Any, Any, Any]) -> Response[bytes]:
            if not of_this_site(request):
                raise foreign()  # else another site ends somebody's session
            return _onward(Asked(request.scope), site._door.leave(request.scope))

        return (
            *((door, enter, leave) if self._door.exists else ()),
            *Answering(self._workspace, self._run, self._door, self._render).routes,
            *TakingHome(self._workspace, self._run, self._door, self._render).routes,
            *page("/", "/portfolio.json", show.portfolio),
            *page("/subject", "/subject.json", show.subject),
            *page("/explain", "/explain.json", show.explain),
            *page("/compare", "/compare.json", show.compare),
            *page("/impact", "/impact.json", show.impact),
            *page("/log", "/log.json", show.log),
            *page("/entry", "/entry.json", show.entry),
            *page("/fleet", "/fleet.json", show.fleet),
            *page("/lists", "/lists.json", show.lists),
            *page("/federation", "/federation.json", show.federation),
            *page("/profiles", "/profiles.json", show.profiles),
            *page("/processes", "/processes.json", show.processes),
            *page("/risk", "/risk.json", show.risk),
            *page("/assess", "/assess.json", show.assess),
            *page("/procure", "/procure.json", show.procure),
            *page("/catalogs", "/catalogs.json", show.catalogs),
            spreadsheet,
            files,
        )

    def _asked(self, scope: Mapping[str, Any]) -> Asked:
        asked = Asked(scope, operator=self._door.knows(scope))
        asked.visitor = self._door.visitor(scope)
        return asked

    # --- signing in ---------------------------------------------------------------------------

    def _sign_in(self, asked: Asked, *, wrong: bool) -> Response[bytes]:
        data = {"wrong": wrong, "next": asked.text("next")}
        shown = Shown("sign_in.html", say("signin.title", asked.lang), data, [])
        answer = self._page(asked, shown, here="/sign-in", twin="")
        answer.status_code = 403 if wrong else 200
        return answer

    # --- rendering ----------------------------------------------------------------------------

    def problem(self, scope: Mapping[str, Any], problem: Problem, lang: str) -> bytes:
        """A whole page that says what went wrong and what to do next."""
        asked = Asked(scope)
        shown = Shown(
            "problem.html",
            say("problem.title", lang),
            {},
            [],
            extra={"told": problem_json(problem, lang)},
        )
        return self._html(asked, shown, here="", twin="")

    def _render(
        self, asked: Asked, template: str, title: str, data: dict[str, Any], commands: list[str]
    ) -> Response[bytes]:
        return self._page(asked, Shown(template, title, data, commands), here="/assess", twin="")

    def _page(self, asked: Asked, shown: Shown, *, here: str, twin: str) -> Response[bytes]:
        return Response(
            self._html(asked, shown, here=here, twin=asked.same(twin) if twin else ""),
            media_type="text/html",
            headers={
                "content-security-policy": self.policy.decode(),
                "content-language": asked.lang,
                "vary": "accept-language, cookie",
                "cache-control": "no-store",
                # so that the browser names the origin of a form; others learn nothing
                "referrer-policy": "same-origin",
            },
        )

    def _html(self, asked: Asked, shown: Shown, *, here: str, twin: str) -> bytes:
        def words(key: str, **values: object) -> str:
            return say(key, asked.lang, **values)

        other = "en" if asked.lang == "ja" else "ja"
        template = self._templates.get_template(shown.template)
        return template.render(
            t=words,
            lang=asked.lang,
            explicit=asked.explicit,
            url=asked.url,
            other=asked.same(asked.path, lang=other),
            clock=clock,
            organisation=self._workspace.name,
            style=self._style_path,
            icon=self._icon_path,
            here=here,
            twin=twin,
            title=shown.title,
            data=shown.data,
            commands=shown.commands,
            names=shown.data.get("names", {}),
            door=self._door.exists,
            operator=asked.operator,
            guest=None if asked.visitor is None else asked.visitor.name,
            **shown.extra,
        ).encode()


def _field(body: bytes, name: str) -> str:
    """A field of a form, or an empty text."""
    try:
        pairs = parse_qsl(body[:4096].decode("latin-1"), max_num_fields=8, errors="replace")
    except ValueError:
        return ""
    return dict(pairs).get(name, "")


def _onward(asked: Asked, cookie: str, to: str = "") -> Response[bytes]:
    # only to a page of answers, on this server; whatever else is asked for, to the first page
    inside = to.startswith("/answer") and to.isascii() and to.isprintable() and "\\" not in to
    return Response(
        b"",
        status_code=303,
        media_type="text/html",
        headers={
            "location": to if inside else asked.url("/"),
            "set-cookie": cookie,
            **_UNKEPT,
        },
    )
