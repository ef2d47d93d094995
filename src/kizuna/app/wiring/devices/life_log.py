# SPDX-License-Identifier: Apache-2.0
"""The lives of devices in one store's log: asked about, and continued.

Keeps: 1. Every step is a registered statement. 2. A step that would have no effect (a swap, a
second sale, a voucher that is over) is refused before it is registered, by the same fold that will
judge it. 3. Who may begin a device's life: this store's organisation, or whoever its list grants
names that cover the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Absent, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Payload
from kizuna.model.statement import Registered

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.life import Binding, DeviceLife

__all__ = ["LifeLog"]

_ROLES = ("maker", "device-maker", "facility-operator", "self")
"""Services whose members may begin the life of a device in their scope."""


class LifeLog:
    """Lives as one store's log tells them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    # --- asking -------------------------------------------------------------------------------

    def life(self, subject: str, *, size: int | None = None) -> DeviceLife:
        """A device's life as the log tells it, up to ``size`` entries where that is asked."""
        return self._fold(subject, self.rows(subject, size))

    def history(
        self, subject: str, *, at: int | None = None, size: int | None = None
    ) -> dict[str, Any]:
        """Whose the device was and under which keys: over its life, and at one moment.

        Raises:
            Absent: ``life.unknown``.
        """
        life = self.life(subject, size=size)
        if not (life.bindings or life.flags):
            raise Absent(
                "life.unknown",
                f"nothing is registered about the life of {subject[:200]}",
                hint="enrol it with `kizuna device enrol`",
                subject=subject[:200],
            )
        moment = self.workspace.clock() if at is None else at
        answer = life.at(moment)
        return {
            "subject": life.subject,
            "at": _time(moment),
            "known": size if size is not None else self.workspace.head().size,
            "certain": answer.certain,
            "owner": answer.owner,
            "maker": answer.maker,
            "retired": answer.retired,
            "keys": [_binding_json(b) for b in answer.keys],
            "life": [_binding_json(b) for b in life.bindings],
            "owners": [
                {
                    "owner": o.owner,
                    "since": _time(o.registered.latest),
                    "until": None if o.end is None else _time(o.end.registered.latest),
                    "voucher": o.voucher,
                    "elsewhere": o.elsewhere,
                }
                for o in life.owners
            ],
            "offered": None if life.offer is None else life.offer.to,
            "flags": [
                {"code": f.code, "by": f.issuer, "index": f.index, "statement": f.digest}
                for f in life.flags
            ],
        }

    # --- continuing ---------------------------------------------------------------------------

    def rows(self, subject: str, size: int | None = None) -> list[Registered]:
        """What is registered about a subject, in the order of the log."""
        from kizuna.record.log.keys import subject_key

        name = subject_key(subject)
        rows = self.workspace.store.reader().by_keys([name]).get(name, ())
        return [r for r in sorted(rows, key=lambda r: r.index) if size is None or r.index < size]

    def _fold(self, subject: str, rows: Sequence[Registered]) -> DeviceLife:
        from kizuna.roots.life import DeviceLife

        workspace = self.workspace
        others = {r.statement.issuer for r in rows} - {workspace.identity}
        entries = {}
        if others:
            entries = dict(workspace.lists.state().entries)

        def begins(row: Registered) -> bool:
            from kizuna.record.lists.scope import in_scope

            issuer = row.statement.issuer
            if issuer == workspace.identity:
                return True
            entry = entries.get(issuer)
            return (
                entry is not None
                and entry.in_force(row.registered.latest)
                and any(
                    s.type in _ROLES and in_scope(row.statement.subject, s.scope)
                    for s in entry.services
                )
            )

        return DeviceLife.of(subject, rows, begins)

    def register(
        self,
        life: DeviceLife,
        device: SubjectId,
        said: Sequence[tuple[Kind, Payload]],
        beside: Sequence[tuple[Kind, Payload]] = (),
    ) -> dict[str, Any]:
        """Sign and register; refused where the first would have no effect on the device's life."""
        workspace = self.workspace
        statements = [workspace.sign(kind, device, payload) for kind, payload in (*said, *beside)]
        self._foresee(life, device, said[0], statements[0])
        results = workspace.register_each(statements)
        for result in results:
            if isinstance(result, Exception):
                raise result
        digest, index = results[0]  # type: ignore[misc]
        return {"statement": digest, "index": index, "statements": len(results)}

    def _foresee(
        self, life: DeviceLife, device: SubjectId, said: tuple[Kind, Payload], statement: bytes
    ) -> None:
        from kizuna.model.statement import Interval, Statement
        from kizuna.roots.cose import parse_sign1

        envelope = parse_sign1(statement)
        now = self.workspace.clock()
        rows = self.rows(device)
        row = Registered(
            statement=Statement(
                digest=envelope.digest,
                content=envelope.content,
                issuer=envelope.issuer,
                subject=device,
                kind=said[0],
                media_type=envelope.media_type,
                key_id=envelope.key_id,
                payload=said[1],
            ),
            origin="",
            index=rows[-1].index + 1 if rows else 0,
            registered=Interval(now, now),
        )
        after = self._fold(device, [*rows, row])
        fresh = [f for f in after.flags[len(life.flags) :] if f.code != "kept-key"]
        if fresh or after == life:
            flag = fresh[0].code if fresh else "nothing-changed"
            raise Refused(
                "life.no-effect",
                f"this would have no effect on the life of the device: {flag}",
                why=f"{_WHY.get(flag, flag)}; it is owned by {life.owner or 'nobody'}, on offer to "
                + (life.offer.to if life.offer else "nobody"),
                hint="`kizuna device history` shows whose the device is and which voucher it needs",
                subject=device,
                flag=flag,
            )


_WHY: Final = {
    "after-retirement": "the device was scrapped",
    "broken-chain": "it does not follow the voucher before it",
    "double-sale": "the device was given away already, or is on offer",
    "expired-voucher": "its voucher was used, or its time is over",
    "no-voucher": "it needs the voucher by which the device was given",
    "nothing-changed": "it says what is so already",
    "stranger": "whoever says it has no say over this device",
    "swap": "the device is bound to another key: `kizuna device rotate` gives it a new one",
    "unreadable": "what it says cannot be read",
}
"""What each flag of a device's history says to a person."""


def _binding_json(binding: Binding) -> dict[str, Any]:
    end = binding.end
    return {
        "type": binding.type,
        "key": binding.key,
        "kind": binding.kind,
        "holder": binding.holder,
        "by": binding.issuer,
        "since": _time(binding.registered.latest),
        "until": None if end is None else _time(end.interval.latest),
        "ending": None if end is None else end.why.value,
        "statement": binding.digest,
        "index": binding.index,
    }


def _time(moment: int) -> str:
    return datetime.fromtimestamp(min(moment, 253_402_300_799), UTC).isoformat()
