# SPDX-License-Identifier: Apache-2.0
"""A spare key from the command line: made outside the store, locked, used."""

import pytest

SPARE = {"KIZUNA_SPARE_PASSPHRASE": "correct horse battery"}


@pytest.fixture
def spare(store, tmp_path):
    """The folder of an enrolled spare key."""
    folder = tmp_path / "stick" / "spare"
    assert store("key", "spare", folder, env=SPARE).code == 0
    return folder


def states(store):
    return {k["thumbprint"]: k["state"] for k in store("key", "list", "--json").json["keys"]}


def daily(store):
    return next(name for name, state in states(store).items() if state == "current")


def test_the_spare_key_lies_outside_and_is_locked_with_its_own_secret(store, spare, tmp_path):
    assert sorted(states(store).values()) == ["active", "current"]
    kept = (spare / "keys").read_bytes()
    assert b"correct horse" not in kept
    wrong = store(
        "key", "rotate", "--with", spare, "--json", env={"KIZUNA_SPARE_PASSPHRASE": "no" * 8}
    )
    assert wrong.json["code"] == "unit.secret-wrong"
    assert (spare / "keys").read_bytes() == kept


def test_a_key_file_locks_it_as_well(store, tmp_path):
    secret = tmp_path / "safe" / "secret"
    secret.parent.mkdir()
    made = store("key", "spare", tmp_path / "spare", "--secret", secret, "--json")
    assert made.code == 0, made.stderr
    assert secret.stat().st_mode & 0o077 == 0
    done = store("key", "rotate", "--with", tmp_path / "spare", "--secret", secret, "--json")
    assert done.code == 0, done.stderr
    assert daily(store) == done.json["new"]


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        (("key", "spare", "{store}/spare"), SPARE, "spare.inside-store"),
        (("key", "spare", "s", "--secret", "s/secret"), {}, "spare.secret-beside"),
        (("key", "spare", "s"), {}, "spare.no-secret"),
        (("key", "spare", "s"), {"KIZUNA_SPARE_PASSPHRASE": "short"}, "unit.secret-weak"),
        (("key", "rotate", "--with", "nothing"), SPARE, "spare.absent"),
    ],
)
def test_a_spare_key_that_would_be_none_is_refused_and_leaves_nothing(
    store, tmp_path, words, env, code
):
    words = [w.format(store=store.store) for w in words]
    before = states(store)
    ran = store(*words, "--json", env=env)
    assert ran.json["code"] == code
    assert ran.json["hint"]
    assert states(store) == before
    assert not (tmp_path / "s").exists()
    assert not (store.store / "spare").exists()
