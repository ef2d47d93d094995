# SPDX-License-Identifier: Apache-2.0
"""Every benchmark, one after the other: ``python -m benchmarks [scale] [name …]``.

A module of this package with a function ``run(scale)`` is a benchmark; it gives rows, or names with
values. ``scale`` is a fraction of the full size (default 1). One that fails is told, the others go
on, and the exit code is 1; one that hangs for ``LONGEST`` ends everything, with where it stood.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import pkgutil
import platform
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LONGEST = 3_600.0
"""Seconds that one benchmark may take."""


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


def main(arguments: Sequence[str]) -> int:
    """Run them; 1 where any failed."""
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
    failed: list[str] = []
    for found in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if found.name.startswith("_") or (names and found.name not in names):
            continue
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        try:
            module = importlib.import_module(f"benchmarks.{found.name}")
            print(f"\n{found.name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
            figures = module.run(scale)
        except Exception:  # noqa: BLE001 - the others are still worth their figures
            failed.append(found.name)
            traceback.print_exc()
            continue
        finally:
            faulthandler.cancel_dump_traceback_later()
        show(figures if isinstance(figures, list) else _lines(figures))
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
