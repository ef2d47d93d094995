# SPDX-License-Identifier: Apache-2.0
"""The pages speak both languages, with the same gaps to fill."""

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import pofile

from kizuna.app import console
from kizuna.app.console.texts import PREFIX, say, typed
from kizuna.app.wiring.messages import FOLDER
from kizuna.model.finding import Value
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Standing
from kizuna.model.relation import Relation


def catalogue(lang: str) -> dict[str, str]:
    with (FOLDER / f"{lang}.po").open("rb") as file:
        every = {str(m.id): str(m.string) for m in pofile.read_po(file) if m.id}
    return {key[len(PREFIX) :]: words for key, words in every.items() if key.startswith(PREFIX)}


EN, JA = catalogue("en"), catalogue("ja")
TEXTS = {key: (EN[key], JA.get(key, "")) for key in EN}


def gaps(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_it_with_the_same_gaps(key: str):
    english, japanese = TEXTS[key]
    assert english.strip()
    assert japanese.strip()
    assert gaps(english) == gaps(japanese)


def test_every_word_of_the_model_has_words_for_people():
    for prefix, words in (
        ("value", [v.word for v in Value]),
        ("element", list(Element)),
        ("relation", list(Relation)),
        ("kind", list(Kind)),
        ("level", list(Level)),
        ("lists", list(Standing)),
    ):
        for word in words:
            assert f"{prefix}.{word}" in TEXTS


def test_every_key_that_a_template_asks_for_exists_and_the_other_way_round():
    folder = Path(console.__file__).parent
    source = "".join(
        p.read_text() for p in [*folder.glob("templates/*.html"), *folder.glob("*.py")]
    )
    asked = set(re.findall(r"""\bt\('([a-z.\-]+)'""", source)) | set(
        re.findall(r"""(?:say|words)\(\s*f?"([a-z.\-]+)\"""", source)
    )
    exact = {key for key in asked if not key.endswith(".")}
    assert exact <= set(TEXTS)
    dynamic = ("value.", "element.", "relation.", "kind.", "lists.", "level.", "profiles.counts.")
    dynamic += tuple(key for key in asked if key.endswith("."))
    unused = {
        key
        for key in TEXTS
        if key not in exact and not key.startswith(dynamic) and f"'{key}'" not in source
    }
    assert unused == set()


def test_a_missing_value_shows_as_a_dash():
    assert "–" in say("entry.title", "en")


def test_what_is_to_be_typed_stands_out_and_nothing_else_becomes_markup():
    assert str(typed("run `kizuna serve`")) == "run <code>kizuna serve</code>"
    assert str(typed("`<b>` & <i>")) == "<code>&lt;b&gt;</code> &amp; &lt;i&gt;"
    assert str(typed("an odd ` stays")) == "an odd ` stays"
