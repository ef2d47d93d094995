# SPDX-License-Identifier: Apache-2.0
"""What each page shows: the values, its template, and the commands that answer the same.

Keeps: 1. Pages only read, each through the eyes of whoever asks. 2. The values are those of the
page's ``.json`` twin; what only the page needs stands in ``extra``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kizuna.app.console.asked import Asked, instant
from kizuna.app.console.buying import assess_page, procure_page
from kizuna.app.console.catalogs import catalog_data, catalogs_data
from kizuna.app.console.cells import quoted
from kizuna.app.console.creation import process_page, risk_page
from kizuna.app.console.drawing import draw
from kizuna.app.console.fleet import fleet_data, over_time
from kizuna.app.console.folding import Box, Chain
from kizuna.app.console.inbox import inbox_page
from kizuna.app.console.reading import Reading
from kizuna.app.console.texts import say
from kizuna.app.wiring.messages import text
from kizuna.model.errors import Absent, Malformed
from kizuna.model.identifier import Digest, canonical
from kizuna.record.store.view import View

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Run", "Showing", "Shown"]

Run = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a blocking call in a thread and gives its result."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one page shows."""

    template: str
    title: str
    data: dict[str, Any]
    commands: list[str]
    extra: dict[str, object] = field(default_factory=dict)


class Showing:
    """The pages of one workspace that read.

    Args:
        workspace: what is shown.
        run: how to run a blocking call beside the event loop.
        view: whose eyes the pages are for somebody who did not sign in.
    """

    def __init__(self, workspace: Workspace, run: Run, view: View | None) -> None:
        self._workspace = workspace
        self._run = run
        self._public = Reading(workspace, view)
        self._operator = Reading(workspace, None)

    def of(self, asked: Asked) -> Reading:
        """The eyes of whoever asks."""
        if asked.visitor is not None and asked.visitor.identity is not None:
            return Reading(self._workspace, View.of(asked.visitor.identity))
        return self._operator if asked.operator else self._public

    async def portfolio(self, asked: Asked) -> Shown:
        """Everything watched, and how it stands."""
        verdict = asked.text("verdict")
        data = await self._run(lambda: self.of(asked).portfolio(verdict, asked.lang))
        return Shown(
            "portfolio.html",
            say("portfolio.title", asked.lang),
            data,
            ["kizuna watch list"] if data["total"] else [],
        )

    async def subject(self, asked: Asked) -> Shown:
        """One subject: verdict, chain, what depends on it, what was said of it."""
        subject = canonical(asked.needed("id"))
        profile = asked.text("profile") or await self._first_profile(asked)
        at_text = asked.text("at")
        at = instant(at_text)
        through = asked.many("through")
        data, chain = await self._run(
            lambda: self.of(asked).subject(subject, profile, at, asked.lang, through)
        )
        data["asked_at"] = at_text
        explain = asked.url("/explain", id=subject, profile=profile)
        when = f" --at {at_text}" if at_text else ""
        read = "".join(f" --through {quoted(name)}" for name in through)
        return Shown(
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

    async def explain(self, asked: Asked) -> Shown:
        """The tree of reasons."""
        subject = canonical(asked.needed("id"))
        profile = asked.text("profile") or await self._first_profile(asked)
        data = await self._run(lambda: self.of(asked).explain(subject, profile, asked.lang))
        title = say(
            "explain.title",
            asked.lang,
            name=data["name"],
            value=say("value." + data["verdict"], asked.lang),
        )
        return Shown(
            "explain.html",
            title,
            data,
            [f"kizuna explain {quoted(subject)} --profile {profile}"],
        )

    async def compare(self, asked: Asked) -> Shown:
        """One chain under several lists or profiles."""
        subject = canonical(asked.needed("id"))
        profiles = asked.text("profile").split() or [await self._first_profile(asked)]
        lists = asked.text("lists").split()
        through = asked.many("through")
        data = await self._run(
            lambda: self.of(asked).compare(subject, profiles, lists or None, asked.lang, through)
        )
        words = [f"--profile {quoted(name)}" for name in profiles]
        words += [f"--list {quoted(name)}" for name in lists]
        words += [f"--through {quoted(name)}" for name in through]
        return Shown(
            "compare.html",
            say("compare.title", asked.lang, name=data["name"]),
            data,
            [f"kizuna verify {quoted(subject)} {' '.join(words)} --each-list"],
            extra={"words": lambda key, **values: text(key, asked.lang, **values)},
        )

    async def impact(self, asked: Asked) -> Shown:
        """What depends on a subject or statement."""
        of = asked.needed("id")
        of = of if len(of) == 64 and set(of) <= set("0123456789abcdef") else canonical(of)
        data = await self._run(lambda: self.of(asked).impact(of))
        data["profile"] = asked.text("profile")
        return Shown(
            "impact.html",
            say("impact.title", asked.lang, name=data["name"]),
            data,
            [f"kizuna impact {quoted(of)}"],
        )

    async def fleet(self, asked: Asked) -> Shown:
        """Devices and how they stand."""
        status, after = asked.text("status"), asked.text("after")
        data = await self._run(
            lambda: fleet_data(
                self._workspace, status, after, self.of(asked).view, operator=asked.operator
            )
        )

        def words(key: str, **values: object) -> str:
            return say(key, asked.lang, **values)

        narrowed = f" --status {status}" if status else ""
        return Shown(
            "fleet.html",
            say("fleet.title", asked.lang),
            data,
            [f"kizuna device fleet{narrowed}"] if data["devices"] else [],
            extra={
                "picture": over_time(data["history"], words),
                "reason": lambda name: text(f"fleet.reason.{name}", asked.lang),
            },
        )

    async def log(self, asked: Asked) -> Shown:
        """The entries of the log."""
        cursor = asked.text("cursor")
        if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 16):
            raise Malformed(
                "http.cursor-malformed",
                "the cursor is not one of ours",
                hint="take it from `next` of the page before",
            )
        data = await self._run(lambda: self.of(asked).log(int(cursor) if cursor else None, cursor))
        data["next"] = "" if data["following"] is None else str(data.pop("following"))
        return Shown(
            "log.html",
            say("log.title", asked.lang),
            data,
            ["kizuna log checkpoint", "kizuna log fsck"],
        )

    async def entry(self, asked: Asked) -> Shown:
        """One entry of the log."""
        statement, index = asked.text("statement"), asked.text("index")
        data: dict[str, Any] | None = None
        if len(statement) == 64 and set(statement) <= set("0123456789abcdef"):
            digest = Digest(bytes.fromhex(statement))
            data = await self._run(lambda: self.of(asked).entry(digest))
        elif index.isascii() and index.isdigit() and len(index) < 16:
            data = await self._run(lambda: self.of(asked).entry_at(int(index)))
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
        return Shown(
            "entry.html",
            say("entry.title", asked.lang, index=data["index"]),
            data,
            [f"kizuna log prove {data['index']}", f"kizuna impact {data['digest']}"],
        )

    async def lists(self, asked: Asked) -> Shown:
        """The lists that are believed."""
        data = await self._run(self.of(asked).lists)
        commands = [f"kizuna list show --list {found['name']}" for found in data["lists"]]
        return Shown("lists.html", say("lists.title", asked.lang), data, commands)

    async def federation(self, asked: Asked) -> Shown:
        """The federation that this store is in."""
        data = await self._run(self.of(asked).federation)
        commands = [f"kizuna federation show {e['entity']}" for e in data["entities"]]
        commands += ["kizuna federation self"] if data["own"] else []
        return Shown("federation.html", say("federation.title", asked.lang), data, commands)

    async def profiles(self, asked: Asked) -> Shown:
        """Every profile."""
        data = await self._run(lambda: self.of(asked).all_profiles(asked.lang))
        commands = [f"kizuna profile show {found['name']}" for found in data["profiles"]]
        return Shown("profiles.html", say("profiles.title", asked.lang), data, commands)

    async def catalogs(self, asked: Asked) -> Shown:
        """Catalogs, and what a verdict covers of one."""
        name, subject = asked.text("id"), asked.text("subject")
        profile = asked.text("profile")
        reading = self.of(asked)
        if not name:
            data = await self._run(lambda: catalogs_data(reading, asked.lang))
            return Shown(
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
        return Shown(
            "catalog.html",
            data["title"],
            data,
            [command],
            extra={"state": lambda word: text(f"covering.{word}", asked.lang)},
        )

    async def processes(self, asked: Asked) -> Shown:
        """A process, and what is expected at its borders."""
        name, profile = asked.text("name"), asked.text("profile")
        data, picture = await self._run(
            lambda: process_page(self._workspace, name, profile, asked.lang, self.of(asked).view)
        )
        known = await self._run(lambda: self.of(asked).profiles(asked.lang))
        commands = []
        if data["process"] is not None:
            called = data["process"]["name"]
            under = f" -p {profile}" if profile else ""
            commands = [f"kizuna vcp draw {called}{under} --out process.svg"]
            commands += [f"kizuna vcp gaps {called}{under}"] if profile else []
        return Shown(
            "processes.html",
            say("processes.title", asked.lang),
            data,
            commands,
            extra={"picture": picture, "profiles": known},
        )

    async def assess(self, asked: Asked) -> Shown:
        """Questions and gaps."""
        subject, profile = asked.text("subject"), asked.text("profile")
        view = self.of(asked).view
        data = await self._run(
            lambda: assess_page(self._workspace, subject, profile, asked.lang, view)
        )
        known = await self._run(lambda: self.of(asked).profiles(asked.lang))
        commands = [f"kizuna assess gaps {quoted(subject)} -p {profile}"] if data["gaps"] else []
        return Shown(
            "assess.html",
            say("assess.title", asked.lang),
            data,
            commands,
            extra={"profiles": known},
        )

    async def procure(self, asked: Asked) -> Shown:
        """A request for quotation, judged."""
        question = {m: asked.text(m) for m in ("product", "lines", "suppliers", "profile")}
        view = self.of(asked).view
        data = await self._run(
            lambda: procure_page(
                self._workspace, question, asked.lang, view, operator=asked.operator
            )
        )
        signed_in = asked.operator or asked.visitor is not None
        data["inbox"] = (
            await self._run(lambda: inbox_page(self._workspace, asked.lang, view))
            if signed_in
            else None
        )
        known = await self._run(lambda: self.of(asked).profiles(asked.lang))
        under = f" -p {question['profile']}" if question["profile"] else ""
        return Shown(
            "procure.html",
            say("procure.title", asked.lang),
            data,
            [
                f"kizuna procure check request.yaml{under}",
                *(["kizuna procure offers --check --seen"] if data["inbox"] else []),
            ],
            extra={"profiles": known},
        )

    async def risk(self, asked: Asked) -> Shown:
        """The plane of risk."""
        name = asked.text("framework")
        data, picture = await self._run(
            lambda: risk_page(self._workspace, name, asked.lang, self.of(asked).view)
        )
        return Shown(
            "risk.html",
            say("risk.title", asked.lang),
            data,
            ["kizuna risk plane --out plane.svg", "kizuna risk compare"],
            extra={"picture": picture},
        )

    async def _first_profile(self, asked: Asked) -> str:
        found = await self._run(lambda: self.of(asked).profiles(asked.lang))
        return str(found[0]["name"]) if found else ""
