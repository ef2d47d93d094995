# SPDX-License-Identifier: Apache-2.0
"""A public key leaves as one file, as others take it in; nothing secret leaves with it."""

import json


def test_the_key_that_signs_now_is_a_file_that_others_pin(store, tmp_path):
    file = tmp_path / "bar.jwk"
    assert store("key", "public", "--out", file).code == 0
    jwk = json.loads(file.read_text())
    assert set(jwk) == {"kty", "crv", "x", "y"}
    (now,) = (k for k in store("key", "list", "--json").json["keys"] if k["state"] == "current")
    assert jwk == now["jwk"] == store("key", "public", "--json").json
    assert jwk == json.loads(store("key", "public").stdout)
    pinned = store(
        *("list", "add", "did:web:fuji.example", "--role", "maker", "--scope", "pkg:generic/fuji"),
        *("--key", file),
    )
    assert pinned.code == 0
    assert "nothing it signs can be checked" not in pinned.stderr


def test_an_earlier_key_is_named_by_how_its_thumbprint_begins(store):
    before = store("key", "public", "--json").json
    store("key", "rotate")
    rows = store("key", "list", "--json").json["keys"]
    old = next(k["thumbprint"] for k in rows if k["jwk"] == before)
    assert store("key", "public", old[:12], "--json").json == before
    assert store("key", "public", "--json").json != before
    for wrong in ("0", "zzzzzzzz"):
        ran = store("key", "public", wrong)
        assert ran.code != 0
        assert "key.not-found" in ran.stderr


def test_what_is_no_key_says_where_one_comes_from(store, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(store("key", "list", "--json").stdout)
    ran = store("list", "add", "did:web:fuji.example", "--role", "maker", "--key", file)
    assert ran.code != 0
    assert "kizuna key public" in ran.stderr
