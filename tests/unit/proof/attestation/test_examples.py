# SPDX-License-Identifier: Apache-2.0
"""The examples in the documentation of the modules run."""

import doctest
import importlib
import pkgutil

import pytest

from kizuna.proof import attestation

MODULES = [
    module.name
    for module in pkgutil.walk_packages(attestation.__path__, prefix="kizuna.proof.attestation.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
