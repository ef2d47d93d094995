# SPDX-License-Identifier: Apache-2.0
"""The worked clients: a factory's gate and a shop's scanner, against a real server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
sys.path[:0] = [str(EXAMPLES / "goods_in"), str(EXAMPLES / "shop_scan")]

import goods_in  # noqa: E402 - a program, not a package
import shop_scan  # noqa: E402 - see above

UNKNOWN = "https://id.aoba-air.example/01/09520123456788/21/AC9-9999"


def run(program: str, *arguments: str, scans: str = "") -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, str(EXAMPLES / program), *arguments],
        input=scans,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PATH": path},
    )


def gate(tower, *more: str, scans: str, server: str = "") -> tuple[int, list[dict]]:
    done = run(
        "goods_in/goods_in.py", "--server", server or tower.url, "--profile", "building-services",
        "--resolver", "https://id.aoba-air.example", "--json", *more, scans=scans,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_lot_is_accepted_then_rejected_with_the_reason(tower):
    label = "(01)09520123456788(21)AC9-0271\n"
    code, (accepted,) = gate(tower, scans=label)
    assert (code, accepted["decision"]) == (0, "accept")
    assert accepted["subject"] == tower.root
    tower.break_it()
    code, (rejected, held) = gate(tower, scans=label + UNKNOWN + "\n")
    assert (code, rejected["decision"]) == (10, "reject")
    assert rejected["reasons"][0]["message"]
    assert rejected["reasons"][0]["mend"]
    assert held["decision"] == "hold"


def test_without_network_the_bundle_decides(tower, tmp_path):
    trust = tmp_path / "trust.json"
    trust.write_bytes(tower.workspace.anchors().to_json())
    bundles = tmp_path / "bundles"
    fetched = run(
        "goods_in/goods_in.py", "--server", tower.url, "--profile", "building-services",
        "--fetch", "--bundles", str(bundles), scans=tower.root + "\n",
    )  # fmt: skip
    assert fetched.returncode == 0, fetched.stderr
    offline = ("--bundles", str(bundles), "--trust", str(trust))
    nowhere = "http://127.0.0.1:9"
    code, (told,) = gate(tower, *offline, scans=tower.root + "\n", server=nowhere)
    assert told["source"] == "bundle"
    assert told["decision"] in ("accept", "hold"), told  # the gate's clock is not the test's
    if told["decision"] == "hold":
        assert told["reasons"]
    (bundle,) = bundles.glob("*.kz")
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.write_bytes(bytes(data))
    code, (told,) = gate(tower, *offline, scans=tower.root + "\n", server=nowhere)
    assert (code, told["decision"]) == (13, "hold")
    code, (told,) = gate(tower, *offline, scans=UNKNOWN + "\n", server=nowhere)
    assert (code, told["decision"]) == (13, "hold")


@pytest.mark.parametrize(
    ("scan", "subject"),
    [
        ("(01)09520123456788(10)LOT/7", "https://x.example/01/09520123456788/10/LOT%2F7"),
        ("]d20109520123456788" + "10LOT7\x1d2142", "https://x.example/01/09520123456788/10/LOT7/21/42"),
        ("0109520123456788" + "17261231" + "21A", "https://x.example/01/09520123456788/21/A"),
        ("(00)095201234567890120", "https://x.example/00/095201234567890120"),
        ("pkg:generic/fuji/fan@1", "pkg:generic/fuji/fan@1"),
    ],
)  # fmt: skip
def test_labels_become_identifiers(scan, subject):
    if scan.startswith("(00)"):
        digits = "09520123456789012"
        total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
        number = digits + str((10 - total % 10) % 10)
        scan, subject = f"(00){number}", f"https://x.example/00/{number}"
    assert goods_in.subject_of(scan, "https://x.example") == subject


@pytest.mark.parametrize(
    "scan", ["(01)09520123456789", "hello", "(10)LOT", "]d201095", "99", "(01)x", "01", "(01"]
)
def test_labels_that_cannot_be_read_are_held(scan):
    with pytest.raises((goods_in.NotReadableError, ValueError)):
        goods_in.subject_of(scan, "https://x.example")


def test_a_shop_sees_the_verdict_as_a_page(tower, tmp_path):
    page = tmp_path / "page.html"
    arguments = ("--server", tower.url, "--profile", "building-services", "--out", str(page))
    link = tower.root + "?utm_source=poster"
    done = run("shop_scan/shop_scan.py", link, *arguments)
    assert done.returncode == 0, done.stderr
    assert "<h1>Trusted</h1>" in page.read_text()
    tower.break_it()
    done = run("shop_scan/shop_scan.py", link, *arguments, "--lang", "ja")
    text = page.read_text()
    assert done.returncode == 10
    assert "<h1>信頼できません</h1>" in text
    assert "<script" not in text
    assert "理由" in text


def test_a_code_that_is_no_digital_link_is_said_so(tmp_path):
    code, text = shop_scan.judged("javascript:alert(1)", "http://127.0.0.1:9", "x", "en")
    assert code == 2
    assert "no GS1 Digital Link" in text
    code, text = shop_scan.judged(UNKNOWN, "http://127.0.0.1:9", "x", "ja")
    assert code == 20
    assert "応答がありません" in text
