# SPDX-License-Identifier: Apache-2.0
"""The demo as a person leaves it: told, mended, and watched."""

from types import SimpleNamespace

import pytest

from kizuna.app.cli import demo as demo_command
from kizuna.app.cli.door import Door
from kizuna.model.errors import Unavailable


def test_the_demo_ends_trusted_and_its_product_is_watched_once(kizuna):
    for _ in range(2):
        told = kizuna("demo", "--json")
        assert told.code == 0, told.stderr
        assert told.json["verdicts"] == {
            "before": "trusted",
            "broken": "untrusted",
            "mended": "trusted",
        }
    watched = kizuna("watch", "list", "--json").json["watches"]
    assert [(w["subject"], w["profile"], w["verdict"]) for w in watched] == [
        (told.json["root"], told.json["profile"], "trusted")
    ]


def test_a_message_wipes_the_progress_bars_first(capsys):
    door = Door(store=None, as_json=False, lang="en", quiet=False, verbose=False)
    seen = []

    class Shown:
        def close(self):
            seen.append(capsys.readouterr().err)

    door.bars = Shown()
    door.say("serve.ready", url="http://127.0.0.1:1")
    assert seen == [""]
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_a_demo_whose_usual_port_is_taken_serves_at_another(monkeypatch):
    asked = []

    def serve(_workspace, *, port, **_):
        asked.append(port)
        if port:
            raise Unavailable("http.port", "cannot listen", hint="choose another")

    monkeypatch.setattr("kizuna.app.wiring.server.serve", serve)
    door = Door(store=None, as_json=False, lang="en", quiet=True, verbose=False)
    demo_command.leave_open(door, SimpleNamespace(workspace=None), demo_command.PORT)
    assert asked == [demo_command.PORT, 0]
    with pytest.raises(Unavailable):
        demo_command.leave_open(door, SimpleNamespace(workspace=None), 9999)


def test_a_demo_that_stays_open_lets_its_guest_sign_in(monkeypatch, capsys):
    def serve(_workspace, *, port, ready, **_):
        ready(f"http://127.0.0.1:{port}", "a-token")

    monkeypatch.setattr("kizuna.app.wiring.server.serve", serve)
    door = Door(store=None, as_json=False, lang="en", quiet=False, verbose=False)
    demo_command.leave_open(door, SimpleNamespace(workspace=None), 9999)
    told = capsys.readouterr().err
    assert "http://127.0.0.1:9999/sign-in with the token a-token" in told


def test_the_next_command_can_be_typed_where_the_demo_was_started(monkeypatch):
    monkeypatch.setattr("sys.argv", [".venv/bin/kizuna", "demo"])
    monkeypatch.setattr(demo_command, "which", lambda _: None)
    assert demo_command._program() == ".venv/bin/kizuna"
    monkeypatch.setattr(demo_command, "which", lambda _: "/usr/bin/kizuna")
    assert demo_command._program() == "kizuna"
    monkeypatch.setattr("sys.argv", ["/somewhere/__main__.py", "demo"])
    assert demo_command._program() == "kizuna"
