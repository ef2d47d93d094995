# SPDX-License-Identifier: Apache-2.0
"""Conditions: CEL expressions over one claim, for what no native check covers.

Keeps: 1. The answer is three-valued: a field that is not there, a division by nought, mixed types
or an overflow is *undecided*, never false; so a careless expression cannot condemn a supplier.
2. Both sides are bounded: text and nesting of the expression, size of the claim, no loop inside a
loop, no ``map``; a condition over the largest admitted claim ends in milliseconds. 3. Compiled
once a text; the facts are converted once a claim, not once a condition.
Sees: ``claim`` (its fields), ``issuer``, ``subject``, ``level``. Dates, issuers and levels are
compared natively by the requirement itself: CEL is for the rest.

Example:
    >>> rule = Condition.compile("claim.open_findings == 0")
    >>> rule.evaluate({"open_findings": 0}), rule.evaluate({"open_findings": 2})
    (True, False)
    >>> rule.evaluate({})
    Undecided(reason='no such field: open_findings')
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    import cel

__all__ = ["MAX_CLAIM", "MAX_CONDITION", "Condition", "Facts", "Undecided"]

MAX_CONDITION: Final = 2_000
"""Longest expression in characters."""

MAX_CLAIM: Final = 16_384
"""Largest claim that a condition looks at, in characters of all its names and values."""

_MAX_ITEMS: Final = 500
_MAX_NESTING: Final = 32
_NAMES: Final = frozenset({"claim", "issuer", "subject", "level"})
_FUNCTIONS: Final = frozenset({
    "size", "matches", "contains", "startsWith", "endsWith", "type", "dyn", "string", "int", "uint",
    "double", "bytes", "timestamp", "duration", "getFullYear", "getMonth", "getDate",
    "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours", "getMinutes", "getSeconds",
    "getMilliseconds",
})  # fmt: skip
"""What CEL's definition names and the engine has; the engine itself misses a function only when it
is called, and then every claim would be undecided."""

_FIELD: Final = re.compile(
    r"""(?<![\w.])claim(?:\.(?P<plain>[A-Za-z_]\w*)\b(?!\s*\()|\[\s*(['"])(?P<quoted>[^'"\\]+)\2\s*\])"""
)
_TOKEN: Final = re.compile(
    r"""(?P<text>[rRbB]*(?:'{3}(?:\\.|.)*?'{3}|"{3}(?:\\.|.)*?"{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<comment>//[^\n]*)
    |(?P<loop>\b(?:all|exists|exists_one|existsOne|filter|map|transformList|transformMap)\s*\()
    |(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<prefix>[!?-])|(?P<other>\w+|\s+|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Undecided:
    """The condition could not be answered, and why. It is neither true nor false."""

    reason: str

    def __bool__(self) -> NoReturn:
        """Refuse to be read as a yes or a no.

        Raises:
            TypeError: always; compare with ``is True`` or ``is False``.
        """
        raise TypeError("undecided is neither true nor false")


class Facts:
    """One claim made ready for any number of conditions."""

    __slots__ = ("_context", "_refused")

    def __init__(
        self, claim: Mapping[str, Any], *, issuer: str = "", subject: str = "", level: str = ""
    ) -> None:
        self._context: cel.Context | None = None
        self._refused = _too_large(claim)
        if self._refused is None:
            self._context = _engine().Context(
                variables={
                    "claim": dict(claim),
                    "issuer": issuer,
                    "subject": subject,
                    "level": level,
                }
            )


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression; make it with ``compile``."""

    text: str
    _program: cel.Program

    @staticmethod
    def compile(text: str) -> Condition:
        """Read an expression; the same text gives the same object.

        Raises:
            Malformed: ``profile.condition`` when it is too long, too deeply nested, loops inside a
                loop, names something else than the four facts, or is no CEL.
        """
        return _compile(text)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the claim that it looks at, in the order of the text.

        Example:
            >>> Condition.compile("claim.open == 0 && has(claim['by'])").fields
            ('open', 'by')
        """
        code = "".join(
            token[0] if token.lastgroup != "text" else " " * len(token[0])
            for token in _TOKEN.finditer(self.text)
        )
        found = (m for m in _FIELD.finditer(self.text) if code[m.start()] == "c")
        return tuple(dict.fromkeys(m["plain"] or m["quoted"] for m in found))

    def evaluate(
        self,
        claim: Mapping[str, Any] | Facts,
        *,
        issuer: str = "",
        subject: str = "",
        level: str = "",
    ) -> Literal[True, False] | Undecided:
        """Answer for one claim: its fields, or ``Facts`` made once for several conditions."""
        facts = (
            claim
            if isinstance(claim, Facts)
            else Facts(claim, issuer=issuer, subject=subject, level=level)
        )
        if facts._refused is not None:  # noqa: SLF001 - the two values are one module's
            return Undecided(facts._refused)  # noqa: SLF001
        try:
            answer = self._program.execute(facts._context)  # noqa: SLF001
        except KeyError as fault:
            return Undecided(f"no such field: {fault.args[0] if fault.args else '?'}")
        except ZeroDivisionError:
            return Undecided("division by zero")
        except TypeError:
            return Undecided("values of different types")
        except (RuntimeError, ValueError, OverflowError, IndexError) as fault:
            return Undecided(str(fault)[:200])
        if answer is True or answer is False:
            return bool(answer)
        return Undecided("the expression gives no yes or no")


@cache
def _engine() -> ModuleType:
    """The engine itself, loaded when the first condition needs it.

    The package around it imports its own command line (prompt toolkit and all: a quarter of a
    second, and a verdict from a cold process has one second), so its extension is loaded alone.
    """
    package = find_spec("cel")
    places = package.submodule_search_locations if package else None
    found = PathFinder.find_spec("cel.cel", places) if places else None
    if found is None or found.loader is None or "cel.cel" in sys.modules:
        return import_module("cel")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    sys.modules["cel.cel"] = module  # so that a later `import cel` does not load it twice
    return module


@lru_cache(maxsize=1_024)
def _compile(text: str) -> Condition:
    if not text.strip():
        raise _refused(text, "it is empty")
    if len(text) > MAX_CONDITION:
        raise _refused(text, f"it is {len(text)} characters long, at most {MAX_CONDITION}")
    of_loops = _check_shape(text)
    try:
        program = _engine().compile(text)
    except (ValueError, RuntimeError, TypeError) as fault:
        raise _refused(text, _first_line(str(fault))) from fault
    strangers = sorted(set(program.variables()) - _NAMES - of_loops)
    if strangers:
        raise _refused(
            text, f"it names {', '.join(strangers)}; known are {', '.join(sorted(_NAMES))}"
        )
    unknown = sorted(n for n in program.functions() if n[:1].isalpha() and n not in _FUNCTIONS)
    if unknown:
        raise _refused(text, f"there is no function {', '.join(unknown)}")
    made = Condition(text, program)
    if not set(program.variables()) & _NAMES:  # it asks about nothing: its answer is known now
        said = made.evaluate({})
        if isinstance(said, Undecided):
            raise _refused(text, said.reason)
    return made


def _check_shape(text: str) -> set[str]:
    """Hold nesting and loops within bounds before the parser sees the text; returns the names
    that its loops give to their items.
    """
    loops: list[bool] = []  # one entry an open bracket: does it belong to a loop
    items: set[str] = set()
    prefixes = 0
    begun = False
    for token in _TOKEN.finditer(text):
        if begun and token[0].strip():
            items.add(token[0])
            begun = False
        match token.lastgroup:
            case "loop":
                if token[0].rstrip("( \t\n").startswith(("map", "transform")):
                    raise _refused(text, "a condition asks, it does not build lists: no map()")
                if True in loops:
                    raise _refused(text, "a loop inside a loop")
                loops.append(True)
                begun = True
            case "open":
                loops.append(False)
            case "close":
                if loops:
                    loops.pop()
            case "prefix":
                prefixes += 1
            case _:
                continue
        if len(loops) > _MAX_NESTING or prefixes > 8 * _MAX_NESTING:
            raise _refused(text, f"it is nested deeper than {_MAX_NESTING}")
    return items


def _too_large(claim: Mapping[str, Any]) -> str | None:
    size = 0
    for name, value in claim.items():
        size += len(name)
        items = value if isinstance(value, list | tuple) else (value,)
        if len(items) > _MAX_ITEMS:
            return f"more than {_MAX_ITEMS} values in {name[:60]}"
        size += sum(len(i) if isinstance(i, str) else 8 for i in items)
    return None if size <= MAX_CLAIM else f"the claim is larger than {MAX_CLAIM} characters"


def _first_line(words: str) -> str:
    for line in words.splitlines():
        _, found, fault = line.partition("ERROR: ")
        if found:
            return fault.strip()[:200]
    return words.splitlines()[0][:200] if words else "no CEL expression"


def _refused(text: str, why: str) -> Malformed:
    return Malformed(
        "profile.condition",
        f"not a usable condition: {text[:120]!r}: {why}",
        why=why,
        hint="write CEL over claim, issuer, subject and level; guard fields with has()",
        condition=text[:120],
        fault=why,
    )
