# SPDX-License-Identifier: Apache-2.0
"""The command tree: every command named once, in the order in which a person meets it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kizuna import __version__
from kizuna.app.cli import (
    assess,
    catalog,
    demo,
    device,
    environment,
    explain,
    export,
    federation,
    gateway,
    impact,
    import_,
    init,
    join,
    key,
    list_,
    log,
    procure,
    profile,
    publish,
    risk,
    serve,
    statement,
    store,
    trust,
    vcp,
    verify,
    watch,
)
from kizuna.app.cli.usage import commands_of

__all__ = ["HEADINGS", "branch_of", "build"]

_VERBS = (
    demo,
    init,
    import_,
    verify,
    explain,
    impact,
    export,
    serve,
    join,
    publish,
    environment,
)
_NOUNS = {
    "What was said, and where it is kept": (
        ("statement", "Signed statements: make, register, look at.", statement),
        ("log", "The evidence log: checkpoints, proofs, mirrors, witnesses.", log),
        ("store", "The store: state, backup, repair, hosted organisations.", store),
        ("key", "Keys of the organisation: who may sign, since when.", key),
        ("watch", "Verdicts kept true.", watch),
    ),
    "Whom to believe": (
        ("list", "Trust lists: who may say what.", list_),
        ("trust", "Whom this verifier believes.", trust),
        ("federation", "Federations: who stands under whom, by whose word.", federation),
    ),
    "By what measure": (
        ("profile", "Profiles: what must hold.", profile),
        ("catalog", "Catalogs: what standards ask, by their own identifiers.", catalog),
        ("risk", "Risk: where a device in a use stands, and what that asks for.", risk),
    ),
    "Between organisations": (
        ("assess", "Assessments: questions of a profile, answers, gaps.", assess),
        ("procure", "Procurement: may it be bought, from whom, what is missing.", procure),
        ("vcp", "Value creation processes: who must show what to whom.", vcp),
    ),
    "Devices": (
        ("device", "Devices: their keys, their evidence, their standing.", device),
        ("gateway", "Gateways: what stands before a thing that cannot guard itself.", gateway),
    ),
}

_VERB_NAMES = frozenset(
    {
        "demo",
        "env",
        "explain",
        "export",
        "impact",
        "import",
        "init",
        "join",
        "publish",
        "serve",
        "verify",
    }
)
_KNOWN = _VERB_NAMES | {name for nouns in _NOUNS.values() for name, _, _ in nouns}

HEADINGS = tuple(_NOUNS)
"""What the nouns are about, as the help of the whole tree heads them."""


class _Grouped(TyperGroup):
    """The top of the tree, whose help shows its nouns by what they are about."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - see cli.help
        of = {name: heading for heading, nouns in _NOUNS.items() for name, _, _ in nouns}
        width = max(map(len, self.commands))
        rows: dict[str, list[tuple[str, str]]] = {}
        for name, said in commands_of(self, ctx):
            rows.setdefault(of.get(name, "Commands"), []).append((name.ljust(width), said))
        for heading, below in rows.items():
            with formatter.section(heading):
                formatter.write_dl(below)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"kizuna {__version__}")
        raise typer.Exit


def branch_of(words: Sequence[str]) -> str:
    """The first word of a command line where that alone says which part of the tree is asked for,
    so that nobody waits until some two hundred other commands are made; else nothing.
    """
    first = words[0] if words else ""
    return first if first in _KNOWN else ""


@lru_cache(maxsize=4)
def build(branch: str = "") -> typer.Typer:
    """The whole tree; or of the nouns only this one, and none for a verb (``branch_of``)."""
    app = typer.Typer(
        name="kizuna",
        cls=_Grouped,
        help="Trust in supply chains and IoT systems, made checkable.",
        epilog="Start with `kizuna demo`. Exit codes: docs/reference/exit-codes.md",
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        version: Annotated[
            bool,
            typer.Option("--version", help="Show the version.", callback=_version, is_eager=True),
        ] = False,
    ) -> None:
        """Trust in supply chains and IoT systems, made checkable."""

    wanted = {branch} if branch else _KNOWN
    if not branch or wanted & _VERB_NAMES:
        for verb in _VERBS:
            verb.hang(app)
    for nouns in _NOUNS.values():
        for name, words, noun in nouns:
            if name in wanted:
                below = typer.Typer(help=words, no_args_is_help=True, rich_markup_mode=None)
                noun.hang(below)
                app.add_typer(below, name=name)
    return app
