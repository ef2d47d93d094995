# SPDX-License-Identifier: Apache-2.0
"""A simulated fleet: devices, gateways, a schedule of what befalls them, and the truth of it.

Keeps: 1. The same seed gives the same fleet and the same events. 2. Honest trouble is part of it:
devices reboot, miss a minute, send twice, and what they send is turned round on its way; none of
that may raise an alarm. 3. The world only makes
messages; how they travel is its user's business.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kizuna.model.identifier import SubjectId, canonical
from kizuna.proof.attestation.appraiser import Appraiser
from kizuna.proof.attestation.fleet import GATEWAY
from kizuna.proof.attestation.fleet.gateway import Gateway
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled, Scheme
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit, Handle
from kizuna.worlds.fleet.events import EVENTS, RESIDUAL, Happening
from kizuna.worlds.fleet.things import Thing, good_value, references, thing

__all__ = ["Post", "World"]

_UNDER_ONE: Final = 250
"""Devices under one gateway."""
_DIRECT: Final = ("psa", "hmac", "tpm", "dice")
_SPEAKS_ON: Final = frozenset({"psa", "hmac", "tpm"})
"""Devices whose evidence says in which order, or in which session, it was made."""
_CHILDREN: Final = ("psa", "hmac", "observed", "dice")


@dataclass(slots=True)
class Post:
    """A simulated gateway: the product's own code, with a key and devices under it."""

    subject: SubjectId
    unit: EphemeralUnit
    handle: Handle
    gateway: Gateway


class World:
    """The fleet.

    Args:
        devices: how many.
        seed: of everything drawn.
        minutes: for how long it will run.
        now: when it begins.
        schemes: what the gateways can read.
        calm: without events.
    """

    def __init__(
        self,
        devices: int,
        seed: int,
        minutes: int,
        now: int,
        schemes: Sequence[Scheme],
        *,
        calm: bool = False,
    ) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - a simulation is to be repeated
        self._unit = EphemeralUnit(b"kizuna fleet %d" % seed)
        self._now = now
        self.references: list[Reference] = references()
        known = References()
        for value in self.references:
            known.add(value)
            known.close(value.model)
        self._schemes = schemes
        self._appraiser = Appraiser(known, schemes, threads=1)
        self.posts: dict[str, Post] = {}
        self.things: dict[str, Thing] = {}
        self._ghosts: dict[str, list[Thing]] = {}
        self._sent: dict[str, str] = {}
        self._liars: set[str] = set()
        self._flooding: set[str] = set()
        self._replaying: set[str] = set()
        self._make(devices)
        self.happenings: list[Happening] = [] if calm else list(self._schedule(minutes))
        self._marked = {one.subject for one in self.happenings}
        self._due: dict[int, list[Happening]] = {}
        for one in self.happenings:
            self._due.setdefault(one.minute, []).append(one)

    # --- making -------------------------------------------------------------------------------

    def _make(self, devices: int) -> None:
        under = max(1, devices * 55 // 100) if devices > 1 else 0
        for number in range((under + _UNDER_ONE - 1) // _UNDER_ONE):
            subject = canonical(f"urn:dev:ops:000000-sim-gateway-{number:04d}")
            handle = self._unit.generate(Algorithm.ES256, f"gateway {number}")
            gateway = Gateway(subject, self._unit, handle, self._appraiser, now=self._now)
            self.posts[subject] = Post(subject, self._unit, handle, gateway)
        posts = list(self.posts.values())
        for number in range(devices):
            post = posts[number % len(posts)] if number < under else None
            kinds = _DIRECT if post is None else _CHILDREN
            made = thing(
                number,
                kinds[number // max(1, len(posts)) % len(kinds)],
                self._unit,
                self._draw,
                now=self._now,
                gateway=None if post is None else post.subject,
                watcher=None if post is None else post.handle,
            )
            self.things[made.subject] = made
        for post in posts:
            own = [t.enrolled() for t in self.things.values() if t.gateway == post.subject]
            post.gateway.enrol(own, self._now)

    def enrolled(self) -> Iterator[Enrolled]:
        """Everybody whom the verifier has to know, gateways first."""
        for post in self.posts.values():
            yield Enrolled(scheme=GATEWAY, subject=post.subject, key=post.unit.public(post.handle))
        for one in self.things.values():
            yield one.enrolled()

    # --- what will happen ---------------------------------------------------------------------

    def _schedule(self, minutes: int) -> Iterator[Happening]:
        """Events for a few of each kind of device; each device is met by one at most."""
        wanted = max(1, len(self.things) // 600)
        taken: set[str] = set()
        if len(self.posts) > 2 and (last := minutes - EVENTS["lying"].minutes) > 0:
            liar = self._draw.choice(list(self.posts))
            self._liars.add(liar)
            taken |= {t.subject for t in self.things.values() if t.gateway == liar}
            yield Happening(kind="lying", subject=liar, minute=self._draw.randint(1, last))
        most = len(taken) + len(self.things) // 4
        for name, kind in EVENTS.items():
            last = minutes - kind.minutes
            elsewhere = len(self.posts) - len(self._liars) > 1
            if last < 1 or (name == "moving" and not elsewhere):
                continue
            for kind_of in sorted(kind.kinds):
                fitting = [
                    t.subject
                    for t in self.things.values()
                    if t.kind == kind_of
                    and t.subject not in taken
                    and kind.gateways in (None, t.gateway is not None)
                ]
                for subject in self._draw.sample(fitting, min(wanted, len(fitting))):
                    if len(taken) >= most:
                        return  # most of a fleet is well
                    taken.add(subject)
                    yield Happening(kind=name, subject=subject, minute=self._draw.randint(1, last))

    # --- running ------------------------------------------------------------------------------

    def minute(
        self, minute: int, epoch: int, nonce: bytes, now: int
    ) -> Iterator[tuple[str, bytes]]:
        """One minute: what the direct devices send; what stands under gateways is heard there.

        Yields:
            Subject and evidence of each message of a device that speaks for itself.
        """
        for happening in self._due.get(minute, ()):
            self._befall(happening, now)
        for post in self.posts.values():
            post.gateway.begin(epoch, nonce)
        heard: dict[str, list[tuple[str, bytes, str]]] = {p: [] for p in self.posts}
        for one in self.things.values():
            ghosts = self._ghosts.get(one.subject, ())
            calm = one.subject not in self._marked
            if calm and self._honest_trouble(one, minute, now):
                continue
            sent = [] if one.silent else [one.evidence(nonce, now)]
            if calm and self._draw.random() < 0.01:
                sent *= 2  # the network delivered it twice
            if calm and one.kind in _SPEAKS_ON and self._draw.random() < 0.02:
                sent = self._turned_round(one, sent, nonce, now)
            for ghost in ghosts:
                if ghost.gateway == one.gateway:
                    sent.append(ghost.evidence(nonce, now))
                elif ghost.gateway is not None:
                    heard[ghost.gateway].append(
                        (one.subject, ghost.evidence(nonce, now), ghost.port)
                    )
            if one.subject in self._flooding:
                sent += [one.evidence(nonce, now) for _ in range(8)]
            if one.subject in self._replaying and len(one.last) > 3:
                sent.append(one.last[0])
            for evidence in sent:
                if one.gateway is None:
                    yield one.subject, evidence
                else:
                    heard[one.gateway].append((one.subject, evidence, one.port))
        for name, pieces in heard.items():
            self.posts[name].gateway.hear(pieces, now)

    def _turned_round(self, one: Thing, sent: list[bytes], nonce: bytes, now: int) -> list[bytes]:
        """With what it says some seconds later, now and then after a reboot, arriving first."""
        if self._draw.random() < 0.3:
            one.reboot(self._draw, now + 5)
        return [one.evidence(nonce, now + 9), *sent]

    def _honest_trouble(self, one: Thing, minute: int, now: int) -> bool:
        """Reboots and missed minutes; True where the device misses this one."""
        if self._draw.random() < 0.01:
            one.reboot(self._draw, now)
        missed = self._sent.get(one.subject) == "missed"
        self._sent[one.subject] = ""
        if minute and not missed and self._draw.random() < 0.01:
            self._sent[one.subject] = "missed"
            return True
        return False

    def bundles(self, now: int) -> Iterator[tuple[Post, bytes]]:
        """The bundle of every gateway."""
        for post in self.posts.values():
            yield post, post.gateway.bundle(now)

    # --- events -------------------------------------------------------------------------------

    def _befall(self, happening: Happening, now: int) -> None:
        post = self.posts.get(happening.subject)
        if post is not None:
            self._lie(post, now)
            return
        one = self.things[happening.subject]
        match happening.kind:
            case "tampering":
                name = next(iter(one.images))
                one.images[name] += b" and something else"
            case "swapping":
                one.silent = True
                other = thing(
                    900_000, one.kind, self._unit, self._draw, now=now, gateway=one.gateway
                )
                other.port = one.port
                other.identity = one.identity
                self._ghosts[one.subject] = [other]
            case "swapping-observed":
                one.banner = b"pump 9 " + self._draw.randbytes(4)
            case "cloning":
                copy = one.copy(self._draw)
                copy.started = now - 7
                others = self._elsewhere(one)
                if one.gateway is not None and others:
                    copy.gateway = self._draw.choice(others)
                    copy.port = "port-x"
                self._ghosts[one.subject] = [copy]
            case "silence":
                one.silent = True
            case "clock-back":
                one.behind = 100_000
            case "counter-back":
                one.sequence = -1
                one.boot -= one.kind == "tpm"
            case "moving":
                ghost = one.copy(self._draw)
                ghost.seed, ghost.gateway = one.seed, self._draw.choice(self._elsewhere(one))
                one.silent = True
                self._ghosts[one.subject] = [ghost]
            case "replaying":
                self._replaying.add(one.subject)
            case "flooding":
                self._flooding.add(one.subject)
            case _:
                return  # a relay carries the genuine device's evidence: nothing differs

    def _elsewhere(self, one: Thing) -> list[str]:
        """Honest gateways other than the device's own."""
        return [p for p in self.posts if p != one.gateway and p not in self._liars]

    def _lie(self, post: Post, now: int) -> None:
        """All its devices run other software, which the gateway takes for good."""
        lenient = References()
        for value in self.references:
            lenient.add(value)
        own = [t for t in self.things.values() if t.gateway == post.subject]
        for one in own:
            for name in list(one.images)[:1]:
                one.images[name] += b" and something else"
                lenient.add(good_value(one, name))
        appraiser = Appraiser(lenient, self._schemes, threads=1)
        post.gateway = Gateway(post.subject, post.unit, post.handle, appraiser, now=now)
        post.gateway.enrol([one.enrolled() for one in own], now)

    # --- truth --------------------------------------------------------------------------------

    def missed(self, alarms: dict[str, set[str]]) -> list[Happening]:
        """Events that should have been noticed and were not."""
        return [
            one
            for one in self.happenings
            if one.kind not in RESIDUAL
            and not alarms.get(one.subject, set()) & _words(EVENTS[one.kind].told_by)
        ]

    def false(self, alarms: dict[str, set[str]]) -> list[tuple[str, str]]:
        """Alarms that nothing explains."""
        allowed: dict[str, set[str]] = {}
        for one in self.happenings:
            kind = EVENTS[one.kind]
            allowed.setdefault(one.subject, set()).update(_words(kind.told_by | kind.beside))
        return [
            (subject, alarm)
            for subject, told in sorted(alarms.items())
            for alarm in sorted(told - allowed.get(subject, set()))
        ]


def _words(alarms: Collection[str]) -> set[str]:
    return {str(alarm) for alarm in alarms}
