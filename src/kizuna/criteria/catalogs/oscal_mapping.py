# SPDX-License-Identifier: Apache-2.0
"""Mappings as OSCAL writes them (mapping collections).

Keeps: 1. What goes out comes back equal. 2. What comes in from others is proposed, whatever it
says of itself: accepting is the reader's own act. 3. A catalog is named by its short name; a
reference that is none of the names at hand is refused, never guessed.
Standard: OSCAL 1.2.1 control mapping model, JSON form.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from kizuna.criteria.catalogs.catalog import Catalog
from kizuna.criteria.catalogs.mapping import (
    Confidence,
    Kinship,
    Mapping,
    Tie,
    ends_of,
    malformed,
)
from kizuna.criteria.catalogs.oscal import oscal_shape
from kizuna.criteria.catalogs.oscal_mapping_xml import mapping_shape

__all__ = ["OSCAL_VERSION", "made_uuid", "read_oscal_mappings", "write_oscal_mapping"]

OSCAL_VERSION: Final = "1.2.1"
_NS: Final = "https://kizuna.example/ns/oscal"
_WORD: Final = {
    Kinship.EQUAL: "equal-to",
    Kinship.EQUIVALENT: "equivalent-to",
    Kinship.SUBSET: "subset-of",
    Kinship.SUPERSET: "superset-of",
    Kinship.INTERSECTS: "intersects-with",
    Kinship.NONE: "no-relationship",
}
_KINSHIP: Final = {word: kind for kind, word in _WORD.items()} | {k.value: k for k in Kinship}
_HIGH: Final = 80
_MEDIUM: Final = 50
_OTHER: Final = re.compile(r"[^A-Za-z0-9._:/+-]+")


def made_uuid(*words: str) -> str:
    """A UUID (version 5 by shape) that the same words always give."""
    return str(UUID(bytes=sha256("\0".join(words).encode()).digest()[:16], version=5))


def write_oscal_mapping(
    mapping: Mapping, origin: Catalog, goal: Catalog, *, now: int
) -> dict[str, Any]:
    """The mapping as an OSCAL mapping collection; families become their controls."""
    moment = datetime.fromtimestamp(now, UTC).isoformat()
    whole = mapping.accepted == len(mapping.ties)
    title = mapping.title.get("en") or mapping.name
    maps = []
    for number, tie in enumerate(mapping.ties, 1):
        made: dict[str, Any] = {
            "uuid": made_uuid(mapping.name, mapping.version, str(number)),
            "relationship": _WORD[tie.relation],
            "sources": _items(origin, tie.sources),
            "targets": _items(goal, tie.targets),
            "confidence-score": {"category": tie.confidence.value},
            "props": [_prop("status", "accepted" if tie.accepted else "proposed")],
        }
        if tie.note:
            made["remarks"] = tie.note
        maps.append(made)
    one: dict[str, Any] = {
        "uuid": made_uuid(mapping.name, mapping.version, "mapping"),
        "source-resource": {"type": "catalog", "href": mapping.origin},
        "target-resource": {"type": "catalog", "href": mapping.goal},
        "maps": maps,
    }
    for member, catalog, left in (
        ("source-gap-summary", origin, True),
        ("target-gap-summary", goal, False),
    ):
        missing = list(mapping.unmapped(catalog, left=left))
        if missing:
            one[member] = {
                "uuid": made_uuid(mapping.name, mapping.version, member),
                "unmapped-controls": [{"with-ids": missing}],
            }
    return {
        "mapping-collection": {
            "uuid": made_uuid(mapping.name, mapping.version),
            "metadata": {
                "title": title,
                "last-modified": moment,
                "version": mapping.version,
                "oscal-version": OSCAL_VERSION,
                "props": [_prop("mapping", mapping.name)],
            },
            "provenance": {
                "method": "human",
                "matching-rationale": "semantic",
                "status": "complete" if whole else "draft",
                "mapping-description": mapping.source,
            },
            "mappings": [one],
        }
    }


def read_oscal_mappings(data: bytes, known: Collection[str]) -> Iterator[Mapping]:
    """The mappings of a collection, every tie proposed.

    Args:
        data: the file, JSON or XML.
        known: names of the catalogs at hand.

    Raises:
        Malformed: ``mapping.malformed``.
    """
    xml = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
    shape = (mapping_shape(data) if xml else oscal_shape(data)).get("mapping-collection")
    if not isinstance(shape, dict):
        raise malformed("no OSCAL mapping collection")
    metadata, provenance = _map(shape, "metadata"), _map(shape, "provenance")
    title = str(metadata.get("title") or "mapping")[:4000]
    version = _OTHER.sub("-", str(metadata.get("version") or "1"))[:100]
    named = next(
        (
            str(p.get("value"))
            for p in _maps(metadata, "props")
            if p.get("name") == "mapping" and p.get("ns") == _NS
        ),
        "",
    )
    found = shape.get("mappings")
    for node in found if isinstance(found, list) else [found]:
        if not isinstance(node, dict):
            raise malformed("mappings is a list of maps")
        origin = _catalog(_map(node, "source-resource"), shape, known)
        goal = _catalog(_map(node, "target-resource"), shape, known)
        yield Mapping(
            name=_OTHER.sub("-", named) or f"{origin}-to-{goal}",
            version=version or "1",
            title={"en": title},
            source=str(provenance.get("mapping-description") or title)[:4000],
            origin=origin,
            goal=goal,
            ties=tuple(_tie(t) for t in _maps(node, "maps")),
        ).checked()


def _tie(node: dict[str, Any]) -> Tie:
    relation = node.get("relationship")
    if isinstance(relation, dict):  # as early drafts of the model wrote it
        relation = relation.get("type")
    if relation not in _KINSHIP:
        raise malformed(f"unknown relationship {str(relation)[:40]!r}")
    return Tie(
        sources=_ids(node, "sources"),
        targets=_ids(node, "targets"),
        relation=_KINSHIP[relation],
        confidence=_confidence(_map(node, "confidence-score")),
        note=str(node.get("remarks") or "")[:4000],
    )


def _ids(node: dict[str, Any], side: str) -> tuple[str, ...]:
    return tuple(str(item.get("id-ref") or "") for item in _maps(node, side))


def _confidence(score: dict[str, Any]) -> Confidence:
    category = str(score.get("category") or "").casefold()
    if category in list(Confidence):
        return Confidence(category)
    share = score.get("percentage")
    if isinstance(share, int | float):
        points = round(share * 100)
        if points >= _MEDIUM:
            return Confidence.HIGH if points >= _HIGH else Confidence.MEDIUM
    return Confidence.LOW


def _catalog(resource: dict[str, Any], shape: dict[str, Any], known: Collection[str]) -> str:
    href = str(resource.get("href") or "")
    names = [href]
    for one in _maps(_map(shape, "back-matter"), "resources"):
        if href == f"#{one.get('uuid')}":
            names += [str(one.get("title") or ""), str(one.get("description") or "")]
            names += [str(link.get("href") or "") for link in _maps(one, "rlinks")]
    stems = {n.rsplit("/", 1)[-1].removesuffix(".json").removesuffix(".xml") for n in names}
    for name in known:
        if name in stems:
            return name
    raise malformed(
        f"it refers to {href[:80]!r}, which is no catalog at hand; import it under that name"
    )


def _items(catalog: Catalog, ends: tuple[str, ...]) -> list[dict[str, str]]:
    ids, _ = ends_of(catalog, ends)
    return [{"type": "control", "id-ref": i} for i in ids]


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": _NS, "value": value}


def _map(node: dict[str, Any], name: str) -> dict[str, Any]:
    value = node.get(name, {})
    if not isinstance(value, dict):
        raise malformed(f"{name} is a map")
    return value


def _maps(node: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = node.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise malformed(f"{name} is a list of maps")
    return value
