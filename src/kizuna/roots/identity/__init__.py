# SPDX-License-Identifier: Apache-2.0
"""Identity: which keys speak for a name, from when to when, as the log tells it.

Keeps: names carry their key or have pinned ones; further keys come and go by registered
statements; the network is never asked.
"""

from kizuna.roots.identity.did import (
    did_jwk,
    did_key,
    did_web_url,
    genesis_keys,
    pinned_keys,
)
from kizuna.roots.identity.history import (
    CLOCK_SKEW,
    KeyEvent,
    KeyHistory,
    KeyStanding,
    Period,
    event_of,
    key_event,
)

__all__ = [
    "CLOCK_SKEW",
    "KeyEvent",
    "KeyHistory",
    "KeyStanding",
    "Period",
    "did_jwk",
    "did_key",
    "did_web_url",
    "event_of",
    "genesis_keys",
    "key_event",
    "pinned_keys",
]
