# SPDX-License-Identifier: Apache-2.0
"""What is promised to people and scripts, held by tests."""

import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest
import typer

from kizuna.app.cli.tree import build
from kizuna.app.wiring.settings import VARIABLES
from kizuna.model.finding import Code
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Action, Level, Severity
from kizuna.model.payload.membership import Standing
from kizuna.model.relation import Relation
from kizuna.proof.attestation.appraisal import AppraisalCode, Status, Tier

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SNAPSHOT = Path(__file__).with_name("wire-names.txt")


@lru_cache(maxsize=1)
def commands() -> dict[str, object]:
    """Every command by the words that call it."""
    found: dict[str, object] = {}

    def walk(command, words):
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*words, name))
        if not getattr(command, "commands", None):
            found[" ".join(words)] = command

    walk(typer.main.get_command(build()), ())
    return found


def wire_names() -> str:
    groups = {
        "appraisal": [c.value for c in AppraisalCode],
        "attestation-status": [s.value for s in Status],
        "attestation-tier": [t.value for t in Tier],
        "finding": [c.value for c in Code],
        "kind": [k.value for k in Kind],
        "relation": [r.value for r in Relation],
        "action": [a.value for a in Action],
        "level": [v.value for v in Level],
        "severity": [s.value for s in Severity],
        "standing": [s.value for s in Standing],
        "outcome": [f"{o.value} {o.name}" for o in Outcome],
    }
    return "".join(f"{group} {name}\n" for group, names in groups.items() for name in sorted(names))


def test_names_on_the_wire_never_change():
    """New names are added to the snapshot; a name that is in it stays for ever."""
    assert wire_names() == SNAPSHOT.read_text(encoding="utf-8")


def test_imports_run_downwards_only():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("outcome", list(Outcome), ids=lambda o: o.name)
def test_every_exit_code_is_documented(outcome):
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| {outcome.value} \| ", page, re.MULTILINE)


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_is_documented(words):
    page = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    assert f"## kizuna {words}\n" in page


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_has_the_options_of_all(words):
    options = {o for p in commands()[words].params for o in getattr(p, "opts", ())}
    assert {"--store", "--json", "--lang", "--quiet", "--verbose"} <= options


@pytest.mark.parametrize("words", sorted(commands()))
def test_every_command_says_in_a_sentence_what_it_does(words):
    help_ = commands()[words].help or ""
    assert help_.strip()
    assert help_.strip().split("\n\n")[0].rstrip().endswith((".", ")"))


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_is_documented(name):
    assert f"`{name}`" in (DOCS / "reference" / "environment.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "README.ja.md"])
def test_the_readme_names_the_two_commands(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


def documents() -> list[Path]:
    pages = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return sorted(pages)


def named_commands() -> list[tuple[str, str]]:
    found = set()
    for page in documents():
        if page.parent.name == "decisions" or page.name in ("commands.md", "CHANGELOG.md"):
            continue
        text = page.read_text(encoding="utf-8")
        for line in re.findall(r"(?m)^\$ (?:\S+=\S+ )*kizuna ([^\n#]+)", text):
            found.add((page.relative_to(ROOT).as_posix(), line.strip()))
        for line in re.findall(r"`kizuna ([a-z][^`\n]*)`", text):
            found.add((page.relative_to(ROOT).as_posix(), line.strip()))
    return sorted(found)


def advised_commands() -> list[tuple[str, str]]:
    """Commands that hints, messages and catalogues tell people to run."""
    found = set()
    for path in (ROOT / "src").rglob("*"):
        if path.suffix in (".py", ".po", ".html"):
            text = path.read_text(encoding="utf-8")
            for line in re.findall(r"`kizuna ([a-z][^`\n{]*)`", text):
                found.add((path.relative_to(ROOT).as_posix(), line.strip()))
    return sorted(found)


@pytest.mark.parametrize(("page", "line"), [*named_commands(), *advised_commands()])
def test_documents_name_commands_that_exist(page, line):
    known = commands()
    nouns = {words.split(" ")[0] for words in known}
    words = line.split(" ")
    if words[0].startswith("-"):
        return
    assert words[0] in nouns, line
    # nouns may have topics of their own (device firmware sign), named by any of their words
    topics = {" ".join(name.split(" ")[:n]) for name in known for n in range(1, 5)}
    if words[0] not in known and len(words) > 1 and not words[1].startswith(("-", "…", "<")):
        for word in words[1].split("|"):
            assert f"{words[0]} {word}" in topics, line
        topic = " ".join(words[:2])
        if topic in topics and topic not in known and len(words) > 2 and words[2].islower():
            assert " ".join(words[:3]) in topics, line
    called = next((known[n] for n in (" ".join(words[:c]) for c in (3, 2, 1)) if n in known), None)
    if called is not None:
        options = {o for p in called.params for o in getattr(p, "opts", ())}
        for option in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", line):
            assert option in options, f"{line}: no option {option}"


def links() -> list[tuple[str, str]]:
    found = set()
    for page in documents():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://", "mailto:")):
                found.add((page.relative_to(ROOT).as_posix(), target))
    return sorted(found)


@pytest.mark.parametrize(("page", "target"), links())
def test_links_between_documents_lead_somewhere(page, target):
    assert ((ROOT / page).parent / target).exists()


def test_the_project_speaks_of_itself_alone():
    """No traces of how or where it was written."""
    words = re.compile(r"\b(TODO|FIXME|XXX|ChatGPT|Claude|Anthropic|Copilot)\b|/work/|/tmp/kz")
    bad = []
    for folder in ("src", "docs", "tests", "tools", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".yaml", ".po", ".html", ".css", ".toml"):
                if path == Path(__file__):
                    continue
                if words.search(path.read_text(encoding="utf-8")):
                    bad.append(str(path.relative_to(ROOT)))
    assert not bad


def test_help_starts_quickly_by_importing_little():
    code = (
        "import sys; from kizuna.app.cli.tree import build; build();"
        "heavy = {'rich', 'litestar', 'sqlalchemy', 'numpy', 'cryptography', 'msgspec', 'openpyxl',"
        " 'packageurl', 'cel', 'yaml', 'jsonschema_rs', 'uvicorn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def linked(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", ["guides", "concepts", "reference", "start"])
def test_the_index_leads_to_every_page(folder):
    asked = {f"{folder}/{page.name}" for page in (DOCS / folder).glob("*.md")}
    assert asked <= set(linked(DOCS / "index.md"))


def test_every_decision_has_a_number_of_its_own_and_is_listed_once():
    pages = sorted(page.name for page in (DOCS / "decisions").glob("[0-9]*.md"))
    assert len({name[:4] for name in pages}) == len(pages)
    assert linked(DOCS / "decisions" / "README.md") == pages
