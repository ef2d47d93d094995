# SPDX-License-Identifier: Apache-2.0
"""How in-toto metadata are wrapped: bare, in a DSSE envelope, in a Sigstore bundle, or signed as
links and layouts are.

Keeps: signatures are kept and judged with the keys at hand; unsigned is not refused, because an
import is the importer's word either way.
Standard: DSSE v1, in-toto 0.9 metadata.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import replace
from typing import Final

from kizuna.model.errors import Malformed
from kizuna.proof.documents.intoto.layouts import read_metadata
from kizuna.proof.documents.intoto.predicates import mapping
from kizuna.proof.documents.intoto.shape import DSSE, STATEMENT, Json, fault, unknown
from kizuna.proof.documents.intoto.statements import read_other, read_statement
from kizuna.proof.documents.jsontext import decode_json
from kizuna.proof.documents.signatures import judge_dsse, judge_in_toto
from kizuna.proof.documents.values import Imported, Remark, Source

__all__ = ["is_in_toto", "read_in_toto"]

_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_DSSE_MEMBERS: Final = frozenset({"payload", "payloadType", "signatures"})


def is_in_toto(source: Source) -> bool:
    """Whether it is any of these."""
    return any(test(source.value) for test in (_is_dsse, _is_statement, _is_legacy, _is_bundle))


def read_in_toto(source: Source) -> Imported:
    """The statements that in-toto metadata come to.

    Raises:
        Malformed: ``document.shape``, ``document.encoding``, ``document.too-many-parts``, and those
            of the document that a predicate carries.
    """
    value: Json = source.value
    if _is_bundle(value):
        return _read_bundle(source, value)
    if _is_dsse(value):
        return _read_envelope(source, value, "")
    if _is_legacy(value):
        signatures = value.get("signatures")
        judged = judge_in_toto(
            value["signed"], signatures if isinstance(signatures, list) else [], source.key_ring()
        )
        remarks = unknown(value, frozenset({"signed", "signatures"}), "")
        return read_metadata(
            source, value["signed"], "/signed", "application/json", judged, remarks
        )
    return read_statement(source, value, "", STATEMENT, (), [])


def _read_bundle(source: Source, value: Json) -> Imported:
    envelope: Json = mapping(value.get("dsseEnvelope"))
    if not _is_dsse(envelope):
        raise Malformed(
            "document.format-unsupported",
            "a Sigstore bundle without an attestation is not read here",
            why="it holds a signature over something else",
            hint="bundle the attestation itself (dsseEnvelope)",
            format="Sigstore bundle",
            instead="a bundle with a DSSE envelope",
            name=source.name[:200],
        )
    inside = _read_envelope(source, envelope, "/dsseEnvelope")
    return replace(inside, remarks=(*inside.remarks, Remark("/verificationMaterial", "kept-only")))


def _read_envelope(source: Source, value: Json, where: str) -> Imported:
    kind = value.get("payloadType")
    payload = value.get("payload")
    signatures = value.get("signatures")
    if not isinstance(kind, str) or not isinstance(payload, str):
        raise fault(f"{where}/payload", "payload and payloadType are text")
    if signatures is not None and not isinstance(signatures, list):
        raise fault(f"{where}/signatures", "signatures are a list")
    try:
        body = b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        try:
            body = b64decode(payload.replace("-", "+").replace("_", "/") + "==", validate=False)
        except (binascii.Error, ValueError) as wrong:
            raise fault(f"{where}/payload", "not base64") from wrong
    judged = tuple(
        replace(one, where=where + one.where)
        for one in judge_dsse(kind, body, signatures or [], source.key_ring())
    )
    remarks = unknown(value, _DSSE_MEMBERS, where)
    inner = decode_json(body)
    place = f"{where}/payload"
    if _is_statement(inner):
        return read_statement(source, inner, place, DSSE, judged, remarks)
    if isinstance(inner, dict) and inner.get("_type") in ("link", "layout"):
        return read_metadata(source, inner, place, DSSE, judged, remarks)
    return read_other(source, inner, body, place, DSSE, judged, remarks, None)


def _is_dsse(value: object) -> bool:
    return isinstance(value, dict) and {"payload", "payloadType"} <= value.keys()


def _is_statement(value: object) -> bool:
    return isinstance(value, dict) and str(value.get("_type", "")).startswith(
        "https://in-toto.io/Statement/"
    )


def _is_legacy(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("signed"), dict)
        and value["signed"].get("_type") in ("link", "layout")
    )


def _is_bundle(value: object) -> bool:
    return isinstance(value, dict) and str(value.get("mediaType", "")).startswith(_BUNDLE)
