# SPDX-License-Identifier: Apache-2.0
"""The command tree: every command named once, in the order in which a person meets it."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import typer

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

__all__ = ["build"]

_NOUNS = (
    ("key", "Keys of the organisation: who may sign, since when.", key),
    ("statement", "Signed statements: make, register, look at.", statement),
    ("store", "The store: state, backup, repair, hosted organisations.", store),
    ("log", "The evidence log: checkpoints, proofs, mirrors, witnesses.", log),
    ("list", "Trust lists: who may say what.", list_),
    ("catalog", "Catalogs: what standards ask, by their own identifiers.", catalog),
    ("profile", "Profiles: what must hold.", profile),
    ("assess", "Assessments: questions of a profile, answers, gaps.", assess),
    ("procure", "Procurement: may it be bought, from whom, what is missing.", procure),
    ("vcp", "Value creation processes: who must show what to whom.", vcp),
    ("risk", "Risk: where a device in a use stands, and what that asks for.", risk),
    ("device", "Devices: their keys, their evidence, their standing.", device),
    ("trust", "Whom this verifier believes.", trust),
    ("federation", "Federations: who stands under whom, by whose word.", federation),
    ("gateway", "Gateways: what stands before a thing that cannot guard itself.", gateway),
    ("watch", "Verdicts kept true.", watch),
)
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


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"kizuna {__version__}")
        raise typer.Exit


@lru_cache(maxsize=1)
def build() -> typer.Typer:
    """The whole tree."""
    app = typer.Typer(
        name="kizuna",
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

    for verb in _VERBS:
        verb.hang(app)
    for name, words, noun in _NOUNS:
        branch = typer.Typer(help=words, no_args_is_help=True, rich_markup_mode=None)
        noun.hang(branch)
        app.add_typer(branch, name=name)
    return app
