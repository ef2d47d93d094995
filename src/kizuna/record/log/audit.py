# SPDX-License-Identifier: Apache-2.0
"""Audit of the map: replay every statement, compare with every logged map head, vouch for it.

A witness vouches for growth only. An auditor makes the map again from the statements themselves and
cosigns the checkpoint under a name and key of its own, so that "this is all there is" rests on more
than the store's word.

Keeps: 1. A map head is compared with the map over exactly the entries before it. 2. Statements are
bound to the log: each digest is compared with the entry at its index. 3. A statement whose document
is gone cannot show all its keys; its stored rows are used, and counted as taken on trust.
4. A cosignature is given only for a checkpoint whose last leaf is a map head that held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kizuna.model.errors import Problem, Tampered
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.model.statement import Registered, Statement
from kizuna.record.log.checkpoint import SignedCheckpoint
from kizuna.record.log.fsck import Fault
from kizuna.record.log.keys import keys_of
from kizuna.record.log.map import MemoryHeads, VerifiableMap
from kizuna.record.log.map_head import MAP_HEAD, map_head_subject, read_map_head
from kizuna.record.log.note import Signature, cosign
from kizuna.record.log.signer import Signer

__all__ = ["MapAudit", "audit_map", "must_hold", "vouch"]

MAX_FAULTS: Final = 1000

StoredKeys = Callable[[Statement], Sequence[bytes]]
"""The keys under which the store has a statement; for those whose document is gone."""


@dataclass(slots=True)
class MapAudit:
    """What an audit found. ``heads`` map heads held; ``last`` is the index of the newest."""

    origin: str
    entries: int = 0
    heads: int = 0
    last: int | None = None
    on_trust: int = 0
    """Statements whose document is gone and whose keys are the store's word."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every map head was right and there was at least one."""
        return not self.faults and self.last is not None


def audit_map(
    origin: str,
    statements: Iterable[Sequence[Registered]],
    entries: Iterable[bytes],
    scratch: str | Path,
    *,
    stored_keys: StoredKeys | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> MapAudit:
    """Replay a log's statements, in index order and without gaps, against its map heads.

    Args:
        origin: the log.
        statements: everything registered, in batches.
        entries: the log's entries, from tiles that were checked.
        scratch: a folder for the map that is built; an interrupted audit begins again.
        stored_keys: how to get the keys of a statement whose document is gone.
        progress: called with the number of entries replayed.
    """
    report = MapAudit(origin)
    folder = Path(scratch)
    folder.mkdir(parents=True, exist_ok=True)
    built = VerifiableMap(folder / "map", MemoryHeads())
    built.clear()
    subject = map_head_subject(origin)
    leaves = iter(entries)
    rows: list[tuple[bytes, int, bytes]] = []
    try:
        for batch in statements:
            for one in batch:
                index, statement = one.index, one.statement
                if index != report.entries or one.origin != origin:
                    _fault(report, "log.out-of-step", "a statement is missing or out of order", one)
                    return report
                report.entries += 1
                if next(leaves, None) != statement.digest:
                    _fault(report, "log.entry-differs", "not the entry that the log has", one)
                if (
                    statement.subject == subject
                    and statement.kind is Kind.EVIDENCE
                    and isinstance(statement.payload, Claim)
                    and statement.payload.type == MAP_HEAD
                ):
                    root = built.apply(rows, index)
                    rows = []
                    _compare(report, one, root)
                digest = statement.digest
                rows.extend((key, index, digest) for key in _keys(report, statement, stored_keys))
            progress(report.entries)
        if next(leaves, None) is not None:
            report.faults.append(
                Fault("log.entry-missing", "the log has entries without a statement", origin)
            )
    finally:
        built.close()
    return report


def vouch(report: MapAudit, checkpoint: SignedCheckpoint, signer: Signer, now: int) -> Signature:
    """The auditor's cosignature: the map head under this checkpoint is right, as all before it.

    The signer's name and key are the auditor's alone: the same key must not witness growth.

    Raises:
        Tampered: as ``must_hold``.
    """
    must_hold(report, checkpoint)
    return cosign(checkpoint.checkpoint.text(), signer, now)


def must_hold(report: MapAudit, checkpoint: SignedCheckpoint) -> None:
    """See that an audit reached exactly this checkpoint, and found nothing.

    Raises:
        Tampered: ``map.audit-failed`` when the audit did not hold up to this checkpoint.
    """
    found = checkpoint.checkpoint
    if not report.holds or report.last != found.size - 1 or report.origin != found.origin:
        raise Tampered(
            "map.audit-failed",
            "the audit of the map does not hold for this checkpoint",
            why=report.faults[0].what if report.faults else "its last leaf is no audited map head",
            hint="see the faults; ask the store's operator to explain them",
            size=found.size,
            faults=len(report.faults),
        )


def _compare(report: MapAudit, one: Registered, root: bytes) -> None:
    try:
        head = read_map_head(one.statement, report.origin, one.index)
    except Problem as problem:
        _fault(report, problem.code, problem.why, one)
        return
    if head.root != root:
        _fault(report, "map.head-differs", "the statements give another map than logged", one)
        return
    report.heads += 1
    report.last = one.index


def _keys(report: MapAudit, statement: Statement, stored: StoredKeys | None) -> Sequence[bytes]:
    if statement.payload is None and statement.document is not None and stored is not None:
        known: Mapping[bytes, None] = dict.fromkeys(stored(statement))
        own = keys_of(statement)
        if set(own) != set(known):
            report.on_trust += 1
        return sorted({*own, *known})
    return keys_of(statement)


def _fault(report: MapAudit, code: str, what: str, one: Registered) -> None:
    if len(report.faults) < MAX_FAULTS:
        report.faults.append(Fault(code, what, f"index {one.index}"))
