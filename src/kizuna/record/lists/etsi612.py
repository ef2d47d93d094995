# SPDX-License-Identifier: Apache-2.0
"""Trusted lists in XML, signed as XAdES, read: those of the European Union and their like.

Keeps: 1. Read is what the verifier's certificate signed, all of it, and nothing beside it. 2. A
service is what its key is: an issuer known by certificate gets the name of its key. 3. A state or a
critical extension that is not understood grants nothing.
Standard: ETSI TS 119 612 v2.3.1 (versions 5 and 6 of the format).
Does not: follow pointers to other lists: each list is taken in by the verifier, under its own name.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final
from xml.etree.ElementTree import Element

from kizuna.model.errors import Malformed, Misconfigured
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.payload import Standing
from kizuna.record.lists.etsi602 import MAX_LIST, signature_wrong, spells
from kizuna.record.lists.foreign import (
    MAX_FOREIGN_ENTRIES,
    MAX_POINTERS,
    ForeignEntry,
    ForeignList,
    Pointer,
    by_member,
    foreign_malformed,
    instant_of,
    member_named,
)
from kizuna.roots.certified import certificate_bytes, listed_key
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_xml import read_xml

__all__ = ["XML_STANDARD", "read_trusted_list"]

XML_STANDARD: Final = "ETSI TS 119 612 v2.3.1"
_NS: Final = "{http://uri.etsi.org/02231/v2#}"
_CODE: Final = "list.foreign-malformed"
_CURRENT: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
_FORMER: Final = "http://uri.etsi.org/TrstSvc/Svcstatus/eSigDir-1999-93-EC-TrustedList/"
_GRANTED: Final = frozenset(
    {
        *(_CURRENT + word for word in ("granted", "recognisedatnationallevel")),
        *(
            prefix + word
            for prefix in (_CURRENT, _FORMER)
            for word in (
                "undersupervision",
                "supervisionincessation",
                "accredited",
                "setbynationallaw",
            )
        ),
    }
)
_EXTENSIONS: Final = frozenset(
    {
        _NS + "AdditionalServiceInformation",
        "{http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#}Qualifications",
        "{http://uri.etsi.org/02231/v2/additionaltypes#}TakenOverBy",
        "{http://uri.etsi.org/02231/v2/additionaltypes#}ExpiredCertsRevocationInfo",
        _NS + "ExpiredCertsRevocationInfo",
    }
)
"""Critical extensions that take nothing away from what a service's type says here."""
_MANY: Final = 5_000


def read_trusted_list(
    data: bytes, *, certificates: tuple[bytes, ...], now: int, address: str = ""
) -> ForeignList:
    """A list that one of the verifier's certificates (DER) signed as a whole.

    Raises:
        Malformed: ``list.foreign-malformed``. Misconfigured: ``list.xml-missing``. Tampered:
        ``list.signature-wrong``, ``list.two-names``, ``list.claimed-twice``.
    """
    try:  # the library for signed XML is large: who reads no such list does not pay for it
        from kizuna.roots.xml_signature import signed_document  # noqa: PLC0415
    except ImportError as fault:
        raise Misconfigured(
            "list.xml-missing",
            "signed XML cannot be checked: the library for it is not installed",
            why=str(fault),
            hint="pip install 'kizuna[lists]'",
        ) from fault

    root = _NS + "TrustServiceStatusList"
    signed = signed_document(data, root, certificates, now, code=_CODE, limit=MAX_LIST)
    if signed is None:
        raise signature_wrong()
    tree = read_xml(signed, _CODE, MAX_LIST)
    scheme = _one(tree, "SchemeInformation")
    sequence = _text(scheme, "TSLSequenceNumber")
    if _text(scheme, "TSLVersionIdentifier") not in ("5", "6"):
        raise foreign_malformed("TSLVersionIdentifier is not 5 or 6")
    if not sequence.isascii() or not sequence.isdigit() or len(sequence) > 15:
        raise foreign_malformed("TSLSequenceNumber is no number")
    providers = tree.findall(f"{_NS}TrustServiceProviderList/{_NS}TrustServiceProvider")
    passed_over: list[str] = []
    entries: list[ForeignEntry] = []
    for provider in providers:
        entries += _provider(provider, passed_over)
        if len(entries) > MAX_FOREIGN_ENTRIES:
            raise foreign_malformed("too many services")
    by_member(entries)
    issued = instant_of(_text(scheme, "ListIssueDateTime"), "ListIssueDateTime")
    due = scheme.find(f"{_NS}NextUpdate/{_NS}dateTime")
    return ForeignList(
        id=_name_of(scheme, address),
        operator=_named(scheme, "SchemeOperatorName") or "–",
        title=_named(scheme, "SchemeName"),
        sequence=int(sequence),
        issued=issued,
        # a list that is closed has no next issue
        next_update=issued if due is None else instant_of((due.text or "").strip(), "NextUpdate"),
        entries=tuple(entries),
        standard=XML_STANDARD,
        document=sha256(data).digest(),
        passed_over=tuple(passed_over),
        pointers=tuple(_pointers(scheme)),
    )


def _pointers(scheme: Element) -> Iterator[Pointer]:
    """The other lists that a list names."""
    found = scheme.findall(f"{_NS}PointersToOtherTSL/{_NS}OtherTSLPointer")
    if len(found) > MAX_POINTERS:
        raise foreign_malformed("too many pointers to other lists")
    for one in found:
        location = (one.findtext(f"{_NS}TSLLocation") or "").strip()
        if not 0 < len(location) <= 2048:
            raise foreign_malformed("a pointer has no TSLLocation")
        path = f"{_NS}ServiceDigitalIdentities/{_NS}ServiceDigitalIdentity/{_NS}DigitalId"
        texts = [(c.text or "") for c in one.findall(f"{path}/{_NS}X509Certificate")[:64]]
        territory = one.find(f".//{_NS}SchemeTerritory")
        yield Pointer(
            location=location,
            certificates=tuple(
                dict.fromkeys(der for text in texts if (der := certificate_bytes(text)) is not None)
            ),
            note=((territory.text or "").strip()[:80]) if territory is not None else "",
        )


def _provider(provider: Element, passed_over: list[str]) -> Iterator[ForeignEntry]:
    info = _one(provider, "TSPInformation")
    name = _named(info, "TSPName")
    if not name:
        raise foreign_malformed("a provider has no name")
    services = provider.findall(f"{_NS}TSPServices/{_NS}TSPService")
    if len(services) > _MANY:
        raise foreign_malformed("a provider has too many services")
    for service in services:
        entry = _service(service, name)
        if entry is None:
            passed_over.append(
                f"{name}: {_named(_one(service, 'ServiceInformation'), 'ServiceName')}"
            )
        else:
            yield entry


def _service(service: Element, name: str) -> ForeignEntry | None:
    info = _one(service, "ServiceInformation")
    keys, names = _identity(info)
    member = member_named(names, keys)
    if member is None:
        return None
    state, since, types = _spell(info)
    history = service.findall(f"{_NS}ServiceHistory/{_NS}ServiceHistoryInstance")
    if len(history) > _MANY:
        raise foreign_malformed("a history is too long")
    return ForeignEntry(
        member=member,
        name=name,
        types=types,
        state=state,
        since=since,
        keys=keys,
        history=spells([_spell(one) for one in history]),
    )


def _spell(info: Element) -> tuple[Standing, int, tuple[str, ...]]:
    """The state, since when, and the types of a service in one time."""
    state = Standing.GRANTED if _text(info, "ServiceStatus") in _GRANTED else Standing.WITHDRAWN
    types = [_text(info, "ServiceTypeIdentifier")]
    for extension in info.findall(f"{_NS}ServiceInformationExtensions/{_NS}Extension"):
        critical = extension.get("Critical", "false").strip() in ("true", "1")
        for inner in extension:
            if critical and inner.tag not in _EXTENSIONS:
                state = Standing.WITHDRAWN
            if inner.tag == _NS + "AdditionalServiceInformation":
                uri = inner.find(f"{_NS}URI")
                types += [uri.text.strip()] if uri is not None and uri.text else []
    since = instant_of(_text(info, "StatusStartingTime"), "StatusStartingTime")
    return state, since, tuple(dict.fromkeys(t[:2048] for t in types))


def _identity(info: Element) -> tuple[tuple[PublicKey, ...], list[object]]:
    keys: list[PublicKey] = []
    names: list[object] = []
    for one in info.findall(f"{_NS}ServiceDigitalIdentity/{_NS}DigitalId")[:64]:
        certificate = one.find(f"{_NS}X509Certificate")
        if certificate is not None and certificate.text:
            key = listed_key(certificate.text)
            keys += [] if key is None else [key]
        other = one.find(f"{_NS}Other")
        if other is not None:
            names += [(part.text or "").strip() for part in other.iter() if part.text]
    return tuple(dict.fromkeys(keys)), names


def _name_of(scheme: Element, address: str) -> SubjectId:
    named = [*scheme.findall(f"{_NS}DistributionPoints/{_NS}URI")]
    named += scheme.findall(f"{_NS}SchemeInformationURI/{_NS}URI")
    for text in (*((n.text or "").strip() for n in named[:100]), address):
        if text:
            try:
                return canonical(text)
            except Malformed:
                continue
    raise foreign_malformed("it gives itself no name: no distribution point")


def _named(of: Element, what: str) -> str:
    """The English name, else the first; empty where there is none."""
    names = of.findall(f"{_NS}{what}/{_NS}Name")
    english = [n for n in names if n.get("{http://www.w3.org/XML/1998/namespace}lang") == "en"]
    return ((english or names)[0].text or "").strip()[:400] if names else ""


def _one(of: Element, name: str) -> Element:
    found = of.find(_NS + name)
    if found is None:
        raise foreign_malformed(f"{name} is missing")
    return found


def _text(of: Element, name: str) -> str:
    text = (_one(of, name).text or "").strip()
    if not text:
        raise foreign_malformed(f"{name} is empty")
    return text
