# SPDX-License-Identifier: Apache-2.0
"""A bundle is believed part by part or not at all."""

from dataclasses import replace
from hashlib import sha256

import pytest

from kizuna.chain.exchange import Bundle, open_bundle, pack_bundle
from kizuna.model.errors import Malformed, Problem, Tampered
from kizuna.model.finding import Code
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Action,
    Claim,
    Membership,
    Standing,
    Status,
    Target,
    encode_payload,
)
from kizuna.model.statement import Interval, Registered
from kizuna.model.trust import Anchors, ListAnchor, WitnessAnchor
from kizuna.model.verdict import Known
from kizuna.record.log import (
    EvidenceLog,
    MemoryHeads,
    NoteKey,
    Signer,
    VerifiableMap,
    keys_of,
    map_head_claim,
    map_head_subject,
    statement_key,
    subject_key,
)
from kizuna.record.log.inclusion import prove_leaves
from kizuna.record.log.note import COSIGNATURE
from kizuna.roots.cose import parse_sign1, sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.statement import checked
from kizuna.roots.units.software import SoftwareUnit

ORIGIN = "log.example/one"
PRODUCT = "urn:example:product"
START = 1_800_000_000


class TinyStore:
    """Just enough of a store: a real log, a real map, statements in memory."""

    def __init__(self, folder) -> None:
        self.unit = SoftwareUnit.ephemeral()
        self.handle = self.unit.generate(Algorithm.ES256, "organisation")
        self.identity = did_key(self.unit.public(self.handle))
        signer = Signer(ORIGIN, self.unit, self.unit.generate(Algorithm.EDDSA, "log"))
        folder.mkdir(exist_ok=True)
        self.log = EvidenceLog.create(folder / "log", ORIGIN, signer, START)
        self.heads_of_map = MemoryHeads()
        self.map = VerifiableMap(folder / "map", self.heads_of_map)
        self.items, self.bytes, self.under, self.now = [], {}, {}, START

    def sign(self, kind, subject, payload, *, handle=None, issuer=None):
        return sign_statement(
            self.unit,
            handle or self.handle,
            issuer=issuer or self.identity,
            subject=subject,
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            issued_at=self.now,
        )

    def register(self, *raws):
        self.now += 100
        first = len(self.items)
        for raw in raws:
            self._take(raw)
        staged = self.map.stage(self.pending(first), covered=len(self.items))
        self.heads_of_map.put(staged.heads)
        self.map.commit(staged)
        self._take(
            self.sign(
                Kind.EVIDENCE,
                map_head_subject(ORIGIN),
                map_head_claim(len(self.items), staged.root),
            )
        )
        self.log.append([item.statement.digest for item in self.items[first:]])
        self.log.publish(self.now)

    def pending(self, first):
        start = max(first - 1, 0)  # the last map head enters with this batch
        return [
            (key, item.index, item.statement.digest)
            for item in self.items[start:]
            for key in keys_of(item.statement)
        ]

    def _take(self, raw):
        envelope = parse_sign1(raw)
        keys = map(self.unit.public, self.unit.handles())
        statement = checked(envelope, next(k for k in keys if k.thumbprint == envelope.key_id))
        item = Registered(
            statement=statement,
            origin=ORIGIN,
            index=len(self.items),
            registered=Interval(self.now, self.now),
        )
        self.items.append(item)
        self.bytes[statement.digest] = raw
        for key in keys_of(statement):
            self.under.setdefault(key, []).append((item.index, statement.digest))

    def heads(self):
        return (Known(origin=ORIGIN, size=len(self.items), root=self.log.root().hex()),)

    def rows_under(self, keys):
        last = len(self.items) - 1
        return {key: [row for row in self.under.get(key, []) if row[0] < last] for key in keys}

    def by_digests(self, digests):
        wanted = set(digests)
        return {i.statement.digest: i for i in self.items if i.statement.digest in wanted}

    def by_indices(self, indices):
        return [self.items[index] for index in indices]

    def raw(self, digests):
        return {digest: self.bytes[digest] for digest in digests}

    def documents(self, digests):
        return dict.fromkeys(digests)

    def anchors(self, **more):
        return Anchors(logs=[self.log.anchor()], **more)

    def bundle(self, *keys, anchors=None):
        return pack_bundle(
            self,
            self.log,
            self.map,
            subject=PRODUCT,
            profile="p",
            keys=keys or (subject_key(PRODUCT),),
            anchors=anchors or self.anchors(),
        )


@pytest.fixture
def store(tmp_path):
    made = TinyStore(tmp_path)
    certificate = made.sign(Kind.CERTIFICATE, PRODUCT, Claim(type="ce"))
    other = [
        made.sign(Kind.CERTIFICATE, f"urn:example:other:{n}", Claim(type="ce")) for n in range(20)
    ]
    made.register(certificate, *other)
    digest = parse_sign1(certificate).digest
    made.register(
        made.sign(
            Kind.STATUS,
            PRODUCT,
            Status(action=Action.REVOKE, target=Target(statement=digest.hex())),
        )
    )
    return made


def test_what_was_packed_is_proven_and_dated_without_the_store(store):
    evidence = open_bundle(store.bundle().to_bytes(), store.anchors())
    said = evidence.by_keys([subject_key(PRODUCT)])[subject_key(PRODUCT)]
    assert [item.statement.kind for item in said] == [Kind.CERTIFICATE, Kind.STATUS]
    assert [item.registered for item in said] == [
        Interval(START + 100, START + 100),
        Interval(START + 200, START + 200),
    ]
    assert evidence.heads() == store.heads()
    assert evidence.as_of == START + 200
    assert not evidence.shortfalls


def test_the_bundle_holds_no_more_than_was_asked_for(store):
    evidence = open_bundle(store.bundle().to_bytes(), store.anchors())
    subjects = {i.statement.subject for page in evidence.all() for i in page}
    assert subjects == {PRODUCT, f"https://{ORIGIN}"}


def test_a_question_that_the_bundle_does_not_prove_is_a_shortfall_not_silence(store):
    evidence = open_bundle(store.bundle().to_bytes(), store.anchors())
    assert evidence.by_keys([subject_key("urn:example:other:1")]) == {}
    assert Code.PROOF_INCOMPLETE in evidence.shortfalls


def test_proven_absence_is_no_shortfall(store):
    key = subject_key("urn:example:never-heard-of")
    evidence = open_bundle(store.bundle(key).to_bytes(), store.anchors())
    assert evidence.by_keys([key]) == {key: []}
    assert not evidence.shortfalls


def test_a_revocation_cannot_be_left_out(store):
    whole = store.bundle()
    revocation = next(i for i in store.items if i.statement.kind is Kind.STATUS)
    fewer = {k: v for k, v in whole.statements.items() if k != revocation.index}
    # leaving the statement out breaks the proof that the leaves are in the log ...
    with pytest.raises(Tampered) as caught:
        open_bundle(replace(whole, statements=fewer).to_bytes(), store.anchors())
    assert caught.value.code == "bundle.not-in-log"
    # ... and with a proof made anew, its row in the list of the subject stays without a statement
    size = len(store.items)
    path = prove_leaves(sorted(fewer), size, store.log.tree(size).node)
    honest_looking = replace(whole, statements=fewer, path=path)
    evidence = open_bundle(honest_looking.to_bytes(), store.anchors())
    evidence.by_keys([subject_key(PRODUCT)])
    assert evidence.shortfalls == {Code.PROOF_WITHHELD: PRODUCT}


def test_a_statement_that_stands_in_no_list_is_refused(store):
    whole = store.bundle()
    size = len(store.items)
    more = {**whole.statements, 5: store.bytes[store.items[5].statement.digest]}
    path = prove_leaves(sorted(more), size, store.log.tree(size).node)
    with pytest.raises(Tampered) as caught:
        open_bundle(replace(whole, statements=more, path=path).to_bytes(), store.anchors())
    assert caught.value.code == "bundle.extra"


def test_without_the_log_in_the_anchors_nothing_is_proven(store):
    evidence = open_bundle(store.bundle().to_bytes(), Anchors())
    assert evidence.shortfalls == {Code.ANCHORS_MISSING: ORIGIN}
    assert list(evidence.all()) == [[]]


def test_a_log_of_the_same_name_with_another_key_is_refused(store, tmp_path):
    impostor = TinyStore(tmp_path / "impostor")
    impostor.register(impostor.sign(Kind.CERTIFICATE, PRODUCT, Claim(type="ce")))
    with pytest.raises(Tampered) as caught:
        open_bundle(impostor.bundle().to_bytes(), store.anchors())
    assert caught.value.code == "log.not-signed"


def test_a_witness_that_did_not_sign_is_a_shortfall(store):
    unit = SoftwareUnit.ephemeral()
    witness = Signer("witness.example", unit, unit.generate(Algorithm.EDDSA, "w"))
    key = NoteKey.of(witness, COSIGNATURE)
    anchors = store.anchors(
        witnesses=[WitnessAnchor(name="witness.example", key=key.vkey)], quorum=1
    )
    evidence = open_bundle(store.bundle(anchors=anchors).to_bytes(), anchors)
    assert evidence.shortfalls[Code.QUORUM_MISSING] == "0/1"


def test_a_bundle_that_hides_how_old_it_is_proves_too_little(store):
    whole = store.bundle()
    fresh = open_bundle(whole.to_bytes(), store.anchors())
    assert fresh.as_of is not None
    undated = open_bundle(replace(whole, dates=[]).to_bytes(), store.anchors())
    assert undated.as_of is None
    assert Code.PROOF_INCOMPLETE in undated.shortfalls


@pytest.mark.parametrize("named", [False, True])
def test_the_operator_of_a_list_gives_keys_only_to_whom_it_names(tmp_path, named):
    store = TinyStore(tmp_path)
    unit = SoftwareUnit.ephemeral()
    victim = did_key(unit.public(unit.generate(Algorithm.ES256, "victim")))
    handle = store.unit.generate(Algorithm.ES256, "given by the operator")
    key = store.unit.public(handle)
    enrol = Status(action=Action.ENROL, target=Target(key=key.thumbprint.hex()), key=key.to_jwk())
    entry = Membership(list_id="https://list.example", state=Standing.GRANTED)
    store.register(
        *([store.sign(Kind.MEMBERSHIP, victim, entry)] if named else []),
        store.sign(Kind.STATUS, victim, enrol),
    )
    store.register(
        store.sign(Kind.CERTIFICATE, PRODUCT, Claim(type="ce"), handle=handle, issuer=victim)
    )
    anchors = store.anchors(
        lists=[ListAnchor(id="https://list.example", operator=store.identity, name="list")]
    )
    data = store.bundle(subject_key(PRODUCT), anchors=anchors).to_bytes()
    if named:
        assert not open_bundle(data, anchors).shortfalls
        return
    with pytest.raises(Tampered) as caught:
        open_bundle(data, anchors)
    assert caught.value.code == "bundle.signature-wrong"


def test_no_changed_byte_goes_through(store):
    data = store.bundle().to_bytes()
    anchors = store.anchors()
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(Problem):
            open_bundle(bytes(changed), anchors)
    for end in range(0, len(data), 97):
        with pytest.raises(Problem):
            open_bundle(data[:end], anchors)


def test_no_changed_byte_goes_through_with_the_digest_made_anew(store):
    data = store.bundle().to_bytes()
    anchors = store.anchors()
    honest = open_bundle(data, anchors)
    body = data[:-32]
    for at in range(16, len(body)):
        changed = bytearray(body)
        changed[at] ^= 1 << at % 8
        try:
            evidence = open_bundle(bytes(changed) + sha256(changed).digest(), anchors)
        except Problem:
            continue
        # what may change: the words that say what the bundle was made for, and lost dates
        assert evidence.subject != honest.subject or evidence.shortfalls or _same(evidence, honest)


def _same(one, two):
    return list(one.all()) == list(two.all()) and one.heads() == two.heads()


@pytest.mark.parametrize("data", [b"", b"kizuna-bundle-1\n", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_bundle_is_named_so(data):
    with pytest.raises(Malformed) as caught:
        open_bundle(data, Anchors())
    assert caught.value.code == "bundle.malformed"


def test_one_content_has_one_file(store):
    bundle = store.bundle()
    assert Bundle.from_bytes(bundle.to_bytes()).to_bytes() == bundle.to_bytes()
    assert statement_key(b"x" * 32) != subject_key(PRODUCT)
