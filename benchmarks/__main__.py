# SPDX-License-Identifier: Apache-2.0
"""Every benchmark, one after the other: ``python -m benchmarks [scale] [name …]``.

A module of this package with a function ``run(scale)`` is a benchmark; it gives rows, or names with
values. ``scale`` is a fraction of the full size (default 1).
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Rows as a table; the columns are those of the first row."""
    if not rows:
        return
    columns = list(rows[0])
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(line[at]) for line in cells)) for at, column in enumerate(columns)
    ]
    for line in (columns, ["-" * width for width in widths], *cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))


def _lines(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures of one run as rows."""
    return [{"figure": name, "value": value} for name, value in figures.items()]


def main(arguments: Sequence[str]) -> None:
    scale = 1.0
    names: list[str] = []
    for argument in arguments:
        try:
            scale = float(argument)
        except ValueError:
            names.append(argument)
    print(
        f"python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if found.name.startswith("_") or (names and found.name not in names):
            continue
        module = importlib.import_module(f"benchmarks.{found.name}")
        run = getattr(module, "run", None)
        if run is None:
            continue
        print(f"\n{found.name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        figures = run(scale)
        show(figures if isinstance(figures, list) else _lines(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
