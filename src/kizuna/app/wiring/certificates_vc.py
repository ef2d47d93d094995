# SPDX-License-Identifier: Apache-2.0
"""Registered claims as W3C credentials, signed as VC-JOSE has it.

Keeps: 1. Only one's own claims are written as credentials: nobody's word is signed by another.
2. A claim that is restricted, imported or acted upon is not written. 3. A credential says what the
statement says and names it; standing is still asked of the log.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Refused
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level

if TYPE_CHECKING:
    from datetime import datetime

    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered

__all__ = ["as_credential"]

_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
_ASSESSOR: Final = {Level.SELF: "self", Level.SECOND: "commercial", Level.THIRD: "3rdParty"}


def as_credential(workspace: Workspace, which: str, *, untp: bool = False) -> bytes:
    """A registered claim of this organisation as ``vc+jwt``.

    Args:
        workspace: whose claim, whose key.
        which: index or digest of the statement.
        untp: in the shape of UNTP's conformity credential.

    Raises:
        Refused: ``certificate.not-ours``, ``certificate.not-writable``. Absent:
            ``statement.unknown``.
    """
    from kizuna.app.wiring.entries import entry_named
    from kizuna.roots.jws import sign_jws

    found = entry_named(workspace, which)
    claim = found.statement.payload
    if found.statement.issuer != workspace.identity:
        raise Refused(
            "certificate.not-ours",
            f"the statement is {found.statement.issuer}'s",
            why="a credential is signed by whoever says it",
            hint="ask its issuer for the credential",
            issuer=found.statement.issuer,
        )
    if not isinstance(claim, Claim) or claim.imported or found.statement.audience:
        raise _unwritable("it is no claim of one's own that everyone may read")
    if _acted_on(workspace, found):
        raise _unwritable("it was suspended, revoked or withdrawn")
    body = _body(workspace, found, claim, untp=untp)
    header = {"typ": "vc+jwt", "cty": "vc", "iss": workspace.identity}
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return sign_jws(workspace.unit, workspace.handle, payload, header)


def _body(workspace: Workspace, found: Registered, claim: Claim, *, untp: bool) -> dict[str, Any]:
    statement = found.statement
    subject: dict[str, Any] = {"id": statement.subject}
    types = ["VerifiableCredential"]
    if untp:
        types.insert(0, "DigitalConformityCredential")
        certifying = statement.kind is Kind.CERTIFICATE
        subject = {
            "type": ["ConformityAttestation"],
            "id": f"urn:sha256:{statement.digest.hex()}",
            "assessorLevel": _ASSESSOR[claim.level],
            "attestationType": "certification" if certifying else "declaration",
            "issuedToParty": {"id": statement.subject},
            "assessment": [
                {
                    **claim.claims,
                    "referenceStandard": {"name": claim.type},
                    "assessedProduct": [{"id": statement.subject}],
                }
            ],
        }
    else:
        subject |= {"claim": claim.type, "kind": statement.kind.value, "level": claim.level.value}
        subject |= {k: v for k, v in claim.claims.items() if k not in subject}
    made: dict[str, Any] = {
        "@context": [_CONTEXT],
        "id": f"urn:sha256:{statement.digest.hex()}",
        "type": types,
        "issuer": {"id": workspace.identity, "name": workspace.name},
        "credentialSubject": subject,
    }
    if claim.valid_from is not None:
        made["validFrom"] = _instant(claim.valid_from)
    if claim.valid_until is not None:
        made["validUntil"] = _instant(claim.valid_until)
    if claim.evidence:
        made["relatedResource"] = [
            {"id": r.location or f"urn:sha256:{r.sha256}", "digestSRI": _sri(r.sha256)}
            for r in claim.evidence
        ]
    return made


def _acted_on(workspace: Workspace, found: Registered) -> bool:
    return bool(workspace.earlier().acted_on([found.statement.digest]))


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sri(sha256: str) -> str:
    import base64

    return "sha256-" + base64.b64encode(bytes.fromhex(sha256)).decode()


def _unwritable(why: str) -> Refused:
    return Refused(
        "certificate.not-writable",
        f"this statement is not written as a credential: {why}",
        why=why,
        hint="name a certificate, capability or evidence of your own",
        fault=why,
    )
