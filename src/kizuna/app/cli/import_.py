# SPDX-License-Identifier: Apache-2.0
"""``kizuna import``: documents of the field in, registered statements out."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from kizuna.app.cli.assess import tell_unusual_in
from kizuna.app.cli.door import Door, Failure, command
from kizuna.app.cli.show import tell_beyond

if TYPE_CHECKING:
    from kizuna.app.wiring.values import ImportOutcome

__all__ = ["KEYS", "hang", "read_files", "tell_remarks", "tell_signatures"]

_REMARKS: Final = 10
"""How many remarks are told; --json tells all."""


KEYS = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="FILE", help="A public key by which signatures inside are checked."
    ),
]


def read_files(names: list[str]) -> list[tuple[str, bytes]]:
    """Name and bytes of every file; ``-`` is stdin."""
    return [("stdin" if name == "-" else name, Door.read(name)) for name in names]


def hang(app: typer.Typer) -> None:
    """Hang the command into the tree."""

    @command(app, "import")
    def import_(
        door: Door,
        files: Annotated[
            list[str] | None, typer.Argument(metavar="FILE...", help="`-` is stdin.")
        ] = None,
        template: Annotated[
            bool,
            typer.Option("--template", help="Print a CSV table to fill in, and import nothing."),
        ] = False,
        key: KEYS = None,
    ) -> None:
        """Read CycloneDX, SPDX, in-toto, CSV or Excel files and register what they say.

        Statements are made in the name of the store's organisation; an import says no more than
        "the importer says so". Signatures inside the documents are kept and judged: by the keys of
        those whom your lists name, by the key beside them, or by those that you give.

        Example: kizuna import bom.json

        Example: kizuna import provenance.dsse.json --key builder.pem

        Example: kizuna import --template > parts.csv
        """
        from kizuna.model.errors import Malformed

        if template:
            from kizuna.app.wiring.importing.documents import template as filled

            table = filled(door.lang)
            if not door.as_json and not sys.stdout.isatty():
                # a spreadsheet program takes a file for UTF-8 when a byte order mark leads it
                Door.write_file("-", b"\xef\xbb\xbf" + table.encode())
                return
            door.answer({"template": table}, table.splitlines())
            return
        if not files:
            raise Malformed(
                "import.nothing",
                "no file to import",
                hint="name one or more files, or `-` for stdin",
            )
        from kizuna.app.wiring.inner_keys import handed_in
        from kizuna.app.wiring.judging.answers import import_json

        keys = handed_in(read_files(key or []))
        outcome = door.workspace().import_files(read_files(files), keys=keys, progress=door.bars)

        told = import_json(outcome, door.lang)

        def lines() -> list[str]:
            shown = [
                door.text("import.file", name=f.name, format=f.format, statements=len(f.statements))
                for f in outcome.files
            ]
            if outcome.root:
                shown.append(door.text("import.root", root=outcome.root))
            shown.append(
                door.text(
                    "import.counts",
                    registered=outcome.registered,
                    unchanged=outcome.unchanged + outcome.duplicates,
                    renewed=outcome.renewed,
                )
            )
            return shown

        door.answer(told, lines)
        tell_remarks(door, outcome)
        tell_signatures(door, outcome)
        tell_unusual_in(door, outcome.statements)
        for problem in outcome.refused:
            door.say("import.refused", code=problem.code, what=problem.what)
        if outcome.root:
            door.say("import.next", root=outcome.root)
        if outcome.refused:
            raise Failure(outcome.refused[0].outcome)


def tell_remarks(door: Door, outcome: ImportOutcome) -> None:
    """Say which places made no statement, and why."""
    from kizuna.app.wiring.judging.answers import remark_of

    for remark in outcome.remarks[:_REMARKS]:
        door.say("import.not-understood", place=remark.where, why=remark_of(remark, door.lang))
    if len(outcome.remarks) > _REMARKS:
        door.say("findings.more", count=len(outcome.remarks) - _REMARKS)
    tell_beyond(door, outcome.beyond)


def tell_signatures(door: Door, outcome: ImportOutcome) -> None:
    """Say what checking the signatures inside came to; one that does not fit is a warning."""
    judged = [one for file in outcome.files for one in file.signatures]
    for one in judged[:_REMARKS]:
        who = one.identity or one.thumbprint[:16]
        how = "listed" if one.identity else one.key_from or "unverified"
        if one.result.value == "wrong":
            door.warn("import.signature.wrong", where=one.where, who=who or one.key_id or "–")
        elif one.result.value == "valid":
            door.say(f"import.signature.{how}", where=one.where, who=who)
        else:
            door.say("import.signature.unverified", where=one.where, key=one.key_id or "–")
    if len(judged) > _REMARKS:
        door.say("findings.more", count=len(judged) - _REMARKS)
