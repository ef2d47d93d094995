# SPDX-License-Identifier: Apache-2.0
"""Reading the content of a CoRIM: bounded, and into values that the verifier looks up.

Keeps: 1. Size, depth and count are bounded. 2. A value is taken only where its environment names
a class, or a key its instance or class; what else the document says is listed in ``left``. A value
for something narrower than can be told apart here is left out: it would count for too much.
3. Where the document names a profile known here, its rules are kept or the document is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest
from kizuna.proof.attestation.corim import endorsing
from kizuna.proof.attestation.corim.parts import (
    OID_TAG,
    component_of,
    decoded,
    digests_of,
    dotted,
    environment_of,
    is_list,
    malformed,
)
from kizuna.proof.attestation.corim.rules import Triple, rules_named
from kizuna.proof.attestation.endorsement import Endorsement
from kizuna.proof.attestation.reference import Anchor, Endorsed, Reference, References
from kizuna.roots.cose.cbor import Tag
from kizuna.roots.keys import PublicKey

__all__ = ["MAX_CORIM", "Corim", "read_comid", "read_corim", "read_validity"]

MAX_CORIM: Final = 8 << 20
"""Largest document in bytes."""
MAX_VALUES: Final = 200_000
"""Most values and keys of one document."""
MAX_TAGS: Final = 1024

_CORIM: Final = 501
_COMID: Final = 506
_KEY, _CERT, _CHAIN, _COSE_KEY = 554, 555, 556, 558
_NO_DIGEST: Final = Digest(bytes(32))

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
_ENDORSING: Final = {1: endorsing.endorsed, 8: endorsing.series, 10: endorsing.conditional}
_OTHERS: Final = {505: "coswid", 507: "cots", 508: "cotl"}
"""Tags in a CoRIM that are not judged here."""
_UNDERSTOOD: Final = frozenset({0, 2, 11, 13, 14})
"""Members of a reference value that evidence is held against, or that name it."""


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
    endorsements: tuple[Endorsement, ...] = ()
    """What is said of devices beyond their measurements, always or on conditions."""
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
        marks: dict[str, Any] = {
            "source": self.digest,
            "signed": self.signed,
            "since": self.since,
            "until": self.until,
        }
        for value in self.values:
            references.add(replace(value, **marks))
        for key in self.keys:
            references.endorse(replace(key, **marks))
        for anchor in self.anchors:
            references.vouch(replace(anchor, **marks))
        for endorsement in self.endorsements:
            references.say(replace(endorsement, **marks))


@dataclass(slots=True)
class _Found:
    """What was found so far."""

    values: list[Reference] = field(default_factory=list)
    keys: list[Endorsed] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    endorsements: list[Endorsement] = field(default_factory=list)
    left: set[str] = field(default_factory=set)

    def __len__(self) -> int:
        said = sum(1 + len(one.options) for one in self.endorsements)
        return len(self.values) + len(self.keys) + len(self.anchors) + said

    def corim(self, **about: Any) -> Corim:  # noqa: ANN401 - members of ``Corim``
        return Corim(
            values=tuple(self.values),
            keys=tuple(self.keys),
            anchors=tuple(self.anchors),
            endorsements=tuple(self.endorsements),
            left=tuple(sorted(self.left)),
            **about,
        )


def read_corim(data: bytes) -> Corim:
    """The content of a CoRIM without its signature (tag 501); nothing about it was checked.

    Raises:
        Malformed: ``corim.malformed``, ``corim.profile``.
    """
    if len(data) > MAX_CORIM:
        raise malformed(f"{len(data)} bytes, at most {MAX_CORIM}")
    whole = decoded(data)
    if not isinstance(whole, Tag) or whole.tag != _CORIM or not isinstance(whole.value, Mapping):
        raise malformed("not a CoRIM (tag 501)")
    document = whole.value
    tags = document.get(1)
    if not is_list(tags) or len(tags) > MAX_TAGS:
        raise malformed(f"it has a list of at most {MAX_TAGS} tags")
    profile = _profile(document.get(3))
    since, until = read_validity(document.get(4))
    found = _Found()
    if document.get(2) is not None:
        found.left.add("dependent-rims")
    for tag in tags:
        if not isinstance(tag, Tag) or not isinstance(tag.value, bytes):
            raise malformed("a tag of the list is none")
        if tag.tag != _COMID:
            found.left.add(_OTHERS.get(tag.tag, f"tag {tag.tag}"))
            continue
        _comid(decoded(tag.value), profile, found)
        if len(found) > MAX_VALUES:
            raise malformed(f"more than {MAX_VALUES} values")
    return found.corim(id=_id(document.get(0)), profile=profile, since=since, until=until)


def read_comid(data: bytes, profile: str | None = None) -> Corim:
    """The content of one CoMID by itself.

    Raises:
        Malformed: ``corim.malformed``, ``corim.profile``.
    """
    found = _Found()
    comid = decoded(data)
    if isinstance(comid, Tag) and comid.tag == _COMID:
        comid = comid.value if isinstance(comid.value, Mapping) else decoded(comid.value)
    _comid(comid, profile, found)
    name = comid.get(1)
    return found.corim(id=_id(name.get(0)) if isinstance(name, Mapping) else "", profile=profile)


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


def _comid(comid: object, profile: str | None, found: _Found) -> None:
    if not isinstance(comid, Mapping):
        raise malformed("a CoMID is a map")
    triples = comid.get(4)
    if not isinstance(triples, Mapping):
        raise malformed("a CoMID has triples")
    if comid.get(3) is not None:
        found.left.add("linked-tags")
    rules = rules_named(profile)
    for number, records in triples.items():
        name = _TRIPLES.get(number) if type(number) is int else None
        if name is None:
            found.left.add(f"triples {str(number)[:20]}")
            continue
        if not is_list(records) or not records:
            raise malformed(f"the {name} are no list")
        if number == 0:
            for triple in _records(records, name):
                if rules is not None:
                    rules.check_values(triple)
                found.values.extend(_values(triple, found.left))
        elif number in (2, 3):
            for triple in _records(records, name):
                if rules is not None and number == 3:
                    rules.check_keys(triple)
                _keys(triple, "identity" if number == 2 else "attest", found)
        elif number in _ENDORSING:
            for record in records:
                if not is_list(record) or len(record) < 2:
                    raise malformed(f"one of the {name} is no record")
                found.endorsements.extend(_ENDORSING[number](record, found.left))
        else:
            found.left.add(name)


def _records(records: Sequence[Any], name: str) -> Iterator[Triple]:
    for record in records:
        if not is_list(record) or len(record) < 2 or not isinstance(record[0], Mapping):
            raise malformed(f"one of the {name} is not environment and values")
        if not is_list(record[1]) or not record[1]:
            raise malformed(f"one of the {name} has no values")
        yield Triple(
            name=name,
            environment=environment_of(record[0]),
            items=tuple(record[1]),
            conditional=len(record) > 2,
        )


def _values(triple: Triple, left: set[str]) -> Iterator[Reference]:
    where = triple.environment
    model = where.model
    if model is None and where.instance_name:
        model = where.instance_name  # values for one instance of no class: it is its own class
    elif where.identity is not None:
        left.add("reference-values of one instance of a class")
        return
    if where.narrower:
        left.add(f"{where.narrower} of reference-values")
        if where.narrower == "group":
            return  # it would count for every group
    for one in triple.items:
        if not isinstance(one, Mapping) or not isinstance(one.get(1), Mapping):
            raise malformed("a measurement has no values")
        says = one[1]
        name = says.get(11)
        component = name if type(name) is str and 0 < len(name) <= 200 else component_of(one.get(0))
        version = says.get(0)
        number = version.get(0) if isinstance(version, Mapping) else None
        signer = endorsing.signer_of(says)
        if 2 in one:
            left.add("authorized-by of reference-values")
            continue
        for member in says:
            if member not in _UNDERSTOOD:
                known = endorsing.MEMBERS.get(member) if type(member) is int else None
                left.add(f"{known or f'member {str(member)[:20]}'} of reference-values")
        digests = list(digests_of(says.get(2)))
        registers = says.get(14)
        if isinstance(registers, Mapping):
            for register, held in registers.items():
                for algorithm, digest in digests_of(held):
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


def _keys(triple: Triple, purpose: str, found: _Found) -> None:
    where, left = triple.environment, found.left
    if triple.conditional:
        left.add("keys under conditions")
        return
    if where.model is None and where.identity is None:
        left.add("keys without class or instance")
        return
    if where.narrower:
        left.add(f"{where.narrower} of keys")
        if where.narrower == "group":
            return
    for one in triple.items:
        if not isinstance(one, Tag):
            raise malformed("a key is not tagged with its form")
        try:
            if one.tag == _KEY and isinstance(one.value, str):
                key = PublicKey.from_pem(_pem(one.value))
            elif one.tag == _COSE_KEY and isinstance(one.value, Mapping):
                key = PublicKey.from_cose_map(one.value)
            elif one.tag in (_CERT, _CHAIN) and isinstance(one.value, str):
                found.anchors.append(
                    Anchor(
                        model=where.model, identity=where.identity, certificates=one.value.encode()
                    )
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
        found.keys.append(
            Endorsed(model=where.model, identity=where.identity, key=key, purpose=purpose)
        )


def _pem(text: str) -> bytes:
    if text.startswith("-----BEGIN"):
        return text.encode()
    body = "".join(text.split())
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()


def _profile(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, Tag) and value.tag == OID_TAG and isinstance(value.value, bytes):
        return f"urn:oid:{dotted(value.value)}"
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
