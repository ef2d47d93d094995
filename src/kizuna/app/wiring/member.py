# SPDX-License-Identifier: Apache-2.0
"""A small business without a store of its own: an identity here, its statements elsewhere.

Keeps: 1. The key is made here and stays here; what travels are signed statements. 2. ``join``
leaves nothing behind when the other side refuses. 3. The store's answer is checked: a receipt is
for the statement that was sent. 4. The store is not asked for verdicts but for proof, judged here
with anchors of one's own: at first the store's own list and log, as they were when it was joined.
Whose standing depends on a thing (``impact``) no bundle can prove: that is the store's own word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlencode

import msgspec

from kizuna.app.wiring.construction import checked_name, new_identity
from kizuna.app.wiring.folder import Description, Folder, write_whole
from kizuna.app.wiring.importing import outcome_of, prepare, read_all, seal, settled_notices
from kizuna.app.wiring.joined import Answered, Joined, checked_answer
from kizuna.app.wiring.network import checked_url
from kizuna.app.wiring.settings import Clock, Settings
from kizuna.app.wiring.units import home_unit, open_home
from kizuna.app.wiring.values import (
    Explained,
    ImportOutcome,
    Progress,
    Signed,
    WrittenBundle,
    quiet,
)
from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Unavailable
from kizuna.model.identifier import Digest, SubjectId, canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Payload, Status, Target, encode_payload
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor

if TYPE_CHECKING:
    from kizuna.app.wiring.elsewhere import Elsewhere
    from kizuna.app.wiring.keys import Keys
    from kizuna.app.wiring.offline import Opened
    from kizuna.app.wiring.question import Question
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered
    from kizuna.model.verdict import Verdict
    from kizuna.roots.units import Handle, Unit

__all__ = ["Member", "Organisation", "Publisher", "member_of", "organisation", "publisher"]

_BATCH = 500
_JOINED = "joined"
"""What the list of the store that was joined is called in a member's anchors."""


class Publisher(Protocol):
    """Whoever can publish documents: an organisation with its store, or a member of another."""

    def publish(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """Read, sign, register."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Organisation(Protocol):
    """Whoever speaks from a folder: an organisation with its store, or a member of another."""

    identity: SubjectId
    clock: Clock

    @property
    def keys(self) -> Keys:
        """Its keys."""
        ...

    def say(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> Signed:
        """One signed statement, with the document beside it where only some may read it."""
        ...

    def register_one(
        self, statement: bytes, documents: Mapping[Digest, bytes] | None = None
    ) -> tuple[str, int]:
        """Register one statement: digest (hex) and place in the log; raises what refuses it."""
        ...

    def beyond(self, statements: Sequence[bytes]) -> tuple[SubjectId, ...]:
        """Subjects about which no believed list lets the statements' issuers speak so."""
        ...

    def subject_of(self, which: str) -> tuple[SubjectId, str]:
        """What a registered statement (its index or digest) is about, and its digest (hex)."""
        ...


class Member:
    """An organisation that publishes in somebody else's store."""

    def __init__(self, settings: Settings, folder: Folder, description: Description) -> None:
        self.settings = settings
        self.folder = folder
        self.name = description.name
        self.identity = SubjectId(description.organization)
        self.url = description.url
        self.origin = description.origin
        self.clock = settings.clock
        self.description = description
        self._unit: Unit | None = None
        self._store = Joined(
            url=self.url, identity=self.identity, signer=self._signer, clock=self.clock
        )

    @classmethod
    def join(
        cls, path: str | Path, url: str, invite: str, name: str, *, settings: Settings
    ) -> Self:
        """Make an identity and enter it in a store by its invitation.

        Raises:
            Refused: ``store.exists``, and what the other side refuses with.
            Unavailable: ``request.*``.
        """
        address = checked_url(url)
        name = checked_name(name)
        folder = Folder(path)
        folder.prepare()
        try:
            unit, handle, identity = new_identity(folder, settings)
            store = Joined(
                url=address,
                identity=identity,
                signer=lambda: (unit, handle),
                clock=settings.clock,
            )
            told = store.join({"invite": invite.strip(), "identity": identity, "name": name})
            anchors = _anchors_of(told, address, identity)
            description = Description(
                format=1,
                kind="member",
                name=name,
                organization=identity,
                key=handle.id,
                origin=anchors.logs[0].origin,
                url=address,
                unit=home_unit(settings.unit),
            )
        except BaseException:
            folder.abandon()
            raise
        write_whole(folder.trust_file, msgspec.json.format(anchors.to_json(), indent=2) + b"\n")
        folder.write_description(description)
        member = cls(settings, folder, description)
        member._unit = unit
        return member

    # --- saying -------------------------------------------------------------------------------

    def publish(
        self, files: Sequence[tuple[str, bytes]], *, progress: Progress = quiet
    ) -> ImportOutcome:
        """Read documents, sign what they say and is not said already, register it there."""
        unit, handle = self._signer()
        read, earlier = read_all(files, self.identity), self.earlier()
        prepared = prepare(
            read,
            unit=unit,
            handle=handle,
            issuer=self.identity,
            now=self.clock(),
            progress=progress,
            earlier=earlier,
        )
        for subject, digest in settled_notices([i for _, i in read], earlier, self.identity):
            status = Status(action=Action.WITHDRAW, target=Target(statement=digest.hex()))
            prepared.statements.append(self.say(Kind.STATUS, subject, status).statement)
        results: list[Answered] = []
        receipts: list[bytes] = []
        total = len(prepared.statements)
        for start in range(0, total, _BATCH):
            part = prepared.statements[start : start + _BATCH]
            for result, receipt in self._send(part, list(prepared.documents.values())):
                results.append(result)
                if receipt is not None:
                    receipts.append(receipt)
            progress("phase.registering", len(results), total)
        beyond = self.beyond(prepared.statements)
        return replace(outcome_of(prepared, results, receipts), beyond=beyond)

    def beyond(self, statements: Sequence[bytes]) -> tuple[SubjectId, ...]:
        """Subjects about which the lists of the store that was joined do not let it speak so."""
        from kizuna.app.wiring.effect import beyond_scope

        trust = self._trust()
        if trust is None:
            return ()
        anchors = msgspec.structs.replace(Anchors.from_json(trust), verifier=None)
        try:
            return beyond_scope(statements, self.earlier(), anchors, self.clock())
        except Problem:
            return ()  # everything is registered: what cannot be asked now stays unsaid

    def say(
        self,
        kind: Kind,
        subject: SubjectId,
        payload: Payload,
        *,
        audience: Sequence[SubjectId] = (),
    ) -> Signed:
        """A signed statement, with the document beside it where only some may read it."""
        return seal(
            self.unit,
            self.handle,
            issuer=self.identity,
            subject=subject,
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            now=self.clock(),
            audience=audience,
        )

    def register_one(
        self, statement: bytes, documents: Mapping[Digest, bytes] | None = None
    ) -> tuple[str, int]:
        """Register one statement there: digest (hex) and place in the log.

        Raises:
            Refused: what the other side refuses with. Unavailable: ``request.*``.
        """
        ((result, _),) = self._send([statement], list((documents or {}).values()))
        if result.problem is not None:
            raise result.problem
        return result.digest.hex(), result.index

    def register_each(self, statements: Sequence[bytes]) -> list[tuple[str, int] | Problem]:
        """Register statements in one request: digest (hex) and place, or what refuses it."""
        return [
            result.problem or (result.digest.hex(), result.index)
            for result, _ in self._send(list(statements), [])
        ]

    def subject_of(self, which: str) -> tuple[SubjectId, str]:
        """What a statement registered there is about, and its digest (hex).

        Raises:
            Absent: ``statement.unknown``. Malformed: ``statement.digest``.
        """
        from kizuna.app.wiring.entries import parse_digest
        from kizuna.roots.cose import parse_sign1

        digest = parse_digest(which).hex()
        found = parse_sign1(self._store.earlier(digest))
        if found.digest.hex() != digest:
            raise Absent(
                "statement.unknown",
                f"no statement {digest[:16]}… here",
                why="the store gave another one for it",
                hint="check the digest, and which store registered it",
                digest=digest,
            )
        return found.subject, digest

    # --- asking -------------------------------------------------------------------------------

    def quotations(self) -> dict[str, Any]:
        """Requests for quotation, offers and agreements, as the store shows them to this member.

        Raises:
            Malformed: ``request.answer``. Refused, Unavailable: as the other side says.
        """
        try:
            told = json.loads(self._store.fetch("/api/procure/quotations"))
            requests, offers = told["requests"], told["offers"]
            if all(isinstance(one["subject"], str) for one in (*requests, *offers)):
                return {"requests": requests, "offers": offers}
        except (ValueError, KeyError, TypeError):
            pass
        raise Malformed(
            "request.answer",
            f"{self.url} answered with something else than requests and offers",
            hint="check that this is the address of a kizuna store",
            url=self.url,
        )

    def verify(self, question: Question) -> tuple[Verdict, dict[str, str]]:
        """Fetch the proof from the store that was joined and judge it here; names for people.

        Raises:
            Absent: ``profile.unknown`` where the store has no profile of that name.
            Unavailable: ``request.*``. Malformed, Tampered: ``bundle.*``.
        """
        return self._proof(question).verify(question.profile, at=self._moment(question))

    def explain(self, question: Question) -> tuple[Explained, dict[str, str]]:
        """As ``verify``, with the tree of reasons."""
        return self._proof(question).explain(question.profile, at=self._moment(question))

    def export_bundle(self, subject: SubjectId, profile: Profile) -> WrittenBundle:
        """The proof as the store gives it, seen to open under one's own anchors."""
        from kizuna.app.wiring.offline import opened

        data = self._bundle(subject, profile)
        bundle = opened(data, self._trust(), subject=subject).evidence
        held = [item for page in bundle.all() for item in page]
        return WrittenBundle(
            data=data,
            statements=len(held),
            restricted=sum(bool(item.statement.audience) for item in held),
            subject=subject,
            profile=profile.name,
        )

    def impact(self, what: str, *, profile: str | None = None) -> list[dict[str, Any]]:
        """Whose standing depends on it, as the store says; ``profile`` is a name known there.

        Raises:
            Malformed: ``request.answer``. Absent: ``profile.unknown``.
        """
        query = {"of": what} | ({} if profile is None else {"profile": profile})
        try:
            told = json.loads(self._store.fetch("/api/impact", urlencode(query)))
            return [
                {str(k): v for k, v in item.items() if isinstance(v, str | bool | int)}
                for item in told["affected"]
                if isinstance(item["subject"], str)
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise Malformed(
                "request.answer",
                f"{self.url} answered with something else than what depends on {what[:80]}",
                hint="check that this is the address of a kizuna store",
                url=self.url,
            ) from fault

    # --- keys ---------------------------------------------------------------------------------

    @property
    def keys(self) -> Keys:
        """Keys of the organisation."""
        from kizuna.app.wiring.keys import Keys

        return Keys(self)

    @property
    def unit(self) -> Unit:
        """Where the private keys are; opened when first needed."""
        if self._unit is None:
            self._unit = open_home(self.folder, self.description, self.settings)
        return self._unit

    @property
    def handle(self) -> Handle:
        """The key that signs now."""
        for handle in self.unit.handles():
            if handle.id == self.description.key:
                return handle
        raise Misconfigured(
            "store.key-missing",
            "the organisation's key is not among the keys of this folder",
            hint="restore the key file from a backup",
            path=str(self.folder.keys),
        )

    def use_key(self, handle: Handle) -> None:
        """Sign with this key from now on, and remember it."""
        self.description = msgspec.structs.replace(self.description, key=handle.id)
        self.folder.write_description(self.description)

    @contextmanager
    def signing_with(self, handle: Handle) -> Iterator[None]:
        """Sign with this key for a while; on failure the former one signs again."""
        before = self.description
        self.description = msgspec.structs.replace(before, key=handle.id)
        try:
            yield
        except BaseException:
            self.description = before
            raise

    def told_of_itself(self) -> tuple[Sequence[Registered], int]:
        """What is registered there about the organisation, and the size of the log then."""
        return self.earlier().standing(self.identity)

    def above(self) -> frozenset[str]:
        """The operators of the lists that this organisation believes."""
        trust = self._trust()
        anchors = Anchors() if trust is None else Anchors.from_json(trust)
        return frozenset(found.operator for found in anchors.lists)

    def earlier(self) -> Elsewhere:
        """What was registered there so far."""
        from kizuna.app.wiring.elsewhere import Elsewhere

        return Elsewhere(self._store.look_up)

    def settle(self) -> None:
        """Go on with the key that took over although this folder does not say so (a fall between
        registering and remembering); nothing where the store cannot be asked.
        """
        if len(self.unit.handles()) < 2:
            return
        try:
            found = self.keys.recover()
        except Unavailable:
            return
        if found is not None:
            self.use_key(found)

    # --- inside -------------------------------------------------------------------------------

    def _proof(self, question: Question) -> Opened:
        from kizuna.app.wiring.offline import opened

        data = self._bundle(question.subject, question.profile)
        return opened(data, self._trust(), subject=question.subject, lists=question.lists)

    def _moment(self, question: Question) -> int:
        return self.clock() if question.at is None else question.at

    def _bundle(self, subject: SubjectId, profile: Profile) -> bytes:
        query = urlencode({"subject": subject, "profile": profile.name})
        return self._store.fetch("/api/export", query)

    def _trust(self) -> bytes | None:
        try:
            return self.folder.trust_file.read_bytes()
        except FileNotFoundError:
            return None

    def _send(
        self, statements: list[bytes], documents: list[bytes]
    ) -> list[tuple[Answered, bytes | None]]:
        told = self._store.submit(statements, documents)
        return [
            checked_answer(statement, answer, self._store.earlier)
            for statement, answer in zip(statements, told, strict=True)
        ]

    def _signer(self) -> tuple[Unit, Handle]:
        return self.unit, self.handle

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing is held open."""


def member_of(settings: Settings) -> Member | None:
    """The member whose folder this is; None where it is a store's, or nobody's."""
    folder = Folder(settings.store)
    if not folder.exists():
        return None
    description = folder.describe()
    return Member(settings, folder, description) if description.kind == "member" else None


def publisher(settings: Settings) -> Publisher:
    """Whoever publishes from this folder.

    Raises:
        Misconfigured: ``store.absent``.
    """
    folder = Folder(settings.store)
    description = folder.describe()
    if description.kind == "member":
        return Member(settings, folder, description)
    from kizuna.app.wiring.workspace import Workspace

    return Workspace.open(settings=settings)


def organisation(settings: Settings) -> Organisation | None:
    """The member whose folder this is, ready to speak; None where it is a store's, or nobody's."""
    member = member_of(settings)
    if member is not None:
        member.settle()
    return member


def _anchors_of(told: Mapping[str, Any], address: str, identity: SubjectId) -> Anchors:
    """Whom somebody who joins a store believes at first: that store's own list and log."""
    try:
        store = told["store"]
        return Anchors(
            lists=[
                ListAnchor(
                    id=canonical(store["list"]),
                    operator=canonical(store["organization"]),
                    name=_JOINED,
                    title=str(store["name"])[:4000],
                )
            ],
            logs=[
                LogAnchor(
                    origin=str(store["origin"]),
                    keys=[str(key) for key in store["log_keys"]],
                    url=address,
                )
            ],
            verifier=identity,
        )
    except (KeyError, TypeError, Malformed) as fault:
        raise Malformed(
            "request.answer",
            f"{address} does not say which list and log are its own",
            hint="check that this is the address of a kizuna store",
            url=address,
        ) from fault
