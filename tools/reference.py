# SPDX-License-Identifier: Apache-2.0
"""Write the reference pages from the code: ``python tools/reference.py`` (``--check`` compares).

Commands, exit codes, findings, problems, payloads and variables have one source each: the program.
``tests/architecture/test_reference.py`` fails when a page is not current.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from babel.messages import pofile

from kizuna.app.cli.tree import build
from kizuna.app.wiring.settings import VARIABLES
from kizuna.model.finding import Code, Value
from kizuna.model.outcome import PRECEDENCE, Outcome
from kizuna.model.payload import schemas
from kizuna.proof.attestation.appraisal import AppraisalCode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
MESSAGES = ROOT / "src/kizuna/app/wiring/messages"

NOTE = "*Written by `tools/reference.py` from the program; change it there.*\n\n"

OUTCOMES = {
    Outcome.HOLDS: "it holds",
    Outcome.FAULT: "something went wrong that should not (a fault of the program)",
    Outcome.USAGE: "the call, or what was given to it, is not what it should be",
    Outcome.NOT_TRUSTED: "not trusted: revoked, suspended, an adverse notice; or refused here",
    Outcome.TAMPERED: "tampered with: a signature, hash, proof or log does not hold",
    Outcome.STALE: "expired or stale",
    Outcome.EVIDENCE_MISSING: "evidence missing, or no such thing",
    Outcome.CHAIN_INCOMPLETE: "chain incomplete: a supplier, part or completeness is not known",
    Outcome.NONCONFORMANT: "nonconformant: a condition or level of the profile is not met",
    Outcome.UNREACHABLE: "cannot reach: a peer, disk, lock or database; trying again may help",
    Outcome.MISCONFIGURED: "misconfigured: a setting, key or store is wrong",
    Outcome.INTERRUPTED: "interrupted",
}


def catalogue(lang: str) -> dict[str, str]:
    with (MESSAGES / f"{lang}.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in pofile.read_po(file) if m.id}


def exit_codes() -> str:
    rows = "".join(f"| {o.value} | {o.name.lower()} | {OUTCOMES[o]} |\n" for o in Outcome)
    order = ", ".join(str(o.value) for o in PRECEDENCE)
    return (
        "# Exit codes\n\n"
        + NOTE
        + "They are an interface: the numbers never change.\n\n"
        + "| code | name | meaning |\n|---|---|---|\n"
        + rows
        + f"\nWhen several apply, the first of {order} wins. A verdict of `undetermined` exits "
        '12, 13, 14 or 20, never 0: "it does not hold" never shares a code with "it could not be '
        'verified".\n'
    )


def findings() -> str:
    en, ja = catalogue("en"), catalogue("ja")
    out = ["# Findings\n\n", NOTE]
    out.append(
        "A finding is a value with a stable code. The code alone says what it makes of its "
        "subject, which exit code it stands for, and whether a waiver may remove it.\n\n"
    )
    for code in Code:
        given = code.value_given
        effect = "no effect" if given is Value.TRUSTED else given.word
        key = f"finding.{code.value}"
        out.append(
            f"## {code.value}\n\n{effect} · exit {code.outcome.value} · "
            f"{'a waiver may remove it' if code.waivable else 'no waiver removes it'}\n\n"
            f"- {plain(en[key + '.message'])} → {plain(en[key + '.mend'])}\n"
            f"- {plain(ja[key + '.message'])} → {plain(ja[key + '.mend'])}\n\n"
        )
    out.append(
        "# Findings of appraisals\n\nWhat appraising evidence of a device finds. The code says "
        "what the appraisal is at best and which exit code it stands for.\n\n"
    )
    for found in AppraisalCode:
        key = f"appraisal.{found.value}"
        out.append(
            f"## {found.value}\n\n{found.status.value} · exit {found.outcome.value}\n\n"
            f"- {plain(en[key + '.message'])} → {plain(en[key + '.mend'])}\n"
            f"- {plain(ja[key + '.message'])} → {plain(ja[key + '.mend'])}\n\n"
        )
    return "".join(out)


def plain(words: str) -> str:
    counted = re.sub(r"{(\w+):[^{}|]*\|([^{}]*)}", r"*\1* \2", words)
    return re.sub(r"{(\w+)}", r"*\1*", counted)


def problems() -> str:
    en, ja = catalogue("en"), catalogue("ja")
    codes = sorted(
        k.removeprefix("problem.")
        for k in en
        if k.startswith("problem.") and not k.endswith(".hint")
    )
    rows = [
        f"| `{c}` | {cell(en['problem.' + c])} | {cell(en['problem.' + c + '.hint'])} "
        f"| {cell(ja['problem.' + c])} |\n"
        for c in codes
    ]
    return (
        "# Problems\n\n"
        + NOTE
        + "A problem is something that could not be done. Commands print it on stderr, with "
        "`--json` as `{code, message, why, hint, about, findings}` on stdout; HTTP answers with "
        "the same code as RFC 9457.\n\n"
        "| code | what happened | what to do next | 日本語 |\n|---|---|---|---|\n" + "".join(rows)
    )


def cell(words: str) -> str:
    return plain(words).replace("|", "\\|").replace("<", "&lt;")


def commands() -> str:
    out = ["# Commands\n\n", NOTE]
    out.append(
        "Answers go to stdout, progress and messages to stderr. Every command takes `--store DIR` "
        "(default: `KIZUNA_STORE`, else `./.kizuna`), `--json`, `--lang en|ja`, `--quiet` and "
        "`--verbose`. `FILE` may be `-`. "
        "[Exit codes](exit-codes.md).\n\n"
    )
    for words, command in walk(typer.main.get_command(build()), ()):
        out.append(f"## kizuna {words}\n\n{paragraphs(command.help)}\n\n")
        rows = [row(p) for p in command.params if p.name not in COMMON]
        if rows:
            out.append("| | |\n|---|---|\n" + "".join(rows) + "\n")
    return "".join(out)


COMMON = {"store", "as_json", "lang", "quiet", "verbose", "help"}


def paragraphs(help_: str | None) -> str:
    text = (help_ or "").strip().replace("\b", "")
    blocks = [" ".join(b.split()) for b in text.split("\n\n")]
    shown = []
    for block in blocks:
        if block.startswith("Example: "):
            shown.append(f"```console\n$ {block.removeprefix('Example: ')}\n```")
        else:
            shown.append(block)
    return "\n\n".join(shown)


def row(parameter: Any) -> str:  # noqa: ANN401 - Typer's own kinds
    if parameter.param_type_name == "argument":
        name = f"`{argument(parameter)}`"
    else:
        value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        name = f"`{', '.join(parameter.opts)}{value}`"
    words = str(parameter.help or "").replace("|", "\\|")
    default = parameter.default
    if default not in (None, False, ()) and not callable(default):
        words = f"{words} (default: {default})".strip()
    needed = " **needed**" if parameter.required else ""
    return f"| {name} | {words}{needed} |\n"


def argument(parameter: Any) -> str:  # noqa: ANN401 - Typer's own kinds
    return str(parameter.metavar or parameter.name.upper())


def walk(
    command: Any,  # noqa: ANN401 - Typer's own kinds
    words: tuple[str, ...],
) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from walk(child, (*words, name))
    if not children:
        yield " ".join(words), command


def payloads() -> str:
    out = ["# Payloads\n\n", NOTE]
    out.append(
        "The JSON inside our own kinds of statement. Unknown members are refused; numbers are "
        "integers; times are RFC 3339 with a zone. The JSON Schemas (2020-12) lie in [`schemas/`](schemas/) and are printed by "  # noqa: E501
        "`kizuna statement schema`.\n\n"
    )
    for kind, schema in schemas().items():
        name = schema["$ref"].rsplit("/", 1)[1]
        main = schema["$defs"][name]
        out.append(f"## {kind}\n\n{' '.join(main.get('description', '').split())}\n\n")
        out.append("| member | type | |\n|---|---|---|\n")
        needed = set(main.get("required", ()))
        for member, part in main["properties"].items():
            out.append(
                f"| `{member}` | {type_of(part)} | {'needed' if member in needed else ''} |\n"
            )
        out.append("\n")
    return "".join(out)


def type_of(part: dict[str, Any]) -> str:
    if "$ref" in part:
        return part["$ref"].rsplit("/", 1)[1]
    if "anyOf" in part:
        names = [type_of(p) for p in part["anyOf"]]
        return " or ".join(n for n in names if n != "null")
    if part.get("type") == "array":
        return f"list of {type_of(part.get('items', {}))}"
    if "enum" in part:
        return ", ".join(f"`{v}`" for v in part["enum"])
    return str(part.get("format") or part.get("type") or "any")


def environment() -> str:
    rows = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in VARIABLES.items())
    return (
        "# Environment\n\n"
        + NOTE
        + "`kizuna env` prints these with their present values. Options go before variables.\n\n"
        "| variable | meaning |\n|---|---|\n" + rows
    )


def pages() -> dict[Path, str]:
    made = {
        FOLDER / "exit-codes.md": exit_codes(),
        FOLDER / "findings.md": findings(),
        FOLDER / "problems.md": problems(),
        FOLDER / "commands.md": commands(),
        FOLDER / "payloads.md": payloads(),
        FOLDER / "environment.md": environment(),
    }
    for kind, schema in schemas().items():
        made[FOLDER / "schemas" / f"{kind}.json"] = (
            json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        )
    return {path: text.rstrip("\n") + "\n" for path, text in made.items()}


def main() -> int:
    stale = [
        path
        for path, text in pages().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        for path in stale:
            print(f"stale: {path.relative_to(ROOT)}")
        return 1 if stale else 0
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
