# SPDX-License-Identifier: Apache-2.0
"""``federation.json``, beside ``trust.json``: which anchors are believed, where one stands oneself.

Keeps: 1. An anchor is its address *and* its keys, both from the verifier; a second set of keys for
an address is refused until a person replaces the first. 2. The file is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Absent, Malformed, Misconfigured, Refused
from kizuna.record.lists.federation import Anchor, check_entity_id, check_rules, read_keys
from kizuna.roots import base64url
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object

__all__ = ["Book", "BookKeeper", "Followed", "Following", "address_of", "checked_policy", "named"]

_MOST_ANCHORS = 100


class AnchorEntry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One believed anchor."""

    entity: str
    jwks: dict[str, Any]


class Followed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """An entity that is followed, and what it was when last seen."""

    entity: str
    member: str = ""
    name: str = ""
    types: list[str] = []


class Following(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list of one's own that follows entities of a federation."""

    name: str
    anchor: str
    entities: list[Followed]


class Book(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What stands in the file."""

    anchors: list[AnchorEntry] = []
    address: str = ""
    """Under which address this store is an entity; empty: it is none."""
    superiors: list[str] = []
    marks: list[str] = []
    """Trust marks that superiors granted, as they signed them."""
    policy: dict[str, Any] = {}
    """By kind of entity, for every subordinate."""
    constraints: dict[str, Any] = {}
    following: list[Following] = []


class BookKeeper:
    """Reads and changes the file of one store."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "federation.json"

    def read(self) -> Book:
        """What stands in it; nothing where it is not there.

        Raises:
            Misconfigured: ``federation.file``.
        """
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=Book)
        except FileNotFoundError:
            return Book()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Misconfigured(
                "federation.file",
                f"{self._file} is not what kizuna wrote",
                why=str(fault),
                hint="restore it from a backup",
                path=str(self._file),
            ) from fault

    def anchors(self, only: list[str] | None = None) -> tuple[Anchor, ...]:
        """Whom the verifier believes.

        Raises:
            Absent: ``federation.no-anchor``.
        """
        book = self.read()
        found = [
            Anchor(entry.entity, named(entry.jwks))
            for entry in book.anchors
            if only is None or entry.entity in only
        ]
        if len(found) < len(set(only or ())) or not found:
            raise Absent(
                "federation.no-anchor",
                "no such trust anchor is believed here" if only else "no trust anchor is believed",
                why="anchors come from the verifier, never from the one who is looked at",
                hint="`kizuna federation anchor ADDRESS --key FILE` believes one",
            )
        return tuple(found)

    def believe(self, entity: str, jwks: Mapping[str, Any], *, replace: bool) -> AnchorEntry:
        """Believe an anchor under these keys.

        Raises:
            Malformed: ``federation.malformed``. Refused: ``federation.anchor-twice``,
            ``federation.anchors-many``.
        """
        entity = address_of(entity)
        keys = named(jwks)
        book = self.read()
        held = next((a for a in book.anchors if a.entity == entity), None)
        if held is not None and not replace and _prints(named(held.jwks)) != _prints(keys):
            raise Refused(
                "federation.anchor-twice",
                f"two trust anchors claim the name {entity}",
                why="they hold different keys under one name",
                hint="ask the anchor for its keys by another way, and keep one",
                entity=entity[:200],
            )
        if held is None and len(book.anchors) >= _MOST_ANCHORS:
            raise Refused(
                "federation.anchors-many",
                f"more than {_MOST_ANCHORS} anchors",
                hint="`kizuna federation anchor ADDRESS --remove` takes one away",
                most=_MOST_ANCHORS,
            )
        entry = AnchorEntry(entity=entity, jwks=dict(jwks))
        kept = [a for a in book.anchors if a.entity != entity]
        self._write(msgspec.structs.replace(book, anchors=[*kept, entry]))
        return entry

    def forget(self, entity: str) -> None:
        """Believe an anchor no longer.

        Raises:
            Absent: ``federation.no-anchor``.
        """
        self.anchors([entity])
        book = self.read()
        kept = [a for a in book.anchors if a.entity != entity]
        self._write(msgspec.structs.replace(book, anchors=kept))

    def stand(self, address: str) -> Book:
        """Be an entity under this address."""
        book = msgspec.structs.replace(self.read(), address=address_of(address))
        self._write(book)
        return book

    def superior(self, entity: str, *, remove: bool) -> Book:
        """Name a superior, or name it no longer."""
        entity = address_of(entity)
        book = self.read()
        kept = [s for s in book.superiors if s != entity]
        if not remove:
            kept.append(entity)
        if len(kept) > 20:
            raise _malformed("more than 20 superiors")
        book = msgspec.structs.replace(book, superiors=kept)
        self._write(book)
        return book

    def rule(self, policy: dict[str, Any], constraints: dict[str, Any]) -> Book:
        """Hold every subordinate to a policy and to constraints."""
        book = msgspec.structs.replace(self.read(), policy=policy, constraints=constraints)
        self._write(book)
        return book

    def follow(self, followed: Following) -> None:
        """Remember what a list follows."""
        book = self.read()
        kept = [f for f in book.following if f.name != followed.name]
        self._write(msgspec.structs.replace(book, following=[*kept, followed]))

    def show_marks(self, marks: Sequence[str]) -> Book:
        """Show these trust marks in one's own configuration."""
        book = msgspec.structs.replace(self.read(), marks=[*marks])
        self._write(book)
        return book

    def _write(self, book: Book) -> None:
        write_whole(self._file, msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n")


def address_of(entity: str) -> str:
    """An entity's address in its one spelling."""
    return check_entity_id(entity.strip()).rstrip("/")


def checked_policy(text: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A policy file: ``metadata_policy`` by kind of entity, and ``constraints``.

    Raises:
        Malformed: ``federation.malformed``, ``federation.policy-malformed``.
        Refused: ``federation.policy-contradicts``.
    """
    found = read_object(text, "federation.malformed", 64 << 10)
    if found.keys() - {"metadata_policy", "constraints"}:
        raise _malformed("a policy file has metadata_policy and constraints")
    policy, constraints = found.get("metadata_policy", {}), found.get("constraints", {})
    check_rules(policy, constraints)
    return policy, constraints


def named(jwks: Mapping[str, Any]) -> dict[str, PublicKey]:
    """Keys under every name that a signature may call them by: their own, and both thumbprints.

    Raises:
        Malformed: ``federation.malformed``, ``key.*``.
    """
    given = jwks.get("keys", [jwks])
    if not isinstance(given, list) or not all(isinstance(k, dict) for k in given):
        read_keys(None)
    whole = []
    for jwk in given:
        key = PublicKey.from_jwk({k: v for k, v in jwk.items() if isinstance(v, str)})
        whole.append({**jwk, "kid": jwk.get("kid") or key.thumbprint.hex()})
    found = read_keys({"keys": whole})
    for key in tuple(found.values()):
        found.setdefault(key.thumbprint.hex(), key)
        found.setdefault(_rfc7638(key), key)
    return found


def _rfc7638(key: PublicKey) -> str:
    from hashlib import sha256

    needed = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
    jwk = key.to_jwk()
    plain = {name: jwk[name] for name in needed[jwk["kty"]]}
    return base64url.encode(sha256(msgspec.json.encode(plain, order="sorted")).digest())


def _prints(keys: Mapping[str, PublicKey]) -> set[bytes]:
    return {key.thumbprint for key in keys.values()}


def _malformed(why: str) -> Malformed:
    return Malformed(
        "federation.malformed",
        f"the entity statement cannot be read: {why}",
        why=why,
        hint="the entity that signed it must correct it",
        fault=why,
    )
