# SPDX-License-Identifier: Apache-2.0
"""The pages and their addresses.

Keeps: 1. Pages only read, but those by which answers are given (``answering``), and the one that
shows a token and changes whose eyes the pages are (``signing_in``). 2. Everything works without
JavaScript, of which there is none; styles come from one file of this server; the content security
policy forbids all else. 3. Each page that reads has a ``.json`` twin made of the same values.
4. Where the language was asked for by ``?lang=``, every link keeps it.
"""

from __future__ import annotations

import json
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
from kizuna.app.console.asked import Asked, instant
from kizuna.app.console.buying import assess_page, procure_page
from kizuna.app.console.catalogs import catalog_data, catalogs_data
from kizuna.app.console.cells import clock, quoted, table, verdict_mark
from kizuna.app.console.chains import short_name
from kizuna.app.console.creation import process_page, risk_page
from kizuna.app.console.drawing import draw
from kizuna.app.console.fleet import fleet_data, over_time
from kizuna.app.console.folding import Box, Chain
from kizuna.app.console.reading import Reading
from kizuna.app.console.signing_in import Door
from kizuna.app.console.texts import say
from kizuna.app.wiring.answers import problem_json
from kizuna.app.wiring.messages import text
from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.identifier import Digest, canonical
from kizuna.record.store.view import View

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Site"]

_FOLDER: Final = Path(__file__).resolve().parent
_PUBLIC: Final = {"permission": "public"}
_UNKEPT: Final = {"cache-control": "no-store", "vary": "cookie"}

Run = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a blocking call in a thread and gives its result."""

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
        self._public = Reading(workspace, view)
        self._operator = Reading(workspace, None)
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

    # --- addresses ----------------------------------------------------------------------------

    @property
    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Route handlers of all pages."""
        site = self

        def page(
            path: str, twin: str, answer: Callable[[Asked], Awaitable[_Shown]]
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
            shown = await site._portfolio(site._asked(request.scope))
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
            body = await request.body()
            cookie = site._door.enter(_field(body, "token"))
            if cookie is None:
                return site._sign_in(asked, wrong=True)
            return _onward(asked, cookie, _field(body, "next"))

        @post("/sign-out", opt=_PUBLIC, include_in_schema=False, name="page /sign-out")
        async def leave(request: Request[Any, Any, Any]) -> Response[bytes]:
            return _onward(Asked(request.scope), site._door.leave(request.scope))

        return (
            *((door, enter, leave) if self._door.exists else ()),
            *Answering(self._workspace, self._run, self._door, self._render).routes,
            *page("/", "/portfolio.json", self._portfolio),
            *page("/subject", "/subject.json", self._subject),
            *page("/explain", "/explain.json", self._explain),
            *page("/compare", "/compare.json", self._compare),
            *page("/impact", "/impact.json", self._impact),
            *page("/log", "/log.json", self._log),
            *page("/entry", "/entry.json", self._entry),
            *page("/fleet", "/fleet.json", self._fleet),
            *page("/lists", "/lists.json", self._lists),
            *page("/federation", "/federation.json", self._federation),
            *page("/profiles", "/profiles.json", self._profiles),
            *page("/processes", "/processes.json", self._processes),
            *page("/risk", "/risk.json", self._risk),
            *page("/assess", "/assess.json", self._assess),
            *page("/procure", "/procure.json", self._procure),
            *page("/catalogs", "/catalogs.json", self._catalogs),
            spreadsheet,
            files,
        )

    def _asked(self, scope: Mapping[str, Any]) -> Asked:
        asked = Asked(scope, operator=self._door.knows(scope))
        asked.visitor = self._door.visitor(scope)
        return asked

    def _of(self, asked: Asked) -> Reading:
        if asked.visitor is not None and asked.visitor.identity is not None:
            return Reading(self._workspace, View.of(asked.visitor.identity))
        return self._operator if asked.operator else self._public

    # --- pages --------------------------------------------------------------------------------

    async def _portfolio(self, asked: Asked) -> _Shown:
        verdict = asked.text("verdict")
        data = await self._run(lambda: self._of(asked).portfolio(verdict, asked.lang))
        return _Shown(
            "portfolio.html",
            say("portfolio.title", asked.lang),
            data,
            ["kizuna watch list"] if data["total"] else [],
        )

    async def _subject(self, asked: Asked) -> _Shown:
        subject = canonical(asked.needed("id"))
        profile = asked.text("profile") or await self._first_profile(asked)
        at_text = asked.text("at")
        at = instant(at_text)
        through = asked.many("through")
        data, chain = await self._run(
            lambda: self._of(asked).subject(subject, profile, at, asked.lang, through)
        )
        data["asked_at"] = at_text
        explain = asked.url("/explain", id=subject, profile=profile)
        when = f" --at {at_text}" if at_text else ""
        read = "".join(f" --through {quoted(name)}" for name in through)
        return _Shown(
            "subject.html",
            data["name"],
            data,
            [
                f"kizuna verify {quoted(subject)} --profile {profile}{when}{read}",
                f"kizuna explain {quoted(subject)} --profile {profile}{when}",
                f"kizuna impact {quoted(subject)}",
                f"kizuna export {quoted(subject)} --profile {profile} --out proof.kz",
            ],
            extra={
                "explain_url": explain,
                "picture": self._picture(chain, asked, data["name"], profile),
            },
        )

    def _picture(self, chain: Chain, asked: Asked, name: str, profile: str) -> object:
        if not chain.ties:
            return ""

        def link(box: Box) -> str:
            if box.count > 1:
                return ""
            return asked.url("/subject", id=box.key, profile=profile)

        return draw(
            chain,
            words=lambda key, **values: say(key, asked.lang, **values),
            link=link,
            title=say("subject.chain.title", asked.lang, name=name),
        )

    async def _explain(self, asked: Asked) -> _Shown:
        subject = canonical(asked.needed("id"))
        profile = asked.text("profile") or await self._first_profile(asked)
        data = await self._run(lambda: self._of(asked).explain(subject, profile, asked.lang))
        title = say(
            "explain.title",
            asked.lang,
            name=data["name"],
            value=say("value." + data["verdict"], asked.lang),
        )
        return _Shown(
            "explain.html",
            title,
            data,
            [f"kizuna explain {quoted(subject)} --profile {profile}"],
        )

    async def _compare(self, asked: Asked) -> _Shown:
        subject = canonical(asked.needed("id"))
        profiles = asked.text("profile").split() or [await self._first_profile(asked)]
        lists = asked.text("lists").split()
        data = await self._run(
            lambda: self._of(asked).compare(subject, profiles, lists or None, asked.lang)
        )
        words = [f"--profile {quoted(name)}" for name in profiles]
        words += [f"--list {quoted(name)}" for name in lists]
        return _Shown(
            "compare.html",
            say("compare.title", asked.lang, name=data["name"]),
            data,
            [f"kizuna verify {quoted(subject)} {' '.join(words)} --each-list"],
            extra={"words": lambda key, **values: text(key, asked.lang, **values)},
        )

    async def _impact(self, asked: Asked) -> _Shown:
        of = asked.needed("id")
        of = of if len(of) == 64 and set(of) <= set("0123456789abcdef") else canonical(of)
        data = await self._run(lambda: self._of(asked).impact(of))
        data["profile"] = asked.text("profile")
        return _Shown(
            "impact.html",
            say("impact.title", asked.lang, name=data["name"]),
            data,
            [f"kizuna impact {quoted(of)}"],
        )

    async def _fleet(self, asked: Asked) -> _Shown:
        status, after = asked.text("status"), asked.text("after")
        data = await self._run(
            lambda: fleet_data(self._workspace, status, after, operator=asked.operator)
        )

        def words(key: str, **values: object) -> str:
            return say(key, asked.lang, **values)

        narrowed = f" --status {status}" if status else ""
        return _Shown(
            "fleet.html",
            say("fleet.title", asked.lang),
            data,
            [f"kizuna device fleet{narrowed}"] if data["devices"] else [],
            extra={
                "picture": over_time(data["history"], words),
                "reason": lambda name: text(f"fleet.reason.{name}", asked.lang),
            },
        )

    async def _log(self, asked: Asked) -> _Shown:
        cursor = asked.text("cursor")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise Malformed(
                "http.cursor-malformed",
                "the cursor is not one of ours",
                hint="take it from `next` of the page before",
            )
        data = await self._run(lambda: self._of(asked).log(int(cursor) if cursor else None, cursor))
        data["next"] = "" if data["following"] is None else str(data.pop("following"))
        return _Shown(
            "log.html",
            say("log.title", asked.lang),
            data,
            ["kizuna log checkpoint", "kizuna log fsck"],
        )

    async def _entry(self, asked: Asked) -> _Shown:
        statement, index = asked.text("statement"), asked.text("index")
        data: dict[str, Any] | None = None
        if len(statement) == 64 and set(statement) <= set("0123456789abcdef"):
            digest = Digest(bytes.fromhex(statement))
            data = await self._run(lambda: self._of(asked).entry(digest))
        elif index.isascii() and index.isdigit() and len(index) < 16:
            data = await self._run(lambda: self._of(asked).entry_at(int(index)))
        if data is None:
            raise Absent(
                "statement.unknown",
                "no such statement here",
                hint="check the number or digest, and which store registered it",
                digest=statement or index[:20],
            )
        payload = data["payload"]
        data["payload_text"] = (
            json.dumps(json.loads(payload), indent=2, ensure_ascii=False) if payload else ""
        )
        return _Shown(
            "entry.html",
            say("entry.title", asked.lang, index=data["index"]),
            data,
            [f"kizuna log prove {data['index']}", f"kizuna impact {data['digest']}"],
        )

    async def _lists(self, asked: Asked) -> _Shown:
        data = await self._run(self._of(asked).lists)
        commands = [f"kizuna list show --list {found['name']}" for found in data["lists"]]
        return _Shown("lists.html", say("lists.title", asked.lang), data, commands)

    async def _federation(self, asked: Asked) -> _Shown:
        data = await self._run(self._of(asked).federation)
        commands = [f"kizuna federation show {e['entity']}" for e in data["entities"]]
        commands += ["kizuna federation self"] if data["own"] else []
        return _Shown("federation.html", say("federation.title", asked.lang), data, commands)

    async def _profiles(self, asked: Asked) -> _Shown:
        data = await self._run(lambda: self._of(asked).all_profiles(asked.lang))
        commands = [f"kizuna profile show {found['name']}" for found in data["profiles"]]
        return _Shown("profiles.html", say("profiles.title", asked.lang), data, commands)

    async def _catalogs(self, asked: Asked) -> _Shown:
        name, subject = asked.text("id"), asked.text("subject")
        profile = asked.text("profile")
        reading = self._of(asked)
        if not name:
            data = await self._run(lambda: catalogs_data(reading, asked.lang))
            return _Shown(
                "catalogs.html",
                say("catalogs.title", asked.lang),
                data,
                ["kizuna catalog list", "kizuna catalog mappings"],
            )
        data = await self._run(lambda: catalog_data(reading, name, subject, profile, asked.lang))
        command = f"kizuna catalog show {quoted(name)}"
        if subject and profile:
            command = (
                f"kizuna catalog coverage {quoted(subject)} --profile {quoted(profile)}"
                f" --catalog {quoted(name)}"
            )
        return _Shown(
            "catalog.html",
            data["title"],
            data,
            [command],
            extra={"state": lambda word: text(f"covering.{word}", asked.lang)},
        )

    async def _processes(self, asked: Asked) -> _Shown:
        name, profile = asked.text("name"), asked.text("profile")
        data, picture = await self._run(
            lambda: process_page(self._workspace, name, profile, asked.lang, self._of(asked).view)
        )
        known = await self._run(lambda: self._of(asked).profiles(asked.lang))
        commands = []
        if data["process"] is not None:
            called = data["process"]["name"]
            under = f" -p {profile}" if profile else ""
            commands = [f"kizuna vcp draw {called}{under} --out process.svg"]
            commands += [f"kizuna vcp gaps {called}{under}"] if profile else []
        return _Shown(
            "processes.html",
            say("processes.title", asked.lang),
            data,
            commands,
            extra={"picture": picture, "profiles": [p["name"] for p in known]},
        )

    async def _assess(self, asked: Asked) -> _Shown:
        subject, profile = asked.text("subject"), asked.text("profile")
        view = self._of(asked).view
        data = await self._run(
            lambda: assess_page(self._workspace, subject, profile, asked.lang, view)
        )
        known = await self._run(lambda: self._of(asked).profiles(asked.lang))
        commands = [f"kizuna assess gaps {quoted(subject)} -p {profile}"] if data["gaps"] else []
        return _Shown(
            "assess.html",
            say("assess.title", asked.lang),
            data,
            commands,
            extra={"profiles": [p["name"] for p in known]},
        )

    async def _procure(self, asked: Asked) -> _Shown:
        question = {m: asked.text(m) for m in ("product", "lines", "suppliers", "profile")}
        view = self._of(asked).view
        data = await self._run(
            lambda: procure_page(
                self._workspace, question, asked.lang, view, operator=asked.operator
            )
        )
        known = await self._run(lambda: self._of(asked).profiles(asked.lang))
        under = f" -p {question['profile']}" if question["profile"] else ""
        return _Shown(
            "procure.html",
            say("procure.title", asked.lang),
            data,
            [f"kizuna procure check request.yaml{under}"],
            extra={"profiles": [p["name"] for p in known]},
        )

    async def _risk(self, asked: Asked) -> _Shown:
        name = asked.text("framework")
        data, picture = await self._run(
            lambda: risk_page(self._workspace, name, asked.lang, self._of(asked).view)
        )
        return _Shown(
            "risk.html",
            say("risk.title", asked.lang),
            data,
            ["kizuna risk plane --out plane.svg", "kizuna risk compare"],
            extra={"picture": picture},
        )

    def _sign_in(self, asked: Asked, *, wrong: bool) -> Response[bytes]:
        data = {"wrong": wrong, "next": asked.text("next")}
        shown = _Shown("sign_in.html", say("signin.title", asked.lang), data, [])
        answer = self._page(asked, shown, here="/sign-in", twin="")
        answer.status_code = 403 if wrong else 200
        return answer

    async def _first_profile(self, asked: Asked) -> str:
        found = await self._run(lambda: self._of(asked).profiles(asked.lang))
        return str(found[0]["name"]) if found else ""

    # --- rendering ----------------------------------------------------------------------------

    def problem(self, scope: Mapping[str, Any], problem: Problem, lang: str) -> bytes:
        """A whole page that says what went wrong and what to do next."""
        asked = Asked(scope)
        shown = _Shown(
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
        return self._page(asked, _Shown(template, title, data, commands), here="/assess", twin="")

    def _page(self, asked: Asked, shown: _Shown, *, here: str, twin: str) -> Response[bytes]:
        return Response(
            self._html(asked, shown, here=here, twin=asked.same(twin) if twin else ""),
            media_type="text/html",
            headers={
                "content-security-policy": self.policy.decode(),
                "content-language": asked.lang,
                "vary": "accept-language, cookie",
                "cache-control": "no-store",
            },
        )

    def _html(self, asked: Asked, shown: _Shown, *, here: str, twin: str) -> bytes:
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


class _Shown:
    """What one page shows."""

    def __init__(
        self,
        template: str,
        title: str,
        data: dict[str, Any],
        commands: list[str],
        extra: Mapping[str, object] | None = None,
    ) -> None:
        self.template = template
        self.title = title
        self.data = data
        self.commands = commands
        self.extra = dict(extra or {})


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
