# SPDX-License-Identifier: Apache-2.0
"""Looking at a fleet without keeping it: what was last written down, brought up to now.

Keeps: 1. Nothing is locked and nothing changed, so a person can look while a server keeps it.
2. Time passes here too: a device whose deadline is over is shown silent, whoever noticed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from kizuna.app.wiring.devices.shelf import Shelf
from kizuna.model.errors import Absent
from kizuna.proof.attestation.appraisal import Status
from kizuna.proof.attestation.fleet import Epochs, Fleet, Standing

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Look", "Looked", "look", "unknown_device", "worst_first"]


class Looked(Protocol):
    """What a keeper and a look answer alike."""

    @property
    def fleet(self) -> Fleet:
        """The fleet."""
        ...

    def standing(self, subject: str) -> Standing:
        """How one device stands."""
        ...

    def standings(self) -> list[Standing]:
        """How every device stands, the worst first."""
        ...

    def counts(self) -> dict[str, int]:
        """How many stand how."""
        ...

    def alarms(self) -> dict[str, int]:
        """How often each alarm was told."""
        ...

    def history(self) -> list[dict[str, int]]:
        """How many stood how, minute by minute."""
        ...


class Look:
    """A fleet as it was last written down, at the present moment."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._shelf = Shelf(workspace)
        now = workspace.clock()
        self.fleet = Fleet(now)
        for device in self._shelf.devices(secrets=False):
            self.fleet.enrol(device, now)
        held = self._shelf.state()
        if held is not None:
            self.fleet.restore(held)
            self.fleet.sweep(now)

    def standing(self, subject: str) -> Standing:
        """How one device stands.

        Raises:
            Absent: ``fleet.device-unknown``.
        """
        found = self.fleet.standing(subject)
        if found is None:
            raise unknown_device(subject)
        return found

    def standings(self) -> list[Standing]:
        """How every device stands, the worst first, then by name."""
        return sorted(self.fleet.standings(), key=worst_first)

    def counts(self) -> dict[str, int]:
        """How many devices stand how."""
        return self.fleet.counts()

    def alarms(self) -> dict[str, int]:
        """How many devices stand as they do for which alarm."""
        found: dict[str, int] = {}
        for standing in self.fleet.standings():
            if standing.reason:
                found[standing.reason] = found.get(standing.reason, 0) + 1
        return found

    def history(self) -> list[dict[str, int]]:
        """How many stood how, minute by minute."""
        return self._shelf.history()

    def challenge(self, subject: str) -> bytes:
        """A nonce for one enrolled device.

        Raises:
            Absent: ``fleet.device-unknown``.
        """
        self.standing(subject)
        return Epochs(self._shelf.secret()).challenge(subject, self._workspace.clock())


def look(workspace: Workspace) -> Look:
    """The fleet of this store, to be looked at."""
    return Look(workspace)


_ORDER: Final = {
    Status.CONTRAINDICATED: 0,
    Status.WARNING: 1,
    Status.NONE: 2,
    Status.AFFIRMING: 3,
}


def worst_first(standing: Standing) -> tuple[int, str]:
    """The order in which standings are shown."""
    return _ORDER[standing.status], standing.subject


def unknown_device(subject: str) -> Absent:
    """The problem of a name that nobody enrolled."""
    return Absent(
        "fleet.device-unknown",
        f"no device named {subject[:200]} is enrolled here",
        hint="`kizuna device fleet` lists those that are; `kizuna device enrol` adds one",
        subject=subject[:200],
    )
