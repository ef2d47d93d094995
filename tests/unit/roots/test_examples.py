# SPDX-License-Identifier: Apache-2.0
"""The examples in the documentation of the modules run."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

from kizuna import roots

MODULES = [module.name for module in pkgutil.walk_packages(roots.__path__, prefix="kizuna.roots.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name: str):
    module = importlib.import_module(name)
    assert isinstance(module, ModuleType)
    assert doctest.testmod(module).failed == 0


def test_there_are_examples():
    found = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(bool(test.examples) for module in modules for test in found.find(module)) >= 5
