# SPDX-License-Identifier: Apache-2.0
"""Units: where private keys live, and the one interface that all of them share.

Keeps: 1. A unit works with its keys; it never hands out a private or secret one. 2. A handle names
a key and is worth nothing without its unit. 3. ``EphemeralUnit`` keeps keys in memory only, for
worlds, tests and throw-away identities; every kept key lives in another unit, one file a kind,
named in ``app.wiring`` alone.
"""

from kizuna.roots.units.attested import check_certification, check_quote
from kizuna.roots.units.bound import generate_bound
from kizuna.roots.units.ephemeral import EphemeralUnit
from kizuna.roots.units.problems import no_such_key
from kizuna.roots.units.registers import composite, replay
from kizuna.roots.units.unit import (
    REGISTERS,
    Certification,
    Event,
    Handle,
    Protection,
    Purpose,
    Quote,
    Secret,
    Traits,
    Unit,
)

__all__ = [
    "REGISTERS",
    "Certification",
    "EphemeralUnit",
    "Event",
    "Handle",
    "Protection",
    "Purpose",
    "Quote",
    "Secret",
    "Traits",
    "Unit",
    "check_certification",
    "check_quote",
    "composite",
    "generate_bound",
    "no_such_key",
    "replay",
]
