# SPDX-License-Identifier: Apache-2.0
"""The message catalogues are current, complete, and say the same in both languages."""

import ast
import re
from pathlib import Path

import pytest
from babel.messages import pofile
from babel.messages.mofile import read_mo

from kizuna.model import errors
from kizuna.model.finding import Code
from kizuna.model.relation import Relation
from kizuna.proof.attestation.appraisal import AppraisalCode, Status, Tier

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "kizuna"
FOLDER = SOURCE / "app" / "wiring" / "messages"
PLACEHOLDER = re.compile(r"{(\w+)(?::[^{}]*)?}")
PROBLEM_CODE = re.compile(r"[a-z]+(?:-[a-z]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")
WORDS = {"text", "say", "warn", "confirmed"}


def catalogue(lang: str) -> dict[str, str]:
    with (FOLDER / f"{lang}.po").open("rb") as file:
        return {str(m.id): str(m.string) for m in pofile.read_po(file) if m.id}


EN, JA = catalogue("en"), catalogue("ja")


def problem_classes() -> set[str]:
    """Names of ``Problem`` and everything below it, wherever it is defined."""
    names = {"Problem", *errors.__all__}
    parents: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {b.id for b in node.bases if isinstance(b, ast.Name)}
                parents.setdefault(node.name, set()).update(bases)
    grew = True
    while grew:
        more = {name for name, bases in parents.items() if bases & names} - names
        grew = bool(more)
        names |= more
    return names


def codes_in(tree: ast.AST, classes: set[str]) -> set[str]:
    """Literal codes that problems are raised with, directly or through a function of the module."""
    found: set[str] = set()
    builders: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
            for call in ast.walk(node):
                if (
                    isinstance(call, ast.Call)
                    and _name(call.func) in classes
                    and call.args
                    and isinstance(call.args[0], ast.Name)
                    and call.args[0].id in names
                ):
                    builders[node.name] = names.index(call.args[0].id)
    changed = True
    while changed:  # builders of builders
        changed = False
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name not in builders:
                names = [a.arg for a in node.args.args if a.arg not in ("self", "cls")]
                for call in ast.walk(node):
                    place = builders.get(_name(call.func)) if isinstance(call, ast.Call) else None
                    if (
                        place is not None
                        and len(call.args) > place
                        and isinstance(call.args[place], ast.Name)
                        and call.args[place].id in names
                    ):
                        builders[node.name] = names.index(call.args[place].id)
                        changed = True
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = _name(node.func)
        place = 0 if name in classes else builders.get(name)
        if place is None or len(node.args) <= place:
            continue
        for literal in _literals(node.args[place]):
            if PROBLEM_CODE.fullmatch(literal):
                found.add(literal)
    return found


def _literals(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.IfExp):
        return _literals(node.body) | _literals(node.orelse)
    return set()


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def problem_codes() -> set[str]:
    classes = problem_classes()
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        found |= codes_in(ast.parse(path.read_text(encoding="utf-8")), classes)
    return found


def text_keys() -> dict[str, set[str] | None]:
    """Keys that commands ask the catalogue for, with the values they give (None: unknown)."""
    found: dict[str, set[str] | None] = {}
    for path in (SOURCE / "app").rglob("*.py"):
        if "console" in path.parts or "api" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in WORDS and node.args:
                for key in _literals(node.args[0]):
                    given = {k.arg for k in node.keywords if k.arg}
                    spread = any(k.arg is None for k in node.keywords)
                    found[key] = None if spread else given
    return found


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_compiled_catalogues_are_current(lang):
    with (FOLDER / f"{lang}.mo").open("rb") as file:
        compiled = {str(m.id): str(m.string) for m in read_mo(file) if m.id}
    assert compiled == catalogue(lang), "run `python tools/messages.py`"


def test_both_languages_have_the_same_keys():
    assert set(EN) == set(JA)


def test_nothing_is_left_untranslated():
    assert not [k for k, v in EN.items() if not v]
    assert not [k for k, v in JA.items() if not v]


def test_both_languages_use_the_same_placeholders():
    different = {
        key for key in EN if set(PLACEHOLDER.findall(EN[key])) != set(PLACEHOLDER.findall(JA[key]))
    }
    assert not different


@pytest.mark.parametrize("code", list(Code))
def test_every_finding_has_message_and_mend(code):
    assert f"finding.{code.value}.message" in EN
    assert f"finding.{code.value}.mend" in EN


@pytest.mark.parametrize("code", list(AppraisalCode))
def test_every_finding_of_an_appraisal_has_message_and_mend(code):
    assert f"appraisal.{code.value}.message" in EN
    assert f"appraisal.{code.value}.mend" in EN


def test_every_status_and_tier_of_an_appraisal_has_a_word():
    assert {f"appraisal.status.{status.value}" for status in Status} <= set(EN)
    assert {f"appraisal.tier.{tier.value}" for tier in Tier} <= set(EN)


def test_every_problem_has_its_words():
    missing = {c for c in problem_codes() if f"problem.{c}" not in EN}
    assert not missing


def test_every_problem_says_what_to_do_next():
    missing = {c for c in problem_codes() if f"problem.{c}.hint" not in EN}
    assert not missing


def test_no_words_for_problems_that_nobody_raises():
    codes = problem_codes()
    spare = {
        key
        for key in EN
        if key.startswith("problem.")
        and key.removeprefix("problem.").removesuffix(".hint") not in codes
    }
    assert not spare


def test_every_text_that_commands_ask_for_is_there():
    asked = {key for key in text_keys() if "." in key}
    assert not {key for key in asked if key not in EN}


@pytest.mark.parametrize("relation", list(Relation))
def test_every_relation_has_a_word(relation):
    assert f"relation.{relation.value}" in EN


LATIN = {"page.brand", "page.nav.language", "device.history-row"}
"""What is written in Latin letters in Japanese, too: names, and a line made of values."""


def test_japanese_is_japanese():
    plain = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
    latin = {
        key
        for key, words in JA.items()
        if key not in LATIN
        and not plain.search(words)
        and re.search(r"[A-Za-z]{4}", PLACEHOLDER.sub("", words))
    }
    assert not latin
