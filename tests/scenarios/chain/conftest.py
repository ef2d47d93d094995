# SPDX-License-Identifier: Apache-2.0
"""The small world of the chain's own tests."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "chain_world", Path(__file__).parents[2] / "unit" / "chain" / "conftest.py"
)
_world = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_world)

shop = _world.shop
