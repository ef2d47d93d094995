# SPDX-License-Identifier: Apache-2.0
"""The schema version of this release, readable without loading the schema."""

from typing import Final

__all__ = ["CURRENT"]

CURRENT: Final = 3
