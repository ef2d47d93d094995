# SPDX-License-Identifier: Apache-2.0
"""The manifest itself: components, dependencies, texts and command sequences, read whole.

Keeps: 1. Bounded in size, depth, components and commands. 2. What this reader does not understand
is refused; nothing is skipped. 3. The texts are for people: nothing is decided by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from kizuna.model.errors import Tampered
from kizuna.roots.boot.suit.commands import (
    MAX_COMMANDS,
    SETTING,
    Argument,
    Command,
    CommandSequence,
    Parameter,
    SuitDigest,
    decoded,
    indices,
    map_of,
    read_digest,
    read_sequence,
    suit_malformed,
)
from kizuna.roots.cose.cbor import bytes_of

__all__ = [
    "Argument",
    "Command",
    "CommandSequence",
    "Component",
    "Manifest",
    "Parameter",
    "Procedure",
    "SuitDigest",
    "Text",
    "read_digest",
    "read_manifest",
    "reference_of",
    "suit_malformed",
]

MAX_MANIFEST: Final = 64 << 10
MAX_COMPONENTS: Final = 16
MAX_TEXTS: Final = 64
MAX_TEXT: Final = 8192

Component = tuple[bytes, ...]
"""The name of a component."""


class Procedure(IntEnum):
    """The command sequences of a manifest, by their key in it."""

    VALIDATE = 7
    LOAD = 8
    INVOKE = 9
    DEPENDENCY_RESOLUTION = 15
    PAYLOAD_FETCH = 16
    CANDIDATE_VERIFICATION = 18
    INSTALL = 20


SEVERABLE: Final = frozenset(
    {
        Procedure.DEPENDENCY_RESOLUTION,
        Procedure.PAYLOAD_FETCH,
        Procedure.CANDIDATE_VERIFICATION,
        Procedure.INSTALL,
    }
)
TEXT: Final = 23
_REFUSED: Final = {24: "uninstall"}
"""Members that are known, and that nobody here carries out."""
_ABOUT: Final = {1: "manifest-description", 2: "update-description"}
_SOURCES: Final = {3, 4}
"""The manifest's own source as JSON or YAML: long, and of use to nobody but its author."""
_OF_COMPONENT: Final = {
    1: "vendor-name",
    2: "model-name",
    3: "vendor-domain",
    4: "model-info",
    5: "component-description",
    6: "component-version",
    7: "component-version-required",
}


@dataclass(frozen=True, slots=True)
class Text:
    """What a manifest says to people: in which language, about what, of which component."""

    language: str
    about: str
    text: str
    component: Component | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that was read. ``severed`` holds the digests of parts that travel beside it."""

    sequence: int
    components: tuple[Component, ...]
    """Every component, also those that hold the manifests on which this one depends."""
    shared: CommandSequence
    procedures: Mapping[Procedure, CommandSequence]
    severed: Mapping[int, SuitDigest]
    dependencies: Mapping[int, Component] = field(default_factory=dict)
    """Components that hold a manifest, by index, with what goes before its components' names."""
    name: Component | None = None
    """The component in which this manifest itself is kept."""
    reference: str | None = None
    texts: tuple[Text, ...] = ()
    raw: bytes = b""

    def parameters(self, component: int = 0) -> dict[Parameter, Any]:
        """What the shared sequence sets for a component, conditions left aside: for showing and for
        finding the image that belongs to a manifest. Branches (try-each) are not looked into.
        """
        found: dict[Parameter, Any] = {}
        current: tuple[int, ...] = (0,)
        everything = tuple(range(len(self.components)))
        for command, argument in self.shared:
            if command is Command.SET_COMPONENT_INDEX:
                current = indices(argument, everything)
            elif command in SETTING and component in current and isinstance(argument, Mapping):
                found |= argument
        return found


def read_manifest(data: bytes, severed: Mapping[int, bytes] | None = None) -> Manifest:
    """The manifest of its bytes.

    Args:
        data: the manifest, already covered by a signature that was checked.
        severed: parts that travelled beside it, by key; each must fit its digest.

    Raises:
        Malformed: ``suit.malformed``.
        Tampered: ``suit.digest`` where a severed part is another than the manifest names.
    """
    body = _body(data)
    if body.get(1) != 1 or type(body.get(1)) is not int:
        raise suit_malformed("manifest version other than 1")
    number = body.get(2)
    if type(number) is not int or not 0 <= number < 2**64:
        raise suit_malformed("sequence number")
    reference = body.get(4)
    if reference is not None and (type(reference) is not str or len(reference) > 2048):
        raise suit_malformed("reference URI")
    components, dependencies, shared = _common(body.get(3))
    procedures: dict[Procedure, CommandSequence] = {}
    digests: dict[int, SuitDigest] = {}
    texts: tuple[Text, ...] = ()
    budget = [MAX_COMMANDS]
    beside = dict(severed or {})
    for key, value in body.items():
        if key in (1, 2, 3, 4, 5):
            continue
        if key == TEXT or key in SEVERABLE:
            if type(value) in (list, tuple):
                digest = digests[key] = read_digest(value)
                part = beside.pop(key, None)
                if part is None:
                    continue
                _must_fit(digest, part, key)
                value = part  # noqa: PLW2901 - what travelled beside takes the digest's place
            if key == TEXT:
                texts = _texts(value)
                continue
        elif type(key) is int and key in _REFUSED:
            raise suit_malformed(f"its {_REFUSED[key]} sequence is not carried out here")
        elif type(key) is not int or key not in _PROCEDURES:
            raise suit_malformed(f"member {str(key)[:20]} of the manifest is not understood")
        procedures[Procedure(key)] = read_sequence(value, len(components), budget)
    if beside:
        raise suit_malformed("a severed part whose digest the manifest does not hold")
    return Manifest(
        sequence=number,
        components=components,
        shared=shared,
        procedures=procedures,
        severed=digests,
        dependencies=dependencies,
        name=_component(body[5]) if 5 in body else None,
        reference=reference,
        texts=texts,
        raw=data,
    )


def reference_of(data: bytes) -> str | None:
    """The reference URI alone, to choose whose keys to ask for; nothing else is read.

    Raises:
        Malformed: ``suit.malformed``.
    """
    reference = _body(data).get(4)
    return reference if type(reference) is str and len(reference) <= 2048 else None


_PROCEDURES: Final = frozenset(int(procedure) for procedure in Procedure)


def _body(data: bytes) -> dict[Any, Any]:
    if len(data) > MAX_MANIFEST:
        raise suit_malformed(f"{len(data)} bytes, at most {MAX_MANIFEST}")
    return map_of(decoded(data), "manifest")


def _must_fit(digest: SuitDigest, part: bytes, key: int) -> None:
    # the digest covers the part as it stands in the envelope: with its byte string's head
    if not digest.fits(bytes_of(part)):
        raise Tampered(
            "suit.digest",
            "a part of the manifest is another than the one that was signed",
            why=f"the digest of member {key} differs",
            hint="fetch the manifest again from its maker",
            member=key,
        )


def _common(
    value: object,
) -> tuple[tuple[Component, ...], dict[int, Component], CommandSequence]:
    if type(value) is not bytes:
        raise suit_malformed("common part is missing")
    common = map_of(decoded(value), "common part")
    if not common.keys() <= {1, 2, 4}:
        raise suit_malformed("common part holds what is not understood")
    named = common.get(2, [])
    if not isinstance(named, list | tuple) or len(named) > MAX_COMPONENTS:
        raise suit_malformed(f"1 to {MAX_COMPONENTS} components")
    components = [_component(name) for name in named]
    dependencies = _dependencies(common[1], components) if 1 in common else {}
    if not components:
        raise suit_malformed(f"1 to {MAX_COMPONENTS} components")
    if len(set(components)) != len(components):
        raise suit_malformed("a component twice")
    shared: CommandSequence = ()
    if 4 in common:
        shared = read_sequence(common[4], len(components), [MAX_COMMANDS], shared=True)
    return tuple(components), dependencies, shared


def _dependencies(value: object, components: list[Component]) -> dict[int, Component]:
    """Dependencies by component; one whose component is not listed is appended to the list."""
    found: dict[int, Component] = {}
    stated = map_of(value, "dependencies")
    if not 0 < len(stated) <= MAX_COMPONENTS:
        raise suit_malformed(f"1 to {MAX_COMPONENTS} dependencies")
    if any(type(index) is not int for index in stated):
        raise suit_malformed("index of a dependency")
    for index, about in sorted(stated.items()):
        inside = map_of(about, "dependency")
        if not inside.keys() <= {1}:
            raise suit_malformed("a dependency holds what is not understood")
        prefix = _component(inside[1]) if 1 in inside else ()
        if index == len(components) < MAX_COMPONENTS and prefix:
            components.append(prefix)
        elif not 0 <= index < len(components):
            raise suit_malformed("index of a dependency")
        found[index] = prefix
    return found


def _component(name: object) -> Component:
    if not isinstance(name, list | tuple) or not 0 < len(name) <= 8:
        raise suit_malformed("name of a component")
    if any(type(part) is not bytes or len(part) > 64 for part in name):
        raise suit_malformed("name of a component")
    return tuple(name)


def _texts(value: object) -> tuple[Text, ...]:
    """What stands in the text part: languages, in each the manifest's texts and the components'."""
    if type(value) is not bytes or len(value) > MAX_MANIFEST:
        raise suit_malformed("text of a wrong shape")
    found: list[Text] = []
    for language, about in map_of(decoded(value), "text").items():
        if type(language) is not str or not 0 < len(language) <= 35 or type(about) is not dict:
            raise suit_malformed("text of a wrong shape")
        for key, one in about.items():
            if isinstance(key, tuple | bytes):
                component = _component(decoded(key) if isinstance(key, bytes) else key)
                for part, said in map_of(one, "text of a component").items():
                    if part not in _OF_COMPONENT:
                        raise suit_malformed(f"text {str(part)[:20]} is not understood")
                    found.append(Text(language, _OF_COMPONENT[part], _said(said), component))
            elif key in _SOURCES:
                _said(one)
            elif key in _ABOUT:
                found.append(Text(language, _ABOUT[key], _said(one)))
            else:
                raise suit_malformed(f"text {str(key)[:20]} is not understood")
            if len(found) > MAX_TEXTS:
                raise suit_malformed(f"more than {MAX_TEXTS} texts")
    return tuple(found)


def _said(value: object) -> str:
    if type(value) is not str or len(value) > MAX_TEXT:
        raise suit_malformed("text of a wrong shape")
    return value
