# SPDX-License-Identifier: Apache-2.0
"""The store: statements in, durable and receipted; evidence out, under one view.

Keeps: 1. ``submit`` answers for every statement, in order, and only after what it accepted is
durable and published: a receipt can be had at once. 2. Nothing leaves except through a view.
3. Two stores on one folder take turns; a restored one waits for its operator.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final, Self

from kizuna.model.errors import Absent, Misconfigured, Problem, Refused, Unavailable
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target, encode_payload
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.trust import LogAnchor
from kizuna.model.verdict import Known
from kizuna.record.log import EvidenceLog, MapProof, Signer, VerifiableMap
from kizuna.record.log.checkpoint import Checkpoint
from kizuna.record.log.keys import keys_of
from kizuna.record.log.map_head import map_head_subject
from kizuna.record.log.tiles import Source
from kizuna.record.store.archive import HEADER, PREFIX, Archive
from kizuna.record.store.arriving import Accepted, Refusal
from kizuna.record.store.backend import Backend
from kizuna.record.store.completing import (
    Completed,
    Documents,
    Statements,
    no_documents,
    take_lost,
)
from kizuna.record.store.heads import TableHeads
from kizuna.record.store.intake import Intake
from kizuna.record.store.policy import Members, Rate, RegistrationPolicy
from kizuna.record.store.reader import StoreReader
from kizuna.record.store.receipts import receipts_of
from kizuna.record.store.recheck import Rechecked, recheck
from kizuna.record.store.version import CURRENT
from kizuna.record.store.view import OPERATOR, View
from kizuna.record.store.writer import OperatorKey, Writer, restored
from kizuna.roots.cose import check_signature, parse_sign1, with_receipts
from kizuna.roots.keys import PublicKey

__all__ = ["MapAnswer", "Store", "StoreSettings"]

ARCHIVE: Final = "statements"
MAP: Final = "map"

_WORTH_PROCESSES: Final = 8192
"""Fewer statements than this are checked again by one process."""

_PIECE: Final = 2048
"""Statements that such a process checks at a time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """What an operator decides about a store."""

    operator: OperatorKey
    list_id: SubjectId
    """The store's own trust list: who is a member."""
    policy: RegistrationPolicy = RegistrationPolicy.MEMBERS
    rate: int | None = None
    """Most statements an issuer other than the operator registers in one hour."""
    pinned: Mapping[str, Sequence[PublicKey]] = field(default_factory=dict)
    """Keys of identities whose name does not carry one."""
    threads: int = 2
    """How many signatures are checked at once."""
    helpers: bool = True
    """Whether helper processes may be started for bulk."""
    wait: float = 10.0
    """Seconds to wait for another writer."""


@dataclass(frozen=True, slots=True)
class MapAnswer:
    """Complete lists of some keys, proven against a map head that is in the log."""

    proof: MapProof
    head_index: int
    """Index of the ``map-head`` statement whose root the proof leads to."""
    checkpoint: Checkpoint


class Store:
    """One store: a database, an archive, a log and its map. Make it with ``create`` or ``open``."""

    def __init__(
        self,
        folder: Path,
        backend: Backend,
        archive: Archive,
        log: EvidenceLog,
        settings: StoreSettings,
        clock: Callable[[], int],
    ) -> None:
        self.folder = folder
        self.backend = backend
        self.archive = archive
        self.log = log
        self.settings = settings
        self.clock = clock
        self.members = Members(settings.list_id, settings.operator.identity)
        self._heads = TableHeads(backend)
        self.map = VerifiableMap(folder / MAP, self._heads)
        self._writer = Writer(
            folder,
            backend,
            archive,
            log,
            self.map,
            self._heads,
            operator=settings.operator,
            members=self.members,
            policy=settings.policy,
            rate=Rate(settings.rate),
            pinned=settings.pinned,
            wait=settings.wait,
        )
        self._askers = self._writer.another_keyring()
        self._asking = threading.Lock()
        self._asked_at = -1
        self._intake = Intake(
            self._writer, clock, threads=settings.threads, helpers=settings.helpers
        )

    @classmethod
    def create(
        cls,
        folder: Path,
        backend: Backend,
        log: EvidenceLog,
        settings: StoreSettings,
        clock: Callable[[], int],
    ) -> Self:
        """Make the tables and the archive of a new store beside an empty log.

        Raises:
            Refused: ``store.exists`` when there is one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if backend.version() or (folder / ARCHIVE).exists():
            raise Refused(
                "store.exists",
                "there is a store here already",
                why="making a new one over it would lose what its log has promised to keep",
                hint="open it, or choose another folder and database",
                path=str(folder),
            )
        backend.migrate()
        with backend.writing(settings.wait) as tables:
            tables.set_meta("origin", log.origin.encode())
            tables.set_meta("list", settings.list_id.encode())
        return cls(folder, backend, Archive.create(folder / ARCHIVE), log, settings, clock)

    @classmethod
    def open(
        cls,
        folder: Path,
        backend: Backend,
        log: EvidenceLog,
        settings: StoreSettings,
        clock: Callable[[], int],
    ) -> Self:
        """Open a store. An older schema is brought up to date; what a fall left half done is
        finished where this process may write, at the latest by the next batch.

        Raises:
            Misconfigured: ``store.absent``, ``store.damaged``, ``store.schema-newer``,
                ``store.other-log``.
        """
        version = backend.version()
        if version == 0:
            raise Misconfigured(
                "store.absent",
                "there is no store here",
                hint="make one with `kizuna init --name NAME`",
                path=str(folder),
            )
        if version != CURRENT:
            backend.migrate()
        origin = (backend.get_meta("origin") or b"").decode()
        if origin != log.origin:
            raise Misconfigured(
                "store.other-log",
                f"the tables belong to the log {origin!r}, not to {log.origin!r}",
                why="database and folder come from two stores",
                hint="give the store its own database",
                origin=log.origin,
                found=origin[:200],
            )
        store = cls(folder, backend, Archive.open(folder / ARCHIVE), log, settings, clock)
        if log.signer is not None and store.refusal() is None and store._is_behind():
            try:
                store._writer.settle()
            except Unavailable:
                _log.warning("another process writes to this store; it will settle what is open")
        return store

    def close(self) -> None:
        """Finish what was submitted and let go of everything; idempotent."""
        self._intake.close()
        self._writer.close()
        self.map.close()
        self.archive.close()
        self.backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing -------------------------------------------------------------------------------

    def submit(
        self,
        statements: Sequence[bytes],
        *,
        documents: Mapping[Digest, bytes] | None = None,
        now: int | None = None,
    ) -> list[Accepted | Refusal]:
        """Register statements; blocks until those accepted are durable and published.

        Args:
            statements: signed statements as they arrived.
            documents: bytes that hash envelopes speak of, by SHA-256 (salt included).
            now: the instant of registration, where it is not the clock's.

        Returns:
            One outcome a statement, in order.

        Raises:
            Problem: where nothing could be done for any of them (see ``Writer.write``). What was
                sent before the fault in a large batch is registered: sending all of it again is
                safe.
        """
        return self._intake.submit(statements, documents or {}, now)

    def on_registered(self, listener: Callable[[list[Registered]], None]) -> Callable[[], None]:
        """Call ``listener`` when a batch is durable, before those who sent it are answered, so that
        they find it taken in. It runs in the writer's thread: it must be quick, and not submit.

        Returns:
            The way to stop it.
        """
        listeners = self._intake.listeners
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def refusal(self) -> Problem | None:
        """Why this store does not write, if it does not."""
        if self.backend.get_meta("restored") is not None:
            return restored()
        return self.log.fault

    # -- reading -------------------------------------------------------------------------------

    def head(self) -> Known:
        """The last published checkpoint."""
        return self.log.published.known

    def reader(
        self, view: View = OPERATOR, *, times: Callable[[int], Interval | None] | None = None
    ) -> StoreReader:
        """What ``view`` sees at the last published checkpoint."""
        return StoreReader(self.backend, self.archive, head=self.head(), view=view, times=times)

    def refresh(self) -> None:
        """See what another process has published meanwhile."""
        self.log.refresh()

    def receipt(self, digest: Digest, *, view: View = OPERATOR) -> bytes:
        """The COSE receipt of a statement at the last published checkpoint.

        Raises:
            Absent: ``statement.unknown``.
        """
        return self.receipts([digest], view=view)[0]

    def receipts(self, digests: Sequence[Digest], *, view: View = OPERATOR) -> list[bytes]:
        """Receipts of many statements, in the order asked.

        Raises:
            Absent: ``statement.unknown``.
        """
        size = self.log.published_size
        index = {
            digest: index
            for digest, index, issuer, readers in self.backend.places(digests)
            if index < size and view.shows(issuer, readers)
        }
        missing = next((digest for digest in digests if digest not in index), None)
        if missing is not None:
            raise unknown_statement(missing)
        return receipts_of(self.log, [index[digest] for digest in digests], size)

    def transparent(self, digest: Digest, *, view: View = OPERATOR) -> bytes:
        """A statement with its receipt, as it travels (RFC 9943's transparent statement).

        Raises:
            Absent: ``statement.unknown``.
        """
        receipt = self.receipt(digest, view=view)
        (raw,) = self.reader(view).raw([digest]).values()
        return with_receipts(raw, [receipt])

    def stored_keys(self, statement: Statement) -> tuple[bytes, ...]:
        """The map keys under which a statement stands, also where its document is gone.

        Raises:
            Absent: ``statement.unknown``.
        """
        rows = self.backend.rows_by_digests([statement.digest])
        if not rows:
            raise unknown_statement(statement.digest)
        record = next(self.archive.records(rows[0][13] - PREFIX))
        return keys_of(statement) if record.keys is None else record.keys

    def find_key(self, identity: SubjectId, thumbprint: bytes) -> PublicKey | None:
        """The key of an identity by its thumbprint, if it may sign now (for signed requests)."""
        with self._asking:
            size = self.log.published_size
            if size != self._asked_at:
                self._askers.clear()
                self._asked_at = size
            self._askers.load((identity,))
            return self._askers.present(identity, thumbprint, size)

    def prove(self, keys: Sequence[bytes]) -> MapAnswer:
        """Everything that stands under these map keys, with the proof that it is everything.

        Raises:
            Tampered: ``map.rows-wrong``. Unavailable: ``map.busy``.
        """
        with self._writer.guard:
            checkpoint = self.log.published
            covered = self.map.covered
            reader = StoreReader(
                self.backend,
                self.archive,
                head=Known(origin=self.log.origin, size=covered, root=""),
                view=OPERATOR,
            )
            return MapAnswer(self.map.prove(reader.rows_under(keys)), covered, checkpoint)

    # -- keeping house -------------------------------------------------------------------------

    def rebuild(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Make every derived table and the map again from log and archive.

        Returns:
            How many statements there are.
        """
        self._intake.settle()
        return self._writer.rebuild(progress)

    def recheck(self, progress: Callable[[int], None] = lambda _: None) -> Rechecked:
        """Check the signature of every registered statement again, on all processors.

        Raises:
            Unavailable: ``store.recheck-failed``. Misconfigured: ``store.damaged``.
        """
        last = self.backend.last_batch()
        if last is None:
            return Rechecked()
        keyring = self._writer.another_keyring()

        def settle(raw: bytes) -> bool:
            try:
                envelope = parse_sign1(raw)
            except Problem:
                return False
            keyring.load((envelope.issuer,))
            key = keyring.find(envelope)
            return key is not None and check_signature(envelope, key)

        cuts = [len(HEADER), last.end]
        processes = self.settings.threads if last.size >= _WORTH_PROCESSES else 1
        for first in range(_PIECE, last.size, _PIECE) if processes > 1 else ():
            for row in self.backend.rows(first, 1):
                cuts.insert(-1, row[13] - PREFIX)
        return recheck(
            self.archive.path,
            list(pairwise(cuts)),
            self.log.entries(0, last.size),
            settle,
            processes=processes,
            progress=progress,
        )

    @contextmanager
    def quiescent(self) -> Iterator[None]:
        """Keep every writer out, for a copy of files that belong together."""
        with self._writer.exclusive(), self._writer.guard:
            yield

    def settle(self) -> None:
        """Bring log and map to where the tables are."""
        self._writer.settle()

    def observe(self, note: bytes) -> Checkpoint:
        """Hold the store to a checkpoint of its log that someone else has: a witness, a mirror, a
        customer. One that is ahead of what the store holds ends writing, also after a restart.

        Raises:
            Tampered: ``log.rolled-back``, ``log.forked``; and for a note that this log never
                signed as ``record.log.read_checkpoint``.
        """
        return self.log.remember(note)

    def resume(self, newest: bytes) -> Checkpoint:
        """Let a restored store write again.

        Args:
            newest: the newest checkpoint that witnesses, mirrors or customers have.

        Raises:
            Tampered: ``log.rolled-back`` where more was published after the backup: the store stays
                as it is, and ``resume_with`` or the missing files are the ways on; ``log.forked``.
        """
        checkpoint = self.observe(newest)
        self._confirm()
        return checkpoint

    def complete(
        self,
        source: Source,
        statements: Statements,
        documents: Documents = no_documents,
        *,
        now: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Completed:
        """Bring what was published after the backup back from a copy, and write again.

        Args:
            source: the log's files in the copy.
            statements: where the statements' bytes come from (``completing.archived``, or a fetch).
            documents: where documents beside the log come from (``completing.stored``, or a fetch).
            now: the present.
            progress: called with (statements brought, statements lost).

        Raises:
            As ``completing.take_lost``. Tampered: also where a signature or a logged head of the
                map does not hold; the store does not write then.
        """
        self._intake.settle()
        with self._writer.exclusive(), self._writer.guard:
            completed = take_lost(
                self.backend,
                self.archive,
                self.log,
                source,
                statements,
                documents,
                operator=self.settings.operator.identity,
                wait=self.settings.wait,
                now=now,
                progress=progress,
            )
        self._writer.rebuild()
        self._confirm()
        return completed

    def resume_with(self, signer: Signer, *, now: int) -> LogAnchor:
        """Let a restored store go on under a new log key, where what came after the backup is lost.

        The old key is closed at the size that was restored. What the old key signed beyond it
        stands against the log's own word from now on: verifiers accept the new key by taking the
        returned anchor, which must reach them by another way than from the log.

        Raises:
            Refused: ``log.key-reused``. Tampered: where the log may not write.
        """
        anchor = self._rotate(signer, now=now, compromised_after=self.log.published_size)
        self._confirm()
        return anchor

    def rotate_log_key(
        self, signer: Signer, *, now: int, compromised_after: int | None = None
    ) -> LogAnchor:
        """Sign the log with another key from now on; the statement of it is logged.

        Args:
            signer: the new key, under the log's own name.
            now: the present.
            compromised_after: where the old key was lost to somebody else, the size of the last
                checkpoint that is known to be the log's own.

        Returns:
            What verifiers put into their anchors.

        Raises:
            As ``record.log.EvidenceLog.rotate`` and ``submit``.
        """
        old = None if self.log.signer is None else self.log.signer.public
        anchor = self._rotate(signer, now=now, compromised_after=compromised_after)
        if old is not None:
            self._tell_of_rotation(old, signer.public, now, compromised=compromised_after)
        return anchor

    def _rotate(self, signer: Signer, *, now: int, compromised_after: int | None) -> LogAnchor:
        with self._writer.exclusive(), self._writer.guard:
            self.log.refresh()
            return self.log.rotate(signer, now, compromised_after=compromised_after)

    def _tell_of_rotation(
        self, old: PublicKey, new: PublicKey, now: int, *, compromised: int | None
    ) -> None:
        operator = self.settings.operator
        claim = Claim(
            type="log-key",
            claims={
                "old": old.thumbprint.hex(),
                "new": new.thumbprint.hex(),
                "reason": "rotated" if compromised is None else "compromised",
                **({} if compromised is None else {"last-size": compromised}),
            },
        )
        subject = map_head_subject(self.log.origin)
        raw = operator.sign(Kind.EVIDENCE, subject, encode_payload(claim), now)
        (outcome,) = self.submit([raw], now=now)
        if isinstance(outcome, Refusal):
            raise outcome.problem

    def _confirm(self) -> None:
        with self._writer.exclusive(), self.backend.writing(self.settings.wait) as tables:
            tables.drop_meta("restored")
        if self._is_behind():
            self.settle()

    def erase(self, digest: Digest, *, reason: str, now: int) -> Accepted:
        """Erase the document of a statement, in the operator's name: document and salt go, the
        proof stays, and the erasure itself is in the log.

        An issuer erases its own by submitting a ``status`` with the action ``erase``.

        Raises:
            Absent: ``statement.unknown``. Refused: ``document.inline``.
        """
        found = self.reader().by_digests([digest]).get(digest)
        if found is None:
            raise unknown_statement(digest)
        subject = found.statement.subject
        status = Status(
            action=Action.ERASE, target=Target(statement=digest.hex()), reason=reason[:4000]
        )
        raw = self.settings.operator.sign(Kind.STATUS, subject, encode_payload(status), now)
        (outcome,) = self.submit([raw], now=now)
        if isinstance(outcome, Refusal):
            raise outcome.problem
        return outcome

    def _is_behind(self) -> bool:
        last = self.backend.last_batch()
        return self.log.published_size != (0 if last is None else last.size)


def unknown_statement(digest: Digest) -> Absent:
    """The problem of a digest that is not here, or not for this reader: the two look the same."""
    return Absent(
        "statement.unknown",
        "no such statement is registered here",
        why="it was never registered in this store, or it is not for this reader",
        hint="check the digest; sign the request if the statement is restricted",
        statement=digest.hex(),
    )
