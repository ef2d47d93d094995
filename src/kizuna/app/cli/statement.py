# SPDX-License-Identifier: Apache-2.0
"""``kizuna statement``: signed statements, made, registered and looked at."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import entry_line

if TYPE_CHECKING:
    from kizuna.model.kind import Kind

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "sign")
    def sign(
        door: Door,
        kind: Annotated[str, typer.Option("--kind", help="certificate, capability, link ...")],
        subject: Annotated[str, typer.Option("--subject", help="What it is about.")],
        payload: Annotated[str, typer.Option("--payload", metavar="FILE", help="JSON.")],
        out: Annotated[str, typer.Option("--out", metavar="FILE", help="The COSE_Sign1.")],
        audience: Annotated[
            list[str] | None,
            typer.Option("--audience", metavar="DID", help="Only these parties may read it."),
        ] = None,
        register: Annotated[
            bool, typer.Option("--register", help="Register it in this store, too.")
        ] = False,
    ) -> None:
        """Sign a payload in the organisation's name.

        Example: kizuna statement sign --kind certificate --subject pkg:generic/fan
        --payload ce.json --out ce.cose
        """
        from kizuna.model.identifier import canonical
        from kizuna.model.payload import decode_payload

        chosen = _kind(kind)
        workspace = door.workspace(read_only=not register)
        signed = workspace.say(
            chosen,
            canonical(subject),
            decode_payload(chosen, Door.read(payload, limit=2 << 20)),
            audience=[canonical(a) for a in audience or ()],
        )
        Door.write_file(out, signed.statement)
        told: dict[str, Any] = {"digest": signed.digest, "file": out, "documents": []}
        for place, document in enumerate(signed.documents.values()):
            beside = f"{out}.document" + (f"-{place}" if place else "")
            if out != "-":
                Door.write_file(beside, document)
                told["documents"].append(beside)
        if register:
            told["index"] = workspace.register_one(signed.statement, signed.documents)[1]
        if out != "-":
            door.answer(told, [signed.digest])

    @command(app, "register")
    def register(
        door: Door,
        files: Annotated[list[str], typer.Argument(metavar="FILE...", help="`-` is stdin.")],
        document: Annotated[
            list[str] | None,
            typer.Option(
                "--document", metavar="FILE", help="Documents that statements sign by hash."
            ),
        ] = None,
    ) -> None:
        """Register signed statements made elsewhere; one bad statement refuses itself only.

        Example: kizuna statement register ce.cose
        """
        from kizuna.model.identifier import digest_of

        documents = {digest_of(d): d for d in (Door.read(f) for f in document or ())}
        told = _registered(
            door.workspace().register(
                [Door.read(f, limit=2 << 20) for f in files], documents, progress=door.bars
            ),
            door.lang,
            door,
        )
        door.answer(
            told,
            [door.text("register.done", count=len(told["registered"]))]
            + [door.text("register.refused", **r) for r in told["refused"]],
        )
        if told["refused"]:
            raise Failure(told["outcome"])

    @command(app, "show")
    def show(
        door: Door,
        digest: Annotated[str, typer.Argument(metavar="DIGEST", help="64 hex digits.")],
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write the statement with its receipt."),
        ] = None,
    ) -> None:
        """Show a registered statement: who, about what, since when, and what it says."""
        from kizuna.app.wiring.showing import entry
        from kizuna.app.wiring.workspace import parse_digest

        workspace = door.workspace(read_only=True)
        told = entry(workspace, parse_digest(digest), None)
        if out is not None:
            Door.write_file(out, workspace.transparent(digest))
        door.answer(told, lambda: json.dumps(told, ensure_ascii=False, indent=2).splitlines())

    @command(app, "list")
    def list_(
        door: Door,
        subject: Annotated[
            str | None, typer.Option("--subject", help="What they are about.")
        ] = None,
        issuer: Annotated[str | None, typer.Option("--issuer", help="Who says it.")] = None,
        kind: Annotated[str | None, typer.Option("--kind", help="certificate, link ...")] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, max=10_000)] = 20,
        before: Annotated[int | None, typer.Option("--before", metavar="INDEX")] = None,
    ) -> None:
        """List registered statements, the newest first.

        Example: kizuna statement list --subject pkg:generic/fan --kind certificate
        """
        from kizuna.app.wiring.logs import statements
        from kizuna.model.identifier import canonical

        rows = statements(
            door.workspace(read_only=True),
            subject=None if subject is None else canonical(subject),
            issuer=None if issuer is None else canonical(issuer),
            kind=None if kind is None else _kind(kind),
            limit=limit,
            before=before,
        )
        door.answer({"statements": rows}, [entry_line(row) for row in rows])

    @command(app, "schema")
    def schema(
        door: Door,
        kind: Annotated[str | None, typer.Argument(metavar="KIND")] = None,
    ) -> None:
        """Print the JSON Schemas of payloads, of one kind or all."""
        from kizuna.model.errors import Absent
        from kizuna.model.payload import schemas

        every = schemas()
        if kind is not None and kind not in every:
            raise Absent(
                "statement.kind-unknown",
                f"no kind of statement is called {kind!r}",
                hint="one of " + ", ".join(every),
                kind=kind,
                known=", ".join(every),
            )
        told = every if kind is None else every[kind]
        door.answer(told, lambda: json.dumps(told, ensure_ascii=False, indent=2).splitlines())


def _kind(name: str) -> Kind:
    from kizuna.model.errors import Malformed
    from kizuna.model.kind import Kind

    if name not in list(Kind):
        raise Malformed(
            "statement.kind-unknown",
            f"no kind of statement is called {name[:40]!r}",
            hint="one of " + ", ".join(Kind),
            kind=name[:40],
            known=", ".join(Kind),
        )
    return Kind(name)


def _registered(outcomes: list[Any], lang: str, door: Door | None = None) -> dict[str, Any]:
    from kizuna.app.wiring.answers import problem_json
    from kizuna.record.store import Accepted

    registered, refused, receipts = [], [], []
    outcome = None
    for result in outcomes:
        if isinstance(result, Accepted):
            registered.append(
                {
                    "digest": result.digest.hex(),
                    "index": result.index,
                    "registered_at": result.registered_at,
                    "duplicate": result.duplicate,
                }
            )
            if door is not None:
                receipt = door.workspace().store.receipt(result.digest)
                receipts.append(base64.b64encode(receipt).decode())
        else:
            outcome = outcome or result.problem.outcome
            refused.append(
                {
                    **problem_json(result.problem, lang),
                    "digest": result.digest.hex() if result.digest else None,
                }
            )
    return {
        "registered": registered,
        "refused": refused,
        "receipts": receipts,
        **({"outcome": outcome} if outcome is not None else {}),
    }
