# SPDX-License-Identifier: Apache-2.0
"""Compile the message catalogues: ``python tools/messages.py`` writes ``.mo`` from ``.po``.

The ``.po`` files are the source; the ``.mo`` files are committed so that the package needs no
build step. ``tests/architecture/test_messages.py`` fails when they differ.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages import mofile, pofile

FOLDER = Path(__file__).resolve().parent.parent / "src/kizuna/app/wiring/messages"


def compiled(source: Path) -> bytes:
    """The bytes of the ``.mo`` for a ``.po``."""
    with source.open("rb") as file:
        catalogue = pofile.read_po(file, locale=source.stem, abort_invalid=True)
    # the header names dates; fixed ones make the same bytes of the same words
    catalogue.creation_date = catalogue.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    out = io.BytesIO()
    mofile.write_mo(out, catalogue)
    return out.getvalue()


def main() -> int:
    stale = 0
    for source in sorted(FOLDER.rglob("*.po")):
        target = source.with_suffix(".mo")
        wanted = compiled(source)
        if not target.is_file() or target.read_bytes() != wanted:
            stale += 1
            if "--check" in sys.argv:
                print(f"stale: {target}")
            else:
                target.write_bytes(wanted)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
