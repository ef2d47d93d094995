# SPDX-License-Identifier: Apache-2.0
"""An old backup is made whole from a copy: a newer folder, or the server of a second one."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPException
from urllib.request import urlopen

import pytest


@pytest.fixture
def behind(store, kizuna, tmp_path):
    """A store, and another that was restored from its old backup."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {
            "component": {"type": "firmware", "name": "pump", "purl": "pkg:generic/pump@1"}
        },
        "components": [{"type": "library", "name": "a", "purl": "pkg:generic/a@1"}],
    }
    bill = tmp_path / "pump.cdx.json"
    bill.write_text(json.dumps(document))
    assert store("store", "backup", tmp_path / "copy", "--json").code == 0
    assert store("import", bill, "-q").code == 0
    assert store("key", "rotate", "--json").code == 0
    again = type(kizuna)(tmp_path / "again")
    restored = again("store", "restore", tmp_path / "copy", "--secret", store.store / "secret")
    assert restored.code == 0
    return store, again


def say_beside(store, tmp_path):
    """Something only some may read: its document stands beside the log. Its digest."""
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"type": "price", "claims": {"yen": 1200}}))
    done = store(
        *("statement", "sign", "--kind", "capability", "--subject", "pkg:generic/pump@1"),
        *("--payload", secret, "--audience", "did:web:reader.example", "--register", "--json"),
    )
    assert done.code == 0, done.stderr
    return done.json["digest"]


@contextmanager
def served(store, port, log):
    with log.open("wb") as words:
        process = subprocess.Popen(
            [*(sys.executable, "-m", "kizuna", "serve"),
             *("--port", str(port), "--store", str(store.store))],
            stdout=subprocess.DEVNULL,
            stderr=words,
            env={k: v for k, v in os.environ.items() if not k.startswith("KIZUNA_")},
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while True:
            try:
                with urlopen(f"{url}/checkpoint", timeout=60):  # noqa: S310 - our own server
                    break
            except (OSError, HTTPException):
                time.sleep(0.1)
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(120)


def check_whole(again, store, done):
    assert done.code == 0, done.stderr
    told = store("log", "checkpoint", "--json").json
    assert done.json["size"] == told["size"]
    assert done.json["brought"] > 0
    assert again("log", "checkpoint", "--json").json["root"] == told["root"]
    checked = again("log", "fsck", "--json")
    assert (checked.code, checked.json["problems"], checked.json["awaits"]) == (0, [], None)
    assert again("key", "list", "--json").code == 0
    assert again("store", "status", "--json").json["refusal"] is None


def test_a_restored_store_says_calmly_what_it_awaits(behind):
    _, again = behind
    checked = again("log", "fsck", "--json")
    assert (checked.code, checked.json["problems"], checked.json["awaits"]) == (0, [], "resume")
    assert "kizuna store resume" in again("log", "fsck").stderr


def test_from_a_folder_also_after_it_was_shown_the_newest_checkpoint(behind, tmp_path):
    store, again = behind
    (tmp_path / "newest").write_text(store("log", "checkpoint", "--json").json["checkpoint"])
    refused = again("store", "resume", "--checkpoint", tmp_path / "newest", "--json")
    assert (refused.code, refused.json["code"]) == (11, "log.rolled-back")
    check_whole(again, store, again("store", "complete", "--from", store.store, "--json"))


def test_from_a_newer_backup(behind, tmp_path):
    store, again = behind
    assert store("store", "backup", tmp_path / "newer", "--json").code == 0
    check_whole(again, store, again("store", "complete", "--from", tmp_path / "newer", "--json"))


def test_from_a_server(behind, two_ports, tmp_path):
    store, again = behind
    with served(store, two_ports(), tmp_path / "serve.log") as url:
        done = again("store", "complete", "--from", url, "--json")
    check_whole(again, store, done)


@pytest.mark.parametrize("where", ["folder", "backup", "server"])
def test_documents_come_along(store, kizuna, two_ports, tmp_path, where):
    assert store("store", "backup", tmp_path / "copy", "--json").code == 0
    digest = say_beside(store, tmp_path)
    again = type(kizuna)(tmp_path / "again")
    restored = again("store", "restore", tmp_path / "copy", "--secret", store.store / "secret")
    assert restored.code == 0
    if where == "server":
        with served(store, two_ports(), tmp_path / "serve.log") as url:
            done = again("store", "complete", "--from", url, "--json")
    elif where == "backup":
        assert store("store", "backup", tmp_path / "newer", "--json").code == 0
        done = again("store", "complete", "--from", tmp_path / "newer", "--json")
    else:
        done = again("store", "complete", "--from", store.store, "--json")
    check_whole(again, store, done)
    assert [done.json[name] for name in ("documents", "missing", "erased")] == [1, 0, 0]
    shown = store("statement", "show", digest, "--json").stdout
    assert "1200" in shown
    assert again("statement", "show", digest, "--json").stdout == shown


def test_a_server_gives_what_is_restricted_to_no_key_that_has_ended(behind, two_ports, tmp_path):
    store, again = behind
    say_beside(store, tmp_path)
    with served(store, two_ports(), tmp_path / "serve.log") as url:
        refused = again("store", "complete", "--from", url, "--json")
    assert refused.json["code"] == "store.copy-incomplete"
    assert "Traceback" not in refused.stderr
    check_whole(again, store, again("store", "complete", "--from", store.store, "--json"))


def test_a_copy_that_is_no_further_has_nothing_to_give(behind, tmp_path):
    _, again = behind
    refused = again("store", "complete", "--from", tmp_path / "copy", "--json")
    assert refused.json["code"] == "store.nothing-lost"
    assert "Traceback" not in refused.stderr
