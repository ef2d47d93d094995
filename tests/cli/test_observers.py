# SPDX-License-Identifier: Apache-2.0
"""Whoever looks at a log from outside: an auditor's name stands under what it replayed itself."""

import shutil

import pytest

SUBJECT = "pkg:generic/bar/pump@4.2"


@pytest.fixture
def trust(store, tmp_path):
    """What somebody else believes of this store, taken over a second channel."""
    store("statement", "claim", SUBJECT, "secure-update", "-q")
    store("trust", "export", "--out", tmp_path / "trust.json", "-q")
    return tmp_path / "trust.json"


def audit(store, trust, home, *words, copy=None):
    words = ("--trust", trust, "--auditor", home, *words, "--json")
    return store("log", "audit-map", "--store", copy or store.store, *words)


def test_an_auditor_cosigns_under_a_key_of_its_own_and_counts_where_it_is_believed(
    store, trust, tmp_path
):
    unnamed = audit(store, trust, tmp_path / "auditor")
    assert (unnamed.code, unnamed.json["code"]) == (2, "witness.name")
    made = audit(
        store, trust, tmp_path / "auditor", "--name", "auditor.example", "--out", tmp_path / "line"
    ).json
    assert made["holds"]
    assert made["key"].startswith("auditor.example+")
    seen = store(
        "log", "witness", tmp_path / "witness", store.store, "--name", "witness.example",
        "--trust", trust, "--json",
    ).json  # fmt: skip
    assert seen["key"] != made["key"]
    assert store("trust", "witness", made["key"], "--quorum", "1").code == 0
    assert store("log", "cosign", tmp_path / "line").code == 0
    words = ("verify", SUBJECT, "--profile", "software-product", "--json")
    assert store(*words).json["quorum"] == 1
    assert audit(store, trust, tmp_path / "auditor").json["key"] == made["key"], "it remembers"


def test_who_vouches_for_growth_does_not_vouch_for_lists_with_the_same_key(store, trust, tmp_path):
    witness = ("log", "witness", tmp_path / "one", store.store, "--trust", trust, "--json")
    assert store(*witness, "--name", "one.example").code == 0
    refused = audit(store, trust, tmp_path / "one", "--name", "one.example")
    assert (refused.code, refused.json["code"]) == (2, "witness.role")


def test_an_auditor_puts_its_name_to_one_history_only(store, trust, tmp_path):
    shutil.copytree(store.store, tmp_path / "copy")
    store("statement", "claim", SUBJECT, "secure-defaults", "-q")
    other = ("statement", "claim", SUBJECT, "security-test", "--store", tmp_path / "copy", "-q")
    assert store(*other, env={"KIZUNA_SEEN": "off"}).code == 0
    home = tmp_path / "auditor"
    assert audit(store, trust, home, "--name", "auditor.example").code == 0
    refused = audit(store, trust, home, copy=tmp_path / "copy")
    assert (refused.code, refused.json["code"]) == (11, "log.forked")
    assert len(list((home / "state" / "evidence").iterdir())) == 2


def test_an_auditor_takes_the_logs_key_from_its_own_file(store, trust, tmp_path):
    store("init", "--name", "Other", "--store", tmp_path / "other", "-q")
    mine = tmp_path / "mine.json"
    store("trust", "export", "--store", tmp_path / "other", "--out", mine, "-q")
    refused = audit(store, mine, tmp_path / "auditor", "--name", "auditor.example")
    assert (refused.code, refused.json["code"]) == (13, "log.not-accepted")


def test_a_bundle_that_was_cut_is_one_fault_of_a_check_and_names_its_file(store, trust):
    del trust
    folder = store.store / "log" / "tile" / "entries" / "000.p"
    last = max(folder.iterdir(), key=lambda file: int(file.name))
    last.write_bytes(last.read_bytes()[:-5])
    checked = store("log", "fsck", "--json")
    assert checked.code == 11
    (fault,) = checked.json["problems"]
    assert (fault["code"], fault["where"]) == (
        "log.bundle-malformed",
        f"tile/entries/000.p/{last.name}",
    )
    refused = store("statement", "claim", SUBJECT, "secure-defaults", "--json")
    assert (refused.code, refused.json["code"]) == (11, "log.bundle-malformed")
    assert refused.json["about"]["path"] == fault["where"]
