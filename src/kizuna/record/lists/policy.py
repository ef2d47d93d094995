# SPDX-License-Identifier: Apache-2.0
"""Who may change a list, and with whom: the list's own policy, a norm that its operator signed.

::

    {"list": "...", "acts": {"register": {"by": ["operator"], "proposed_by": ["confirmation-body"]},
                             "withdraw": {"proposed_by": ["confirmation-body"]}}}

``by`` names who may sign the act: ``operator``, or a role that the list itself gives. Where
``proposed_by`` names roles, the entry must cite a proposal of somebody with one of them: two
parties, two signatures. What a policy does not name goes on as without one.

Keeps: 1. A policy binds its author too. 2. The newest one counts, from its registration on; what
was entered before stands. 3. Whoever signs an entry is never who proposed it, nor is the member.
4. What is entered is what was proposed: state, services, keys, logs and end. A key that an entry of
any state pins is entered with it, and asks for what entering asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from kizuna.model.errors import Malformed, Problem, Refused
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Membership, Norm, Service, Standing, Status, seconds
from kizuna.model.statement import Registered, Statement
from kizuna.record.lists.foreign import instant_of
from kizuna.record.lists.state import ListState
from kizuna.roots.identity import pinned_keys

__all__ = ["POLICY", "PROPOSAL", "Act", "ListPolicy", "Proposed", "Rule", "proposed"]

POLICY: Final = "list-policy"
PROPOSAL: Final = "list-proposal"
OPERATOR: Final = "operator"
_MOST: Final = 16


class Act(StrEnum):
    """What can be done to a member's entry."""

    REGISTER = "register"  # enter it, renew it, reinstate it
    SUSPEND = "suspend"
    WITHDRAW = "withdraw"


_OF_STANDING: Final = {
    Standing.GRANTED: Act.REGISTER,
    Standing.SUSPENDED: Act.SUSPEND,
    Standing.WITHDRAWN: Act.WITHDRAW,
}
_OF_ACTION: Final = {
    Action.REINSTATE: Act.REGISTER,
    Action.SUSPEND: Act.SUSPEND,
    Action.REVOKE: Act.WITHDRAW,
    Action.WITHDRAW: Act.WITHDRAW,
}


class _Written(Struct, frozen=True, forbid_unknown_fields=True):
    by: list[str] = []
    proposed_by: list[str] = []


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    list: str
    acts: dict[Act, _Written]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Of one act: who may sign it, and who must have proposed it (nobody: no proposal is asked)."""

    by: tuple[str, ...] = ()
    proposed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """The rules of one list; an act without a rule is free to whom the list entitles."""

    list_id: str
    rules: Mapping[Act, Rule] = field(default_factory=dict)

    @staticmethod
    def read(norm: Norm) -> ListPolicy:
        """The policy that a norm holds.

        Raises:
            Malformed: ``list.policy``.
        """
        try:
            found = msgspec.convert(norm.document, _Document)
        except (msgspec.ValidationError, ValueError) as fault:
            raise _malformed(str(fault)[:200]) from fault
        for act, rule in found.acts.items():
            if max(len(rule.by), len(rule.proposed_by)) > _MOST:
                raise _malformed(f"{act.value}: more than {_MOST} roles")
            if OPERATOR in rule.proposed_by:
                raise _malformed(f"{act.value}: the operator does not propose to itself")
        rules = {
            act: Rule(by=tuple(rule.by), proposed_by=tuple(rule.proposed_by))
            for act, rule in found.acts.items()
        }
        return ListPolicy(list_id=found.list, rules=rules)

    def document(self) -> dict[str, Any]:
        """As the norm holds it."""
        return {
            "list": self.list_id,
            "acts": {
                act.value: {
                    **({"by": list(rule.by)} if rule.by else {}),
                    **({"proposed_by": list(rule.proposed_by)} if rule.proposed_by else {}),
                }
                for act, rule in sorted(self.rules.items())
            },
        }

    def refuses(
        self,
        said: Statement,
        state: ListState,
        proposal: Registered | None,
        now: int,
        *,
        taken_back: bool = False,
    ) -> Problem | None:
        """Why an entry, or a status on one, may not be made; None where it may.

        Args:
            said: the membership, or the status that acts on one.
            state: the list as it stands.
            proposal: the statement that the entry cites, where it is registered.
            now: when.
            taken_back: whether who proposed it took it back since.
        """
        if said.subject == state.operator:
            return None
        for act in _acts_of(said, state):
            rule = self.rules.get(act)
            why = (
                None
                if rule is None
                else self._refuses(act, rule, said, state, None if taken_back else proposal, now)
            )
            if why is not None:
                return why
        return None

    def _refuses(
        self,
        act: Act,
        rule: Rule,
        said: Statement,
        state: ListState,
        proposal: Registered | None,
        now: int,
    ) -> Problem | None:
        if rule.by and not _has(state, said.issuer, rule.by, now):
            return Refused(
                "list.policy-role",
                f"the list's policy lets {' or '.join(rule.by)} {act.value} its members",
                why="its operator signed who may do what",
                hint="`kizuna list policy` prints it; ask who may, or the operator to change it",
                act=act.value,
                roles=", ".join(rule.by),
            )
        if not rule.proposed_by:
            return None
        why = _not_proposed(said, state, proposal, rule, now)
        if why is None:
            return None
        return Refused(
            "list.four-eyes",
            f"the list's policy asks for two signatures to {act.value} a member: {why}",
            why=why,
            hint="have a body of the list propose it (`kizuna list propose`), then "
            "`kizuna list enter PROPOSAL`",
            act=act.value,
            fault=why,
            roles=", ".join(rule.proposed_by),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What a proposal asks for."""

    list_id: str
    state: Standing
    services: tuple[Service, ...]
    keys: frozenset[bytes]
    """Thumbprints of the keys to be pinned."""
    until: int | None
    logs: frozenset[str] | None
    """Where its statements stand; None: as the entry has it."""


def proposed(norm: object) -> Proposed | None:
    """What a proposal asks for; None where it is no proposal."""
    if not isinstance(norm, Norm) or norm.type != PROPOSAL:
        return None
    said = norm.document
    try:
        return Proposed(
            list_id=str(said["list"]),
            state=Standing(said["state"]),
            services=tuple(msgspec.convert(said["services"], list[Service])),
            keys=_thumbprints(msgspec.convert(said.get("keys", []), list[dict[str, str]])),
            until=instant_of(said["until"], "until") if "until" in said else None,
            logs=frozenset(msgspec.convert(said["logs"], list[str])) if "logs" in said else None,
        )
    except (KeyError, ValueError, TypeError, OverflowError, Problem):  # the second: msgspec's
        return None


def _thumbprints(keys: Sequence[Mapping[str, str]]) -> frozenset[bytes]:
    return frozenset(key.thumbprint for key in pinned_keys(keys))


def _acts_of(said: Statement, state: ListState) -> tuple[Act, ...]:
    """What a statement does to a member's entry."""
    payload = said.payload
    if isinstance(payload, Membership):
        act = _OF_STANDING[payload.state]
        known = state.entries.get(said.subject)
        if act is Act.REGISTER or _thumbprints(payload.keys) <= _thumbprints(
            () if known is None else known.keys
        ):
            return (act,)
        return (act, Act.REGISTER)  # a key that is pinned stays, whatever the entry's state
    found = _OF_ACTION.get(payload.action) if isinstance(payload, Status) else None
    return () if found is None else (found,)


def _has(state: ListState, who: SubjectId, roles: tuple[str, ...], now: int) -> bool:
    if OPERATOR in roles and who == state.operator:
        return True
    entry = state.entries.get(who)
    if entry is None or not entry.in_force(now):
        return False
    return any(service.type in roles for service in entry.services)


def _not_proposed(
    said: Statement, state: ListState, proposal: Registered | None, rule: Rule, now: int
) -> str | None:
    """What is wrong with the proposal that an entry cites; None where nothing is."""
    payload = said.payload
    if not isinstance(payload, Membership):
        return "a status cites no proposal"
    asked = None if proposal is None else proposed(proposal.statement.payload)
    if proposal is None or asked is None:
        return "it cites no registered proposal"
    by = proposal.statement.issuer
    if proposal.statement.subject != said.subject:
        return "the proposal is about somebody else"
    if by in (said.issuer, said.subject, state.operator):
        return "whoever proposes is neither who enters nor the member"
    if asked.list_id != state.list_id or asked.state is not payload.state:
        return "the proposal asks for something else"
    if payload.state is Standing.GRANTED and asked.services != tuple(payload.services):
        return "the proposal asks for other services"
    if asked.keys != _thumbprints(payload.keys):
        return "the proposal asks for other keys"
    until = None if payload.valid_until is None else seconds(payload.valid_until)
    if payload.state is Standing.GRANTED and asked.until != until:
        return "the proposal asks for another end"
    stood = state.entries.get(said.subject)
    had = frozenset(stood.logs) if stood is not None else frozenset()
    if frozenset(payload.logs) != (had if asked.logs is None else asked.logs):
        return "the proposal asks for other logs"
    cited = {step.ext.get("proposal") for step in state.history(said.subject)}
    if proposal.statement.digest.hex() in cited:
        return "the proposal was entered before"
    granted = state.may(by, Kind.NORM, said.subject, PROPOSAL, now)
    if not any(service.type in rule.proposed_by for service in granted):
        return f"whoever proposed it is no {' or '.join(rule.proposed_by)} of the list"
    return None


def _malformed(why: str) -> Malformed:
    return Malformed(
        "list.policy",
        f"not a policy of a list: {why}",
        why=why,
        hint="make it with `kizuna list policy --two-signatures register`",
        fault=why,
    )
