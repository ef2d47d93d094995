# SPDX-License-Identifier: Apache-2.0
"""The manifest itself: components, parameters and command sequences, read whole before use.

Keeps: 1. Bounded in size, depth, components and commands. 2. Every command is known and has an
argument of the right shape before the first one is carried out. 3. Numbers are those of
draft-ietf-suit-manifest-34 and stand in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import new
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.roots.cose import decode
from kizuna.roots.cose.cbor import bytes_of

__all__ = [
    "Argument",
    "Command",
    "CommandSequence",
    "Manifest",
    "Parameter",
    "Procedure",
    "SuitDigest",
    "read_digest",
    "read_manifest",
    "reference_of",
    "suit_malformed",
]

MAX_MANIFEST: Final = 64 << 10
MAX_COMPONENTS: Final = 16
MAX_COMMANDS: Final = 512
MAX_NESTING: Final = 4
MAX_DEPTH: Final = 10

DIGESTS: Final = {-16: "sha256", -43: "sha384", -44: "sha512"}
"""Hash algorithms by their COSE number; the draft's SHAKE digests are not taken."""


class Procedure(IntEnum):
    """The command sequences of a manifest, by their key in it."""

    VALIDATE = 7
    LOAD = 8
    INVOKE = 9
    PAYLOAD_FETCH = 16
    CANDIDATE_VERIFICATION = 18
    INSTALL = 20


SEVERABLE: Final = frozenset(
    {Procedure.PAYLOAD_FETCH, Procedure.CANDIDATE_VERIFICATION, Procedure.INSTALL}
)
TEXT: Final = 23


class Command(IntEnum):
    """Conditions and directives."""

    VENDOR = 1
    CLASS = 2
    IMAGE_MATCH = 3
    SLOT = 5
    CHECK_CONTENT = 6
    ABORT = 14
    DEVICE = 24
    SET_COMPONENT_INDEX = 12
    TRY_EACH = 15
    WRITE = 18
    SET_PARAMETERS = 19
    OVERRIDE_PARAMETERS = 20
    FETCH = 21
    COPY = 22
    INVOKE = 23
    SWAP = 31
    RUN_SEQUENCE = 32


class Parameter(IntEnum):
    """Parameters of a component."""

    VENDOR = 1
    CLASS = 2
    IMAGE_DIGEST = 3
    SLOT = 5
    STRICT_ORDER = 12
    SOFT_FAILURE = 13
    IMAGE_SIZE = 14
    CONTENT = 18
    URI = 21
    SOURCE = 22
    INVOKE_ARGS = 23
    DEVICE = 24
    FETCH_ARGS = 30


@dataclass(frozen=True, slots=True)
class SuitDigest:
    """A digest with its algorithm."""

    algorithm: int
    value: bytes

    def fits(self, data: bytes) -> bool:
        """Whether it is the digest of ``data``."""
        return new(DIGESTS[self.algorithm], data).digest() == self.value


CommandSequence = tuple[tuple[Command, "Argument"], ...]
Argument = (
    int | bool | tuple[int, ...] | Mapping[Parameter, Any] | tuple[CommandSequence | None, ...]
)
"""Reporting bits, component indices, parameters, or the sequences of a nested command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest that was read. ``severed`` holds the digests of parts that travel beside it."""

    sequence: int
    components: tuple[tuple[bytes, ...], ...]
    shared: CommandSequence
    procedures: Mapping[Procedure, CommandSequence]
    severed: Mapping[int, SuitDigest]
    reference: str | None = None
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
            elif command in _SETTING and component in current and isinstance(argument, Mapping):
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
    if len(data) > MAX_MANIFEST:
        raise suit_malformed(f"{len(data)} bytes, at most {MAX_MANIFEST}")
    body = _map(_decode(data), "manifest")
    if body.get(1) != 1 or type(body.get(1)) is not int:
        raise suit_malformed("manifest version other than 1")
    number = body.get(2)
    if type(number) is not int or not 0 <= number < 2**64:
        raise suit_malformed("sequence number")
    reference = body.get(4)
    if reference is not None and (type(reference) is not str or len(reference) > 2048):
        raise suit_malformed("reference URI")
    components, shared = _common(body.get(3))
    procedures: dict[Procedure, CommandSequence] = {}
    digests: dict[int, SuitDigest] = {}
    budget = [MAX_COMMANDS]
    beside = dict(severed or {})
    for key, value in body.items():
        if key in (1, 2, 3, 4):
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
                continue
        elif type(key) is not int or key not in _PROCEDURES:
            raise suit_malformed(f"member {str(key)[:20]} of the manifest is not understood")
        procedures[Procedure(key)] = _sequence(value, len(components), budget, 0)
    if beside:
        raise suit_malformed("a severed part whose digest the manifest does not hold")
    return Manifest(
        sequence=number,
        components=components,
        shared=shared,
        procedures=procedures,
        severed=digests,
        reference=reference,
        raw=data,
    )


def reference_of(data: bytes) -> str | None:
    """The reference URI alone, to choose whose keys to ask for; nothing else is read.

    Raises:
        Malformed: ``suit.malformed``.
    """
    if len(data) > MAX_MANIFEST:
        raise suit_malformed(f"{len(data)} bytes, at most {MAX_MANIFEST}")
    reference = _map(_decode(data), "manifest").get(4)
    return reference if type(reference) is str and len(reference) <= 2048 else None


def read_digest(value: object) -> SuitDigest:
    """A SUIT_Digest, decoded or as bytes.

    Raises:
        Malformed: ``suit.malformed``.
    """
    if isinstance(value, bytes):
        value = _decode(value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise suit_malformed("digest of a wrong shape")
    algorithm, digest = value
    if type(algorithm) is not int or algorithm not in DIGESTS:
        raise suit_malformed(f"digest algorithm {str(algorithm)[:20]}")
    if type(digest) is not bytes or len(digest) != new(DIGESTS[algorithm]).digest_size:
        raise suit_malformed("digest of a wrong length")
    return SuitDigest(algorithm, digest)


def indices(argument: Argument, everything: tuple[int, ...]) -> tuple[int, ...]:
    """The components that an index argument means."""
    if isinstance(argument, bool):
        return everything if argument else ()
    if isinstance(argument, int):
        return (argument,)
    return tuple(index for index in argument if isinstance(index, int))


def suit_malformed(fault: str) -> Malformed:
    """The problem of bytes that are no manifest we carry out."""
    return Malformed(
        "suit.malformed",
        f"not a firmware manifest: {fault}",
        why=fault,
        hint="send the manifest as its maker signed it (SUIT, draft-ietf-suit-manifest-34)",
        fault=fault,
    )


_SETTING: Final = (Command.SET_PARAMETERS, Command.OVERRIDE_PARAMETERS)
_PROCEDURES: Final = frozenset(int(procedure) for procedure in Procedure)
_IN_SHARED: Final = frozenset(
    {
        Command.VENDOR,
        Command.CLASS,
        Command.DEVICE,
        Command.IMAGE_MATCH,
        Command.SLOT,
        Command.CHECK_CONTENT,
        Command.ABORT,
        Command.SET_COMPONENT_INDEX,
        Command.TRY_EACH,
        Command.SET_PARAMETERS,
        Command.OVERRIDE_PARAMETERS,
        Command.RUN_SEQUENCE,
    }
)
"""What the shared sequence may hold: nothing that changes a component."""


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


def _common(value: object) -> tuple[tuple[tuple[bytes, ...], ...], CommandSequence]:
    if type(value) is not bytes:
        raise suit_malformed("common part is missing")
    common = _map(_decode(value), "common part")
    if 1 in common:
        raise suit_malformed("it depends on other manifests, which is not supported")
    if not common.keys() <= {2, 4}:
        raise suit_malformed("common part holds what is not understood")
    named = common.get(2)
    if not isinstance(named, list | tuple) or not 0 < len(named) <= MAX_COMPONENTS:
        raise suit_malformed(f"1 to {MAX_COMPONENTS} components")
    components = []
    for name in named:
        if not isinstance(name, list | tuple) or not 0 < len(name) <= 8:
            raise suit_malformed("name of a component")
        if any(type(part) is not bytes or len(part) > 64 for part in name):
            raise suit_malformed("name of a component")
        components.append(tuple(name))
    if len(set(components)) != len(components):
        raise suit_malformed("a component twice")
    shared: CommandSequence = ()
    if 4 in common:
        shared = _sequence(common[4], len(components), [MAX_COMMANDS], 0, within=_IN_SHARED)
    return tuple(components), shared


def _sequence(
    value: object,
    components: int,
    budget: list[int],
    depth: int,
    within: frozenset[Command] | None = None,
) -> CommandSequence:
    if type(value) is not bytes:
        raise suit_malformed("a command sequence is no byte string")
    if depth > MAX_NESTING:
        raise suit_malformed(f"sequences nested more than {MAX_NESTING} deep")
    items = _decode(value)
    if not isinstance(items, list | tuple) or not items or len(items) % 2:
        raise suit_malformed("a command sequence is not a list of pairs")
    budget[0] -= len(items) // 2
    if budget[0] < 0:
        raise suit_malformed(f"more than {MAX_COMMANDS} commands")
    found: list[tuple[Command, Argument]] = []
    for number, argument in zip(items[::2], items[1::2], strict=True):
        try:
            command = Command(number) if type(number) is int else None
        except ValueError:
            command = None
        if command is None or (within is not None and command not in within):
            raise suit_malformed(f"command {str(number)[:20]} is not understood here")
        found.append((command, _argument(command, argument, components, budget, depth, within)))
    return tuple(found)


def _argument(
    command: Command,
    value: Any,  # noqa: ANN401 - CBOR holds anything
    components: int,
    budget: list[int],
    depth: int,
    within: frozenset[Command] | None,
) -> Argument:
    if command is Command.SET_COMPONENT_INDEX:
        if type(value) is bool:
            return value
        many = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not many or any(type(one) is not int or not 0 <= one < components for one in many):
            raise suit_malformed("index of a component")
        return many
    if command in _SETTING:
        return _parameters(value, components)
    if command is Command.TRY_EACH:
        if not isinstance(value, list | tuple) or not 2 <= len(value) <= 16:
            raise suit_malformed("try-each without alternatives")
        return tuple(
            None
            if one is None and place == len(value) - 1
            else _sequence(one, components, budget, depth + 1, within)
            for place, one in enumerate(value)
        )
    if command is Command.RUN_SEQUENCE:
        return (_sequence(value, components, budget, depth + 1, within),)
    if type(value) is not int or not 0 <= value < 16:
        raise suit_malformed("reporting policy of a command")
    return value


_SHAPES: Final[dict[Parameter, type]] = {
    Parameter.SLOT: int,
    Parameter.STRICT_ORDER: bool,
    Parameter.SOFT_FAILURE: bool,
    Parameter.IMAGE_SIZE: int,
    Parameter.CONTENT: bytes,
    Parameter.URI: str,
    Parameter.SOURCE: int,
    Parameter.INVOKE_ARGS: bytes,
    Parameter.FETCH_ARGS: bytes,
}


def _parameters(value: object, components: int) -> dict[Parameter, Any]:
    found: dict[Parameter, Any] = {}
    for key, one in _map(value, "parameters").items():
        try:
            parameter = Parameter(key) if type(key) is int else None
        except ValueError:
            parameter = None
        if parameter is None:
            raise suit_malformed(f"parameter {str(key)[:20]} is not understood")
        if parameter in (Parameter.VENDOR, Parameter.CLASS, Parameter.DEVICE):
            if type(one) is not bytes or len(one) != 16:
                raise suit_malformed("an identifier is no UUID of 16 bytes")
            found[parameter] = one
        elif parameter is Parameter.IMAGE_DIGEST:
            found[parameter] = read_digest(one)
        elif type(one) is not _SHAPES[parameter]:
            raise suit_malformed(f"parameter {parameter.name.lower()} of a wrong kind")
        elif parameter is Parameter.SOURCE and not (isinstance(one, int) and 0 <= one < components):
            raise suit_malformed("index of a source component")
        elif isinstance(one, int) and not 0 <= one < 2**64:
            raise suit_malformed(f"parameter {parameter.name.lower()} out of range")
        elif isinstance(one, str) and len(one) > 2048:
            raise suit_malformed("URI too long")
        else:
            found[parameter] = one
    if not found:
        raise suit_malformed("no parameters")
    return found


def _map(value: object, what: str) -> dict[Any, Any]:
    if type(value) is not dict or any(type(key) not in (int, str) for key in value):
        raise suit_malformed(f"{what} of a wrong shape")
    return value


def _decode(data: bytes) -> Any:  # noqa: ANN401 - CBOR holds anything
    try:
        return decode(data, MAX_DEPTH)
    except Malformed as fault:
        raise suit_malformed(fault.why or fault.what) from fault
