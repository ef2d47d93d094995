# SPDX-License-Identifier: Apache-2.0
"""The guides about processes and placements run as they are printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("page", "seen"),
    [
        ("model-a-process.md", ("6 interaction points", "acceptance", "cleaning 1:")),
        ("place-a-device.md", ("category D", "as strict as category D", "registered: ours")),
    ],
)
def test_a_guide_runs_as_printed(page, seen, tmp_path):
    text = (ROOT / "docs/guides" / page).read_text(encoding="utf-8")
    script = "set -e\n" + "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KIZUNA_", "LC_", "LANG"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=kept | {"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words in seen:
        assert words in done.stdout + done.stderr
