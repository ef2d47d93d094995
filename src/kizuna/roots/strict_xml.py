# SPDX-License-Identifier: Apache-2.0
"""XML from strangers, read into a small tree.

Keeps: 1. No document type, no entity of its own, no external anything: what expands or fetches is
refused at its first mark. 2. Size, depth, number of elements and of attributes are bounded. 3.
Names are plain: ``{namespace}local`` as ElementTree writes them.
Standard: XML 1.0, Namespaces in XML 1.0.

Example:
    >>> root = read_xml(b"<a xmlns='urn:x'><b>1</b></a>", "document.xml", 1000)
    >>> root.tag, root[0].text
    ('{urn:x}a', '1')
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from kizuna.model.errors import Malformed

__all__ = ["read_xml"]

_DEPTH: Final = 100
_ELEMENTS: Final = 2_000_000
_ATTRIBUTES: Final = 200


class _Stop(Exception):  # noqa: N818 - it never leaves this file
    """Something that is not read here."""


def read_xml(data: bytes, code: str, limit: int) -> Element:
    """The root of a document.

    Args:
        data: UTF-8 or what its declaration says.
        code: the problem's code.
        limit: most bytes.

    Raises:
        Malformed: ``code``.
    """
    if len(data) > limit:
        raise _malformed(code, f"{len(data)} bytes, at most {limit}")
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    state = {"depth": 0, "elements": 0}

    def start(name: str, attributes: dict[str, str]) -> None:
        state["depth"] += 1
        state["elements"] += 1
        if state["depth"] > _DEPTH or state["elements"] > _ELEMENTS:
            raise _Stop("too deep, or too many elements")
        if len(attributes) > _ATTRIBUTES:
            raise _Stop("too many attributes")
        builder.start(_full(name), {_full(k): v for k, v in attributes.items()})

    def end(name: str) -> None:
        state["depth"] -= 1
        builder.end(_full(name))

    def refuse(*_: Any) -> int:  # noqa: ANN401 - expat hands over whatever it met
        raise _Stop("a document type or entity of its own")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's own signature
        return builder.close()
    except _Stop as fault:
        raise _malformed(code, str(fault)) from fault
    except (expat.ExpatError, ValueError, LookupError, AssertionError) as fault:
        raise _malformed(code, str(fault)[:120]) from fault


def _full(name: str) -> str:
    return "{" + name if "}" in name else name


def _malformed(code: str, why: str) -> Malformed:
    return Malformed(
        code,
        f"the XML document cannot be read: {why}",
        why=why,
        hint="get the file again from its publisher",
        fault=why,
    )
