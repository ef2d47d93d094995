# SPDX-License-Identifier: Apache-2.0
"""OSCAL in XML, turned into the shape that OSCAL has in JSON, so that one reader serves both.

Keeps: 1. Only what a catalog or a profile is made of is turned round; the rest is left out, never
guessed. 2. The order of controls is the file's.
Standard: OSCAL 1.1.3 catalog and profile models, XML and JSON forms.
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree.ElementTree import Element

from kizuna.criteria.catalogs.catalog import malformed
from kizuna.roots.strict_xml import read_xml

__all__ = ["json_shape"]

_NS: Final = "{http://csrc.nist.gov/ns/oscal/1.0}"
_LIMIT: Final = 64 << 20

_ATTRIBUTES: Final = frozenset(
    {"uuid", "id", "class", "name", "ns", "value", "href", "rel", "media-type", "param-id",
     "control-id", "how-many", "with-child-controls", "position", "by-id", "order", "method"}
)  # fmt: skip
_TEXT: Final = frozenset(
    {"title", "version", "oscal-version", "published", "last-modified", "label", "usage", "choice",
     "value", "with-id", "description", "as-is", "flat"}
)  # fmt: skip
_ONE: Final = frozenset(
    {"metadata", "title", "version", "oscal-version", "published", "last-modified", "label",
     "usage", "select", "merge", "modify", "custom", "combine", "back-matter", "description",
     "as-is", "flat", "include-all"}
)  # fmt: skip
_PLURAL: Final = {
    "group": "groups",
    "control": "controls",
    "param": "params",
    "prop": "props",
    "link": "links",
    "part": "parts",
    "guideline": "guidelines",
    "constraint": "constraints",
    "value": "values",
    "choice": "choice",
    "import": "imports",
    "include-controls": "include-controls",
    "exclude-controls": "exclude-controls",
    "insert-controls": "insert-controls",
    "with-id": "with-ids",
    "matching": "matching",
    "set-parameter": "set-parameters",
    "alter": "alters",
    "remove": "removes",
    "add": "adds",
    "resource": "resources",
    "rlink": "rlinks",
}
_LEFT_OUT: Final = frozenset(
    {"role", "party", "responsible-party", "remarks", "revisions", "document-id", "location",
     "action", "citation", "base64", "test"}
)  # fmt: skip


def json_shape(data: bytes) -> dict[str, Any]:
    """``{"catalog": {...}}`` or ``{"profile": {...}}`` of an XML document.

    Raises:
        Malformed: ``catalog.malformed``.
    """
    root = read_xml(data, "catalog.malformed", _LIMIT)
    kind = root.tag.removeprefix(_NS)
    if kind not in ("catalog", "profile") or root.tag == kind:
        raise malformed("neither an OSCAL catalog nor an OSCAL profile")
    return {kind: _map(root)}


def _map(element: Element) -> dict[str, Any]:
    out: dict[str, Any] = {k: v for k, v in element.attrib.items() if k in _ATTRIBUTES}
    prose: list[str] = []
    for child in element:
        name = child.tag.removeprefix(_NS)
        if name in _LEFT_OUT:
            continue
        if name in ("p", "ul", "ol", "table", "pre", "h1", "h2", "h3", "h4", "blockquote"):
            prose.append(_words(child))
        elif name == "include-all":
            out[name] = {}
        elif name in _ONE:
            out[name] = _words(child) if name in _TEXT else _map(child)
        elif name in _PLURAL:
            value: Any = _words(child) if name in _TEXT else _map(child)
            out.setdefault(_PLURAL[name], []).append(value)
    if prose:
        out["prose"] = "\n".join(prose)
    if "as-is" in out:
        out["as-is"] = out["as-is"] in ("true", "1")
    return out


def _words(element: Element) -> str:
    """The words of mixed content; a blank to be filled in stays as OSCAL writes it in JSON."""
    out = [element.text or ""]
    for child in element:
        if child.tag == f"{_NS}insert":
            out.append(f"{{{{ insert: {child.get('type')}, {child.get('id-ref')} }}}}")
        else:
            out.append(_words(child))
        out.append(child.tail or "")
    return " ".join("".join(out).split())
