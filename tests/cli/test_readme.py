# SPDX-License-Identifier: Apache-2.0
"""What the READMEs tell people to run, runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["README.md", "README.ja.md"])
def test_the_fifteen_lines_run(page, tmp_path):
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    commands = [line for line in block.splitlines() if line.startswith(("kizuna", "PUMP"))]
    assert len(block.splitlines()) <= 16
    assert len(commands) >= 8
    tools = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    word = "undetermined" if page == "README.md" else "判定できない"
    assert done.stdout.count(word) >= 2
    assert (tmp_path / "proof.kz").stat().st_size > 0


@pytest.mark.parametrize("page", ["ten-minutes.md", "ten-minutes.ja.md"])
def test_the_first_ten_minutes_run_and_end_trusted(page, tmp_path):
    text = (ROOT / "docs/start" / page).read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    shutil.copytree(ROOT / "examples/pump", tmp_path / "examples/pump")
    tools = str(Path(sys.executable).parent)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KIZUNA_", "LC_"))}
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment | {"PATH": f"{tools}:{os.environ['PATH']}", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith(("? ", "✓ ", "✗ "))]
    assert [line[0] for line in told] == ["?", "?", "✓", "✓"]
