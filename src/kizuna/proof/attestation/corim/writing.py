# SPDX-License-Identifier: Apache-2.0
"""Writing a CoRIM: reference values and keys of one's own devices, signed.

Keeps: what is written reads back to the same values; equal values give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from kizuna.proof.attestation.corim.parts import DIGESTS, malformed
from kizuna.proof.attestation.corim.reading import read_corim
from kizuna.proof.attestation.reference import Endorsed, Reference
from kizuna.roots.cose import encode, sign1
from kizuna.roots.cose.cbor import Tag
from kizuna.roots.units import Handle, Unit

__all__ = ["MEDIA_TYPE", "make_corim", "sign_corim"]

MEDIA_TYPE: Final = "application/rim+cbor"

_NUMBERS: Final = {name: number for number, name in DIGESTS.items()}
_TAG_IDS: Final = UUID("5b0f3c0e-6c1f-5f0c-9a33-0f3f7f2f6a10")
_HEX: Final = frozenset("0123456789abcdef")


def make_corim(
    name: str,
    *,
    maker: str,
    values: Iterable[Reference] = (),
    keys: Iterable[Endorsed] = (),
    since: int | None = None,
    until: int | None = None,
    profile: str | None = None,
) -> bytes:
    """The content of a CoRIM (tag 501), for ``sign_corim``.

    Args:
        name: its id; the same name with other content replaces it.
        maker: who says so, in words.
        values: reference values; those of one class go together.
        keys: keys of instances or classes.
        since: valid from, seconds since 1970.
        until: valid until.
        profile: URI of a profile whose rules it keeps.

    Raises:
        Malformed: ``corim.malformed``, ``corim.profile``, where the result would not be readable.
    """
    by_model: dict[str, list[Reference]] = {}
    for value in values:
        by_model.setdefault(value.model, []).append(value)
    triples: dict[int, Any] = {}
    if by_model:
        triples[0] = [
            [{0: _class(model)}, [_measurement(one) for one in group]]
            for model, group in sorted(by_model.items())
        ]
    for purpose, number in (("identity", 2), ("attest", 3)):
        records = [
            [_environment(key), [Tag(554, key.key.to_pem().decode().strip())]]
            for key in keys
            if key.purpose == purpose
        ]
        if records:
            triples[number] = records
    if not triples:
        raise malformed("there is no value and no key in it")
    comid = {
        1: {0: uuid5(_TAG_IDS, name).bytes},
        2: [{0: maker, 2: [0]}],
        4: triples,
    }
    document: dict[int, Any] = {0: name, 1: [Tag(506, encode(comid))]}
    if profile is not None:
        document[3] = Tag(32, profile)
    validity = _validity(since, until)
    if validity:
        document[4] = validity
    made = encode(Tag(501, document))
    read_corim(made)
    return made


def sign_corim(
    unit: Unit,
    handle: Handle,
    corim: bytes,
    *,
    signer: str,
    since: int | None = None,
    until: int | None = None,
) -> bytes:
    """The signed CoRIM: a COSE_Sign1 that names its signer in ``corim-meta``."""
    meta: dict[int, Any] = {0: {0: signer}}
    validity = _validity(since, until)
    if validity:
        meta[1] = validity
    header = {3: MEDIA_TYPE, 4: unit.public(handle).thumbprint, 8: encode(meta)}
    return sign1(unit, handle, header, corim)


def _validity(since: int | None, until: int | None) -> dict[int, Tag]:
    ends = {0: since, 1: until}
    return {label: Tag(1, end) for label, end in ends.items() if end is not None}


def _class(model: str) -> Mapping[int, Any]:
    """A class from its name, as ``reading`` makes the name from a class."""
    if model.startswith("urn:uuid:"):
        return {0: Tag(37, UUID(model).bytes)}
    if len(model) >= 16 and len(model) % 2 == 0 and set(model) <= _HEX:
        return {0: Tag(560, bytes.fromhex(model))}
    vendor, slash, rest = model.partition("/")
    return {1: vendor, 2: rest} if slash and vendor and rest else {2: model}


def _environment(key: Endorsed) -> Mapping[int, Any]:
    where: dict[int, Any] = {}
    if key.model is not None:
        where[0] = _class(key.model)
    if key.identity is not None:
        where[1] = Tag(550 if 7 <= len(key.identity) <= 33 else 560, key.identity)
    return where


def _measurement(value: Reference) -> Mapping[int, Any]:
    says: dict[int, Any] = {
        2: [[_NUMBERS.get(value.digest_alg, value.digest_alg), value.digest]],
    }
    if value.version is not None:
        says[0] = {0: value.version}
    if value.component:
        says[11] = value.component
    if value.signer is not None:
        says[13] = [Tag(560, value.signer)]
    return {1: says}
