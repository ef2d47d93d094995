# SPDX-License-Identifier: Apache-2.0
"""What this very program is: a digest of every file it consists of, and of its interpreter.

Keeps: 1. The list is the same on every machine with the same version: names are relative, in one
order; what Python makes of them by itself (``__pycache__``) is left out. 2. Who compares two lists
sees which file differs.
Does not: prove anything by itself: a program that was replaced by one that lies says what it likes.
"""

from __future__ import annotations

import sys
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

__all__ = ["INTERPRETER", "PROGRAM", "manifest", "measurements"]

PROGRAM: Final = "program"
INTERPRETER: Final = "interpreter"
_MOST: Final = 100_000


def manifest(folder: Path | None = None) -> bytes:
    """The program's files as ``sha256sum`` lists them."""
    if folder is None:
        folder = Path(__file__).parents[3]  # the package as it is installed
    lines = []
    for path in sorted(folder.rglob("*"))[:_MOST]:
        name = path.relative_to(folder)
        if path.is_file() and "__pycache__" not in name.parts:
            lines.append(f"{_digest(path).hex()}  {name.as_posix()}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def measurements(folder: Path | None = None) -> dict[str, bytes]:
    """The digests that this program shows of itself, by component."""
    return {
        PROGRAM: sha256(manifest(folder)).digest(),
        INTERPRETER: _digest(Path(sys.executable).resolve()),
    }


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()
