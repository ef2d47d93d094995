# SPDX-License-Identifier: Apache-2.0
"""The demo as a person leaves it: told, mended, and watched."""

from kizuna.app.cli.door import Door


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
