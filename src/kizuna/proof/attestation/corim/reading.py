# SPDX-License-Identifier: Apache-2.0
"""Reading the content of a CoRIM: bounded, and into values that the verifier looks up.

Keeps: 1. Size, depth and count are bounded. 2. A value is taken only where its environment names
a class, or a key its instance or class; what else the document says is listed in ``left``. 3. Where
the document names a profile known here, its rules are kept or the document is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from uuid import UUID

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.corim.rules import Environment, Triple, rules_named
from kizuna.proof.attestation.reference import Anchor, Endorsed, Reference, References
from kizuna.roots.cose.cbor import Tag, decode
from kizuna.roots.keys import PublicKey

__all__ = ["DIGESTS", "MAX_CORIM", "Corim", "malformed", "read_comid", "read_corim"]

MAX_CORIM: Final = 8 << 20
"""Largest document in bytes."""
MAX_VALUES: Final = 200_000
"""Most values and keys of one document."""
MAX_TAGS: Final = 1024

_DEPTH: Final = 24
_CORIM: Final = 501
_COSWID, _COMID, _COTL = 505, 506, 508
_UUID, _OID = 37, 111
_BYTES: Final = frozenset({560, 600})
_KEY, _CERT, _CHAIN, _COSE_KEY = 554, 555, 556, 558
_NO_DIGEST: Final = Digest(bytes(32))

DIGESTS: Final = {1: "sha-256", 7: "sha-384", 8: "sha-512", 10: "sha3-256", 11: "sha3-384"}
"""Names of hash algorithms by their number in the registry of RFC 6920."""
_SIZES: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64, "sha3-256": 32, "sha3-384": 48}
_TRIPLES: Final = {
    0: "reference-values",
    1: "endorsed-values",
    2: "identity-keys",
    3: "attest-keys",
    4: "dependencies",
    5: "memberships",
    6: "software-links",
    8: "conditional-endorsement-series",
    10: "conditional-endorsements",
}
_ANY_COMPONENT: Final = frozenset({"psa.software-component", "cca.software-component"})
"""Measurement keys that name a kind of part; the part's own name is in the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corim:
    """What a document says, as far as it is understood."""

    id: str = ""
    profile: str | None = None
    since: int | None = None
    until: int | None = None
    values: tuple[Reference, ...] = ()
    keys: tuple[Endorsed, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    """Certificates that vouch for device keys; nobody has looked into them yet."""
    left: tuple[str, ...] = ()
    """What was read and has no effect: kinds of triples and tags, sorted."""
    signed: bool = False
    signer: str = ""
    """What the signer calls itself."""
    signer_key: bytes | None = None
    """Thumbprint of the key that made the signature."""
    digest: Digest = _NO_DIGEST

    def feed(self, references: References) -> None:
        """Put values and keys among those that the verifier accepts."""
        for value in self.values:
            references.add(
                Reference(
                    model=value.model,
                    component=value.component,
                    digest_alg=value.digest_alg,
                    digest=value.digest,
                    version=value.version,
                    signer=value.signer,
                    source=self.digest,
                    signed=self.signed,
                    since=self.since,
                    until=self.until,
                )
            )
        for key in self.keys:
            references.endorse(
                Endorsed(
                    model=key.model,
                    identity=key.identity,
                    key=key.key,
                    purpose=key.purpose,
                    source=self.digest,
                    signed=self.signed,
                    since=self.since,
                    until=self.until,
                )
            )
        for anchor in self.anchors:
            references.vouch(
                Anchor(
                    model=anchor.model,
                    identity=anchor.identity,
                    certificates=anchor.certificates,
                    source=self.digest,
                    signed=self.signed,
                )
            )


def read_corim(data: bytes) -> Corim:
    """The content of a CoRIM without its signature (tag 501); nothing about it was checked.

    Raises:
        Malformed: ``corim.malformed``, ``corim.profile``.
    """
    if len(data) > MAX_CORIM:
        raise malformed(f"{len(data)} bytes, at most {MAX_CORIM}")
    whole = _decoded(data)
    if not isinstance(whole, Tag) or whole.tag != _CORIM or not isinstance(whole.value, Mapping):
        raise malformed("not a CoRIM (tag 501)")
    document = whole.value
    tags = document.get(1)
    if not _is_list(tags) or len(tags) > MAX_TAGS:
        raise malformed(f"it has a list of at most {MAX_TAGS} tags")
    profile = _profile(document.get(3))
    since, until = read_validity(document.get(4))
    values: list[Reference] = []
    keys: list[Endorsed | Anchor] = []
    left: set[str] = set()
    for tag in tags:
        if not isinstance(tag, Tag) or not isinstance(tag.value, bytes):
            raise malformed("a tag of the list is none")
        if tag.tag != _COMID:
            left.add({_COSWID: "coswid", _COTL: "cotl"}.get(tag.tag, f"tag {tag.tag}"))
            continue
        _comid(_decoded(tag.value), profile, values, keys, left)
        if len(values) + len(keys) > MAX_VALUES:
            raise malformed(f"more than {MAX_VALUES} values")
    return Corim(
        id=_id(document.get(0)),
        profile=profile,
        since=since,
        until=until,
        values=tuple(values),
        keys=tuple(key for key in keys if isinstance(key, Endorsed)),
        anchors=tuple(key for key in keys if isinstance(key, Anchor)),
        left=tuple(sorted(left)),
    )


def read_comid(data: bytes, profile: str | None = None) -> Corim:
    """The content of one CoMID by itself.

    Raises:
        Malformed: ``corim.malformed``, ``corim.profile``.
    """
    values: list[Reference] = []
    keys: list[Endorsed | Anchor] = []
    left: set[str] = set()
    comid = _decoded(data)
    if isinstance(comid, Tag) and comid.tag == _COMID:
        comid = comid.value if isinstance(comid.value, Mapping) else _decoded(comid.value)
    _comid(comid, profile, values, keys, left)
    name = comid.get(1)
    return Corim(
        id=_id(name.get(0)) if isinstance(name, Mapping) else "",
        profile=profile,
        values=tuple(values),
        keys=tuple(key for key in keys if isinstance(key, Endorsed)),
        anchors=tuple(key for key in keys if isinstance(key, Anchor)),
        left=tuple(sorted(left)),
    )


def read_validity(value: object) -> tuple[int | None, int | None]:
    """Begin and end of a validity map, in seconds since 1970.

    Raises:
        Malformed: ``corim.malformed``.
    """
    if value is None:
        return None, None
    if not isinstance(value, Mapping):
        raise malformed("the validity is no map")
    return _instant(value.get(0)), _instant(value.get(1))


def malformed(why: str) -> Malformed:
    """The problem of bytes that are no CoRIM."""
    return Malformed(
        "corim.malformed",
        f"the reference values cannot be read: {why}",
        why=why,
        hint="give a CoRIM in CBOR as its maker published it",
        fault=why[:200],
    )


def _comid(
    comid: object,
    profile: str | None,
    values: list[Reference],
    keys: list[Endorsed | Anchor],
    left: set[str],
) -> None:
    if not isinstance(comid, Mapping):
        raise malformed("a CoMID is a map")
    triples = comid.get(4)
    if not isinstance(triples, Mapping):
        raise malformed("a CoMID has triples")
    rules = rules_named(profile)
    for number, records in triples.items():
        name = _TRIPLES.get(number) if type(number) is int else None
        if name is None:
            left.add(f"triples {str(number)[:20]}")
            continue
        if not _is_list(records) or not records:
            raise malformed(f"the {name} are no list")
        if number == 0:
            for triple in _records(records, name):
                if rules is not None:
                    rules.check_values(triple)
                values.extend(_values(triple, left))
        elif number in (2, 3):
            for triple in _records(records, name):
                if rules is not None and number == 3:
                    rules.check_keys(triple)
                keys.extend(_keys(triple, "identity" if number == 2 else "attest", left))
        else:
            left.add(name)


def _records(records: Sequence[Any], name: str) -> Iterator[Triple]:
    for record in records:
        if not _is_list(record) or len(record) < 2 or not isinstance(record[0], Mapping):
            raise malformed(f"one of the {name} is not environment and values")
        if not _is_list(record[1]) or not record[1]:
            raise malformed(f"one of the {name} has no values")
        yield Triple(name=name, environment=_environment(record[0]), items=tuple(record[1]))


def _environment(value: Mapping[Any, Any]) -> Environment:
    kind = value.get(0)
    if kind is not None and not isinstance(kind, Mapping):
        raise malformed("the class of an environment is no map")
    class_id = None if kind is None else kind.get(0)
    instance = value.get(1)
    model = None
    if kind is not None:
        if class_id is not None:
            model = _name_of(class_id)
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
        instance_name=_name_of(instance)
        if isinstance(instance, Tag) and isinstance(instance.value, bytes)
        else "",
        vendor=kind.get(1) if kind is not None and type(kind.get(1)) is str else None,
    )


def _values(triple: Triple, left: set[str]) -> Iterator[Reference]:
    where = triple.environment
    model = where.model
    if model is None and where.instance_name:
        model = where.instance_name  # values for one instance of no class: it is its own class
    for one in triple.items:
        if not isinstance(one, Mapping) or not isinstance(one.get(1), Mapping):
            raise malformed("a measurement has no values")
        says = one[1]
        name = says.get(11)
        component = name if type(name) is str and 0 < len(name) <= 200 else _component(one.get(0))
        version = says.get(0)
        number = version.get(0) if isinstance(version, Mapping) else None
        signer = None
        for key in says.get(13) or () if _is_list(says.get(13)) else ():
            if isinstance(key, Tag) and key.tag in _BYTES and isinstance(key.value, bytes):
                signer = key.value
        digests = list(_digests(says.get(2)))
        registers = says.get(14)
        if isinstance(registers, Mapping):
            for register, held in registers.items():
                for algorithm, digest in _digests(held):
                    if model is not None:
                        yield _reference(model, str(register)[:200], algorithm, digest)
        if not digests:
            if 14 not in says:
                left.add("measurements without digest")
            continue
        if model is None:
            left.add("reference-values without class")
            continue
        for algorithm, digest in digests:
            yield Reference(
                model=model,
                component=component,
                digest_alg=algorithm,
                digest=digest,
                version=number if type(number) is str else None,
                signer=signer,
            )


def _reference(model: str, component: str, algorithm: str, digest: bytes) -> Reference:
    return Reference(model=model, component=component, digest_alg=algorithm, digest=digest)


def _keys(triple: Triple, purpose: str, left: set[str]) -> Iterator[Endorsed | Anchor]:
    where = triple.environment
    for one in triple.items:
        if not isinstance(one, Tag):
            raise malformed("a key is not tagged with its form")
        try:
            if one.tag == _KEY and isinstance(one.value, str):
                key = PublicKey.from_pem(_pem(one.value))
            elif one.tag == _COSE_KEY and isinstance(one.value, Mapping):
                key = PublicKey.from_cose_map(one.value)
            elif one.tag in (_CERT, _CHAIN) and isinstance(one.value, str):
                yield Anchor(
                    model=where.model, identity=where.identity, certificates=one.value.encode()
                )
                continue
            elif one.tag == _COSE_KEY and isinstance(one.value, bytes):
                key = PublicKey.from_cose(one.value)
            else:
                left.add(f"keys of form {one.tag}")
                continue
        except Malformed:
            left.add("keys that cannot be used")
            continue
        if where.model is None and where.identity is None:
            left.add("keys without class or instance")
            continue
        yield Endorsed(model=where.model, identity=where.identity, key=key, purpose=purpose)


def _pem(text: str) -> bytes:
    if text.startswith("-----BEGIN"):
        return text.encode()
    body = "".join(text.split())
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()


def _digests(value: object) -> Iterator[tuple[str, bytes]]:
    if value is None:
        return
    if not _is_list(value):
        raise malformed("digests are no list")
    for one in value:
        if not _is_list(one) or len(one) != 2 or not isinstance(one[1], bytes):
            raise malformed("a digest is an algorithm and bytes")
        number = one[0]
        algorithm = DIGESTS.get(number, f"{number}") if type(number) is int else number
        if type(algorithm) is not str or not 0 < len(algorithm) <= 40:
            raise malformed("the algorithm of a digest is no number and no name")
        if _SIZES.get(algorithm, len(one[1])) != len(one[1]):
            raise malformed(f"a digest of {algorithm} has {_SIZES[algorithm]} bytes")
        yield algorithm, one[1]


def _component(key: object) -> str:
    if key is None:
        return ""
    if type(key) is str:
        return "" if key in _ANY_COMPONENT else key[:200]
    if type(key) is int:
        return str(key)
    return _name_of(key)


def _name_of(value: object) -> str:
    """A class id or measurement key as text: UUID and OID as URN, bytes as hexadecimal."""
    if isinstance(value, Tag) and isinstance(value.value, bytes):
        if value.tag == _UUID:
            if len(value.value) != 16:
                raise malformed("a UUID has 16 bytes")
            return UUID(bytes=value.value).urn
        if value.tag == _OID:
            return f"urn:oid:{_dotted(value.value)}"
        return value.value[:256].hex()
    if isinstance(value, bytes):
        return value[:256].hex()
    if type(value) is str and 0 < len(value) <= 200:
        return value
    if type(value) is int:
        return str(value)
    raise malformed("a class or component is named by something unknown")


def _dotted(data: bytes) -> str:
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


def _profile(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, Tag) and value.tag == _OID and isinstance(value.value, bytes):
        return f"urn:oid:{_dotted(value.value)}"
    if isinstance(value, Tag):
        value = value.value
    if type(value) is not str or len(value) > 400:
        raise malformed("the profile is no URI and no OID")
    return value


def _id(value: object) -> str:
    if isinstance(value, Tag):
        value = value.value
    if isinstance(value, bytes) and len(value) == 16:
        return UUID(bytes=value).urn
    if type(value) is str and len(value) <= 400:
        return value
    raise malformed("its id is no text and no UUID")


def _instant(value: object) -> int | None:
    if isinstance(value, Tag) and value.tag == 1:
        value = value.value
    if value is None:
        return None
    if type(value) is float and abs(value) < 2**53:
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**53:
        raise malformed("a time is no number of seconds")
    return value


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _decoded(data: bytes) -> Any:  # noqa: ANN401 - CBOR holds anything
    try:
        return decode(data, _DEPTH)
    except Malformed as fault:
        raise malformed(fault.why) from fault
