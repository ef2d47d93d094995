# SPDX-License-Identifier: Apache-2.0
"""``kizuna statement``: signed statements, made, registered and looked at."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kizuna.app.cli import statement_wrap
from kizuna.app.cli.assess import tell_unusual
from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import entry_line, tell_beyond
from kizuna.app.cli.times import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kizuna.app.wiring.speaking import Organisation
    from kizuna.model.identifier import SubjectId
    from kizuna.model.kind import Kind
    from kizuna.model.payload import Payload

__all__ = ["hang"]

_CLAIMS: Final = ("capability", "evidence", "certificate")


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree."""

    @command(app, "claim")
    def claim(
        door: Door,
        subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="What it is about.")],
        sort: Annotated[
            str, typer.Argument(metavar="TYPE", help="What is said, as the finding names it.")
        ],
        fields: Annotated[
            list[str] | None,
            typer.Argument(metavar="FIELD=VALUE...", help="Its fields; a list is written [a,b]."),
        ] = None,
        kind: Annotated[
            str | None,
            typer.Option(
                "--kind", help="capability, evidence or certificate; else as profiles read it."
            ),
        ] = None,
        until: Annotated[
            str | None, typer.Option("--until", metavar="TIME", help="It holds until then.")
        ] = None,
        level: Annotated[
            str | None,
            typer.Option("--level", help="self-declared, second-party or third-party."),
        ] = None,
    ) -> None:
        """Say one thing of a subject in the organisation's name, sign it and register it.

        In the folder of an organisation that joined a store elsewhere it is registered there.

        Example: kizuna statement claim pkg:generic/fan vulnerability-contact
        contact=psirt@fan.example

        Example: kizuna statement claim pkg:generic/fan security-test open_critical=0
        """
        from kizuna.app.wiring.profiles import every_profile
        from kizuna.app.wiring.saying import kind_read, remarks_on
        from kizuna.model.errors import Malformed
        from kizuna.model.identifier import canonical
        from kizuna.model.payload import decode_payload

        profiles = every_profile(door.settings)
        chosen = kind_read(sort, profiles) if kind is None else _kind(kind)
        if chosen not in _CLAIMS:
            raise Malformed(
                "statement.no-claim",
                f"a {chosen} is more than a type with fields",
                hint="write its payload as JSON and use `kizuna statement sign`; "
                "`kizuna statement schema` prints the shapes",
                kind=chosen,
            )
        named = dict(map(_field, fields or ()))
        payload: dict[str, Any] = {"type": sort, "claims": named}
        if until is not None:
            payload["valid_until"] = datetime.fromtimestamp(instant(until), UTC).isoformat()
        if level is not None:
            payload["level"] = level
        what = canonical(subject)
        said = decode_payload(chosen, json.dumps(payload).encode())
        digest, index = _say(door, chosen, what, said)
        door.answer(
            {"digest": digest, "index": index},
            [door.text("statement.claimed", type=sort, subject=what, index=index), digest],
        )
        for words, values in remarks_on(sort, chosen, named, profiles):
            door.say(words, **values)

    @command(app, "complete")
    def complete(
        door: Door,
        subject: Annotated[
            str, typer.Argument(metavar="SUBJECT", help="Whose list of parts it is.")
        ],
    ) -> None:
        """Say that the list of parts of SUBJECT, as this organisation imported it, is complete.

        Example: kizuna statement complete pkg:generic/fan
        """
        from kizuna.model.identifier import canonical
        from kizuna.model.kind import Kind
        from kizuna.model.payload import Links
        from kizuna.model.relation import Relation

        what = canonical(subject)
        said = Links(complete=[Relation.PART_OF], part="completeness")
        digest, index = _say(door, Kind.LINK, what, said)
        door.answer(
            {"digest": digest, "index": index},
            [door.text("statement.completed", subject=what, index=index), digest],
        )

    @command(app, "sign")
    def sign(
        door: Door,
        kind: Annotated[str, typer.Option("--kind", help="certificate, capability, link ...")],
        subject: Annotated[str, typer.Option("--subject", help="What it is about.")],
        payload: Annotated[str, typer.Option("--payload", metavar="FILE", help="JSON.")],
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="The COSE_Sign1; needed unless registered."),
        ] = None,
        audience: Annotated[
            list[str] | None,
            typer.Option("--audience", metavar="DID", help="Only these parties may read it."),
        ] = None,
        register: Annotated[
            bool, typer.Option("--register", help="Register it as well, here or where one joined.")
        ] = False,
    ) -> None:
        """Sign a payload in the organisation's name.

        Example: kizuna statement sign --kind certificate --subject pkg:generic/fan
        --payload ce.json --out ce.cose
        """
        from kizuna.model.errors import Malformed
        from kizuna.model.identifier import canonical
        from kizuna.model.payload import decode_payload

        chosen = _kind(kind)
        if out is None and not register:
            raise Malformed(
                "statement.nowhere",
                "a signed statement has to go somewhere",
                hint="write it to a file with --out, register it with --register, or both",
            )
        organisation = door.organisation(read_only=not register)
        content = decode_payload(chosen, Door.read(payload, limit=2 << 20))
        tell_unusual(door, chosen, content)
        signed = organisation.say(
            chosen, canonical(subject), content, audience=[canonical(a) for a in audience or ()]
        )
        told: dict[str, Any] = {"digest": signed.digest, "file": out, "documents": []}
        if out is not None:
            Door.write_file(out, signed.statement)
        for place, document in enumerate(signed.documents.values()):
            beside = f"{out}.document" + (f"-{place}" if place else "")
            if out not in (None, "-"):
                Door.write_file(beside, document)
                told["documents"].append(beside)
        if register:
            told["index"] = organisation.register_one(signed.statement, signed.documents)[1]
            _tell_effect(door, organisation, [signed.statement])
        else:
            _tell_idle(door, [signed.statement])
        if out != "-":
            door.answer(told, [signed.digest])

    statement_wrap.hang(app)

    @command(app, "revoke")
    def revoke(
        door: Door,
        which: Annotated[
            str, typer.Argument(metavar="DIGEST", help="As it was printed at registration.")
        ],
        reason: Annotated[str | None, typer.Option("--reason", help="Why, in a word.")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Revoke a registered statement for good: from now on it counts no more.

        Only its issuer, or who stands above the issuer, can; anybody else's word has no effect. In
        a store of one's own the index will do instead of the digest.

        Example: kizuna statement revoke 5d41…
        """
        from kizuna.model.kind import Kind
        from kizuna.model.payload import Action, Status, Target

        organisation = door.organisation()
        subject, digest = organisation.subject_of(which)
        if not door.confirmed("statement.confirm-revoke", yes=yes, digest=digest, subject=subject):
            return
        said = Status(action=Action.REVOKE, target=Target(statement=digest), reason=reason)
        signed = organisation.say(Kind.STATUS, subject, said)
        by, index = organisation.register_one(signed.statement, signed.documents)
        door.answer(
            {"revoked": digest, "subject": subject, "digest": by, "index": index},
            [door.text("statement.revoked", digest=digest, subject=subject, index=index)],
        )

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
        statements = [Door.read(f, limit=2 << 20) for f in files]
        workspace = door.workspace()
        told = _registered(
            workspace.register(statements, documents, progress=door.bars), door.lang, door
        )
        door.answer(
            told,
            [door.text("register.done", count=len(told["registered"]))]
            + [door.text("register.refused", **r) for r in told["refused"]],
        )
        _tell_effect(door, workspace, statements)
        if told["refused"]:
            raise Failure(told["outcome"])

    @command(app, "show")
    def show(
        door: Door,
        which: Annotated[
            str, typer.Argument(metavar="INDEX_OR_DIGEST", help="As `statement list` prints.")
        ],
        out: Annotated[
            str | None,
            typer.Option("--out", metavar="FILE", help="Write the statement with its receipt."),
        ] = None,
    ) -> None:
        """Show a registered statement: who, about what, since when, and what it says."""
        from kizuna.app.wiring.entries import entry_named
        from kizuna.app.wiring.showing import entry

        workspace = door.workspace(read_only=True)
        digest = entry_named(workspace, which).statement.digest
        told = entry(workspace, digest, None)
        if out is not None:
            Door.write_file(out, workspace.transparent(digest.hex()))
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
        from kizuna.app.wiring.entries import statements
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


def _say(door: Door, kind: Kind, subject: SubjectId, payload: Payload) -> tuple[str, int]:
    """Sign and register, here or in the store that was joined: digest (hex) and place."""
    organisation = door.organisation()
    signed = organisation.say(kind, subject, payload)
    made = organisation.register_one(signed.statement, signed.documents)
    _tell_effect(door, organisation, [signed.statement])
    return made


def _tell_effect(door: Door, organisation: Organisation, statements: Sequence[bytes]) -> None:
    """Warn where what was registered will have no effect."""
    _tell_idle(door, statements)
    tell_beyond(door, organisation.beyond(statements))


def _tell_idle(door: Door, statements: Sequence[bytes]) -> None:
    from kizuna.app.wiring.judging.effect import idle_waivers
    from kizuna.app.wiring.profiles import find_profile

    for text, words in idle_waivers(statements, lambda name: find_profile(name, door.settings)):
        door.say(text, **words)


def _field(text: str) -> tuple[str, Any]:
    from kizuna.app.wiring.saying import GAP
    from kizuna.model.errors import Malformed

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Malformed(
            "statement.field",
            f"not a field with its value: {text[:80]!r}",
            why="a field is written NAME=VALUE",
            hint="for instance contact=psirt@fan.example, exploitable=0 or hashes=[sha256:…]",
            field=text[:80],
        )
    if value.strip("[]") == GAP:
        raise Malformed(
            "statement.gap",
            f"{name[:80]} still holds {GAP} in place of a value",
            hint=f"put the value there: {name[:80]}=VALUE",
            field=name[:80],
        )
    return name, _value(value)


def _value(text: str) -> Any:  # noqa: ANN401 - text, a whole number, true, false, or a list of them
    if text.startswith("[") and text.endswith("]"):
        return [_value(one.strip()) for one in text[1:-1].split(",") if one.strip()]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text) else text


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
    from kizuna.app.wiring.judging.answers import problem_json
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
