# SPDX-License-Identifier: Apache-2.0
"""How much of a connector anybody may take: connections, time, bytes in memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one connector; times in seconds."""

    connections: int = 256
    """Most connections at once, those in the handshake counted."""
    per_address: int = 64
    """Most of them from one address."""
    handshake: float = 5.0
    """Longest handshake, and longest wait for the far side."""
    idle: float = 300.0
    """After so long without a byte in either direction a connection is closed."""
    session: float = 86_400.0
    """Longest life of a connection, so that keys are looked at again."""
    buffered: int = 65_536
    """Most bytes that are read at once, and so the most that wait for one slow side: until it took
    them the fast one is not read."""
