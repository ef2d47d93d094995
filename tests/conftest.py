# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["KIZUNA_SEEN"] = "off"  # nothing of whoever runs the tests is written to

# What passed once passes again: a change is judged by its own examples, not by the day's luck.
# ``make fuzz`` looks for new ones.
settings.register_profile("ci", derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", type=int, default=1, help="so many times the examples")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--fuzz N`` only properties run, each with N times its examples."""
    times = config.getoption("--fuzz")
    if times == 1:
        return
    kept: list[pytest.Item] = []
    more: set[object] = set()  # one function stands behind all its parameters
    for item in items:
        test = getattr(item, "obj", None)
        test = getattr(test, "__func__", test)
        if test is None or not getattr(test, "is_hypothesis_test", False):
            continue
        kept.append(item)
        if test not in more:
            more.add(test)
            own = getattr(test, "_hypothesis_internal_use_settings", None) or settings()
            test._hypothesis_internal_use_settings = settings(
                own, max_examples=own.max_examples * times, deadline=None
            )
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and real inputs; in CI its absence is a failure."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("KIZUNA_SHARED", root / ".." / "shared")).resolve()
    if not (folder / "vectors").is_dir():
        if os.environ.get("CI") == "true":
            pytest.fail(f"published vectors are missing: set KIZUNA_SHARED (looked in {folder})")
        pytest.skip(f"published vectors not found in {folder}; set KIZUNA_SHARED")
    return folder
