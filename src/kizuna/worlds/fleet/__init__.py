# SPDX-License-Identifier: Apache-2.0
"""Simulated fleets: devices of every kind, gateways, and what befalls them, with the truth known.

Keeps: simulated devices reach a verifier through its real doors; nothing here knows how.
"""

from kizuna.worlds.fleet.events import EVENTS, RESIDUAL, Happening
from kizuna.worlds.fleet.world import Post, World

__all__ = ["EVENTS", "RESIDUAL", "Happening", "Post", "World"]
