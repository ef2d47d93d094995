# SPDX-License-Identifier: Apache-2.0
"""The keys by which signatures inside documents are judged.

Keeps: 1. Keys come from whoever imports (``--key``) and from the lists that this store believes:
the key in a member's name, and those pinned for it. Nothing is fetched. 2. A key stands under every
id by which signatures name it: thumbprint (hex, base64url), SHA-256 of its SPKI, its ``kid``; one
of a list also under its member, so that the answer says whose it is: no file says that. 3. A
suspended or withdrawn member lends no key.

Does not: give a signature inside any authority: it says who signed the bytes, and the statements
made of a document stay the importer's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from kizuna.model.errors import Absent, Malformed
from kizuna.roots import base64url
from kizuna.roots.identity import genesis_keys, pinned_keys
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.record.lists import ListState

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


def listed_keys(lists: Iterable[ListState], now: int) -> dict[str, PublicKey]:
    """The keys of those whom lists name, under their names."""
    from kizuna.model.payload import Standing

    found: dict[str, PublicKey] = {}
    for state in lists:
        for entry in state.entries.values():
            ended = entry.valid_until is not None and entry.valid_until <= now
            if entry.state is not Standing.GRANTED or ended:
                continue
            try:
                keys = genesis_keys(entry.member, {entry.member: pinned_keys(entry.keys)})
            except (Absent, Malformed):
                continue  # a name without a key that can be read lends none
            for key in keys:
                _enter(found, key)
                found.setdefault(entry.member, key)
                found[f"{entry.member}#{key.thumbprint.hex()}"] = key
    return found


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
