# SPDX-License-Identifier: Apache-2.0
"""The evidence log: entries in, durable; a signed checkpoint out; proofs and receipts from it.

Keeps: 1. Order of writing: tiles durable → root, size and time recorded with both signatures →
checkpoint renamed into place. Receipts and proofs are given for published checkpoints only. 2. A
log never signs two trees of which one does not continue the other: it refuses to write when its
files hold less, or other, than the largest checkpoint it has signed or was shown
(``remember``). 3. One signature of each sort serves all entries of a checkpoint. 4. One process
writes at a time (a lock on the folder); readers need no lock. 5. Its own clock never runs back.
Standard: C2SP tlog-tiles and tlog-checkpoint; RFC 9942 receipts. Public files are ``checkpoint``
and ``tile/``; ``state/`` is the log's own.
Does not: know statements, decide what is registered, read a clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Final

from kizuna.model.errors import (
    Absent,
    Malformed,
    Misconfigured,
    Problem,
    Refused,
    Tampered,
    Unavailable,
)
from kizuna.model.statement import Interval
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.record.log.checkpoint import (
    Checkpoint,
    Intervals,
    Seen,
    parse_checkpoint,
    read_checkpoint,
    witness_keys,
)
from kizuna.record.log.cosignatures import Cosignatures
from kizuna.record.log.disk import FolderLock, replace_durably, unreadable
from kizuna.record.log.history import History, Published
from kizuna.record.log.merkle import EMPTY_ROOT
from kizuna.record.log.note import (
    NOTE,
    Note,
    NoteKey,
    Signature,
    parse_note,
    parse_signature_lines,
    sign_note,
    signed_by,
)
from kizuna.record.log.own_keys import OwnKeys
from kizuna.record.log.receipt import (
    RootSignature,
    consistency_receipt,
    inclusion_receipt,
    root_protected,
    sign_root,
)
from kizuna.record.log.shown import Shown, contradiction
from kizuna.record.log.signer import Signer
from kizuna.record.log.tiles import TileReader, TileWriter, directory

__all__ = ["EvidenceLog"]

_STATE: Final = "state"


class EvidenceLog:
    """One log in one folder. Without a signer it only reads.

    Mutable state, guarded by one lock: the tile writer, the history, the reader of the published
    tree, and ``fault``: why writing is refused, if it is.
    """

    patience: float = 5.0
    """Seconds to wait for another process to finish writing before saying ``log.busy``."""

    def __init__(self, path: str | Path, origin: str, signer: Signer | None = None) -> None:
        """Open the log in a folder; an empty or missing folder is an empty log.

        Damage that concerns writing only does not keep the log from being read: it is in
        ``fault`` and raised by the first write.

        Raises:
            Misconfigured: ``log.origin-differs``, ``log.key-not-enrolled``, ``log.name-wrong``.
            Tampered: ``log.history-damaged``.
            Unavailable: ``log.unreadable``.
        """
        self.path = Path(path)
        self.origin = origin
        self.signer = signer
        self.fault: Problem | None = None
        self._lock = RLock()
        state = self.path / _STATE
        self._folder = FolderLock(state / "lock", self.path)
        self._history = History(state / "published")
        self._cosigned = Cosignatures(state / "cosignatures")
        self._keys = OwnKeys(state / "keys.json")
        self._shown = Shown(self.path, origin)
        self._check_names()
        self._writer: TileWriter | None = None
        self._reader: TileReader | None = None
        self._load()

    @classmethod
    def create(cls, path: str | Path, origin: str, signer: Signer, now: int) -> EvidenceLog:
        """A new log, with the checkpoint of the empty tree published: its beginning in time.

        Raises:
            Refused: ``log.exists``.
        """
        folder = Path(path)
        if (folder / "checkpoint").exists() or (folder / _STATE / "published").exists():
            raise Refused(
                "log.exists",
                f"there is a log in {folder} already",
                hint="open it, or choose another folder",
                path=str(folder),
            )
        log = cls(folder, origin, signer)
        log.publish(now)
        return log

    # --- what is there ------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Entries appended, published or not."""
        return self._writer.size if self._writer is not None else self.published_size

    @property
    def published_size(self) -> int:
        """Entries under the last published checkpoint."""
        return self._history.sizes[-1] if len(self._history) else 0

    @property
    def published(self) -> Checkpoint:
        """The last published checkpoint (the empty tree where there is none yet)."""
        if not len(self._history):
            return Checkpoint(self.origin, 0, EMPTY_ROOT)
        last = self._history[-1]
        return Checkpoint(self.origin, last.size, last.root)

    @property
    def published_at(self) -> int:
        """When the last checkpoint was published, by the log's own clock; 0 if never."""
        return self._history.times[-1] if len(self._history) else 0

    @property
    def keys(self) -> tuple[NoteKey, ...]:
        """Every key this log ever signed with, the present one last."""
        return self._keys.keys

    def anchor(self, url: str | None = None) -> LogAnchor:
        """What a verifier writes into its anchors to accept this log."""
        return LogAnchor(
            origin=self.origin, keys=self._keys.vkeys, url=url, closed=self._keys.closed
        )

    def checkpoint(self) -> bytes:
        """The last published checkpoint as a signed note, with all cosignatures.

        Raises:
            Absent: ``log.not-published`` when nothing was ever published.
        """
        if not len(self._history):
            raise _not_published(0)
        return self.note(self.published_size).to_bytes()

    def note(self, size: int) -> Note:
        """The signed note of a published size, with all cosignatures.

        Raises:
            Absent: ``log.not-published``.
        """
        record = self._history.at_size(size)
        if record is None:
            raise _not_published(size)
        text = Checkpoint(self.origin, record.size, record.root).text()
        own = Signature(self.origin, record.key_id, record.note)
        return Note(text, (own,)).with_signatures(self._cosigned.at(size))

    def published_sizes(self) -> list[tuple[int, int]]:
        """(size, time) of every published checkpoint, oldest first."""
        return list(zip(self._history.sizes, self._history.times, strict=True))

    # --- proofs -------------------------------------------------------------------------------

    def root(self, size: int | None = None) -> bytes:
        """Root of the first ``size`` entries (default: all, published or not)."""
        if size is None or size == self.size:
            with self._lock:
                if self._writer is not None:
                    return self._writer.root()
        return self.tree(self.size if size is None else size).root(size)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Inclusion proof in a published tree (default: the last)."""
        size = self.published_size if size is None else size
        return self.tree(size).inclusion(index, size)

    def consistency(self, first: int, second: int | None = None) -> tuple[bytes, ...]:
        """Consistency proof between two sizes (default: up to the last published)."""
        second = self.published_size if second is None else second
        return self.tree(second).consistency(first, second)

    def receipt(self, index: int, size: int | None = None) -> bytes:
        """COSE receipt of an entry at the last published checkpoint (or at a published size).

        Raises:
            Absent: ``log.not-published`` when no published checkpoint holds the entry.
        """
        size = self.published_size if size is None else size
        record = self._history.at_size(size) if size > index else None
        if record is None:
            raise _not_published(index + 1)
        return inclusion_receipt(
            self._root_signature(record), index, size, self.inclusion(index, size)
        )

    def consistency_receipt(self, first: int, second: int | None = None) -> bytes:
        """COSE receipt that the log grew from one published size to another."""
        second = self.published_size if second is None else second
        record = self._history.at_size(second)
        if record is None:
            raise _not_published(second)
        return consistency_receipt(
            self._root_signature(record), first, second, self.consistency(first, second)
        )

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Published entries in order, each checked against its leaf hash."""
        return self.tree(self.published_size).entries(start, end)

    def dated(self, index: int) -> tuple[bytes, bytes, bytes]:
        """The log's own signed word on when an entry was published: protected header, root and
        signature of the first published root that holds it (``receipt.root_date`` reads them).

        Raises:
            Absent: ``log.not-published``.
        """
        record = self._history.covering(index)
        if record is None:
            raise _not_published(index + 1)
        signed = self._root_signature(record)
        return signed.protected, record.root, signed.signature

    def cosigned(self, anchors: Anchors) -> list[tuple[int, bytes]]:
        """(size, note) of every published checkpoint that a quorum of these witnesses cosigned.

        Where witnesses cosigned a size again, its note is there twice: with their first lines,
        which bound what is in the tree, and with their last, which bound what is not.
        """
        keys = witness_keys(anchors.witnesses)
        found: list[tuple[int, bytes]] = []
        for size, lines in sorted(self._cosigned.read().items()):
            if self._history.at_size(size) is None:
                continue
            last = self.note(size)
            names = {s.key.name for s in signed_by(last, keys) if s.time is not None}
            if len(names) >= max(anchors.quorum, 1):
                first = last.with_signatures(lines[::-1])
                found += [(size, first.to_bytes())] if first != last else []
                found.append((size, last.to_bytes()))
        return found

    def registered(self, index: int) -> Interval:
        """When an entry was registered by the log's own clock: between two publications.

        Raises:
            Absent: ``log.not-published``.
        """
        found = self.intervals().of(index)
        if found is None:
            raise _not_published(index + 1)
        return found

    def intervals(self, anchors: Anchors | None = None) -> Intervals:
        """Registration times by the verifier's witnesses, or by the log's own clock where the
        verifier asks for no witness.
        """
        if anchors is None or anchors.quorum == 0:
            return Intervals(Seen(size, (time,)) for size, time in self.published_sizes())
        keys = witness_keys(anchors.witnesses)
        seen: list[Seen] = []
        for size, lines in self._cosigned.read().items():
            record = self._history.at_size(size)
            if record is None:
                continue
            text = Checkpoint(self.origin, size, record.root).text()
            first, last = (
                tuple(s.time for s in signed_by(Note(text, some), keys) if s.time is not None)
                for some in (lines, lines[::-1])
            )
            seen.append(Seen(size, first, last))
        return Intervals(seen, anchors.quorum)

    # --- writing ------------------------------------------------------------------------------

    def append(self, entries: Sequence[bytes], *, at: int | None = None) -> None:
        """Add entries; they are durable when this returns, and unpublished.

        Args:
            entries: 32-byte digests, in order.
            at: the index that the first of them must get, where the caller knows it.

        Raises:
            Malformed: ``log.out-of-step`` when ``at`` is not the log's size.
            Unavailable: ``log.not-written``, ``log.busy``.
            Tampered, Refused, Misconfigured: why this log must not write (see ``fault``).
        """
        with self._writing() as writer:
            if at is not None and at != writer.size:
                raise Malformed(
                    "log.out-of-step",
                    f"the next entry of the log is {writer.size}, not {at}",
                    why="sequence and log do not have the same length",
                    hint="open the store again; it brings both together",
                    size=writer.size,
                    at=at,
                )
            writer.append(entries)

    def publish(self, now: int) -> Checkpoint:
        """Sign what was appended and put the checkpoint in place.

        Publishing the same tree again changes nothing. ``now`` before the last publication counts
        as that instant.

        Raises:
            As ``append``.
        """
        with self._writing() as writer:
            signer = self._present_signer()
            key = NoteKey.of(signer)
            last = self._history[-1] if len(self._history) else None
            if last and last.size == writer.size and last.key == signer.public.thumbprint:
                return self.published
            checkpoint = Checkpoint(self.origin, writer.size, writer.root())
            time = max(now, self.published_at)
            self._keys.enrol(key)
            record = Published(
                size=checkpoint.size,
                time=time,
                root=checkpoint.root,
                key=signer.public.thumbprint,
                key_id=key.key_id,
                note=sign_note(checkpoint.text(), signer).signature,
                receipt=sign_root(
                    checkpoint.root,
                    self.origin,
                    signer,
                    time,
                    self._history.growth(checkpoint.size),
                ).signature,
            )
            self._history.add(record)
            self._show()
            writer.tidy()
            return checkpoint

    def truncate_unpublished(self, size: int | None = None) -> None:
        """Drop entries beyond ``size`` (default: all that were never published).

        Raises:
            Refused: ``log.published-stays`` when a published entry would go.
        """
        with self._writing(refresh=False) as writer:
            size = self.published_size if size is None else size
            if size < self.published_size:
                raise Refused(
                    "log.published-stays",
                    f"{self.published_size} entries are published; the log cannot shrink to {size}",
                    hint="what is in the log stays; withdraw a statement with a status",
                    size=size,
                    published=self.published_size,
                )
            writer.truncate(size)

    def refresh(self) -> None:
        """Read again what another process has published."""
        with self._lock:
            self._history.refresh()
            self._keys.refresh()
            self._load()

    def check_writable(self) -> None:
        """Raise what keeps this log from writing, if anything does."""
        if self.signer is None:
            self._present_signer()
        if self.fault is not None:
            raise self.fault

    # --- others who saw it --------------------------------------------------------------------

    def add_cosignatures(
        self, lines: str | bytes, witnesses: Sequence[NoteKey], *, size: int | None = None
    ) -> int:
        """Keep a witness's answer: signature lines over a published checkpoint.

        Lines of unknown keys are ignored. Returns how many were kept.

        Raises:
            Malformed: ``log.note-malformed``. Tampered: ``log.signature-wrong``.
            Absent: ``log.not-published``.
        """
        text = lines.decode("utf-8", "replace") if isinstance(lines, bytes) else lines
        size = self.published_size if size is None else size
        with self._lock:
            note = self.note(size)
            offered = Note(note.text, parse_signature_lines(text))
            held = {(s.key.name, s.key.key_id) for s in signed_by(offered, witnesses)}
            fresh = [
                line
                for line in offered.signatures
                if (line.name, line.key_id) in held and line not in note.signatures
            ]
            if fresh:
                with self._folder.held(self.patience):
                    self._cosigned.keep(size, fresh)
                    if size == self.published_size:
                        self._show()
            return len(fresh)

    def remember(self, note: bytes) -> Checkpoint:
        """Hold the log to a checkpoint that someone else has seen (a witness, mirror, customer).

        A checkpoint of our own that is larger than what we hold, or has another root, is kept as
        evidence and ends writing, also after a restart: the files are from an old backup, or
        somebody else signs with our key.

        Raises:
            Tampered: ``log.rolled-back``, ``log.forked``; and as ``read_checkpoint``.
        """
        checkpoint = self.read_own(note)
        with self._lock:
            problem = self._contradiction(checkpoint)
            if problem is not None:
                self._shown.keep(note)
                self.fault = problem
                raise problem
        return checkpoint

    def contradicts(self, note: bytes) -> Problem | None:
        """Hold the log to a checkpoint that its user has kept elsewhere, while it is open.

        As ``remember``, but it tells instead of raising, and keeps nothing in the log's folder. A
        key of which this log knows nothing may have come after an old copy was made.

        Raises:
            Malformed: ``log.*`` where it is no checkpoint of a log of this name.
        """
        shown = parse_checkpoint(parse_note(note).text)
        if shown.origin != self.origin:
            raise Malformed(
                "log.origin-differs",
                f"a checkpoint of {shown.origin[:80]!r}, not of {self.origin!r}",
                hint="hold a log to its own checkpoints",
                origin=shown.origin[:200],
                expected=self.origin,
            )
        with self._lock:
            self._shown.hold_to(note)
            self._load()
            return self.fault

    def read_own(self, note: bytes) -> Checkpoint:
        """A checkpoint that this log signed itself, wherever it comes from.

        Raises:
            As ``read_checkpoint``.
        """
        anchor = LogAnchor(origin=self.origin, keys=self._keys.vkeys)
        return read_checkpoint(note, anchor).checkpoint

    def complete(self, entries: Sequence[bytes], target: Checkpoint, now: int) -> None:
        """Take back entries that were published once and are lost here, and publish them again.

        Allowed also where writing is refused because others have seen them: nothing is signed but
        the very tree that this log's key has signed before.

        Args:
            entries: everything after the published entries, in order.
            target: the checkpoint they lead to, from ``read_own``.
            now: the present; publication is dated so, because nothing here proves an earlier time.

        Raises:
            Tampered: ``log.tiles-differ`` where they do not; nothing is changed then.
            Unavailable, Misconfigured: as ``append``.
        """
        with self._lock, self._folder.held(self.patience):
            self._present_signer()
            before = self.published_size
            writer = TileWriter(self.path, before)
            try:
                writer.append(entries)
                _check_reached(writer, target)
                self._writer, self.fault = writer, None
                self.publish(now)
            except BaseException:
                if self.published_size == before:
                    writer.truncate(before)
                self._load()
                raise
            self._load()

    def rotate(
        self, signer: Signer, now: int, *, compromised_after: int | None = None
    ) -> LogAnchor:
        """Sign with another key from now on; publishes the present tree under the new key.

        Args:
            signer: the new key, under the same name.
            now: the time of publication.
            compromised_after: where the old key was lost to somebody else, the size of the last
                checkpoint that is known to be ours: the old key is closed there, in the anchor
                returned, and verifiers must get that anchor by another way than from the log.

        Raises:
            Refused: ``log.key-reused`` when the new key was used before.
            And as ``append``.
        """
        with self._closing(compromised_after), self._writing():
            if any(key.public == signer.public for key in self.keys):
                raise Refused(
                    "log.key-reused",
                    "the new log key is one that this log has used before",
                    hint="make a new key for the log",
                )
            _check_signer(signer, self.origin)
            if compromised_after is not None:
                self._close_at(compromised_after)
            self.signer = signer
            self._keys.enrol(NoteKey.of(signer), always=True)
            self.publish(now)
            return self.anchor()

    # --- inside -------------------------------------------------------------------------------

    @contextmanager
    def _closing(self, size: int | None) -> Iterator[None]:
        """Close the present key at a size; open again if nothing comes of it.

        What others saw of a larger tree under that key is then not this log's word any more: it
        stays as evidence, and stands in the way of writing no longer.
        """
        if size is None:
            yield
            return
        with self._lock:
            self._close_at(size)
            try:
                if self.fault is not None:
                    self._load()
                yield
            except BaseException:
                self._keys.refresh()
                self._load()
                raise

    def _close_at(self, size: int) -> None:
        self._keys.close(min(size, self.published_size))

    def tree(self, size: int) -> TileReader:
        """A reader of tiles for trees up to ``size``."""
        with self._lock:
            published = self.published_size
            if size > published:
                return TileReader(directory(self.path), min(size, self.size))
            if self._reader is None or self._reader.size != published:
                self._reader = TileReader(directory(self.path), published)
            return self._reader

    def _load(self) -> None:
        """Bring the writer to the published tree and find out whether writing is allowed."""
        with self._lock:
            self._reader = None
            self._writer = None
            self.fault = None
            try:
                published = self.published
                writer = TileWriter(self.path, published.size)
                self._check_tiles(writer, published)
                self._writer = writer
                self._check_shown()
                self._check_remembered()
            except (Tampered, Absent, Malformed) as problem:
                self.fault = problem

    @staticmethod
    def _check_tiles(writer: TileWriter, published: Checkpoint) -> None:
        if writer.root() != published.root:
            raise Tampered(
                "log.tiles-differ",
                f"the tiles do not give the root published for size {published.size}",
                why="a tile was overwritten, or the files come from another log",
                hint="run `kizuna log fsck`; take the files from a mirror",
                size=published.size,
            )

    def _check_shown(self) -> None:
        """The checkpoint in place must not be ahead of what this log remembers having signed."""
        shown = self._shown.in_place()
        if shown is None or not (len(self._history) or shown.size):
            return
        problem = self._contradiction(shown)
        if problem is not None:
            raise problem

    def _check_remembered(self) -> None:
        """Checkpoints of ours that others have shown us must fit what we hold now."""
        for note, shown in self._shown.brought_back():
            problem = self._contradiction(shown)
            if problem is not None and not self._keys.disown(note, shown.size):
                raise problem

    def _contradiction(self, shown: Checkpoint) -> Tampered | None:
        published = self.published_size
        return contradiction(shown, published, self.tree(published).root)

    @contextmanager
    def _writing(self, *, refresh: bool = True) -> Iterator[TileWriter]:
        with self._lock, self._folder.held(self.patience):
            if refresh and not self._folder.nested and self._grew():
                pending = self._writer is not None and self._writer.size > self.published_size
                self.refresh()
                if pending:
                    raise Unavailable(
                        "log.overtaken",
                        "another process has published while entries of ours were waiting",
                        hint="sequence the entries again after what is in the log now",
                        size=self.published_size,
                    )
            self._present_signer()
            if self.fault is not None:
                raise self.fault
            if self._writer is None:
                raise Unavailable("log.busy", "the log is not open for writing")
            yield self._writer

    def _grew(self) -> bool:
        """Whether another process published since we looked."""
        try:
            return self._history.length_on_disk() != self._history.length
        except OSError as fault:
            raise unreadable(self._history.path, fault) from fault

    def _show(self) -> None:
        """Rename the newest checkpoint into place."""
        replace_durably(self.path / "checkpoint", self.checkpoint())

    def _root_signature(self, record: Published) -> RootSignature:
        growth = self._history.growth(record.size)
        return RootSignature(
            root_protected(self.origin, record.key, record.time, growth), record.receipt
        )

    def _present_signer(self) -> Signer:
        if self.signer is None:
            raise Misconfigured(
                "log.read-only",
                "the log was opened without its key",
                hint="open it with the log's key to write",
            )
        return self.signer

    def _check_names(self) -> None:
        if self.signer is None:
            return
        _check_signer(self.signer, self.origin)
        if self._keys.present not in (None, NoteKey.of(self.signer).vkey):
            raise Misconfigured(
                "log.key-not-enrolled",
                "the key at hand is not the present key of this log",
                why="a log changes its key only by the procedure that tells its verifiers",
                hint="use the log's own key, or change it with `kizuna log rotate-key`",
                key=NoteKey.of(self.signer).label,
            )


def _check_signer(signer: Signer, origin: str) -> None:
    NoteKey(signer.name, signer.public, NOTE)
    if signer.name != origin:
        raise Misconfigured(
            "log.name-wrong",
            f"the log key is named {signer.name!r}, the log {origin!r}",
            why="tlog clients look for a signature under the log's own name",
            hint="name the log key like the log",
            name=signer.name,
            origin=origin,
        )


def _check_reached(writer: TileWriter, target: Checkpoint) -> None:
    if writer.size != target.size or writer.root() != target.root:
        raise Tampered(
            "log.tiles-differ",
            f"the entries do not give the root signed for size {target.size}",
            why="the copy is damaged, or this log's own entries are",
            hint="nothing was taken over; mend it from another copy",
            size=target.size,
        )


def _not_published(size: int) -> Absent:
    return Absent(
        "log.not-published",
        f"no checkpoint of size {size} was published",
        why="receipts and checkpoints exist for published trees only",
        hint="wait for the next checkpoint, or ask for a size that the log has published",
        size=size,
    )
