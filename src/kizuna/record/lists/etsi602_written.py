# SPDX-License-Identifier: Apache-2.0
"""Lists of trusted entities in JSON (LoTE), signed as compact JAdES, written.

Keeps: 1. Written from registered entries alone: state, since when, and the states before. 2. What
the standard has no words for (kinds, claims, scope, level, a suspension) stands in an extension,
and a reader without it sees less, never more: a suspended entry reads ``withdrawn`` to it.
Standard: ETSI TS 119 602 v1.1.1 (JSON binding), ETSI TS 119 182-1 v1.2.1 (JAdES B-B).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import msgspec

from kizuna.model.identifier import SubjectId
from kizuna.model.payload import Service, Standing
from kizuna.record.lists.etsi602 import EXTENSION, GRANTED, WITHDRAWN
from kizuna.record.lists.foreign import iso
from kizuna.record.lists.state import Entry, ListState
from kizuna.roots import base64url
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.units import Handle, Unit

__all__ = ["Scheme", "write_lote"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What a list says of itself."""

    list_id: SubjectId
    operator: str
    """The operator's name, for people; the signer's certificate carries it too."""
    title: str
    sequence: int
    issued: int
    next_update: int
    territory: str = ""
    """Two letters of ISO 3166-1, or EU; empty where the scheme has none."""
    locations: tuple[str, ...] = ()
    """Addresses where it is served."""


def write_lote(
    unit: Unit,
    handle: Handle,
    state: ListState,
    scheme: Scheme,
    *,
    keys: Mapping[SubjectId, Sequence[PublicKey]],
    certificate: bytes = b"",
) -> bytes:
    """The signed list.

    Args:
        unit: signs.
        handle: the operator's key.
        state: the entries.
        scheme: what the list says of itself.
        keys: the keys of each member, where they are known.
        certificate: the operator's certificate (DER); where there is none, readers need the key.
    """
    words: dict[str, Any] = {
        "LoTE": {
            "ListAndSchemeInformation": _scheme(scheme),
            "TrustedEntitiesList": [
                _entity(entry, keys.get(entry.member, ()), scheme)
                for entry in state.entries.values()
            ],
        }
    }
    if not state.entries:
        del words["LoTE"]["TrustedEntitiesList"]  # the schema knows no empty list
    payload = json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode()
    header: dict[str, Any] = {"typ": "JOSE", "iat": scheme.issued}
    if certificate:
        header["x5c"] = [base64.b64encode(certificate).decode()]
        header["x5t#S256"] = base64url.encode(sha256(certificate).digest())
    return sign_jws(unit, handle, payload, header)


def _scheme(scheme: Scheme) -> dict[str, Any]:
    told: dict[str, Any] = {
        "LoTEVersionIdentifier": 1,
        "LoTESequenceNumber": scheme.sequence,
        "SchemeOperatorName": _said(scheme.operator),
        "SchemeName": _said(scheme.title or scheme.operator),
        "ListIssueDateTime": iso(scheme.issued),
        "NextUpdate": iso(scheme.next_update),
        "SchemeExtensions": [{"list": scheme.list_id}],
    }
    if scheme.territory:
        told["SchemeTerritory"] = scheme.territory
    if scheme.locations:
        told["DistributionPoints"] = list(scheme.locations)
    return told


def _entity(entry: Entry, keys: Sequence[PublicKey], scheme: Scheme) -> dict[str, Any]:
    name = _said(entry.name or entry.member)
    identity: dict[str, Any] = {"OtherIds": [entry.member]}
    if keys:
        identity["PublicKeyValues"] = [key.to_jwk() for key in keys]
    return {
        "TrustedEntityInformation": {
            "TEName": name,
            "TEAddress": {
                "TEPostalAddress": [{"lang": "en", "StreetAddress": "-", "Country": "ZZ"}],
                "TEElectronicAddress": [{"lang": "en", "uriValue": entry.member}],
            },
            "TEInformationURI": [{"lang": "en", "uriValue": entry.member}],
        },
        "TrustedEntityServices": [
            _service(entry, service, identity, name, scheme) for service in _services(entry)
        ],
    }


def _services(entry: Entry) -> Iterator[Service]:
    """Every service that the entry has or had, each type once."""
    seen: set[str] = set()
    for step in entry.history():
        for service in step.services:
            if service.type not in seen:
                seen.add(service.type)
                yield service


def _service(
    entry: Entry,
    service: Service,
    identity: dict[str, Any],
    name: list[dict[str, str]],
    scheme: Scheme,
) -> dict[str, Any]:
    steps = [
        (state, step)
        for step in entry.history()
        if (state := _state(step, service.type, scheme.issued)) is not None
    ]
    # one line for each change of state, the newest first: where that state began
    turns = [now for now, before in pairwise(steps) if now[0] != before[0]]
    (state, since), *earlier = [*turns, steps[-1]]
    kind = f"{scheme.list_id}#{service.type}"
    terms = msgspec.to_builtins(service)
    told: dict[str, Any] = {
        "ServiceInformation": {
            "ServiceName": name,
            "ServiceDigitalIdentity": identity,
            "ServiceTypeIdentifier": kind,
            "ServiceStatus": GRANTED if state is Standing.GRANTED else WITHDRAWN,
            "StatusStartingTime": iso(since.since.earliest),
            "ServiceInformationExtensions": [
                {
                    EXTENSION: {
                        "state": state.value,
                        "statement": since.statement,
                        **({"reason": since.reason} if since.reason else {}),
                        **({"until": iso(entry.valid_until)} if entry.valid_until else {}),
                        "service": terms,
                    }
                }
            ],
        }
    }
    if earlier:
        told["ServiceHistory"] = [
            {
                "ServiceName": name,
                "ServiceDigitalIdentity": identity,
                "ServiceTypeIdentifier": kind,
                "ServiceStatus": GRANTED if was is Standing.GRANTED else WITHDRAWN,
                "StatusStartingTime": iso(step.since.earliest),
                **(
                    {"ServiceInformationExtensions": [{EXTENSION: {"state": was.value}}]}
                    if was is Standing.SUSPENDED
                    else {}
                ),
            }
            for was, step in earlier
        ]
    return told


def _state(step: Entry, kind: str, at: int) -> Standing | None:
    """The state of one service in one step of an entry; None before it was first granted."""
    if not any(s.type == kind for s in step.services):
        return Standing.WITHDRAWN if step.before else None
    ended = step.valid_until is not None and at >= step.valid_until
    return Standing.WITHDRAWN if ended else step.state


def _said(text: str) -> list[dict[str, str]]:
    return [{"lang": "en", "value": text}]
