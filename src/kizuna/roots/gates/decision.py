# SPDX-License-Identifier: Apache-2.0
"""The decision of a gate: pure, from policy, memory, request and time.

Keeps: 1. A locked key is refused before anything else is looked at. 2. Rules are tried in order;
the first that fits in everything allows. Where none does, the refusal names the rule that came
furthest, so that a person sees what was missing. 3. Deciding changes nothing: ``spend`` does, and
only for what was allowed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kizuna.roots.gates.book import State
from kizuna.roots.gates.caller import Caller, Strength
from kizuna.roots.gates.consent import Agreement
from kizuna.roots.gates.policy import (
    Admitted,
    Consent,
    LockScope,
    Operation,
    Policy,
    Rate,
    Rule,
    Unspoken,
    Window,
    seconds_of,
)
from kizuna.roots.keys import PublicKey

__all__ = ["VIOLATIONS", "Ask", "Decision", "decide", "lock_names", "spend"]

_MICRO: Final = 1_000_000
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

VIOLATIONS: Final = frozenset({"gate.no-rule", "gate.caller", "gate.purpose"})
"""Refusals that count towards a lock: they show somebody who has no business with the key. Being
early, late, too fast or without consent befalls honest callers too.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One use that somebody wants to make of a key."""

    key: str
    label: str
    operation: Operation
    caller: Caller
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``code`` is empty where the use is allowed."""

    code: str = ""
    rule: str = ""
    why: str = ""
    consents: tuple[str, ...] = ()
    """Digests of the consents that this use spends."""
    paced: Rate | None = None
    """The rate that this use counts against."""
    after: int = 0
    """Where waiting helps: seconds to wait."""

    @property
    def allowed(self) -> bool:
        """Whether the key may be used."""
        return not self.code


def lock_names(policy: Policy, ask: Ask) -> tuple[str, ...]:
    """The names under which a lock could shut this request out; the first is the one to set."""
    each = f"{ask.key}|{ask.caller.name}"
    return (each, ask.key) if policy.lock.scope is LockScope.CALLER else (ask.key, each)


def decide(
    policy: Policy, state: State, ask: Ask, now: int, agreements: Iterable[Agreement] = ()
) -> Decision:
    """Whether ``ask`` may be done now.

    Args:
        policy: what is allowed.
        state: what the gate remembers; not changed.
        ask: the wish.
        now: seconds since 1970.
        agreements: consents whose signatures were checked.
    """
    for name in lock_names(policy, ask):
        if name in state.locks:
            return Decision(
                code="gate.locked", rule="lock", why="it was locked after repeated violations"
            )
    named = [r for r in policy.rules if r.key in ("*", ask.label, ask.key)]
    if not named and policy.default is Unspoken.ALLOW:
        return Decision()
    furthest, refusal = (
        -1,
        Decision(
            code="gate.no-rule", rule="", why="no rule of the policy allows this operation with it"
        ),
    )
    held = tuple(agreements)
    for rule in named:
        if ask.operation not in rule.operations:
            continue
        step, decision = _one(rule, state, ask, now, held)
        if decision.allowed:
            return decision
        if step > furthest:
            furthest, refusal = step, decision
    return refusal


def _one(
    rule: Rule, state: State, ask: Ask, now: int, held: tuple[Agreement, ...]
) -> tuple[int, Decision]:
    if not any(_admits(who, ask.caller) for who in rule.callers):
        return 0, Decision(code="gate.caller", rule=rule.id, why=f"the caller is {ask.caller.name}")
    if rule.purposes and not any(_fits(ask.purpose, p) for p in rule.purposes):
        return 1, Decision(
            code="gate.purpose", rule=rule.id, why=f"what is to be signed is {ask.purpose}"
        )
    if rule.hours and not any(_open(window, now) for window in rule.hours):
        return 2, Decision(code="gate.hours", rule=rule.id, why="it is outside the hours allowed")
    if rule.rate is not None:
        wait = _wait(rule.rate, state.rates.get(_pace(rule.id, ask.key), 0), now)
        if wait:
            return 3, Decision(
                code="gate.rate",
                rule=rule.id,
                why=f"the rate is {rule.rate.count} per {rule.rate.per}",
                after=wait,
            )
    spent: tuple[str, ...] = ()
    if rule.consent is not None:
        spent = _consented(rule.consent, state, ask, now, held)
        if len(spent) < rule.consent.needed:
            return 4, Decision(
                code="gate.consent",
                rule=rule.id,
                why=f"{rule.consent.needed} consents are needed, {len(spent)} count now",
            )
    return 5, Decision(rule=rule.id, consents=spent, paced=rule.rate)


def spend(decision: Decision, state: State, ask: Ask, now: int) -> None:
    """Count an allowed use against its rate and its consents."""
    if decision.paced is not None:
        name = _pace(decision.rule, ask.key)
        step = seconds_of(decision.paced.per) * _MICRO // decision.paced.count
        state.rates[name] = max(state.rates.get(name, 0), now * _MICRO) + step
    for digest in decision.consents:
        state.consents[digest].used += 1


def _pace(rule: str, key: str) -> str:
    return f"{rule}|{key}"


def _wait(rate: Rate, arrival: int, now: int) -> int:
    """Seconds until the next use fits: the generic cell rate algorithm, in whole microseconds."""
    step = seconds_of(rate.per) * _MICRO // rate.count
    slack = step * ((rate.burst or rate.count) - 1)
    early = arrival - slack - now * _MICRO
    return 0 if early <= 0 else -(-early // _MICRO)


def _admits(who: Admitted, caller: Caller) -> bool:
    if who.declared is not None:
        return (
            caller.strength is Strength.DECLARED
            and caller.declared == who.declared
            and who.executable is None
            and who.uid is None
        )
    if who.executable is not None and (
        caller.strength is not Strength.MEASURED or caller.executable != who.executable
    ):
        return False
    return who.uid is None or (
        caller.strength in (Strength.MEASURED, Strength.USER) and caller.uid == who.uid
    )


def _fits(purpose: str, wanted: str) -> bool:
    if wanted.endswith("*"):
        return purpose.startswith(wanted[:-1])
    return purpose == wanted


def _open(window: Window, now: int) -> bool:
    shift = 0
    if window.zone != "Z":
        hours, minutes = window.zone[1:].split(":")
        shift = (int(hours) * 60 + int(minutes)) * (-1 if window.zone[0] == "-" else 1)
    minute = now // 60 + shift
    day, at = divmod(minute, 1_440)
    start, until = _minute(window.start), _minute(window.until)
    if start < until:
        inside = start <= at < until
    else:  # over midnight: the small hours belong to the day before
        inside = at >= start or at < until
        day -= at < until
    weekday = _DAYS[(day + 3) % 7]  # 1970-01-01 was a Thursday
    return inside and (not window.days or weekday in window.days)


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _consented(
    wanted: Consent, state: State, ask: Ask, now: int, held: tuple[Agreement, ...]
) -> tuple[str, ...]:
    """One consent for each key that agrees, as far as they are good now; soonest end first."""
    keys = {PublicKey.from_jwk(jwk).thumbprint for jwk in wanted.keys}
    chosen: dict[bytes, str] = {}
    for one in sorted(held, key=lambda a: a.ends):
        kept = state.consents.get(one.digest)
        if (
            kept is not None
            and kept.used < one.agreed.uses
            and one.begins <= now < one.ends
            and one.signer in keys
            and one.signer.hex() != ask.key  # nobody consents to their own use
            and one.agreed.key == ask.key
            and ask.operation in one.agreed.operations
            and any(_fits(ask.purpose, p) for p in one.agreed.purposes)
        ):
            chosen.setdefault(one.signer, one.digest)
    return tuple(chosen.values())[: wanted.needed]
