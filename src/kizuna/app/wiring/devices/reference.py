# SPDX-License-Identifier: Apache-2.0
"""Reference values of devices: taken in, made, shown.

Keeps: 1. What is taken into a store is a document signed by a key that the caller named, registered
by its hash as evidence about the product; nothing unsigned gets into a store. 2. What is made here
is signed by the store's own key, and is what others take in. 3. Values count from the moment that
their statement is registered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Malformed, Refused
from kizuna.model.identifier import Digest, canonical

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.proof.attestation.corim import Corim
    from kizuna.proof.attestation.reference import Reference, References
    from kizuna.roots.keys import PublicKey

__all__ = ["import_references", "list_references", "load", "make_references"]

MEDIA_TYPE: Final = "application/rim+cbor"
MAX_LINES: Final = 100_000
_LINE: Final = re.compile(r"([0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128}) [ *](\S.{0,199})")
_ALGORITHM: Final = {64: "sha-256", 96: "sha-384", 128: "sha-512"}


def load(
    files: Iterable[tuple[str, bytes]],
    *,
    signers: Sequence[PublicKey],
    now: int,
    model: str | None = None,
    allow_unsigned: bool = False,
) -> tuple[References, frozenset[bytes]]:
    """The values of documents, and the thumbprints of the keys that vouch for them.

    Raises:
        Malformed, Refused, Tampered: as ``open_corim``; ``reference.list`` for a digest list.
    """
    from kizuna.proof.attestation.reference import References

    known = References()
    vouching: set[bytes] = set()
    for name, data in files:
        corim = _open(
            name, data, signers=signers, now=now, model=model, allow_unsigned=allow_unsigned
        )
        corim.feed(known)
        if corim.signer_key is not None:
            vouching.add(corim.signer_key)
    return known, frozenset(vouching)


def import_references(
    workspace: Workspace,
    files: Iterable[tuple[str, bytes]],
    *,
    signers: Sequence[PublicKey],
    subject: str | None = None,
    closed: bool = False,
) -> dict[str, Any]:
    """Take signed documents into the store: one evidence statement each, by hash.

    Args:
        workspace: the store.
        files: the documents by name.
        signers: keys that may have signed them; the store's own key counts too.
        subject: the product they are about; without it the organisation itself.
        closed: the values of each class are all there are.

    Raises:
        Malformed, Refused, Tampered: as ``open_corim``; then nothing was taken.
    """
    from kizuna.app.wiring.devices.shelf import Shelf
    from kizuna.proof.attestation.reference import References

    about = workspace.identity if subject is None else canonical(subject)
    own = workspace.unit.public(workspace.handle)
    now = workspace.clock()
    opened = [(data, _open(name, data, signers=(*signers, own), now=now)) for name, data in files]
    statements: list[str] = []
    shelf = Shelf(workspace)
    values = keys = 0
    for data, corim in opened:
        said = workspace.say_document(MEDIA_TYPE, about, data, by_hash=True)
        digest, _ = workspace.register_one(said.statement, said.documents)
        statements.append(digest)
        known = References()
        corim.feed(known)
        shelf.add_references(known, closed=closed)
        shelf.add_vouched(known)
        values += len(corim.values)
        keys += len(corim.keys)
    return {
        "statements": statements,
        "subject": about,
        "values": values,
        "keys": keys,
        "anchors": sum(len(corim.anchors) for _, corim in opened),
        "endorsements": sum(len(corim.endorsements) for _, corim in opened),
        "models": sorted({value.model for _, corim in opened for value in corim.values}),
        "not_understood": sorted({left for _, corim in opened for left in corim.left}),
    }


def list_references(workspace: Workspace) -> list[dict[str, Any]]:
    """What counts in this store, by class."""
    from kizuna.app.wiring.devices.shelf import Shelf

    kept = Shelf(workspace).references()
    rows: dict[str, dict[str, Any]] = {
        model: {"model": model, "closed": kept.closed(model), "values": []} for model in kept.models
    }
    for value in kept:
        rows[value.model]["values"].append(
            {
                "component": value.component,
                "version": value.version,
                "algorithm": value.digest_alg,
                "digest": value.digest.hex(),
                "signed": value.signed,
            }
        )
    return list(rows.values())


def make_references(
    workspace: Workspace,
    parts: Iterable[tuple[str, bytes]],
    *,
    model: str,
    name: str | None = None,
    version: str | None = None,
    days: int | None = None,
    lists: Iterable[tuple[str, bytes]] = (),
) -> tuple[bytes, dict[str, Any]]:
    """A signed document with the digests of these parts, by component name, and of what is listed
    with its digest already (``HEX  NAME`` a line, as a device's own measurements are written).

    Raises:
        Malformed: ``reference.component``, ``reference.list``, ``corim.malformed``.
    """
    from kizuna.proof.attestation.corim import make_corim, sign_corim
    from kizuna.proof.attestation.reference import Reference

    now = workspace.clock()
    until = None if days is None else now + days * 86_400
    values: list[Reference] = []
    for component, data in parts:
        if not 0 < len(component) <= 80 or not component.isprintable():
            raise Malformed(
                "reference.component",
                f"not a component's name: {component[:80]!r}",
                hint="write NAME=FILE, with a name of 1 to 80 characters",
                component=component[:80],
            )
        values.append(
            Reference(
                model=model,
                component=component,
                digest_alg="sha-256",
                digest=sha256(data).digest(),
                version=version,
            )
        )
    for file, data in lists:
        listed = _digest_list(file, data, model=model, allow_unsigned=True)
        values += [replace(value, version=version) for value in listed.values]
    content = make_corim(
        name or f"{model} {version or now}",
        maker=workspace.name,
        values=values,
        since=now,
        until=until,
    )
    signed = sign_corim(
        workspace.unit,
        workspace.handle,
        content,
        signer=workspace.name,
        since=now,
        until=until,
    )
    return signed, {
        "model": model,
        "values": len(values),
        "bytes": len(signed),
        "sha256": sha256(signed).hexdigest(),
        "digests": {value.component: value.digest.hex() for value in values},
        "until": until,
    }


def _open(
    name: str,
    data: bytes,
    *,
    signers: Sequence[PublicKey],
    now: int,
    model: str | None = None,
    allow_unsigned: bool = False,
) -> Corim:
    from kizuna.proof.attestation.corim import open_corim

    if data[:1] in (b"\xd2", b"\xd9", b"\x84"):
        return open_corim(data, keys=signers, now=now, allow_unsigned=allow_unsigned)
    return _digest_list(name, data, model=model, allow_unsigned=allow_unsigned)


def _digest_list(name: str, data: bytes, *, model: str | None, allow_unsigned: bool) -> Corim:
    """A list as ``sha256sum`` writes it: a digest and a component's name a line."""
    from kizuna.proof.attestation.corim import Corim
    from kizuna.proof.attestation.reference import Reference

    try:
        lines = [line for line in data.decode("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        lines = []
    found = [_LINE.fullmatch(line) for line in lines[:MAX_LINES]]
    if not found or len(lines) > MAX_LINES or not all(found):
        raise Malformed(
            "reference.list",
            f"{name} holds no reference values",
            why="it is neither a CoRIM nor a list of digests and names",
            hint="give a CoRIM, or a list as sha256sum writes it",
            path=name,
        )
    if not allow_unsigned:
        raise Refused(
            "corim.unsigned",
            "the reference values are not signed",
            why="anyone could have written them",
            hint="get the signed document, or accept it as it is with --allow-unsigned",
        )
    if model is None:
        raise Malformed(
            "reference.model",
            f"{name} does not say which class of device it is about",
            why="a list of digests names components only",
            hint="say it with --model",
            path=name,
        )
    return Corim(
        id=name,
        digest=Digest(sha256(data).digest()),
        values=tuple(
            Reference(
                model=model,
                component=match[2],
                digest_alg=_ALGORITHM[len(match[1])],
                digest=bytes.fromhex(match[1]),
            )
            for match in found
            if match is not None
        ),
    )
