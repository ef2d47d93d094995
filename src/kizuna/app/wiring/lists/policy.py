# SPDX-License-Identifier: Apache-2.0
"""Policies of lists: set, shown, and held at the intake: what breaks one is never registered.

Keeps: 1. A policy counts only where the operator of the list, as this store believes it, signed it.
2. It is held for every door alike, where statements enter the log: the operator's own tools have no
way around it. 3. A list without a policy is as it was.

Owner of mutable state: the policies as of the last checkpoint; asked by the writer alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from kizuna.app.wiring.lists.own import TrustLists, policy_of
from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Malformed, Problem, Refused
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Membership, Norm, Status
from kizuna.model.statement import Registered, Statement
from kizuna.model.trust import Anchors
from kizuna.record.lists.policy import POLICY, Act, ListPolicy, Rule
from kizuna.record.lists.roles import Role

__all__ = ["ListRules", "policy_of", "set_policy"]

_PROPOSERS: Final = (Role.CONFIRMATION_BODY.value,)


def set_policy(
    workspace: Owner,
    name: str | None,
    *,
    two_signatures: Sequence[str],
    by: Sequence[str],
    none: bool,
) -> dict[str, Any]:
    """Sign and register the policy of a list that is written here.

    What is not named stays as it stood, so that nobody loosens a list by asking one thing more.

    Args:
        workspace: whose list.
        name: which list; None is the store's own.
        two_signatures: acts that a confirmation body must have proposed.
        by: who may sign which act, as ``ACT=ROLE``.
        none: give up what stood; with acts named, only those are asked from now on.

    Raises:
        Malformed: ``list.policy-act``. Refused: ``list.not-ours``. Absent: ``list.unknown``.
    """
    anchor = TrustLists(workspace).anchor(name)
    if anchor.operator != workspace.identity or anchor.fresh_until is not None:
        raise Refused(
            "list.not-ours",
            f"{anchor.name} is not written here",
            why="somebody else operates it, or it follows another list",
            hint="only its operator can change it; `kizuna list take` follows another list",
            name=anchor.name,
        )
    signers: dict[Act, list[str]] = {}
    for text in by:
        act, _, role = text.partition("=")
        signers.setdefault(_act(act), []).append(_role(role))
    asked = {_act(act) for act in two_signatures}
    before = None if none else policy_of(workspace, anchor.id, anchor.operator)
    rules = {} if before is None else dict(before.rules)
    for act in (a for a in Act if a in asked or a in signers):
        stood = rules.get(act, Rule())
        rules[act] = Rule(
            by=tuple(dict.fromkeys(signers[act])) if act in signers else stood.by,
            proposed_by=_PROPOSERS if act in asked else stood.proposed_by,
        )
    policy = ListPolicy(list_id=anchor.id, rules=rules)
    norm = Norm(type=POLICY, name=POLICY, version="1", document=policy.document())
    signed = workspace.sign(Kind.NORM, SubjectId(anchor.id), norm)
    digest, index = workspace.register_one(signed)
    return {"list": anchor.name, "statement": digest, "index": index, **policy.document()}


class ListRules:
    """What the policies of the believed lists say to a statement that is about to be registered."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace
        self._as_of: tuple[int, Anchors] | None = None
        self._policies: dict[str, ListPolicy] = {}

    def refuses(
        self, said: Statement, now: int, batch: Sequence[Registered] = ()
    ) -> Problem | None:
        """Why a membership, or a status on one, may not be registered; ``batch``: the entries and
        statuses that are registered with it, before it.
        """
        payload = said.payload
        if not isinstance(payload, Membership | Status):
            return None
        policies = self._known()
        if not policies:
            return None
        if isinstance(payload, Membership):
            list_id, cited = payload.list_id, payload.ext.get("proposal")
        else:
            acted = self._membership(payload.target.statement, batch)
            if acted is None:
                return None
            list_id, cited = acted, None
        policy = policies.get(list_id)
        if policy is None:
            return None
        state = TrustLists(self._workspace).state(list_id, after=batch)
        found = _digest(cited)
        proposals = {} if found is None else self._workspace.store.reader().by_digests([found])
        proposal = next(iter(proposals.values()), None)
        return policy.refuses(
            said,
            state,
            proposal,
            now,
            taken_back=proposal is not None and self._back(proposal, batch),
        )

    def _back(self, proposal: Registered, batch: Sequence[Registered]) -> bool:
        """Whether whoever proposed something took it back."""
        from kizuna.record.log.keys import statement_key

        digest = proposal.statement.digest
        key = statement_key(digest)
        rows = [*self._workspace.store.reader().by_keys([key]).get(key, ()), *batch]
        return any(
            row.statement.issuer == proposal.statement.issuer
            and isinstance(row.statement.payload, Status)
            and row.statement.payload.target.statement == digest.hex()
            for row in rows
        )

    def _known(self) -> dict[str, ListPolicy]:
        anchors = self._workspace.anchors()
        size = self._workspace.head().size
        if self._as_of is None or self._as_of[0] != size or self._as_of[1] is not anchors:
            found = {a.id: policy_of(self._workspace, a.id, a.operator) for a in anchors.lists}
            self._policies = {name: one for name, one in found.items() if one and one.rules}
            self._as_of = (size, anchors)
        return self._policies

    def _membership(self, digest: str | None, batch: Sequence[Registered]) -> str | None:
        """The list of the entry that a status acts upon."""
        found = _digest(digest)
        if found is None:
            return None
        here = [row for row in batch if row.statement.digest == found]
        for row in (*self._workspace.store.reader().by_digests([found]).values(), *here):
            if isinstance(row.statement.payload, Membership):
                return row.statement.payload.list_id
        return None


def _digest(text: object) -> Digest | None:
    if not isinstance(text, str) or len(text) != 64:
        return None
    try:
        return Digest(bytes.fromhex(text))
    except ValueError:
        return None


def _act(text: str) -> Act:
    try:
        return Act(text)
    except ValueError as fault:
        raise Malformed(
            "list.policy-act",
            f"no act {text[:40]!r} of a list's policy",
            hint="one of " + ", ".join(Act) + "; who may sign is written ACT=ROLE",
            act=text[:40],
            known=", ".join(Act),
        ) from fault


def _role(text: str) -> str:
    known = ("operator", *(role.value for role in Role if role is not Role.SELF))
    if text not in known:
        raise Malformed(
            "list.role-unknown",
            f"no role named {text[:60]!r}",
            why=f"known are {', '.join(known)}",
            hint="name `operator`, or a role that the list gives",
            role=text[:60],
            known=", ".join(known),
        )
    return text
