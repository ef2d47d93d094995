# SPDX-License-Identifier: Apache-2.0
"""Standing under a superior: the marks it grants, and a configuration of one's own.

Keeps: 1. A mark is shown only where it is about this entity. 2. A member without a server signs
its configuration with its own key; the store that keeps it cannot change it, only stop showing it,
and the member can have it erased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from kizuna.app.wiring.federation.book import BookKeeper, address_of
from kizuna.app.wiring.federation.members import HOSTED, did_web_of
from kizuna.app.wiring.federation.publishing import STATEMENT, own_metadata
from kizuna.app.wiring.federation.sources import Network
from kizuna.model.errors import Absent, Misconfigured, Problem, Refused
from kizuna.model.identifier import canonical
from kizuna.record.lists.federation import (
    FEDERATION_ENTITY,
    EntityStatement,
    configuration_url,
    jwks_of,
    read_entity_statement,
    read_mark,
    sign_entity_statement,
)
from kizuna.roots.identity import genesis_keys
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.member.saying import Member
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["host_member", "invite", "own_standing", "renew_marks"]

_DAY: Final = 86_400
_MOST_TYPES: Final = 64
_MOST_MARKS: Final = 50

Fetch = Callable[[str], bytes]


def invite(
    workspace: Workspace,
    entity: str,
    *,
    keys: Sequence[dict[str, str]],
    roles: Sequence[str],
    scope: Sequence[str],
    name: str | None,
    until: int | None,
) -> dict[str, Any]:
    """Enter the entity at an address on the store's own list: from then on there is a statement
    about it, and a mark for each role.

    Raises:
        Misconfigured: ``federation.no-address``. Malformed, Refused: ``list.*``.
    """
    book = BookKeeper(workspace.path).read()
    if not book.address:
        raise _no_address()
    entity = address_of(entity)
    made = workspace.lists.add(
        did_web_of(entity), roles=roles, scope=scope, name=name, until=until, keys=keys
    )
    return {**made, "entity": entity, "superior": book.address}


def own_standing(workspace: Workspace) -> dict[str, Any]:
    """Where this store stands: address, superiors, marks, members.

    Raises:
        Misconfigured: ``federation.no-address``.
    """
    from kizuna.app.wiring.federation.publishing import Publishing

    book = BookKeeper(workspace.path).read()
    if not book.address:
        raise _no_address()
    return {
        "address": book.address,
        "superiors": list(book.superiors),
        "marks": [_mark_told(raw) for raw in book.marks],
        "members": Publishing(workspace).listed(),
        "policy": book.policy,
        "constraints": book.constraints,
    }


def renew_marks(workspace: Workspace, network: Network) -> dict[str, Any]:
    """Fetch from every superior the marks that it grants to this store, and show them from now on.

    Raises:
        Misconfigured: ``federation.no-address``. Unavailable: ``federation.unreachable``.
    """
    keeper = BookKeeper(workspace.path)
    book = keeper.read()
    if not book.address:
        raise _no_address()
    found: list[str] = []
    for superior in book.superiors:
        above = read_entity_statement(network.get(configuration_url(superior)))
        endpoint = above.endpoint("federation_trust_mark_endpoint")
        if endpoint is not None:
            found += _granted(above, book.address, endpoint, network.get)
    keeper.show_marks(found[:_MOST_MARKS])
    return {
        "address": book.address,
        "marks": [_mark_told(raw) for raw in found[:_MOST_MARKS]],
    }


def host_member(member: Member, *, days: int) -> dict[str, Any]:
    """Sign a configuration for a member without a server, and have the store it joined keep it.

    Raises:
        Refused, Absent, Unavailable: what the store answers.
    """
    from kizuna.app.wiring.importing.documents import seal
    from kizuna.app.wiring.network import fetch

    above = read_entity_statement(fetch(member.url + "/.well-known/openid-federation"))
    address = above.issuer
    (genesis,) = genesis_keys(member.identity)
    entity = f"{address}{HOSTED}{genesis.thumbprint.hex()}"
    marks = _granted(above, entity, member.url + "/federation/trust-mark", fetch)
    now = member.clock()
    live = {"current", "active"}
    keys = [PublicKey.from_jwk(k["jwk"]) for k in member.keys.states() if k["state"] in live]
    claims: dict[str, Any] = {
        "iss": entity,
        "sub": entity,
        "iat": now,
        "exp": now + days * _DAY,
        "jwks": jwks_of(keys),
        "authority_hints": [address],
        "metadata": {FEDERATION_ENTITY: own_metadata(member.name, member.identity)},
    }
    if marks:
        claims["trust_marks"] = [
            {"trust_mark_type": read_mark(m).kind, "trust_mark": m} for m in marks
        ]
    signed = seal(
        member.unit,
        member.handle,
        issuer=member.identity,
        subject=canonical(entity),
        media_type=STATEMENT,
        payload=sign_entity_statement(member.unit, member.handle, claims),
        now=now,
        by_hash=True,
    )
    digest, index = member.register_one(signed.statement, signed.documents)
    return {
        "entity": entity,
        "superior": address,
        "expires": claims["exp"],
        "marks": [_mark_told(m) for m in marks],
        "statement": digest,
        "index": index,
    }


def _granted(above: EntityStatement, entity: str, endpoint: str, get: Fetch) -> list[str]:
    """The marks that a superior grants to an entity, of the types that it says are its own."""
    own = [kind for kind, issuers in above.mark_issuers.items() if above.issuer in issuers]
    found = []
    for kind in sorted(own)[:_MOST_TYPES]:
        asked = endpoint + "?" + urlencode({"trust_mark_type": kind, "sub": entity})
        try:
            raw = get(asked)
            mark = read_mark(raw)
        except (Absent, Refused):
            continue
        if mark.subject == entity and mark.kind == kind and mark.issuer == above.issuer:
            found.append(mark.raw.decode("ascii"))
    return found


def _mark_told(raw: str) -> dict[str, Any]:
    try:
        mark = read_mark(raw)
    except Problem as fault:
        return {"type": "–", "issuer": "–", "expires": None, "code": fault.code}
    return {"type": mark.kind, "issuer": mark.issuer, "expires": mark.expires}


def _no_address() -> Misconfigured:
    return Misconfigured(
        "federation.no-address",
        "this store has no address under which it is an entity",
        why="an entity is named by the https address that others reach it at",
        hint="`kizuna federation address https://trust.example.jp` gives it one",
    )
