# SPDX-License-Identifier: Apache-2.0
"""Packing: everything that a judgement looked at, with the proof that this is all there is.

Keeps: 1. Complete for its keys: every statement that stands under a key the judgement used is in
the bundle, and the keys of every issuer among them, so that a reader can check each signature and
no revocation, neither of a statement nor of a key, can be left out unseen. 2. One checkpoint: log,
map and statements are of the same instant, or packing starts again. 3. What the packer's view does
not show is left out, and the reader will see that something is missing, never that all is well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Protocol

from kizuna.chain.exchange.bundle import Bundle
from kizuna.model.errors import Absent, Unavailable
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.statement import Registered
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Known
from kizuna.record.log import EvidenceLog, VerifiableMap
from kizuna.record.log.inclusion import prove_leaves
from kizuna.record.log.keys import subject_key

__all__ = ["BundleSource", "pack_bundle"]

_ROUNDS: Final = 64
"""Most steps from issuer to issuer before every key is found; real chains need a handful."""


class BundleSource(Protocol):
    """What packing needs of a store's reader, beside log and map."""

    def heads(self) -> tuple[Known, ...]:
        """The one checkpoint that it stands at."""
        ...

    def rows_under(self, keys: Sequence[bytes]) -> Mapping[bytes, Sequence[tuple[int, Digest]]]:
        """Complete map rows, restricted ones included."""
        ...

    def by_digests(self, digests: Sequence[Digest]) -> Mapping[Digest, Registered]:
        """Statements that the view shows."""
        ...

    def by_indices(self, indices: Sequence[int]) -> Sequence[Registered]:
        """Statements at their places, as far as the view shows them."""
        ...

    def raw(self, digests: Sequence[Digest]) -> Mapping[Digest, bytes]:
        """Statements as received, without unprotected headers."""
        ...

    def documents(self, digests: Sequence[Digest]) -> Mapping[Digest, bytes | None]:
        """Documents as they were hashed."""
        ...


def pack_bundle(
    source: BundleSource,
    log: EvidenceLog,
    verifiable_map: VerifiableMap,
    *,
    subject: SubjectId,
    profile: str,
    keys: Iterable[bytes],
    anchors: Anchors,
) -> Bundle:
    """The bundle for a judgement that used these map keys.

    Args:
        source: a reader that stands at the log's last published checkpoint.
        log: the log, at least as far as that checkpoint.
        verifiable_map: the map beside it.
        subject: whom the bundle is about.
        profile: name of the profile that the keys were collected for.
        keys: every map key that the judgement used (``chain.graph.closure``).
        anchors: for whom it is packed: their witnesses decide how entries are dated.

    Raises:
        Absent: ``bundle.nothing-recorded`` for a log without a single statement.
        Unavailable: ``bundle.moved-on`` when the store grew meanwhile: try again.
    """
    (known,) = source.heads()
    if known.size == 0:
        raise Absent(
            "bundle.nothing-recorded",
            "the store has no statements yet",
            hint="import or register something first",
        )
    rows = _complete(source, set(keys))
    if verifiable_map.covered != known.size - 1 or log.published_size < known.size:
        raise _moved_on()
    proof = verifiable_map.prove(rows)
    if verifiable_map.covered != known.size - 1:
        raise _moved_on()
    digests = {digest for listed in rows.values() for _, digest in listed}
    readable = source.by_digests(sorted(digests))
    (head,) = source.by_indices([known.size - 1])
    readable = {**readable, head.statement.digest: head}
    raw = source.raw(sorted(readable))
    statements = {item.index: raw[digest] for digest, item in readable.items() if digest in raw}
    tree = log.tree(known.size)
    documents = source.documents(
        sorted(
            {
                item.statement.document
                for item in readable.values()
                if item.statement.document is not None and item.statement.payload is not None
            }
        )
    )
    return Bundle(
        subject=subject,
        profile=profile,
        origin=known.origin,
        checkpoint=log.note(known.size).to_bytes(),
        statements=statements,
        path=prove_leaves(sorted(statements), known.size, tree.node),
        map_proof=proof.to_bytes(),
        dates=sorted({log.dated(index) for index in statements}),
        notes=_notes(log, anchors, statements, known.size),
        documents=[data for data in documents.values() if data is not None],
    )


def _complete(source: BundleSource, keys: set[bytes]) -> dict[bytes, Sequence[tuple[int, Digest]]]:
    """Rows of the keys, and of the keys of everyone who issued any of them, and so on."""
    (known,) = source.heads()
    (head,) = source.by_indices([known.size - 1])
    rows: dict[bytes, Sequence[tuple[int, Digest]]] = {}
    issuers: set[SubjectId] = set()
    wanted = keys | {subject_key(head.statement.issuer)}
    for _ in range(_ROUNDS):
        if not wanted:
            return rows
        found = source.rows_under(sorted(wanted))
        rows.update({key: tuple(found.get(key, ())) for key in wanted})
        fresh = sorted({digest for listed in found.values() for _, digest in listed})
        issuers.update(item.statement.issuer for item in source.by_digests(fresh).values())
        wanted = {subject_key(issuer) for issuer in issuers} - rows.keys()
    raise Unavailable(
        "bundle.too-deep",
        f"the issuers of this chain vouch for each other over more than {_ROUNDS} steps",
        why="each issuer's keys were introduced by another issuer",
        hint="judge in the store, or export a smaller part of the chain",
        limit=_ROUNDS,
    )


def _notes(
    log: EvidenceLog, anchors: Anchors, statements: Mapping[int, bytes], size: int
) -> list[bytes]:
    """For each entry the nearest cosigned checkpoints on both sides."""
    if anchors.quorum == 0:
        return []
    notes: dict[int, list[bytes]] = {}
    for at, note in log.cosigned(anchors):
        if at <= size:
            notes.setdefault(at, []).append(note)
    sizes = sorted(notes)
    wanted: set[int] = set()
    place, ordered = 0, sorted(statements)
    for index in ordered:
        while place < len(sizes) and sizes[place] <= index:
            place += 1
        wanted.update(sizes[max(0, place - 1) : place + 1])
    return sorted({note for at in wanted for note in notes[at]})


def _moved_on() -> Unavailable:
    return Unavailable(
        "bundle.moved-on",
        "the store grew while the bundle was being made",
        hint="try again",
    )
