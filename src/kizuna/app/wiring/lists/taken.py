# SPDX-License-Identifier: Apache-2.0
"""What is remembered of the lists of others: whence, by whose key, which issue, how old.

Keeps: the age of what is relied upon can be told without reading the lists themselves.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kizuna.model.errors import Misconfigured
from kizuna.record.lists.foreign import iso
from kizuna.record.lists.mapping import TypeMapping
from kizuna.roots.keys import PublicKey

__all__ = ["Signer", "Taken", "folder_of", "lists_in_trouble", "taken_lists"]


class Signer(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who must have signed a list: public JWKs, certificates (base64 of DER)."""

    keys: list[dict[str, str]] = []
    certificates: list[str] = []

    @staticmethod
    def of(keys: Sequence[PublicKey], certificates: Sequence[bytes]) -> Signer:
        """From values."""
        return Signer(
            keys=[key.to_jwk() for key in keys],
            certificates=[base64.b64encode(der).decode() for der in certificates],
        )


class Taken(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What is remembered of a list that was taken in."""

    name: str
    list_id: str
    source: str
    """The foreign list's own name."""
    address: str
    signer: Signer
    mapping: TypeMapping
    standard: str = ""
    operator: str = ""
    title: str = ""
    sequence: int = 0
    issued: int = 0
    next_update: int | None = None
    document: str = ""
    taken_at: int = 0
    """When the issue in force was taken in."""
    checked_at: int = 0
    """When the publisher was last asked with success."""
    failed_at: int | None = None
    failure: str = ""
    """The code of what failed since then."""
    failure_words: str = ""

    def told(self, now: int) -> dict[str, Any]:
        """As ``list show`` and the health of a server tell it."""
        return {
            "name": self.name,
            "source": self.source,
            # a path is this machine's own business: pages and servers show only addresses
            "address": self.address if "://" in self.address else "",
            "standard": self.standard,
            "operator": self.operator,
            "title": self.title,
            "sequence": self.sequence,
            "issued": iso(self.issued),
            "next_update": None if self.next_update is None else iso(self.next_update),
            "age": max(0, now - self.checked_at),
            "document": self.document,
            "stale": self.next_update is not None and now >= self.next_update,
            "failed_at": None if self.failed_at is None else iso(self.failed_at),
            "failure": self.failure,
        }


def folder_of(store: Path, list_id: str) -> Path:
    """Where the issues of a list are kept."""
    return store / "lists" / sha256(list_id.encode()).hexdigest()[:32]


def lists_in_trouble(store: Path, now: int) -> list[dict[str, str]]:
    """The lists that are out of date, or did not load the last time; names and codes only."""
    told: list[dict[str, str]] = []
    for taken in taken_lists(store):
        stale = taken.next_update is not None and now >= taken.next_update
        if stale or taken.failure:
            told.append({"name": taken.name, "code": taken.failure or "list.stale"})
    return told


def taken_lists(store: Path) -> list[Taken]:
    """Every list that was taken in, by name.

    Raises:
        Misconfigured: ``list.file``.
    """
    files = sorted((store / "lists").glob("*/taken.json"))
    return sorted((_read(file) for file in files), key=lambda taken: taken.name)


def _read(file: Path) -> Taken:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Taken)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise Misconfigured(
            "list.file",
            f"{file} is not what kizuna wrote",
            why=str(fault),
            hint="restore it from a backup, or remove its folder and take the list in again",
            path=str(file),
        ) from fault
