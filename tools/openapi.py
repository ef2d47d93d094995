# SPDX-License-Identifier: Apache-2.0
"""Write the API's OpenAPI document into the reference pages, or tell whether it is current.

``python tools/openapi.py`` writes ``docs/reference/openapi.json``; ``--check`` only compares.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from kizuna.app.api import create_app
from kizuna.app.api.openapi import complete
from kizuna.app.wiring.settings import Settings, now
from kizuna.app.wiring.workspace import Workspace

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.json"


def document() -> str:
    """The document as it is served."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        with Workspace.init(path, "Reference", now=now(), settings=Settings(store=path)) as made:
            app = create_app(made, console=None)
            told = complete(app.framework.openapi_schema.to_schema())
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    made = document()
    if "--check" in sys.argv[1:]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == made:
            return 0
        print("docs/reference/openapi.json is not current: run `python tools/openapi.py`")
        return 1
    TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
