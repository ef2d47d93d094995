# SPDX-License-Identifier: Apache-2.0
"""What a verdict asks of the one who reads it is a command away, and a slip in it is told."""

import shlex

import pytest

PUMP = "pkg:generic/bar/pump@1"
VALUES = {
    "contact": "psirt@bar.example",
    "until": "2099-03-31",
    "builder": "https://ci.bar.example",
    "source": "git+https://git.bar.example/pump",
    "hashes": "[sha256:9f86d081884c7d65]",
    "licenses": "[MIT]",
    "open_critical": "0",
    "exploitable": "0",
}


@pytest.fixture
def pump(store, tmp_path):
    """A product of the store's own organisation, of which only its name is known."""
    table = tmp_path / "parts.csv"
    table.write_text(f"identifier,part,version,maker\n{PUMP},Pump,1,own company\n")
    assert store("import", table).code == 0
    return store


def filled(command):
    """A command as a person completes it: a value in each gap."""
    words = shlex.split(command)
    assert words[0] == "kizuna"
    for word in words[1:]:
        name, equals, value = word.partition("=")
        yield f"{name}={VALUES[name]}" if equals and value == "…" else word


def test_whoever_types_what_the_findings_offer_is_trusted(pump):
    told = pump("verify", PUMP, "--profile", "software-product", "--json").json
    offered = [f["command"] for f in told["findings"]]
    assert all(offered)
    for command in offered:
        ran = pump(*filled(command))
        assert ran.code == 0, ran.stderr
        assert "note:" not in ran.stderr
    assert pump("verify", PUMP, "--profile", "software-product").code == 0


def test_a_person_is_shown_the_command_where_it_is_their_turn(pump, tmp_path):
    shown = pump("verify", PUMP, "--profile", "software-product").stdout
    assert f"$ kizuna statement claim {PUMP} vulnerability-contact contact=…\n" in shown
    assert f"$ kizuna statement complete {PUMP}\n" in shown
    tree = pump("explain", PUMP, "--profile", "software-product").stdout
    assert f"$ kizuna statement claim {PUMP} vulnerability-contact contact=…\n" in tree
    elsewhere = pump("verify", PUMP, "-p", "software-product", "--store", pump.store).stdout
    assert f"contact=… --store {pump.store}\n" in elsewhere
    bundle, trust = tmp_path / "proof.kz", tmp_path / "trust.json"
    pump("export", PUMP, "--profile", "software-product", "--out", bundle)
    pump("trust", "export", "--out", trust)
    offline = pump("verify", "--bundle", bundle, "--trust", trust, "-p", "software-product").stdout
    assert "must see that it is registered" in offline
    assert "$ kizuna" not in offline


def test_nobody_is_offered_a_word_that_somebody_else_has_to_give(pump):
    told = pump("verify", PUMP, "--profile", "iot-device", "--json").json
    commands = {f["requirement"]: f["command"] for f in told["findings"]}
    assert commands["security-label"] == ""  # a certificate
    assert commands.get("firmware-attested", "") == ""  # what a device measured
    shown = pump("verify", PUMP, "--profile", "iot-device", "--all").stdout
    assert "attestation " not in shown.replace("attestation-", "")


def test_a_claim_is_of_the_kind_that_profiles_read(pump):
    assert pump("statement", "claim", PUMP, "security-test", "open_critical=0").code == 0
    (row,) = pump("statement", "list", "--limit", "1", "--kind", "evidence", "--json").json[
        "statements"
    ]
    assert row["subject"] == PUMP
    left = pump("verify", PUMP, "--profile", "software-product", "--json").json["findings"]
    assert "security-test" not in {f["requirement"] for f in left}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["securty-test"], "did you mean security-test?"),
        (["our-own-claim"], "no profile here asks for our-own-claim"),
        (["support-period", "--kind", "evidence"], "read support-period as capability"),
        (["vulnerability-contact"], "without contact it counts nothing under"),
    ],
)
def test_a_claim_that_will_count_nowhere_is_told(pump, words, told):
    ran = pump("statement", "claim", PUMP, *words)
    assert ran.code == 0
    assert told in ran.stderr
    assert told not in pump("statement", "claim", PUMP, *words, "--json").stderr


def test_a_finding_names_the_field_that_a_claim_lacks(pump):
    pump("statement", "claim", PUMP, "vulnerability-contact")
    for lang, words in (("en", "without contact"), ("ja", "contact がありません")):
        told = pump("verify", PUMP, "-p", "software-product", "--json", "--lang", lang).json
        said = {f["requirement"]: f["message"] for f in told["findings"]}
        assert words in said["vulnerability-contact"]


@pytest.mark.parametrize("value", ["…", "[…]"])
def test_a_gap_is_never_signed(pump, value):
    size = pump("log", "checkpoint", "--json").json["size"]
    ran = pump("statement", "claim", PUMP, "vulnerability-contact", f"contact={value}")
    assert ran.code != 0
    assert "statement.gap" in ran.stderr
    assert "contact=VALUE" in ran.stderr
    assert pump("log", "checkpoint", "--json").json["size"] == size
