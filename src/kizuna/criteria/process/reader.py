# SPDX-License-Identifier: Apache-2.0
"""Process documents: YAML or JSON to a ``Process``, or a problem that names the line.

Keeps: read whole or refused: every organisation and element that is named was introduced, nothing
stands there twice, and a named interaction point exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kizuna.criteria.process.process import LAYERS, Activity, Party, Process, Thing
from kizuna.criteria.written import Reading, Spot
from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element
from kizuna.model.payload import Norm

__all__ = ["NORM_TYPE", "from_norm", "process_of", "read_process", "to_norm"]

NORM_TYPE: Final = "vcp"
"""The type of the norm statement that carries a process."""

_EXAMPLE: Final = "kizuna vcp show NAME --source"
_MOST: Final = 2_000

Named = Mapping[tuple[str, str, str], tuple[str, Mapping[str, str]]]


def read_process(data: bytes, name: str = "process") -> Process:
    """Read a process document in YAML (of which JSON is a part).

    Raises:
        Malformed: ``document.*`` and ``vcp.point-nowhere``, each with the line.
    """
    reading = Reading(name, _EXAMPLE)
    return _process(reading, reading.text(data))


def process_of(document: dict[str, Any], name: str = "process") -> Process:
    """Read the JSON form, as a norm statement carries it.

    Raises:
        Malformed: as ``read_process``, with the path of the member instead of a line.
    """
    reading = Reading(name, _EXAMPLE)
    return _process(reading, reading.document(document))


def to_norm(process: Process) -> Norm:
    """The payload of a norm statement that publishes the process."""
    return Norm(
        type=NORM_TYPE,
        name=process.name,
        version=process.version,
        document=process.document(),
        title=process.title["en"],
    )


def from_norm(norm: Norm) -> Process:
    """The process that a norm statement carries.

    Raises:
        Malformed: ``vcp.norm`` where the norm is no process or names another one; otherwise as
            ``process_of``.
    """
    found = process_of(norm.document, norm.name) if norm.type == NORM_TYPE else None
    if found is None or (found.name, found.version) != (norm.name, norm.version):
        raise Malformed(
            "vcp.norm",
            f"the norm {norm.name} {norm.version} carries no process of that name and version",
            hint="its author registers it again with `kizuna vcp import`",
            name=norm.name,
        )
    return found


def _process(reading: Reading, top: Spot) -> Process:
    m = reading.members(
        top, "process version title organizations elements activities", "about points"
    )
    parties = tuple(_party(reading, at) for at in _many(reading, m["organizations"]))
    reading.distinct((p.id, at) for p, at in zip(parties, m["organizations"].value, strict=True))
    known = {p.id for p in parties}
    things = tuple(_thing(reading, at, known) for at in _many(reading, m["elements"]))
    reading.distinct((t.id, at) for t, at in zip(things, m["elements"].value, strict=True))
    names = {t.id for t in things}
    activities = tuple(
        _activity(reading, at, known, names) for at in _many(reading, m["activities"])
    )
    reading.distinct((a.id, at) for a, at in zip(activities, m["activities"].value, strict=True))
    made = {thing for a in activities for thing in a.produces}
    for thing, at in zip(things, m["elements"].value, strict=True):
        if thing.owner and thing.id in made:
            reading.refuse(at, f"{thing.id} is made by an activity; whose it is follows from that")
    process = Process(
        name=_short(reading, m["process"]),
        version=reading.name(m["version"]),
        title=reading.words(m["title"]),
        about=reading.words(m["about"]) if "about" in m else {},
        parties=parties,
        things=things,
        activities=activities,
    )
    return _with_points(reading, process, reading.items(m, "points"))


def _many(reading: Reading, at: Spot) -> list[Spot]:
    spots = reading.entries(at)
    if len(spots) > _MOST:
        reading.refuse(at, f"{len(spots)} entries, at most {_MOST}")
    return spots


def _short(reading: Reading, at: Spot) -> str:
    """A name that can become part of an identifier and of a file's name."""
    name = reading.name(at)
    if len(name) > 60 or set(name) & set("/:+"):
        reading.refuse(at, f"at most 60 letters, digits, `.`, `_` and `-`: {name[:80]!r}")
    return name


def _party(reading: Reading, at: Spot) -> Party:
    m = reading.members(at, "id title", "identifier domain")
    return Party(
        id=_short(reading, m["id"]),
        title=reading.words(m["title"]),
        identifier=reading.subject(m["identifier"]) if "identifier" in m else None,
        domain=reading.name(m["domain"]) if "domain" in m else "",
    )


def _thing(reading: Reading, at: Spot, parties: set[str]) -> Thing:
    m = reading.members(at, "id element title", "identifier organization whole")
    whole = m["whole"].value if "whole" in m else False
    if not isinstance(whole, bool):
        reading.refuse(m["whole"], "neither true nor false")
    return Thing(
        id=_short(reading, m["id"]),
        element=reading.one_of(m["element"], Element),
        title=reading.words(m["title"]),
        identifier=reading.subject(m["identifier"]) if "identifier" in m else None,
        owner=reading.known(m["organization"], parties) if "organization" in m else "",
        whole=whole,
    )


def _activity(reading: Reading, at: Spot, parties: set[str], things: set[str]) -> Activity:
    m = reading.members(at, "id title organization layer", "consumes produces")
    return Activity(
        id=_short(reading, m["id"]),
        title=reading.words(m["title"]),
        party=reading.known(m["organization"], parties),
        layer=reading.number(m["layer"], LAYERS[0], LAYERS[-1]),
        consumes=reading.each(m, "consumes", lambda v: reading.known(v, things)),
        produces=reading.each(m, "produces", lambda v: reading.known(v, things)),
    )


def _with_points(reading: Reading, process: Process, spots: list[Spot]) -> Process:
    if not spots:
        return process
    there = {(p.thing, p.giver, p.taker) for p in process.points}
    named: dict[tuple[str, str, str], tuple[str, Mapping[str, str]]] = {}
    keys = []
    for at in spots:
        m = reading.members(at, "id element from to", "title")
        key = (
            reading.known(m["element"], process.thing_of),
            reading.known(m["from"], process.party_of),
            reading.known(m["to"], process.party_of),
        )
        if key not in there:
            raise Malformed(
                "vcp.point-nowhere",
                **reading.told(at, f"no activity hands {key[0]} from {key[1]} to {key[2]}"),
            )
        keys.append((" ".join(key), at))
        name = _short(reading, m["id"])
        named[key] = (name, reading.words(m["title"]) if "title" in m else {})
    reading.distinct(keys)
    made = Process(
        name=process.name,
        version=process.version,
        title=process.title,
        about=process.about,
        parties=process.parties,
        things=process.things,
        activities=process.activities,
        named=named,
    )
    seen: set[str] = set()
    for point in made.points:
        if point.id in seen:
            reading.refuse(spots[0], f"two interaction points are called {point.id}")
        seen.add(point.id)
    return made
