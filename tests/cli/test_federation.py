# SPDX-License-Identifier: Apache-2.0
"""``kizuna federation`` as people type it, with statements from files."""

import json
import time

import pytest

from kizuna.record.lists.federation import jwks_of, sign_entity_statement, sign_mark
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

GUILD = "https://guild.example"
MAKER = "https://maker.example"
MARK = GUILD + "/marks/maker"


@pytest.fixture
def files(tmp_path):
    """A guild, a maker below it with a mark and a policy; keys and a mapping beside them."""
    unit = EphemeralUnit(b"transcripts")
    keys = {e: unit.generate(Algorithm.ES256, e) for e in (GUILD, MAKER)}
    now = int(time.time())

    def claims(by, about, **more):
        return {
            "iss": by,
            "sub": about,
            "iat": now - 60,
            "exp": now + 86_400,
            "jwks": jwks_of([unit.public(keys[about])]),
            **more,
        }

    mark = sign_mark(
        unit,
        keys[GUILD],
        {"iss": GUILD, "sub": MAKER, "iat": now - 60, "trust_mark_type": MARK},
    ).decode()
    said = {
        "own": claims(
            MAKER,
            MAKER,
            authority_hints=[GUILD],
            metadata={"federation_entity": {"organization_name": "Maker"}},
            trust_marks=[
                {"trust_mark_type": MARK, "trust_mark": mark},
                {"trust_mark_type": MARK + "/other", "trust_mark": mark},
            ],
        ),
        "about": claims(
            GUILD,
            MAKER,
            metadata_policy={"federation_entity": {"contacts": {"default": ["x@guild.example"]}}},
        ),
        "top": claims(
            GUILD,
            GUILD,
            metadata={"federation_entity": {"federation_fetch_endpoint": GUILD + "/fetch"}},
            trust_mark_issuers={MARK: [GUILD]},
        ),
    }
    folder = tmp_path / "statements"
    folder.mkdir()
    for name, said_ in said.items():
        (folder / f"{name}.jwt").write_bytes(sign_entity_statement(unit, keys[said_["iss"]], said_))
    for entity, name in ((GUILD, "guild"), (MAKER, "maker")):
        jwk = unit.public(keys[entity]).to_jwk()
        (tmp_path / f"{name}.jwk").write_text(json.dumps(jwk))
    rule = {"role": "maker", "scope": ["pkg:generic/maker"]}
    (tmp_path / "guild.yaml").write_text(json.dumps({"types": {MARK: rule}}))
    return folder


def test_an_anchor_is_believed_under_a_key_and_never_under_a_second(store, files):
    told = store("federation", "anchor", GUILD, "--key", "guild.jwk")
    assert (told.code, told.stdout) == (
        0,
        f"believed as a trust anchor: {GUILD} (1 key)\n",
    )
    again = store("federation", "anchor", GUILD, "--key", "maker.jwk", "--json")
    assert (again.code, again.json["code"]) == (10, "federation.anchor-twice")
    assert [a["entity"] for a in store("federation", "anchors", "--json").json["anchors"]] == [
        GUILD
    ]
    assert store("federation", "anchor", GUILD, "--remove").code == 0
    gone = store("federation", "resolve", MAKER, "--from", files, "--json")
    assert (gone.code, gone.json["code"]) == (13, "federation.no-anchor")


def test_a_chain_is_drawn_with_its_policies_and_marks(store, files):
    store("federation", "anchor", GUILD, "--key", "guild.jwk")
    told = store("federation", "resolve", MAKER, "--from", files)
    assert told.code == 0
    lines = told.stdout.splitlines()
    assert lines[0] == f"entity {MAKER}"
    assert lines[2:5] == [
        f"  {GUILD}",
        "     policy for federation_entity: contacts default",
        f"     └─ {MAKER}",
    ]
    assert f"mark counts: {MARK} by {GUILD} (its issuer was not asked)" in lines
    assert any("mark does not count" in line and "another type" in line for line in lines)
    japanese = store("federation", "resolve", MAKER, "--from", files, "--lang", "ja")
    assert "有効なマーク" in japanese.stdout


def test_a_list_of_ones_own_follows_what_was_read(store, files):
    store("federation", "anchor", GUILD, "--key", "guild.jwk")
    words = ("federation", "take", MAKER, "--as", "guild", "--from", files)
    shown = store(*words, "--mapping", "guild.yaml", "--preview", "--json")
    assert (shown.code, shown.json["members"], shown.json["preview"]) == (0, 1, True)
    assert store("list", "show", "--list", "guild").code == 13
    assert store(*words, "--mapping", "guild.yaml").code == 0
    (entry,) = store("list", "show", "--list", "guild", "--json").json["entries"]
    assert (entry["member"], entry["state"]) == ("did:web:maker.example", "granted")
    (files / "about.jwt").unlink()
    told = store("federation", "take", "--as", "guild", "--from", files, "--json")
    assert [c["what"] for c in told.json["changes"]] == ["withdrawn"]


def test_a_store_becomes_an_entity_with_members(store, files):
    early = store("federation", "self", "--json")
    assert (early.code, early.json["code"]) == (21, "federation.no-address")
    assert store("federation", "address", "https://trust.example.jp/").code == 0
    assert store("federation", "superior", GUILD).code == 0
    made = store(
        "federation", "invite", MAKER, "--key", "maker.jwk", "--role", "maker",
        "--scope", "pkg:generic/maker", "--json",
    )  # fmt: skip
    assert (made.json["member"], made.json["superior"]) == (
        "did:web:maker.example",
        "https://trust.example.jp",
    )
    told = store("federation", "self", "--json").json
    assert (told["superiors"], told["members"]) == ([GUILD], [MAKER])
    published = store("federation", "publish", "--json")
    assert (published.code, published.json["code"]) == (10, "federation.publishes-itself")


def test_rules_that_are_none_are_refused(store, tmp_path):
    (tmp_path / "rules.json").write_text('{"metadata_policy": {"a": {"b": {"unknown": 1}}}}')
    (tmp_path / "good.json").write_text('{"constraints": {"max_path_length": 1}}')
    assert store("federation", "policy", "rules.json").code == 2
    assert store("federation", "policy", "good.json").code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["anchor", "http://guild.example", "--key", "guild.jwk"], "federation.malformed"),
        (["anchor", GUILD], "federation.keys-missing"),
        (["anchor", GUILD, "--key", "guild.yaml"], None),
        (["show", MAKER], "federation.no-anchor"),
        (["take", "--as", "guild"], None),
        (["superior", "nowhere"], "federation.malformed"),
    ],
)
def test_bad_input_is_a_problem_and_changes_nothing(store, files, words, code):
    told = store("federation", *words, "--json")
    assert told.code not in (0, 1)
    assert code in (None, told.json["code"])
    assert store("federation", "anchors", "--json").json == {"anchors": []}


# --- what leads nowhere -----------------------------------------------------------------------


def place(i):
    return f"https://tier{i}.example"


@pytest.fixture
def tiers(tmp_path):
    """Writes statements of a row of entities, each below the next; gives the folder."""
    unit = EphemeralUnit(b"tiers")
    names = {}

    def key(entity):
        if entity not in names:
            names[entity] = unit.generate(Algorithm.ES256, entity)
        return names[entity]

    def write(count, *, circle=False, leaf_until=86_400):
        now = int(time.time())
        folder = tmp_path / f"tiers-{count}-{circle}-{leaf_until}"
        folder.mkdir()

        def say(by, about, until=86_400, **more):
            words = {
                "iss": by, "sub": about, "iat": now - 7_200, "exp": now + until,
                "jwks": jwks_of([unit.public(key(about))]), **more,
            }  # fmt: skip
            data = sign_entity_statement(unit, key(by), words)
            (folder / f"{len(list(folder.iterdir()))}.jwt").write_bytes(data)

        for i in range(count):
            above = [place(i + 1)] if i + 1 < count else [place(0)] if circle else []
            metadata = {"federation_entity": {"federation_fetch_endpoint": place(i) + "/fetch"}}
            more = {"authority_hints": above} if above else {}
            until = leaf_until if i == 0 else 86_400
            say(place(i), place(i), until, metadata=metadata, **more)
            for one in above:
                say(one, place(i))
        pem = unit.public(key(place(count - 1))).to_pem()
        (tmp_path / "top.pem").write_bytes(pem)
        return folder

    return write


def test_an_anchor_s_key_may_be_pem(store, tiers):
    tiers(2)
    told = store("federation", "anchor", place(1), "--key", "top.pem", "--json")
    assert (told.code, len(told.json["keys"])) == (0, 1)


def test_a_file_that_holds_no_key_is_told(store, tmp_path):
    for name, text in (("a.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n"), ("b.jwk", "[]")):
        (tmp_path / name).write_text(text)
        told = store("federation", "anchor", place(1), "--key", name, "--json")
        assert told.code != 0
        assert told.json["code"].startswith("key.")


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_a_chain_that_is_too_deep_is_told(store, tiers, lang):
    folder = tiers(16)
    store("federation", "anchor", place(15), "--key", "top.pem")
    told = store("federation", "resolve", place(0), "--from", folder, "--lang", lang, "--json")
    assert (told.code, told.json["code"]) == (10, "federation.too-deep")
    assert told.json["message"]
    assert told.json["hint"]


def test_a_circle_ends_and_is_told(store, tiers):
    folder = tiers(3, circle=True)
    unit = EphemeralUnit(b"other")
    jwk = unit.public(unit.generate(Algorithm.ES256, "other")).to_jwk()
    (folder.parent / "other.jwk").write_text(json.dumps(jwk))
    store("federation", "anchor", GUILD, "--key", "other.jwk")
    told = store("federation", "resolve", place(0), "--from", folder, "--json")
    assert told.code != 0
    assert told.json["code"] == "federation.no-path"


def test_a_leaf_whose_own_statement_expired_is_told(store, tiers):
    folder = tiers(2, leaf_until=-3_600)
    store("federation", "anchor", place(1), "--key", "top.pem")
    told = store("federation", "resolve", place(0), "--from", folder, "--json")
    assert told.json["code"] == "federation.expired"
    assert told.code != 0
