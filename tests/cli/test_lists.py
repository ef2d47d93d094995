# SPDX-License-Identifier: Apache-2.0
"""Lists from the command line, as the guide tells: write, publish, follow, withdraw, roll back."""

import json

import pytest

from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit


def a_member():
    unit = EphemeralUnit()
    return did_key(unit.public(unit.generate(Algorithm.ES256, "member")))


@pytest.fixture
def buyer(kizuna, tmp_path):
    made = type(kizuna)(tmp_path / "buyer")
    assert made("init", "--name", "Buyer").code == 0
    return made


@pytest.fixture
def association(kizuna):
    assert kizuna("init", "--name", "Association").code == 0
    assert kizuna("list", "create", "makers").code == 0
    return kizuna


def test_a_list_goes_from_a_spreadsheet_to_a_follower_and_a_rollback_is_loud(
    association, buyer, tmp_path
):
    fuji, kita = a_member(), a_member()
    table = tmp_path / "m.csv"
    head = "id,name,roles,scope,level\n"
    rows = [f"{fuji},Fuji,maker,pkg:npm/fuji,self-declared\n", f"{kita},Kita,assessor,,\n"]
    table.write_text(head + "".join(rows))
    shown = association("list", "edit", table, "--list", "makers", "--preview")
    assert (shown.code, shown.stdout.count("new: ")) == (0, 2)
    asked = association("list", "edit", table, "--list", "makers")
    assert (asked.code, asked.stdout.count("new: ")) == (2, 2), "nobody was there to agree"
    assert association("list", "edit", table, "--list", "makers", "--yes").code == 0

    first, second = tmp_path / "1.jose", tmp_path / "2.jose"
    said = association("list", "publish", "--list", "makers", "--out", first)
    assert (said.code, "issue 1" in said.stdout) == (0, True)
    pem = tmp_path / "assoc.pem"
    assert association("list", "certificate", "--out", pem).code == 0
    listed = association("list", "show", "--list", "makers", "--json").json["id"]
    mapping = tmp_path / "map.yaml"
    mapping.write_text(f'types:\n  "{listed}#maker": {{role: maker, scope: [listed]}}\n')
    taken = buyer(
        "list", "take", first, "--name", "makers-jp", "--certificate", pem, "--mapping", mapping,
        "--yes",
    )  # fmt: skip
    assert (taken.code, "not understood" in taken.stdout) == (0, True)
    entry = buyer("list", "show", "--list", "makers-jp", "--json").json["entries"][0]
    assert entry["services"][0]["scope"] == ["pkg:npm/fuji"]

    table.write_text(head + rows[1])
    words = ("list", "edit", table, "--list", "makers", "--yes")
    assert association(*words).code == 2, "leaving needs a reason"
    assert association(*words, "--reason", "left").code == 0
    assert association("list", "publish", "--list", "makers", "--out", second).code == 0
    entered = buyer("list", "take", second, "--as", "makers-jp")
    assert (entered.code, entered.stdout.count("operated by")) == (2, 1), "nobody agreed"
    assert buyer("list", "take", second, "--as", "makers-jp", "--yes").code == 0
    unchanged = buyer("list", "take", second, "--as", "makers-jp")
    assert (unchanged.code, unchanged.stdout.count("operated by")) == (0, 1), "told once"
    back = buyer("list", "take", first, "--as", "makers-jp", "--yes", "--json")
    assert (back.code, json.loads(back.stdout)["code"]) == (11, "list.rolled-back")
    shown = buyer("list", "show", "--list", "makers-jp")
    assert "list.rolled-back" in shown.stdout
    assert f"withdrawn  {fuji}" in shown.stdout
    second.unlink()
    gone = buyer("list", "refresh")
    assert gone.code == 13
    assert "last good issue stays in force" in gone.stdout


def test_status_is_published_and_checked(association, tmp_path):
    jwk, out = tmp_path / "key.jwk", tmp_path / "s.cwt"
    keys = association("key", "list", "--json").json["keys"]
    jwk.write_text(json.dumps(keys[0]["jwk"]))
    address = "https://store.example/api/status-list"
    told = association("list", "status", "publish", "--address", address, "--out", out, "--json")
    assert told.json["cwt_bytes"] == out.stat().st_size
    found = association("list", "status", "check", out, "0", "--key", jwk, "--json")
    assert (found.code, found.json["status"]) == (0, "valid")
    token = tmp_path / "token.json"
    token.write_text(json.dumps({"status": {"status_list": {"idx": 1, "uri": address}}}))
    assert association("list", "status", "check", out, token, "--key", jwk).code == 0
    assert association("list", "status", "check", out, "5000", "--key", jwk).code == 13


def test_whose_signature_counts_is_said_by_the_verifier(buyer, tmp_path):
    file = tmp_path / "list"
    file.write_bytes(b"e30.e30.AA")
    without = buyer("list", "take", file, "--as", "x", "--yes", "--json")
    assert (without.code, without.json["code"]) == (2, "list.signer-missing")
