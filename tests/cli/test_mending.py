# SPDX-License-Identifier: Apache-2.0
"""From a table of parts to a trusted product, by doing what the findings ask for."""

import pytest

PUMP = "pkg:generic/fuji/pump@4.2"
TABLE = f"""identifier,part,version,maker,contained in,sha256,license
{PUMP},Pump controller,4.2,own company,,,
pkg:generic/sato/bearing@6204,Bearing,6204,Sato Bearings,{PUMP},{"ab" * 32},MIT
"""
CLAIMS = [
    (
        "build-provenance",
        "builder=https://ci.example",
        "source=git+https://g.example@1",
        "evidence",
    ),
    ("release-signature", "hashes=[sha256:ab]", "evidence"),
    ("security-test", "open_critical=0", "evidence"),
    ("vulnerability-review", "exploitable=0", "evidence"),
    ("secure-defaults", "capability"),
    ("secure-development", "standard=NIST SP 800-218", "capability"),
    ("secure-update", "capability"),
    ("support-period", "until=2099-03-31", "capability"),
    ("vulnerability-contact", "contact=psirt@fuji.example", "capability"),
]


def test_doing_what_the_findings_ask_for_makes_it_trusted(store, tmp_path):
    (tmp_path / "parts.csv").write_text(TABLE)
    assert store("import", "parts.csv").code == 0
    judged = store("verify", PUMP, "-p", "software-product", "--json").json
    assert judged["verdict"] == "undetermined"
    assert store("statement", "complete", PUMP).code == 0
    for sort, *fields, kind in CLAIMS:
        said = store("statement", "claim", PUMP, sort, *fields, "--kind", kind, "--json")
        assert said.code == 0, said.stderr
        assert said.json["index"] > 0
    judged = store("verify", PUMP, "-p", "software-product", "--json")
    assert judged.code == 0
    assert judged.json["findings"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("x", "contact"), "statement.field"),
        (("x", "=1"), "statement.field"),
        (("x", "--kind", "notice"), "statement.no-claim"),
        (("x", "--kind", "rumour"), "statement.kind-unknown"),
        (("two words",), "payload.malformed"),
        (("x", "--until", "soon"), "time.malformed"),
        (("x", "--level", "certain"), "payload.malformed"),
    ],
)
def test_a_claim_that_cannot_be_made_says_why(store, words, code):
    ran = store("statement", "claim", PUMP, *words, "--json")
    assert (ran.code, ran.json["code"]) == (2, code)
    assert ran.json["hint"]


def test_a_signed_statement_has_to_go_somewhere(store, tmp_path):
    (tmp_path / "p.json").write_text('{"type": "x"}')
    words = ("statement", "sign", "--kind", "capability", "--subject", PUMP, "--payload", "p.json")
    assert store(*words, "--json").json["code"] == "statement.nowhere"
    assert store(*words, "--register").code == 0


def test_the_answer_names_the_requirement_that_a_waiver_would_name(store, tmp_path):
    (tmp_path / "parts.csv").write_text(TABLE)
    store("import", "parts.csv")
    told = store("verify", PUMP, "-p", "software-product").stdout
    assert "claim.missing  vulnerability-contact  " in told
