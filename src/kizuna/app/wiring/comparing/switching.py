# SPDX-License-Identifier: Apache-2.0
"""Two versions of a profile: what is not the same, and whose standing changes with the second.

Keeps: 1. Nothing is written: the question may be asked before a version is published. 2. Both are
judged as of the day of the change, with what is registered now. 3. Of each subject that falls, the
findings that it did not have before are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.judging.answers import finding_json
from kizuna.criteria.profiles.comparison import differences, looser
from kizuna.model.finding import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kizuna.app.wiring.workspace import Workspace
    from kizuna.chain.verify.authority import Authority
    from kizuna.chain.verify.switching import Moved, Switched
    from kizuna.criteria.profiles import Profile

__all__ = ["difference_json", "switch_json"]

_EXPLAINED: Final = 100
"""Of how many subjects the reasons are told."""


def difference_json(before: Profile, after: Profile) -> dict[str, Any]:
    """Everything in which two profiles differ, and where the second asks less."""
    return {
        "before": _named(before),
        "after": _named(after),
        "same": before.digest == after.digest,
        "differences": [
            {
                "name": one.name,
                "change": one.change,
                "direction": one.direction.value,
                "members": {
                    member: {"before": was, "after": now}
                    for member, (was, now) in one.members.items()
                },
            }
            for one in differences(before, after)
        ],
        "looser": [{"name": one.name, "why": one.why} for one in looser(before, after)],
    }


def switch_json(
    workspace: Workspace,
    before: Profile,
    after: Profile,
    *,
    on: int | None = None,
    everything: bool = False,
    lists: Sequence[str] | None = None,
    lang: str = "en",
) -> dict[str, Any]:
    """Whose standing changes on the day the second profile takes effect.

    Args:
        workspace: the store.
        before: the profile that is left; its watches say whom it concerns.
        after: the profile that takes effect.
        on: the day; None: now.
        everything: all that nothing else depends on, instead of the watches.
        lists: names of the lists to go by.
        lang: of the reasons.
    """
    moment = workspace.clock() if on is None else on
    asked: list[tuple[tuple[str, ...] | None, list[str] | None]]
    if everything:
        asked = [(None if lists is None else tuple(lists), None)]
    else:
        asked = [*_watched(workspace, before.name, lists).items()]
    judged, parts = 0, 0
    rows: list[dict[str, Any]] = []
    for chosen, subjects in asked:

        def question(
            authority: Authority, subjects: list[str] | None = subjects
        ) -> tuple[int, int, list[dict[str, Any]]]:
            from kizuna.chain.verify.switching import switch

            done = switch(authority, before, after, at=moment, subjects=subjects)
            return done.judged, done.parts_moved, _rows(done, after, lang)

        count, other, made = workspace.judge.ask_everything(question, lists=chosen)
        judged += count
        parts += other
        rows += made
    rows.sort(key=lambda r: (r["direction"] != "falls", r["subject"]))
    names = workspace.names([r["subject"] for r in rows])
    for row in rows:
        row["name"] = names.get(row["subject"], "")
    return {
        "before": _named(before),
        "after": _named(after),
        "on": moment,
        "over": "everything" if everything else "watches",
        "judged": judged,
        "falls": sum(r["direction"] == "falls" for r in rows),
        "rises": sum(r["direction"] == "rises" for r in rows),
        "parts_moved": parts,
        "moved": rows,
    }


def _watched(
    workspace: Workspace, profile: str, lists: Sequence[str] | None
) -> dict[tuple[str, ...] | None, list[str] | None]:
    """The watched subjects of a profile, by the lists that their watches go by."""
    from kizuna.record.store.watches import Watchlist

    found: dict[tuple[str, ...] | None, list[str] | None] = {}
    for watch in Watchlist(workspace.store.backend).all():
        if watch.profile == profile:
            chosen = tuple(lists) if lists is not None else watch.lists or None
            under = found.setdefault(chosen, [])
            if under is not None:
                under.append(watch.subject)
    return found


def _rows(done: Switched, after: Profile, lang: str) -> list[dict[str, Any]]:
    worst = sorted(done.moved, key=lambda m: (m.after >= m.before, m.after, m.subject))
    return [
        {
            "subject": one.subject,
            "before": one.before.word,
            "after": one.after.word,
            "direction": "falls" if one.after < one.before else "rises",
            "findings": _why(done, one, after, lang) if place < _EXPLAINED else [],
        }
        for place, one in enumerate(worst)
    ]


def _why(done: Switched, one: Moved, after: Profile, lang: str) -> list[dict[str, Any]]:
    if one.after >= one.before:
        return []
    had = {(f.code, f.subject, f.requirement) for f in done.before.verdict(one.subject).findings}
    return [
        finding_json(f, lang, profile=after)
        for f in done.after.verdict(one.subject).findings
        if f.counts
        and f.code.value_given is not Value.TRUSTED
        and (f.code, f.subject, f.requirement) not in had
    ]


def _named(profile: Profile) -> dict[str, str]:
    return {"name": profile.name, "version": profile.version, "digest": profile.digest}
