# SPDX-License-Identifier: Apache-2.0
"""``kizuna verify``: is it trusted, under this profile, as of then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import verdict_lines
from kizuna.app.cli.times import instant, known_of, not_known_elsewhere

if TYPE_CHECKING:
    from kizuna.app.wiring.criteria.travelling import Norms
    from kizuna.app.wiring.offline import Opened
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.criteria.profiles import Profile
    from kizuna.model.identifier import SubjectId
    from kizuna.model.outcome import Outcome
    from kizuna.model.verdict import Verdict

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "verify")
    def verify(
        door: Door,
        profile: Annotated[
            list[str],
            typer.Option(
                "--profile",
                "-p",
                help="Profile by name, or a YAML or JSON file; several: a verdict for each.",
            ),
        ],
        subject: Annotated[
            str | None, typer.Argument(metavar="SUBJECT", help="Identifier of what is judged.")
        ] = None,
        at: Annotated[
            str | None, typer.Option("--at", metavar="TIME", help="Valid at this instant.")
        ] = None,
        known: Annotated[
            list[str] | None,
            typer.Option(
                "--known",
                metavar="CHECKPOINT",
                help="Judge by what was registered then: a checkpoint file or ORIGIN@SIZE[:ROOT].",
            ),
        ] = None,
        lists: Annotated[
            list[str] | None,
            typer.Option("--list", metavar="NAME", help="Believe these lists only."),
        ] = None,
        each_list: Annotated[
            bool,
            typer.Option(
                "--each-list",
                help="A verdict under each list (A,B: under both), and what makes them differ.",
            ),
        ] = False,
        through: Annotated[
            list[str] | None,
            typer.Option(
                "--through",
                metavar="MAPPING",
                help="Count claims made under another catalog as far as this mapping carries them.",
            ),
        ] = None,
        bundle: Annotated[
            str | None,
            typer.Option("--bundle", metavar="FILE", help="Judge a proof bundle; needs no store."),
        ] = None,
        trust: Annotated[
            str | None,
            typer.Option("--trust", metavar="FILE", help="Whom the verifier believes (bundles)."),
        ] = None,
        offline: Annotated[
            bool,
            typer.Option(
                "--offline", help="Ask no store elsewhere; judge by what is remembered of them."
            ),
        ] = False,
        all_findings: Annotated[
            bool, typer.Option("--all", help="Show every finding, not the first dozen kinds.")
        ] = False,
    ) -> None:
        """Judge the chain of trust behind SUBJECT; the exit code says how it stands.

        In the folder of an organisation that joined a store elsewhere, the proof comes from there.

        Where the anchors give the address of other stores, those that can hold something about the
        chain are asked, and every answer is proven.

        Example: kizuna verify pkg:npm/left-pad@1.3.0 --profile software-product

        Example: kizuna verify --bundle proof.kz --trust trust.json --profile iot-device

        Example: kizuna verify SUBJECT -p software-product --list own --list area --each-list

        Example: kizuna verify SUBJECT -p supplier --through our-csf-to-cpsf
        """
        from kizuna.app.wiring.judging.across import AcrossJudge, stores_elsewhere
        from kizuna.app.wiring.judging.question import Question
        from kizuna.app.wiring.member.saying import member_of
        from kizuna.app.wiring.naming import identifiers_in
        from kizuna.app.wiring.profiles import find_profile
        from kizuna.model.errors import Malformed
        from kizuna.model.identifier import canonical

        moment = None if at is None else instant(at)
        if bundle is None and subject is None:
            raise Malformed(
                "verify.nothing",
                "nothing to judge: name a SUBJECT or a --bundle FILE",
                hint="`kizuna import FILE` prints the identifier of what it read",
            )
        wanted = None if subject is None else canonical(subject)
        if each_list or len(profile) > 1:
            _several(
                door,
                wanted,
                profile,
                lists,
                moment,
                known,
                each=each_list,
                through=through or (),
                bundle=bundle,
                offline=offline,
            )
            return
        (measure,) = profile
        proof: Opened | None = None
        ask: Callable[[Profile], tuple[Verdict, dict[str, str]]]
        here: Workspace | None = None
        own = ""
        if bundle is not None:
            from kizuna.app.wiring.offline import opened

            chosen = find_profile(measure, door.settings)
            data = Door.read(bundle)
            anchors = None if trust is None else Door.read(trust)
            proof = opened(data, anchors, subject=wanted, lists=lists)
            then = door.settings.clock() if moment is None else moment

            ask = partial(_over, proof, then)
        elif (member := member_of(door.settings)) is not None:
            not_known_elsewhere(known)
            own = member.identity
            chosen = find_profile(measure, door.settings)
            assert wanted is not None  # noqa: S101 - checked above
            asked = Question(wanted, chosen, at=moment, lists=lists)
            proof = member.proof(asked, through=through or ())
            ask = partial(_over, proof, member.moment(asked))
        else:
            here = workspace = door.workspace(read_only=True)
            own = workspace.identity
            chosen = workspace.profile(measure)
            assert wanted is not None  # noqa: S101 - checked above
            heads = workspace.known(known_of(known or ()))
            question = Question(wanted, chosen, at=moment, known=heads, lists=lists)
            elsewhere = stores_elsewhere(workspace)
            judge = AcrossJudge(workspace) if elsewhere else None
            if judge is not None and not offline:
                door.say("across.asking", count=len(elsewhere))

            def here_and_there(by: Profile) -> tuple[Verdict, dict[str, str]]:
                put = replace(question, profile=by)
                if judge is None:
                    found = workspace.verify(put)
                    return found, workspace.names(identifiers_in(found.findings))
                found = judge.verify(put, offline=offline)
                return found, judge.names(put.subject, identifiers_in(found.findings))

            ask = here_and_there
        norms = proof.norms() if proof is not None and through else None
        told, outcome = _judged(door, chosen, through, ask, norms)
        if here is not None and wanted is not None:
            from kizuna.app.wiring.served.hosted import signed_for

            if signers := signed_for(here, [wanted]):
                told["signed_for"] = signers[wanted]
        door.answer(told, lambda: verdict_lines(door, told, everything=all_findings, own=own))
        if outcome:
            raise Failure(outcome)


def _over(proof: Opened, at: int, by: Profile) -> tuple[Verdict, dict[str, str]]:
    return proof.verify(by, at=at)


def _judged(
    door: Door,
    profile: Profile,
    through: list[str] | None,
    ask: Callable[[Profile], tuple[Verdict, dict[str, str]]],
    norms: Norms | None,
) -> tuple[dict[str, Any], Outcome]:
    """The verdict as it is told, read through mappings where some are named; and its outcome."""
    from kizuna.app.wiring.judging.answers import verdict_json

    if not through:
        verdict, names = ask(profile)
        told = verdict_json(verdict, door.lang, profile=profile, names=names)
        return told, verdict.outcome
    from kizuna.app.wiring.criteria.through import reading_through

    called: dict[str, str] = {}

    def put(by: Profile) -> Verdict:
        found, more = ask(by)
        called.update(more)
        return found

    reading = reading_through(door.settings, profile, through, norms)
    verdict = reading.judge(put)
    told = verdict_json(verdict, door.lang, profile=reading.profile, names=called)
    return told | {"through": reading.told(door.lang)}, verdict.outcome


def _several(
    door: Door,
    subject: SubjectId | None,
    profiles: list[str],
    lists: list[str] | None,
    at: int | None,
    known: list[str] | None,
    *,
    each: bool,
    through: Sequence[str],
    bundle: str | None,
    offline: bool,
) -> None:
    """A verdict for each list or profile, and what makes them differ."""
    from kizuna.app.cli.compare import compared_lines
    from kizuna.app.wiring.comparing.several_lists import judge_each, measures_of
    from kizuna.app.wiring.judging.across import AcrossJudge, stores_elsewhere
    from kizuna.app.wiring.member.saying import member_of
    from kizuna.model.errors import Malformed

    if bundle is not None or subject is None or member_of(door.settings) is not None:
        raise Malformed(
            "verify.several-here",
            "several verdicts at once are drawn up from a store",
            why="a bundle is made for one question",
            hint="ask once for each profile, with the lists that shall count: --list NAME",
        )
    workspace = door.workspace(read_only=True)
    elsewhere = stores_elsewhere(workspace)
    if elsewhere and not offline:
        door.say("across.asking", count=len(elsewhere))
    heard: list[Evidence] = []
    across = (
        partial(AcrossJudge(workspace).verify, offline=offline, heard=heard) if elsewhere else None
    )
    told, outcome = judge_each(
        workspace,
        subject,
        measures_of(
            workspace,
            [workspace.profile(name) for name in profiles],
            lists,
            each=each,
            through=through,
        ),
        door.lang,
        at=at,
        known=workspace.known(known_of(known or ())),
        verify=across,
        heard=heard,
    )
    door.answer(told, lambda: compared_lines(door, told))
    if outcome:
        raise Failure(outcome)
