# SPDX-License-Identifier: Apache-2.0
"""The gate before a unit: decides, remembers, refuses, locks; and tells what happened.

Keeps: 1. Every use of a key passes ``admit``, whoever asks; a refusal raises and the key was not
touched. 2. Every refusal is counted in the record: the first of its kind at once, later ones
together. 3. A lock ends only by a consent to ``unlock`` that an operator named by the policy
signed, and each consent unlocks once. 4. ``reports`` gives each kind of refusal at most once an
hour, and no more than a handful of kinds apart: an attacker does not decide how much is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from kizuna.model.errors import Absent, Problem, Refused
from kizuna.roots.gates.book import MAX_KEPT, MAX_SERIES, Book, Event, Held, Series, State
from kizuna.roots.gates.caller import Caller
from kizuna.roots.gates.consent import Agreement, check_consent, read_consent
from kizuna.roots.gates.decision import VIOLATIONS, Ask, Decision, decide, lock_names, spend
from kizuna.roots.gates.policy import Operation, Policy, seconds_of

__all__ = ["Gate", "Report"]

_FIRST_PAUSE: Final = 60
_LONGEST_PAUSE: Final = 3_600
_REPORTS: Final = 16
"""Most notices an hour; what is beyond is summed up in one more."""
_OTHERS: Final = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is to be told of refusals: one notice."""

    series: str
    rule: str
    caller: str
    code: str
    key: str
    label: str
    operation: str
    count: int
    first: int
    last: int
    locked: bool
    head: str
    """Head of the gate's record at that time: whoever logs the notice pins the record with it."""


class Gate:
    """One policy with its memory. May be used from several threads."""

    def __init__(self, policy: Policy, book: Book, clock: Callable[[], int]) -> None:
        self._policy = policy
        self._book = book
        self._clock = clock
        self._agreed: dict[str, Agreement | None] = {}

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policy

    @property
    def book(self) -> Book:
        """What the gate remembers."""
        return self._book

    def admit(
        self,
        key: str,
        label: str,
        operation: Operation,
        caller: Caller,
        purposes: Sequence[str],
    ) -> None:
        """Let uses of a key pass, one for each purpose, or raise: all of them or none.

        Raises:
            Refused: ``gate.locked``, ``gate.no-rule``, ``gate.caller``, ``gate.purpose``,
                ``gate.hours``, ``gate.rate``, ``gate.consent``.
        """
        asks = [
            (Ask(key=key, label=label, operation=operation, caller=caller, purpose=p), times)
            for p, times in Counter(purposes).items()
        ]
        now = self._clock()
        # the common case writes nothing: allowed, by rules that count nothing
        state = self._book.read()
        agreements = self._agreements(state)
        first = [decide(self._policy, state, ask, now, agreements) for ask, _ in asks]
        if all(d.allowed and d.paced is None and not d.consents for d in first):
            return
        with self._book.turn() as state:
            refused = self._spend(state, asks, now)
        if refused is not None:
            raise _refusal(*refused)

    def _spend(
        self, state: State, asks: list[tuple[Ask, int]], now: int
    ) -> tuple[Decision, Ask] | None:
        agreements = self._agreements(state)
        rates = dict(state.rates)
        used = {digest: held.used for digest, held in state.consents.items()}
        consented: list[tuple[Ask, Decision]] = []
        for ask, times in asks:
            for _ in range(times):
                decision = decide(self._policy, state, ask, now, agreements)
                if not decision.allowed:
                    state.rates = rates  # nothing is done, so nothing is spent
                    for digest, count in used.items():
                        state.consents[digest].used = count
                    self._refuse(state, ask, decision, now)
                    return decision, ask
                spend(decision, state, ask, now)
                if decision.consents:
                    consented.append((ask, decision))
                if decision.paced is None and not decision.consents:
                    break
        for ask, decision in consented:
            event = self._event("consented", ask, decision, now)
            detail = ",".join(d[:16] for d in decision.consents)
            self._book.append(state, msgspec.structs.replace(event, detail=detail))
        return None

    def hand_in(self, data: bytes) -> Agreement:
        """Keep a consent until it is used up or has ended.

        Raises:
            Malformed: ``gate.consent-wrong``. Tampered: ``gate.consent-forged``.
            Refused: ``gate.consent-stranger``, ``gate.consent-over``, ``gate.consent-full``.
        """
        agreement = read_consent(data)
        now = self._clock()
        wanted = [jwk for rule in self._policy.rules if rule.consent for jwk in rule.consent.keys]
        if not check_consent(agreement, [*wanted, *self._policy.operators]):
            raise Refused(
                "gate.consent-stranger",
                "the policy does not ask this key for its consent",
                why="it was signed with a key that the policy does not name",
                hint="ask somebody whom the policy names, or change the policy",
                key=agreement.signer.hex()[:64],
            )
        with self._book.turn() as state:
            ended = [d for d, c in state.consents.items() if c.ends <= now]
            state.over = max([state.over, *(state.consents.pop(d).ends for d in ended)])
            if agreement.digest in state.consents:
                return agreement  # a second copy gives no further uses
            if agreement.ends <= max(now, state.over):
                raise Refused(
                    "gate.consent-over",
                    "the consent has ended",
                    hint="ask for a new one",
                    ended=agreement.ends,
                )
            if len(state.consents) >= MAX_KEPT:
                raise Refused(
                    "gate.consent-full",
                    f"{MAX_KEPT} consents are waiting already",
                    hint="use them, or wait until they end",
                    limit=MAX_KEPT,
                )
            state.consents[agreement.digest] = Held(raw=agreement.raw, ends=agreement.ends)
            self._book.append(
                state,
                Event(
                    at=now,
                    event="consent",
                    key=agreement.agreed.key,
                    caller=agreement.signer.hex()[:16],
                    count=agreement.agreed.uses,
                    detail=agreement.digest,
                ),
            )
        return agreement

    def unlock(self, key: str, data: bytes) -> None:
        """End every lock of a key, with an operator's consent to exactly that.

        Raises:
            Absent: ``gate.not-locked``. Malformed, Tampered: as ``hand_in``.
            Refused: ``gate.unlock-consent``, ``gate.consent-over``.
        """
        agreement = read_consent(data)
        now = self._clock()
        wrong = ""
        if not check_consent(agreement, list(self._policy.operators)):
            wrong = "it is not signed by an operator whom the policy names"
        elif agreement.agreed.key != key or Operation.UNLOCK not in agreement.agreed.operations:
            wrong = "it consents to something else"
        elif not agreement.begins <= now < agreement.ends or (
            agreement.ends <= self._book.read().over
        ):
            wrong = "it does not count at this time"
        elif agreement.signer.hex() == key:
            wrong = "a key cannot unlock itself"
        with self._book.turn() as state:
            names = [n for n in state.locks if n == key or n.startswith(f"{key}|")]
            if not names:
                raise Absent(
                    "gate.not-locked",
                    f"the key {key[:16]} is not locked",
                    hint="`kizuna key gate show` lists the locked keys",
                    key=key[:64],
                )
            used = state.consents.get(agreement.digest)
            if not wrong and used is not None and used.used >= agreement.agreed.uses:
                wrong = "it was used already"
            if wrong:
                raise Refused(
                    "gate.unlock-consent",
                    "this consent does not unlock the key",
                    why=wrong,
                    hint="an operator makes one: `kizuna key gate consent KEY --for unlock`",
                    fault=wrong,
                )
            held = used or Held(raw=agreement.raw, ends=agreement.ends)
            held.used += 1
            state.consents[agreement.digest] = held
            for name in names:
                del state.locks[name]
                state.violations.pop(name, None)
            self._book.append(
                state,
                Event(
                    at=now,
                    event="unlocked",
                    key=key,
                    caller=agreement.signer.hex()[:16],
                    detail=agreement.digest,
                ),
            )

    def reports(self) -> list[Report]:
        """What is to be told now; ``told`` says that it was."""
        now = self._clock()
        state = self._book.read()
        # a clock that was ahead and came back must not silence the gate until it is there again
        fresh = not 0 <= now - state.noticed < _LONGEST_PAUSE
        room = _REPORTS if fresh else _REPORTS - state.notices
        waiting = [
            _report(name, series, state)
            for name, series in state.series.items()
            if series.unreported
            and (not series.reported or not 0 <= now - series.reported < _LONGEST_PAUSE)
        ]
        return waiting[: max(room, 0)]

    def told(self, reports: Sequence[Report]) -> None:
        """Note that these were told, durably; they are not given again."""
        if not reports:
            return
        now = self._clock()
        with self._book.turn() as state:
            self._flush(state, now)
            if not 0 <= now - state.noticed < _LONGEST_PAUSE:
                state.noticed, state.notices = now, 0
            for report in reports:
                series = state.series.get(report.series)
                if series is not None:
                    series.unreported = max(0, series.unreported - report.count)
                    series.reported = now
                    state.notices += 1

    def note(self, event: str, detail: str) -> None:
        """Record something that an operator did to the gate itself."""
        with self._book.turn() as state:
            self._book.append(state, Event(at=self._clock(), event=event, detail=detail[:500]))

    # -- inside --------------------------------------------------------------------------------

    def _agreements(self, state: State) -> list[Agreement]:
        """The consents kept, each checked once against the keys of this policy."""
        found: list[Agreement] = []
        for digest, held in state.consents.items():
            if digest not in self._agreed:
                self._agreed[digest] = self._checked(held.raw)
            agreement = self._agreed[digest]
            if agreement is not None:
                found.append(agreement)
        if len(self._agreed) > 2 * MAX_KEPT:
            self._agreed = {d: a for d, a in self._agreed.items() if d in state.consents}
        return found

    def _checked(self, raw: bytes) -> Agreement | None:
        """A consent read back from the state: what a changed file says is not believed."""
        wanted = [jwk for rule in self._policy.rules if rule.consent for jwk in rule.consent.keys]
        try:
            agreement = read_consent(raw)
            return agreement if check_consent(agreement, wanted) else None
        except Problem:
            return None

    def _refuse(self, state: State, ask: Ask, decision: Decision, now: int) -> None:
        self._count(state, ask, decision, now)
        if decision.code not in VIOLATIONS:
            return
        name = lock_names(self._policy, ask)[0]
        lock = self._policy.lock
        recent = [
            t for t in state.violations.pop(name, []) if now - seconds_of(lock.within) < t <= now
        ]
        recent.append(now)
        state.violations[name] = recent[-lock.after :]  # the newest name stands last
        while len(state.violations) > MAX_KEPT:
            del state.violations[next(iter(state.violations))]
        if len(recent) >= lock.after:
            if len(state.locks) >= MAX_KEPT:
                name = ask.key  # too many callers to shut out one by one
            state.locks[name] = now
            event = self._event("locked", ask, decision, now)
            self._book.append(state, msgspec.structs.replace(event, detail=name))
            series = state.series.get(_series(ask, decision))
            if series is not None:
                series.reported = 0  # a lock is told at once

    def _count(self, state: State, ask: Ask, decision: Decision, now: int) -> None:
        self._flush(state, now)
        name = _series(ask, decision)
        series = state.series.get(name)
        if series is None and len(state.series) >= MAX_SERIES:
            for old in [n for n, s in state.series.items() if now - s.last > 4 * _LONGEST_PAUSE]:
                del state.series[old]
            if len(state.series) >= MAX_SERIES:
                name = _OTHERS
                series = state.series.get(name)
        event = self._event("refused", ask, decision, now)
        if name == _OTHERS:
            event = msgspec.structs.replace(event, caller=_OTHERS, rule=_OTHERS)
        if series is None:
            self._book.append(state, event)
            state.series[name] = Series(
                event=event,
                recorded=now,
                pause=_FIRST_PAUSE,
                unreported=1,
                since=now,
                last=now,
            )
            return
        if not series.waiting:
            series.since = now
        series.waiting += 1
        series.unreported += 1
        series.last = now
        self._settle(state, series, now)

    def _flush(self, state: State, now: int) -> None:
        for series in state.series.values():
            self._settle(state, series, now)

    def _settle(self, state: State, series: Series, now: int) -> None:
        """Write the refusals that wait as one record, where the pause is over."""
        if not series.waiting or now - series.recorded < series.pause:
            return
        self._book.append(
            state,
            msgspec.structs.replace(
                series.event, at=now, count=series.waiting, first=series.since, last=series.last
            ),
        )
        quiet = now - series.recorded > 4 * _LONGEST_PAUSE
        series.pause = _FIRST_PAUSE if quiet else min(_LONGEST_PAUSE, series.pause * 2)
        series.waiting, series.recorded = 0, now

    @staticmethod
    def _event(event: str, ask: Ask, decision: Decision, now: int) -> Event:
        return Event(
            at=now,
            event=event,
            key=ask.key,
            label=ask.label,
            operation=ask.operation.value,
            rule=decision.rule,
            code=decision.code,
            caller=ask.caller.name,
            purpose=ask.purpose,
            first=now,
            last=now,
        )


def _series(ask: Ask, decision: Decision) -> str:
    return f"{ask.key[:16]}|{decision.rule}|{decision.code}|{ask.caller.name}"


def _report(name: str, series: Series, state: State) -> Report:
    event = series.event
    return Report(
        series=name,
        rule=event.rule,
        caller=event.caller,
        code=event.code,
        key=event.key,
        label=event.label,
        operation=event.operation,
        count=series.unreported,
        first=event.at if not series.reported else series.since,
        last=series.last,
        locked=any(n == event.key or n.startswith(f"{event.key}|") for n in state.locks),
        head=state.head,
    )


def _refusal(decision: Decision, ask: Ask) -> Refused:
    label, operation = ask.label, ask.operation.value
    policy = "the policy says who may: `kizuna key gate show`"
    said = {
        "gate.locked": _said(
            "gate.locked",
            f"the key {label} is locked",
            "an operator unlocks it: `kizuna key gate unlock`",
        ),
        "gate.no-rule": _said(
            "gate.no-rule", f"no rule allows to {operation} with {label}", policy
        ),
        "gate.caller": _said(
            "gate.caller", f"this caller may not {operation} with {label}", policy
        ),
        "gate.purpose": _said("gate.purpose", f"{label} is not for this purpose", policy),
        "gate.hours": _said("gate.hours", f"{label} may not be used at this hour", policy),
        "gate.rate": _said("gate.rate", f"{label} was used too often", "wait, then try again"),
        "gate.consent": _said(
            "gate.consent",
            f"{label} needs somebody else's consent",
            "ask for a consent and hand it in: `kizuna key gate admit FILE`",
        ),
    }[decision.code]
    return said(decision, ask)


def _said(code: str, what: str, hint: str) -> Callable[[Decision, Ask], Refused]:
    def refused(decision: Decision, ask: Ask) -> Refused:
        return Refused(
            code,
            what,
            why=decision.why,
            hint=hint,
            label=ask.label,
            operation=ask.operation.value,
            rule=decision.rule,
            caller=ask.caller.name,
            purpose=ask.purpose,
            wait=decision.after,
        )

    return refused
