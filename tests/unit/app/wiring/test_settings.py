# SPDX-License-Identifier: Apache-2.0
"""Settings come from arguments, then the environment, then defaults."""

import pytest

from kizuna.app.wiring.keys.units import read_pin
from kizuna.app.wiring.settings import Settings, language
from kizuna.model.errors import Misconfigured, Unavailable


def test_arguments_go_before_the_environment(tmp_path):
    env = {"KIZUNA_STORE": "/elsewhere", "KIZUNA_LANG": "ja"}
    made = Settings.from_environment(env, store=tmp_path, lang="en")
    assert made.store == tmp_path
    assert made.lang == "en"
    assert str(Settings.from_environment(env).store) == "/elsewhere"
    assert str(Settings.from_environment({}).store) == ".kizuna"


@pytest.mark.parametrize(
    ("env", "lang"),
    [
        ({}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "KIZUNA_LANG": "ja"}, "ja"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
    ],
)
def test_language_of_messages(env, lang):
    assert language(env) == lang


def test_a_passphrase_never_shows(tmp_path):
    path = tmp_path / "passphrase"
    path.write_text("correct horse\n")
    made = Settings.from_environment(
        {"KIZUNA_PASSPHRASE_FILE": str(path), "KIZUNA_DATABASE": "postgresql://u:secret@h/d"}
    )
    assert made.passphrase == b"correct horse"
    assert "horse" not in repr(made)
    assert "secret" not in repr(made)


def test_an_unreadable_passphrase_file_is_told():
    with pytest.raises(Misconfigured) as caught:
        Settings.from_environment({"KIZUNA_PASSPHRASE_FILE": "/nowhere/at/all"})
    assert caught.value.code == "setting.unreadable"


def test_a_language_without_messages_is_refused():
    with pytest.raises(Misconfigured):
        Settings.from_environment({}, lang="fr")


def test_each_unit_takes_the_pin_that_is_called_like_it(tmp_path):
    pins = tmp_path / "pins"
    pins.mkdir()
    (pins / "hsm").write_text("1234\n")
    alone = tmp_path / "pin"
    alone.write_text("5678\n")
    folder = Settings(store=tmp_path, unit_pin_file=pins)
    assert [read_pin(folder, name) for name in ("hsm", "tpm")] == [b"1234", b""]
    one = Settings(store=tmp_path, unit_pin_file=alone)
    assert [read_pin(one, name) for name in ("hsm", "tpm")] == [b"5678", b"5678"]
    with pytest.raises(Unavailable) as caught:
        read_pin(Settings(store=tmp_path, unit_pin_file=tmp_path / "none"), "hsm")
    assert caught.value.code == "unit.pin-unreadable"
