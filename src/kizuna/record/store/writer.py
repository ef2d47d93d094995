# SPDX-License-Identifier: Apache-2.0
"""The writer: makes a batch durable, in an order that survives a fall at any step.

::

    lock → settle → plan → archive durable ┐
                           rows inserted   ┴ commit → map → tiles durable → checkpoint → receipts

Keeps: 1. What fails before the commit leaves nothing behind. What is committed is brought to its
checkpoint by whoever writes next, or by the next opening of the store (``settle``). 2. One writer
at a time: a lock on the folder and one in the database; a token tells whether somebody else wrote
meanwhile, and then everything remembered is read again. 3. A store whose tables hold less than its
log has published writes nothing and says so: it was restored, and a second tree would be a fork.

Owner of the mutable state: one thread of ``Store``.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Final

import msgspec

from kizuna.model.errors import Misconfigured, Problem, Refused, Tampered, Unavailable
from kizuna.model.identifier import SubjectId, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, encode_payload
from kizuna.model.statement import Envelope, Interval, Registered
from kizuna.model.verdict import Known
from kizuna.record.log import EvidenceLog, Staged, VerifiableMap
from kizuna.record.log.keys import keys_of, statement_key, subject_key
from kizuna.record.log.map_head import map_head_claim, map_head_subject, read_map_head
from kizuna.record.store.archive import HEADER, PREFIX, Archive, Record
from kizuna.record.store.arriving import Item, find_keys
from kizuna.record.store.backend import Backend, Batch, Writing, busy, disk_full
from kizuna.record.store.heads import TableHeads
from kizuna.record.store.keyring import Keyring, Pin
from kizuna.record.store.pipeline import Planner, is_reserved
from kizuna.record.store.plan import Plan, add
from kizuna.record.store.policy import Members, Rate, RegistrationPolicy
from kizuna.record.store.reader import StoreReader
from kizuna.record.store.view import OPERATOR
from kizuna.roots.cose import check_signature, parse_sign1
from kizuna.roots.identity import KeyEvent, key_event, pinned_keys
from kizuna.roots.keys import PublicKey, verify_many
from kizuna.roots.statement import decoded

__all__ = ["OperatorKey", "Writer", "restored"]

_log = logging.getLogger(__name__)

_POLL: Final = 0.01
_SYNC_EVERY: Final = 200_000
"""Statements after which the map is brought to disk, all of whose pages they have changed by then.
After a loss of power the paths of as many are computed again: seconds."""
_REPLAY: Final = 4096


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """The store's own organisation, and how it signs: its key stays where it is.

    ``sign(kind, subject, payload, now)`` gives a whole signed statement.
    """

    identity: SubjectId
    sign: Callable[[Kind, SubjectId, bytes, int], bytes]


class Writer:
    """Writes batches. One object a process and store; calls come from one thread."""

    def __init__(
        self,
        folder: Path,
        backend: Backend,
        archive: Archive,
        log: EvidenceLog,
        map_: VerifiableMap,
        heads: TableHeads,
        *,
        operator: OperatorKey,
        members: Members,
        policy: RegistrationPolicy,
        rate: Rate,
        pinned: Mapping[str, Sequence[PublicKey]],
        wait: float,
    ) -> None:
        self.backend = backend
        self.archive = archive
        self.log = log
        self.map = map_
        self.heads = heads
        self.operator = operator
        self.members = members
        self.wait = wait
        self._lock_path = folder / "writer.lock"
        self._token = secrets.token_bytes(16)
        self._mine = False
        self._replaying = False
        self._since_sync = 0
        self._pending: Future[None] | None = None
        self.guard = RLock()
        """Held from a commit to its checkpoint."""
        self._reader = StoreReader(
            backend, archive, head=Known(origin=log.origin, size=2**62, root=""), view=OPERATOR
        )
        self._disk = ThreadPoolExecutor(1, "archive")
        self._aside = ThreadPoolExecutor(1, "map")
        self._head_key = subject_key(map_head_subject(log.origin))
        self._pinned = pinned
        self.keyring = self.another_keyring()
        self.planner = Planner(
            keyring=self.keyring,
            members=members,
            policy=policy,
            rate=rate,
            operator=operator.identity,
            origin=log.origin,
            erasers=self._erasers,
        )
        members.load(backend.members(members.list_id))

    def another_keyring(self) -> Keyring:
        """A keyring over the same tables, for one who does not write."""
        return Keyring(
            pinned=self._pinned,
            load_events=self._events_of,
            pins_of=self._pin_of,
            is_superior=self._is_superior,
        )

    def _is_superior(self, issuer: str, identity: str) -> bool:
        return self.planner.is_superior(issuer, identity)

    def close(self) -> None:
        """Let go of the helper threads."""
        self._disk.shutdown()
        self._aside.shutdown()

    # -- a batch -------------------------------------------------------------------------------

    def write(
        self, items: Sequence[Item], clock: Callable[[], int], *, told: bool = True
    ) -> list[Registered]:
        """Decide about the items, make what is accepted durable, publish it.

        Args:
            items: what arrived, parsed.
            clock: the present.
            told: whether anyone wants to be told what was registered.

        Returns:
            What was registered, the map head at the end; nothing where nothing was accepted, or
            where nobody wants to be told.

        Raises:
            Unavailable: ``store.busy``, ``store.disk-full``, ``store.unreachable``: nothing of the
                batch was kept; ``store.unpublished``: it is durable, its receipts come later.
            Tampered: ``log.rolled-back``, ``log.forked``. Refused: ``store.restored``.
        """
        plan: Plan | None = None
        with self.exclusive(), ExitStack() as after:
            try:
                with self.backend.writing(self.wait) as tables, self.heads.within(tables):
                    last = self._settle(tables)
                    plan = self._plan_after(last, clock())
                    self.planner.plan(items, plan, tables)
                    if not plan.rows:
                        tables.add_documents(list(plan.documents.items()), plan.now)
                        tables.return_documents(list(plan.returned.items()), plan.now)
                        return []
                    staged = self._sequence(plan, last, tables)
                    # from the commit to the checkpoint, nobody in this process proves anything
                    after.enter_context(self.guard)
            except BaseException as fault:
                self._undo(plan)
                if isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise disk_full(str(fault)) from fault
                if isinstance(fault, Unavailable) and fault.code == "map.unavailable":
                    raise disk_full(fault.why) from fault
                raise
            self._publish(plan, staged)
        self._since_sync += len(plan.rows)
        if self._since_sync >= _SYNC_EVERY:
            self._aside.submit(self._sync_map)
            self._since_sync = 0
        if plan.erased:
            self.backend.scrub()
        return plan.registered(self.log.origin) if told else []

    @staticmethod
    def _plan_after(last: Batch | None, now: int) -> Plan:
        """An empty plan for what follows ``last``; time does not run back."""
        if last is None:
            return Plan(now=now, start=0, place=len(HEADER))
        return Plan(now=max(now, last.registered_at), start=last.size, place=last.end)

    def _sequence(self, plan: Plan, last: Batch | None, tables: Writing) -> Staged:
        """Everything of the transaction but its commit."""
        place = len(HEADER) if last is None else last.end
        pending: list[tuple[bytes, int, bytes]] = []
        if last is not None:  # the head of the last batch is covered by this one
            (row,) = tables.rows_by_indices((last.size - 1,))
            pending.append((self._head_key, row[0], row[1]))
        rows = pending + plan.map_rows
        staged = self.map.stage(rows, plan.next)
        self._add_map_head(plan, staged)
        self._pending = self._disk.submit(self._keep, place, plan.records)
        self._insert(plan, rows, staged, tables)
        self._pending.result()
        self._pending = None
        return staged

    def _insert(
        self,
        plan: Plan,
        map_rows: Sequence[tuple[bytes, int, bytes]],
        staged: Staged,
        tables: Writing,
    ) -> None:
        tables.add_statements(plan.rows)
        tables.add_map_rows(sorted((key[:16], index) for key, index, _ in map_rows))
        self.heads.put_whole(staged.buckets)
        if plan.documents:
            tables.add_documents(list(plan.documents.items()), plan.now)
        if plan.document_refs:
            tables.add_document_refs(plan.document_refs)
        if plan.returned:
            tables.return_documents(list(plan.returned.items()), plan.now)
        if plan.erased:
            tables.erase_documents(list(plan.erased), plan.now)
        if plan.key_events:
            tables.add_key_events(plan.key_events)
        if plan.members:
            tables.put_members(list(plan.members.values()))
        tables.add_batch(Batch(plan.next, plan.now, staged.root, plan.place))

    def _keep(self, place: int, records: Sequence[bytes]) -> None:
        self.archive.write(place, records)
        self.archive.sync()

    def _sync_map(self) -> None:
        try:
            self.map.sync()
        except Unavailable as fault:  # nothing is lost: more is computed again after a crash
            _log.warning("the map was not brought to disk: %s", fault.why)

    def _add_map_head(self, plan: Plan, staged: Staged) -> None:
        claim = map_head_claim(staged.covered, staged.root)
        subject = map_head_subject(self.log.origin)
        raw = self.operator.sign(Kind.EVIDENCE, subject, encode_payload(claim), plan.now)
        envelope = parse_sign1(raw)
        if envelope.issued_at != plan.now:
            raise self._operator_key()
        self._add_head(plan, envelope)

    def _add_head(self, plan: Plan, envelope: Envelope) -> None:
        self.keyring.load((envelope.issuer,))
        key = self.keyring.find(envelope)
        if (
            key is None
            or envelope.issuer != self.operator.identity
            or not check_signature(envelope, key)
        ):
            raise self._operator_key()
        statement = decoded(envelope, key)
        moment = Interval(plan.now, plan.now)
        # its own map row follows with the next batch: a root cannot cover the statement it is in
        add(plan, envelope, statement, moment, self.log.origin, keys=())

    def _operator_key(self) -> Misconfigured:
        return Misconfigured(
            "store.operator-key",
            "the store's operator does not sign with a key of its own",
            why="each batch ends with a statement of the operator about the map",
            hint="give the store the operator's present key",
            operator=self.operator.identity[:120],
        )

    def _publish(self, plan: Plan, staged: Staged) -> None:
        """What follows the commit. Whatever fails here is made good by ``settle``."""
        try:
            self.map.commit(staged)
            self.log.append(plan.digests, at=plan.start)
            self.log.publish(plan.now)
        except (Unavailable, OSError) as fault:
            self._mine = False
            raise Unavailable(
                "store.unpublished",
                "the statements are kept and in order, but their checkpoint could not be written",
                why=fault.what if isinstance(fault, Problem) else str(fault),
                hint="make room on the disk and ask for the receipts again; nothing need be resent",
            ) from fault
        except Problem:
            self._mine = False
            raise

    def _undo(self, plan: Plan | None) -> None:
        """Forget what a batch did that left no trace."""
        if self._pending is not None:
            self._pending.exception()
            self._pending = None
        if plan is not None:
            self.keyring.drop(plan.touched)
            if plan.members:
                self.members.load(self.backend.members(self.members.list_id))

    # -- one writer ----------------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock on the folder.

        Raises:
            Unavailable: ``store.busy`` when another process does not let go within ``wait``.
        """
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise disk_full(str(fault)) if fault.errno == errno.ENOSPC else fault from fault
        try:
            until = time.monotonic() + self.wait
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise busy(self.wait) from None
                    time.sleep(_POLL)
            yield
        finally:
            os.close(descriptor)

    def settle(self) -> None:
        """Bring log and map to where the tables are, if a fall left them behind.

        Raises:
            As ``write``.
        """
        with self.exclusive(), self.guard, self.backend.writing(self.wait) as tables:
            self._mine = False
            self._settle(tables)

    def _settle(self, tables: Writing) -> Batch | None:
        last = tables.last_batch()
        if self._mine and tables.get_meta("writer") == self._token:
            return last
        if tables.get_meta("restored") is not None:
            raise restored()
        self.log.refresh()
        self.log.check_writable()
        self.keyring.clear()
        self.members.load(tables.members(self.members.list_id))
        size, end = (0, len(HEADER)) if last is None else (last.size, last.end)
        published = self.log.published_size
        if published > size:
            raise Tampered(
                "store.rolled-back",
                f"the log has published {published} entries, the tables hold {size}",
                why="the tables come from an older backup than the log",
                hint="make them again from log and archive: `kizuna store rebuild`",
                published=published,
                size=size,
            )
        if self.archive.length < end:
            raise Misconfigured(
                "store.damaged",
                "the archive of statements is shorter than the tables say",
                why=f"it has {self.archive.length} bytes, {end} are needed",
                hint="restore a backup, then confirm the last checkpoint: `kizuna store restore`",
                file=self.archive.path.name,
            )
        if last is not None:
            self._settle_log(last)
            self._settle_map(last, tables)
        tables.set_meta("writer", self._token)
        tables.set_meta("boot", _boot())
        self._mine = True
        return last

    def _settle_log(self, last: Batch) -> None:
        if self.log.size > last.size:
            self.log.truncate_unpublished(last.size)
        while self.log.size < last.size:
            start = self.log.size
            rows = self.backend.rows(start, min(_REPLAY, last.size - start))
            self.log.append([row[1] for row in rows], at=start)
        if self.log.published_size < last.size:
            self.log.publish(last.registered_at)

    def _settle_map(self, last: Batch, tables: Writing) -> None:
        covered, map_ = last.size - 1, self.map
        same_boot = tables.get_meta("boot") == _boot()
        if (
            map_.covered == covered
            and map_.root == last.map_root
            and (same_boot or map_.synced == covered)
        ):
            return
        if map_.covered <= covered:
            keys = {key for key, _, _ in self._map_rows(map_.synced, covered)}
            map_.refresh(keys, covered)
        if map_.root != last.map_root or map_.covered != covered:
            map_.rebuild(self.heads.everything(), covered)
        if map_.root != last.map_root:
            raise Misconfigured(
                "store.damaged",
                "the map does not give the root that was logged",
                why="its heads in the tables were changed",
                hint="make them again from log and archive: `kizuna store rebuild`",
                file="map",
            )

    def _map_rows(self, first: int, end: int) -> Iterator[tuple[bytes, int, bytes]]:
        """(key, index, digest) of the statements from ``first`` to below ``end``."""
        rows = self.backend.rows(first, 1) if first < end else []
        if not rows:
            return
        records = self.archive.records(rows[0][13] - PREFIX)
        for page in self._reader.all(first):
            for registered, record in zip(page, records, strict=False):
                if registered.index >= end:
                    return
                keys = record.keys
                if keys is None:
                    keys = keys_of(registered.statement)
                for key in keys:
                    yield key, registered.index, registered.statement.digest

    # -- what the keyring asks -----------------------------------------------------------------

    def _events_of(self, identities: Sequence[str]) -> dict[str, list[KeyEvent]]:
        # while the tables are made again, every event so far has gone through the keyring
        found = [] if self._replaying else self.backend.key_events(identities)
        if not found:
            return {}
        rows = {row.index: row for row in self._reader.by_indices([index for _, index in found])}
        events: dict[str, list[KeyEvent]] = {}
        for identity, index in found:
            event = key_event(rows[index])
            if event is not None:
                events.setdefault(identity, []).append(event)
        return events

    def _pin_of(self, identity: str) -> Pin | None:
        row = self.members.get(identity)
        if row is None or row.keys == "[]":
            return None
        return row.idx, pinned_keys(msgspec.json.decode(row.keys, type=list[dict[str, str]]))

    def _erasers(self, document: bytes) -> frozenset[str]:
        """Who had a document erased; nobody where it is not."""
        if not self.backend.erased([document]):
            return frozenset()
        places = [index for _, index in self.backend.document_refs([document])]
        said = [statement_key(row[1]) for row in self.backend.rows_by_indices(places)]
        return frozenset(
            found.statement.issuer
            for rows in self._reader.by_keys(said).values()
            for found in rows
            if isinstance(found.statement.payload, Status)
            and found.statement.payload.action is Action.ERASE
        )

    # -- making the tables again ---------------------------------------------------------------

    def rebuild(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Make every derived table and the map again from log and archive; signatures are checked.

        Returns:
            How many statements there are.

        Raises:
            Tampered: ``store.archive-differs`` when the archive does not hold what the log says.
            Misconfigured: ``store.damaged`` when it ends before the log does.
        """
        with self.exclusive(), self.guard:
            self.log.refresh()
            try:
                with self.backend.writing(self.wait) as tables, self.heads.within(tables):
                    tables.clear_derived()
                    self._forget()
                    self._replaying = True
                    size = self._replay(tables, progress)
                    tables.set_meta("writer", bytes(16))
            except BaseException:
                self._forget()
                raise
            finally:
                self._mine = self._replaying = False
        self.members.load(self.backend.members(self.members.list_id))
        if self.log.signer is not None and self.backend.get_meta("restored") is None:
            self.settle()
        return size

    def _forget(self) -> None:
        self.map.clear()
        self.keyring.clear()
        self.members.load(())

    def _replay(self, tables: Writing, progress: Callable[[int], None]) -> int:
        published = self.log.published_size
        entries = self.log.entries()
        last: Batch | None = None
        group: list[tuple[Record, Envelope]] = []
        records = self.archive.records()
        for count in range(published):
            record = next(records, None)
            if record is None:
                raise Misconfigured(
                    "store.damaged",
                    f"the archive holds {count} statements, the log {published}",
                    why="the file was cut short or comes from an older backup",
                    hint="restore a newer backup of the archive",
                    file=self.archive.path.name,
                )
            if next(entries) != digest_of(record.raw):
                raise _archive_differs(count)
            envelope = parse_sign1(record.raw)
            group.append((record, envelope))
            if self._is_map_head(envelope):
                last = self._replay_batch(group, last, tables)
                group = []
                progress(last.size)
        if group:
            raise _archive_differs(published - len(group))
        return 0 if last is None else last.size

    def _is_map_head(self, envelope: Envelope) -> bool:
        return (
            envelope.issuer == self.operator.identity
            and envelope.subject == map_head_subject(self.log.origin)
            and is_reserved(envelope)
        )

    def _replay_batch(
        self, group: Sequence[tuple[Record, Envelope]], last: Batch | None, tables: Writing
    ) -> Batch:
        """One batch of the archive as it was first written; the last of it is its map head."""
        (_, end), body = group[-1], group[:-1]
        plan = self._plan_after(last, end.issued_at or 0)
        items = [Item(envelope) for _, envelope in body]
        stored = self.backend.documents(
            [envelope.payload for _, envelope in body if envelope.by_hash]
        )
        for item, (_, envelope) in zip(items, body, strict=True):
            if envelope.by_hash:
                item.document = stored.get(envelope.payload, (None, None))[0]
        ready, checks = find_keys(items, self.keyring)
        for item, holds in zip(ready, verify_many(checks), strict=True):
            item.checked = holds
        for item, (record, _) in zip(items, body, strict=True):
            self.planner.repeat(item, plan, record.keys)
        staged_rows = list(plan.map_rows)
        if last is not None:
            (row,) = tables.rows_by_indices((last.size - 1,))
            staged_rows.insert(0, (self._head_key, row[0], row[1]))
        staged = self.map.stage(staged_rows, plan.next)
        self._add_head(plan, end)
        (statement,) = (
            found.statement for found in plan.told[-1:] if isinstance(found, Registered)
        )
        head = read_map_head(statement, self.log.origin, staged.covered)
        if head.root != staged.root:
            raise Tampered(
                "store.map-differs",
                f"the map over {staged.covered} entries is not the one that was logged",
                why="the archive holds other map keys than at registration, or the code changed",
                hint="restore a backup; keep this archive as evidence",
                size=staged.covered,
            )
        plan.documents = {}
        place = group[-1][0].end
        plan.place = place
        self._insert(plan, staged_rows, staged, tables)
        self.map.commit(staged)
        return Batch(plan.next, plan.now, staged.root, place)


def _boot() -> bytes:
    """What changes when the machine starts anew, after which memory-mapped pages may be lost."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return secrets.token_bytes(16)


def restored() -> Refused:
    """The problem of a store that came from a backup and was not confirmed yet."""
    return Refused(
        "store.restored",
        "this store was restored from a backup and does not write yet",
        why="what the log published after the backup may be missing; writing could fork the log",
        hint="show it the newest checkpoint anyone has: `kizuna store resume --checkpoint FILE`",
    )


def _archive_differs(index: int) -> Tampered:
    return Tampered(
        "store.archive-differs",
        f"the archive does not hold the statement that the log has at {index}",
        why="the archive was changed, or belongs to another log",
        hint="restore the archive from a backup; keep this file as evidence",
        index=index,
    )
