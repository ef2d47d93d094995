# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401
"""The store's promises, held over every back end: SQLite and a real PostgreSQL."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.unit.record.store.building import LIST, NOW, ORIGIN, Organisation, Place, claims_of
from tests.unit.record.store.postgres import PostgresServer

from kizuna.model.errors import Absent, Misconfigured, Refused, Tampered
from kizuna.model.identifier import Digest
from kizuna.model.kind import Kind
from kizuna.model.payload import (
    Action,
    Claim,
    Membership,
    Service,
    Standing,
    Status,
    Target,
    encode_payload,
)
from kizuna.model.statement import Registered
from kizuna.record.log import (
    Signer,
    check_receipt,
    read_checkpoint,
    read_receipt,
    verify_map_proof,
)
from kizuna.record.log.keys import keys_of, members_key, subject_key
from kizuna.record.log.map_head import read_map_head
from kizuna.record.store import OPERATOR, PUBLIC, Accepted, Refusal, RegistrationPolicy, Store, View
from kizuna.record.store.backup import backup, restore
from kizuna.record.store.hosting import Hosting
from kizuna.record.store.postgresql import PostgresqlBackend
from kizuna.roots.cose import parse_sign1, salted
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    running = PostgresServer()
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return new_place(request, tmp_path)


def new_place(request: pytest.FixtureRequest, folder: Path, **options: Any) -> Place:
    if request.node.callspec.params["place"] == "sqlite":
        made = Place(folder, **options)
    else:
        url, schema = request.getfixturevalue("server").url, f"s{uuid.uuid4().hex}"
        made = Place(folder, backend=lambda: PostgresqlBackend(url, schema=schema), **options)
    request.addfinalizer(made.close)
    return made


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    made = place.create()
    yield made
    made.close()


@pytest.fixture
def maker() -> Organisation:
    return Organisation(b"maker")


def accepted(outcomes: list[Accepted | Refusal]) -> list[Accepted]:
    for outcome in outcomes:
        assert isinstance(outcome, Accepted), outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Accepted)]


def code(outcome: Accepted | Refusal) -> str:
    assert isinstance(outcome, Refusal), outcome
    return outcome.problem.code


def check_everything(store: Store) -> None:
    """Archive, tables, log and map say the same."""
    rows = [row for page in store.reader().all() for row in page]
    assert [row.index for row in rows] == list(range(store.head().size))
    assert [row.statement.digest for row in rows] == list(store.log.entries())
    if not rows:
        return
    last = rows[-1]
    head = read_map_head(last.statement, ORIGIN, last.index)
    keys = sorted({key for row in rows[:-1] for key in keys_of(row.statement)})[:50]
    answer = store.prove([*keys, bytes(32)])
    assert answer.head_index == last.index
    proven = verify_map_proof(answer.proof, head.root)
    assert proven[bytes(32)] == ()
    for key in keys:
        expected = tuple(
            (row.index, row.statement.digest)
            for row in rows[:-1]
            if key in store.stored_keys(row.statement)
            or (
                row.statement.subject == f"https://{ORIGIN}"
                and key == subject_key(row.statement.subject)
            )
        )
        assert proven[key] == expected


# -- registering -------------------------------------------------------------------------------


def test_a_statement_comes_back_with_a_receipt_that_holds(
    place: Place, store: Store, maker: Organisation
) -> None:
    (outcome,) = accepted(store.submit([maker.claim(1)]))
    assert (outcome.index, outcome.registered_at, outcome.duplicate) == (0, NOW, False)
    receipt = read_receipt(store.receipt(outcome.digest))
    root = check_receipt(receipt, outcome.digest, place.signer.public)
    assert root.hex() == store.head().root
    envelope = parse_sign1(store.transparent(outcome.digest))
    assert envelope.digest == outcome.digest
    assert envelope.receipts == (store.receipt(outcome.digest),)


def test_a_batch_goes_the_same_way_as_one(store: Store, maker: Organisation) -> None:
    outcomes = accepted(store.submit(claims_of(maker, range(50))))
    assert [outcome.index for outcome in outcomes] == list(range(50))
    (single,) = accepted(store.submit([maker.claim(50)]))
    assert single.index == 51  # the map head of the batch stands between
    check_everything(store)


def test_statements_read_as_they_were_said(store: Store, maker: Organisation) -> None:
    raw = maker.claim(7)
    (outcome,) = accepted(store.submit([raw]))
    row = store.reader().by_digests([outcome.digest])[outcome.digest]
    assert isinstance(row.statement.payload, Claim)
    assert row.statement.payload.claims == {"number": 7}
    assert row.statement.subject == "pkg:generic/part-7@1.0"
    assert row.statement.issuer == maker.identity
    assert (row.origin, row.index, row.registered.latest) == (ORIGIN, 0, NOW)
    assert store.reader().raw([outcome.digest]) == {outcome.digest: raw}
    key = subject_key("pkg:generic/part-7@1.0")
    assert store.reader().by_keys([key, subject_key("pkg:generic/none")]) == {key: (row,)}
    assert store.reader().raw_range(0, 1) == [(0, raw)]
    assert store.reader().latest(1, kind=Kind.CAPABILITY) == [row]
    assert store.reader().latest(10, issuer="did:key:zNobody") == []


def test_nothing_submitted_is_nothing_registered(store: Store) -> None:
    assert store.submit([]) == []
    assert store.head().size == 0
    assert list(store.reader().all()) == []


def test_a_duplicate_gets_the_place_it_has(store: Store, maker: Organisation) -> None:
    first = maker.claim(1)
    (one,) = accepted(store.submit([first]))
    size = store.head().size
    again, twice, new, new_again = accepted(
        store.submit([first, first, maker.claim(2), maker.claim(2)])
    )
    assert (again.index, again.duplicate, twice.duplicate) == (one.index, True, True)
    assert (new.duplicate, new_again.duplicate, new.index) == (False, True, new_again.index)
    assert store.head().size == size + 2
    size = store.head().size
    assert all(outcome.duplicate for outcome in accepted(store.submit([first])))
    assert store.head().size == size  # nothing new, so no new checkpoint
    check_everything(store)


def test_a_second_signature_over_the_same_content_says_nothing_new(
    store: Store, maker: Organisation
) -> None:
    raw = maker.claim(1)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    mirrored = raw[:-32] + (order - int.from_bytes(raw[-32:], "big")).to_bytes(32, "big")
    one, other = accepted(store.submit([raw, mirrored]))
    assert (other.index, other.duplicate) == (one.index, True)


def test_one_bad_statement_refuses_itself_and_not_the_batch(
    store: Store, maker: Organisation
) -> None:
    good = maker.claim(1)
    changed = bytearray(maker.claim(2))
    changed[-1] ^= 1
    stranger = Organisation(b"stranger")
    lied = stranger.claim(3, issuer=maker.identity)
    outcomes = store.submit(
        [b"", b"\x00" * 40, good[:-1], bytes(changed), good, lied, maker.claim(4, at=NOW + 301)]
    )
    assert [code(outcome) for outcome in (*outcomes[:4], *outcomes[5:])] == [
        "envelope.malformed",
        "envelope.malformed",
        "envelope.malformed",
        "envelope.signature-wrong",
        "key.unknown",
        "key.future",
    ]
    assert isinstance(outcomes[4], Accepted)
    assert store.head().size == 2
    check_everything(store)


def test_a_batch_of_nothing_but_bad_ones_changes_nothing(store: Store, maker: Organisation) -> None:
    before = store.head()
    assert code(store.submit([maker.claim(1, at=NOW + 10_000)])[0]) == "key.future"
    assert store.head() == before
    assert store.backend.rows(0, 10) == []


def test_time_does_not_run_back(place: Place, store: Store, maker: Organisation) -> None:
    (one,) = accepted(store.submit([maker.claim(1)]))
    place.now -= 5000
    (two,) = accepted(store.submit([maker.claim(2)]))
    assert (one.registered_at, two.registered_at) == (NOW, NOW)
    (three,) = accepted(store.submit([maker.claim(3)], now=NOW + 7))
    assert three.registered_at == NOW + 7


def test_nobody_else_says_what_the_head_of_the_map_is(place: Place, store: Store) -> None:
    claim = Claim(type="map-head", claims={"size": 0, "root": "00" * 32, "keys": 1})
    for who in (place.operator, Organisation(b"stranger")):
        for kind in (Kind.EVIDENCE, Kind.CERTIFICATE, Kind.CAPABILITY):
            forged = who.sign(kind, f"https://{ORIGIN}", claim)
            assert code(store.submit([forged])[0]) == "policy.reserved"
        hidden = encode_payload(claim).replace(b"map-head", b"map\\u002dhead")
        forged = who.sign(Kind.EVIDENCE, f"https://{ORIGIN}", hidden)
        assert code(store.submit([forged])[0]) == "policy.reserved"
        document = encode_payload(claim)
        forged = who.sign(Kind.EVIDENCE, f"https://{ORIGIN}", document, by_hash=True)
        documents = {Digest(sha256(document).digest()): document}
        assert code(store.submit([forged], documents=documents)[0]) == "policy.reserved"


def test_what_many_send_at_once_becomes_few_batches(store: Store, maker: Organisation) -> None:
    statements = claims_of(maker, range(60))
    outcomes: list[Accepted | Refusal] = []
    guard = threading.Lock()

    def send(part: list[bytes]) -> None:
        for raw in part:
            answer = store.submit([raw])
            with guard:
                outcomes.extend(answer)

    threads = [threading.Thread(target=send, args=(statements[i::12],)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({outcome.index for outcome in accepted(outcomes)}) == 60
    assert store.head().size < 120  # one map head a batch: fewer batches than statements
    check_everything(store)


def test_listeners_hear_every_batch_in_order_and_their_faults_stop_nobody(
    store: Store, maker: Organisation
) -> None:
    heard: list[Registered] = []

    def broken(_: list[Registered]) -> None:
        raise ValueError

    store.on_registered(broken)
    stop = store.on_registered(heard.extend)
    store.submit(claims_of(maker, range(3)))
    store.submit([maker.claim(3)])
    assert heard == [row for page in store.reader().all() for row in page]
    stop()
    store.submit([maker.claim(4)])
    assert len(heard) == 6


# -- keys --------------------------------------------------------------------------------------


def status(who: Organisation, action: Action, **options: object) -> bytes:
    at, handle = options.pop("at", NOW), options.pop("handle", None)
    subject = options.pop("subject", who.identity)
    payload = Status(action=action, **options)  # type: ignore[arg-type]
    return who.sign(Kind.STATUS, str(subject), payload, at=at, handle=handle)  # type: ignore[arg-type]


def another_key(who: Organisation, label: str = "second") -> tuple[object, dict[str, str], str]:
    handle = who.unit.generate(Algorithm.EDDSA, label)
    return handle, who.unit.public(handle).to_jwk(), handle.id


def test_a_key_enrolled_in_a_batch_signs_what_follows_and_not_what_precedes(
    store: Store, maker: Organisation
) -> None:
    handle, jwk, name = another_key(maker)
    enrol = status(maker, Action.ENROL, target=Target(key=name), key=jwk)
    early, enrolled, late = store.submit(
        [maker.claim(1, handle=handle), enrol, maker.claim(2, handle=handle)]
    )
    assert code(early) == "key.unknown"
    accepted([enrolled, late])
    accepted(store.submit([maker.claim(1, handle=handle)]))
    check_everything(store)


def test_a_rotated_key_signs_nothing_more_whatever_time_it_claims(
    place: Place, store: Store, maker: Organisation
) -> None:
    handle, jwk, _ = another_key(maker)
    before = maker.claim(1)
    rotate = status(maker, Action.ROTATE, target=Target(key=maker.handle.id), key=jwk)
    first, rotated, backdated = store.submit([before, rotate, maker.claim(2, at=NOW - 9_999)])
    accepted([first, rotated])
    assert code(backdated) == "key.revoked"
    store.close()
    with place.open() as again:
        assert code(again.submit([maker.claim(3)])[0]) == "key.revoked"
        accepted(again.submit([maker.claim(3, handle=handle)]))
        early = maker.claim(4, handle=handle, at=NOW - 9_999)
        assert code(again.submit([early])[0]) == "key.outside-time"
        new = maker.unit.public(handle)  # type: ignore[arg-type]
        assert again.find_key(maker.identity, new.thumbprint) == new
        assert again.find_key(maker.identity, bytes.fromhex(maker.handle.id)) is None


def test_a_stolen_key_that_was_declared_compromised_is_refused(
    store: Store, maker: Organisation
) -> None:
    handle, jwk, name = another_key(maker)
    accepted(store.submit([status(maker, Action.ENROL, target=Target(key=name), key=jwk)]))
    accepted(store.submit([status(maker, Action.COMPROMISE, target=Target(key=name))]))
    assert code(store.submit([maker.claim(1, handle=handle, at=NOW - 86_400)])[0]) == "key.revoked"


def test_nobody_ends_somebody_elses_key(place: Place, store: Store, maker: Organisation) -> None:
    stranger = Organisation(b"stranger")
    target = Target(key=maker.handle.id)
    attack = status(stranger, Action.REVOKE, target=target, subject=maker.identity)
    assert code(store.submit([attack])[0]) == "key.not-yours"
    accepted(store.submit([maker.claim(1)]))
    superior = status(place.operator, Action.REVOKE, target=target, subject=maker.identity)
    assert code(store.submit([superior])[0]) == "key.not-yours"  # no member, so no superior
    accepted(store.submit([place.operator.grant(maker.identity), superior]))
    assert code(store.submit([maker.claim(2)])[0]) == "key.revoked"


def test_a_key_event_that_contradicts_itself_is_refused(store: Store, maker: Organisation) -> None:
    _, jwk, _ = another_key(maker)
    wrong = status(maker, Action.ENROL, target=Target(key="00" * 32), key=jwk)
    assert code(store.submit([wrong])[0]) == "key.event"


def test_an_identity_without_a_key_in_its_name_needs_a_pinned_one(
    place: Place, store: Store, maker: Organisation
) -> None:
    name = "did:web:maker.example"
    assert code(store.submit([maker.claim(1, issuer=name)])[0]) == "identity.not-pinned"
    pinned = place.operator.sign(
        Kind.MEMBERSHIP,
        name,
        Membership(
            list_id=LIST,
            state=Standing.GRANTED,
            keys=[maker.unit.public(maker.handle).to_jwk()],
        ),
    )
    accepted(store.submit([pinned, maker.claim(1, issuer=name)]))
    store.close()
    with place.open() as again:
        accepted(again.submit([maker.claim(2, issuer=name)]))


# -- policy and hosting ------------------------------------------------------------------------


def test_members_register_and_others_do_not(
    request: pytest.FixtureRequest, tmp_path: Path, place: Place, maker: Organisation
) -> None:
    members = new_place(request, tmp_path, policy=RegistrationPolicy.MEMBERS)
    with members.create() as store:
        assert code(store.submit([maker.claim(1)])[0]) == "policy.not-a-member"
        grant = members.operator.grant(maker.identity)
        suspend = members.operator.grant(maker.identity, at=NOW + 1, state=Standing.SUSPENDED)
        accepted(store.submit([grant, maker.claim(1)]))
        outcomes = store.submit([suspend, maker.claim(2), members.operator.claim(3)])
        assert code(outcomes[1]) == "policy.membership-not-in-force"
        accepted([outcomes[0], outcomes[2]])
        forged = maker.grant(maker.identity, at=NOW + 2)
        assert code(store.submit([forged])[0]) == "policy.membership-not-in-force"
    with members.open() as store:
        assert code(store.submit([maker.claim(4)])[0]) == "policy.membership-not-in-force"


def test_a_store_of_its_own_takes_its_own_statements_only(
    request: pytest.FixtureRequest, tmp_path: Path, place: Place, maker: Organisation
) -> None:
    own = new_place(request, tmp_path, policy=RegistrationPolicy.OWN)
    with own.create() as store:
        outcomes = store.submit([maker.claim(1), own.operator.claim(1)])
        assert code(outcomes[0]) == "policy.own-only"
        accepted(outcomes[1:])


def test_an_issuer_cannot_fill_the_log(
    request: pytest.FixtureRequest, tmp_path: Path, place: Place, maker: Organisation
) -> None:
    slow = new_place(request, tmp_path, rate=5)
    with slow.create() as store:
        outcomes = store.submit([*claims_of(maker, range(7)), Organisation(b"other").claim(1)])
        assert [type(outcome) for outcome in outcomes] == [Accepted] * 5 + [Refusal] * 2 + [
            Accepted
        ]
        assert code(outcomes[6]) == "policy.rate"
        slow.now += 3600
        accepted(store.submit(claims_of(maker, range(5, 7))))


def test_an_invite_lets_an_organisation_in_once(
    request: pytest.FixtureRequest, tmp_path: Path, place: Place, maker: Organisation
) -> None:
    hosted = new_place(request, tmp_path, policy=RegistrationPolicy.MEMBERS)
    with hosted.create() as store:
        hosting = Hosting(store)
        service = Service(type="maker", kinds=[Kind.CAPABILITY], scope=["pkg:generic/"])
        invite = hosting.invite(now=NOW, expires_at=NOW + 60, services=[service], note="Acme")
        assert [shown.uses_left for shown in hosting.invites()] == [1]
        assert invite not in repr(hosting.invites())
        for bad in ("", "guess", invite[:-1]):
            with pytest.raises(Refused) as caught:
                hosting.join(bad, maker.identity, "Acme", now=NOW)
            assert caught.value.code == "invite.not-valid"
        joined = hosting.join(invite, maker.identity, "Acme", now=NOW)
        row = store.reader().by_keys([members_key(LIST)])[members_key(LIST)][0]
        assert (row.index, row.statement.subject) == (joined.index, maker.identity)
        assert isinstance(row.statement.payload, Membership)
        assert row.statement.payload.services == [service]
        assert row.statement.payload.logs == [ORIGIN]
        accepted(store.submit([maker.claim(1)]))
        assert [org.name for org in hosting.organisations()] == ["Acme"]
        with pytest.raises(Refused):
            hosting.join(invite, Organisation(b"other").identity, "Other", now=NOW)
        late = hosting.invite(now=NOW, expires_at=NOW + 60)
        with pytest.raises(Refused):
            hosting.join(late, Organisation(b"other").identity, "Other", now=NOW + 61)
        assert hosting.withdraw_invite(hosting.invites()[0].reference) in (True, False)
        with pytest.raises(Refused):
            hosting.invite(now=NOW, expires_at=NOW)
        with pytest.raises(Refused):
            hosting.join(late, maker.identity, " ", now=NOW)
        with pytest.raises(Absent):
            hosting.join(late, "did:web:nobody.example", "Nobody", now=NOW)


def test_who_joins_takes_no_name_of_another_and_none_with_signs_that_are_not_seen(
    place: Place, store: Store, maker: Organisation
) -> None:
    hosting = Hosting(store)
    invite = hosting.invite(now=NOW, expires_at=NOW + 100, uses=5)
    hosting.join(invite, maker.identity, "Sato Bearings", now=NOW)
    rival = Organisation(b"rival")
    for name in ("Sato Bearings", " sato  BEARINGS ", "Ｓato Bearings"):
        with pytest.raises(Refused) as caught:
            hosting.join(invite, rival.identity, name, now=NOW + 1)
        assert caught.value.code == "invite.name-taken"
    for name in ("Sato\u202e Bearings", "Sato\nBearings", "Sato\x1b[31m", "Sa\u200bto"):
        with pytest.raises(Refused) as caught:
            hosting.join(invite, rival.identity, name, now=NOW + 1)
        assert caught.value.code == "invite.name"
    assert hosting.invites()[0].uses_left == 4
    assert not hosting.join(invite, rival.identity, "佐藤　軸受", now=NOW + 1).duplicate
    ended = Membership(list_id=LIST, state=Standing.WITHDRAWN)
    accepted(store.submit([place.operator.sign(Kind.MEMBERSHIP, maker.identity, ended)]))
    third = Organisation(b"third")
    assert not hosting.join(invite, third.identity, "Sato Bearings", now=NOW + 2).duplicate


def test_whom_the_operator_put_out_no_invite_lets_back_in(
    place: Place, store: Store, maker: Organisation
) -> None:
    hosting = Hosting(store)
    invite = hosting.invite(now=NOW, expires_at=NOW + 100, uses=5)
    first = hosting.join(invite, maker.identity, "Maker", now=NOW)
    again = hosting.join(invite, maker.identity, "Maker", now=NOW + 1)
    assert (again.digest, again.duplicate) == (first.digest, True)
    assert hosting.invites()[0].uses_left == 4
    for state in (Standing.SUSPENDED, Standing.WITHDRAWN):
        ended = Membership(list_id=LIST, state=state)
        accepted(store.submit([place.operator.sign(Kind.MEMBERSHIP, maker.identity, ended)]))
        with pytest.raises(Refused) as caught:
            hosting.join(invite, maker.identity, "Maker", now=NOW + 2)
        assert caught.value.code == "policy.membership-not-in-force"
    assert hosting.invites()[0].uses_left == 4


def test_an_invite_is_given_back_when_the_membership_could_not_be_registered(
    place: Place, store: Store, maker: Organisation
) -> None:
    hosting = Hosting(store)
    invite = hosting.invite(now=NOW, expires_at=NOW + 60)
    with store.backend.writing(1) as tables:
        tables.set_meta("restored", b"1")
    with store.backend.writing(1) as tables:
        tables.set_meta("writer", b"somebody else")
    with pytest.raises(Refused) as caught:
        hosting.join(invite, maker.identity, "Acme", now=NOW)
    assert caught.value.code == "store.restored"
    assert [shown.uses_left for shown in hosting.invites()] == [1]


# -- views -------------------------------------------------------------------------------------


def test_a_restricted_statement_is_there_for_its_parties_and_absent_for_others(
    store: Store, maker: Organisation
) -> None:
    reader, stranger = Organisation(b"reader"), Organisation(b"stranger")
    restricted = maker.claim(1, audience=[reader.identity])
    hidden, public = accepted(store.submit([restricted, maker.claim(2)]))
    key = subject_key("pkg:generic/part-1@1.0")
    for view in (OPERATOR, View.of(maker.identity), View.of(reader.identity)):
        found = store.reader(view)
        assert hidden.digest in found.by_digests([hidden.digest])
        assert found.by_keys([key])[key][0].statement.audience == (reader.identity,)
        assert store.receipt(hidden.digest, view=view)
    for view in (PUBLIC, View.of(stranger.identity)):
        found = store.reader(view)
        assert found.view == view.name
        assert found.by_digests([hidden.digest, public.digest]).keys() == {public.digest}
        assert found.by_keys([key]) == {}
        assert found.raw([hidden.digest]) == {}
        assert found.raw_range(0, 1) == []
        assert [row.index for page in found.all() for row in page] == [1, 2]
        assert hidden.index not in [row.index for row in found.latest(10)]
        with pytest.raises(Absent) as caught:
            store.receipt(hidden.digest, view=view)
        with pytest.raises(Absent) as unknown:
            store.receipt(Digest(bytes(32)), view=view)
        assert caught.value.what == unknown.value.what
        with pytest.raises(Absent):
            store.transparent(hidden.digest, view=view)


# -- documents ---------------------------------------------------------------------------------


def by_hash(
    who: Organisation, number: int, document: bytes, **options: object
) -> tuple[bytes, dict[Digest, bytes]]:
    salt = sha256(b"%d" % number).digest()[:16]
    raw = who.sign(
        Kind.CAPABILITY,
        f"pkg:generic/part-{number}@1.0",
        document,
        by_hash=True,
        salt=salt,
        **options,  # type: ignore[arg-type]
    )
    stored = salted(document, salt)
    return raw, {Digest(sha256(stored).digest()): stored}


PERSONAL = encode_payload(Claim(type="training", claims={"name": "Hanako"}))


def test_a_document_can_be_erased_and_the_proof_still_holds(
    place: Place, store: Store, maker: Organisation
) -> None:
    raw, documents = by_hash(maker, 1, PERSONAL)
    (outcome,) = accepted(store.submit([raw], documents=documents))
    (name,) = documents
    row = store.reader().by_digests([outcome.digest])[outcome.digest]
    assert isinstance(row.statement.payload, Claim)
    assert (row.statement.payload.claims, row.erased) == ({"name": "Hanako"}, False)
    assert store.reader().documents([name]) == documents
    done = store.erase(outcome.digest, reason="asked for", now=NOW + 1)
    erased = store.reader().by_digests([outcome.digest])[outcome.digest]
    assert (erased.statement.payload, erased.erased) == (None, True)
    assert store.reader().documents([name]) == {name: None}
    said = store.reader().by_digests([done.digest])[done.digest].statement.payload
    assert isinstance(said, Status)
    assert (said.action, said.target.statement) == (Action.ERASE, outcome.digest.hex())
    receipt = read_receipt(store.receipt(outcome.digest))
    assert check_receipt(receipt, outcome.digest, place.signer.public).hex() == store.head().root
    assert store.reader().raw([outcome.digest]) == {outcome.digest: raw}
    accepted(store.submit([raw], documents=documents))  # sent again, it stays erased
    assert store.reader().documents([name]) == {name: None}
    check_everything(store)
    store.rebuild()
    check_everything(store)
    assert store.reader().by_digests([outcome.digest])[outcome.digest].erased


def test_nobody_erases_the_document_of_another_by_naming_it(
    store: Store, maker: Organisation
) -> None:
    raw, documents = by_hash(maker, 1, PERSONAL)
    (told,) = accepted(store.submit([raw], documents=documents))
    thief = Organisation(b"thief")
    own, _ = by_hash(thief, 1, PERSONAL)
    (named,) = accepted(store.submit([own], documents=documents))
    erase = status(
        thief,
        Action.ERASE,
        target=Target(statement=named.digest.hex()),
        subject="pkg:generic/part-1@1.0",
    )
    assert code(store.submit([erase])[0]) == "document.not-yours"
    assert store.reader().documents(list(documents)) == documents
    assert not store.reader().by_digests([told.digest])[told.digest].erased
    store.erase(told.digest, reason="asked for", now=NOW + 1)  # the operator answers for the store
    assert store.reader().documents(list(documents)) == dict.fromkeys(documents)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("at_hand", [False, True])
def test_nobody_erases_beforehand_what_another_will_say(
    store: Store, maker: Organisation, *, together: bool, at_hand: bool
) -> None:
    raw, documents = by_hash(maker, 1, PERSONAL)
    thief = Organisation(b"thief")  # knows the hash, and perhaps the bytes
    named = thief.sign(
        Kind.EVIDENCE,
        "pkg:generic/part-1@1.0",
        next(iter(documents.values())),
        by_hash=True,
        media_type="application/octet-stream",
    )
    erase = status(
        thief,
        Action.ERASE,
        target=Target(statement=parse_sign1(named).digest.hex()),
        subject="pkg:generic/part-1@1.0",
    )
    beside = documents if at_hand else {}
    if together:
        ours = store.submit([named, erase, raw], documents=documents)[-1]
    else:
        accepted(store.submit([named], documents=beside))
        accepted(store.submit([erase]))
        (ours,) = store.submit([raw], documents=documents)
    accepted([ours])
    assert store.reader().documents(list(documents)) == documents
    assert not store.reader().by_digests([ours.digest])[ours.digest].erased
    again = status(
        thief,
        Action.ERASE,
        target=Target(statement=parse_sign1(named).digest.hex()),
        subject="pkg:generic/part-1@1.0",
        reason="again",
    )
    assert code(store.submit([again])[0]) == "document.not-yours"
    assert store.reader().documents(list(documents)) == documents
    store.erase(ours.digest, reason="asked for", now=NOW + 1)  # the operator's word is the last
    accepted(store.submit([raw], documents=documents))
    accepted(store.submit([by_hash(Organisation(b"third"), 1, PERSONAL)[0]], documents=documents))
    assert store.reader().documents(list(documents)) == dict.fromkeys(documents)
    check_everything(store)


def test_what_an_issuer_erased_of_its_own_stays_erased(store: Store, maker: Organisation) -> None:
    raw, documents = by_hash(maker, 1, PERSONAL)
    (told,) = accepted(store.submit([raw], documents=documents))
    erase = status(
        maker,
        Action.ERASE,
        target=Target(statement=told.digest.hex()),
        subject="pkg:generic/part-1@1.0",
    )
    accepted(store.submit([erase]))
    accepted(store.submit([raw], documents=documents))
    assert store.reader().documents(list(documents)) == dict.fromkeys(documents)


def test_who_may_erase(store: Store, maker: Organisation) -> None:
    raw, documents = by_hash(maker, 1, PERSONAL)
    hashed, inline = accepted(store.submit([raw, maker.claim(2)], documents=documents))
    subject = "pkg:generic/part-1@1.0"

    def erase(who: Organisation, target: bytes) -> bytes:
        return status(who, Action.ERASE, target=Target(statement=target.hex()), subject=subject)

    assert code(store.submit([erase(Organisation(b"x"), hashed.digest)])[0]) == "document.not-yours"
    assert code(store.submit([erase(maker, inline.digest)])[0]) == "document.inline"
    assert code(store.submit([erase(maker, bytes(32))])[0]) == "document.no-such-statement"
    accepted(store.submit([erase(maker, hashed.digest)]))
    assert store.reader().documents(list(documents)) == dict.fromkeys(documents)
    with pytest.raises(Absent):
        store.erase(Digest(bytes(32)), reason="", now=NOW)


def test_documents_of_restricted_statements_are_restricted(
    store: Store, maker: Organisation
) -> None:
    reader = Organisation(b"reader")
    raw, documents = by_hash(maker, 1, PERSONAL, audience=[reader.identity])
    accepted(store.submit([raw], documents=documents))
    assert store.reader(PUBLIC).documents(list(documents)) == {}
    assert store.reader(View.of(reader.identity)).documents(list(documents)) == documents


def test_a_document_that_does_not_fit_its_hash_is_refused(
    store: Store, maker: Organisation
) -> None:
    raw, documents = by_hash(maker, 1, PERSONAL)
    (name,) = documents
    assert code(store.submit([raw], documents={name: b"x" * 40})[0]) == "envelope.document-differs"
    assert code(store.submit([raw])[0]) == "document.missing"
    hidden = maker.sign(
        Kind.STATUS,
        maker.identity,
        Status(action=Action.REVOKE, target=Target(key="00" * 32)),
        by_hash=True,
    )
    body = encode_payload(Status(action=Action.REVOKE, target=Target(key="00" * 32)))
    outcome = store.submit([hidden], documents={Digest(sha256(body).digest()): body})[0]
    assert code(outcome) == "policy.by-hash"
    assert store.head().size == 0


def test_a_document_of_the_field_may_follow_later(store: Store, maker: Organisation) -> None:
    bom = b'{"bomFormat": "CycloneDX"}' * 1000
    raw = maker.sign(
        Kind.EVIDENCE,
        "pkg:generic/part-1@1.0",
        bom,
        by_hash=True,
        media_type="application/vnd.cyclonedx+json",
    )
    name = Digest(sha256(bom).digest())
    (one,) = accepted(store.submit([raw]))
    assert store.reader().documents([name]) == {}
    (again,) = accepted(store.submit([raw], documents={name: bom}))
    assert (again.index, again.duplicate) == (one.index, True)
    assert store.reader().documents([name]) == {name: bom}
    assert store.reader().by_digests([one.digest])[one.digest].statement.payload is None


# -- opening again, two at once, rebuilding ----------------------------------------------------


def test_a_store_opens_as_it_was_closed(place: Place, store: Store, maker: Organisation) -> None:
    accepted(store.submit(claims_of(maker, range(5))))
    head = store.head()
    store.close()
    with place.open() as again:
        assert again.head() == head
        check_everything(again)
        accepted(again.submit([maker.claim(9)]))
        check_everything(again)


def test_making_a_store_over_a_store_is_refused(place: Place, store: Store) -> None:
    with pytest.raises(Refused) as caught:
        Store.create(
            place.folder / "log", place.backend(), place.log(), place.settings, place.clock
        )
    assert caught.value.code == "store.exists"


def test_opening_where_there_is_none_is_a_problem(place: Place) -> None:
    with pytest.raises(Misconfigured) as caught:
        place.open()
    assert caught.value.code == "store.absent"


def test_two_servers_on_one_store_take_turns(
    place: Place, store: Store, maker: Organisation
) -> None:
    other = place.open()
    handle, jwk, name = another_key(maker)
    for number in range(4):
        accepted((store if number % 2 else other).submit(claims_of(maker, [2 * number, 1000])))
    accepted(store.submit([status(maker, Action.ENROL, target=Target(key=name), key=jwk)]))
    accepted(other.submit([maker.claim(77, handle=handle)]))
    threads = [
        threading.Thread(
            target=lambda s=s, n=n: accepted(s.submit(claims_of(maker, range(n, n + 20))))
        )
        for s, n in ((store, 100), (other, 200), (store, 300), (other, 400))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.refresh()
    other.refresh()
    assert store.head() == other.head()
    check_everything(store)
    other.close()


def test_everything_derived_is_made_again_from_log_and_archive(
    place: Place, store: Store, maker: Organisation
) -> None:
    handle, jwk, name = another_key(maker)
    raw, documents = by_hash(maker, 500, PERSONAL)
    accepted(store.submit([*claims_of(maker, range(30)), raw], documents=documents))
    accepted(store.submit([status(maker, Action.ENROL, target=Target(key=name), key=jwk)]))
    accepted(store.submit([maker.claim(100, handle=handle), place.operator.grant(maker.identity)]))
    before = [row for page in store.reader().all() for row in page]
    with store.backend.writing(1) as tables:
        tables.clear_derived()
    steps: list[int] = []
    assert store.rebuild(steps.append) == len(before)
    assert steps[-1] == len(before)
    assert [row for page in store.reader().all() for row in page] == before
    check_everything(store)
    assert store.members.is_member(maker.identity, NOW)
    accepted(store.submit([maker.claim(101, handle=handle)]))
    check_everything(store)


def test_rebuilding_from_a_changed_archive_is_refused_and_changes_nothing(
    place: Place, store: Store, maker: Organisation
) -> None:
    accepted(store.submit(claims_of(maker, range(3))))
    before = [row for page in store.reader().all() for row in page]
    path = place.folder / "log" / "statements"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    whole = path.read_bytes()
    path.write_bytes(data)
    with pytest.raises(Tampered) as caught:
        store.rebuild()
    assert caught.value.code in ("store.archive-differs", "envelope.malformed")
    path.write_bytes(whole[:-10])
    with pytest.raises(Misconfigured):
        store.rebuild()
    path.write_bytes(whole)
    assert [row for page in store.reader().all() for row in page] == before
    store.close()
    with place.open() as again:
        accepted(again.submit([maker.claim(9)]))
        check_everything(again)


# -- backup, restore, a lost log key -----------------------------------------------------------


def restored_place(request: pytest.FixtureRequest, original: Place, folder: Path) -> Place:
    folder.mkdir()
    other = new_place(request, folder)
    other.signer = original.signer
    return other


def test_a_restored_store_reads_at_once_and_writes_when_it_is_shown_the_newest_checkpoint(
    request: pytest.FixtureRequest,
    place: Place,
    store: Store,
    maker: Organisation,
    tmp_path: Path,
) -> None:
    accepted(store.submit(claims_of(maker, range(10))))
    note = store.log.checkpoint()
    manifest = backup(store, tmp_path / "copy", now=NOW)
    assert manifest.known == store.head()
    other = restored_place(request, place, tmp_path / "restored")
    assert restore(tmp_path / "copy", other.folder / "log", other.backend()) == manifest
    with other.open() as again:
        assert again.head() == manifest.known
        assert len([row for page in again.reader().all() for row in page]) == manifest.size
        with pytest.raises(Refused) as caught:
            again.submit([maker.claim(100)])
        assert caught.value.code == "store.restored"
        assert again.refusal() is not None
        again.resume(note)
        accepted(again.submit([maker.claim(100)]))
        check_everything(again)
    with other.open() as again:
        accepted(again.submit([maker.claim(101)]))


def test_an_old_backup_never_forks_the_log(
    request: pytest.FixtureRequest,
    place: Place,
    store: Store,
    maker: Organisation,
    tmp_path: Path,
) -> None:
    accepted(store.submit(claims_of(maker, range(10))))
    backup(store, tmp_path / "copy", now=NOW)
    accepted(store.submit(claims_of(maker, range(10, 20))))  # published after the backup
    newest = store.log.checkpoint()
    other = restored_place(request, place, tmp_path / "restored")
    restore(tmp_path / "copy", other.folder / "log", other.backend())
    with other.open() as again:
        with pytest.raises(Tampered) as caught:
            again.resume(newest)
        assert caught.value.code == "log.rolled-back"
        with pytest.raises((Refused, Tampered)):
            again.submit([maker.claim(100)])
    with other.open() as again:  # it has not forgotten
        with pytest.raises((Refused, Tampered)):
            again.submit([maker.claim(100)])
        assert len(list(again.reader().all())) == 1


def test_where_the_tail_is_lost_the_log_goes_on_under_a_new_key(
    request: pytest.FixtureRequest,
    place: Place,
    store: Store,
    maker: Organisation,
    tmp_path: Path,
) -> None:
    accepted(store.submit(claims_of(maker, range(10))))
    manifest = backup(store, tmp_path / "copy", now=NOW)
    other = restored_place(request, place, tmp_path / "restored")
    restore(tmp_path / "copy", other.folder / "log", other.backend())
    unit = EphemeralUnit(b"new log key")
    with other.open() as again:
        signer = Signer(ORIGIN, unit, unit.generate(Algorithm.EDDSA, "log"))
        anchor = again.resume_with(signer, now=NOW)
        assert list(anchor.closed.values()) == [manifest.size]
        accepted(again.submit([maker.claim(100)]))
        check_everything(again)


def test_a_tail_that_others_have_seen_can_still_be_given_up(
    request: pytest.FixtureRequest,
    place: Place,
    store: Store,
    maker: Organisation,
    tmp_path: Path,
) -> None:
    accepted(store.submit(claims_of(maker, range(10))))
    manifest = backup(store, tmp_path / "copy", now=NOW)
    accepted(store.submit(claims_of(maker, range(10, 20))))
    newest = store.log.checkpoint()
    other = restored_place(request, place, tmp_path / "restored")
    restore(tmp_path / "copy", other.folder / "log", other.backend())
    unit = EphemeralUnit(b"new log key")
    with other.open() as again:
        with pytest.raises(Tampered):
            again.resume(newest)
        signer = Signer(ORIGIN, unit, unit.generate(Algorithm.EDDSA, "log"))
        anchor = again.resume_with(signer, now=NOW)
        assert list(anchor.closed.values()) == [manifest.size]
        accepted(again.submit([maker.claim(100)]))
        check_everything(again)
        # the old key's word beyond that size is nobody's: it is refused, and ends nothing
        with pytest.raises(Tampered):
            read_checkpoint(newest, anchor)
        accepted(again.submit([maker.claim(101)]))


def test_a_compromised_log_key_is_closed_and_the_log_says_so(
    place: Place, store: Store, maker: Organisation
) -> None:
    accepted(store.submit(claims_of(maker, range(10))))
    trusted = store.head().size
    accepted(store.submit([maker.claim(10)]))
    unit = EphemeralUnit(b"new log key")
    signer = Signer(ORIGIN, unit, unit.generate(Algorithm.EDDSA, "log"))
    anchor = store.rotate_log_key(signer, now=NOW, compromised_after=trusted)
    assert len(anchor.keys) == 2
    assert list(anchor.closed.values()) == [trusted]
    (outcome,) = accepted(store.submit([maker.claim(11)]))
    root = check_receipt(read_receipt(store.receipt(outcome.digest)), outcome.digest, signer.public)
    assert root.hex() == store.head().root
    told = [
        row.statement.payload
        for page in store.reader().all()
        for row in page
        if isinstance(row.statement.payload, Claim) and row.statement.payload.type == "log-key"
    ]
    assert told[0].claims["reason"] == "compromised"
    check_everything(store)
    store.close()
    with pytest.raises(Misconfigured):
        place.log()  # the old key opens nothing for writing
    place.signer = signer
    with place.open() as again:
        accepted(again.submit([maker.claim(12)]))


def test_a_backup_is_for_its_owner_only(store: Store, maker: Organisation, tmp_path: Path) -> None:
    accepted(store.submit([maker.claim(1)]))
    backup(store, tmp_path / "copies" / "one", now=NOW)
    assert (tmp_path / "copies" / "one").stat().st_mode & 0o077 == 0


def test_a_backup_that_was_changed_is_not_restored(
    request: pytest.FixtureRequest,
    place: Place,
    store: Store,
    maker: Organisation,
    tmp_path: Path,
) -> None:
    accepted(store.submit(claims_of(maker, range(3))))
    backup(store, tmp_path / "copy", now=NOW)
    with pytest.raises(Refused) as refused:
        backup(store, tmp_path / "copy", now=NOW)
    assert refused.value.code == "backup.exists"
    archive = tmp_path / "copy" / "log" / "statements"
    data = bytearray(archive.read_bytes())
    data[100] ^= 1
    archive.write_bytes(data)
    other = restored_place(request, place, tmp_path / "restored")
    with pytest.raises(Tampered) as caught:
        restore(tmp_path / "copy", other.folder / "log", other.backend())
    assert caught.value.code == "backup.differs"
    assert not (other.folder / "log").exists()


def test_restoring_over_a_store_is_refused(
    place: Place, store: Store, maker: Organisation, tmp_path: Path
) -> None:
    backup(store, tmp_path / "copy", now=NOW)
    with pytest.raises(Refused) as caught:
        restore(tmp_path / "copy", place.folder / "log", place.backend())
    assert caught.value.code == "store.exists"
