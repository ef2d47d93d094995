# SPDX-License-Identifier: Apache-2.0
"""``kizuna demo``: a whole world in a minute, broken once and mended."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.show import mark, tree_lines

if TYPE_CHECKING:
    from kizuna.app.wiring.demo import Demo
    from kizuna.app.wiring.values import Explained

__all__ = ["PORT", "hang", "leave_open"]

_FINDINGS = 5
PORT = 8473


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "demo")
    def demo(
        door: Door,
        no_serve: Annotated[
            bool, typer.Option("--no-serve", help="End after mending, on a terminal too.")
        ] = False,
        port: Annotated[int, typer.Option("--port", min=0, max=65535)] = PORT,
    ) -> None:
        """Build a small world, judge it, break one thing, say who must do what, mend it.

        On a terminal a server with the console then stays open; elsewhere the demo ends by itself.

        Example: kizuna demo --store ./demo
        """
        from kizuna.app.wiring.demo import open_demo

        named = door.store_named or bool(os.environ.get("KIZUNA_STORE"))
        told = _Story(door, open_demo(door.settings, named=named))
        try:
            told.run()
            serving = not no_serve and not door.as_json and sys.stdout.isatty()
            if serving:
                leave_open(door, told.demo, port)
        finally:
            told.demo.workspace.close()


class _Story:
    """The demo as it is told."""

    def __init__(self, door: Door, demo: Demo) -> None:
        self.door = door
        self.demo = demo

    def run(self) -> None:
        """Tell it, and give the answer."""
        door, demo = self.door, self.demo
        world, story = demo.world, demo.story
        count = demo.register(door.bars)
        self._say("demo.built", statements=count, organisations=len(world.parties) + 1)
        before = self._judged("demo.before", tree=True)
        self._say("")
        self._say("demo.break", title=_word(story.title, door.lang))
        self._say(f"  {_word(story.broken, door.lang)}")
        demo.break_it()
        broken = self._judged("demo.broken", tree=False)
        self._reasons(broken)
        self._say("")
        self._say("demo.mend", party=demo.name_of(story.party, door.lang))
        self._say(f"  {_word(story.mended, door.lang)}")
        demo.mend_it()
        mended = self._judged("demo.mended", tree=False)
        verdicts = {
            "before": before.verdict.value.word,
            "broken": broken.verdict.value.word,
            "mended": mended.verdict.value.word,
        }
        if not door.as_json:
            self._say("")
            self._say(
                "demo.next",
                program=_program(),
                root=world.root,
                profile=world.profile,
                store=door.settings.store,
            )
            return
        door.answer(
            {
                "root": world.root,
                "profile": world.profile,
                "hidden": list(world.hidden),
                "verdicts": verdicts,
                "statements": count,
                "story": story.name,
                "turn": story.party,
            },
            [],
        )

    def _judged(self, key: str, *, tree: bool) -> Explained:
        door = self.door
        explained = self.demo.judge()
        verdict = explained.verdict
        if not door.as_json:
            from kizuna.app.wiring.judging.answers import tree_json

            self._say("")
            door.print(
                f"{door.text(key)}  {mark(door, verdict.value.word)}  "
                f"{self.demo.name_of(self.demo.world.root, door.lang)}"
            )
            if tree:
                told = tree_json(explained.tree, door.lang, names=self._names())
                for line in tree_lines(door, told, depth=6):
                    door.print("  " + line)
        return explained

    def _reasons(self, explained: Explained) -> None:
        from kizuna.app.wiring.judging.answers import verdict_json

        door = self.door
        told = verdict_json(explained.verdict, door.lang, names=self._names())
        findings: list[dict[str, Any]] = told["findings"]
        for finding in [f for f in findings if f["counts"]][:_FINDINGS]:
            self._say(f"  {finding['code']}  {self.demo.name_of(finding['subject'], door.lang)}")
            self._say(f"    {finding['message']}")
            if finding["mend"]:
                self._say(f"    → {finding['mend']}")

    def _names(self) -> dict[str, str]:
        titles = self.demo.world.titles
        return {i: self.demo.name_of(i, self.door.lang) for i in titles}

    def _say(self, key: str, **values: object) -> None:
        if not self.door.as_json:
            self.door.print(self.door.text(key, **values) if values else self._plain(key))

    def _plain(self, key: str) -> str:
        return self.door.text(key) if key.startswith("demo.") else key


def _word(words: Any, lang: str) -> str:  # noqa: ANN401 - a mapping by language
    return str(words.get(lang) or words.get("en") or "")


def _program() -> str:
    """How to call the program again: by its name, or by its place where no name leads to it."""
    called = Path(sys.argv[0])
    return "kizuna" if called.name != "kizuna" or which("kizuna") else str(called)


def leave_open(door: Door, demo: Demo, port: int) -> None:
    """Serve the demo's store with its console until interrupted."""
    from kizuna.app.wiring.server import serve
    from kizuna.model.errors import Unavailable

    def ready(url: str, token: str) -> None:
        door.say("serve.ready", url=url)
        door.say("serve.sign-in", url=url, token=token)

    def run(port: int) -> None:
        serve(demo.workspace, host="127.0.0.1", port=port, progress=door.bars, ready=ready)

    try:
        run(port)
    except Unavailable as taken:
        if taken.code != "http.port" or port != PORT:
            raise
        run(0)  # nobody asked for that port: any other will do
