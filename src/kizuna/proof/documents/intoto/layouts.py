# SPDX-License-Identifier: Apache-2.0
"""in-toto links and layouts of before the attestation framework.

Keeps: a layout becomes a norm, a link becomes evidence and ties of its products to its materials.
Standard: in-toto 0.9 metadata.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Norm, encode_payload
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
from kizuna.proof.documents.cyclonedx.vulnerabilities import instant
from kizuna.proof.documents.intoto.predicates import artifact, listing, mapping
from kizuna.proof.documents.intoto.shape import (
    FORMAT,
    MOST_SUBJECTS,
    MOST_TIES,
    Json,
    fault,
    imported,
    reference,
    signature_claims,
    too_many,
    unknown,
)
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.names import clean, machine_name
from kizuna.proof.documents.values import Draft, Imported, InnerSignature, Remark, Source
from kizuna.roots.keys import Algorithm, PublicKey

__all__ = ["read_metadata"]

_LINK_MEMBERS: Final = frozenset(
    {"_type", "name", "command", "materials", "products", "byproducts", "environment"}
)
_LAYOUT_MEMBERS: Final = frozenset(
    {"_type", "steps", "inspect", "keys", "expires", "readme", "rootcas", "intermediatecas"}
)


def read_metadata(
    source: Source,
    signed: Json,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    """What a link or a layout comes to."""
    if signed.get("_type") == "layout":
        return _read_layout(source, signed, where, media_type, judged, remarks)
    remarks = [*remarks, *unknown(signed, _LINK_MEMBERS, where)]
    for member in ("materials", "products"):
        if not isinstance(signed.get(member, {}), dict):
            raise fault(f"{where}/{member}", "a table of files and their digests")
    if not isinstance(signed.get("name"), str):
        raise fault(f"{where}/name", "a link names its step")
    products, materials = mapping(signed.get("products")), mapping(signed.get("materials"))
    if len(products) > MOST_SUBJECTS or len(products) * len(materials) > MOST_TIES:
        raise too_many(len(products) * len(materials))
    step = machine_name(signed["name"]) or "step"
    command = signed.get("command")
    about = claim_values(
        {
            "step": signed["name"],
            "command": " ".join(map(str, command)) if isinstance(command, list) else command,
            "return_value": mapping(signed.get("byproducts")).get("return-value"),
            "materials": list(materials)[:100],
            **signature_claims(judged),
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
        bill = Bill(subject, FORMAT)
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
            evidence=[reference(source, media_type)],
            imported=True,
        )
        drafts.append(draft(Kind.EVIDENCE, subject, claim))
    root = made[0] if len(set(made)) == 1 else None
    return imported(source, f"{FORMAT} link", root, drafts, media_type, judged, remarks)


def _read_layout(
    source: Source,
    signed: Json,
    where: str,
    media_type: str,
    judged: tuple[InnerSignature, ...],
    remarks: list[Remark],
) -> Imported:
    remarks = [*remarks, *unknown(signed, _LAYOUT_MEMBERS, where)]
    for member in ("steps", "inspect"):
        if not isinstance(signed.get(member, []), list):
            raise fault(f"{where}/{member}", "a list")
    subject = names.document_name(source.data)
    ends = instant(signed.get("expires"))
    if signed.get("expires") and ends is None:
        raise fault(f"{where}/expires", "the end of a layout's validity cannot be read")
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
    read = imported(source, f"{FORMAT} layout", None, drafts, media_type, judged, remarks)
    return replace(read, keys=_keys(mapping(signed.get("keys"))))


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


def _threshold(value: object) -> int:
    """How many must sign; what is no such number asks for more than can ever sign."""
    if value is None:
        return 1
    sound = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000
    return int(str(value)) if sound else 10_000
