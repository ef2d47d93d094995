# SPDX-License-Identifier: Apache-2.0
"""kizuna (絆): trust in supply chains and IoT systems, made checkable.

Everything anyone knows is a signed statement about a subject; a chain is what you get by following
statements; trust is a verdict over a chain under a profile, with reasons; and the verdict is kept
true as new statements arrive. ``ARCHITECTURE.md`` walks one statement through the rooms.
"""

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
