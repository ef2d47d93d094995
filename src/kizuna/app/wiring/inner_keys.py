# SPDX-License-Identifier: Apache-2.0
"""The keys by which signatures inside documents are judged.

Keeps: 1. Keys come from whoever imports (``--key``) and from the lists that this store believes:
the key in a member's name, and those pinned for it. Nothing is fetched. 2. A key stands under every
id by which signatures name it: thumbprint (hex, base64url), SHA-256 of its SPKI, its ``kid``; one
of a list also under its member, so that the answer says whose it is: no file says that. 3. A
suspended or withdrawn member lends no key, and none lends one that has ended or that others have.

Does not: give a signature inside any authority: it says who signed the bytes, and the statements
made of a document stay the importer's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.roots import base64url
from kizuna.roots.identity import KeyHistory, genesis_keys, key_event, pinned_keys
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.model.identifier import SubjectId
    from kizuna.model.statement import Registered
    from kizuna.record.lists import ListState
    from kizuna.record.store import StoreReader

__all__ = ["handed_in", "listed_keys"]

_NAMES: Final = ("did:", "https:", "http:", "urn:")
"""How the names of issuers begin."""


def handed_in(files: Sequence[tuple[str, bytes]]) -> dict[str, PublicKey]:
    """Public keys from files: a JWK, a JWK set, or PEM.

    Raises:
        Malformed: ``key.not-read``.
    """
    found: dict[str, PublicKey] = {}
    for name, data in files:
        try:
            for key, kid in _keys_of(data):
                # a file says what its keys are called, not whose they are: else a key set of one
                # issuer would verify what claims to be another's
                _enter(found, key, "" if kid.lower().startswith(_NAMES) else kid)
        except Malformed as fault:
            raise Malformed(
                "key.not-read",
                f"{name} holds no public key that can be read here",
                why=fault.what,
                hint="give a public key as a JWK, a JWK set, or PEM",
                path=name[:200],
            ) from fault
    return found


def listed_keys(lists: Iterable[ListState], now: int, reader: StoreReader) -> dict[str, PublicKey]:
    """The keys by which those whom lists name sign now, under their names.

    Args:
        lists: those that are believed.
        now: entries that ended by then lend none.
        reader: tells what befell the keys.
    """
    from kizuna.model.payload import Standing
    from kizuna.record.log.keys import subject_key

    found: dict[str, PublicKey] = {}
    for state in lists:
        granted = [
            entry
            for entry in state.entries.values()
            if entry.state is Standing.GRANTED
            and (entry.valid_until is None or entry.valid_until > now)
        ]
        rows = reader.by_keys([subject_key(entry.member) for entry in granted])
        for entry in granted:
            try:
                pinned = pinned_keys(entry.keys)
                keys = genesis_keys(entry.member, {entry.member: pinned})
            except (Absent, Malformed):
                continue  # a name without a key that can be read lends none
            acts = rows.get(subject_key(entry.member), ())
            above = frozenset((state.operator, entry.issuer))
            for key in _held(KeyHistory.of(entry.member, keys), acts, above, reader.size):
                _enter(found, key)
                found.setdefault(entry.member, key)
                found[f"{entry.member}#{key.thumbprint.hex()}"] = key
    return found


def _held(
    history: KeyHistory, acts: Iterable[Registered], above: frozenset[SubjectId], size: int
) -> tuple[PublicKey, ...]:
    """The keys that are still a member's own after what was done to them."""
    for row in acts:
        try:
            event = key_event(row)
            if event is not None:
                history = history.apply(event, superior=event.issuer in above)
        except (Malformed, Refused):
            continue  # what cannot be done to a key has no effect
    return history.current(size)


def _enter(found: dict[str, PublicKey], key: PublicKey, kid: str = "") -> None:
    """Put a key under the ids by which signatures name it."""
    ids = (
        kid,
        key.thumbprint.hex(),
        base64url.encode(key.thumbprint),
        sha256(key.to_spki()).hexdigest(),
    )
    found.update(dict.fromkeys(filter(None, ids), key))


def _keys_of(data: bytes) -> Iterable[tuple[PublicKey, str]]:
    if data.lstrip()[:1] != b"{":
        return [(PublicKey.from_pem(data), "")]
    from kizuna.roots.strict_json import read_object

    told = read_object(data, "key.not-read", 1 << 20)
    listed = told.get("keys", [told])
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise Malformed("key.not-read", "no JWK and no JWK set", hint="give a JWK or a JWK set")
    return [(PublicKey.from_jwk(one), str(one.get("kid", ""))[:200]) for one in listed[:64]]
