# SPDX-License-Identifier: Apache-2.0
"""A small business without a store of its own: an identity here, its statements elsewhere.

Keeps: 1. The key is made here and stays here; what travels are signed statements. 2. The store's
answer is checked: a receipt is for the statement that was sent. How it was joined stands in
``member_joining``, what it is asked in ``member_asking``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from kizuna.app.wiring.folder import Description, Folder
from kizuna.app.wiring.importing.documents import (
    outcome_of,
    prepare,
    read_all,
    seal,
    settled_notices,
)
from kizuna.app.wiring.keys.units import open_home
from kizuna.app.wiring.member.asking import Asks
from kizuna.app.wiring.member.joined import Answered, Joined, checked_answer
from kizuna.app.wiring.member.joining import enter
from kizuna.app.wiring.member.receipts import Receipts
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import ImportOutcome, Progress, Signed, quiet
from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Unavailable
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Payload, Status, Target, encode_payload
from kizuna.model.trust import Anchors

if TYPE_CHECKING:
    from kizuna.app.wiring.keys.life import Keys
    from kizuna.app.wiring.member.elsewhere import Elsewhere
    from kizuna.app.wiring.speaking import Organisation, Publisher
    from kizuna.model.statement import Registered
    from kizuna.roots.keys import PublicKey
    from kizuna.roots.units import Handle, Unit

__all__ = ["Member", "member_of", "organisation", "publisher"]

_BATCH = 500


class Member(Asks):
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
        """Make an identity and enter it in a store by its invitation; see ``member_joining``."""
        folder, description, unit = enter(path, url, invite, name, settings=settings)
        member = cls(settings, folder, description)
        member._unit = unit
        return member

    # --- saying -------------------------------------------------------------------------------

    def publish(
        self,
        files: Sequence[tuple[str, bytes]],
        *,
        keys: Mapping[str, PublicKey] | None = None,
        progress: Progress = quiet,
    ) -> ImportOutcome:
        """Read documents, sign what they say and is not said already, register it there; ``keys``
        are those by which signatures inside are judged.
        """
        unit, handle = self._signer()
        read, earlier = read_all(files, self.identity, keys), self.earlier()
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
        kept = Receipts(self.folder.path / "receipts", self.believed())
        total = len(prepared.statements)
        for start in range(0, total, _BATCH):
            part = prepared.statements[start : start + _BATCH]
            sent = self._send(part, list(prepared.documents.values()))
            for statement, (result, receipt) in zip(part, sent, strict=True):
                results.append(result)
                if receipt is not None:
                    receipts.append(receipt)
                if result.problem is None:
                    kept.take(statement, result.digest, receipt)
            progress("phase.registering", len(results), total)
        beyond = self.beyond(prepared.statements)
        return replace(
            outcome_of(prepared, results, receipts),
            beyond=beyond,
            kept=kept.kept,
            unproven=kept.problem,
        )

    def beyond(self, statements: Sequence[bytes]) -> tuple[SubjectId, ...]:
        """Subjects about which the lists of the store that was joined do not let it speak so."""
        from kizuna.app.wiring.judging.effect import beyond_scope

        if self._trust() is None:
            return ()
        anchors = msgspec.structs.replace(self.believed(), verifier=None)
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

    def register_all(
        self, statements: Sequence[bytes], documents: Mapping[Digest, bytes]
    ) -> list[str]:
        """Register statements, and documents beside them, in one request: digests (hex).

        Raises:
            Refused: what the other side refuses the first of them with. Unavailable: ``request.*``.
        """
        results = self._send(list(statements), list(documents.values()))
        for result, _ in results:
            if result.problem is not None:
                raise result.problem
        return [result.digest.hex() for result, _ in results]

    def hand_in(self, signed: bytes) -> dict[str, Any]:
        """Bring answers that were drawn up in that store's form and signed here.

        Raises:
            Refused: ``assess.changed-since``, ``assess.signed-differs``, …
        """
        told = self._store.act("/api/assess/signed", signed)
        statements = told.get("statements")
        if not isinstance(statements, list):
            raise Malformed(
                "request.answer",
                f"{self.url} did not say what became of the answers",
                hint="check that this is the address of a kizuna store",
                url=self.url,
            )
        return told

    def code(self) -> dict[str, Any]:
        """A code that opens that store's pages to this organisation for half a day.

        Raises:
            Refused: ``policy.not-a-member``.
        """
        told = self._store.act("/api/assess/code")
        return {
            "identity": self.identity,
            "url": f"{self.url}/answer",
            "code": str(told.get("code", ""))[:200],
            "until": int(told.get("until") or 0),
        }

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

    # --- keys ---------------------------------------------------------------------------------

    @property
    def keys(self) -> Keys:
        """Keys of the organisation."""
        from kizuna.app.wiring.keys.life import Keys

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
        return frozenset(found.operator for found in self.believed().lists)

    def believed(self) -> Anchors:
        """Whom this organisation believes."""
        trust = self._trust()
        return Anchors() if trust is None else Anchors.from_json(trust)

    def earlier(self) -> Elsewhere:
        """What was registered there so far."""
        from kizuna.app.wiring.member.elsewhere import Elsewhere

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
