# SPDX-License-Identifier: Apache-2.0
"""Status lists of credentials: what a list at hand says of the credentials that were imported.

Keeps: 1. A list is a file, or fetched from the address that somebody names, never on its own.
2. It counts only for credentials of the issuer that signed it, and only as long as it is valid;
a key that is handed in is that of the issuer named with it, and signs for no other.
3. What it revokes or suspends becomes a status of the importer's own statements: the importer's
word ends with what it rested on; a suspension that the list lifts is lifted. 4. The newest list of
an issuer and address is kept and tells of later imports too; an older one never takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.model.statement import Registered
    from kizuna.roots.keys import PublicKey

__all__ = ["apply_kept", "apply_status", "fetch_status"]

_ACTIONS: Final = {"revocation": Action.REVOKE, "suspension": Action.SUSPEND}
_OF_VALUE: Final = {1: Action.REVOKE, 2: Action.SUSPEND}
_FINAL: Final = frozenset({Action.REVOKE, Action.REPLACE, Action.WITHDRAW})
_LIMIT: Final = 24 << 20
_KEPT: Final = "status"
_COSE: Final = (b"\xd2", b"\x84")

_Keys = Mapping[str, "PublicKey"]
"""Keys that were handed in, by the issuer whose they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A list whose signature holds: what it says of each index, by whom, and since when."""

    uri: str
    issuers: tuple[str, ...]
    issued: int
    values: Any
    actions: dict[int, Action]
    """What becomes of a credential by the value that the list has for it."""


def fetch_status(url: str) -> bytes:
    """The list at an address that somebody named.

    Raises:
        Absent, Unavailable, Malformed: ``request.*``.
    """
    from kizuna.app.wiring.network import fetch

    accepted = "application/statuslist+jwt, application/statuslist+cwt, application/vc+jwt"
    return fetch(url, {"accept": accepted}, limit=_LIMIT)


def apply_status(
    workspace: Owner, data: bytes, key: PublicKey | None = None, *, issuer: str = ""
) -> dict[str, Any]:
    """Honour a status list for imported credentials, and keep it for those imported later.

    Args:
        workspace: whose imports.
        data: the signed list: W3C bitstring (``vc+jwt``) or Token Status List (JWT or CWT).
        key: its issuer's, where the issuer's name carries none.
        issuer: whose key that is.

    Raises:
        Malformed: ``certificate.status-list``, ``certificate.status-issuer``,
            ``status.malformed``. Tampered: ``certificate.status-signature``,
            ``status.rolled-back``.
    """
    if (key is None) != (not issuer):
        raise Malformed(
            "certificate.status-issuer",
            "a key that is handed in needs the issuer whose it is, and the other way round",
            why="a list could name the address of somebody else's",
            hint="give both --key and --issuer, as the credentials name the issuer",
        )
    given = {} if key is None else {issuer: key}
    found = _read(workspace, data, given)
    _keep(workspace, found, data, given)
    return _applied(workspace, found)


def apply_kept(workspace: Owner) -> list[dict[str, Any]]:
    """Honour the lists that are kept, for credentials that were imported since."""
    told = []
    for path in sorted((workspace.path / _KEPT).glob("*.json")):
        try:
            note = json.loads(path.read_bytes())
            found = _read(workspace, path.with_suffix(".list").read_bytes(), _given(note))
        except (OSError, ValueError, AttributeError, Problem):
            continue  # expired or damaged: it says nothing, and a newer one may come
        told.append(_applied(workspace, found))
    return told


def _applied(workspace: Owner, found: _List) -> dict[str, Any]:
    made: list[bytes] = []
    seen = ended = lifted = 0
    for row, index in _resting_on(workspace, found.uri, found.issuers):
        seen += 1
        try:
            action = found.actions.get(found.values[index])
        except Problem:
            continue  # beyond the list: it says nothing of this one
        done = _acts(workspace, row)
        if any(one in _FINAL for one in done):
            continue
        last = done[-1] if done else None
        if action is None:
            if last is not Action.SUSPEND or Action.SUSPEND not in found.actions.values():
                continue
            action, lifted = Action.REINSTATE, lifted + 1
        elif last is action:
            continue
        else:
            ended += 1
        said = Status(action=action, target=Target(statement=row.statement.digest.hex()))
        made.append(workspace.sign(Kind.STATUS, row.statement.subject, said))
    for result in workspace.register(made) if made else ():
        if (problem := getattr(result, "problem", None)) is not None:
            raise problem
    return {
        "list": found.uri,
        "issuer": ", ".join(found.issuers),
        "credentials": seen,
        "ended": ended,
        "lifted": lifted,
        "issued": found.issued,
        "age": max(0, workspace.clock() - found.issued),
    }


def _read(workspace: Owner, data: bytes, given: _Keys) -> _List:
    if len(data) > _LIMIT:
        raise _wrong(f"more than {_LIMIT >> 20} MiB")
    if data[:1] in _COSE:
        return _token(workspace, data, given)
    from kizuna.roots.jws import parse_jws

    data = data.strip()
    if parse_jws(data, limit=_LIMIT).header.get("typ") == "statuslist+jwt":
        return _token(workspace, data, given)
    return _bitstring(workspace, data, given)


def _token(workspace: Owner, data: bytes, given: _Keys) -> _List:
    """A Token Status List: whose it is follows from the credentials that name it."""
    from kizuna.record.status import read_status_list

    uri = _said_uri(data)
    issuers = sorted({issuer for _, _, issuer in _imported(workspace, uri)})
    for issuer in issuers:
        try:
            keys = _keys_of(issuer, given)
        except Problem:
            continue
        for one in keys:
            try:
                found = read_status_list(data, one, uri=uri)
            except Tampered:
                continue
            if not found.fresh(workspace.clock()):
                raise _wrong("it is not valid now; get a newer one")
            return _List(
                uri=uri,
                issuers=(issuer,),
                issued=found.issued,
                values=found.bits,
                actions=dict(_OF_VALUE),
            )
    if not issuers:
        raise _wrong("no imported credential names it")
    raise _unsigned()


def _said_uri(data: bytes) -> str:
    """The address that a list gives itself; believed once its signature holds."""
    from kizuna.roots.cose import cbor, read_sign1
    from kizuna.roots.jws import parse_jws
    from kizuna.roots.strict_json import read_object

    claims: Any
    if data[:1] in _COSE:
        payload = read_sign1(data).payload
        claims = cbor.decode(payload) if payload is not None else None
        uri = claims.get(2) if isinstance(claims, dict) else None
    else:
        claims = read_object(parse_jws(data, limit=_LIMIT).payload, "status.malformed", _LIMIT)
        uri = claims.get("sub")
    if not isinstance(uri, str) or not 0 < len(uri) <= 2000:
        raise _wrong("it does not say its address")
    return uri


def _keys_of(issuer: str, given: _Keys) -> tuple[PublicKey, ...]:
    """The keys with which an issuer signs: handed in for it, or in its name.

    Raises:
        Problem: where its name carries none.
    """
    from kizuna.roots.identity import genesis_keys

    return (given[issuer],) if issuer in given else tuple(genesis_keys(issuer))


def _bitstring(workspace: Owner, data: bytes, given: _Keys) -> _List:
    from kizuna.record.status import read_bitstring
    from kizuna.roots.jws import check_jws, parse_jws
    from kizuna.roots.strict_json import read_object

    token = parse_jws(data, limit=_LIMIT)
    value = read_object(token.payload, "certificate.status-list", _LIMIT)
    issuer = value.get("issuer")
    issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
    if not isinstance(issuer, str):
        raise _wrong("it has no issuer")
    if not any(check_jws(token, one) for one in _keys_of(issuer, given)):
        raise _unsigned()
    now = workspace.clock()
    issued = _check_valid(value, now)
    subject = value.get("credentialSubject")
    if not isinstance(subject, dict):
        raise _wrong("it has no subject")
    bits = read_bitstring(subject)
    action = _ACTIONS.get(bits.purpose)
    return _List(
        uri=str(value.get("id") or bits.uri),
        issuers=(issuer,),
        issued=issued,
        values=bits,
        actions={} if action is None else {1: action},
    )


def _keep(workspace: Owner, found: _List, data: bytes, given: _Keys) -> None:
    """Keep the list, unless a newer one is kept.

    Raises:
        Tampered: ``status.rolled-back``.
    """
    home = workspace.path / _KEPT
    named = json.dumps([found.uri, *found.issuers, sorted(found.actions)])
    path = home / f"{sha256(named.encode()).hexdigest()[:32]}.json"
    held = _issued(path)
    if held is not None and found.issued < held:
        raise Tampered(
            "status.rolled-back",
            f"an older status list was offered for {found.uri}",
            why=f"issued at {found.issued}, the one held at {held}",
            hint="keep the newer one, and ask the publisher why",
            uri=found.uri[:200],
            issued=found.issued,
            held=held,
        )
    home.mkdir(mode=0o700, exist_ok=True)
    write_whole(path.with_suffix(".list"), data)
    note = {
        "uri": found.uri,
        "issued": found.issued,
        "keys": {issuer: key.to_jwk() for issuer, key in given.items()},
    }
    write_whole(path, json.dumps(note).encode())


def _issued(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_bytes())["issued"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _given(note: dict[str, Any]) -> _Keys:
    from kizuna.roots.keys import PublicKey

    return {name: PublicKey.from_jwk(jwk) for name, jwk in note.get("keys", {}).items()}


def _imported(workspace: Owner, uri: str) -> Iterator[tuple[Registered, int, str]]:
    """One's own imported claims whose status stands in the list at this address."""
    for batch in workspace.store.reader().all():
        for row in batch:
            claim = row.statement.payload
            if (
                row.statement.issuer == workspace.identity
                and isinstance(claim, Claim)
                and claim.imported
                and claim.claims.get("status_list") == uri
                and isinstance(issuer := claim.claims.get("issuer"), str)
                and isinstance(index := claim.claims.get("status_index"), int)
            ):
                yield row, index, issuer


def _resting_on(
    workspace: Owner, uri: str, issuers: tuple[str, ...]
) -> Iterator[tuple[Registered, int]]:
    """Those of them that these issuers issued."""
    for row, index, issuer in _imported(workspace, uri):
        if issuer in issuers:
            yield row, index


def _acts(workspace: Owner, row: Registered) -> list[Action]:
    """What the importer did to the claim already: what others register about it has no weight."""
    from kizuna.record.log.keys import statement_key

    key = statement_key(row.statement.digest)
    return [
        one.statement.payload.action
        for one in workspace.store.reader().by_keys([key]).get(key, ())
        if one.statement.issuer == workspace.identity and isinstance(one.statement.payload, Status)
    ]


def _check_valid(value: dict[str, Any], now: int) -> int:
    """See that the list is valid now; when it was issued (0 where it does not say)."""
    from datetime import datetime

    issued = 0
    for name, early in (("validFrom", True), ("validUntil", False)):
        text = value.get(name)
        if text is None:
            continue
        try:
            moment = int(datetime.fromisoformat(str(text)).timestamp())
        except (ValueError, OverflowError) as fault:
            raise _wrong(f"{name} is no instant") from fault
        if (moment > now) if early else (moment <= now):
            raise _wrong("it is not valid now; get a newer one")
        issued = moment if early else issued
    return issued


def _unsigned() -> Tampered:
    return Tampered(
        "certificate.status-signature",
        "the signature of the status list does not hold",
        why="it was changed, or somebody else than the issuer of the credentials signed it",
        hint="get the list again from its issuer, and check the key",
    )


def _wrong(why: str) -> Malformed:
    return Malformed(
        "certificate.status-list",
        f"not a status list that can be used: {why}",
        why=why,
        hint="get the list again from its issuer",
        fault=why,
    )
