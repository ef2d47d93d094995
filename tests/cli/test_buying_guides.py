# SPDX-License-Identifier: Apache-2.0
"""The guides about asking suppliers and buying run as they are printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("ask-a-supplier.md", ("planned; owner Sato; due 2027-03-31", "JC-STAR")),
        ("buy-or-not.md", ("HOLD", "nothing was registered", "RFQ-2026-014", "https://erp.")),
    ],
)
def test_the_guide_runs(page, words, tmp_path):
    text = (ROOT / "docs/guides" / page).read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KIZUNA_", "LC_"))}
    tools = str(Path(sys.executable).parent)
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
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stdout, word
