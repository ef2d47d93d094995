# SPDX-License-Identifier: Apache-2.0
"""Commands, their streams and exit codes, as a person or a script meets them."""

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from kizuna.app.cli.run import execute

PUMP = "pkg:generic/fuji/pump@4.2"


def test_init_says_what_it_made(kizuna):
    ran = kizuna("init", "--name", "Bar", "--json")
    assert ran.code == 0
    assert ran.stderr == ""
    told = ran.json
    assert told["organization"]["id"].startswith("did:key:z")
    assert told["organization"]["name"] == "Bar"
    assert re.fullmatch(r"kizuna\.invalid/bar/[0-9a-f]{12}", told["log"]["origin"])


def test_init_refuses_to_overwrite(store):
    before = sorted(p.name for p in store.store.iterdir())
    ran = store("init", "--name", "Bar", "--json")
    assert ran.code == 10
    assert ran.json["code"] == "store.exists"
    assert ran.json["hint"]
    assert sorted(p.name for p in store.store.iterdir()) == before


def test_keys_are_for_their_owner_only(store):
    for name in ("secret", "keys", "kizuna.json", "trust.json"):
        assert (store.store / name).stat().st_mode & 0o077 == 0
    assert store.store.stat().st_mode & 0o077 == 0


def test_a_passphrase_leaves_no_secret_behind(kizuna):
    env = {"KIZUNA_PASSPHRASE": "correct horse battery staple"}
    assert kizuna("init", "--name", "Bar", env=env).code == 0
    assert not (kizuna.store / "secret").exists()
    assert kizuna("key", "rotate", env=env).code == 0
    wrong = kizuna("key", "rotate", "--json", env={"KIZUNA_PASSPHRASE": "another passphrase"})
    assert (wrong.code, wrong.json["code"]) == (21, "unit.secret-wrong")
    none = kizuna("key", "rotate", "--json")
    assert (none.code, none.json["code"]) == (21, "store.secret-missing")


def test_reading_needs_no_passphrase(kizuna):
    env = {"KIZUNA_PASSPHRASE": "correct horse battery staple"}
    kizuna("init", "--name", "Bar", env=env)
    assert kizuna("log", "checkpoint", "--json").code == 0


def test_a_command_without_a_store_says_how_to_make_one(kizuna):
    ran = kizuna("verify", PUMP, "--profile", "software-product")
    assert ran.code == 21
    assert ran.stdout == ""
    assert "kizuna init" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_import_verify_explain_in_json(store, bom):
    imported = store("import", bom, "--json")
    assert imported.code == 0
    assert imported.json["root"] == PUMP
    assert imported.json["statements"]
    assert PUMP in imported.json["subjects"]
    assert imported.json["not_understood"] == []
    judged = store("verify", PUMP, "--profile", "software-product", "--json")
    told = judged.json
    assert judged.code == told["exit"]
    assert told["verdict"] == "undetermined"
    assert told["subject"] == PUMP
    assert told["profile"] == "software-product"
    assert told["coverage"]["subjects"] == 2
    assert told["known"][0]["size"] > 2
    for finding in told["findings"]:
        assert {"code", "subject", "requirement", "message", "mend"} <= set(finding)
        assert finding["message"]
        assert finding["mend"]
    assert told["counts"] == {
        code: sum(f["code"] == code for f in told["findings"]) for code in told["counts"]
    }


def test_importing_twice_registers_once(store, bom):
    first = store("import", bom, "--json").json
    again = store("import", bom, "--json")
    assert again.code == 0
    assert again.json["root"] == first["root"]


def test_a_document_from_stdin(store, bom):
    ran = store("import", "-", "--json", stdin=bom.read_bytes())
    assert ran.code == 0
    assert ran.json["root"] == PUMP


def test_what_cannot_be_read_registers_nothing(store, tmp_path, bom):
    size = store("log", "checkpoint", "--json").json["size"]
    bad = tmp_path / "bad.json"
    bad.write_text('{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": 7}')
    ran = store("import", bom, bad, "--json")
    assert ran.code == 2
    assert ran.json["code"].startswith("document.")
    assert store("log", "checkpoint", "--json").json["size"] == size


def test_the_same_answer_in_japanese(store, bom):
    store("import", bom, "-q")
    english = store("verify", PUMP, "--profile", "software-product", "--json").json
    japanese = store("verify", PUMP, "--profile", "software-product", "--json", "--lang", "ja").json
    assert [f["code"] for f in english["findings"]] == [f["code"] for f in japanese["findings"]]
    assert all(
        re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", f["message"]) for f in japanese["findings"]
    )
    by_locale = store("verify", PUMP, "--profile", "software-product", env={"LANG": "ja_JP.UTF-8"})
    assert "判定できない" in by_locale.stdout


def test_bundle_is_judged_without_a_store(store, bom, tmp_path, kizuna):
    store("import", bom, "-q")
    inside = store("verify", PUMP, "--profile", "software-product", "--json").json
    proof, trust = tmp_path / "proof.kz", tmp_path / "trust.json"
    exported = store("export", PUMP, "--profile", "software-product", "--out", proof, "--json").json
    assert exported["bundle"] == str(proof)
    assert exported["bytes"] == proof.stat().st_size
    trusted = store("trust", "export", "--out", trust, "--json").json
    assert trusted["anchors"]
    assert trusted["logs"]
    elsewhere = {"KIZUNA_STORE": str(tmp_path / "nothing")}
    words = ("verify", "--bundle", proof, "--profile", "software-product", "--json")
    outside = kizuna(*words, "--trust", trust, env=elsewhere)
    assert outside.json["verdict"] == inside["verdict"]
    assert outside.json["counts"] == inside["counts"]
    alone = kizuna(*words, env=elsewhere)
    assert alone.json["verdict"] == "undetermined"
    assert alone.code == 13
    assert alone.json["findings"][0]["code"] == "anchors.missing"
    data = bytearray(proof.read_bytes())
    data[len(data) // 2] ^= 1
    proof.write_bytes(data)
    changed = kizuna(*words, "--trust", trust, env=elsewhere)
    assert changed.code == 11
    assert changed.json["code"].startswith("bundle.")


def test_a_profile_file_is_judged_by_and_a_wrong_one_named_by_line(store, bom, tmp_path):
    store("import", bom, "-q")
    shown = store("profile", "show", "software-product")
    ours = tmp_path / "ours.yaml"
    ours.write_text(shown.stdout.replace("profile: software-product", "profile: ours"))
    assert store("profile", "check", ours).code == 0
    assert store("verify", PUMP, "--profile", ours, "--json").json["profile"] == "ours"
    ours.write_text(ours.read_text() + "\nnonsense: 1\n")
    ran = store("profile", "check", ours, "--json")
    assert (ran.code, ran.json["code"]) == (2, "profile.member-unknown")
    assert "line" in ran.json["message"] or ran.json["about"].get("line")
    published = store("profile", "publish", "software-product", "--json")
    assert published.code == 0


def test_statement_signed_here_registered_there(store, tmp_path):
    payload = tmp_path / "claim.json"
    payload.write_text('{"type": "ce", "claims": {"number": "4711"}}')
    signed = tmp_path / "ce.cose"
    made = store(
        "statement", "sign", "--kind", "certificate", "--subject", PUMP,
        "--payload", payload, "--out", signed, "--json",
    )  # fmt: skip
    assert made.code == 0
    registered = store("statement", "register", signed, "--json")
    assert registered.code == 0
    assert registered.json["registered"][0]["digest"] == made.json["digest"]
    assert len(registered.json["receipts"]) == 1
    again = store("statement", "register", signed, "--json").json
    assert again["registered"][0]["duplicate"]
    shown = store("statement", "show", made.json["digest"], "--json").json
    assert shown["subject"] == PUMP
    proof = store("log", "prove", made.json["digest"], "--json").json
    path = tmp_path / "x.tlog-proof"
    path.write_text(proof["proof"])
    assert store("log", "check", path, "--entry", made.json["digest"]).code == 0
    transparent = tmp_path / "ce.transparent"
    assert store("statement", "show", made.json["digest"], "--out", transparent).code == 0
    assert store("log", "check", transparent).code == 0


def test_a_changed_statement_refuses_itself_and_not_its_neighbours(store, tmp_path):
    payload = tmp_path / "claim.json"
    files = []
    for number in range(2):
        payload.write_text(json.dumps({"type": f"t{number}"}))
        files.append(tmp_path / f"{number}.cose")
        store(
            "statement", "sign", "--kind", "capability", "--subject", PUMP,
            "--payload", payload, "--out", files[-1], "-q",
        )  # fmt: skip
    data = bytearray(files[0].read_bytes())
    data[-1] ^= 1
    files[0].write_bytes(data)
    ran = store("statement", "register", *files, "--json")
    assert ran.code == 11
    assert len(ran.json["registered"]) == 1
    assert ran.json["refused"][0]["code"] == "envelope.signature-wrong"


def test_log_commands(store, bom, tmp_path):
    store("import", bom, "-q")
    head = store("log", "checkpoint", "--json").json
    assert {"origin", "size", "root"} <= set(head)
    (tmp_path / "now.checkpoint").write_text(head["checkpoint"])
    assert store("log", "check", tmp_path / "now.checkpoint").code == 0
    assert store("log", "fsck", "--json").json["problems"] == []
    audit = store("log", "audit-map", "--json").json
    assert audit["holds"]
    listed = store("log", "list", "--json").json["entries"]
    assert listed[0]["index"] == head["size"] - 1
    trust = tmp_path / "trust.json"
    store("trust", "export", "--out", trust, "-q")
    mirrored = store("log", "mirror", store.store, tmp_path / "mirror", "--json").json
    assert mirrored["size"] == head["size"]
    seen = store(
        "log", "witness", tmp_path / "w", store.store, "--name", "witness.example",
        "--trust", trust, "--out", tmp_path / "line", "--json",
    ).json  # fmt: skip
    assert seen["size"] == head["size"]
    refused = store("log", "cosign", tmp_path / "line", "--json")
    assert (refused.code, refused.json["code"]) == (10, "log.no-witness")
    assert store("trust", "witness", seen["key"], "--quorum", "1").code == 0
    asked = store("verify", PUMP, "--profile", "software-product", "--json").json
    assert "quorum.missing" in asked["counts"]
    assert store("log", "cosign", tmp_path / "line", "--json").json["kept"] == 1
    asked = store("verify", PUMP, "--profile", "software-product", "--json").json
    assert "quorum.missing" not in asked["counts"]
    assert asked["quorum"] == 1


def test_known_asks_about_the_past(store, bom):
    head = store("log", "checkpoint", "--json").json
    store("import", bom, "-q")
    words = ("verify", PUMP, "--profile", "software-product", "--json")
    then = store(*words, "--known", f"{head['origin']}@{head['size']}")
    assert then.json["findings"][0]["code"] == "subject.unknown"
    assert then.json["known"][0]["size"] == head["size"]
    assert store(*words).json["coverage"]["known"] > 0


def test_keys_rotate_and_the_old_one_is_done(store):
    before = store("key", "list", "--json").json["keys"]
    assert [k["state"] for k in before] == ["current"]
    made = store("key", "rotate", "--json").json
    after = store("key", "list", "--json").json["keys"]
    assert [k["state"] for k in after] == ["rotated", "current"]
    assert after[1]["thumbprint"] == made["new"]
    last = store("key", "revoke", made["new"], "--yes", "--json")
    assert (last.code, last.json["code"]) == (10, "key.last")
    gone = store("key", "compromise", made["old"], "--since", "2099-01-01", "--yes", "--json")
    assert gone.code == 0
    states = [k["state"] for k in store("key", "list", "--json").json["keys"]]
    assert states == ["compromised", "current"]
    assert store("key", "rotate").code == 0


def test_nobody_locks_himself_out_by_declaring_a_theft(store):
    made = store("key", "rotate", "--json").json
    locked = store("key", "compromise", made["old"], "--since", "2020-01-01", "--yes", "--json")
    assert (locked.code, locked.json["code"]) == (10, "key.came-by")
    assert store("key", "revoke", made["old"], "--yes").code == 0
    assert store("key", "rotate").code == 0


def test_what_cannot_be_undone_asks_first(store):
    made = store("key", "rotate", "--json").json
    ran = store("key", "revoke", made["old"], "--json")
    assert (ran.code, ran.json["code"]) == (2, "command.needs-yes")


def test_lists_let_others_speak_and_take_it_back(store, kizuna, tmp_path):
    other = type(kizuna)(tmp_path / "other")
    did = other("init", "--name", "Sato", "--json").json["organization"]["id"]
    needs_scope = store("list", "add", did, "--role", "maker", "--json")
    assert (needs_scope.code, needs_scope.json["code"]) == (2, "list.scope-missing")
    added = store(
        "list", "add", did, "--role", "maker", "--scope", "pkg:generic/sato", "--name", "Sato"
    )
    assert added.code == 0
    shown = store("list", "show", "--json").json
    assert shown["members"] == 2
    assert store("list", "suspend", did, "--reason", "audit overdue").code == 0
    assert store("list", "withdraw", did, "--reason", "left").code == 0
    events = store("list", "history", did, "--json").json["events"]
    assert [e["state"] for e in events] == ["granted", "suspended", "withdrawn"]
    stranger = store("list", "suspend", "did:key:zNobody", "--reason", "x", "--json")
    assert (stranger.code, stranger.json["code"]) == (13, "list.no-member")


def test_backup_restore_and_no_fork(store, bom, tmp_path, kizuna):
    store("import", bom, "-q")
    copy = tmp_path / "copy"
    assert store("store", "backup", copy, "--json").code == 0
    assert not list(copy.rglob("secret"))
    later = store("key", "rotate", "--json")
    assert later.code == 0
    (tmp_path / "newest").write_text(store("log", "checkpoint", "--json").json["checkpoint"])
    again = type(kizuna)(tmp_path / "again")
    secret = store.store / "secret"
    assert again("store", "restore", copy, "--secret", secret, "--json").code == 0
    assert again("verify", PUMP, "--profile", "software-product", "--json").json["coverage"]
    refused = again("key", "rotate", "--json")
    assert refused.json["code"] == "store.restored"
    forked = again("store", "resume", "--checkpoint", tmp_path / "newest", "--json")
    assert (forked.code, forked.json["code"]) == (11, "log.rolled-back")


def test_the_log_key_is_closed_and_a_new_one_signs(store, bom):
    store("import", bom, "-q")
    made = store("store", "log-key-compromised", "--yes", "--json")
    assert made.code == 0
    assert made.json["anchor"]["closed"]
    assert store("key", "rotate").code == 0
    assert store("log", "fsck", "--json").json["problems"] == []


def test_erasing_leaves_the_proof(store, tmp_path):
    payload = tmp_path / "claim.json"
    payload.write_text('{"type": "person-trained", "claims": {"name": "Hanako"}}')
    did = store("key", "list", "--json").json["keys"][0]
    assert did
    organization = json.loads((store.store / "kizuna.json").read_text())["organization"]
    made = store(
        "statement", "sign", "--kind", "capability", "--subject", PUMP, "--payload", payload,
        "--audience", organization, "--out", tmp_path / "r.cose", "--register", "--json",
    ).json  # fmt: skip
    assert made["documents"]
    assert store("store", "erase", made["digest"], "--reason", "asked for", "--yes").code == 0
    shown = store("statement", "show", made["digest"], "--json").json
    assert shown["erased"]
    assert store("log", "prove", made["digest"]).code == 0
    assert store("log", "fsck", "--json").json["problems"] == []
    assert store("log", "audit-map", "--json").json["holds"]


def test_watches(store, bom):
    store("import", bom, "-q")
    added = store("watch", "add", PUMP, "--profile", "software-product", "--json")
    assert added.json["verdict"] == "undetermined"
    assert [w["subject"] for w in store("watch", "list", "--json").json["watches"]] == [PUMP]
    assert store("watch", "remove", PUMP, "--profile", "software-product", "--json").json == {
        "removed": 1
    }
    assert store("watch", "list", "--json").json["watches"] == []


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("verify", "--profile", "iot-device"), 2, "verify.nothing"),
        (("verify", "no spaces please", "--profile", "iot-device"), 2, "identifier.malformed"),
        (("verify", PUMP, "--profile", "nobody"), 13, "profile.unknown"),
        (("verify", PUMP, "--profile", "iot-device", "--at", "soon"), 2, "time.malformed"),
        (("verify", PUMP, "--profile", "iot-device", "--list", "x"), 13, "list.unknown"),
        (("verify", PUMP, "--profile", "iot-device", "--known", "y@3"), 2, "known.foreign"),
        (("import",), 2, "import.nothing"),
        (("import", "absent.json"), 13, "file.absent"),
        (("statement", "show", "abc"), 2, "log.entry-unnamed"),
        (("statement", "show", "0" * 64), 13, "statement.unknown"),
        (("log", "prove", "99999"), 13, "statement.unknown"),
        (("log", "prove", "x"), 2, "log.entry-unnamed"),
        (("key", "rotate", "--algorithm", "none"), 2, "key.algorithm-unknown"),
        (("publish", "absent.csv"), 13, "file.absent"),
        (("join", "ftp://x", "--invite", "a", "--name", "b"), 2, "request.address"),
        (("frobnicate",), 2, "command.usage"),
        (("verify", "--frobnicate"), 2, "command.usage"),
        (("env", "--lang", "fr"), 21, "setting.language"),
    ],
)  # fmt: skip
def test_every_failure_has_a_code_and_a_next_step(
    shared_store, monkeypatch, capsys, words, code, problem
):
    monkeypatch.setenv("KIZUNA_STORE", str(shared_store))
    monkeypatch.setenv("LC_ALL", "C")
    assert execute([*words, "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["code"] == problem
    assert told["message"]
    assert told["hint"]
    assert told["findings"] == []
    assert execute([*words]) == code
    plain = capsys.readouterr()
    assert plain.out == ""
    assert problem in plain.err
    assert "Traceback" not in plain.err


def test_an_unexpected_fault_is_told_without_a_traceback(shared_store, monkeypatch, capsys):
    def broken(_workspace):
        raise ZeroDivisionError

    monkeypatch.setenv("KIZUNA_STORE", str(shared_store))
    monkeypatch.setattr("kizuna.app.wiring.logs.checkpoint", broken)
    assert execute(["log", "checkpoint", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["code"] == "bug.unexpected"
    assert err == ""
    assert execute(["log", "checkpoint", "--verbose"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_help_is_a_success_and_a_noun_alone_is_not(kizuna):
    assert kizuna("--help").code == 0
    assert kizuna("--version").stdout.startswith("kizuna ")
    assert kizuna("log").code == 2
    assert "checkpoint" in kizuna("log").stderr


def waiting_in(pipe):
    """How many bytes nobody has taken out of a pipe yet."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def test_an_interrupt_exits_130(store):
    process = subprocess.Popen(
        [sys.executable, "-m", "kizuna", "import", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "KIZUNA_STORE": str(store.store)},
        # a run in the background may hand down that interrupts are ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        # it is ready once it has taken the beginning of a document whose rest does not come
        process.stdin.write(b"{")
        process.stdin.flush()
        until = time.monotonic() + 120
        while waiting_in(process.stdin) and time.monotonic() < until:
            time.sleep(0.05)
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_an_answer_that_nobody_reads_is_no_error(store, bom):
    store("import", bom, "-q")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m kizuna statement schema | head -c 10"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_the_template_reads_without_a_remark(store, tmp_path):
    for lang in ("en", "ja"):
        table = store("import", "--template", "--lang", lang)
        path = tmp_path / f"{lang}.csv"
        path.write_bytes(table.stdout.encode())
        ran = store("import", path, "--json")
        assert ran.code == 0, ran
        assert ran.json["not_understood"] == []


def test_an_entry_for_a_name_without_a_good_key_is_told(store):
    bad = store("list", "add", "did:key:zDnaexxx", "--role", "certification-body", "--json")
    assert (bad.code, bad.json["code"].split(".")[0]) == (2, "identity")
    bare = store("list", "add", "did:web:assure.example", "--role", "certification-body")
    assert bare.code == 0
    assert "--key" in bare.stderr


def test_statements_are_listed_without_what_the_log_says_of_itself(store, bom):
    store("import", bom)
    rows = store("statement", "list", "--json").json["statements"]
    assert rows
    assert not [row for row in rows if row["subject"].startswith("https://kizuna.invalid/")]
    line = store("statement", "list").stdout.splitlines()[0].split()
    by_digest = store("statement", "show", line[-1], "--json").json
    assert by_digest["index"] == int(line[0]) == rows[0]["index"]
    assert store("statement", "show", line[0], "--json").json["digest"] == line[-1]


def test_an_option_before_the_command_is_told_where_it_stands(kizuna):
    ran = kizuna("--store", "x", "verify", PUMP, "--profile", "iot-device")
    assert ran.code == 2
    assert "after the command" in ran.stderr
    bare = kizuna("verify", PUMP)
    assert "kizuna profile list" in bare.stderr


def test_a_bundle_for_anyone_tells_what_it_keeps_back(store, bom, tmp_path):
    store("import", bom, "-q")
    secret = tmp_path / "price.json"
    secret.write_text('{"type": "price"}')
    signed = ("statement", "sign", "--payload", secret, "--kind", "capability", "--subject", PUMP)
    ran = store(*signed, "--audience", "did:web:buyer.example", "--register")
    assert ran.code == 0, ran.stderr
    words = ("export", PUMP, "--profile", "software-product", "--out", tmp_path / "proof.kz")
    ran = store(*words)
    assert ran.code == 0
    assert "1 statement that only some may read is not in the file" in ran.stderr
    told = store(*words, "--for", "did:web:buyer.example", "--json").json
    assert (told["restricted"], told["withheld"]) == (1, [])
    assert told["view"] == "did:web:buyer.example"
    both = store(*words, "--for", "did:web:buyer.example", "--all", "--json")
    assert (both.code, both.json["code"]) == (2, "export.two-views")
