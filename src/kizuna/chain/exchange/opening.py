# SPDX-License-Identifier: Apache-2.0
"""Opening: a bundle becomes evidence, part by part, each checked against the verifier's anchors.

The order: checkpoint (log key, witnesses) → statements (their leaves lead to its root) → map head
(the last leaf) → complete lists of keys (they lead to the map's root) → keys of every issuer from
those lists → signatures → registration times (signed roots, or witnesses).

Keeps: 1. Nothing of the bundle is evidence before it is proven. 2. Wrong is an error
(``Tampered``): something in the file does not fit. *Not enough* is no error: what is missing is in
``shortfalls``, and no verdict over this evidence is better than undetermined. 3. A question for a
key that the bundle does not prove is remembered as a shortfall: silence is never absence.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kizuna.chain.exchange.bundle import Bundle
from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.finding import Code
from kizuna.model.identifier import Digest, SubjectId, digest_of
from kizuna.model.kind import Kind, kind_of, media_type_of
from kizuna.model.payload import Action, Links, Membership, Status, decode_payload
from kizuna.model.statement import Envelope, Interval, Registered, Statement
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.model.verdict import Known
from kizuna.record.log import (
    Intervals,
    MapProof,
    NoteKey,
    SignedCheckpoint,
    leaf_hash,
    read_checkpoint,
    read_map_head,
    seen_of,
    subject_key,
    verify_map_proof,
)
from kizuna.record.log.inclusion import root_from_leaves
from kizuna.record.log.receipt import RootDate, root_date
from kizuna.roots.cose import check_signature, parse_sign1
from kizuna.roots.identity import KeyHistory, genesis_keys, key_event, pinned_keys
from kizuna.roots.identity.history import KeyStanding
from kizuna.roots.keys import PublicKey, verify_many
from kizuna.roots.statement import decoded

__all__ = ["BundleEvidence", "open_bundle", "opened"]

_NAMED: Final = 5
_NEVER: Final = 2**53
_ACT_ON_KEYS: Final = frozenset((media_type_of(Kind.STATUS), media_type_of(Kind.MEMBERSHIP)))
_GOOD_AT_ITS_PLACE: Final = (KeyStanding.GOOD, KeyStanding.UNCERTAIN, KeyStanding.COMPROMISED)


class BundleEvidence:
    """The proven content of a bundle, as the chain reads evidence.

    ``shortfalls`` maps a finding's code to what it is about; it grows while questions are asked.
    """

    view = "bundle"

    def __init__(
        self,
        *,
        subject: SubjectId,
        heads: tuple[Known, ...],
        quorum: int,
        as_of: int | None,
        rows: Mapping[bytes, Sequence[tuple[int, Digest]]],
        statements: Sequence[Registered],
        documents: Mapping[Digest, bytes],
    ) -> None:
        self.subject = subject
        self.quorum = quorum
        self.as_of = as_of
        self.shortfalls: dict[Code, str] = {}
        self._heads = heads
        self._rows = rows
        self._by_digest = {item.statement.digest: item for item in statements}
        self._statements = sorted(statements, key=lambda item: item.index)
        self._documents = documents
        self._names: dict[bytes, str] | None = None

    def heads(self) -> tuple[Known, ...]:
        """The bundle's checkpoint."""
        return self._heads

    def all(self) -> Iterator[Sequence[Registered]]:
        """Every proven statement."""
        yield self._statements

    def lists(self) -> Mapping[bytes, Sequence[tuple[int, Digest]]]:
        """The complete list of every proven key, those that cannot be read among them."""
        return self._rows

    def by_keys(self, keys: Sequence[bytes]) -> Mapping[bytes, Sequence[Registered]]:
        """Complete lists; a key that is not proven is a shortfall."""
        found: dict[bytes, Sequence[Registered]] = {}
        for key in keys:
            rows = self._rows.get(key)
            if rows is None:
                self.shortfalls[Code.PROOF_INCOMPLETE] = key.hex()
                continue
            listed = [self._by_digest.get(digest) for _, digest in rows]
            if None in listed:
                self._withhold(key)
            found[key] = [item for item in listed if item is not None]
        return found

    def _withhold(self, key: bytes) -> None:
        """Remember whose list is complete, but not readable in full."""
        if self._names is None:
            self._names = {subject_key(name): name for name in (self.subject, *self._named())}
        withheld = {*self.shortfalls.get(Code.PROOF_WITHHELD, "").split(", "), ""}
        withheld.add(self._names.get(key, key.hex()))
        self.shortfalls[Code.PROOF_WITHHELD] = ", ".join(sorted(withheld - {""})[:_NAMED])

    def _named(self) -> Iterator[str]:
        for item in self._statements:
            yield item.statement.issuer
            yield item.statement.subject
            if isinstance(item.statement.payload, Links):
                for link in item.statement.payload.links:
                    yield from (end for end in (link.subject, link.object) if end is not None)

    def by_digests(self, digests: Sequence[Digest]) -> Mapping[Digest, Registered]:
        """Proven statements among these."""
        return {d: self._by_digest[d] for d in digests if d in self._by_digest}

    def documents(self, digests: Sequence[Digest]) -> Mapping[Digest, bytes | None]:
        """Documents that came along."""
        return {d: self._documents[d] for d in digests if d in self._documents}


def open_bundle(data: bytes, anchors: Anchors) -> BundleEvidence:
    """Check a bundle with the verifier's anchors.

    Raises:
        Malformed: ``bundle.*``, ``log.*``, ``map.proof-malformed``, ``envelope.*``, ``payload.*``.
        Tampered: ``bundle.damaged``, ``bundle.not-in-log``, ``bundle.extra``,
            ``bundle.signature-wrong``, ``bundle.document-extra``, ``log.*``, ``map.*``.
    """
    return opened(Bundle.from_bytes(data), anchors)


def opened(bundle: Bundle, anchors: Anchors) -> BundleEvidence:
    """As ``open_bundle``, of a file that was read already."""
    anchor = next((log for log in anchors.logs if log.origin == bundle.origin), None)
    if anchor is None:
        empty = BundleEvidence(
            subject=bundle.subject,
            heads=(),
            quorum=0,
            as_of=None,
            rows={},
            statements=(),
            documents={},
        )
        empty.shortfalls[Code.ANCHORS_MISSING] = bundle.origin
        return empty
    signed = read_checkpoint(bundle.checkpoint, anchor, anchors.witnesses)
    envelopes = _in_log(bundle, signed)
    rows = _complete_lists(bundle, envelopes, signed)
    _nothing_else(envelopes, rows, signed.checkpoint.size)
    times = _Times(bundle, anchor, anchors, signed)
    documents = {digest_of(document): document for document in bundle.documents}
    statements, unproven, withheld = _signed(
        bundle.origin, envelopes, rows, anchors, times, documents
    )
    used = {envelope.payload for envelope in envelopes.values() if envelope.by_hash}
    if not documents.keys() <= used or len(documents) != len(bundle.documents):
        raise Tampered(
            "bundle.document-extra",
            "the bundle holds a document that no statement in it names",
            why="every byte of a bundle must be accounted for",
            hint="ask for the bundle again",
        )
    evidence = BundleEvidence(
        subject=bundle.subject,
        heads=(signed.checkpoint.known,),
        quorum=signed.quorum,
        as_of=times.as_of(signed.checkpoint.size),
        rows=rows,
        statements=statements,
        documents=documents,
    )
    if signed.quorum < anchors.quorum:
        evidence.shortfalls[Code.QUORUM_MISSING] = f"{signed.quorum}/{anchors.quorum}"
    if withheld:
        evidence.shortfalls[Code.PROOF_WITHHELD] = withheld
    if unproven:
        evidence.shortfalls[Code.PROOF_INCOMPLETE] = unproven
    elif evidence.as_of is None:  # how old it is cannot be told, so it may be as old as it likes
        evidence.shortfalls[Code.PROOF_INCOMPLETE] = bundle.origin
    return evidence


def _in_log(bundle: Bundle, signed: SignedCheckpoint) -> dict[int, Envelope]:
    """Every statement, shown to stand where the bundle says."""
    envelopes: dict[int, Envelope] = {}
    for index, raw in bundle.statements.items():
        envelope = parse_sign1(raw)
        if envelope.raw != raw:
            raise Malformed(
                "bundle.malformed",
                "not a proof bundle: a statement carries an unprotected header",
                why="what is not under its signature does not belong in a bundle",
                hint="make one with `kizuna export SUBJECT --profile NAME --out FILE`",
                fault="a statement carries an unprotected header",
            )
        envelopes[index] = envelope
    leaves = {index: leaf_hash(envelope.digest) for index, envelope in envelopes.items()}
    if root_from_leaves(leaves, signed.checkpoint.size, bundle.path) != signed.checkpoint.root:
        raise Tampered(
            "bundle.not-in-log",
            "the statements of the bundle are not those of the log",
            why="their leaves do not lead to the root that the log signed",
            hint="ask for the bundle again; keep this one as evidence",
        )
    return envelopes


def _complete_lists(
    bundle: Bundle, envelopes: Mapping[int, Envelope], signed: SignedCheckpoint
) -> dict[bytes, tuple[tuple[int, Digest], ...]]:
    """The complete lists of all keys, under the map root that the log's last leaf fixes."""
    last = signed.checkpoint.size - 1
    envelope = envelopes.get(last)
    if envelope is None:
        raise Tampered(
            "bundle.no-map-head",
            "the bundle does not show the log's last entry",
            why="without the map head nothing shows that its lists are complete",
            hint="ask for the bundle again",
        )
    head = read_map_head(_last_leaf(envelope), bundle.origin, last)
    return verify_map_proof(MapProof.from_bytes(bundle.map_proof), head.root)


def _last_leaf(envelope: Envelope) -> Statement:
    """What the last leaf says. A map head counts by its place; its signature is checked later,
    with all others.
    """
    kind = kind_of(envelope.media_type)
    return Statement(
        digest=envelope.digest,
        content=envelope.content,
        issuer=envelope.issuer,
        subject=envelope.subject,
        kind=kind,
        media_type=envelope.media_type,
        key_id=envelope.key_id,
        payload=decode_payload(kind, envelope.payload),
    )


def _nothing_else(
    envelopes: Mapping[int, Envelope],
    rows: Mapping[bytes, Sequence[tuple[int, Digest]]],
    size: int,
) -> None:
    """Every statement but the map head stands in a proven list, at its own place."""
    listed = {pair for pairs in rows.values() for pair in pairs}
    for index, envelope in envelopes.items():
        if index != size - 1 and (index, envelope.digest) not in listed:
            raise Tampered(
                "bundle.extra",
                "the bundle holds a statement that stands in none of its lists",
                why="every byte of a bundle must be accounted for",
                hint="ask for the bundle again",
                statement=envelope.digest.hex(),
            )


class _Times:
    """When entries were registered: by the log's signed roots, or by the verifier's witnesses."""

    def __init__(
        self, bundle: Bundle, anchor: LogAnchor, anchors: Anchors, signed: SignedCheckpoint
    ) -> None:
        keys = [NoteKey.parse(text) for text in anchor.keys]
        # a closed key may be a thief's: its dates count only where witnesses saw them, as notes do
        counting = [key.public for key in keys if key.label not in anchor.closed]
        self._dates: list[RootDate] = []
        self._intervals: Intervals | None = None
        self._seen_last: int | None = None
        if anchors.quorum == 0:
            self._dates = sorted(
                (
                    root_date(protected, root, signature, anchor.origin, counting)
                    for protected, root, signature in bundle.dates
                ),
                key=lambda date: date.first,
            )
            self._starts = [date.first for date in self._dates]
            return
        for protected, root, signature in bundle.dates:
            root_date(protected, root, signature, anchor.origin, [key.public for key in keys])
        times = sorted(time for _, time in signed.witnesses)
        self._seen_last = times[-anchors.quorum] if len(times) >= anchors.quorum else None
        notes = [read_checkpoint(note, anchor, anchors.witnesses) for note in bundle.notes]
        seen = seen_of([*notes, signed])
        self._intervals = Intervals(seen, anchors.quorum)

    def of(self, index: int) -> Interval:
        """Registration of an entry; without bounds where nothing dates it."""
        if self._intervals is not None:
            return self._intervals.of(index) or Interval(0, _NEVER)
        at = bisect_right(self._starts, index) - 1
        if at >= 0 and index < self._dates[at].size:
            return Interval(self._dates[at].time, self._dates[at].time)
        return Interval(0, _NEVER)

    def as_of(self, size: int) -> int | None:
        """The instant at which the checkpoint was what there is; None where nothing dates it.

        A log in which nothing happens is as young as the last time that a quorum of the witnesses
        looked at it and saw no more than this.
        """
        latest = self.of(size - 1).earliest
        return max(latest, self._seen_last or 0) or None


def _signed(
    origin: str,
    envelopes: Mapping[int, Envelope],
    rows: Mapping[bytes, Sequence[tuple[int, Digest]]],
    anchors: Anchors,
    times: _Times,
    documents: Mapping[Digest, bytes],
) -> tuple[list[Registered], str, str]:
    """Statements whose signature holds, by the keys that their issuers had at that place.

    Named are one issuer whose list of key events is not proven (his statements are left out), and
    one of whose list something is withheld (it might be the end of his key).
    """
    pinned: dict[str, tuple[PublicKey, ...]] = {
        one.id: pinned_keys(one.keys) for one in anchors.identities
    }
    by_digest = {envelope.digest: index for index, envelope in envelopes.items()}
    ring = _Ring(pinned, {one.id: one.operator for one in anchors.lists})
    proven: dict[str, bool | None] = {}  # by issuer: None where no list of theirs is proven
    found: list[Registered] = []
    later: list[tuple[Envelope, PublicKey]] = []
    unproven = withheld = ""
    for index in sorted(envelopes):
        envelope = envelopes[index]
        issuer = envelope.issuer
        if issuer not in proven:
            listed = rows.get(subject_key(issuer))
            proven[issuer] = (
                None if listed is None else all(digest in by_digest for _, digest in listed)
            )
        if proven[issuer] is None:
            unproven = issuer
            continue
        if not proven[issuer]:
            withheld = issuer
        registered = times.of(index)
        key = ring.key(envelope, index, registered)
        acts = envelope.media_type in _ACT_ON_KEYS
        # what can change keys is checked before it is read; all else at once, on all processors
        if key is None or (acts and not check_signature(envelope, key)):
            raise _not_signed(envelope)
        if not acts:
            later.append((envelope, key))
        document = documents.get(Digest(envelope.payload)) if envelope.by_hash else None
        statement = decoded(envelope, key, document)
        item = Registered(statement=statement, origin=origin, index=index, registered=registered)
        if acts:
            ring.learn(item)
        found.append(item)
    answers = verify_many(
        (key, envelope.signature, envelope.to_be_signed) for envelope, key in later
    )
    for (envelope, key), holds in zip(later, answers, strict=True):
        if not holds or not key.algorithm.answers_to(envelope.algorithm):
            raise _not_signed(envelope)
    erased = {
        bytes.fromhex(item.statement.payload.target.statement)
        for item in found
        if isinstance(item.statement.payload, Status)
        and item.statement.payload.action is Action.ERASE
        and item.statement.payload.target.statement is not None
    }
    return [_placed(item, erased) for item in found], unproven, withheld


def _not_signed(envelope: Envelope) -> Tampered:
    return Tampered(
        "bundle.signature-wrong",
        "a statement of the bundle is not signed by a key that its issuer had there",
        why="the signature is wrong, or the key was unknown, ended or not yet enrolled",
        hint="ask for the bundle again; keep this one as evidence",
        statement=envelope.digest.hex(),
        issuer=envelope.issuer,
    )


def _placed(item: Registered, erased: set[bytes]) -> Registered:
    return Registered(
        statement=item.statement,
        origin=item.origin,
        index=item.index,
        registered=item.registered,
        erased=item.statement.digest in erased and item.statement.payload is None,
    )


class _Ring:
    """Key histories of all issuers, walked in the order of the log."""

    def __init__(
        self,
        pinned: Mapping[str, Sequence[PublicKey]],
        lists: Mapping[str, str],
    ) -> None:
        self._pinned = pinned
        self._lists = lists
        self._above: set[tuple[str, str]] = set()
        """Who operates a list, and whom an entry of it names."""
        self._histories: dict[str, KeyHistory] = {}

    def _history(self, identity: str) -> KeyHistory:
        history = self._histories.get(identity)
        if history is None:
            try:
                genesis = genesis_keys(identity, self._pinned)
            except Problem:  # a thing below an identity's name has no keys: it is no identity
                genesis = ()
            history = self._histories[identity] = KeyHistory.of(identity, genesis)
        return history

    def key(self, envelope: Envelope, index: int, registered: Interval) -> PublicKey | None:
        """The key that signed, where it was the issuer's at that place."""
        try:
            history = self._history(envelope.issuer)
        except Problem:
            return None
        key = history.key(envelope.key_id)
        if key is None and len(envelope.key_id) != 32:
            keys = history.keys()
            key = keys[0] if len(keys) == 1 else None
        if key is None:
            return None
        standing = history.standing(key.thumbprint, index, registered)
        return key if standing in _GOOD_AT_ITS_PLACE else None

    def learn(self, item: Registered) -> None:
        """Let a proven statement take effect on its subject's keys."""
        subject, issuer = item.statement.subject, item.statement.issuer
        payload = item.statement.payload
        if isinstance(payload, Membership):
            if self._lists.get(payload.list_id) != issuer:
                return
            self._above.add((issuer, subject))
            if payload.keys:
                history = self._history(subject)
                for key in pinned_keys(payload.keys):
                    history = history.pin(key, item.index)
                self._histories[subject] = history
            return
        event = key_event(item)
        if event is not None:
            self._histories[subject] = self._history(subject).apply(
                event, superior=(issuer, subject) in self._above
            )
