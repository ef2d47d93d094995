# SPDX-License-Identifier: Apache-2.0
"""What every command shares: options, streams, answers, failures.

Keeps: 1. ``Door.answer`` is the only way to stdout. 2. A failure is told once, on stderr for people
and on stdout as ``{code, message, hint, findings}`` with ``--json``; it never shows a traceback.
3. The exit code is ``model.outcome``'s.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from kizuna.app.cli.older import remembering
from kizuna.app.cli.progress import Bars
from kizuna.model.outcome import Outcome

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.errors import Problem

__all__ = ["Door", "Failure", "command", "fail"]

_COMMON: Final = "Everywhere"
_F = TypeVar("_F", bound=Callable[..., None])


class Failure(Exception):  # noqa: N818 - carries an exit code, is no error of the program
    """Ends the command with an outcome after its answer was given."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.name)
        self.outcome = outcome


class Door:
    """One run of one command: its settings, its streams, its workspace."""

    def __init__(
        self,
        *,
        store: str | None,
        as_json: bool,
        lang: str | None,
        quiet: bool,
        verbose: bool,
    ) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self._store = store
        self._lang = lang
        self._settings: Settings | None = None
        self._workspace: Workspace | None = None
        self.bars = Bars(show=not (as_json or quiet) and sys.stderr.isatty(), words=self.text)

    # --- settings and store -------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """Environment and options of this run."""
        if self._settings is None:
            from kizuna.app.wiring.settings import Settings

            self._settings = Settings.from_environment(store=self._store, lang=self._lang)
        return self._settings

    @property
    def lang(self) -> str:
        """``en`` or ``ja``."""
        from kizuna.app.wiring.settings import LANGUAGES, language

        if self._lang in LANGUAGES:
            return str(self._lang)
        return language(os.environ)

    def text(self, message: str, /, **values: object) -> str:
        """Words of the catalogue in this run's language."""
        from kizuna.app.wiring.messages import text

        return text(message, self.lang, **values)

    @property
    def store_named(self) -> bool:
        """Whether the store was named on the command line."""
        return self._store is not None

    def workspace(self, *, read_only: bool = False) -> Workspace:
        """The store's workspace, opened once and closed with the command."""
        if self._workspace is None:
            from kizuna.app.wiring.messages.logged import plain_log
            from kizuna.app.wiring.workspace import Workspace

            plain_log()
            self._workspace = Workspace.open(settings=self.settings, read_only=read_only)
        return self._workspace

    def organisation(self, *, read_only: bool = False) -> Organisation:
        """Whoever speaks from this folder: a store's owner, or a member of a store elsewhere."""
        from kizuna.app.wiring.member.saying import organisation

        return organisation(self.settings) or self.workspace(read_only=read_only)

    def close(self) -> None:
        """Give back what the command opened."""
        self.bars.close()
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    # --- streams ------------------------------------------------------------------------------

    def answer(
        self, value: dict[str, Any], lines: Iterable[str] | Callable[[], Iterable[str]]
    ) -> None:
        """The answer: ``value`` with ``--json``, else ``lines`` for a person."""
        self.bars.close()
        if self.as_json:
            write(
                json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None),
                exact=True,
            )
            return
        for line in lines() if callable(lines) else lines:
            write(line.replace("\n", " "))

    def print(self, line: str) -> None:
        """A line of an answer that is told while it comes about; never with ``--json``."""
        self.bars.close()
        write(line)
        sys.stdout.flush()

    def say(self, message: str, /, **values: object) -> None:
        """A message for a person, on stderr; silent with ``--quiet`` and ``--json``."""
        self.bars.close()
        if not (self.quiet or self.as_json):
            typer.echo(self.text(message, **values), err=True)

    def warn(self, message: str, /, **values: object) -> None:
        """A warning on stderr, shown even with ``--quiet``."""
        self.bars.close()
        typer.echo(self.paint(self.text(message, **values), "yellow", err=True), err=True)

    def paint(self, words: str, color: str, *, bold: bool = False, err: bool = False) -> str:
        """Coloured where the stream is a terminal and colours are wanted."""
        stream = sys.stderr if err else sys.stdout
        if not stream.isatty() or os.environ.get("NO_COLOR", ""):
            return words
        return typer.style(words, fg=color, bold=bold)

    def confirmed(self, question: str, *, yes: bool, **values: object) -> bool:
        """Ask before something that cannot be undone; off a terminal only ``--yes`` agrees."""
        from kizuna.app.wiring.messages import text
        from kizuna.model.errors import Malformed

        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()) or self.as_json:
            raise Malformed(
                "command.needs-yes",
                "this cannot be undone and nobody is there to ask",
                why="the command is not run on a terminal",
                hint="run it on a terminal, or repeat it with --yes",
            )
        return typer.confirm(text(question, self.lang, **values), err=True)

    def passphrase(self, new: bool) -> bytes | None:
        """Ask for the passphrase of a spare key, unseen; None where nobody is there to ask."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return None
        words: str = typer.prompt(
            self.text("key.spare-passphrase"),
            hide_input=True,
            confirmation_prompt=self.text("key.spare-again") if new else False,
            err=True,
        )
        return words.encode()

    # --- files --------------------------------------------------------------------------------

    @staticmethod
    def read(name: str, *, limit: int = 64 << 20) -> bytes:
        """The bytes of a file, or of stdin for ``-``; bounded.

        Raises:
            Malformed: ``file.too-large``. Absent: ``file.absent``. Unavailable:
            ``file.unreadable``.
        """
        from kizuna.app.wiring.files import read_file, within

        if name == "-":
            return within(sys.stdin.buffer.read(limit + 1), name, limit)
        return read_file(name, limit=limit)

    @staticmethod
    def write_file(name: str, data: bytes) -> None:
        """Write a result whole or not at all; ``-`` is stdout.

        Raises:
            Unavailable: ``file.unwritable``.
        """
        from kizuna.model.errors import Unavailable

        if name == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        path = Path(name)
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError as fault:
            part.unlink(missing_ok=True)
            raise Unavailable(
                "file.unwritable",
                f"cannot write {name}",
                why=str(fault.strerror or fault),
                hint="check the folder, its permissions and the free space",
                path=name,
            ) from fault


def write(line: str, *, exact: bool = False) -> None:
    """One line of answer to stdout, whatever its encoding can show; ``exact`` for programs."""
    if not (exact or line.isprintable()):
        from kizuna.app.wiring.messages.plain import unpainted

        line = "\n".join(map(unpainted, line.split("\n")))
    try:
        sys.stdout.write(line + "\n")
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _tell(line: str) -> None:
    """One line about a failure, to stderr."""
    from kizuna.app.wiring.messages.plain import plain

    typer.echo(plain(line), err=True)


def fail(problem: Problem, *, as_json: bool, lang: str, verbose: bool) -> int:
    """Tell a failure the one way failures are told; returns the exit code."""
    from kizuna.app.wiring.judging.answers import problem_json

    told = problem_json(problem, lang)
    if as_json:
        write(json.dumps(told, ensure_ascii=False), exact=True)
    else:
        from kizuna.app.wiring.messages import text

        _tell(f"kizuna: {told['message']} [{problem.code}]")
        if problem.why and lang == "en" and problem.why not in told["message"]:
            _tell(f"  {text('failure.why', lang)} {problem.why}")
        if told["hint"]:
            _tell(f"  {text('failure.next', lang)} {told['hint']}")
    if verbose:
        cause = problem.__cause__ or problem.__context__
        while cause is not None:
            _tell(f"  caused by {type(cause).__name__}: {cause}")
            cause = cause.__cause__ or cause.__context__
    return int(problem.outcome)


def _bug(fault: BaseException) -> Problem:
    from kizuna.model.errors import Problem

    return Problem(
        "bug.unexpected",
        f"something went wrong that should not: {type(fault).__name__}: {fault}"[:500],
        hint="repeat with --verbose and report what it shows; nothing was half done",
        fault=type(fault).__name__,
    )


def as_problem(fault: Exception) -> Problem:
    """Any exception as a problem: ours as they are, the system's by what they mean."""
    from kizuna.model.errors import Problem, Unavailable

    if isinstance(fault, Problem):
        return fault
    if isinstance(fault, OSError):
        problem: Problem = Unavailable(
            "system.refused",
            f"the system refused: {fault.strerror or fault}",
            why=f"{type(fault).__name__}: {fault}",
            hint="check path, permissions and free disk space, then try again",
            fault=str(fault.strerror or fault),
        )
    else:
        problem = _bug(fault)
    problem.__cause__ = fault
    return problem


_COMMON_PARAMETERS: Final = (
    (
        "store",
        Annotated[
            str | None,
            typer.Option(
                "--store",
                metavar="DIR",
                help="The store (KIZUNA_STORE, ./.kizuna).",
                rich_help_panel=_COMMON,
            ),
        ],
        None,
    ),
    (
        "as_json",
        Annotated[bool, typer.Option("--json", help="Answer as JSON.", rich_help_panel=_COMMON)],
        False,
    ),
    (
        "lang",
        Annotated[
            str | None,
            typer.Option(
                "--lang", metavar="en|ja", help="Language of messages.", rich_help_panel=_COMMON
            ),
        ],
        None,
    ),
    (
        "quiet",
        Annotated[
            bool, typer.Option("--quiet", "-q", help="No messages.", rich_help_panel=_COMMON)
        ],
        False,
    ),
    (
        "verbose",
        Annotated[
            bool,
            typer.Option(
                "--verbose", "-v", help="Show causes of failures.", rich_help_panel=_COMMON
            ),
        ],
        False,
    ),
)


def command(
    app: typer.Typer, name: str, *, older: Mapping[str, str] = MappingProxyType({})
) -> Callable[[_F], _F]:
    """Hang a function ``f(door, ...)`` into the tree with the options that every command has.

    ``older``: names that options had once, and have today; they work, and no help shows them.
    """

    def hang(function: _F) -> _F:
        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]

        def run(**values: Any) -> None:  # noqa: ANN401 - Typer hands over what it parsed
            door = Door(**{key: values.pop(key) for key, _, _ in _COMMON_PARAMETERS})
            raise typer.Exit(_guarded(function, door, values))

        common = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
            )
            for key, annotation, default in _COMMON_PARAMETERS
        ]
        own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        run.__signature__ = inspect.Signature([*own, *common])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *common)}
        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        app.command(name, cls=remembering(older) if older else None)(run)
        return function

    return hang


def _guarded(function: Callable[..., None], door: Door, values: dict[str, Any]) -> int:
    try:
        try:
            # settings are looked at first, so that a wrong one is told before work begins
            door.settings  # noqa: B018
            function(door, **values)
            sys.stdout.flush()
        finally:
            door.close()
    except Failure as failure:
        sys.stdout.flush()
        return int(failure.outcome)
    except BrokenPipeError:
        # the reader of our answer went away; that is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Outcome.HOLDS)
    except (typer.Exit, typer.Abort):
        raise
    except Exception as fault:  # noqa: BLE001 - the last door: nothing may leave as a traceback
        return fail(as_problem(fault), as_json=door.as_json, lang=door.lang, verbose=door.verbose)
    return int(Outcome.HOLDS)
