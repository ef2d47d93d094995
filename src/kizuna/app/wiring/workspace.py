# SPDX-License-Identifier: Apache-2.0
"""The workspace: the one facade that commands, HTTP and console call.

Keeps: 1. ``init`` refuses to overwrite. 2. Two doors that ask the same question of the same store
get the same answer: nothing is judged outside this class. 3. A one-shot process judges by closure
(it reads only what the question needs); after ``live()`` the same calls read the graph in memory.
4. Every read takes a ``view``: what it may not show looks absent.

What changes is owned by what it is made of: ``Signing`` the key, ``Trust`` the anchors, ``Judge``
what is judged in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from kizuna.app.wiring.believing import Trust
from kizuna.app.wiring.folder import Description, Folder
from kizuna.app.wiring.keys.signing import Signing
from kizuna.app.wiring.settings import Clock, Settings
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
from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Payload, encode_payload
from kizuna.model.trust import Anchors, ListAnchor
from kizuna.model.verdict import Known, Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.importing.earlier import Earlier
    from kizuna.app.wiring.judging.judge import Judge
    from kizuna.app.wiring.judging.question import Question
    from kizuna.app.wiring.keys.life import Keys
    from kizuna.app.wiring.lists.own import TrustLists
    from kizuna.app.wiring.lists.policy import ListRules
    from kizuna.app.wiring.seen import Seen
    from kizuna.criteria.profiles import Profile
    from kizuna.model.errors import Problem
    from kizuna.model.statement import Registered, Statement
    from kizuna.record.log import EvidenceLog
    from kizuna.record.store import Accepted, Refusal, Store, View
    from kizuna.record.store.hosting import Hosting
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.units import Handle, Unit

__all__ = ["Workspace"]

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
        self._signing = Signing(settings, folder, description)
        self.trust = Trust(folder.trust_file, self._anchors_changed)
        """Whom this store's verifier believes."""
        self.name = description.name
        self.identity = SubjectId(description.organization)
        self.list_id = SubjectId(description.list)
        self.clock = settings.clock
        self._judge: Judge | None = None
        self._seen: Seen | None = None
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
            from kizuna.app.wiring.keys.certifying import certify_at_birth

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
        self._signing.close()
        if self._seen is not None:
            self._seen.note_down()
        self.store.close()

    def _anchors_changed(self) -> None:
        if self._judge is not None:
            self._judge.anchors_changed()

    def bind_store(self, store: Store) -> None:
        """Use this store (construction only)."""
        from kizuna.app.wiring.seen import remembering

        self.store = store
        store.members.refuses = self._refused_by_lists
        self._seen = remembering(self.settings.state, store.log)

    def _refused_by_lists(
        self, said: Statement, now: int, batch: Sequence[Registered]
    ) -> Problem | None:
        """What the policies of lists say to a statement that is about to be registered."""
        if self._rules is None:
            from kizuna.app.wiring.lists.policy import ListRules

            self._rules = ListRules(self)
        return self._rules.refuses(said, now, batch)

    @property
    def log(self) -> EvidenceLog:
        """The evidence log."""
        return self.store.log

    # --- signing ------------------------------------------------------------------------------

    @property
    def description(self) -> Description:
        """What the folder says of itself."""
        return self._signing.description

    @property
    def unit(self) -> Unit:
        """Where the private keys are; opened when first needed."""
        return self._signing.unit

    @property
    def handle(self) -> Handle:
        """The key that signs in the organisation's name now."""
        return self._signing.handle

    def bind_unit(self, unit: Unit) -> None:
        """Use this unit (construction only)."""
        self._signing.bind(unit)

    def use_key(self, handle: Handle) -> None:
        """Sign with this key from now on, and remember it."""
        self._signing.use_key(handle)

    def describe_as(self, description: Description) -> None:
        """Remember this of the store from now on."""
        self._signing.describe(description)

    def signing_with(self, handle: Handle) -> AbstractContextManager[None]:
        """Sign with this key for a while; on failure the former one signs again."""
        return self._signing.using(handle)

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
        from kizuna.app.wiring.importing.documents import seal

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
        from kizuna.app.wiring.importing.earlier import Kept

        operators = {one.operator for one in self.anchors().lists}
        return Kept(self.store.reader(), {*operators, self.identity})

    def import_files(
        self,
        files: Sequence[tuple[str, bytes]],
        *,
        keys: Mapping[str, PublicKey] | None = None,
        progress: Progress = quiet,
    ) -> ImportOutcome:
        """Documents in, registered statements out, in the name of the organisation; ``keys`` are
        those by which signatures inside are judged, besides the keys of those on lists.
        """
        from kizuna.app.wiring.importing.documents import (
            outcome_of,
            prepare,
            read_all,
            settled_notices,
        )
        from kizuna.model.payload import Action, Status, Target
        from kizuna.record.store import Accepted

        progress("phase.reading", 0, None)
        read = read_all(files, self.identity, keys, self._keys_of_lists)
        earlier = self.earlier()
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

    def _keys_of_lists(self) -> dict[str, PublicKey]:
        """The keys of those whom believed lists name, for the signatures inside documents."""
        from kizuna.app.wiring.inner_keys import listed_keys

        states = [self.lists.state(anchor.name) for anchor in self.anchors().lists]
        return listed_keys(states, self.clock(), self.store.reader())

    def beyond(self, statements: Sequence[bytes]) -> tuple[SubjectId, ...]:
        """Subjects about which no believed list lets the statements' issuers speak so."""
        from kizuna.app.wiring.judging.effect import beyond_scope

        return beyond_scope(statements, self.earlier(), self.anchors(), self.clock())

    def publish(
        self,
        files: Sequence[tuple[str, bytes]],
        *,
        keys: Mapping[str, PublicKey] | None = None,
        progress: Progress = quiet,
    ) -> ImportOutcome:
        """As ``import_files``: publishing in one's own store."""
        return self.import_files(files, keys=keys, progress=progress)

    def transparent(self, digest: str) -> bytes:
        """The statement with its receipt inside."""
        from kizuna.app.wiring.entries import parse_digest

        return self.store.transparent(parse_digest(digest))

    def head(self) -> Known:
        """The last published checkpoint."""
        return self.store.head()

    # --- believing ----------------------------------------------------------------------------

    def anchors(self, lists: Sequence[str] | None = None) -> Anchors:
        """Whom this store's verifier believes; ``lists``: of the lists only these, by name or id.

        Raises:
            Absent: ``list.unknown``. Malformed: ``trust.malformed``.
        """
        return self.trust.anchors(lists)

    def set_anchors(self, anchors: Anchors) -> None:
        """Believe these, and nobody else."""
        self.trust.set(anchors)

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
        from kizuna.app.wiring.profiles import publish_profile

        return publish_profile(self, profile)

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
            from kizuna.app.wiring.judging.judge import Judge

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
        through: Sequence[str] = (),
        progress: Progress = quiet,
    ) -> WrittenBundle:
        """Everything needed to judge again offline; ``through``: mappings that travel along."""
        return self.judge.export(subject, profile, view=view, through=through, progress=progress)

    def watch(
        self,
        subject: SubjectId,
        profile: Profile,
        lists: Sequence[str] | None = None,
        *,
        through: Sequence[str] = (),
    ) -> Standing:
        """Keep this verdict true: it shows in the portfolio and in the stream of changes.

        ``through``: mappings through which claims made under another catalog count.
        """
        return self.judge.watching.watch(subject, profile, lists, through)

    def unwatch(
        self, subject: SubjectId, profile: str, *, through: Sequence[str] | None = None
    ) -> int:
        """Stop keeping it true; how many watches ended."""
        return self.judge.watching.unwatch(subject, profile, through)

    def portfolio(self, *, view: View | None = None) -> list[Standing]:
        """Every watched subject and how it stands now."""
        return self.judge.watching.portfolio(view=view)

    def names(self, identifiers: Iterable[str]) -> dict[str, str]:
        """What people call these: from list entries and descriptions that the operator may see.

        A name in a list entry goes before one that a description gives.
        """
        from kizuna.app.wiring.naming import names_of

        return names_of(self.store.reader(), identifiers, self.anchors())

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
        from kizuna.app.wiring.lists.own import TrustLists

        return TrustLists(self)

    @property
    def hosting(self) -> Hosting:
        """Organisations of this store and their invitations."""
        from kizuna.record.store.hosting import Hosting

        return Hosting(self.store)

    @property
    def keys(self) -> Keys:
        """Keys of the organisation: states, rotate, enrol, revoke, compromise."""
        from kizuna.app.wiring.keys.life import Keys

        return Keys(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


_BATCH = 4_096
