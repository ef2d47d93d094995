# SPDX-License-Identifier: Apache-2.0
"""The software unit as a process of its own: keys never enter the memory of who uses them.

Keeps: callers reach it over a Unix socket that is its owner's alone; both ends check whom they
talk to.
"""

from kizuna.roots.units.process.client import ProcessUnit
from kizuna.roots.units.process.server import Peer, UnitServer

__all__ = ["Peer", "ProcessUnit", "UnitServer"]
