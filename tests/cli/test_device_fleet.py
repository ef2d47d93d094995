# SPDX-License-Identifier: Apache-2.0
"""The guides about devices run as they are printed; the simulation misses nothing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = str(Path(sys.executable).parent)


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KIZUNA_", "LC_"))}
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment | {"PATH": f"{TOOLS}:{os.environ['PATH']}", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def printed(page: str) -> str:
    text = (ROOT / "docs/guides" / page).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))


def test_the_first_device_is_enrolled_broken_and_mended_as_printed(tmp_path):
    done = shell(printed("enrol-your-first-device.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    words = re.findall(r"\b(trusted|untrusted)\b", done.stdout)
    assert words == ["trusted", "untrusted", "trusted"]
    assert "exit code 11" in done.stdout


def test_the_fleet_guide_runs_as_printed(tmp_path):
    done = shell(printed("run-a-fleet.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missed 0, false 0" in done.stdout


@pytest.mark.parametrize("seed", [1, 12])
def test_a_simulated_fleet_misses_nothing_and_tells_nothing_false(tmp_path, seed):
    options = f"--devices 150 --seed {seed} --minutes 8 --json"
    done = shell(f"kizuna device simulate {options}", tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["missed"], told["false"]) == (0, 0, 0), told
    assert told["alarms"] > 10
    assert told["appraisals"] > 1000


def test_bad_options_are_told(tmp_path):
    done = shell("kizuna device simulate --transport pigeon --json || echo $?", tmp_path)
    assert '"code": "fleet.transport"' in done.stdout
    assert done.stdout.rstrip().endswith("2")
