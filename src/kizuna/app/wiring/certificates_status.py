# SPDX-License-Identifier: Apache-2.0
"""Status lists of credentials: what a list at hand says of the credentials that were imported.

Keeps: 1. Nothing is fetched: the list is a file. 2. It counts only for credentials of the issuer
that signed it, and only as long as it is valid. 3. What it revokes or suspends becomes a status of
the importer's own statements: the importer's word ends with what it rested on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.statement import Registered
    from kizuna.roots.keys import PublicKey

__all__ = ["apply_status"]

_ACTIONS: Final = {"revocation": Action.REVOKE, "suspension": Action.SUSPEND}
_FINAL: Final = frozenset({Action.REVOKE, Action.REPLACE})
_LIMIT: Final = 24 << 20


def apply_status(workspace: Workspace, data: bytes, key: PublicKey | None = None) -> dict[str, Any]:
    """Honour a W3C bitstring status list (``vc+jwt``) for imported credentials.

    Args:
        workspace: whose imports.
        data: the signed list.
        key: its issuer's, where the issuer's name carries none.

    Raises:
        Malformed: ``certificate.status-list``, ``status.malformed``. Tampered:
            ``certificate.status-signature``.
    """
    from kizuna.record.status import read_bitstring
    from kizuna.roots.identity import genesis_keys
    from kizuna.roots.jws import check_jws, parse_jws
    from kizuna.roots.strict_json import read_object

    token = parse_jws(data.strip(), limit=_LIMIT)
    value = read_object(token.payload, "certificate.status-list", _LIMIT)
    issuer = value.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
    if not isinstance(issuer, str):
        raise _wrong("it has no issuer")
    keys = (key,) if key is not None else genesis_keys(issuer)
    if not any(check_jws(token, one) for one in keys):
        raise Tampered(
            "certificate.status-signature",
            "the signature of the status list does not hold",
            hint="get the list again from its issuer, and check the key",
        )
    _check_valid(value, workspace.clock())
    subject = value.get("credentialSubject")
    if not isinstance(subject, dict):
        raise _wrong("it has no subject")
    bits = read_bitstring(subject)
    uri = str(value.get("id") or bits.uri)
    action = _ACTIONS.get(bits.purpose)
    made: list[bytes] = []
    seen = 0
    for row, index in _resting_on(workspace, uri, issuer):
        seen += 1
        try:
            if action is None or not bits[index]:
                continue
        except Problem:
            continue  # beyond the list: it says nothing of this one
        if not _done(workspace, row, action):
            said = Status(action=action, target=Target(statement=row.statement.digest.hex()))
            made.append(workspace.sign(Kind.STATUS, row.statement.subject, said))
    for result in workspace.register(made) if made else ():
        if (problem := getattr(result, "problem", None)) is not None:
            raise problem
    return {"list": uri, "issuer": issuer, "credentials": seen, "ended": len(made)}


def _resting_on(workspace: Workspace, uri: str, issuer: str) -> Iterator[tuple[Registered, int]]:
    """One's own imported claims whose status stands in this list of this issuer."""
    for batch in workspace.store.reader().all():
        for row in batch:
            claim = row.statement.payload
            if (
                row.statement.issuer == workspace.identity
                and isinstance(claim, Claim)
                and claim.imported
                and claim.claims.get("status_list") == uri
                and claim.claims.get("issuer") == issuer
                and isinstance(index := claim.claims.get("status_index"), int)
            ):
                yield row, index


def _done(workspace: Workspace, row: Registered, action: Action) -> bool:
    """Whether the importer did it already: what others register about the claim has no weight
    here, and a suspension is no revocation.
    """
    from kizuna.record.log.keys import statement_key

    key = statement_key(row.statement.digest)
    acts = [
        one.statement.payload.action
        for one in workspace.store.reader().by_keys([key]).get(key, ())
        if one.statement.issuer == workspace.identity and isinstance(one.statement.payload, Status)
    ]
    return any(a in _FINAL for a in acts) or bool(acts and acts[-1] is action)


def _check_valid(value: dict[str, Any], now: int) -> None:
    from datetime import datetime

    for name, early in (("validFrom", True), ("validUntil", False)):
        text = value.get(name)
        if text is None:
            continue
        try:
            moment = datetime.fromisoformat(str(text)).timestamp()
        except ValueError as fault:
            raise _wrong(f"{name} is no instant") from fault
        if (moment > now) if early else (moment <= now):
            raise _wrong("it is not valid now; get a newer one")


def _wrong(why: str) -> Malformed:
    return Malformed(
        "certificate.status-list",
        f"not a status list that can be used: {why}",
        why=why,
        hint="get the list again from its issuer",
        fault=why,
    )
