# SPDX-License-Identifier: Apache-2.0
"""The workspace: the one facade that commands, HTTP and console call.

Keeps: 1. ``init`` refuses to overwrite. 2. Two doors that ask the same question of the same store
get the same answer: nothing is judged outside this class. 3. A one-shot process judges by closure
(it reads only what the question needs); after ``live()`` the same calls read the graph in memory.
4. Every read takes a ``view``: what it may not show looks absent.

Owner of mutable state: ``handle`` changes when a key takes over, ``trust.json`` when an anchor is
added; both under one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from kizuna.app.wiring.folder import Description, Folder, write_whole
from kizuna.app.wiring.gating import behind_gate
from kizuna.app.wiring.settings import Clock, Settings
from kizuna.app.wiring.units import open_home
from kizuna.app.wiring.values import (
    Change,
    Explained,
    ImportOutcome,
    Progress,
    Signed,
    Standing,
    WrittenBundle,
    quiet,
)
from kizuna.model.errors import Absent, Malformed, Misconfigured
from kizuna.model.identifier import Digest, SubjectId, canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Payload, encode_payload
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor, WitnessAnchor
from kizuna.model.verdict import Known, Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.earlier import Earlier
    from kizuna.app.wiring.judging import Judge
    from kizuna.app.wiring.keys import Keys
    from kizuna.app.wiring.question import Question
    from kizuna.app.wiring.seen import Seen
    from kizuna.app.wiring.trust_lists import TrustLists
    from kizuna.app.wiring.trust_lists_policy import ListRules
    from kizuna.criteria.profiles import Profile
    from kizuna.model.errors import Problem
    from kizuna.model.statement import Registered, Statement
    from kizuna.record.log import EvidenceLog
    from kizuna.record.store import Accepted, Refusal, Store, View
    from kizuna.record.store.hosting import Hosting
    from kizuna.roots.units import Handle, Unit

__all__ = ["Workspace", "only_lists", "parse_digest"]

OWN_LIST = "own"
"""Short name of the store's own trust list."""


class Workspace:
    """One opened store with its organisation. Use as a context manager, or ``close`` it."""

    settings: Settings
    folder: Folder
    path: Path
    name: str
    """The organisation's name."""
    identity: SubjectId
    """The organisation's DID."""
    list_id: SubjectId
    """The store's own trust list."""
    store: Store
    clock: Clock

    def __init__(self, settings: Settings, folder: Folder, description: Description) -> None:
        self.settings = settings
        self.folder = folder
        self.path = folder.path
        self.description = description
        self.name = description.name
        self.identity = SubjectId(description.organization)
        self.list_id = SubjectId(description.list)
        self.clock = settings.clock
        self._lock = threading.RLock()
        self._judge: Judge | None = None
        self._unit: Unit | None = None
        self._handle: Handle | None = None
        self._described = 0
        self._seen: Seen | None = None
        self._anchors: tuple[int, Anchors] | None = None
        self._rules: ListRules | None = None

    # --- life ---------------------------------------------------------------------------------

    @classmethod
    def init(
        cls,
        path: str | Path,
        name: str,
        *,
        now: int,
        database: str | None = None,
        origin: str | None = None,
        policy: str = "members",
        settings: Settings | None = None,
    ) -> Self:
        """Make a store with its log and one organisation identity.

        Raises:
            Refused: ``store.exists``, ``store.folder-used``. Malformed: ``store.name``,
            ``store.policy``, ``log.name-wrong``. Misconfigured: ``store.folder``.
        """
        from kizuna.app.wiring.construction import construct

        chosen = settings or Settings(store=Path(path), clock=lambda: now)
        workspace = construct(
            cls,
            Folder(path),
            chosen,
            name=name,
            now=now,
            database=database or chosen.database,
            origin=origin,
            policy=policy,
        )
        workspace.begin()
        if chosen.unit:
            from kizuna.app.wiring.certifying import certify_at_birth

            certify_at_birth(workspace)
        return workspace

    @classmethod
    def open(
        cls,
        path: str | Path | None = None,
        *,
        database: str | None = None,
        settings: Settings | None = None,
        read_only: bool = False,
    ) -> Self:
        """Open a store.

        Raises:
            Misconfigured: ``store.absent`` where there is none, ``store.member`` where the folder
            only belongs to a member of another store, ``unit.*``.
        """
        from kizuna.app.wiring.construction import reopen

        chosen = settings or Settings.from_environment(store=path, database=database)
        workspace = reopen(
            cls,
            Folder(path or chosen.store),
            chosen,
            database=database or chosen.database,
            read_only=read_only,
        )
        if not read_only:
            recovered = workspace.keys.recover()
            if recovered is not None:
                workspace.use_key(recovered)
        return workspace

    def close(self) -> None:
        """Release files and locks."""
        if self._judge is not None:
            self._judge.close()
        if self._unit is not None:
            self._unit.close()
        if self._seen is not None:
            self._seen.note_down()
        self.store.close()

    def bind_unit(self, unit: Unit) -> None:
        """Use this unit (construction only)."""
        self._unit = unit

    def bind_store(self, store: Store) -> None:
        """Use this store (construction only)."""
        from kizuna.app.wiring.seen import remembering

        self.store = store
        store.members.refuses = self._refused_by_lists
        self._seen = remembering(self.settings.state, store.log)

    def _refused_by_lists(self, said: Statement, now: int) -> Problem | None:
        """What the policies of lists say to a statement that is about to be registered."""
        if self._rules is None:
            from kizuna.app.wiring.trust_lists_policy import ListRules

            self._rules = ListRules(self)
        return self._rules.refuses(said, now)

    @property
    def log(self) -> EvidenceLog:
        """The evidence log."""
        return self.store.log

    @property
    def unit(self) -> Unit:
        """Where the private keys are; opened when first needed."""
        with self._lock:
            if self._unit is None:
                unit = open_home(self.folder, self.description, self.settings)
                self._unit = behind_gate(self.path, unit, self.clock)
            return self._unit

    @property
    def handle(self) -> Handle:
        """The key that signs in the organisation's name now.

        Another process may have let a new key take over: then the description on disk changed.
        """
        with self._lock:
            self._notice_rotation()
            if self._handle is None or self._handle.id != self.description.key:
                self._handle = self._find_handle()
            return self._handle

    def use_key(self, handle: Handle) -> None:
        """Sign with this key from now on, and remember it."""
        with self._lock:
            self._handle = handle
            self.description = msgspec.structs.replace(self.description, key=handle.id)
            self.folder.write_description(self.description)
            self._described = self.folder.description_file.stat().st_mtime_ns

    def use_log_key(self, key: str) -> None:
        """Remember that the log is signed with this key from now on."""
        with self._lock:
            self.description = msgspec.structs.replace(self.description, log_key=key)
            self.folder.write_description(self.description)
            self._described = self.folder.description_file.stat().st_mtime_ns

    def describe_as(self, description: Description) -> None:
        """Remember this of the store from now on."""
        with self._lock:
            self.description = description
            self.folder.write_description(description)
            self._described = self.folder.description_file.stat().st_mtime_ns

    @contextmanager
    def signing_with(self, handle: Handle) -> Iterator[None]:
        """Sign with this key for a while; on failure the former one signs again."""
        with self._lock:
            before, self._handle = self.handle, handle
            described = self.description
            self.description = msgspec.structs.replace(described, key=handle.id)
        try:
            yield
        except BaseException:
            with self._lock:
                self._handle, self.description = before, described
            raise

    def _notice_rotation(self) -> None:
        try:
            changed = self.folder.description_file.stat().st_mtime_ns
        except OSError:
            return  # not written yet: the store is being made
        if changed != self._described:
            before = self._described
            self._described = changed
            if before:
                self.description = self.folder.describe()

    def _find_handle(self) -> Handle:
        wanted = self.description.key
        for again in (False, True):
            if again:  # the key may be newer than the unit that was read
                unit = open_home(self.folder, self.description, self.settings)
                self._unit = behind_gate(self.path, unit, self.clock)
            for handle in self.unit.handles():
                if handle.id == wanted:
                    return handle
        raise Misconfigured(
            "store.key-missing",
            "the organisation's key is not among the keys of this folder",
            why="the key file belongs to another store, or is older than kizuna.json",
            hint="restore the key file from a backup",
            path=str(self.folder.keys),
        )

    def begin(self) -> None:
        """The organisation's first words: it is a member of its own list, as itself."""
        from kizuna.record.lists import Role, grant, service_for

        anchors = Anchors(
            lists=[
                ListAnchor(
                    id=self.list_id, operator=self.identity, name=OWN_LIST, title=self.name[:4000]
                )
            ],
            logs=[self.log.anchor()],
            verifier=self.identity,
        )
        self.set_anchors(anchors)
        entry = grant(
            self.list_id, [service_for(Role.SELF)], name=self.name, logs=[self.log.origin]
        )
        self.register_one(self.sign(Kind.MEMBERSHIP, self.identity, entry))

    # --- saying -------------------------------------------------------------------------------

    def sign(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> bytes:
        """One signed statement in the organisation's name (COSE_Sign1 bytes).

        With an ``audience`` use ``say``: its payload stands beside the log, and must come along.
        """
        return self.say(kind, subject, payload, audience=audience).statement

    def say(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> Signed:
        """A signed statement, with the document beside it where only some may read it."""
        return self.say_document(
            media_type_of(kind), subject, encode_payload(payload), audience=audience
        )

    def say_document(
        self,
        media_type: str,
        subject: SubjectId,
        document: bytes,
        *,
        audience: Sequence[SubjectId] = (),
        by_hash: bool = False,
    ) -> Signed:
        """As ``say``, for payload bytes of any media type."""
        from kizuna.app.wiring.importing import seal

        return seal(
            self.unit,
            self.handle,
            issuer=self.identity,
            subject=subject,
            media_type=media_type,
            payload=document,
            now=self.clock(),
            audience=audience,
            by_hash=by_hash,
        )

    def digest_of(self, statement: bytes) -> str:
        """Digest (hex) of signed bytes."""
        from kizuna.roots.cose import parse_sign1

        return parse_sign1(statement).digest.hex()

    def register(
        self,
        statements: Sequence[bytes],
        documents: Mapping[Digest, bytes] | None = None,
        *,
        progress: Progress = quiet,
    ) -> list[Accepted | Refusal]:
        """Submit signed statements; one bad statement refuses itself, not the batch."""
        total = len(statements)
        results: list[Accepted | Refusal] = []
        beside = dict(documents or {})
        for start in range(0, total, _BATCH):
            part = statements[start : start + _BATCH]
            results += self.store.submit(part, documents=beside, now=self.clock())
            progress("phase.registering", len(results), total)
        return results

    def register_one(
        self, statement: bytes, documents: Mapping[Digest, bytes] | None = None
    ) -> tuple[str, int]:
        """Register one statement: digest (hex) and place in the log; raises what refuses it."""
        from kizuna.record.store import Refusal

        (result,) = self.register([statement], documents)
        if isinstance(result, Refusal):
            raise result.problem
        return result.digest.hex(), result.index

    def register_each(self, statements: Sequence[bytes]) -> list[tuple[str, int] | Problem]:
        """Register statements in one batch: digest (hex) and place of each, or what refuses it."""
        from kizuna.record.store import Refusal

        return [
            r.problem if isinstance(r, Refusal) else (r.digest.hex(), r.index)
            for r in self.register(statements)
        ]

    def subject_of(self, which: str) -> tuple[SubjectId, str]:
        """What a registered statement (its index or digest) is about, and its digest (hex)."""
        from kizuna.app.wiring.entries import entry_named

        statement = entry_named(self, which).statement
        return statement.subject, statement.digest.hex()

    def above(self) -> frozenset[str]:
        """Nobody: in its own store an organisation is the one who stands above others."""
        return frozenset()

    def told_of_itself(self) -> tuple[Sequence[Registered], int]:
        """What is registered about the organisation, in order, and the size of the log then."""
        return self.earlier().standing(self.identity)

    def earlier(self) -> Earlier:
        """What was registered so far."""
        from kizuna.app.wiring.earlier import Kept

        return Kept(self.store.reader())

    def import_files(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """Documents in, registered statements out, in the name of the organisation."""
        from kizuna.app.wiring.importing import outcome_of, prepare, read_all, settled_notices
        from kizuna.model.payload import Action, Status, Target
        from kizuna.record.store import Accepted

        progress("phase.reading", 0, None)
        read, earlier = read_all(files, self.identity), self.earlier()
        prepared = prepare(
            read,
            unit=self.unit,
            handle=self.handle,
            issuer=self.identity,
            now=self.clock(),
            progress=progress,
            earlier=earlier,
        )
        notices = settled_notices([i for _, i in read], earlier, self.identity)
        for subject, digest in notices:
            status = Status(action=Action.WITHDRAW, target=Target(statement=digest.hex()))
            prepared.statements.append(self.sign(Kind.STATUS, subject, status))
        results = self.register(prepared.statements, prepared.documents, progress=progress)
        receipts = self.store.receipts([r.digest for r in results if isinstance(r, Accepted)])
        if (self.path / "status").is_dir() and any(
            b'"status_list"' in one for one in prepared.statements
        ):
            from kizuna.app.wiring.certificates_status import apply_kept

            apply_kept(self)
        beyond = self.beyond(prepared.statements)
        return replace(outcome_of(prepared, results, receipts), beyond=beyond)

    def beyond(self, statements: Sequence[bytes]) -> tuple[SubjectId, ...]:
        """Subjects about which no believed list lets the statements' issuers speak so."""
        from kizuna.app.wiring.effect import beyond_scope

        return beyond_scope(statements, self.earlier(), self.anchors(), self.clock())

    def publish(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """As ``import_files``: publishing in one's own store."""
        return self.import_files(files, progress=progress)

    def transparent(self, digest: str) -> bytes:
        """The statement with its receipt inside."""
        return self.store.transparent(parse_digest(digest))

    def head(self) -> Known:
        """The last published checkpoint."""
        return self.store.head()

    # --- believing ----------------------------------------------------------------------------

    def anchors(self, lists: Sequence[str] | None = None) -> Anchors:
        """Whom this store's verifier believes (trust.json); ``lists``: only these, by name or id.

        Raises:
            Absent: ``list.unknown``. Malformed: ``trust.malformed``.
        """
        return only_lists(self._believed(), lists)

    def _believed(self) -> Anchors:
        """What trust.json says, read again when another process has changed it."""
        try:
            changed = self.folder.trust_file.stat().st_mtime_ns
            with self._lock:
                if self._anchors is None or self._anchors[0] != changed:
                    data = self.folder.trust_file.read_bytes()
                    self._anchors = (changed, Anchors.from_json(data))
                return self._anchors[1]
        except FileNotFoundError:
            return Anchors()

    def set_anchors(self, anchors: Anchors) -> None:
        """Replace trust.json."""
        data = msgspec.json.format(anchors.to_json(), indent=2) + b"\n"
        with self._lock:
            write_whole(self.folder.trust_file, data)
            self._anchors = None
            if self._judge is not None:
                self._judge.anchors_changed()

    def add_anchors(self, more: Anchors) -> Anchors:
        """Believe also what ``more`` names; what is believed already stays as it is."""
        with self._lock:
            have = self.anchors()
            merged = msgspec.structs.replace(
                have,
                lists=[*have.lists, *_new(more.lists, {a.id for a in have.lists}, "id")],
                logs=[*have.logs, *_new(more.logs, {a.origin for a in have.logs}, "origin")],
                witnesses=[
                    *have.witnesses,
                    *_new(more.witnesses, {w.key for w in have.witnesses}, "key"),
                ],
                identities=[
                    *have.identities,
                    *_new(more.identities, {i.id for i in have.identities}, "id"),
                ],
            )
            self.set_anchors(merged)
        return merged

    def add_log(
        self, origin: str, url: str | None, keys: Sequence[str], *, signed: bool | None = None
    ) -> Anchors:
        """Believe the checkpoints of a log under these keys, and ask its store at this address.

        ``signed``: whether its store is asked as oneself; None leaves it as it is.

        Raises:
            Malformed: ``log.key-malformed``, ``request.address``, ``trust.log-without-key``.
        """
        from kizuna.app.wiring.network import checked_url
        from kizuna.record.log import NoteKey

        for key in keys:
            NoteKey.parse(key)
        with self._lock:
            have = self.anchors()
            before = next((g for g in have.logs if g.origin == origin), None)
            held = list(dict.fromkeys([*(before.keys if before else ()), *keys]))
            if not held:
                raise Malformed(
                    "trust.log-without-key",
                    f"no key is known for the log {origin[:120]}",
                    why="without its key nothing that the log says can be checked",
                    hint="give the key that its operator names: --key VKEY",
                    origin=origin[:120],
                )
            logs = [g for g in have.logs if g.origin != origin]
            if url is not None:
                address: str | None = checked_url(url)
            else:
                address = before.url if before is not None else None
            made = LogAnchor(
                origin=origin,
                keys=held,
                url=address,
                closed={} if before is None else before.closed,
                signed=(before is not None and before.signed) if signed is None else signed,
            )
            changed = msgspec.structs.replace(have, logs=[*logs, made])
            self.set_anchors(changed)
        return changed

    def add_witness(self, key: str, quorum: int | None) -> Anchors:
        """Believe a witness, and say how many must have cosigned.

        Raises:
            Malformed: ``log.key-malformed``, ``trust.quorum``.
        """
        from kizuna.record.log import NoteKey

        witness = NoteKey.parse(key)
        with self._lock:
            have = self.anchors()
            witnesses = [w for w in have.witnesses if w.key != key]
            witnesses.append(WitnessAnchor(name=witness.name, key=key))
            wanted = have.quorum if quorum is None else quorum
            if wanted > len(witnesses):
                raise Malformed(
                    "trust.quorum",
                    f"a quorum of {wanted} cannot be met by {len(witnesses)} witnesses",
                    hint="add witnesses first, or ask for fewer",
                    quorum=wanted,
                    witnesses=len(witnesses),
                )
            changed = msgspec.structs.replace(have, witnesses=witnesses, quorum=wanted)
            self.set_anchors(changed)
        return changed

    # --- judging ------------------------------------------------------------------------------

    def profile(self, name_or_path: str) -> Profile:
        """A shipped profile by name, one kept in the store by name, or a YAML/JSON file."""
        from kizuna.app.wiring.profiles import find_profile

        return find_profile(name_or_path, self.settings)

    def profiles(self) -> list[Profile]:
        """Every profile that can be named: shipped and kept in the store."""
        from kizuna.app.wiring.profiles import every_profile

        return every_profile(self.settings)

    def publish_profile(self, profile: Profile) -> dict[str, Any]:
        """Register a profile as a signed norm, and keep it under its name."""
        from kizuna.app.wiring.profiles import keep_profile, kept_folder, refuse_taken
        from kizuna.criteria.profiles import SHIPPED, to_norm

        refuse_taken(profile, self.settings)
        subject = canonical(f"{self.identity}/profiles/{profile.name}")
        digest, index = self.register_one(self.sign(Kind.NORM, subject, to_norm(profile)))
        if profile.name not in SHIPPED:
            folder = kept_folder(self.settings)
            folder.mkdir(mode=0o700, exist_ok=True)
            write_whole(folder / f"{profile.name}.json", profile.canonical_bytes())
        keep_profile(profile, self.settings)
        return {
            "name": profile.name,
            "version": profile.version,
            "digest": profile.digest,
            "subject": subject,
            "statement": digest,
            "index": index,
        }

    def known(
        self, named: Sequence[tuple[str, int, str | None]] | None
    ) -> tuple[Known, ...] | None:
        """Checkpoints by name and size; a missing root is looked up in this store's log.

        Raises:
            Absent: ``log.not-published``. Malformed: ``known.foreign``.
        """
        if named is None:
            return None
        found = []
        for origin, size, root in named:
            own = origin == self.log.origin
            if root is None and not own:
                raise Malformed(
                    "known.foreign",
                    f"the root of {origin} at {size} is not known here",
                    why="it is another log's checkpoint",
                    hint="give the checkpoint file, or ORIGIN@SIZE:ROOT",
                    origin=origin,
                    size=size,
                )
            found.append(
                Known(
                    origin=origin,
                    size=size,
                    root=root if root is not None else self.log.root(size).hex(),
                )
            )
        return tuple(found)

    @property
    def judge(self) -> Judge:
        """Who judges in this process: by closure, or live."""
        if self._judge is None:
            from kizuna.app.wiring.judging import Judge

            self._judge = Judge(self)
        return self._judge

    def verify(self, question: Question) -> Verdict:
        """Judge the chain of a subject."""
        return self.judge.verify(question)

    def explain(self, question: Question) -> Explained:
        """The verdict with its tree of reasons."""
        return self.judge.explain(question)

    def impact(
        self,
        subject_or_digest: str,
        *,
        profile: Profile | None = None,
        view: View | None = None,
    ) -> list[dict[str, Any]]:
        """Whose standing depends on it, the nearest first."""
        return self.judge.impact(subject_or_digest, profile=profile, view=view)

    def export_bundle(
        self,
        subject: SubjectId,
        profile: Profile,
        *,
        view: View | None = None,
        progress: Progress = quiet,
    ) -> WrittenBundle:
        """Everything needed to judge again offline."""
        return self.judge.export(subject, profile, view=view, progress=progress)

    def watch(
        self, subject: SubjectId, profile: Profile, lists: Sequence[str] | None = None
    ) -> Standing:
        """Keep this verdict true: it shows in the portfolio and in the stream of changes."""
        return self.judge.watching.watch(subject, profile, lists)

    def unwatch(self, subject: SubjectId, profile: str) -> int:
        """Stop keeping it true; how many watches ended."""
        return self.judge.watching.unwatch(subject, profile)

    def portfolio(self, *, view: View | None = None) -> list[Standing]:
        """Every watched subject and how it stands now."""
        return self.judge.watching.portfolio(view=view)

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """What people call these: from list entries and descriptions that the operator may see.

        A name in a list entry goes before one that a description gives.
        """
        from kizuna.app.wiring.naming import names_of

        return names_of(self.store.reader(), identifiers)

    # --- living -------------------------------------------------------------------------------

    def live(self, *, progress: Progress = quiet) -> Judge:
        """Load the graph once and keep it true; later calls answer from memory."""
        self.judge.live(progress=progress)
        if self._seen is not None:
            seen = self._seen
            self.store.on_registered(lambda _: seen.now_and_then(self.clock))
        return self.judge

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call ``listener`` at every change of a watched verdict; returns the way to stop it."""
        return self.judge.watching.subscribe(listener)

    # --- nouns --------------------------------------------------------------------------------

    @property
    def lists(self) -> TrustLists:
        """Trust lists: create, add, suspend, withdraw, show, history, accept."""
        from kizuna.app.wiring.trust_lists import TrustLists

        return TrustLists(self)

    @property
    def hosting(self) -> Hosting:
        """Organisations of this store and their invitations."""
        from kizuna.record.store.hosting import Hosting

        return Hosting(self.store)

    @property
    def keys(self) -> Keys:
        """Keys of the organisation: states, rotate, enrol, revoke, compromise."""
        from kizuna.app.wiring.keys import Keys

        return Keys(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_BATCH = 4_096
_HEX = frozenset("0123456789abcdef")


def only_lists(anchors: Anchors, lists: Sequence[str] | None) -> Anchors:
    """The anchors with only the lists of these names or identifiers.

    Raises:
        Absent: ``list.unknown``.
    """
    if lists is None:
        return anchors
    chosen = []
    for name in lists:
        found = next((a for a in anchors.lists if name in (a.name, a.id)), None)
        if found is None:
            raise Absent(
                "list.unknown",
                f"no list named {name!r} is believed here",
                why="there are " + (", ".join(a.name for a in anchors.lists) or "none"),
                hint="`kizuna trust show` prints them; `kizuna list accept` adds one",
                name=name[:200],
            )
        chosen.append(found)
    return msgspec.structs.replace(anchors, lists=chosen)


def _new(items: Sequence[Any], have: set[str], member: str) -> list[Any]:
    return [item for item in items if getattr(item, member) not in have]


def parse_digest(text: str) -> Digest:
    """A digest in hexadecimal.

    Raises:
        Malformed: ``statement.digest``.
    """
    if len(text) != 64 or not set(text) <= _HEX:
        raise Malformed(
            "statement.digest",
            f"not a digest: {text[:80]!r}",
            why="a statement is named by SHA-256, 64 lower-case hexadecimal digits",
            hint="copy it as it was printed when the statement was registered",
            digest=text[:80],
        )
    return Digest(bytes.fromhex(text))
