# SPDX-License-Identifier: Apache-2.0
"""Evidence from several stores at once: one's own, and those of others that the lists lead to.

``gather`` runs the closure of a question again and again over what has arrived so far; every run
names what it lacks, and that is asked of the stores that can hold it, all at once and in batches.
So no hop waits for an answer that it does not need, and the judgement itself stays the one that
there is: it gets one body of evidence over several logs, with the checkpoint of each.

Keeps: 1. Every list of every store is proven complete at a checkpoint signed by the log key of the
verifier's anchors: a store can neither leave out nor put in. 2. A store that does not tell makes
the names undetermined about which it was asked, and is named; all else is judged as ever.
3. Only stores that the anchors give an address for are asked, and only for names about which
something they hold could count. 4. It ends: in keys, in rounds, and in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from kizuna.chain.exchange.askers import Askers
from kizuna.chain.exchange.asking import Transport
from kizuna.chain.exchange.remote import Memory, Proven, RemoteStore, Reply, fetch
from kizuna.chain.exchange.routing import Routing
from kizuna.chain.graph.closure import Closure, closure
from kizuna.model.finding import Code
from kizuna.model.identifier import Digest
from kizuna.model.payload import Links
from kizuna.model.statement import Registered
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Known
from kizuna.record.log.keys import members_key, statement_key, subject_key

if TYPE_CHECKING:
    from kizuna.chain.graph.evidence import Evidence
    from kizuna.criteria.profiles import Profile

__all__ = ["Across", "gather", "glance", "unchanged"]

_GRACE: Final = 0.004
"""Seconds that an answer waits for others before the closure runs again."""


class Across:
    """Evidence of one question over several stores. Made by ``gather``; not for several threads.

    Args:
        local: the store at hand; None where there is none.
        anchors: whom the verifier believes; logs with an address are asked there.
        subject: what the question is about.
        profile: under which profile.
        at: the instant asked about: answers are fresh or stale as of then.
        transport: sends a question.
        memory: what is remembered of stores from before.
        offline: ask nobody; what is remembered is used as far as its age allows.
        patience: seconds after which whoever has not answered counts as not reached.
        askers: threads that ask, kept for later questions too; None: of this question's own.
    """

    def __init__(
        self,
        local: Evidence | None,
        anchors: Anchors,
        *,
        subject: str,
        profile: Profile,
        at: int,
        transport: Transport,
        memory: Memory,
        offline: bool = False,
        patience: float = 30.0,
        askers: Askers | None = None,
    ) -> None:
        self.view = "public" if local is None else local.view
        self.anchors = anchors
        self.at = at
        self.stores: dict[str, RemoteStore] = {}
        self._local = local
        self._own = frozenset(h.origin for h in local.heads()) if local is not None else frozenset()
        self._subject = subject
        self._max_age = profile.max_store_age
        self._transport = transport
        self._askers = Askers() if askers is None else askers
        self._borrowed = askers is not None
        self._deadline = time.monotonic() + patience
        remembered: list[Registered] = []
        others = [log for log in anchors.logs if log.origin not in self._own]
        for log in others:
            store = self.stores[log.origin] = RemoteStore(log, memory)
            if store.proven is not None:
                remembered.extend(store.proven.items.values())
            if log.url is None:
                store.fail(Code.STORE_UNREACHABLE, "the anchors give no address for it")
            elif offline:
                store.fail(Code.STORE_UNREACHABLE, "not asked: --offline")
        self.routing = Routing(
            anchors, (*self._own, *(log.origin for log in others)), profile.waivers_from
        )
        self._local_rows: dict[bytes, Sequence[Registered]] = {}
        self._names: dict[bytes, str] = {subject_key(subject): subject}
        self._acts: dict[bytes, Registered] = {}
        self._lists = [members_key(a.id) for a in anchors.lists]
        self._needs: dict[bytes, set[str]] = {}  # by key: which origins had to tell
        self._by_digest: dict[Digest, Registered] = {}
        self._ready: SimpleQueue[tuple[RemoteStore, Reply]] = SimpleQueue()
        self._flying = 0
        self.questions = 0
        for item in remembered:
            self.see(item)

    # --- evidence -----------------------------------------------------------------------------

    def heads(self) -> tuple[Known, ...]:
        """The checkpoint of every log that anything was needed of."""
        needed = frozenset().union(*self._needs.values())
        own = () if self._local is None else self._local.heads()
        return (
            *own,
            *(
                store.proven.head
                for origin, store in sorted(self.stores.items())
                if store.proven is not None and origin in needed
            ),
        )

    def heads_at_hand(self) -> tuple[Known, ...]:
        """The checkpoint of the store at hand."""
        return () if self._local is None else self._local.heads()

    @property
    def quorum(self) -> int:
        """Of all stores that proved anything, the fewest witnesses."""
        counts = [s.proven.quorum for s in self.stores.values() if s.proven is not None]
        own = getattr(self._local, "quorum", None)
        return min([*counts, *([] if own is None else [own])], default=0)

    @property
    def as_of(self) -> int | None:
        """Of all stores that told everything, the oldest date."""
        ages = [
            s.proven.as_of
            for s in self.stores.values()
            if s.proven is not None and s.proven.as_of is not None and not self.stale(s.proven)
        ]
        return min(ages, default=None)

    def stale(self, proven: Proven) -> bool:
        """Whether the profile asks for something younger."""
        if self._max_age is None:
            return False
        return proven.as_of is None or self.at > proven.as_of + self._max_age

    def all(self) -> Iterator[Sequence[Registered]]:
        """Everything that came so far."""
        yield list(self._by_digest.values())

    def by_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, Sequence[Registered]]:
        """What is known of map keys so far; what is not is asked for."""
        fresh = [key for key in keys if key not in self._local_rows]
        if fresh:
            found = {} if self._local is None else self._local.by_keys(fresh)
            for key in fresh:
                rows = self._local_rows[key] = found.get(key, ())
                for item in rows:
                    self.see(item)
        merged: dict[bytes, Sequence[Registered]] = {}
        best = self._by_digest
        for key in keys:
            listed: dict[Digest, None] = {i.statement.digest: None for i in self._local_rows[key]}
            for origin in self._who(key):
                store = self.stores.get(origin)
                if store is not None:
                    listed.update((digest, None) for _, digest in store.rows(key) or ())
            merged[key] = [best[digest] for digest in listed if digest in best]
        return merged

    def by_digests(self, digests: Sequence[Digest]) -> Mapping[Digest, Registered]:
        """Statements among those that came."""
        return {d: self._by_digest[d] for d in digests if d in self._by_digest}

    def documents(self, digests: Sequence[Digest]) -> Mapping[Digest, bytes | None]:
        """Documents that came along or stand here."""
        found: dict[Digest, bytes | None] = {}
        for store in self.stores.values():
            if store.proven is not None:
                known = store.proven.documents
                found.update({d: known[d] for d in digests if d in known})
        if self._local is not None:
            found.update(self._local.documents(digests))
        return found

    def _who(self, key: bytes) -> frozenset[str]:
        """Which logs must tell what stands under a key."""
        name = self._names.get(key)
        if name is not None:
            found = self.routing.of_name(name)
            if name == self._subject and not found:
                found = self.routing.all  # nobody's name: perhaps somebody heard of it
        else:
            act = self._acts.get(key)
            found = self.routing.all if act is None else self.routing.of_act(act)
        needs = self._needs.get(key)
        if needs is None:
            self._needs[key] = set(found)
        else:
            needs |= found
        return found

    def see(self, item: Registered) -> None:
        """Take in a statement; what was registered in several logs counts from the earliest."""
        said = item.statement
        known = self._by_digest.get(said.digest)
        if known is not None:
            if _place(item) < _place(known):
                self._by_digest[said.digest] = item
            return
        self._by_digest[said.digest] = item
        self.routing.see(item)
        self._acts[statement_key(said.digest)] = item
        names: set[str] = {said.subject, said.issuer}
        if isinstance(said.payload, Links):
            for link in said.payload.links:
                names.update(end for end in (link.subject, link.object) if end is not None)
        for name in names:
            self._names.setdefault(subject_key(name), name)

    # --- asking -------------------------------------------------------------------------------

    def ask(self) -> None:
        """Send what is wanted, to each store that is not answering already."""
        for store in self.stores.values():
            question = store.next_question()
            if question is None:
                continue
            self._flying += 1
            self.questions += 1
            future = self._askers.send(
                fetch, store.log, question, self._transport, self.anchors, store.seen
            )
            future.add_done_callback(self._landing(store, question.keys))

    def _landing(
        self, store: RemoteStore, keys: tuple[bytes, ...]
    ) -> Callable[[Future[Reply]], None]:
        def landed(future: Future[Reply]) -> None:
            fault = future.exception()
            if fault is None:
                self._ready.put((store, future.result()))
            else:
                self._ready.put((store, Reply(keys)))

        return landed

    def hear(self, grace: float) -> bool:
        """Wait for an answer and for those that come with it; False where none is under way."""
        if not self._flying:
            return False
        wait = self._deadline - time.monotonic()
        while self._flying:
            try:
                store, reply = self._ready.get(timeout=max(wait, 0.001))
            except Empty:
                if wait >= grace or self._deadline <= time.monotonic():
                    break
                return True
            self._flying -= 1
            store.hear(reply)
            if reply.evidence is not None and store.proven is not None:
                for page in reply.evidence.all():
                    for item in page:
                        self.see(item)
            wait = grace
        if self._flying and self._deadline <= time.monotonic():
            for store in self.stores.values():
                if store.busy:
                    store.fail(Code.STORE_UNREACHABLE, "no answer in time")
            self._flying = 0
            return True
        return True

    def want_lists(self) -> bool:
        """Ask for every entry of the accepted lists wherever there may be any.

        Returns:
            True once all who may know of any have told, or will not.
        """
        fresh = [key for key in self._lists if key not in self._local_rows]
        if fresh:
            found = {} if self._local is None else self._local.by_keys(fresh)
            for key in fresh:
                self._local_rows[key] = found.get(key, ())
                for item in self._local_rows[key]:
                    self.see(item)
        origins = self.routing.of_lists()
        settled = True
        for key in self._lists:
            self._needs.setdefault(key, set()).update(origins)
            for origin in origins & self.stores.keys():
                store = self.stores[origin]
                told = store.rows(key) is not None
                settled &= told or store.fault is not None
        return settled

    # --- at the end ---------------------------------------------------------------------------

    @property
    def shortfalls(self) -> dict[Code, str]:
        """What nobody's part of the chain alone is short of: entries of the lists themselves."""
        found: dict[Code, str] = {}
        for key in self._lists:
            for origin in sorted(self.routing.of_lists()):
                code = self._lacks(origin, key)
                if code is not None:
                    found[code] = origin
        root = subject_key(self._subject)
        if not any(i.statement.subject == self._subject for i in self._by_digest.values()):
            for origin in sorted(self._needs.get(root, ())):
                code = self._lacks(origin, root)
                if code is not None:
                    found[code] = origin
        return found

    def _lacks(self, origin: str, key: bytes) -> Code | None:
        if origin in self._own:
            return None
        store = self.stores.get(origin)
        if store is None:
            return Code.STORE_UNREACHABLE  # a list names a log that no anchor gives a key for
        return store.lacks(key, self.at, self._max_age)

    @property
    def gaps(self) -> dict[str, tuple[tuple[Code, str], ...]]:
        """By name, which stores did not tell what they hold of it, of what was done to what was
        said of it, or of the keys of whoever said it.
        """
        lacking: dict[str, set[tuple[Code, str]]] = {}
        for key, origins in self._needs.items():
            short = {(c, o) for o in origins if (c := self._lacks(o, key)) is not None}
            if not short:
                continue
            name = self._names.get(key)
            if name is None and key in self._acts:
                name = self._acts[key].statement.subject
            if name is not None:
                lacking.setdefault(name, set()).update(short)
        if lacking:
            for item in self._by_digest.values():
                doubt = lacking.get(item.statement.issuer)
                if doubt and item.statement.issuer != item.statement.subject:
                    lacking.setdefault(str(item.statement.subject), set()).update(doubt)
        return {name: tuple(sorted(short)) for name, short in lacking.items()}

    def remember(self) -> None:
        """Keep what every store proved."""
        _remember(self.stores.values(), self._askers)

    def rest(self) -> None:
        """Nobody is asked any more."""
        if self._borrowed:
            self._askers.rest()
        else:
            self._askers.close()


def _remember(stores: Iterable[RemoteStore], askers: Askers) -> None:
    """Let the files of many stores reach the disk together; nobody waits behind a mute store."""
    askers.rest()
    askers.each([store.remember for store in stores if store.changed])


def _place(item: Registered) -> tuple[int, int, str]:
    return item.registered.earliest, item.registered.latest, item.origin


def unchanged(evidence: Across, heads: Sequence[Known]) -> bool:
    """Whether every store still shows the checkpoint that an earlier answer rests on, and it is
    young enough now.
    """
    wanted = {head.origin: head for head in heads}
    try:
        for origin, store in evidence.stores.items():
            if origin in wanted:
                store.probe()
        evidence.ask()
        while evidence.hear(_GRACE):
            pass
        evidence.remember()
    finally:
        evidence.rest()
    return all(
        store.fault is None
        and store.proven is not None
        and store.proven.head == wanted[origin]
        and not evidence.stale(store.proven)
        for origin, store in evidence.stores.items()
        if origin in wanted
    )


def glance(
    anchors: Anchors,
    *,
    own: str,
    transport: Transport,
    memory: Memory,
    patience: float,
    askers: Askers,
) -> tuple[tuple[str, str], ...]:
    """By origin, the checkpoint that each store with an address shows, with the age that it proves;
    or the finding it would make. Each is asked once, for no key.
    """
    logs = [log for log in anchors.logs if log.url is not None and log.origin != own]
    if not logs:
        return ()
    stores: dict[str, RemoteStore] = {}
    flying: dict[Future[Reply], RemoteStore] = {}
    try:
        for log in logs:
            stores[log.origin] = store = RemoteStore(log, memory)
            question = store.glance()
            flying[askers.send(fetch, log, question, transport, anchors, store.seen)] = store
        done, late = wait(flying, timeout=patience)
        for future in done:
            flying[future].hear(future.result())
        for future in late:
            flying[future].fail(Code.STORE_UNREACHABLE, "no answer in time")
        _remember(stores.values(), askers)
    finally:
        askers.rest()
    told = []
    for origin, store in sorted(stores.items()):
        if store.fault is not None or store.proven is None:
            told.append((origin, "" if store.fault is None else store.fault.code.value))
        else:
            head = store.proven.head
            told.append((origin, f"{head.size}:{head.root}:{store.proven.as_of}"))
    return tuple(told)


def gather(
    evidence: Across,
    subject: str,
    profile: Profile,
    *,
    search: Callable[[], Closure] | None = None,
) -> Closure:
    """Everything a verdict about ``subject`` rests on, from wherever it stands.

    ``search`` runs the closure where that is another than the subject's own: of several subjects,
    or over more than is registered. It reads ``evidence``, and is run until nothing new comes.
    """
    reached = Closure([], [], 0)
    try:
        while True:
            begun = time.monotonic()
            # who may speak where is known before anybody is asked about a name
            if evidence.want_lists():
                reached = (
                    closure(evidence, subject, profile, evidence.anchors)
                    if search is None
                    else search()
                )
            evidence.ask()
            took = time.monotonic() - begun
            if not evidence.hear(max(_GRACE, min(took, 0.2))):
                break
        evidence.remember()
    finally:
        evidence.rest()
    return reached
