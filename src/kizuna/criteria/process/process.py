# SPDX-License-Identifier: Apache-2.0
"""A value creation process: activities that take in and give out CPSF's elements, across borders.

There is no public definition of a VCP model; this one is ours. Organisations carry out activities,
each in one of CPSF's three layers; an activity consumes and produces elements (the six, and
services). Where something made or owned by one organisation is taken in by another lies an
*interaction point* (the word of ISO 22373): there the taker expects and the giver shows.

Keeps: 1. Interaction points follow from the activities; a document may name one, never invent one.
2. ``document`` is canonical and loses nothing, so equal processes have equal digests. 3. Order is
the document's order everywhere, so that the same document gives the same points and picture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from kizuna.model.errors import Absent
from kizuna.model.identifier import Element, SubjectId

__all__ = ["LAYERS", "Activity", "Party", "Point", "Process", "Thing"]

LAYERS = (1, 2, 3)
"""CPSF: 1 between organisations, 2 between physical and cyber space, 3 in cyberspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """An organisation; ``domain`` names the trust domain it belongs to, its own where empty."""

    id: str
    title: Mapping[str, str] = field(hash=False)
    identifier: SubjectId | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An element; ``owner`` is the organisation that has it where no activity makes it.

    ``whole`` marks what is judged as a whole, of which a profile asks more than of parts.
    """

    id: str
    element: Element
    title: Mapping[str, str] = field(hash=False)
    identifier: SubjectId | None = None
    owner: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Something an organisation does."""

    id: str
    title: Mapping[str, str] = field(hash=False)
    party: str
    layer: int
    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An interaction point: a thing goes from one organisation to another.

    ``makers`` and ``users`` are the activities on either side (no maker: it is owned);
    ``layers`` those of CPSF that are touched, 1 always; ``foreign`` is True where the border is
    one between trust domains as well.
    """

    id: str
    thing: str
    giver: str
    taker: str
    makers: tuple[str, ...]
    users: tuple[str, ...]
    layers: tuple[int, ...]
    foreign: bool
    title: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True)
class Process:
    """The whole; see the module. ``named`` holds (id, title) of points by thing, giver, taker."""

    name: str
    version: str
    title: Mapping[str, str]
    parties: tuple[Party, ...]
    things: tuple[Thing, ...]
    activities: tuple[Activity, ...]
    about: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[tuple[str, str, str], tuple[str, Mapping[str, str]]] = field(
        default_factory=dict
    )

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical document, in hexadecimal."""
        return sha256(self.canonical_bytes()).hexdigest()

    def canonical_bytes(self) -> bytes:
        """The document in the one spelling that is hashed (RFC 8785 form)."""
        return json.dumps(
            self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()

    @cached_property
    def party_of(self) -> Mapping[str, Party]:
        """Organisations by id."""
        return {p.id: p for p in self.parties}

    @cached_property
    def thing_of(self) -> Mapping[str, Thing]:
        """Elements by id."""
        return {t.id: t for t in self.things}

    @cached_property
    def makers(self) -> Mapping[str, tuple[Activity, ...]]:
        """Activities that produce a thing, by the thing's id."""
        made: dict[str, list[Activity]] = {}
        for activity in self.activities:
            for thing in activity.produces:
                made.setdefault(thing, []).append(activity)
        return {thing: tuple(found) for thing, found in made.items()}

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """Every interaction point, in the order of the activities that take in."""
        users: dict[tuple[str, str, str], list[Activity]] = {}
        for activity in self.activities:
            for thing in activity.consumes:
                makers = self.makers.get(thing, ())
                owner = self.thing_of[thing].owner
                givers = dict.fromkeys([a.party for a in makers] or ([owner] if owner else []))
                for giver in givers:
                    if giver != activity.party:
                        users.setdefault((thing, giver, activity.party), []).append(activity)
        return tuple(self._point(key, found) for key, found in users.items())

    @cached_property
    def loose(self) -> tuple[str, ...]:
        """Things that are taken in although nobody makes or owns them."""
        taken = {thing for a in self.activities for thing in a.consumes}
        return tuple(
            t.id for t in self.things if t.id in taken and not t.owner and t.id not in self.makers
        )

    def as_whole(self, thing: str) -> bool:
        """True where a thing is judged as a whole: it is marked so, or nothing is."""
        return self.thing_of[thing].whole or not any(t.whole for t in self.things)

    def point(self, name: str) -> Point:
        """An interaction point by its id.

        Raises:
            Absent: ``vcp.point-unknown``.
        """
        for found in self.points:
            if found.id == name:
                return found
        raise Absent(
            "vcp.point-unknown",
            f"{self.name} has no interaction point {name[:80]!r}",
            hint=f"`kizuna vcp show {self.name}` lists them",
            name=self.name,
            point=name[:80],
        )

    def _point(self, key: tuple[str, str, str], users: list[Activity]) -> Point:
        thing, giver, taker = key
        makers = [a for a in self.makers.get(thing, ()) if a.party == giver]
        name, title = self.named.get(key, (f"{thing}.{giver}.{taker}", {}))
        one, other = self.party_of[giver], self.party_of[taker]
        return Point(
            id=name,
            title=title,
            thing=thing,
            giver=giver,
            taker=taker,
            makers=tuple(a.id for a in makers),
            users=tuple(a.id for a in users),
            layers=tuple(sorted({1, *(a.layer for a in (*makers, *users))})),
            foreign=(one.domain or one.id) != (other.domain or other.id),
        )

    def document(self) -> dict[str, Any]:
        """The process as plain members, those at their default left out."""
        made: dict[str, Any] = {
            "process": self.name,
            "version": self.version,
            "title": dict(self.title),
        }
        _put(made, about=dict(self.about))
        made["organizations"] = [
            _put({"id": p.id, "title": dict(p.title)}, identifier=p.identifier, domain=p.domain)
            for p in self.parties
        ]
        made["elements"] = [
            _put(
                {"id": t.id, "element": t.element.value, "title": dict(t.title)},
                identifier=t.identifier,
                organization=t.owner,
                whole=t.whole,
            )
            for t in self.things
        ]
        made["activities"] = [
            _put(
                {
                    "id": a.id,
                    "title": dict(a.title),
                    "organization": a.party,
                    "layer": a.layer,
                },
                consumes=list(a.consumes),
                produces=list(a.produces),
            )
            for a in self.activities
        ]
        named = [
            _put({"id": name, "element": thing, "from": one, "to": other}, title=dict(title))
            for (thing, one, other), (name, title) in self.named.items()
        ]
        return _put(made, points=named)


def _put(made: dict[str, Any], **members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON members
    made.update({name: value for name, value in members.items() if value})
    return made
