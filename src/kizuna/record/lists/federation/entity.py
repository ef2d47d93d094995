# SPDX-License-Identifier: Apache-2.0
"""Entity statements: what an entity says of itself, and what a superior says of one below it.

Keeps: 1. Reading believes nothing: keys inside a statement count only once somebody above vouches
for them. 2. Members that belong to one kind of statement are refused in the other, and whatever a
statement marks critical must be understood. 3. Size, keys, hints and marks are bounded.
Standard: OpenID Federation 1.0 section 3.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from kizuna.model.errors import Malformed
from kizuna.model.identifier import MAX_IDENTIFIER, Digest
from kizuna.record.lists.federation.policy import OPERATORS, merge
from kizuna.roots.jws import Jws, check_jws, parse_jws, sign_jws
from kizuna.roots.keys import PublicKey
from kizuna.roots.strict_json import read_object
from kizuna.roots.units import Handle, Unit

__all__ = [
    "FEDERATION_ENTITY",
    "Constraints",
    "EntityStatement",
    "check_entity_id",
    "check_rules",
    "jwks_of",
    "read_entity_statement",
    "read_keys",
    "sign_entity_statement",
    "signed_by",
]

FEDERATION_ENTITY: Final = "federation_entity"
TYPE: Final = "entity-statement+jwt"
MAX_STATEMENT: Final = 256 << 10
_MOST_KEYS: Final = 20
_MOST_HINTS: Final = 20
_MOST_MARKS: Final = 50
_SUBORDINATE_ONLY: Final = frozenset({"constraints", "metadata_policy", "metadata_policy_crit"})
_CONFIGURATION_ONLY: Final = frozenset(
    {"authority_hints", "trust_marks", "trust_mark_issuers", "trust_mark_owners"}
)
_KNOWN: Final = (
    frozenset({"iss", "sub", "iat", "exp", "jwks", "metadata", "crit", "source_endpoint", "aud"})
    | _SUBORDINATE_ONLY
    | _CONFIGURATION_ONLY
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What a superior demands of the whole branch below it."""

    max_path_length: int | None = None
    """Intermediates that may stand between it and the subject."""
    permitted: tuple[str, ...] | None = None
    """Hosts, or domains with a leading dot; None allows all."""
    excluded: tuple[str, ...] = ()
    entity_types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityStatement:
    """A statement as it was read; nothing in it is believed yet."""

    issuer: str
    subject: str
    issued: int
    expires: int
    keys: Mapping[str, PublicKey]
    """The subject's federation keys by key id."""
    metadata: Mapping[str, Mapping[str, Any]]
    policy: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    constraints: Constraints = Constraints()
    hints: tuple[str, ...] = ()
    """The superiors that the entity names."""
    trust_marks: tuple[tuple[str, str], ...] = ()
    """Type and signed mark each."""
    mark_issuers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who may issue a type of mark; an empty tuple: anyone in the federation."""
    mark_owners: Mapping[str, tuple[str, Mapping[str, PublicKey]]] = field(default_factory=dict)
    token: Jws
    raw: bytes

    @property
    def of_itself(self) -> bool:
        """Whether it is an entity configuration."""
        return self.issuer == self.subject

    @property
    def digest(self) -> Digest:
        """SHA-256 of the statement as received."""
        return Digest(sha256(self.raw).digest())

    def endpoint(self, name: str) -> str | None:
        """An endpoint of the entity's own metadata, e.g. ``federation_fetch_endpoint``."""
        value = self.metadata.get(FEDERATION_ENTITY, {}).get(name)
        if not isinstance(value, str) or not value.startswith("https://") or not value.isascii():
            return None
        try:
            urlsplit(value)
        except ValueError:  # no address: like none at all
            return None
        return value


def check_entity_id(value: object) -> str:
    """An entity identifier: an https address without query and fragment.

    Raises:
        Malformed: ``federation.malformed``.
    """
    if isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER and value.isascii():
        try:
            parts = urlsplit(value)
            fits = parts.port != 0  # to ask for it is to check it
        except ValueError:
            raise malformed("an entity is named by an address that is none") from None
        clean = not (parts.query or parts.fragment or parts.username or parts.password)
        if parts.scheme == "https" and parts.hostname and clean and fits and value.isprintable():
            return value
    raise malformed("an entity is named by an https address without query")


def read_entity_statement(data: bytes | str) -> EntityStatement:
    """A statement, its form checked, its signature not.

    Raises:
        Malformed: ``federation.malformed``, ``envelope.jws-malformed``.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    if len(raw) > MAX_STATEMENT:
        raise malformed(f"{len(raw)} bytes, at most {MAX_STATEMENT}")
    token = parse_jws(raw)
    if token.header.get("typ") != TYPE:
        raise malformed(f"its type is not {TYPE}")
    claims = read_object(token.payload, "federation.malformed", MAX_STATEMENT)
    issuer, subject = check_entity_id(claims.get("iss")), check_entity_id(claims.get("sub"))
    itself = issuer == subject
    misplaced = (_SUBORDINATE_ONLY if itself else _CONFIGURATION_ONLY) & claims.keys()
    if misplaced:
        raise malformed(f"{min(misplaced)} has no place in this kind of statement")
    critical = claims.get("crit", [])
    if not isinstance(critical, list) or ("crit" in claims and not critical):
        raise malformed("crit is an empty list, or none")
    for name in critical:
        if not isinstance(name, str) or name in _KNOWN or name not in claims:
            raise malformed("crit names a member of the standard, or one that is not there")
        raise malformed(f"it demands that {name[:80]} be understood")
    extra = claims.get("metadata_policy_crit", [])
    if not isinstance(extra, list) or any(o not in OPERATORS for o in extra):
        raise malformed("it demands policy operators that are not understood")
    return EntityStatement(
        issuer=issuer,
        subject=subject,
        issued=_instant(claims, "iat"),
        expires=_instant(claims, "exp"),
        keys=read_keys(claims.get("jwks")),
        metadata=_maps(claims.get("metadata", {}), "metadata"),
        policy=_policies(claims.get("metadata_policy", {})),
        constraints=_constraints(claims.get("constraints", {})),
        hints=_entities(claims.get("authority_hints"), "authority_hints"),
        trust_marks=_marks(claims.get("trust_marks", [])),
        mark_issuers=_mark_issuers(claims.get("trust_mark_issuers", {})),
        mark_owners=_mark_owners(claims.get("trust_mark_owners", {})),
        token=token,
        raw=raw,
    )


def check_rules(policy: object, constraints: object) -> None:
    """See that a policy and constraints are ones that a superior may write. An operator that we do
    not know is refused: nobody could be held to it.

    Raises:
        Malformed: ``federation.malformed``, ``federation.policy-malformed``.
        Refused: ``federation.policy-contradicts``.
    """
    for rules in _policies(policy).values():
        unknown = {name for rule in rules.values() for name in rule} - {*OPERATORS}
        if unknown:
            raise malformed(f"no policy operator is called {min(unknown)[:80]}")
        merge({}, rules)
    _constraints(constraints)


def signed_by(token: Jws, keys: Mapping[str, PublicKey]) -> bool:
    """Whether the key that the token names is among ``keys`` and signed it."""
    key = keys.get(token.key_id)
    return key is not None and check_jws(token, key)


def sign_entity_statement(unit: Unit, handle: Handle, claims: Mapping[str, Any]) -> bytes:
    """A signed statement from its claims."""
    payload = json.dumps(dict(claims), sort_keys=True, separators=(",", ":")).encode()
    return sign_jws(unit, handle, payload, {"typ": TYPE})


def jwks_of(keys: Iterable[PublicKey]) -> dict[str, Any]:
    """Keys as a JWK set; the key id is the thumbprint, as in everything that we sign."""
    return {"keys": [{**k.to_jwk(), "kid": k.thumbprint.hex(), "use": "sig"} for k in keys]}


def read_keys(value: object) -> dict[str, PublicKey]:
    """The usable keys of a JWK set by key id; kinds that we do not know are left out.

    Raises:
        Malformed: ``federation.malformed`` for no set, too many, twice one id, or none usable.
    """
    found = value.get("keys") if isinstance(value, Mapping) else None
    if not isinstance(found, list) or not 0 < len(found) <= _MOST_KEYS:
        raise malformed(f"jwks holds 1 to {_MOST_KEYS} keys")
    out: dict[str, PublicKey] = {}
    seen: set[str] = set()
    for jwk in found:
        name = jwk.get("kid") if isinstance(jwk, dict) else None
        if not isinstance(name, str) or not name or name in seen or "d" in jwk:
            raise malformed("every key in jwks is public and has a kid of its own")
        seen.add(name)
        try:
            out[name] = PublicKey.from_jwk(jwk)
        except Malformed:
            continue
    if not out:
        raise malformed("no key in jwks is of a kind that can be checked here")
    return out


def _instant(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise malformed(f"{name} is not a time")
    return value


def _maps(value: object, name: str) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
        raise malformed(f"{name} is a map of maps")
    return value


def _policies(value: object) -> dict[str, dict[str, dict[str, Any]]]:
    outer = _maps(value, "metadata_policy")
    for inner in outer.values():
        _maps(inner, "metadata_policy")
    return outer


def _entities(value: object, name: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_HINTS:
        raise malformed(f"{name} names 1 to {_MOST_HINTS} entities")
    return tuple(check_entity_id(one) for one in value)


def _words(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > 1000:
        raise malformed(f"{name} is a list of words")
    if not all(isinstance(v, str) and len(v) <= MAX_IDENTIFIER for v in value):
        raise malformed(f"{name} is a list of words")
    return tuple(value)


def _constraints(value: object) -> Constraints:
    if not isinstance(value, dict):
        raise malformed("constraints is a map")
    length, naming = value.get("max_path_length"), value.get("naming_constraints", {})
    if length is not None and (type(length) is not int or length < 0):
        raise malformed("max_path_length is a number from 0 on")
    if not isinstance(naming, dict):
        raise malformed("naming_constraints is a map")
    types = value.get("allowed_entity_types")
    permitted = naming.get("permitted")
    return Constraints(
        max_path_length=length,
        permitted=None if permitted is None else _words(permitted, "permitted"),
        excluded=_words(naming.get("excluded", []), "excluded"),
        entity_types=None if types is None else frozenset(_words(types, "allowed_entity_types")),
    )


def _marks(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list) or len(value) > _MOST_MARKS:
        raise malformed(f"trust_marks holds at most {_MOST_MARKS} marks")
    out = []
    for one in value:
        # drafts before 1.0 wrote ``id`` for ``trust_mark_type``
        kind = one.get("trust_mark_type", one.get("id")) if isinstance(one, dict) else None
        mark = one.get("trust_mark") if isinstance(one, dict) else None
        if not isinstance(kind, str) or not isinstance(mark, str) or len(kind) > MAX_IDENTIFIER:
            raise malformed("a trust mark has a type and the signed mark")
        out.append((kind, mark))
    return tuple(out)


def _mark_issuers(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or len(value) > 1000:
        raise malformed("trust_mark_issuers is a map of lists")
    return {kind: _words(issuers, "trust_mark_issuers") for kind, issuers in value.items()}


def _mark_owners(value: object) -> dict[str, tuple[str, dict[str, PublicKey]]]:
    return {
        kind: (check_entity_id(owner.get("sub")), read_keys(owner.get("jwks")))
        for kind, owner in _maps(value, "trust_mark_owners").items()
    }


def malformed(why: str) -> Malformed:
    """The problem of a statement of a federation that is not one."""
    return Malformed(
        "federation.malformed",
        f"the entity statement cannot be read: {why}",
        why=why,
        hint="the entity that signed it must correct it",
        fault=why[:200],
    )
