# SPDX-License-Identifier: Apache-2.0
"""The gate of a served key file, for those who watch it, and what it tells an organisation's store.

Keeps: 1. What is shown is what the serving process uses: both take turns at the same files. 2. A
refusal is told by a notice that this folder's organisation signs; it waits in the outbox until the
store has it, so that no outage loses it. 3. Few notices, however many refusals: the gate decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.keys.gating import (
    consent_shown,
    gate_beside,
    gate_shown,
    notice_of,
    open_policy,
    records_shown,
)
from kizuna.app.wiring.member.outbox import Outbox, Sent
from kizuna.model.errors import Absent
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.gates import Gate

__all__ = ["ServedGate", "speaking_for"]


class ServedGate:
    """The gate that stands before ``KEYS``, served by `kizuna key serve`."""

    def __init__(self, keys: Path | str, clock: Callable[[], int]) -> None:
        self._keys = Path(keys)
        self._clock = clock

    def show(self) -> dict[str, Any]:
        """Policy, locks and what waits to be told.

        Raises:
            Absent: ``gate.absent``.
        """
        gate = self._gate()
        labels = {s.event.key: s.event.label for s in gate.book.read().series.values()}
        return gate_shown(gate, labels)

    def log(self, limit: int) -> dict[str, Any]:
        """The newest records, after the whole chain was followed.

        Raises:
            Absent: ``gate.absent``. Tampered: ``gate.audit-broken``.
        """
        self._gate()
        return records_shown(gate_beside(self._keys), limit)

    def admit(self, data: bytes) -> dict[str, Any]:
        """Hand a consent in.

        Raises:
            Absent: ``gate.absent``. Malformed, Tampered, Refused: ``gate.consent-*``.
        """
        gate = self._gate()
        return consent_shown(gate, gate.hand_in(data))

    def unlock(self, key: str, data: bytes) -> dict[str, Any]:
        """End the locks of a key with an operator's consent.

        Raises:
            Absent: ``gate.absent``, ``gate.not-locked``. Refused: ``gate.unlock-consent``.
        """
        gate = self._gate()
        locked = {name.partition("|")[0] for name in gate.book.read().locks}
        found = [name for name in locked if len(key) >= 4 and name.startswith(key.lower())]
        name = found[0] if len(found) == 1 else key
        gate.unlock(name, data)
        return {"key": name}

    def report(self, settings: Settings) -> dict[str, Any]:
        """Tell of refusals in the name of the organisation of this folder, now or when it can be.

        Raises:
            Misconfigured: ``store.absent`` where no organisation speaks from this folder.
            Refused: ``outbox.full``.
        """
        gate = self._gate()
        reports, box = gate.reports(), Outbox(settings.store)
        if not reports and not box.waiting():
            return {"notices": 0, "refusals": 0, "waiting": 0}
        with speaking_for(settings) as speaker:
            for report in reports:
                said = speaker.say(
                    Kind.NOTICE, SubjectId(speaker.identity), notice_of(report)
                ).statement
                box.put(said)
            gate.told(reports)
            sent: Sent = box.send(speaker.register_one)
        return {
            "notices": len(reports),
            "refusals": sum(report.count for report in reports),
            "waiting": sent.waiting,
        }

    def _gate(self) -> Gate:
        from kizuna.roots.gates import FileBook, Gate

        folder = gate_beside(self._keys)
        policy = open_policy(folder)
        if policy is None:
            raise Absent(
                "gate.absent",
                "these keys have no gate",
                why=f"no policy was set for {self._keys}",
                hint="set one with `kizuna key gate set FILE --keys KEYS`",
            )
        return Gate(policy, FileBook(folder), self._clock)


def speaking_for(settings: Settings) -> Member | Workspace:
    """Whoever speaks from this folder; a store is opened, and closed with the ``with``.

    Raises:
        Misconfigured: ``store.absent``.
    """
    from kizuna.app.wiring.member.saying import member_of
    from kizuna.app.wiring.workspace import Workspace

    member = member_of(settings)
    if member is not None:
        member.settle()
        return member
    return Workspace.open(settings=settings)
