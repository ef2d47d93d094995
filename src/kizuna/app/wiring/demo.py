# SPDX-License-Identifier: Apache-2.0
"""The demo world in a store: built, judged, broken, explained, mended.

Keeps: 1. The world's organisations get keys from a random seed that lies in the store's folder, so
that a second demo in the same store is told by the same voices. 2. A store that was not made for a
demo is used only where it was named on purpose: a log cannot forget.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kizuna.app.wiring.folder import Folder, write_whole
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.messages import text
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Explained, Progress, quiet
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Problem, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind

if TYPE_CHECKING:
    from kizuna.worlds.building import Building, Story

__all__ = ["Demo", "open_demo"]


@dataclass(slots=True)
class Demo:
    """A demo world in an open store."""

    workspace: Workspace
    world: Building

    @property
    def story(self) -> Story:
        """What is broken and mended."""
        return self.world.stories[0]

    def register(self, progress: Progress = quiet) -> int:
        """Put the whole world into the store and watch its product; how many statements it took."""
        world = self.world
        taken = self._take([*world.memberships, *world.statements], progress)
        self._state_process()
        self.workspace.watch(world.root, self.workspace.profile(world.profile))
        return taken

    def _state_process(self) -> None:
        """Let the operator state the process that the world is part of, and keep it to look at."""
        from kizuna.app.wiring.vcp.intake import keep_registered
        from kizuna.chain.process import process_subject
        from kizuna.criteria.process import to_norm
        from kizuna.worlds.process import building_process

        process = building_process(self.world)
        operator = self.world.parties["shiomi"]
        norm = to_norm(process)
        subject = process_subject(operator.id, process.name)
        said = operator.say(Kind.NORM, subject, norm, self.workspace.clock())
        digest, _ = self.workspace.register_one(said)
        keep_registered(self.workspace, digest)

    def break_it(self) -> int:
        """Let the mishap happen."""
        return self._take(self.story.break_(self.workspace.clock()), quiet)

    def mend_it(self) -> int:
        """Do what the finding asks for."""
        return self._take(self.story.mend(self.workspace.clock()), quiet)

    def judge(self) -> Explained:
        """The product, as it stands now."""
        profile = self.workspace.profile(self.world.profile)
        return self.workspace.explain(Question(self.world.root, profile))

    def name_of(self, identifier: str, lang: str) -> str:
        """What people call it."""
        names: Mapping[str, str] = self.world.titles.get(SubjectId(identifier), {})
        return names.get(lang, "") or names.get("en", "") or identifier

    def _take(self, statements: list[bytes], progress: Progress) -> int:
        outcomes = self.workspace.register(
            statements, dict(self.world.documents), progress=progress
        )
        for outcome in outcomes:
            problem: Problem | None = getattr(outcome, "problem", None)
            if problem is not None:
                raise problem
        return len(outcomes)


def open_demo(settings: Settings, *, named: bool) -> Demo:
    """The demo world for a store, made where there is none.

    Args:
        settings: with the store's folder.
        named: whether somebody named that folder on purpose.

    Raises:
        Refused: ``demo.own-store``.
    """
    from kizuna.worlds.building import building
    from kizuna.worlds.party import Party

    folder = Folder(settings.store)
    seed_file = folder.path / "demo-seed"
    if not folder.exists():
        workspace = Workspace.init(
            settings.store,
            text("demo.council", "en"),
            now=settings.clock(),
            settings=settings,
        )
    elif seed_file.is_file() or named:
        workspace = Workspace.open(settings=settings)
    else:
        raise Refused(
            "demo.own-store",
            f"{folder.path} is a store of your own",
            why="the demo's invented organisations would stay in its log for ever",
            hint="give the demo a folder of its own: `kizuna demo --store ./demo`",
            path=str(folder.path),
        )
    try:
        if seed_file.is_file():
            seed = seed_file.read_bytes()
        else:
            seed = secrets.token_bytes(32)
            write_whole(seed_file, seed)
        name = workspace.name
        world = building(
            workspace.clock(),
            seed=seed,
            council=Party(
                id=workspace.identity,
                title={"en": name, "ja": name},
                unit=workspace.unit,
                handle=workspace.handle,
            ),
            list_id=workspace.list_id,
        )
    except BaseException:
        workspace.close()
        raise
    return Demo(workspace, world)
