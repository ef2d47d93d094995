# SPDX-License-Identifier: Apache-2.0
"""``kizuna explain``: the tree of reasons behind a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import tree_lines
from kizuna.app.cli.times import instant, known_of, not_known_elsewhere

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "explain")
    def explain(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT")],
        profile: Annotated[
            str, typer.Option("--profile", "-p", help="Profile by name, or a YAML or JSON file.")
        ],
        at: Annotated[
            str | None, typer.Option("--at", metavar="TIME", help="Valid at this instant.")
        ] = None,
        known: Annotated[
            list[str] | None, typer.Option("--known", metavar="CHECKPOINT", help="As `verify`.")
        ] = None,
        lists: Annotated[
            list[str] | None,
            typer.Option("--list", metavar="NAME", help="Believe these lists only."),
        ] = None,
        offline: Annotated[
            bool,
            typer.Option(
                "--offline", help="Ask no store elsewhere; judge by what is remembered of them."
            ),
        ] = False,
        depth: Annotated[int, typer.Option("--depth", min=0, help="Tiers to print.")] = 12,
    ) -> None:
        """Show why SUBJECT stands as it does: the chain as a tree, the worst first.

        In the folder of an organisation that joined a store elsewhere, the proof comes from there.

        Example: kizuna explain pkg:npm/left-pad@1.3.0 --profile software-product
        """
        from kizuna.app.wiring.judging.across import AcrossJudge, stores_elsewhere
        from kizuna.app.wiring.judging.answers import tree_json
        from kizuna.app.wiring.judging.question import Question
        from kizuna.app.wiring.member.saying import member_of
        from kizuna.app.wiring.naming import identifiers_in, names_in_tree, unnamed_in_tree
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.model.identifier import canonical

        moment = None if at is None else instant(at)
        here: Workspace | None = None
        if (member := member_of(door.settings)) is not None:
            not_known_elsewhere(known)
            chosen = find_profile(profile, door.settings)
            own = member.identity
            explained, names = member.explain(
                Question(canonical(subject), chosen, at=moment, lists=lists)
            )
        else:
            here = workspace = door.workspace(read_only=True)
            own, chosen = workspace.identity, workspace.profile(profile)
            wanted, heads = canonical(subject), workspace.known(known_of(known or ()))
            question = Question(wanted, chosen, at=moment, known=heads, lists=lists)
            judge = AcrossJudge(workspace) if stores_elsewhere(workspace) else None
            if judge is None:
                explained = workspace.explain(question)
            else:
                explained = judge.explain(question, offline=offline)
            spoken_of = identifiers_in(explained.verdict.findings)
            spoken_of |= unnamed_in_tree(explained.tree)
            names = names_in_tree(explained.tree)
            if judge is None:
                names = workspace.names(spoken_of) | names
            else:
                names = judge.names(wanted, spoken_of) | names
        verdict = explained.verdict
        tree = tree_json(explained.tree, door.lang, profile=chosen, names=names)
        if here is not None:
            from kizuna.app.wiring.served.hosted import with_signers

            tree = with_signers(here, tree)
        door.answer(
            {
                "tree": tree,
                "verdict": verdict.value.word,
                "subject": verdict.subject,
                "profile": verdict.profile,
                "at": verdict.at,
            },
            lambda: tree_lines(door, tree, depth=depth, own=own),
        )
        if verdict.outcome:
            raise Failure(verdict.outcome)
