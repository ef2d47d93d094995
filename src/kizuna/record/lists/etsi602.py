# SPDX-License-Identifier: Apache-2.0
"""Lists of trusted entities in JSON (LoTE), signed as compact JAdES, read.

Keeps: 1. Read only after the signature held under the verifier's key or certificate; the whole list
is what is signed. 2. A state that is not understood grants nothing, and neither does a type. 3. A
critical extension that is not understood refuses the list.
Standard: ETSI TS 119 602 v1.1.1 (JSON binding), ETSI TS 119 182-1 v1.2.1 (JAdES B-B).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Standing
from kizuna.record.lists.foreign import (
    MAX_FOREIGN_ENTRIES,
    MAX_POINTERS,
    ForeignEntry,
    ForeignList,
    Pointer,
    Spell,
    by_member,
    foreign_malformed,
    instant_of,
    member_named,
)
from kizuna.roots.certified import certificate_bytes, listed_key, signer_key
from kizuna.roots.jws import Jws, check_jws, parse_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object

__all__ = [
    "EXTENSION",
    "GRANTED",
    "LIST_MEDIA_TYPE",
    "MAX_LIST",
    "STANDARD",
    "WITHDRAWN",
    "read_lote",
    "signature_wrong",
    "spells",
]

STANDARD: Final = "ETSI TS 119 602 v1.1.1"
LIST_MEDIA_TYPE: Final = "application/jose"
MAX_LIST: Final = 64 << 20
"""Largest list in bytes."""

GRANTED: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted"
WITHDRAWN: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/withdrawn"
_STATES: Final = {
    GRANTED: Standing.GRANTED,
    WITHDRAWN: Standing.WITHDRAWN,
    "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/recognisedatnationallevel": Standing.GRANTED,
    "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/deprecatedatnationallevel": (
        Standing.WITHDRAWN
    ),
}
EXTENSION: Final = "membership"
_REASON: Final = 1_000
_UNDERSTOOD: Final = frozenset({"alg", "typ", "cty", "x5c", "x5t#S256", "iat", "sigT", "kid"})
_MANY: Final = 64
"""Most services, names or keys of one entity."""


def read_lote(
    data: bytes,
    *,
    keys: Sequence[PublicKey] = (),
    certificates: Sequence[bytes] = (),
    now: int,
    address: str = "",
) -> ForeignList:
    """A list whose signature holds under one of the verifier's keys or certificates (DER).

    ``address``: where it came from, its name where it gives itself none.

    Raises:
        Malformed: ``list.foreign-malformed``, ``envelope.jws-malformed``. Tampered:
        ``list.signature-wrong``, ``list.two-names``, ``list.claimed-twice``.
    """
    token = parse_jws(data.strip(), understood=_UNDERSTOOD, limit=MAX_LIST)
    words = _checked(token, keys, certificates, now)
    scheme = _object(words, "ListAndSchemeInformation")
    _no_critical(scheme.get("SchemeExtensions"))
    if scheme.get("LoTEVersionIdentifier") != 1:
        raise foreign_malformed("LoTEVersionIdentifier is not 1")
    sequence = scheme.get("LoTESequenceNumber")
    if type(sequence) is not int or not 0 < sequence < 2**53:
        raise foreign_malformed("LoTESequenceNumber is no positive number")
    entities = words.get("TrustedEntitiesList", [])
    if not isinstance(entities, list) or len(entities) > MAX_FOREIGN_ENTRIES:
        raise foreign_malformed("TrustedEntitiesList is no list, or too long")
    passed_over: list[str] = []
    entries = tuple(e for one in entities for e in _read_entity(one, passed_over))
    by_member(entries)
    due = scheme.get("NextUpdate")
    issued = instant_of(scheme.get("ListIssueDateTime"), "ListIssueDateTime")
    return ForeignList(
        id=_name_of(scheme, address),
        operator=_text(scheme.get("SchemeOperatorName"), "SchemeOperatorName"),
        title=_text(scheme.get("SchemeName"), "SchemeName") if "SchemeName" in scheme else "",
        sequence=sequence,
        issued=issued,
        # a list that is closed has no next issue: from its last one on it is out of date
        next_update=issued if due is None else instant_of(due, "NextUpdate"),
        entries=entries,
        standard=STANDARD,
        document=sha256(data).digest(),
        passed_over=tuple(passed_over),
        pointers=tuple(_pointers(scheme.get("PointersToOtherLoTE", []))),
    )


def _pointers(value: object) -> Iterator[Pointer]:
    """The other lists that a list names."""
    if not isinstance(value, list) or len(value) > MAX_POINTERS:
        raise foreign_malformed("PointersToOtherLoTE is no list, or too long")
    for one in value:
        pointer = _mapping(one, "a pointer")
        location = pointer.get("LoTELocation")
        if not isinstance(location, str) or not 0 < len(location) <= 2048:
            raise foreign_malformed("a pointer has no LoTELocation")
        certificates: list[bytes] = []
        for identity in _several(pointer, "ServiceDigitalIdentities"):
            for found in _several(_mapping(identity, "an identity"), "X509Certificates"):
                text = found.get("val") if isinstance(found, dict) else found
                der = certificate_bytes(text) if isinstance(text, str) else None
                certificates += [] if der is None else [der]
        notes = [q for q in _several(pointer, "LoTEQualifiers") if isinstance(q, dict)]
        territory = next((q.get("SchemeTerritory") for q in notes if "SchemeTerritory" in q), "")
        yield Pointer(
            location=location,
            certificates=tuple(dict.fromkeys(certificates)),
            note=territory[:80] if isinstance(territory, str) else "",
        )


def _checked(
    token: Jws, keys: Sequence[PublicKey], certificates: Sequence[bytes], now: int
) -> dict[str, Any]:
    """The list inside a token that the verifier's own key or certificate signed."""
    chain = token.header.get("x5c", [])
    if not isinstance(chain, list) or len(chain) > 8:
        raise foreign_malformed("x5c is no chain of certificates")
    good, may_say = any(check_jws(token, key) for key in keys), None
    if not good and certificates and chain:
        signer = signer_key(chain, certificates, now)
        if signer is not None:
            key, may_say = signer
            good = check_jws(token, key)
    if not good:
        raise signature_wrong()
    words = _object(read_object(token.payload, "list.foreign-malformed", MAX_LIST), "LoTE")
    if may_say is not None:
        scheme = _object(words, "ListAndSchemeInformation")
        if _text(scheme.get("SchemeOperatorName"), "SchemeOperatorName") not in may_say:
            raise signature_wrong()
    return words


def signature_wrong() -> Tampered:
    """The problem of a list that the enrolled signer did not sign."""
    return Tampered(
        "list.signature-wrong",
        "the list was not signed by the key or certificate that its operator is known by",
        why="it was altered, another signed it, or the operator has a new key",
        hint="ask the operator for list and key by a way you trust; nothing was taken in",
    )


def _read_entity(value: object, passed_over: list[str]) -> Iterator[ForeignEntry]:
    entity = _mapping(value, "an entity")
    info = _object(entity, "TrustedEntityInformation")
    _no_critical(info.get("TEInformationExtensions"))
    name = _text(info.get("TEName"), "TEName")
    services = entity.get("TrustedEntityServices")
    if not isinstance(services, list) or not 0 < len(services) <= _MANY:
        raise foreign_malformed("an entity has no services, or too many")
    for one in services:
        service = _mapping(one, "a service")
        entry = _read_service(service, name)
        if entry is None:
            passed_over.append(name)
        else:
            yield entry


def _read_service(service: Mapping[str, Any], name: str) -> ForeignEntry | None:
    info = _object(service, "ServiceInformation")
    extensions = info.get("ServiceInformationExtensions")
    _no_critical(extensions)
    keys, names = _identity(info.get("ServiceDigitalIdentity"))
    member = member_named(names, keys)
    if member is None:
        return None
    state, until, scope, reason = _stated(info, extensions)
    since = info.get("StatusStartingTime")
    history = service.get("ServiceHistory", [])
    if not isinstance(history, list) or len(history) > 1000:
        raise foreign_malformed("ServiceHistory is no list, or too long")
    kind = info.get("ServiceTypeIdentifier")
    return ForeignEntry(
        member=member,
        name=name,
        types=(kind,) if isinstance(kind, str) and 0 < len(kind) <= 2048 else (),
        state=state,
        since=None if since is None else instant_of(since, "StatusStartingTime"),
        until=until,
        keys=keys,
        scope=scope,
        reason=reason,
        history=spells(
            [
                (
                    _was(spell),
                    instant_of(spell.get("StatusStartingTime"), "StatusStartingTime"),
                    (),
                )
                for spell in (_mapping(s, "a part of the history") for s in history)
            ]
        ),
    )


def spells(found: Sequence[tuple[Standing, int, tuple[str, ...]]]) -> tuple[Spell, ...]:
    """Earlier states in order, the newest first."""
    return tuple(
        Spell(state=state, since=since, types=types)
        for state, since, types in sorted(found, key=lambda one: -one[1])
    )


def _stated(
    info: Mapping[str, Any], extensions: object
) -> tuple[Standing, int | None, tuple[str, ...], str]:
    """The state of a service, when it ends, about whose names it is, and why it is in that state.
    A list without states lists what is granted.
    """
    status = info.get("ServiceStatus")
    state = Standing.GRANTED if status is None else _STATES.get(str(status), Standing.WITHDRAWN)
    until = None
    scope: tuple[str, ...] = ()
    reason = ""
    for one in extensions if isinstance(extensions, list) else ():
        terms = one.get(EXTENSION) if isinstance(one, dict) else None
        if isinstance(terms, dict):
            if state is Standing.WITHDRAWN and terms.get("state") == Standing.SUSPENDED.value:
                state = Standing.SUSPENDED
            if terms.get("until") is not None:
                until = instant_of(terms["until"], "until")
            reason = str(terms.get("reason") or "")[:_REASON]
            service = terms.get("service")
            names = service.get("scope", []) if isinstance(service, dict) else []
            if not isinstance(names, list) or len(names) > 1000:
                raise foreign_malformed("a scope is no list, or too long")
            scope = tuple(str(name)[:2048] for name in names)
    return state, until, scope, reason


def _identity(value: object) -> tuple[tuple[PublicKey, ...], list[object]]:
    """The keys and names of a service; keys of kinds that are not supported are left out."""
    identity = _mapping(value, "ServiceDigitalIdentity")
    keys: list[PublicKey] = []
    for certificate in _several(identity, "X509Certificates"):
        text = certificate.get("val") if isinstance(certificate, dict) else certificate
        found = listed_key(text) if isinstance(text, str) else None
        keys += [] if found is None else [found]
    for jwk in _several(identity, "PublicKeyValues"):
        try:
            keys.append(PublicKey.from_jwk(_mapping(jwk, "a key")))
        except Malformed as fault:
            if fault.code == "key.private":
                raise
    names = _several(identity, "OtherIds")
    return tuple(dict.fromkeys(keys)), names


def _was(spell: Mapping[str, Any]) -> Standing:
    """The state of a part of the history."""
    state, _, _, _ = _stated(spell, spell.get("ServiceInformationExtensions"))
    return Standing.WITHDRAWN if "ServiceStatus" not in spell else state


def _several(of: Mapping[str, Any], name: str) -> list[Any]:
    value = of.get(name, [])
    if not isinstance(value, list) or len(value) > _MANY:
        raise foreign_malformed(f"{name} is no list, or too long")
    return value


def _name_of(scheme: Mapping[str, Any], address: str) -> SubjectId:
    named = [
        one.get("list") for one in _several(scheme, "SchemeExtensions") if isinstance(one, dict)
    ]
    for text in (*named, *_several(scheme, "DistributionPoints"), address):
        if isinstance(text, str) and text:
            try:
                return canonical(text)
            except Malformed:
                continue
    raise foreign_malformed("it gives itself no name: no distribution point")


def _no_critical(extensions: object) -> None:
    if extensions is None:
        return
    if not isinstance(extensions, list):
        raise foreign_malformed("extensions are no list")
    for one in extensions:
        if isinstance(one, dict) and (one.get("critical") or one.get("Critical")):
            raise foreign_malformed("a critical extension that is not understood")


def _text(value: object, what: str) -> str:
    """The English value of a text in languages, else its first."""
    if not isinstance(value, list) or not 0 < len(value) <= _MANY:
        raise foreign_malformed(f"{what} is missing")
    items = [_mapping(one, what) for one in value]
    chosen = next((i for i in items if str(i.get("lang", "")).lower() == "en"), items[0])
    text = chosen.get("value")
    if not isinstance(text, str) or not text.strip():
        raise foreign_malformed(f"{what} is empty")
    return text[:400]


def _object(of: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _mapping(of.get(name), name)


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise foreign_malformed(f"{what} is no object")
    return value
