# SPDX-License-Identifier: Apache-2.0
"""The connector: stands before a device that cannot protect itself, and before its clients.

::

    program ── clear ──▶ connector ══ TLS 1.3, enrolled keys ══▶ connector ── clear ──▶ device

Keeps: the device's port is reached only through an enrolled peer. The identity shown is the
connector's, never the device's: statements say so by ``acts-for``.
Does not: look into what passes (rules for that come with the gateway's filters), or protect the
last stretch between connector and device, which should be a cable.
"""

from kizuna.guard.gateway.connector.connector import Connector, Side
from kizuna.guard.gateway.connector.limits import Limits
from kizuna.guard.gateway.connector.refusals import Refusal, Refusals
from kizuna.guard.gateway.connector.relay import Relay

__all__ = ["Connector", "Limits", "Refusal", "Refusals", "Relay", "Side"]
