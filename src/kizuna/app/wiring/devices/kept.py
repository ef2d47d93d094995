# SPDX-License-Identifier: Apache-2.0
"""What the parts of a keeper share: the fleet, its epochs, its appraiser, and what is yet to say.

Keeps: what anybody on the network can bring about is counted, and waits for nobody; the rest waits
to be said.
Owner of the mutable state: one keeper, under ``lock``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kizuna.proof.attestation.fleet.alarm import RAISED_BY_ANYONE

if TYPE_CHECKING:
    from kizuna.app.wiring.devices.standing import EpochRoot
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.proof.attestation.appraiser import Appraiser
    from kizuna.proof.attestation.fleet import Epochs, Event, Fleet

__all__ = ["Kept"]


class Kept:
    """One fleet, as its keeper and the keeper's parts hold it."""

    def __init__(
        self, workspace: Workspace, fleet: Fleet, epochs: Epochs, appraiser: Appraiser
    ) -> None:
        self.workspace = workspace
        self.fleet = fleet
        self.epochs = epochs
        self.appraiser = appraiser
        self.lock = threading.RLock()
        self.events: list[Event] = []
        self.roots: list[EpochRoot] = []
        self.alarms: dict[tuple[str, str], int] = {}
        self.appraisals = 0

    def note(self, events: Sequence[Event]) -> None:
        """Take down what happened."""
        for event in events:
            if event.changed or event.alarm not in RAISED_BY_ANYONE:
                self.events.append(event)  # the rest is counted, and waits for nobody
            if event.alarm is not None:
                key = (event.subject, event.alarm.value)
                self.alarms[key] = self.alarms.get(key, 0) + 1
