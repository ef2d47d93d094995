# SPDX-License-Identifier: Apache-2.0
"""Under which keys of the verifiable map a statement stands: version 1 of ``keys(statement)``.

A key leads to the complete list of what was said about one thing. There are two for every
identifier: the *subject key* collects what is said about it and what it depends on, the
*dependents key* what depends on it, so that the first list does not grow with the number of
somebody's customers.

Keeps: 1. The function is pure and is never changed: a new meaning gets a new version number, which
every logged map head names. 2. It sees the checked statement only, with its payload as it was at
registration: a statement whose document is gone shows fewer keys than it has, so rows are stored.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Final

from kizuna.model.identifier import Digest
from kizuna.model.payload import Action, Links, Membership, Payload, Status
from kizuna.model.statement import Statement

__all__ = [
    "KEYS_VERSION",
    "dependents_key",
    "keys_of",
    "keys_under",
    "members_key",
    "statement_key",
    "subject_key",
]

KEYS_VERSION: Final = 1

_FURTHER: Final = (Links, Status, Membership)
"""Payloads that put a statement under more keys than its subject's."""


@lru_cache(maxsize=131_072)
def subject_key(identifier: str) -> bytes:
    """Key of everything said about a thing; ``identifier`` is canonical."""
    return sha256(identifier.encode()).digest()


@lru_cache(maxsize=131_072)
def dependents_key(identifier: str) -> bytes:
    """Key of everything that says it depends on a thing, or describes it in passing."""
    return sha256(f"{identifier}#dependents".encode()).digest()


def statement_key(digest: Digest | bytes) -> bytes:
    """Key of everything done to a statement: suspended, revoked, replaced, erased."""
    return sha256(b"urn:sha256:" + digest.hex().encode()).digest()


def members_key(list_id: str) -> bytes:
    """Key of every entry of a trust list."""
    return sha256(f"{list_id}#members".encode()).digest()


def keys_of(statement: Statement) -> tuple[bytes, ...]:
    """Every key under which a statement stands, sorted, each once.

    - every statement: its subject (for a bill of materials: the product);
    - a link: the end that depends by its subject key, the end depended on by its dependents key;
      of things that are the same, both by their subject keys;
    - a description in passing: the dependents key of the thing described;
    - a status: the statement it acts on; for a key event the issuer;
    - a membership: the member (its subject) and the list.
    """
    return keys_under(statement.subject, statement.issuer, statement.payload)


def keys_under(subject: str, issuer: str, payload: Payload | None) -> tuple[bytes, ...]:
    """As ``keys_of``, of the parts of a statement that decide it."""
    if not isinstance(payload, _FURTHER):
        return (subject_key(subject),)
    keys = {subject_key(subject)}
    if isinstance(payload, Links):
        for link in payload.links:
            near, far = link.subject or subject, link.object or subject
            if link.relation.both_depend:
                keys.add(subject_key(near))
                keys.add(subject_key(far))
            elif link.relation.object_depends:
                keys.add(subject_key(far))
                keys.add(dependents_key(near))
            else:
                keys.add(subject_key(near))
                keys.add(dependents_key(far))
        keys.update(
            dependents_key(described.subject)
            for described in payload.described
            if described.subject is not None and described.subject != subject
        )
    elif isinstance(payload, Status):
        if payload.target.statement is not None:
            keys.add(statement_key(bytes.fromhex(payload.target.statement)))
        if payload.target.key is not None or payload.action is Action.ENROL:
            keys.add(subject_key(issuer))
    elif isinstance(payload, Membership):
        keys.add(members_key(payload.list_id))
    return tuple(sorted(keys))
