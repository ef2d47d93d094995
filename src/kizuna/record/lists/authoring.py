# SPDX-License-Identifier: Apache-2.0
"""A list as somebody wants it, set against the list as it stands: which entries lead there?

Keeps: 1. Nothing is entered that changes nothing, so that a list's history tells of changes alone.
2. Whoever is taken out is withdrawn with a reason, never left out silently. 3. What is worked out
here is not signed: it can be shown first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Membership, Service, Standing
from kizuna.record.lists.entries import grant
from kizuna.record.lists.foreign import claimed_twice
from kizuna.record.lists.state import Entry, ListState, What
from kizuna.roots.keys import PublicKey

__all__ = ["Step", "Wanted", "check_names", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How one member's entry should be."""

    services: tuple[Service, ...]
    name: str = ""
    state: Standing = Standing.GRANTED
    reason: str = ""
    valid_until: int | None = None
    keys: tuple[Mapping[str, str], ...] = ()
    logs: tuple[str, ...] | None = None
    """None: as the entry has them."""
    ext: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry to be signed, and what it changes."""

    member: SubjectId
    what: What
    before: Entry | None
    entry: Membership


def plan(
    state: ListState,
    wanted: Mapping[SubjectId, Wanted],
    *,
    gone: str,
    spare: Sequence[SubjectId] = (),
) -> tuple[Step, ...]:
    """The entries that lead from the list as it stands to the list as it is wanted, by member.

    Args:
        state: the list as registered.
        wanted: every member that should be on it.
        gone: the reason for those who are on it and not wanted.
        spare: members that are left as they are, wanted or not.

    Raises:
        Malformed: ``list.no-services``.
    """
    steps: list[Step] = []
    for member in sorted({*state.entries, *wanted} - set(spare)):
        entry, want = state.entries.get(member), wanted.get(member)
        if want is None:
            if entry is not None and entry.state is not Standing.WITHDRAWN:
                left = Wanted(services=entry.services, state=Standing.WITHDRAWN, reason=gone)
                steps.append(_step(state, member, entry, left))
        elif not _stands(entry, want):
            steps.append(_step(state, member, entry, want))
    return tuple(steps)


def check_names(
    wanted: Mapping[SubjectId, Wanted],
    others: Mapping[SubjectId, tuple[str, Sequence[PublicKey]]],
    keys: Mapping[SubjectId, Sequence[PublicKey]],
    list_name: str,
) -> None:
    """See that no other list that is believed gives a name to other keys.

    Args:
        wanted: the members that would be entered.
        others: by member: which list has it, and the keys it has there.
        keys: the keys that would be pinned.
        list_name: the list that would be written.

    Raises:
        Tampered: ``list.claimed-twice``.
    """
    for member, want in wanted.items():
        held = others.get(member)
        mine = {k.thumbprint for k in keys.get(member, ())}
        if want.state is not Standing.GRANTED or held is None or not mine or not held[1]:
            continue
        if not mine & {k.thumbprint for k in held[1]}:
            raise claimed_twice(member, held[0], list_name)


def _stands(entry: Entry | None, want: Wanted) -> bool:
    """Whether the entry is as it should be already."""
    if entry is None:
        return want.state is Standing.WITHDRAWN  # whoever never was on the list need not leave it
    if entry.state is not want.state:
        return False
    if want.state is not Standing.GRANTED:
        return True
    return (
        entry.services == want.services
        and entry.name == want.name
        and entry.valid_until == want.valid_until
        and entry.keys == want.keys
        and (want.logs is None or set(entry.logs) == set(want.logs))
        and entry.ext.get("proposal") == want.ext.get("proposal", entry.ext.get("proposal"))
    )


def _step(state: ListState, member: SubjectId, entry: Entry | None, want: Wanted) -> Step:
    until = want.valid_until
    had = entry.logs if entry is not None else ()
    logs = list(had if want.logs is None else want.logs)
    if want.state is Standing.GRANTED:
        made = grant(
            state.list_id,
            want.services,
            name=want.name or None,
            valid_until=None if until is None else datetime.fromtimestamp(until, UTC),
            reason=want.reason or None,
            logs=logs,
            keys=[dict(k) for k in want.keys],
            ext=want.ext,
        )
    else:
        made = Membership(
            list_id=state.list_id,
            state=want.state,
            services=list(want.services or (entry.services if entry else ())),
            name=want.name or (entry.name if entry else "") or None,
            reason=want.reason or None,
            logs=logs,
            keys=[dict(k) for k in (want.keys or (entry.keys if entry else ()))],
            ext=dict(want.ext),
        )
    return Step(member=member, what=_what(entry, want), before=entry, entry=made)


def _what(entry: Entry | None, want: Wanted) -> What:
    if want.state is Standing.SUSPENDED:
        return What.SUSPENDED
    if want.state is Standing.WITHDRAWN:
        return What.WITHDRAWN
    if entry is None:
        return What.ADDED
    if entry.state is not Standing.GRANTED:
        return What.REINSTATED
    return What.SERVICES if entry.services != want.services else What.RENEWED
