# SPDX-License-Identifier: Apache-2.0
"""The pages and their addresses.

Keeps: 1. Pages only read: there is no form that changes anything, so there is nothing to forge.
2. Everything works without JavaScript, of which there is none; styles come from one file of this
server; the content security policy forbids all else. 3. Each page has a ``.json`` twin made of the
same values. 4. Where the language was asked for by ``?lang=``, every link keeps it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response, get
from litestar.types import ControllerRouterHandler

from kizuna.app.console.chains import short_name
from kizuna.app.console.drawing import draw, mark
from kizuna.app.console.folding import Box, Chain
from kizuna.app.console.reading import Reading
from kizuna.app.console.texts import say
from kizuna.app.wiring.answers import problem_json
from kizuna.model.errors import Absent, Malformed, Problem
from kizuna.model.finding import Value
from kizuna.model.identifier import Digest, canonical

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["Site"]

_FOLDER: Final = Path(__file__).resolve().parent
_LANGUAGES: Final = ("en", "ja")
_PUBLIC: Final = {"permission": "public"}

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
        view: whose eyes the pages are; ``None`` is the store's own operator.
    """

    policy = (
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'"
    )

    def __init__(self, workspace: Workspace, run: Run, view: View | None) -> None:
        self._workspace = workspace
        self._run = run
        self._reading = Reading(workspace, view)
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
        self._templates.globals.update(mark=_mark, short=short_name)

    # --- addresses ----------------------------------------------------------------------------

    @property
    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Route handlers of all pages."""
        site = self

        def page(
            path: str, twin: str, answer: Callable[[_Asked], Awaitable[_Shown]]
        ) -> Sequence[ControllerRouterHandler]:
            @get(path, opt=_PUBLIC, include_in_schema=False, name=f"page {path}")
            async def human(request: Request[Any, Any, Any]) -> Response[bytes]:
                asked = _Asked(request.scope)
                return site._page(asked, await answer(asked), here=path, twin=twin)

            @get(twin, opt=_PUBLIC, include_in_schema=False, name=f"page {twin}")
            async def machine(request: Request[Any, Any, Any]) -> Response[bytes]:
                shown = await answer(_Asked(request.scope))
                return Response(msgspec.json.encode(shown.data), media_type="application/json")

            return human, machine

        @get("/portfolio.csv", opt=_PUBLIC, include_in_schema=False, name="page /portfolio.csv")
        async def table(request: Request[Any, Any, Any]) -> Response[bytes]:
            shown = await site._portfolio(_Asked(request.scope))
            return Response(
                _csv(shown.data["watches"]),
                media_type="text/csv",
                headers={"content-disposition": 'attachment; filename="portfolio.csv"'},
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

        return (
            *page("/", "/portfolio.json", self._portfolio),
            *page("/subject", "/subject.json", self._subject),
            *page("/explain", "/explain.json", self._explain),
            *page("/impact", "/impact.json", self._impact),
            *page("/log", "/log.json", self._log),
            *page("/entry", "/entry.json", self._entry),
            *page("/lists", "/lists.json", self._lists),
            *page("/profiles", "/profiles.json", self._profiles),
            table,
            files,
        )

    # --- pages --------------------------------------------------------------------------------

    async def _portfolio(self, asked: _Asked) -> _Shown:
        verdict = asked.text("verdict")
        data = await self._run(lambda: self._reading.portfolio(verdict, asked.lang))
        return _Shown(
            "portfolio.html",
            say("portfolio.title", asked.lang),
            data,
            ["kizuna watch list"] if data["total"] else [],
        )

    async def _subject(self, asked: _Asked) -> _Shown:
        subject = canonical(asked.needed("id"))
        profile = asked.text("profile") or await self._first_profile(asked)
        at_text = asked.text("at")
        at = _instant(at_text)
        data, chain = await self._run(
            lambda: self._reading.subject(subject, profile, at, asked.lang)
        )
        data["asked_at"] = at_text
        explain = asked.url("/explain", id=subject, profile=profile)
        when = f" --at {at_text}" if at_text else ""
        return _Shown(
            "subject.html",
            data["name"],
            data,
            [
                f"kizuna verify {_quoted(subject)} --profile {profile}{when}",
                f"kizuna explain {_quoted(subject)} --profile {profile}{when}",
                f"kizuna impact {_quoted(subject)}",
                f"kizuna export {_quoted(subject)} --profile {profile} --out proof.kz",
            ],
            extra={
                "explain_url": explain,
                "picture": self._picture(chain, asked, data["name"], profile),
            },
        )

    def _picture(self, chain: Chain, asked: _Asked, name: str, profile: str) -> object:
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

    async def _explain(self, asked: _Asked) -> _Shown:
        subject = canonical(asked.needed("id"))
        profile = asked.text("profile") or await self._first_profile(asked)
        data = await self._run(lambda: self._reading.explain(subject, profile, asked.lang))
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
            [f"kizuna explain {_quoted(subject)} --profile {profile}"],
        )

    async def _impact(self, asked: _Asked) -> _Shown:
        of = asked.needed("id")
        of = of if len(of) == 64 and set(of) <= set("0123456789abcdef") else canonical(of)
        data = await self._run(lambda: self._reading.impact(of))
        data["profile"] = asked.text("profile")
        return _Shown(
            "impact.html",
            say("impact.title", asked.lang, name=data["name"]),
            data,
            [f"kizuna impact {_quoted(of)}"],
        )

    async def _log(self, asked: _Asked) -> _Shown:
        cursor = asked.text("cursor")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise Malformed(
                "http.cursor-malformed",
                "the cursor is not one of ours",
                hint="take it from `next` of the page before",
            )
        data = await self._run(lambda: self._reading.log(int(cursor) if cursor else None, cursor))
        data["next"] = "" if data["following"] is None else str(data.pop("following"))
        return _Shown(
            "log.html",
            say("log.title", asked.lang),
            data,
            ["kizuna log checkpoint", "kizuna log fsck"],
        )

    async def _entry(self, asked: _Asked) -> _Shown:
        statement, index = asked.text("statement"), asked.text("index")
        data: dict[str, Any] | None = None
        if len(statement) == 64 and set(statement) <= set("0123456789abcdef"):
            digest = Digest(bytes.fromhex(statement))
            data = await self._run(lambda: self._reading.entry(digest))
        elif index.isascii() and index.isdigit() and len(index) < 16:
            data = await self._run(lambda: self._reading.entry_at(int(index)))
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

    async def _lists(self, asked: _Asked) -> _Shown:
        data = await self._run(self._reading.lists)
        commands = [f"kizuna list show --list {found['name']}" for found in data["lists"]]
        return _Shown("lists.html", say("lists.title", asked.lang), data, commands)

    async def _profiles(self, asked: _Asked) -> _Shown:
        data = await self._run(lambda: self._reading.all_profiles(asked.lang))
        commands = [f"kizuna profile show {found['name']}" for found in data["profiles"]]
        return _Shown("profiles.html", say("profiles.title", asked.lang), data, commands)

    async def _first_profile(self, asked: _Asked) -> str:
        found = await self._run(lambda: self._reading.profiles(asked.lang))
        return str(found[0]["name"]) if found else ""

    # --- rendering ----------------------------------------------------------------------------

    def problem(self, scope: Mapping[str, Any], problem: Problem, lang: str) -> bytes:
        """A whole page that says what went wrong and what to do next."""
        asked = _Asked(scope)
        shown = _Shown(
            "problem.html",
            say("problem.title", lang),
            {},
            [],
            extra={"told": problem_json(problem, lang)},
        )
        return self._html(asked, shown, here="", twin="")

    def _page(self, asked: _Asked, shown: _Shown, *, here: str, twin: str) -> Response[bytes]:
        return Response(
            self._html(asked, shown, here=here, twin=asked.same(twin)),
            media_type="text/html",
            headers={
                "content-security-policy": self.policy.decode(),
                "content-language": asked.lang,
                "vary": "accept-language",
                "cache-control": "no-store",
            },
        )

    def _html(self, asked: _Asked, shown: _Shown, *, here: str, twin: str) -> bytes:
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
            clock=_clock,
            organisation=self._workspace.name,
            style=self._style_path,
            icon=self._icon_path,
            here=here,
            twin=twin,
            title=shown.title,
            data=shown.data,
            commands=shown.commands,
            names=shown.data.get("names", {}),
            **shown.extra,
        ).encode()


class _Asked:
    """What the address and the browser's language say."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self.path = str(scope.get("path", "/")) or "/"
        raw = bytes(scope.get("query_string", b"")).decode("latin-1")
        try:
            pairs = parse_qsl(raw, max_num_fields=40, errors="replace")
        except ValueError:
            pairs = []
        self._query = dict(pairs)
        asked = self._query.get("lang", "")
        self.explicit = asked in _LANGUAGES
        self.lang = asked if self.explicit else _accepted(scope)

    def text(self, name: str) -> str:
        return self._query.get(name, "").strip()

    def needed(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Malformed(
                "http.parameter-missing",
                f"the address lacks ?{name}=",
                hint="name what is asked about",
                parameter=name,
            )
        return value

    def url(self, path: str, **parameters: object) -> str:
        """A link to another page, in the same language when that was asked for."""
        pairs = [(k, str(v)) for k, v in parameters.items() if v not in ("", None)]
        if self.explicit:
            pairs.append(("lang", self.lang))
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def same(self, path: str, **changed: str) -> str:
        """The same question at another path or with a parameter changed."""
        pairs = {**self._query, **changed}
        return f"{path}?{urlencode(pairs)}" if pairs else path


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


def _accepted(scope: Mapping[str, Any]) -> str:
    """The first of our languages in ``Accept-Language``, by weight; English without one."""
    text = next((v for k, v in scope.get("headers", ()) if k == b"accept-language"), b"")
    best = ("en", 0.0)
    for item in bytes(text).decode("latin-1")[:500].split(","):
        tag, _, weight = item.strip().partition(";q=")
        short = tag.lower().partition("-")[0]
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if short in _LANGUAGES and quality > best[1]:
            best = (short, quality)
    return best[0]


def _instant(text: str) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
    except (ValueError, OverflowError) as fault:
        raise Malformed(
            "http.time-malformed",
            f"at is not an instant: {text[:40]!r}",
            hint="write 2026-11-22T09:00:00Z, 2026-11-22, or seconds since 1970",
            parameter="at",
            value=text[:40],
        ) from fault


@lru_cache(maxsize=4096)
def _clock(moment: int | str) -> str:
    """An instant as people read it, in UTC and saying so."""
    if isinstance(moment, str):
        try:
            when = datetime.fromisoformat(moment).astimezone(UTC)
        except ValueError:
            return moment
    else:
        try:
            when = datetime.fromtimestamp(moment, UTC)
        except (ValueError, OverflowError, OSError):
            return str(moment)
    return when.strftime("%Y-%m-%d %H:%M UTC")


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A table for a spreadsheet: UTF-8 with its mark; no cell is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    columns = ("subject", "name", "profile", "verdict", "findings", "next_change", "at")
    writer.writerow(columns)
    for row in rows:
        cells = ["" if row[c] is None else str(row[c]) for c in columns]
        writer.writerow([f"'{cell}" if cell[:1] in tuple("=+-@\t\r") else cell for cell in cells])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _mark(value: str) -> object:
    return mark(Value[value.upper()])
