# SPDX-License-Identifier: Apache-2.0
"""``kizuna list edit|draft|propose|proposals|enter|policy``: a whole list at once; two roles, two
signatures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kizuna.app.cli.door import Door, command
from kizuna.app.cli.key import read_jwk
from kizuna.app.cli.list_taking import change_lines
from kizuna.app.cli.times import instant

if TYPE_CHECKING:
    from kizuna.app.wiring.trust_lists_authoring import Authoring

__all__ = ["hang"]

_LIST = Annotated[
    str | None, typer.Option("--list", metavar="NAME", help="Which list; default: the store's own.")
]


def _authoring(door: Door, *, read_only: bool = False) -> Authoring:
    from kizuna.app.wiring.trust_lists_authoring import Authoring

    workspace = door.workspace(read_only=read_only)
    return Authoring(workspace, workspace.lists)


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "draft")
    def draft(
        door: Door,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")] = "-",
        list_name: _LIST = None,
    ) -> None:
        """Write a list as it stands, as a file for `list edit`."""
        Door.write_file(out, _authoring(door, read_only=True).draft(list_name))
        if out != "-":
            door.answer({"file": out}, [door.text("file.written", file=out)])

    @command(app, "edit")
    def edit(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="YAML, JSON or CSV: all of it.")],
        reason: Annotated[
            str, typer.Option("--reason", help="Why those who are not in the file leave the list.")
        ] = "",
        preview: Annotated[
            bool, typer.Option("--preview", help="Show what would change, and stop.")
        ] = False,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
        list_name: _LIST = None,
    ) -> None:
        """Make a list what a file says: the difference is shown, then signed.

        CSV columns: id, name, roles, scope, level, claims, until, state, reason (several values
        with spaces between).

        Example: kizuna list edit members.csv --reason "left the association"
        """
        authoring = _authoring(door, read_only=preview)
        told, steps = authoring.preview(Door.read(file), file, list_name=list_name, reason=reason)
        lines = change_lines(door, told["changes"])
        if preview or not steps:
            door.answer({**told, "preview": preview}, lines)
            return
        if not yes:
            for line in lines:
                if not door.as_json:
                    door.print(line)
        if not door.confirmed("list.edit-ask", yes=yes, count=len(steps), name=told["list"]):
            raise typer.Abort
        told["registered"] = authoring.enter_all(told["list"], steps)
        door.answer(told, [door.text("list.edited", name=told["list"], count=len(steps))])

    @command(app, "propose")
    def propose(
        door: Door,
        member: Annotated[str, typer.Argument(metavar="MEMBER", help="Identifier (DID).")],
        list_name: Annotated[
            str, typer.Option("--list", metavar="LIST", help="Name or identifier of the list.")
        ],
        reason: Annotated[str, typer.Option("--reason", help="What was looked at, or is wrong.")],
        role: Annotated[list[str] | None, typer.Option("--role", help="What it may say.")] = None,
        scope: Annotated[
            list[str] | None,
            typer.Option("--scope", metavar="PREFIX", help="About whose names; `*` is everything."),
        ] = None,
        level: Annotated[str | None, typer.Option("--level", help="Highest assurance.")] = None,
        state: Annotated[
            str, typer.Option("--state", help="granted, suspended or withdrawn.")
        ] = "granted",
        name: Annotated[str | None, typer.Option("--name", help="Its name, for people.")] = None,
        until: Annotated[str | None, typer.Option("--until", metavar="TIME")] = None,
        key: Annotated[
            list[str] | None,
            typer.Option("--key", metavar="JWK_FILE", help="Pin a public key (did:web)."),
        ] = None,
        log: Annotated[
            list[str] | None,
            typer.Option(
                "--log",
                metavar="ORIGIN",
                help="The log in which its statements stand; repeatable.",
            ),
        ] = None,
    ) -> None:
        """Propose, as a confirmation body, what the operator of a list should enter.

        Example: kizuna list propose did:key:z... --list makers --role maker --scope pkg:npm/fuji
        --reason "audit 2026-14 passed"
        """
        from kizuna.app.wiring.trust_lists_authoring import list_id_for, propose

        organisation = door.organisation()
        made = propose(
            organisation,
            member,
            list_id_for(organisation, list_name),
            state=state,
            roles=role or (),
            scope=scope or (),
            level=level,
            name=name,
            until=None if until is None else instant(until),
            reason=reason,
            keys=[read_jwk(file) for file in key or ()],
            logs=log or (),
        )
        door.answer(made, [door.text("list.proposed", **made)])

    @command(app, "proposals")
    def proposals(door: Door, list_name: _LIST = None) -> None:
        """Show the proposals for a list that wait for its operator."""
        found = _authoring(door, read_only=True).proposals(list_name)
        door.answer(
            {"proposals": found},
            [
                door.text(
                    "list.proposal",
                    proposal=p["proposal"],
                    member=p["member"],
                    state=p["state"],
                    by=p["proposed_by"],
                    reason=p["reason"] or "–",
                )
                for p in found
            ]
            or [door.text("list.no-proposals")],
        )

    @command(app, "enter")
    def enter(
        door: Door,
        proposal: Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its digest or index.")],
    ) -> None:
        """Enter what a confirmation body proposed; the entry cites the proposal."""
        made = _authoring(door).enter_proposal(proposal)
        words = "list.entered" if made["what"] != "unchanged" else "list.no-change"
        door.answer(made, [door.text(words, **made)])

    @command(app, "policy")
    def policy(
        door: Door,
        two_signatures: Annotated[
            list[str] | None,
            typer.Option(
                "--two-signatures",
                metavar="ACT",
                help="register, suspend or withdraw: only as a confirmation body proposed.",
            ),
        ] = None,
        by: Annotated[
            list[str] | None,
            typer.Option("--by", metavar="ACT=ROLE", help="Who may sign an act; repeatable."),
        ] = None,
        none: Annotated[bool, typer.Option("--none", help="Give the policy up.")] = False,
        list_name: _LIST = None,
    ) -> None:
        """Show who may change a list and with whom, or sign it anew.

        What breaks a list's policy is not registered, by whatever door it comes. What is not named
        stays as it stood; with --none only what is named is asked.

        Example: kizuna list policy --list makers --two-signatures register
        """
        from kizuna.app.wiring.lists.policy import policy_of, set_policy

        if two_signatures or by or none:
            told = set_policy(
                door.workspace(),
                list_name,
                two_signatures=two_signatures or (),
                by=by or (),
                none=none,
            )
        else:
            workspace = door.workspace(read_only=True)
            anchor = workspace.lists.anchor(list_name)
            found = policy_of(workspace, anchor.id, anchor.operator)
            document = {"list": anchor.id, "acts": {}} if found is None else found.document()
            told = {**document, "list": anchor.name}
        lines = [
            door.text(
                "list.policy-line" if rule.get("proposed_by") else "list.policy-line-alone",
                act=act,
                by=", ".join(rule.get("by", ())) or door.text("list.policy-anybody"),
                proposed=", ".join(rule.get("proposed_by", ())),
            )
            for act, rule in told["acts"].items()
        ]
        door.answer(told, lines or [door.text("list.policy-none", name=told["list"])])
