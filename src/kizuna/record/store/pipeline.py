# SPDX-License-Identifier: Apache-2.0
"""The pipeline: from bytes that arrived to rows that are ready to be written.

::

    parse → key → signature → decode → time → policy → duplicate → sequence

Keeps: 1. A batch goes the same way as one; one bad statement refuses itself, not the batch.
2. Nothing of a payload is read before its signature holds. 3. What a statement changes for those
after it (keys, members) takes effect in the order of the log, within a batch as between batches.
4. Nothing here writes: a ``Plan`` is handed on, or dropped without a trace.

Owner of the mutable state: the store's writer thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kizuna.model.errors import Absent, Problem, Refused, Tampered
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Claim, Membership, Status, decode_payload
from kizuna.model.statement import Envelope, Interval, Statement
from kizuna.record.log.map_head import MAP_HEAD, map_head_subject
from kizuna.record.store.archive import PREFIX
from kizuna.record.store.arriving import Accepted, Item
from kizuna.record.store.backend import (
    KIND_CODES,
    OWN,
    NewStatement,
    StatementRow,
    Writing,
    head_of,
)
from kizuna.record.store.examining import Examined
from kizuna.record.store.keyring import Keyring
from kizuna.record.store.plan import Plan, add
from kizuna.record.store.policy import Members, Rate, RegistrationPolicy, check_envelope
from kizuna.roots.cose import check_signature
from kizuna.roots.identity import pinned_keys
from kizuna.roots.keys import PublicKey
from kizuna.roots.statement import decoded

__all__ = [
    "Planner",
    "is_reserved",
]

_MAP_HEAD: Final = MAP_HEAD.encode()
_EVIDENCE: Final = media_type_of(Kind.EVIDENCE)
_CODES: Final = {media_type_of(kind): code for kind, code in KIND_CODES.items()}
KEY_SIZE: Final = 32
"""Bytes of a map key."""


class Planner:
    """Decides about each statement in order, and plans what will be written.

    Args:
        keyring: whose keys are whose.
        members: the store's own list.
        policy: whose statements are taken.
        rate: how many an issuer may register an hour.
        operator: the store's own organisation.
        origin: the log's name.
        erasers: who had a document erased, as far as it is: by its digest.
    """

    def __init__(
        self,
        *,
        keyring: Keyring,
        members: Members,
        policy: RegistrationPolicy,
        rate: Rate,
        operator: SubjectId,
        origin: str,
        erasers: Callable[[bytes], frozenset[str]],
    ) -> None:
        self.erasers = erasers
        self.keyring = keyring
        self.members = members
        self.policy = policy
        self.rate = rate
        self.operator = operator
        self.origin = origin
        self._log_subject = map_head_subject(origin)

    def plan(self, items: Sequence[Item], plan: Plan, tables: Writing) -> None:
        """Decide about every item that is still open; accepted ones are in ``plan`` afterwards."""
        open_items = [item for item in items if item.outcome is None and item.checked is not False]
        # settling may have emptied the keyring since the keys were found
        self.keyring.load({item.issuer for item in open_items if item.issuer is not None})
        known = tables.indices_of_contents(
            [item.content for item in open_items if item.content is not None]
        )
        for item in items:
            if item.outcome is not None:
                continue
            seen, key = item.seen, item.key
            try:
                if (
                    seen is not None
                    and key is not None
                    and seen.keys is not None
                    and item.checked
                    and seen.content not in known
                    and seen.subject != self._log_subject
                ):
                    self._plain(item, seen, seen.keys, key, plan)
                    known[seen.content] = plan.next - 1
                elif (envelope := item.envelope) is not None:
                    self._one(item, envelope, plan, known, tables)
            except Problem as problem:
                item.refuse(problem)

    def _plain(self, item: Item, seen: Examined, keys: bytes, key: PublicKey, plan: Plan) -> None:
        """Decide about a new statement that a helper read to its end; the rules are ``_one``'s."""
        issuer, now, index = seen.issuer, plan.now, plan.start + len(plan.rows)
        problem = self.keyring.may_register(seen, key, index=index, now=now)
        if problem is None and self.policy is not RegistrationPolicy.OPEN:
            problem = self.members.admits(self.policy, issuer, now)
        if problem is None:
            problem = self.rate.take(issuer, now)
        if problem is not None:
            raise problem
        raw, digest, content = item.data, Digest(seen.digest), seen.content
        size, place = len(raw), plan.place
        plan.rows.append(
            (
                index,
                digest,
                content,
                issuer,
                seen.subject,
                _CODES[seen.media_type],
                seen.media_type,
                seen.key,
                seen.issued_at,
                None,
                None,
                OWN,
                now,
                place + PREFIX,
                size,
                seen.payload_at,
                seen.payload_end - seen.payload_at,
                head_of(digest),
                head_of(content),
            )
        )
        record = size.to_bytes(PREFIX, "big") + raw
        plan.records.append(record)
        plan.place = place + len(record)
        plan.digests.append(digest)
        if len(keys) == KEY_SIZE:
            plan.map_rows.append((keys, index, digest))
        else:
            plan.map_rows += [
                (keys[at : at + KEY_SIZE], index, digest) for at in range(0, len(keys), KEY_SIZE)
            ]
        plan.told.append(item)
        item.outcome = Accepted(digest, index, now)

    def _one(
        self,
        item: Item,
        envelope: Envelope,
        plan: Plan,
        known: dict[bytes, int],
        tables: Writing,
    ) -> None:
        keyring, now, index = self.keyring, plan.now, plan.next
        key = item.key
        if key is None:
            keyring.load((envelope.issuer,))
            key = keyring.find(envelope)
            if key is None:
                raise keyring.unknown(envelope)
            item.checked = check_signature(envelope, key)
        if not item.checked:
            raise _signature_wrong(envelope, key)
        earlier = known.get(envelope.content)
        if earlier is not None:
            self._duplicate(item, envelope, key, plan, earlier, tables)
            return
        problem = keyring.may_register(envelope, key, index=index, now=now)
        if problem is None and self.policy is not RegistrationPolicy.OPEN:
            problem = self.members.admits(self.policy, envelope.issuer, now)
        if problem is not None:
            raise problem
        statement = decoded(envelope, key, item.document, new=True)
        if (
            statement.subject == self._log_subject
            and isinstance(statement.payload, Claim)
            and statement.payload.type == MAP_HEAD
        ):
            raise Refused(
                "policy.reserved",
                "only the store's own writer says what the head of its map is",
                hint="give the claim another type",
                type=MAP_HEAD,
            )
        if envelope.by_hash:
            problem = check_envelope(
                envelope, statement.kind, has_document=item.document is not None
            )
            if problem is not None:
                raise problem
        moment = Interval(now, now)
        changes = statement.payload
        if isinstance(changes, Status | Membership):
            if self.members.refuses is not None:
                refused = self.members.refuses(statement, now, plan.changes)
                if refused is not None:
                    raise refused
            self._check_change(statement, changes, plan, tables)
        problem = self.rate.take(envelope.issuer, now)
        if problem is not None:
            raise problem
        if isinstance(changes, Status | Membership):
            self._change(statement, changes, index, moment, plan)
        add(plan, envelope, statement, moment, self.origin, document=item.document)
        if item.document is not None:
            self._bring_back(envelope, item.document, plan)
        known[envelope.content] = index
        item.outcome = Accepted(envelope.digest, index, now)

    def _duplicate(
        self,
        item: Item,
        envelope: Envelope,
        key: PublicKey,
        plan: Plan,
        earlier: int,
        tables: Writing,
    ) -> None:
        """Answer with the place it has; a document that came late is kept."""
        if earlier >= plan.start:
            digest, at = plan.digests[earlier - plan.start], plan.now
        else:
            row = tables.rows_by_indices((earlier,))[0]
            digest, at = Digest(row[1]), row[12]
        if item.document is not None:
            decoded(envelope, key, item.document)
            plan.documents[bytes(envelope.payload)] = item.document
            self._bring_back(envelope, item.document, plan)
        item.outcome = Accepted(digest, earlier, at, duplicate=True)

    def repeat(self, item: Item, plan: Plan, keys: tuple[bytes, ...] | None) -> None:
        """Take a statement of the archive again: it was decided upon when it was registered.

        Raises:
            Problem: as at registration, where the archive was tampered with.
        """
        envelope = item.envelope
        if envelope is None:
            return
        if item.key is None:
            self.keyring.load((envelope.issuer,))
            item.key = self.keyring.find(envelope)
            if item.key is None:
                raise self.keyring.unknown(envelope)
            item.checked = check_signature(envelope, item.key)
        if not item.checked:
            raise _signature_wrong(envelope, item.key)
        statement = decoded(envelope, item.key, item.document)
        moment = Interval(plan.now, plan.now)
        if isinstance(statement.payload, Status | Membership):
            self._change(statement, statement.payload, plan.next, moment, plan)
        add(plan, envelope, statement, moment, self.origin, keys=keys)

    # -- what changes something for those that follow ------------------------------------------

    def _check_change(
        self, statement: Statement, payload: Status | Membership, plan: Plan, tables: Writing
    ) -> None:
        """Refuse what would have no effect, or more than its issuer may.

        Raises:
            Problem: ``key.not-yours``, ``document.*``, ``key.*``.
        """
        if isinstance(payload, Membership):
            pinned_keys(payload.keys)
            return
        if payload.action is Action.ERASE:
            self._document_to_erase(statement, payload, plan, tables)
        elif payload.target.key is not None and not self._may_act(
            statement.issuer, statement.subject
        ):
            raise Refused(
                "key.not-yours",
                "a key's life is its own identity's to tell, or its superior's",
                why="the issuer is neither the subject nor the operator of the subject's list",
                hint="let the identity itself, or the list's operator, sign it",
                issuer=statement.issuer[:120],
                identity=statement.subject[:120],
            )

    def _change(
        self,
        statement: Statement,
        payload: Status | Membership,
        index: int,
        moment: Interval,
        plan: Plan,
    ) -> None:
        if isinstance(payload, Membership):
            row = self.members.entry_of(statement, index)
            if row is not None:
                self.members.put(row)
                plan.members[row.member] = row
                keys = pinned_keys(payload.keys)
                if keys:
                    plan.touched.add(row.member)
                    self.keyring.pin(row.member, keys, index)
            return
        event = self.keyring.event(statement, index, moment)
        if event is not None and self._may_act(statement.issuer, event.identity):
            plan.touched.add(event.identity)
            self.keyring.apply(event)
            plan.key_events.append((event.identity, index))

    def _may_act(self, issuer: str, identity: str) -> bool:
        return issuer == identity or self.is_superior(issuer, identity)

    def is_superior(self, issuer: str, identity: str) -> bool:
        """Whether an issuer stands above an identity: the operator of the list it is on."""
        return issuer == self.operator and self.members.get(identity) is not None

    def _document_to_erase(
        self, statement: Statement, payload: Status, plan: Plan, tables: Writing
    ) -> None:
        target = bytes.fromhex(payload.target.statement or "")
        row = next((row for row in plan.rows if row[1] == target), None)
        found: StatementRow | NewStatement | None = (
            row if row is not None else tables.rows_of_digests((target,)).get(target)
        )
        if found is None:
            raise Absent(
                "document.no-such-statement",
                "no such statement is registered here",
                hint="name the statement whose document is to be erased by its digest",
                statement=target.hex(),
            )
        issuer, document = found[3], found[10]
        if document is None:
            raise Refused(
                "document.inline",
                "the statement carries its payload itself; there is no document to erase",
                why="what is in the signed bytes stays: the log's proof is over them",
                hint="withdraw or revoke the statement; sign personal data by hash",
                statement=target.hex(),
            )
        if statement.issuer not in (issuer, self.operator):
            raise Refused(
                "document.not-yours",
                "only the issuer of a statement, or the store's operator, may erase its document",
                hint="ask the issuer, or the operator of the store",
                statement=target.hex(),
                issuer=statement.issuer[:120],
            )
        if statement.issuer != self.operator:
            self._nobody_elses(statement, document, plan, tables)
        if plan.erased.get(document) != self.operator:
            plan.erased[document] = statement.issuer

    def _bring_back(self, envelope: Envelope, document: bytes, plan: Plan) -> None:
        """Keep a document that another had erased who merely named it, before this issuer came: an
        issuer erases what it said itself. What the operator erased stays erased.
        """
        name, issuer = bytes(envelope.payload), envelope.issuer
        if plan.erased.get(name, issuer) not in (issuer, self.operator):
            del plan.erased[name]
        by = self.erasers(name)
        if by and not by & {issuer, self.operator}:
            plan.returned[name] = document

    def _nobody_elses(
        self, statement: Statement, document: bytes, plan: Plan, tables: Writing
    ) -> None:
        """Refuse where others speak of the same document: naming it would be enough to erase it."""
        places = [index for _, index in tables.document_refs((document,))]
        said: list[StatementRow | NewStatement] = [*tables.rows_by_indices(places)]
        said += [row for row in plan.rows if row[10] == document]
        if any(row[3] != statement.issuer for row in said):
            raise Refused(
                "document.not-yours",
                "only the issuer of a statement, or the store's operator, may erase its document",
                why="another issuer's statement speaks of the same document",
                hint="ask the issuer, or the operator of the store",
                statement=statement.digest.hex(),
                issuer=statement.issuer[:120],
            )


def is_reserved(envelope: Envelope) -> bool:
    """Whether a statement claims to be the head of a map, which only a store's writer says."""
    if envelope.by_hash or envelope.media_type != _EVIDENCE or _MAP_HEAD not in envelope.payload:
        return False
    try:
        claim = decode_payload(Kind.EVIDENCE, envelope.payload)
    except Problem:
        return False
    return isinstance(claim, Claim) and claim.type == MAP_HEAD


def _signature_wrong(envelope: Envelope, key: PublicKey) -> Tampered:
    return Tampered(
        "envelope.signature-wrong",
        f"the signature is not that of key {key.thumbprint.hex()[:16]}",
        why="the statement was changed after signing, or somebody else signed it",
        hint="ask the issuer for the statement as it was signed",
        statement=envelope.digest.hex(),
        issuer=envelope.issuer,
        key=key.thumbprint.hex(),
    )
