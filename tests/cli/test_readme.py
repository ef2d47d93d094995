# SPDX-License-Identifier: Apache-2.0
"""What the READMEs tell people to run, runs."""

import os
import re
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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    word = "undetermined" if page == "README.md" else "判定できない"
    assert done.stdout.count(word) >= 2
    assert (tmp_path / "proof.kz").stat().st_size > 0
