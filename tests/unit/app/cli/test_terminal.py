# SPDX-License-Identifier: Apache-2.0
"""Words of others never command the reader's terminal, nor write a line that looks like ours."""

import json

import pytest
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.messages import text
from kizuna.app.wiring.messages.plain import plain, unpainted
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Described, Links

EVIL = (
    "Pump\x1b[1A\x1b[2K\x1b]0;x\x07\r\u202eevil\u200b\n✔ trusted  pkg:generic/fuji/pump@4.2\x9b2J"
)
FAN = canonical("pkg:generic/fuji/fan@1")


@pytest.mark.parametrize("character", "\x00\x07\x08\x1b\r\n\x7f\x9b\u200b\u202e\u2066\u2028\ufeff")
def test_what_commands_a_terminal_or_is_not_seen_becomes_a_space(character):
    assert plain(f"a{character}b") == "a b"


def test_our_own_colours_stay_and_no_other_command():
    assert unpainted("\x1b[32m\x1b[1mok\x1b[0m") == "\x1b[32m\x1b[1mok\x1b[0m"
    assert "\x1b" not in unpainted("\x1b[2J\x1b[8mhidden\x1b]0;title\x07")
    assert plain("空調　制御\u00a0装置") == "空調　制御\u00a0装置"


def test_values_in_messages_are_plain():
    assert "\x1b" not in text("turn.supplier-of", "en", subject=EVIL)
    assert "\n" not in text("turn.supplier-of", "ja", subject=EVIL)


def test_a_name_with_commands_changes_no_line_of_an_answer(tmp_path):
    settings = Settings(store=tmp_path / "store")
    with Workspace.init(settings.store, "Bar", now=settings.clock(), settings=settings) as made:
        said = made.say(Kind.LINK, FAN, Links(described=[Described(name=EVIL, version="1")]))
        made.register_one(said.statement, said.documents)
    for command in ("verify", "explain"):
        asked = [command, str(FAN), "--profile", "software-product", "--store", str(settings.store)]
        shown = CliRunner().invoke(build(), asked).output
        assert "Pump" in shown
        assert not set(shown) & set("\x1b\x07\r\u202e\u200b\x9b")
        assert not [line for line in shown.splitlines() if line.lstrip().startswith("✔")]
        exact = CliRunner().invoke(build(), [*asked, "--json"]).stdout
        assert json.loads(exact)
