# SPDX-License-Identifier: Apache-2.0
"""W3C Verifiable Credentials: JSON, and JWT as VC-JOSE has it; UNTP's among them.

Keeps: 1. An import says only "the importer says so", whoever issued the credential. 2. The inner
signature is judged where its key is in the issuer's own name (``did:key``, ``did:jwk``) or was
handed in; a key of somebody other than the issuer makes it wrong. Of data-integrity proofs those
over canonical JSON are judged; those over RDF could not be verified. 3. A credential whose end
cannot be read makes no claim: it must not hold for ever; of an end in the token and one in the
credential the earlier counts. 4. A status reference is kept in the claim, so that a list at hand
can be asked; of several that by which it is revoked.
Standard: VC Data Model 2.0 (and the dates of 1.1), Securing VCs using JOSE and COSE.
Does not: fetch contexts, keys or status lists; expand JSON-LD.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Reference
from kizuna.proof.documents.bill import draft, flatten
from kizuna.proof.documents.cyclonedx.vulnerabilities import instant
from kizuna.proof.documents.data_integrity import judge_proof
from kizuna.proof.documents.jsontext import decode_json
from kizuna.proof.documents.names import clean, document_name, identifier, machine_name
from kizuna.proof.documents.untp import Said, kind_of_credential, read_untp
from kizuna.proof.documents.values import (
    Draft,
    Imported,
    Importer,
    InnerSignature,
    Remark,
    SignatureResult,
    Source,
)
from kizuna.roots.identity import genesis_keys
from kizuna.roots.jws import Jws, check_jws, parse_jws
from kizuna.roots.keys import PublicKey

__all__ = ["VC"]

_JWT: Final = "application/vc+jwt"
_JSON: Final = "application/vc"
_CONTEXTS: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://www.w3.org/2018/credentials/v1",
)
_TOKEN: Final = re.compile(r"\s*[A-Za-z0-9_-]{4,65536}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*\s*")
_TYPES: Final = frozenset({"vc+jwt", "vc+ld+jwt", "vc+ld+json+jwt", "JWT", ""})
_SUBJECTS: Final = 200
_PROOFS: Final = 20
_MOST_ENTRIES: Final = 1 << 32
_THUMBPRINT: Final = re.compile(r"[0-9a-f]{64}")
_ENVELOPED: Final = "data:application/vc+jwt,"


def _credential(source: Source) -> tuple[dict[str, Any], Jws | None] | None:
    """The credential, and the token that it came in; None where this is none."""
    value = source.value
    if isinstance(value, dict):
        if "EnvelopedVerifiableCredential" in _types(value):
            text = str(value.get("id", ""))
            return _in_token(text.removeprefix(_ENVELOPED)) if text.startswith(_ENVELOPED) else None
        return (value, None) if _is_credential(value) else None
    if source.text is not None and _TOKEN.fullmatch(source.text):
        return _in_token(source.text.strip())
    return None


def _in_token(text: str) -> tuple[dict[str, Any], Jws] | None:
    try:
        token = parse_jws(text)
        if str(token.header.get("typ", "")) not in _TYPES:
            return None
        value = decode_json(token.payload)
    except Problem:
        return None
    if isinstance(value, dict) and isinstance(value.get("vc"), dict):  # as VC 1.1 had it
        more = {"status": value["status"]} if "status" in value else {}
        value = {**more, **value["vc"], "issuer": value["vc"].get("issuer", value.get("iss"))}
    return (value, token) if isinstance(value, dict) and _is_credential(value) else None


def _is_credential(value: Mapping[str, Any]) -> bool:
    context = value.get("@context")
    first = context[0] if isinstance(context, list) and context else context
    return first in _CONTEXTS and "VerifiableCredential" in _types(value)


def _matches(source: Source) -> bool:
    return _credential(source) is not None


def _read(source: Source) -> Imported:
    found = _credential(source)
    if found is None:
        raise _wrong("no credential is in it")
    value, token = found
    issuer = _issuer(value)
    if issuer is None:
        raise _wrong("it has no issuer that is an identifier")
    remarks: list[Remark] = []
    media_type = _JSON if token is None else _JWT
    since, until, readable = _period(value, remarks)
    if token is not None:
        since, until, readable = _token_period(token, since, until, remarks, readable=readable)
    drafts: list[Draft] = []
    subjects = value.get("credentialSubject")
    several = subjects if isinstance(subjects, list) else [subjects]
    if len(several) > _SUBJECTS:
        raise _wrong(f"more than {_SUBJECTS} subjects")
    said = _said(value, several, remarks)
    digest = digest_of(source.data).hex()
    common = {
        "issuer": issuer,
        "credential": clean(value.get("id"), 1000),
        **_status(value, remarks),
    }
    for one in said:
        if one.links is not None:
            drafts.append(draft(Kind.LINK, one.subject, one.links))
        elif readable:
            fields = {**one.fields, **{k: v for k, v in common.items() if v not in ("", None)}}
            claim = Claim(
                type=one.type,
                valid_from=since,
                valid_until=until,
                claims=fields,
                evidence=[Reference(sha256=digest, media_type=media_type)],
                imported=True,
            )
            drafts.append(draft(one.kind, one.subject, claim))
    root = said[0].subject if said else document_name(source.data)
    drafts.append(
        Draft(kind=Kind.EVIDENCE, subject=root, payload=source.data, media_type=media_type)
    )
    return Imported(
        format="W3C VC",
        root=root if said else None,
        statements=tuple(drafts),
        media_type=media_type,
        document=source.data,
        remarks=tuple(remarks),
        inner_signatures=_signatures(value, token, issuer, source),
    )


def _said(value: Mapping[str, Any], subjects: list[Any], remarks: list[Remark]) -> list[Said]:
    """What the subjects say, one way for UNTP and one for all others."""
    types = _types(value)
    untp = kind_of_credential(types)
    named = next((t for t in reversed(types) if t != "VerifiableCredential"), "credential")
    made: list[Said] = []
    for place, subject in enumerate(subjects):
        where = f"/credentialSubject/{place}" if len(subjects) > 1 else "/credentialSubject"
        if not isinstance(subject, Mapping):
            remarks.append(Remark(where, "credential-subject"))
            continue
        about = identifier(subject.get("id"))
        found = read_untp(untp, subject, identifier) if untp else []
        if not found and about is not None:
            fields = flatten({k: v for k, v in subject.items() if k not in ("id", "type")})
            found = [Said(about, Kind.EVIDENCE, _kebab(named), fields)]
        if not found:
            remarks.append(Remark(where, "credential-subject"))
        made += found
    return made


def _period(
    value: Mapping[str, Any], remarks: list[Remark]
) -> tuple[datetime | None, datetime | None, bool]:
    """Since and until when; False where an end stands there that cannot be read."""
    since_name = "validFrom" if "validFrom" in value else "issuanceDate"
    until_name = "validUntil" if "validUntil" in value else "expirationDate"
    since = instant(value.get(since_name))
    until = instant(value.get(until_name))
    good = True
    for name, moment in ((since_name, since), (until_name, until)):
        if value.get(name) is not None and moment is None:
            remarks.append(Remark(f"/{name}", "date-unreadable", clean(value.get(name), 60)))
            good = False
    return since, until, good


def _token_period(
    token: Jws,
    since: datetime | None,
    until: datetime | None,
    remarks: list[Remark],
    *,
    readable: bool,
) -> tuple[datetime | None, datetime | None, bool]:
    """The period as the token narrows it: credentials of 1.1 often end there alone."""
    said = decode_json(token.payload)
    for name in ("nbf", "exp"):
        number = said.get(name)
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float):
            moment = None
        else:
            try:
                moment = datetime.fromtimestamp(int(number), UTC)
            except (ValueError, OverflowError, OSError):
                moment = None
        if moment is None:
            remarks.append(Remark(f"/{name}", "date-unreadable", clean(str(number), 60)))
            readable = False
        elif name == "nbf":
            since = moment if since is None else max(since, moment)
        else:
            until = moment if until is None else min(until, moment)
    return since, until, readable


def _status(value: Mapping[str, Any], remarks: list[Remark]) -> dict[str, Any]:
    """The reference to a status list, as fields: that by which it is revoked, else the first; of a
    token that names a Token Status List and no other, that one.
    """
    found = value.get("credentialStatus")
    if found is None and "status" in value:
        return _token_status(value, remarks)
    first = found[0] if isinstance(found, list) and found else found
    for one in found if isinstance(found, list) else ():
        if isinstance(one, Mapping) and one.get("statusPurpose") == "revocation":
            first = one
            break
    if not isinstance(first, Mapping):
        return {}
    listed = clean(first.get("statusListCredential"), 1000)
    index = str(first.get("statusListIndex", ""))
    if not listed or not (index.isascii() and index.isdigit() and len(index) < 12):
        remarks.append(Remark("/credentialStatus", "status-unreadable"))
        return {}
    if isinstance(found, list) and len(found) > 1:
        remarks.append(Remark("/credentialStatus/1", "status-several"))
    return {
        "status_list": listed,
        "status_index": int(index),
        "status_purpose": clean(first.get("statusPurpose"), 60),
    }


def _token_status(value: Mapping[str, Any], remarks: list[Remark]) -> dict[str, Any]:
    """The reference to a Token Status List, as fields."""
    status = value["status"]
    inner = status.get("status_list") if isinstance(status, Mapping) else None
    index = inner.get("idx") if isinstance(inner, Mapping) else None
    listed = clean(inner.get("uri"), 1000) if isinstance(inner, Mapping) else ""
    if not listed or type(index) is not int or not 0 <= index < _MOST_ENTRIES:
        remarks.append(Remark("/status", "status-unreadable"))
        return {}
    return {"status_list": listed, "status_index": index, "status_purpose": "token"}


def _signatures(
    value: Mapping[str, Any], token: Jws | None, issuer: SubjectId, source: Source
) -> tuple[InnerSignature, ...]:
    judged: list[InnerSignature] = []
    if token is not None:
        judged.append(_of_token(token, issuer, source))
    proofs = value.get("proof")
    for place, proof in enumerate(proofs[:_PROOFS] if isinstance(proofs, list) else [proofs]):
        if isinstance(proof, Mapping):
            where = f"/proof/{place}" if isinstance(proofs, list) else "/proof"
            judged.append(judge_proof(value, proof, where=where, issuer=issuer, source=source))
    return tuple(judged)


def _of_token(token: Jws, issuer: SubjectId, source: Source) -> InnerSignature:
    """A token's signature: by the issuer's own key, or by one that was handed in for it."""

    def verdict(
        result: SignatureResult, reason: str = "", key: PublicKey | None = None, key_from: str = ""
    ) -> InnerSignature:
        return InnerSignature(
            where="",
            form="jws",
            result=result,
            algorithm=clean(token.header.get("alg"), 40),
            key_id=clean(token.key_id, 200),
            thumbprint="" if key is None else key.thumbprint.hex(),
            key_from=key_from,
            reason=reason,
            signer=issuer,
        )

    named = token.key_id.partition("#")[0]
    said = token.header.get("iss")
    if (named.startswith("did:") and named != issuer) or (said is not None and said != issuer):
        return verdict(SignatureResult.WRONG, "other-signer")
    handed = source.key_of(issuer, token.key_id)
    if handed is not None:
        holds = check_jws(token, handed)
        return verdict(
            SignatureResult.VALID if holds else SignatureResult.WRONG, "", handed, "caller"
        )
    try:
        keys = genesis_keys(issuer)
    except Problem:
        return verdict(SignatureResult.UNVERIFIED, "no-key")
    if _THUMBPRINT.fullmatch(token.key_id) and token.key_id != keys[0].thumbprint.hex():
        return verdict(SignatureResult.UNVERIFIED, "no-key")  # a later key, or a stranger's
    holds = check_jws(token, keys[0])
    return verdict(
        SignatureResult.VALID if holds else SignatureResult.WRONG, "", keys[0], "document"
    )


def _issuer(value: Mapping[str, Any]) -> SubjectId | None:
    found = value.get("issuer")
    return identifier(found.get("id") if isinstance(found, Mapping) else found)


def _types(value: Mapping[str, Any]) -> list[str]:
    found = value.get("type", value.get("@type"))
    items = found if isinstance(found, list) else [found]
    return [one for one in items[:50] if isinstance(one, str)]


def _kebab(name: str) -> str:
    return machine_name(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)) or "credential"


def _wrong(why: str) -> Malformed:
    return Malformed(
        "document.credential",
        f"not a credential that can be read: {why}",
        why=why,
        hint="ask its issuer for the credential again",
        fault=why,
    )


VC = Importer(format="W3C VC", media_type=_JSON, matches=_matches, read=_read)
