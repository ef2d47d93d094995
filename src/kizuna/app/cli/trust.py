# SPDX-License-Identifier: Apache-2.0
"""``kizuna trust``: the verifier's own anchors."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kizuna.app.cli.door import Door, command

__all__ = ["hang"]


def _told(anchors: Any) -> dict[str, Any]:  # noqa: ANN401 - model.trust.Anchors, imported late
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(anchors)
    return {
        "anchors": plain.get("lists", []),
        "logs": plain.get("logs", []),
        "witnesses": plain.get("witnesses", []),
        "quorum": plain.get("quorum", 0),
        "identities": plain.get("identities", []),
        "verifier": plain.get("verifier"),
    }


def _lines(door: Door, told: dict[str, Any]) -> list[str]:
    lines = [
        door.text("trust.list", name=a["name"], operator=a["operator"]) for a in told["anchors"]
    ]
    lines += [door.text("trust.log", origin=g["origin"]) for g in told["logs"]]
    lines += [door.text("trust.witness", name=w["name"]) for w in told["witnesses"]]
    lines.append(door.text("trust.quorum", quorum=told["quorum"], witnesses=len(told["witnesses"])))
    return lines


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "export")
    def export(
        door: Door,
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")],
    ) -> None:
        """Write whom this verifier believes: lists, log keys, witness keys, quorum.

        Example: kizuna trust export --out trust.json
        """
        anchors = door.workspace(read_only=True).anchors()
        Door.write_file(out, anchors.to_json() + b"\n")
        if out == "-":
            return
        told = {**_told(anchors), "file": out}
        door.answer(told, [*_lines(door, told), door.text("file.written", file=out)])

    @command(app, "show")
    def show(door: Door) -> None:
        """Show whom this verifier believes."""
        told = _told(door.workspace(read_only=True).anchors())
        door.answer(told, _lines(door, told))

    @command(app, "import")
    def import_(
        door: Door,
        file: Annotated[str, typer.Argument(metavar="FILE", help="Anchors of somebody else.")],
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Believe also what a trust file names: its lists, logs and witnesses are added.

        Check over a second channel whose file it is: whoever is in it can make things trusted.
        """
        from kizuna.model.trust import Anchors

        more = Anchors.from_json(Door.read(file, limit=4 << 20))
        workspace = door.workspace()
        if not door.confirmed("trust.confirm", yes=yes, lists=len(more.lists), logs=len(more.logs)):
            return
        told = _told(workspace.trust.add(more))
        door.answer(told, _lines(door, told))

    @command(app, "witness")
    def witness(
        door: Door,
        key: Annotated[str, typer.Argument(metavar="VKEY", help="C2SP verifier key of a witness.")],
        quorum: Annotated[
            int | None,
            typer.Option("--quorum", min=0, help="How many witnesses must have cosigned."),
        ] = None,
    ) -> None:
        """Believe a witness, and say how many of them must have cosigned a checkpoint."""
        told = _told(door.workspace().trust.add_witness(key, quorum))
        door.answer(told, _lines(door, told))

    @command(app, "log")
    def log(
        door: Door,
        origin: Annotated[
            str, typer.Argument(metavar="ORIGIN", help="Its origin, as its checkpoints say.")
        ],
        url: Annotated[str, typer.Argument(metavar="URL", help="Where its store answers.")],
        key: Annotated[
            list[str] | None,
            typer.Option("--key", metavar="VKEY", help="C2SP verifier key of the log; repeatable."),
        ] = None,
        signed: Annotated[
            bool | None,
            typer.Option(
                "--signed/--unsigned",
                help="Sign what its store is asked, to see what is restricted to you there.",
            ),
        ] = None,
    ) -> None:
        """Say where the store of a log is asked, and under which keys its checkpoints count.

        Where a believed list enters you with this log, questions are signed without being told so.

        Example: kizuna trust log kyoto.example/log https://store.kyoto.example --key VKEY --signed
        """
        told = _told(door.workspace().trust.add_log(origin, url, key or (), signed=signed))
        door.answer(told, [door.text("trust.log-added", origin=origin, url=url)])

    @command(app, "forks")
    def forks(
        door: Door,
        publish: Annotated[
            bool, typer.Option("--publish", help="Register a notice with each, signed by you.")
        ] = False,
    ) -> None:
        """Show the evidence kept against logs that showed two histories."""
        from kizuna.app.wiring.remote import Forks, publish_forks

        workspace = door.workspace(read_only=not publish)
        found = Forks(workspace.path / "remote").all()
        published = publish_forks(workspace) if publish else []
        door.answer(
            {"forks": found, "published": published},
            [door.text("trust.forks.line", **one, file=one["files"][0]) for one in found]
            or [door.text("trust.forks.none")],
        )
