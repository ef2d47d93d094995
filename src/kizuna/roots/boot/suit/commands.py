# SPDX-License-Identifier: Apache-2.0
"""Commands and parameters of manifests: numbers, and command sequences read whole before use.

Keeps: 1. Every command is known and has an argument of the right shape before the first one is
carried out. 2. Bounded in depth and number. 3. Numbers stand in one place: those of
draft-ietf-suit-manifest-34, for dependencies of draft-ietf-suit-trust-domains, for encrypted
payloads of draft-ietf-suit-firmware-encryption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import new
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.roots.cose import decode

__all__ = [
    "DIGESTS",
    "MAX_COMMANDS",
    "MAX_DEPTH",
    "SETTING",
    "Argument",
    "Command",
    "CommandSequence",
    "Parameter",
    "SuitDigest",
    "decoded",
    "indices",
    "map_of",
    "read_digest",
    "read_sequence",
    "suit_malformed",
]

MAX_COMMANDS: Final = 512
MAX_NESTING: Final = 4
MAX_DEPTH: Final = 10

DIGESTS: Final = {-16: "sha256", -43: "sha384", -44: "sha512"}
"""Hash algorithms by their COSE number; the draft's SHAKE digests are not taken."""


class Command(IntEnum):
    """Conditions and directives."""

    VENDOR = 1
    CLASS = 2
    IMAGE_MATCH = 3
    SLOT = 5
    CHECK_CONTENT = 6
    DEPENDENCY_INTEGRITY = 7
    IS_DEPENDENCY = 8
    PROCESS_DEPENDENCY = 11
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
    ENCRYPTION = 19
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


SETTING: Final = (Command.SET_PARAMETERS, Command.OVERRIDE_PARAMETERS)


def read_digest(value: object) -> SuitDigest:
    """A SUIT_Digest, decoded or as bytes.

    Raises:
        Malformed: ``suit.malformed``.
    """
    if isinstance(value, bytes):
        value = decoded(value)
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


_IN_SHARED: Final = frozenset(
    {
        Command.VENDOR,
        Command.CLASS,
        Command.DEVICE,
        Command.IMAGE_MATCH,
        Command.SLOT,
        Command.CHECK_CONTENT,
        Command.ABORT,
        Command.IS_DEPENDENCY,
        Command.DEPENDENCY_INTEGRITY,
        Command.SET_COMPONENT_INDEX,
        Command.TRY_EACH,
        Command.SET_PARAMETERS,
        Command.OVERRIDE_PARAMETERS,
        Command.RUN_SEQUENCE,
    }
)
"""What the shared sequence may hold: nothing that changes a component."""


def read_sequence(
    value: object,
    components: int,
    budget: list[int],
    depth: int = 0,
    *,
    shared: bool = False,
) -> CommandSequence:
    """A command sequence, each command known and each argument of the right shape.

    Args:
        value: the byte string that holds it.
        components: how many components there are, dependencies included.
        budget: how many commands may still come.
        depth: how deep it is nested.
        shared: whether it is the shared sequence, which changes no component.

    Raises:
        Malformed: ``suit.malformed``.
    """
    if type(value) is not bytes:
        raise suit_malformed("a command sequence is no byte string")
    if depth > MAX_NESTING:
        raise suit_malformed(f"sequences nested more than {MAX_NESTING} deep")
    items = decoded(value)
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
        if command is None or (shared and command not in _IN_SHARED):
            raise suit_malformed(f"command {str(number)[:20]} is not understood here")
        read = _argument(command, argument, components, budget, depth, shared=shared)
        found.append((command, read))
    return tuple(found)


def _argument(
    command: Command,
    value: Any,  # noqa: ANN401 - CBOR holds anything
    components: int,
    budget: list[int],
    depth: int,
    *,
    shared: bool,
) -> Argument:
    if command is Command.SET_COMPONENT_INDEX:
        if type(value) is bool:
            return value
        many = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not many or any(type(one) is not int or not 0 <= one < components for one in many):
            raise suit_malformed("index of a component")
        return many
    if command in SETTING:
        return _parameters(value, components)
    if command is Command.TRY_EACH:
        if not isinstance(value, list | tuple) or not 2 <= len(value) <= 16:
            raise suit_malformed("try-each without alternatives")
        return tuple(
            None
            if one is None and place == len(value) - 1
            else read_sequence(one, components, budget, depth + 1, shared=shared)
            for place, one in enumerate(value)
        )
    if command is Command.RUN_SEQUENCE:
        return (read_sequence(value, components, budget, depth + 1, shared=shared),)
    if type(value) is not int or not 0 <= value < 16:
        raise suit_malformed("reporting policy of a command")
    return value


_SHAPES: Final[dict[Parameter, type]] = {
    Parameter.SLOT: int,
    Parameter.STRICT_ORDER: bool,
    Parameter.SOFT_FAILURE: bool,
    Parameter.IMAGE_SIZE: int,
    Parameter.CONTENT: bytes,
    Parameter.ENCRYPTION: bytes,
    Parameter.URI: str,
    Parameter.SOURCE: int,
    Parameter.INVOKE_ARGS: bytes,
    Parameter.FETCH_ARGS: bytes,
}


def _parameters(value: object, components: int) -> dict[Parameter, Any]:
    found: dict[Parameter, Any] = {}
    for key, one in map_of(value, "parameters").items():
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


def map_of(value: object, what: str) -> dict[Any, Any]:
    """A map with names or numbers as keys.

    Raises:
        Malformed: ``suit.malformed``.
    """
    if type(value) is not dict or any(type(key) not in (int, str) for key in value):
        raise suit_malformed(f"{what} of a wrong shape")
    return value


def decoded(data: bytes) -> Any:  # noqa: ANN401 - CBOR holds anything
    """One CBOR item.

    Raises:
        Malformed: ``suit.malformed``.
    """
    try:
        return decode(data, MAX_DEPTH)
    except Malformed as fault:
        raise suit_malformed(fault.why or fault.what) from fault
