# SPDX-License-Identifier: Apache-2.0
"""in-toto: Statements v0.1 and v1 (bare, in a DSSE envelope, in a Sigstore bundle), and the links
and layouts of before.

Keeps: 1. What a statement is about is named by its digests (RFC 6920, SWHID), or by its own URI or
PURL. 2. A predicate that carries a CycloneDX or SPDX document is read as that document. 3. A
layout becomes a norm, a link becomes evidence and ties of its products to its materials.
4. Signatures are kept and judged with the keys at hand; unsigned is not refused, because an import
is the importer's word either way.
Standard: in-toto Attestation Framework v1, in-toto 0.9 metadata, DSSE v1, SLSA provenance v0.2, v1.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Norm, Reference, encode_payload
from kizuna.model.relation import Relation
from kizuna.proof.documents import names
from kizuna.proof.documents.bill import (
    MAX_STATEMENT_BYTES,
    Bill,
    Told,
    claim_values,
    draft,
    too_many_statements,
)
from kizuna.proof.documents.cyclonedx import CYCLONEDX
from kizuna.proof.documents.cyclonedx.vulnerabilities import instant
from kizuna.proof.documents.intoto_predicates import (
    KNOWN_PREDICATES,
    artifact,
    listing,
    mapping,
    predicate_claims,
    resource_name,
    tie_provenance,
    tie_resources,
)
from kizuna.proof.documents.jsontext import decode_json, pointer
from kizuna.proof.documents.names import clean, machine_name
from kizuna.proof.documents.signatures import judge_dsse, judge_in_toto
from kizuna.proof.documents.spdx import SPDX
from kizuna.proof.documents.values import (
    Draft,
    Imported,
    Importer,
    InnerSignature,
    Remark,
    SignatureResult,
    Source,
)
from kizuna.roots.keys import Algorithm, PublicKey

__all__ = ["IN_TOTO"]

Json = dict[str, Any]

_FORMAT: Final = "in-toto"
_STATEMENT: Final = "application/vnd.in-toto+json"
_DSSE: Final = "application/vnd.dsse.envelope.v1+json"
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"
_STATEMENTS: Final = ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1")
_MOST_SUBJECTS: Final = 2_000
_MOST_TIES: Final = 50_000

_STATEMENT_MEMBERS: Final = frozenset({"_type", "subject", "predicateType", "predicate"})
_DSSE_MEMBERS: Final = frozenset({"payload", "payloadType", "signatures"})
_RESOURCE_MEMBERS: Final = frozenset(
    {"name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"}
)
_LINK_MEMBERS: Final = frozenset(
    {"_type", "name", "command", "materials", "products", "byproducts", "environment"}
)
_LAYOUT_MEMBERS: Final = frozenset(
    {"_type", "steps", "inspect", "keys", "expires", "readme", "rootcas", "intermediatecas"}
)


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


def _matches(source: Source) -> bool:
    return any(test(source.value) for test in (_is_dsse, _is_statement, _is_legacy, _is_bundle))


def _read(source: Source) -> Imported:
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
        remarks = _unknown(value, frozenset({"signed", "signatures"}), "")
        return _read_metadata(
            source, value["signed"], "/signed", "application/json", judged, remarks
        )
    return _read_statement(source, value, "", _STATEMENT, (), [])


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
    imported = _read_envelope(source, envelope, "/dsseEnvelope")
    return replace(
        imported, remarks=(*imported.remarks, Remark("/verificationMaterial", "kept-only"))
    )


def _read_envelope(source: Source, value: Json, where: str) -> Imported:
    kind = value.get("payloadType")
    payload = value.get("payload")
    signatures = value.get("signatures")
    if not isinstance(kind, str) or not isinstance(payload, str):
        raise _fault(f"{where}/payload", "payload and payloadType are text")
    if signatures is not None and not isinstance(signatures, list):
        raise _fault(f"{where}/signatures", "signatures are a list")
    try:
        body = b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        try:
            body = b64decode(payload.replace("-", "+").replace("_", "/") + "==", validate=False)
        except (binascii.Error, ValueError) as fault:
            raise _fault(f"{where}/payload", "not base64") from fault
    judged = tuple(
        replace(one, where=where + one.where)
        for one in judge_dsse(kind, body, signatures or [], source.key_ring())
    )
    remarks = _unknown(value, _DSSE_MEMBERS, where)
    inner = decode_json(body)
    place = f"{where}/payload"
    if _is_statement(inner):
        return _read_statement(source, inner, place, _DSSE, judged, remarks)
    if isinstance(inner, dict) and inner.get("_type") in ("link", "layout"):
        return _read_metadata(source, inner, place, _DSSE, judged, remarks)
    return _read_other(source, inner, body, place, _DSSE, judged, remarks, None)


# statements ------------------------------------------------------------------------------------


def _read_statement(
    source: Source,
    value: Json,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    if value.get("_type") not in _STATEMENTS:
        raise Malformed(
            "document.version-unsupported",
            f"in-toto Statement {str(value.get('_type'))[:80]!r} is not read here",
            why="read are v0.1 and v1",
            hint="write the statement in one of these versions",
            format=_FORMAT,
            version=str(value.get("_type"))[:80],
        )
    remarks = [*remarks, *_unknown(value, _STATEMENT_MEMBERS, where)]
    kind = value.get("predicateType")
    entries = value.get("subject")
    if not isinstance(kind, str) or not kind:
        raise _fault(f"{where}/predicateType", "predicateType is missing")
    if not isinstance(entries, list) or not entries:
        raise _fault(f"{where}/subject", "a statement is about at least one subject")
    if len(entries) > _MOST_SUBJECTS:
        raise _too_many(len(entries))
    predicate = value.get("predicate")
    if predicate is not None and not isinstance(predicate, dict):
        raise _fault(f"{where}/predicate", "predicate is an object")
    predicate = predicate or {}
    subjects: list[tuple[SubjectId, Json]] = []
    for place, entry in enumerate(entries):
        here = f"{where}/subject/{place}"
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), dict):
            raise _fault(here, "a subject has a digest")
        remarks += _unknown(entry, _RESOURCE_MEMBERS, here)
        name = resource_name(entry)
        if name is None:
            remarks.append(Remark(here, "identifier-unreadable", clean(entry.get("name"), 200)))
        else:
            subjects.append((name, entry))
    root = subjects[0][0] if len(subjects) == 1 else None
    if _carried(kind) is not None and isinstance(predicate, dict):
        inner = predicate.get("Data", predicate)
        if isinstance(inner, dict):
            body = source.data
            return _read_other(
                source, inner, body, f"{where}/predicate", media_type, judged, remarks, root
            )
    sort = KNOWN_PREDICATES.get(kind) or machine_name(
        kind.removeprefix("https://").removeprefix("http://")
    )
    sort = sort or f"predicate:{digest_of(kind.encode()).hex()[:16]}"
    said = predicate_claims(sort, kind, predicate)
    about = {**said, "predicate_type": kind, **_signature_claims(judged)}
    if not said and predicate:
        remarks.append(Remark(f"{where}/predicate", "kept-only"))
    claim = Claim(
        type=sort,
        claims=claim_values(about),
        evidence=[_reference(source, media_type)],
        imported=True,
    )
    tied = max(
        len(listing(mapping(predicate.get("buildDefinition")).get("resolvedDependencies"))),
        len(listing(predicate.get("materials"))),
    )
    if len(subjects) * tied > _MOST_TIES:
        raise _too_many(len(subjects) * tied)
    if len(subjects) * len(encode_payload(claim)) > MAX_STATEMENT_BYTES:
        raise too_many_statements()
    drafts: list[Draft] = []
    told = Told()
    for subject, entry in subjects:
        bill = Bill(subject, _FORMAT)
        bill.add(artifact(subject, entry, here=f"{where}/subject"))
        if sort == "slsa-provenance":
            tie_provenance(bill, subject, predicate, remarks, f"{where}/predicate")
        if sort == "in-toto-link":
            materials = predicate.get("materials")
            tie_resources(bill, subject, materials, remarks, f"{where}/predicate/materials")
        drafts += bill.drafts([], part=f"in-toto:{sort}"[:180], told=told)
        drafts.append(draft(Kind.EVIDENCE, subject, claim))
    return _imported(source, f"{_FORMAT} Statement", root, drafts, media_type, judged, remarks)


# links and layouts of before -------------------------------------------------------------------


def _read_metadata(
    source: Source,
    signed: Json,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    if signed.get("_type") == "layout":
        return _read_layout(source, signed, where, media_type, judged, remarks)
    remarks = [*remarks, *_unknown(signed, _LINK_MEMBERS, where)]
    for member in ("materials", "products"):
        if not isinstance(signed.get(member, {}), dict):
            raise _fault(f"{where}/{member}", "a table of files and their digests")
    if not isinstance(signed.get("name"), str):
        raise _fault(f"{where}/name", "a link names its step")
    products, materials = mapping(signed.get("products")), mapping(signed.get("materials"))
    if len(products) > _MOST_SUBJECTS or len(products) * len(materials) > _MOST_TIES:
        raise _too_many(len(products) * len(materials))
    step = machine_name(signed["name"]) or "step"
    command = signed.get("command")
    about = claim_values(
        {
            "step": signed["name"],
            "command": " ".join(map(str, command)) if isinstance(command, list) else command,
            "return_value": mapping(signed.get("byproducts")).get("return-value"),
            "materials": list(materials)[:100],
            **_signature_claims(judged),
        }
    )
    if len(products) * len(encode_payload(Claim(type=step, claims=about))) > MAX_STATEMENT_BYTES:
        raise too_many_statements()
    drafts: list[Draft] = []
    told = Told()
    made: list[SubjectId] = []
    for path, digests in products.items():
        subject = names.named_by_digests(digests)
        if subject is None:
            place = f"{where}/products{pointer([path])}"
            remarks.append(Remark(place, "identifier-unreadable", clean(path, 200)))
            continue
        made.append(subject)
        bill = Bill(subject, _FORMAT)
        bill.add(artifact(subject, {"name": path, "digest": digests}, here=where))
        for other_path, other_digests in materials.items():
            other = names.named_by_digests(other_digests)
            if other is not None:
                entry = {"name": other_path, "digest": other_digests}
                bill.add(artifact(other, entry, here=where))
                bill.tie(subject, Relation.DERIVED_FROM, other)
        drafts += bill.drafts([], part=f"in-toto:{step}"[:180], told=told)
        claim = Claim(
            type=f"in-toto-link:{step}"[:200],
            claims={**about, "product": clean(path, 1000)},
            evidence=[_reference(source, media_type)],
            imported=True,
        )
        drafts.append(draft(Kind.EVIDENCE, subject, claim))
    root = made[0] if len(set(made)) == 1 else None
    return _imported(source, f"{_FORMAT} link", root, drafts, media_type, judged, remarks)


def _read_layout(
    source: Source,
    signed: Json,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    remarks = [*remarks, *_unknown(signed, _LAYOUT_MEMBERS, where)]
    for member in ("steps", "inspect"):
        if not isinstance(signed.get(member, []), list):
            raise _fault(f"{where}/{member}", "a list")
    subject = names.document_name(source.data)
    ends = instant(signed.get("expires"))
    if signed.get("expires") and ends is None:
        raise _fault(f"{where}/expires", "the end of a layout's validity cannot be read")
    steps = [
        {
            "name": clean(step.get("name"), 200),
            "command": [clean(str(word), 1000) for word in listing(step.get("expected_command"))],
            "keys": [clean(str(key), 200) for key in listing(step.get("pubkeys"))],
            "threshold": _threshold(step.get("threshold")),
        }
        for step in listing(signed.get("steps"))
        if isinstance(step, dict)
    ]
    norm = Norm(
        type="in-toto-layout",
        name=machine_name(source.name.rpartition("/")[2].partition(".")[0]) or "layout",
        version=digest_of(source.data).hex()[:16],
        document={
            "steps": steps[:1000],
            "keys": [clean(key, 200) for key in mapping(signed.get("keys"))][:1000],
            "document": digest_of(source.data).hex(),
        },
        valid_until=ends,
        title=clean(signed.get("readme")) or None,
        ext={"imported": True},
    )
    drafts = [draft(Kind.NORM, subject, norm)]
    imported = _imported(source, f"{_FORMAT} layout", None, drafts, media_type, judged, remarks)
    return replace(imported, keys=_keys(mapping(signed.get("keys"))))


def _keys(listed: Json) -> dict[str, PublicKey]:
    """The public keys that a layout lists for its links; unusable ones are left out."""
    made: dict[str, PublicKey] = {}
    for key_id, entry in list(listed.items())[:1000]:
        text = mapping(mapping(entry).get("keyval")).get("public")
        if not isinstance(text, str):
            continue
        try:
            if text.lstrip().startswith("-----BEGIN"):
                made[key_id] = PublicKey.from_pem(text.encode())
            else:
                made[key_id] = PublicKey.from_raw(Algorithm.EDDSA, bytes.fromhex(text))
        except (Malformed, ValueError):
            continue
    return made


# documents inside ------------------------------------------------------------------------------


def _carried(predicate_type: str) -> Importer | None:
    if predicate_type.startswith("https://cyclonedx.org/bom"):
        return CYCLONEDX
    if predicate_type.startswith("https://spdx.dev/Document"):
        return SPDX
    return None


def _read_other(
    source: Source,
    inner: object,
    body: bytes,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
    about: SubjectId | None,
) -> Imported:
    """A document of another format inside an envelope or a predicate, read as what it is."""
    found = replace(source, data=body, value=inner)
    importer = next((one for one in (CYCLONEDX, SPDX) if one.matches(found)), None)
    if importer is None:
        raise Malformed(
            "document.unrecognised",
            f"what stands at {where} fits none of the formats that are read here",
            why="read are in-toto statements, CycloneDX and SPDX",
            hint="import the inner document on its own",
            name=source.name[:200],
        )
    imported = importer.read(found)
    drafts = [
        one
        if one.media_type != imported.media_type
        else replace(one, payload=source.data, media_type=media_type)
        for one in imported.statements
    ]
    if about is not None and imported.root is not None and about != imported.root:
        bill = Bill(about, _FORMAT)
        bill.tie(about, Relation.SAME_AS, imported.root)
        drafts += bill.drafts([], part="in-toto:bill")
    return replace(
        imported,
        root=imported.root or about,
        statements=tuple(drafts),
        media_type=media_type,
        document=source.data,
        remarks=(
            *remarks,
            *(replace(one, where=f"{where}{one.where}") for one in imported.remarks),
        ),
        inner_signatures=(
            *judged,
            *(replace(one, where=f"{where}{one.where}") for one in imported.inner_signatures),
        ),
    )


def _imported(
    source: Source,
    format_name: str,
    root: SubjectId | None,
    drafts: list[Draft],
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    subject = root or names.document_name(source.data)
    document = Draft(
        kind=Kind.EVIDENCE, subject=subject, payload=source.data, media_type=media_type
    )
    return Imported(
        format=format_name,
        root=root,
        statements=(*drafts, document),
        media_type=media_type,
        document=source.data,
        remarks=tuple(remarks),
        inner_signatures=judged,
    )


def _signature_claims(judged: tuple[InnerSignature, ...]) -> dict[str, Any]:
    results = [one.result for one in judged]
    return {
        "signatures": len(judged),
        "signatures_valid": results.count(SignatureResult.VALID),
        "signatures_wrong": results.count(SignatureResult.WRONG),
        "signers": [one.key_id for one in judged],
    }


# small things ----------------------------------------------------------------------------------


def _threshold(value: object) -> int:
    """How many must sign; what is no such number asks for more than can ever sign."""
    if value is None:
        return 1
    sound = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000
    return int(str(value)) if sound else 10_000


def _unknown(value: Mapping[str, Any], known: frozenset[str], where: str) -> list[Remark]:
    return [
        Remark(f"{where}{pointer([name])}", "unknown-member", name[:80])
        for name in value
        if name not in known
    ]


def _reference(source: Source, media_type: str) -> Reference:
    return Reference(sha256=digest_of(source.data).hex(), media_type=media_type)


def _fault(where: str, why: str) -> Malformed:
    return Malformed(
        "document.shape",
        f"not sound in-toto metadata: at {where}: {why}",
        why=why,
        hint="mend that place, or ask whoever made the document for one that follows its standard",
        where=where,
        format=_FORMAT,
        fault=why,
    )


def _too_many(count: int) -> Malformed:
    return Malformed(
        "document.too-many-parts",
        f"{count} artifacts or ties in one statement, at most {_MOST_TIES}",
        hint="attest fewer artifacts at a time",
        limit=_MOST_TIES,
    )


IN_TOTO = Importer(format=_FORMAT, media_type=_STATEMENT, matches=_matches, read=_read)
