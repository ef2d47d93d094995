# SPDX-License-Identifier: Apache-2.0
"""Trust chains: from an entity, through those above it, to an anchor that the verifier believes.

Keeps: 1. The anchor's keys come from the verifier; the chain only leads there. 2. Each statement is
signed with a key that the statement above it gives, and the entity's own with one that its superior
vouches for. 3. Policies are merged from the anchor downwards, so that nobody below widens what
somebody above allows. 4. A chain lasts as long as the first of its statements to expire.
Standard: OpenID Federation 1.0 sections 4, 6.2 and 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from urllib.parse import urlsplit

from kizuna.model.errors import Problem, Refused, Tampered
from kizuna.record.lists.federation.entity import (
    FEDERATION_ENTITY,
    Constraints,
    EntityStatement,
    malformed,
    read_entity_statement,
    signed_by,
)
from kizuna.record.lists.federation.policy import apply, merge
from kizuna.roots.keys import PublicKey

__all__ = ["MAX_CHAIN", "Anchor", "Resolved", "check_chain"]

MAX_CHAIN: Final = 12
"""Statements in a chain: ten intermediates at most."""
_AHEAD: Final = 60
"""Seconds by which the clock of a signer may be ahead."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A trust anchor: the verifier's own knowledge."""

    entity: str
    keys: Mapping[str, PublicKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a valid chain says of its subject."""

    entity: str
    anchor: str
    path: tuple[str, ...]
    """From the entity to the anchor, both included."""
    keys: Mapping[str, PublicKey]
    """The subject's keys that its superior vouches for."""
    metadata: Mapping[str, Mapping[str, Any]]
    """By kind of entity, after every policy."""
    expires: int
    chain: tuple[EntityStatement, ...]

    @property
    def own(self) -> EntityStatement:
        """The entity's own configuration."""
        return self.chain[0]


def check_chain(
    statements: Sequence[bytes | str | EntityStatement], anchors: Sequence[Anchor], *, now: int
) -> Resolved:
    """What a chain says, from the entity's configuration up to the anchor's statement about the
    last below it (the anchor's own configuration may stand at the end).

    Raises:
        Malformed: ``federation.malformed``, ``federation.policy-malformed``.
        Refused: ``federation.anchor-unknown``, ``federation.expired``, ``federation.broken``,
        ``federation.constraint``, ``federation.policy-contradicts``,
        ``federation.metadata-refused``. Tampered: ``federation.signature-wrong``.
    """
    if not 1 <= len(statements) <= MAX_CHAIN:
        raise malformed(f"a chain has 1 to {MAX_CHAIN} statements")
    chain = tuple(
        s if isinstance(s, EntityStatement) else read_entity_statement(s) for s in statements
    )
    anchor = _anchor_of(chain[-1], anchors)
    for statement in chain:
        _in_time(statement, now)
    _linked(chain, anchor)
    expires = min(statement.expires for statement in chain)
    above = [s for s in chain[1:] if not s.of_itself]
    for place, statement in enumerate(above):
        _within(statement.constraints, chain[0].subject, below=place, issuer=statement.issuer)
    return Resolved(
        entity=chain[0].subject,
        anchor=anchor.entity,
        path=(chain[0].subject, *(s.issuer for s in above)),
        keys=above[0].keys if above else chain[0].keys,
        metadata=_metadata(chain[0], above),
        expires=expires,
        chain=chain,
    )


def _anchor_of(last: EntityStatement, anchors: Sequence[Anchor]) -> Anchor:
    found = [a for a in anchors if a.entity == last.issuer]
    if len({tuple(sorted(k.thumbprint for k in a.keys.values())) for a in found}) > 1:
        raise Refused(
            "federation.anchor-twice",
            f"two trust anchors claim the name {last.issuer}",
            why="they hold different keys under one name",
            hint="ask the anchor for its keys by another way, and keep one",
            entity=last.issuer[:200],
        )
    if not found:
        raise Refused(
            "federation.anchor-unknown",
            f"the chain ends at {last.issuer}, which is no trust anchor here",
            why="anchors come from the verifier",
            hint="`kizuna federation anchor ADDRESS --key FILE` believes one",
            entity=last.issuer[:200],
        )
    return found[0]


def _in_time(statement: EntityStatement, now: int) -> None:
    if statement.issued > now + _AHEAD or statement.expires <= now:
        raise Refused(
            "federation.expired",
            f"the statement of {statement.issuer} about {statement.subject} is not valid now",
            why=f"valid from {statement.issued} until {statement.expires}",
            hint="fetch it again; an entity renews its statements itself",
            issuer=statement.issuer[:200],
            subject=statement.subject[:200],
        )


def _linked(chain: tuple[EntityStatement, ...], anchor: Anchor) -> None:
    own = chain[0]
    if not own.of_itself:
        raise _broken(own.subject, "it does not begin with the entity's own configuration")
    if not signed_by(own.token, own.keys):
        raise _forged(own)
    if len(chain) == 1:
        if not signed_by(own.token, anchor.keys):
            raise _forged(own)
        return
    if chain[1].issuer not in own.hints:
        raise _broken(own.subject, f"it does not name {chain[1].issuer} as its superior")
    for below, over in pairwise(chain):
        if over.of_itself and over is not chain[-1]:
            raise _broken(own.subject, "only the anchor's own configuration may end a chain")
        if below is own:
            if over.subject != own.subject:
                raise _broken(own.subject, "the second statement is about another entity")
        elif below.issuer != over.subject:
            raise _broken(own.subject, f"nothing connects {below.issuer} with {over.subject}")
        if not signed_by(below.token, over.keys):
            raise _forged(below)
    if not signed_by(chain[-1].token, anchor.keys):
        raise _forged(chain[-1])
    names = [own.subject, *(s.issuer for s in chain[1:] if not s.of_itself)]
    if len(set(names)) != len(names):
        raise _broken(own.subject, "one entity stands twice in it")


def _within(constraints: Constraints, subject: str, *, below: int, issuer: str) -> None:
    """Hold a chain against what one superior demands; ``below`` intermediates stand under it."""
    host = (urlsplit(subject).hostname or "").rstrip(".")  # a dot at the end is the same host
    why = ""
    if constraints.max_path_length is not None and below > constraints.max_path_length:
        why = f"{below} intermediates, at most {constraints.max_path_length}"
    elif constraints.permitted is not None and not _named(host, constraints.permitted):
        why = f"{host} is not among the permitted names"
    elif _named(host, constraints.excluded):
        why = f"{host} is among the excluded names"
    if why:
        raise Refused(
            "federation.constraint",
            f"{issuer} does not allow {subject} in its branch: {why}",
            why=why,
            hint="the entity needs another superior, or the superior other constraints",
            issuer=issuer[:200],
            subject=subject[:200],
            fault=why[:200],
        )


def _named(host: str, names: Sequence[str]) -> bool:
    """A name with a leading dot stands for everything below that domain (RFC 5280)."""
    return any(
        host.endswith(name.lower()) if name.startswith(".") else host == name.lower()
        for name in names
    )


def _metadata(own: EntityStatement, above: Sequence[EntityStatement]) -> dict[str, dict[str, Any]]:
    direct = above[0].metadata if above else {}
    kinds = {k: {**own.metadata[k], **direct.get(k, {})} for k in own.metadata}
    for statement in above:
        allowed = statement.constraints.entity_types
        if allowed is not None:
            kinds = {k: v for k, v in kinds.items() if k in allowed or k == FEDERATION_ENTITY}
    out: dict[str, dict[str, Any]] = {}
    for kind, metadata in kinds.items():
        policy: dict[str, dict[str, Any]] = {}
        for statement in reversed(above):
            policy = merge(policy, statement.policy.get(kind, {}))
        out[kind] = apply(policy, metadata)
    # a policy for a kind that the entity is not must hold together all the same
    for kind in {k for s in above for k in s.policy} - kinds.keys():
        unused: dict[str, dict[str, Any]] = {}
        for statement in reversed(above):
            unused = merge(unused, statement.policy.get(kind, {}))
    return out


def _broken(entity: str, why: str) -> Problem:
    return Refused(
        "federation.broken",
        f"the trust chain of {entity} does not hold: {why}",
        why=why,
        hint="the entity and its superior must agree: each names the other",
        entity=entity[:200],
        fault=why[:200],
    )


def _forged(statement: EntityStatement) -> Tampered:
    return Tampered(
        "federation.signature-wrong",
        f"the statement of {statement.issuer} about {statement.subject} is wrongly signed",
        why="it was altered, or its signer has a key that nobody above vouches for",
        hint="fetch it again; after a change of keys the superior must take up the new one",
        issuer=statement.issuer[:200],
        subject=statement.subject[:200],
    )
