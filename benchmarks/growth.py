# SPDX-License-Identifier: Apache-2.0
"""Growth: the judgement's figures at 10⁴, 10⁵ and 10⁶ components, as a table and a plot.

The plot goes to ``build/growth.svg`` (needs the extra ``plot``); both axes are logarithmic, and the
grey line is what "twice the world, twice the time" would be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.judgement import run as judge

SIZES = (0.01, 0.1, 1.0)
SHOWN = {
    "graph_s": "load into memory, s",
    "full_s": "full judgement, s",
    "notice_ms_20_watches": "one notice, 20 watches, ms",
    "impact_s": "impact of the worst component, s",
    "one_product_ms": "one product, ms",
}
PLOT = Path("build/growth.svg")


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """A row for each size."""
    rows = []
    for size in SIZES:
        found = judge(size * scale)
        rows.append(
            {
                "components": found["components"],
                "statements": found["statements"],
                **{name: found[name] for name in SHOWN},
                "memory_mib": found["memory_mib"],
                "missed": found["missed"],
                "false": found["false"],
            }
        )
    plot(rows, PLOT)
    return rows


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the rows."""
    import matplotlib as mpl  # noqa: PLC0415 - the table needs no extra

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    sizes = [row["components"] for row in rows]
    figure, axes = plt.subplots(figsize=(7.2, 4.4))
    markers = iter("osD^v")
    colours = iter(("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"))
    for name, label in SHOWN.items():
        values = [max(row[name], 1e-4) for row in rows]
        axes.plot(sizes, values, marker=next(markers), color=next(colours), label=label)
    first = rows[0]["full_s"]
    axes.plot(
        sizes, [first * size / sizes[0] for size in sizes], color="#999999", lw=1, label="linear"
    )
    axes.set(xscale="log", yscale="log", xlabel="components", ylabel="time (units in the legend)")
    axes.legend(fontsize=8)
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    for row in run():
        print(row)
