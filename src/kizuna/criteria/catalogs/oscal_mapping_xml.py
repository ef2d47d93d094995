# SPDX-License-Identifier: Apache-2.0
"""OSCAL mapping collections in XML, turned into the shape that they have in JSON.

Keeps: 1. Only what a mapping is made of is turned round; the rest is left out, never guessed.
2. Order is the file's. A word may stand as an attribute or as an element: the model's drafts and
its release differ there.
Standard: OSCAL 1.2 control mapping model, XML and JSON forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

from kizuna.criteria.catalogs.mapping import malformed
from kizuna.roots.strict_xml import read_xml

__all__ = ["mapping_shape"]

_NS: Final = "{http://csrc.nist.gov/ns/oscal/1.0}"
_ROOT: Final = f"{_NS}mapping-collection"
_LIMIT: Final = 32 << 20


def mapping_shape(data: bytes) -> dict[str, Any]:
    """``{"mapping-collection": {…}}`` of an XML document.

    Raises:
        Malformed: ``mapping.malformed``.
    """
    root = read_xml(data, "mapping.malformed", _LIMIT)
    if root.tag != _ROOT:
        raise malformed("no OSCAL mapping collection")
    metadata, provenance = root.find(f"{_NS}metadata"), root.find(f"{_NS}provenance")
    back = root.find(f"{_NS}back-matter")
    return {
        "mapping-collection": {
            "metadata": {} if metadata is None else _metadata(metadata),
            "provenance": _words(provenance, ("mapping-description",)),
            "mappings": [_mapping(one) for one in _each(root, "mapping")],
            "back-matter": {"resources": [] if back is None else list(_resources(back))},
        }
    }


def _metadata(node: Element) -> dict[str, Any]:
    return _words(node, ("title", "version")) | {
        "props": [dict(p.attrib) for p in _each(node, "prop")]
    }


def _mapping(node: Element) -> dict[str, Any]:
    return {
        "source-resource": _attributes(node.find(f"{_NS}source-resource")),
        "target-resource": _attributes(node.find(f"{_NS}target-resource")),
        "maps": [_map(one) for one in _each(node, "map")],
    }


def _map(node: Element) -> dict[str, Any]:
    score = node.find(f"{_NS}confidence-score")
    made = _words(node, ("relationship", "remarks")) | {
        "sources": [_attributes(one) for one in _each(node, "source")],
        "targets": [_attributes(one) for one in _each(node, "target")],
    }
    if score is not None:
        told: dict[str, Any] = _words(score, ("category", "percentage"))
        if "percentage" in told:
            told["percentage"] = _share(told["percentage"])
        made["confidence-score"] = told
    return made


def _resources(back: Element) -> Iterator[dict[str, Any]]:
    for one in _each(back, "resource"):
        yield {
            "uuid": one.get("uuid", ""),
            **_words(one, ("title", "description")),
            "rlinks": [dict(link.attrib) for link in _each(one, "rlink")],
        }


def _words(node: Element | None, names: tuple[str, ...]) -> dict[str, Any]:
    """Words that stand as attributes or as elements of these names; what is not there is left out.

    A relationship that is written as an element with a type is what its type says.
    """
    found: dict[str, Any] = {}
    for name in names if node is not None else ():
        assert node is not None  # noqa: S101 - see above
        child = node.find(f"{_NS}{name}")
        if child is not None:
            found[name] = child.get("type") or " ".join("".join(child.itertext()).split())
        elif node.get(name) is not None:
            found[name] = node.get(name)
    return found


def _share(text: str) -> float:
    try:
        share = float(text.strip().removesuffix("%"))
    except ValueError as fault:
        raise malformed(f"a percentage is a number, not {text[:20]!r}") from fault
    if not 0 <= share <= 100:
        raise malformed(f"a percentage is 0 to 100, not {text[:20]!r}")
    return share / 100 if share > 1 or "%" in text else share


def _attributes(node: Element | None) -> dict[str, str]:
    return {} if node is None else dict(node.attrib)


def _each(node: Element, name: str) -> list[Element]:
    return node.findall(f"{_NS}{name}")
