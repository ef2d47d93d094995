# SPDX-License-Identifier: Apache-2.0
"""Statements that arrived, on their way to a decision: envelope, document, key, signature.

Keeps: nothing of a payload is read here, and nothing is decided but that bytes are no envelope or a
document is too large.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Self

from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.statement import Envelope
from kizuna.record.store.examining import Examined, envelope_from
from kizuna.record.store.keyring import Keyring
from kizuna.roots.cose import parse_sign1
from kizuna.roots.keys import Check, PublicKey

__all__ = ["MAX_DOCUMENT", "Accepted", "Item", "Outcome", "Refusal", "find_keys", "parse"]

MAX_DOCUMENT: Final = 64 << 20
"""Largest document beside the log, in bytes."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A statement that is durable in the log."""

    digest: Digest
    index: int
    registered_at: int
    duplicate: bool = False
    """True where the same content had been registered before; ``index`` is its place then."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A statement that was not taken, and why; ``digest`` where it was an envelope at all."""

    digest: Digest | None
    problem: Problem


Outcome = Accepted | Refusal


class Item:
    """One statement on its way. ``outcome`` is set once it is decided."""

    __slots__ = (
        "_envelope",
        "checked",
        "content",
        "data",
        "document",
        "issuer",
        "key",
        "outcome",
        "seen",
    )

    def __init__(self, envelope: Envelope | None, outcome: Outcome | None = None) -> None:
        self._envelope = envelope
        self.issuer = None if envelope is None else envelope.issuer
        self.content = None if envelope is None else envelope.content
        self.key: PublicKey | None = None
        self.checked: bool | None = None
        """Whether the signature holds; None where the key was not known when it was asked for."""
        self.document: bytes | None = None
        self.data = b""
        self.seen: Examined | None = None
        """What a helper saw in ``data``, where one looked."""
        self.outcome = outcome

    @classmethod
    def examined(cls, data: bytes, seen: Examined) -> Self:
        """A statement that a helper looked at; its envelope is made where it is asked for."""
        item = cls(None)
        item.data, item.seen = data, seen
        item.issuer, item.content = SubjectId(seen.issuer), Digest(seen.content)
        return item

    @property
    def envelope(self) -> Envelope | None:
        """Its envelope; none where what arrived is none."""
        if self._envelope is None and self.seen is not None:
            self._envelope = envelope_from(self.data, self.seen)
        return self._envelope

    def refuse(self, problem: Problem) -> None:
        """Decide against it."""
        envelope = self.envelope
        self.outcome = Refusal(None if envelope is None else envelope.digest, problem)


def parse(
    statements: Sequence[bytes],
    documents: Mapping[Digest, bytes],
    examined: Iterable[Examined | None] = (),
) -> list[Item]:
    """Envelopes of what arrived, each with its document where one came along.

    ``examined`` is what helpers saw in each, where they looked.
    """
    items: list[Item] = []
    for data, seen in zip_longest(statements, examined):
        if seen is not None:
            items.append(Item.examined(data, seen))
            continue
        try:
            envelope = parse_sign1(data)
        except Problem as problem:
            items.append(Item(None, Refusal(None, problem)))
            continue
        item = Item(envelope)
        if envelope.by_hash:
            item.document = documents.get(Digest(envelope.payload))
            if item.document is not None and len(item.document) > MAX_DOCUMENT:
                item.refuse(
                    Malformed(
                        "document.too-large",
                        f"document of {len(item.document)} bytes, at most {MAX_DOCUMENT}",
                        hint="keep it elsewhere and sign its hash with its location",
                        size=len(item.document),
                        limit=MAX_DOCUMENT,
                    )
                )
        items.append(item)
    return items


def find_keys(items: Iterable[Item], keyring: Keyring) -> tuple[list[Item], list[Check]]:
    """Give each item its key where it is known already.

    Returns:
        The items whose signature can be checked now, and the checks, in the same order. The others
        wait for what stands before them in the batch.
    """
    keyring.load({item.issuer for item in items if item.issuer is not None})
    ready: list[Item] = []
    checks: list[Check] = []
    find = keyring.find
    for item in items:
        if item.issuer is None or item.outcome is not None:
            continue
        seen = item.seen
        if seen is not None:
            item.key = key = find(seen)
            if key is not None and key.thumbprint == seen.key:
                item.checked = seen.holds and key.algorithm.answers_to(seen.algorithm)
                continue
        envelope = item.envelope
        if envelope is None:
            continue
        item.key = key = find(envelope)
        if key is None:
            continue
        if not key.algorithm.answers_to(envelope.algorithm):
            item.checked = False
            continue
        ready.append(item)
        checks.append((key, envelope.signature, envelope.to_be_signed))
    return ready, checks
