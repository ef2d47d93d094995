# SPDX-License-Identifier: Apache-2.0
"""The pieces that every triple of a CoMID is made of: environments, names, digests.

Keeps: 1. Depth and forms are bounded; what has another form than the draft says refuses the
document. 2. A class, component or instance has one name here, however the document spells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeGuard
from uuid import UUID

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.corim.rules import Environment
from kizuna.roots.cose.cbor import Tag, decode

__all__ = [
    "DIGESTS",
    "component_of",
    "decoded",
    "digests_of",
    "dotted",
    "environment_of",
    "is_list",
    "malformed",
    "name_of",
]

_DEPTH: Final = 24
UUID_TAG: Final = 37
OID_TAG: Final = 111

DIGESTS: Final = {1: "sha-256", 7: "sha-384", 8: "sha-512", 10: "sha3-256", 11: "sha3-384"}
"""Names of hash algorithms by their number in the registry of RFC 6920."""
_SIZES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64, "sha3-256": 32, "sha3-384": 48}
_ANY_COMPONENT: Final = frozenset({"psa.software-component", "cca.software-component"})
"""Measurement keys that name a kind of part; the part's own name is in the value."""


def malformed(why: str) -> Malformed:
    """The problem of bytes that are no CoRIM."""
    return Malformed(
        "corim.malformed",
        f"the reference values cannot be read: {why}",
        why=why,
        hint="give a CoRIM in CBOR as its maker published it",
        fault=why[:200],
    )


def environment_of(value: Mapping[Any, Any]) -> Environment:
    """What values are about.

    Raises:
        Malformed: ``corim.malformed``.
    """
    kind = value.get(0)
    if kind is not None and not isinstance(kind, Mapping):
        raise malformed("the class of an environment is no map")
    class_id = None if kind is None else kind.get(0)
    instance = value.get(1)
    model = None
    if kind is not None:
        if class_id is not None:
            model = name_of(class_id)
        else:
            words = [w for w in (kind.get(1), kind.get(2)) if type(w) is str and w]
            model = "/".join(words)[:200] or None
    identity = None
    if isinstance(instance, Tag) and isinstance(instance.value, bytes):
        identity = instance.value
    elif isinstance(instance, bytes):
        identity = instance
    return Environment(
        model=model,
        identity=identity,
        class_tag=class_id.tag if isinstance(class_id, Tag) else None,
        class_bytes=class_id.value
        if isinstance(class_id, Tag) and isinstance(class_id.value, bytes)
        else None,
        instance_tag=instance.tag if isinstance(instance, Tag) else None,
        instance_name=name_of(instance)
        if isinstance(instance, Tag) and isinstance(instance.value, bytes)
        else "",
        vendor=kind.get(1) if kind is not None and type(kind.get(1)) is str else None,
        narrower=_narrower(kind or {}, value),
    )


def _narrower(kind: Mapping[Any, Any], environment: Mapping[Any, Any]) -> str:
    if 3 in kind:
        return "layer"
    if 4 in kind:
        return "index"
    return "group" if 2 in environment else ""


def digests_of(value: object) -> Iterator[tuple[str, bytes]]:
    """Digests with the names of their algorithms.

    Raises:
        Malformed: ``corim.malformed``.
    """
    if value is None:
        return
    if not is_list(value):
        raise malformed("digests are no list")
    for one in value:
        if not is_list(one) or len(one) != 2 or not isinstance(one[1], bytes):
            raise malformed("a digest is an algorithm and bytes")
        number = one[0]
        algorithm = DIGESTS.get(number, f"{number}") if type(number) is int else number
        if type(algorithm) is not str or not 0 < len(algorithm) <= 40:
            raise malformed("the algorithm of a digest is no number and no name")
        if _SIZES.get(algorithm, len(one[1])) != len(one[1]):
            raise malformed(f"a digest of {algorithm} has {_SIZES[algorithm]} bytes")
        yield algorithm, one[1]


def component_of(key: object) -> str:
    """A measurement's key as the name of a component; empty where it names a kind of part."""
    if key is None:
        return ""
    if type(key) is str:
        return "" if key in _ANY_COMPONENT else key[:200]
    if type(key) is int:
        return str(key)
    return name_of(key)


def name_of(value: object) -> str:
    """A class id or measurement key as text: UUID and OID as URN, bytes as hexadecimal."""
    if isinstance(value, Tag) and isinstance(value.value, bytes):
        if value.tag == UUID_TAG:
            if len(value.value) != 16:
                raise malformed("a UUID has 16 bytes")
            return UUID(bytes=value.value).urn
        if value.tag == OID_TAG:
            return f"urn:oid:{dotted(value.value)}"
        return value.value[:256].hex()
    if isinstance(value, bytes):
        return value[:256].hex()
    if type(value) is str and 0 < len(value) <= 200:
        return value
    if type(value) is int:
        return str(value)
    raise malformed("a class or component is named by something unknown")


def dotted(data: bytes) -> str:
    """An object identifier in dotted form."""
    numbers, value = [], 0
    for byte in data[:128]:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(value)
            value = 0
    if numbers:
        first = min(numbers[0] // 40, 2)
        numbers[:1] = [first, numbers[0] - 40 * first]
    return ".".join(map(str, numbers))


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether it is a list as CBOR gives it."""
    return isinstance(value, list | tuple)


def decoded(data: bytes) -> Any:  # noqa: ANN401 - CBOR holds anything
    """The CBOR item.

    Raises:
        Malformed: ``corim.malformed``.
    """
    try:
        return decode(data, _DEPTH)
    except Malformed as fault:
        raise malformed(fault.why) from fault
