# SPDX-License-Identifier: Apache-2.0
"""The gate of a store's keys: its policy, its memory, and what is told of refusals.

::

    gate/policy.json    the policy in force; absent: no gate
    gate/state.json     rates, locks, consents
    gate/audit.jsonl    the chained record

Keeps: 1. A store with a policy uses its keys through the gate, whichever door asks; nothing opens
them past it. 2. A policy is taken whole or not at all, and recorded. 3. Refusals become few
notices: each kind at most once an hour, with a count and the head of the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Absent, Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm, Notice, Severity

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.roots.gates import Agreement, Gate, Operation, Policy, Report
    from kizuna.roots.units import Unit

__all__ = [
    "CALLER",
    "KeyGate",
    "behind_gate",
    "for_peers",
    "gate_beside",
    "gate_shown",
    "notice_of",
    "open_policy",
    "records_shown",
    "set_beside",
    "time_of",
]

CALLER: Final = "kizuna"
"""What this program calls itself at its own gate: a word, no measurement."""
_POLICY: Final = "policy.json"


def behind_gate(store: Path, unit: Unit, clock: Callable[[], int]) -> Unit:
    """The unit behind the store's gate, where the store has a policy; else the unit itself.

    Raises:
        Malformed: ``gate.policy-*``. Misconfigured: ``gate.state-damaged``.
    """
    if not (store / "gate" / _POLICY).is_file():
        return unit
    from kizuna.roots.gates import FileBook, Gate, Gated, declared, read_policy

    data = (store / "gate" / _POLICY).read_bytes()
    gate = Gate(read_policy(data, _POLICY), FileBook(store / "gate"), clock)
    return Gated(unit, gate, declared(CALLER))


class _Peer(Protocol):
    """The process at the other end of a unit's socket, as the kernel says."""

    @property
    def pid(self) -> int: ...

    @property
    def uid(self) -> int: ...


def gate_beside(keys: Path) -> Path:
    """Where the gate of a served key file is kept: ``KEYS.gate``."""
    return keys.with_name(keys.name + ".gate")


def for_peers(keys: Path, unit: Unit, clock: Callable[[], int]) -> Callable[[_Peer], Unit]:
    """A served unit as each caller may use it: behind the gate where there is a policy.

    Raises:
        Malformed: ``gate.policy-*``. Misconfigured: ``gate.state-damaged``.
    """
    folder = gate_beside(keys)
    policy = open_policy(folder)
    if policy is None:
        return lambda _peer: unit
    from kizuna.roots.gates import FileBook, Gate, Gated, following

    gate = Gate(policy, FileBook(folder), clock)
    return lambda peer: Gated(unit, gate, following(peer.pid, peer.uid))


def open_policy(folder: Path) -> Policy | None:
    """The policy in a gate's folder; None where there is none.

    Raises:
        Malformed: ``gate.policy-*``.
    """
    from kizuna.roots.gates import read_policy

    path = folder / _POLICY
    return read_policy(path.read_bytes(), _POLICY) if path.is_file() else None


def set_beside(keys: Path, data: bytes, name: str, clock: Callable[[], int]) -> dict[str, Any]:
    """Put a policy before a key file that `kizuna key serve` serves, from its next start on.

    Raises:
        Malformed: ``gate.policy-*``.
    """
    from kizuna.roots.gates import FileBook, Gate, read_policy

    policy = read_policy(data, name)
    folder = gate_beside(keys)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    encoded = msgspec.json.encode(policy)
    write_whole(folder / _POLICY, encoded)
    digest = hashlib.sha256(encoded).hexdigest()
    Gate(policy, FileBook(folder), clock).note("policy", f"{policy.gate} {policy.version} {digest}")
    return {
        "policy": policy.gate,
        "version": policy.version,
        "digest": digest,
        "shut_out": [],
    }


def gate_shown(gate: Gate, labels: Mapping[str, str]) -> dict[str, Any]:
    """Policy, locks and what waits to be told, of any gate; ``labels`` names keys by their id."""
    state = gate.book.read()
    return {
        "policy": msgspec.to_builtins(gate.policy),
        "locked": [
            {"key": name, "label": labels.get(name.partition("|")[0], ""), "since": time_of(at)}
            for name, at in sorted(state.locks.items())
        ],
        "consents": [
            {"consent": digest, "used": held.used, "ends": time_of(held.ends)}
            for digest, held in sorted(state.consents.items())
        ],
        "records": state.seq,
        "head": state.head,
    }


def records_shown(folder: Path, limit: int) -> dict[str, Any]:
    """The newest records of the gate in a folder, after the whole chain was followed.

    Raises:
        Tampered: ``gate.audit-broken``.
    """
    from kizuna.roots.gates import FileBook

    book = FileBook(folder)
    count = book.check()
    events = [msgspec.to_builtins(event) for event in book.tail(limit)]
    state = book.read()
    # refusals that repeat get a record at growing intervals only; what came since is shown too
    since = [
        {
            **msgspec.to_builtins(one.event),
            "at": one.last,
            "first": one.since,
            "last": one.last,
            "count": one.waiting,
        }
        for one in state.series.values()
        if one.waiting
    ]
    return {"records": count, "head": state.head, "events": events, "since": since}


def consent_shown(gate: Gate, agreement: Agreement) -> dict[str, Any]:
    """A consent that was handed in, and how often it may still be used."""
    held = gate.book.read().consents.get(agreement.digest)
    used = 0 if held is None else held.used
    return {
        "consent": agreement.digest,
        "key": agreement.agreed.key,
        "uses": max(0, agreement.agreed.uses - used),
        "ends": time_of(agreement.ends),
    }


class KeyGate:
    """The gate of one workspace's keys, for those who set and watch it."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace
        self._folder = workspace.path / "gate"

    def show(self) -> dict[str, Any]:
        """Policy, locks and what waits to be told."""
        gate = self._gate()
        labels = {h.id: h.label for h in self._workspace.unit.handles()}
        return gate_shown(gate, labels)

    def set(self, data: bytes, name: str, *, publish: bool = False) -> dict[str, Any]:
        """Put a policy in force, from the next opening of the store on.

        Raises:
            Malformed: ``gate.policy-*``.
        """
        from kizuna.roots.gates import NORM_TYPE, FileBook, Gate, read_policy

        policy = read_policy(data, name)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        encoded = msgspec.json.encode(policy)
        digest = hashlib.sha256(encoded).hexdigest()
        told: dict[str, Any] = {"policy": policy.gate, "version": policy.version, "digest": digest}
        if publish:
            workspace = self._workspace
            norm = Norm(
                type=NORM_TYPE,
                name=policy.gate,
                version=policy.version,
                document=msgspec.to_builtins(policy),
            )
            said = workspace.sign(Kind.NORM, workspace.identity, norm)
            told["statement"], told["index"] = workspace.register_one(said)
        write_whole(self._folder / _POLICY, encoded)
        gate = Gate(policy, FileBook(self._folder), self._workspace.clock)
        gate.note("policy", f"{policy.gate} {policy.version} {digest}")
        return told | {"shut_out": self._shut_out(policy)}

    def log(self, limit: int) -> dict[str, Any]:
        """The newest records, after the whole chain was followed.

        Raises:
            Tampered: ``gate.audit-broken``.
        """
        self._gate()
        return records_shown(self._folder, limit)

    def report(self) -> dict[str, Any]:
        """Register what is to be told of refusals, as notices."""
        workspace = self._workspace
        gate = self._gate()
        reports = gate.reports()
        statements = [
            workspace.sign(Kind.NOTICE, workspace.identity, notice_of(report)) for report in reports
        ]
        for result in workspace.register_each(statements) if statements else ():
            if isinstance(result, Exception):
                raise result
        gate.told(reports)
        return {
            "notices": len(statements),
            "refusals": sum(report.count for report in reports),
        }

    def consent(
        self,
        key: str,
        *,
        operation: str,
        purposes: list[str],
        uses: int,
        until: int,
    ) -> bytes:
        """A consent in this organisation's name, for a key here or elsewhere.

        Raises:
            Malformed: ``gate.operation``, ``gate.consent-wrong``. Absent: ``key.not-found``.
        """
        import secrets

        from kizuna.roots.gates import Agreed, sign_consent

        workspace = self._workspace
        agreed = Agreed(
            key=self._key(key, anywhere=True),
            operations=[_operation(operation)],
            uses=uses,
            purposes=purposes or ["*"],
        )
        return sign_consent(
            workspace.unit,
            workspace.handle,
            agreed,
            issuer=workspace.identity,
            name=secrets.token_hex(8),
            begins=workspace.clock(),
            ends=until,
        )

    def admit(self, data: bytes) -> dict[str, Any]:
        """Hand a consent in.

        Raises:
            Malformed, Tampered, Refused: ``gate.consent-*``.
        """
        gate = self._gate()
        return consent_shown(gate, gate.hand_in(data))

    def unlock(self, key: str, data: bytes) -> dict[str, Any]:
        """End the locks of a key with an operator's consent.

        Raises:
            Absent: ``gate.not-locked``. Refused: ``gate.unlock-consent``.
        """
        name = self._key(key, anywhere=True)
        self._gate().unlock(name, data)
        return {"key": name}

    # --- inside -------------------------------------------------------------------------------

    def _gate(self) -> Gate:
        from kizuna.roots.gates import Gated

        unit = self._workspace.unit
        if isinstance(unit, Gated):
            return unit.gate
        raise Absent(
            "gate.absent",
            "the keys of this store have no gate",
            why="no policy was set",
            hint="set one with `kizuna key gate set FILE`",
        )

    def _shut_out(self, policy: Policy) -> list[str]:
        """What this program itself could not do any more under a policy: told, not forbidden."""
        from kizuna.roots.gates import MemoryBook, Operation, declared
        from kizuna.roots.gates.decision import Ask, decide

        needed = [
            (self._workspace.handle.id, "statement:application/vnd.kizuna.evidence+json"),
            (self._workspace.description.log_key, "checkpoint"),
        ]
        labels = {h.id: h.label for h in self._workspace.unit.handles()}
        state, now, found = MemoryBook().read(), self._workspace.clock(), []
        for key, purpose in needed:
            if key not in labels:
                continue
            ask = Ask(
                key=key,
                label=labels[key],
                operation=Operation.SIGN,
                caller=declared(CALLER),
                purpose=purpose,
            )
            if not decide(policy, state, ask, now).allowed:
                found.append(f"{labels[key]}: sign {purpose}")
        return found

    def _key(self, begins: str, *, anywhere: bool) -> str:
        handles = self._workspace.unit.handles()
        found = [
            h.id
            for h in handles
            if h.label == begins or (len(begins) >= 4 and h.id.startswith(begins.lower()))
        ]
        if len(found) == 1:
            return found[0]
        if anywhere and len(begins) == 64 and set(begins) <= set("0123456789abcdef"):
            return begins
        raise Absent(
            "gate.key-unknown",
            f"no single key is called {begins[:64]!r}",
            why=f"{len(found)} keys here are",
            hint="give its whole thumbprint; `kizuna key list` prints them",
            key=begins[:64],
        )


def _operation(name: str) -> Operation:
    from kizuna.roots.gates import Operation

    known = [o.value for o in Operation]
    if name not in known:
        raise Malformed(
            "gate.operation",
            f"no operation is called {name[:40]!r}",
            hint="one of " + ", ".join(known),
            operation=name[:40],
            known=", ".join(known),
        )
    return Operation(name)


def notice_of(report: Report) -> Notice:
    """The notice of one report."""
    series = hashlib.sha256(f"{report.rule}|{report.caller}|{report.code}".encode()).hexdigest()
    return Notice(
        type="key-misuse",
        severity=Severity.MEDIUM if report.locked else Severity.LOW,
        id=f"{report.code}:{report.key[:16]}:{series[:16]}:{report.first}",
        summary=f"{report.count} uses of the key {report.label} were refused ({report.code})",
        since=datetime.fromtimestamp(report.first, UTC),
        ext={
            "rule": report.rule,
            "caller": report.caller,
            "operation": report.operation,
            "key": report.key,
            "count": report.count,
            "last": report.last,
            "locked": report.locked,
            "record": report.head,
        },
    )


def time_of(moment: int) -> str:
    """A moment as it stands in answers."""
    return datetime.fromtimestamp(moment, UTC).isoformat()
