# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from hashlib import sha256

import pytest

from kizuna.model.errors import Tampered
from kizuna.model.identifier import canonical, digest_of
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, Link, Links
from kizuna.model.relation import Relation
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.record.log import (
    MemoryHeads,
    Signer,
    VerifiableMap,
    audit_map,
    keys_of,
    map_head_claim,
    map_head_subject,
    read_checkpoint,
    read_map_head,
    vouch,
)
from kizuna.record.log.note import COSIGNATURE, NoteKey, signed_by
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

ORIGIN = "log.kizuna.example/bar"
OPERATOR = canonical("did:web:operator.example")


def statement(number, payload, subject, kind=Kind.EVIDENCE):
    return Statement(
        digest=digest_of(b"statement %d" % number),
        content=digest_of(b"content %d" % number),
        issuer=OPERATOR,
        subject=subject,
        kind=kind,
        media_type=media_type_of(kind),
        key_id=b"k" * 32,
        payload=payload,
    )


def registered(index, one):
    return Registered(statement=one, origin=ORIGIN, index=index, registered=Interval(1, 1))


@pytest.fixture
def batches(tmp_path):
    """Three batches as a store makes them, each closed by its map head."""
    made = VerifiableMap(tmp_path / "map", MemoryHeads())
    done, rows, index = [], [], 0
    for batch in range(3):
        batch_of = []
        for n in range(4):
            subject = canonical(f"pkg:generic/thing-{n}@{batch}")
            if n == 3:
                links = Links(links=[Link(relation=Relation.PART_OF, subject=canonical("urn:x:1"))])
                one = statement(index, links, subject, Kind.LINK)
            else:
                one = statement(index, Claim(type="ce"), subject)
            batch_of.append(registered(index, one))
            rows += [(key, index, one.digest) for key in keys_of(one)]
            index += 1
        root = made.apply(rows, index)
        head = statement(index, map_head_claim(index, root), map_head_subject(ORIGIN))
        batch_of.append(registered(index, head))
        rows = [(key, index, head.digest) for key in keys_of(head)]
        index += 1
        done.append(batch_of)
    made.close()
    return done


def entries(batches):
    return [one.statement.digest for batch in batches for one in batch]


def audit(batches, tmp_path, **options):
    return audit_map(ORIGIN, batches, entries(batches), tmp_path / "scratch", **options)


def changed(batches, index, **values):
    return [
        [
            replace(one, statement=replace(one.statement, **values)) if one.index == index else one
            for one in batch
        ]
        for batch in batches
    ]


def test_map_heads_that_are_right_hold(batches, tmp_path):
    seen = []
    report = audit(batches, tmp_path, progress=seen.append)
    assert report.holds
    assert (report.entries, report.heads, report.last, report.on_trust) == (15, 3, 14, 0)
    assert seen == [5, 10, 15]


def test_an_auditor_vouches_under_a_name_of_its_own(batches, tmp_path, log):
    log.append(entries(batches))
    log.publish(1_001)
    unit = EphemeralUnit(b"auditor")
    signer = Signer("audit.example/map", unit, unit.generate(Algorithm.EDDSA, "audit"))
    checkpoint = read_checkpoint(log.checkpoint(), log.anchor())
    line = vouch(audit(batches, tmp_path), checkpoint, signer, 2_000)
    key = NoteKey.of(signer, COSIGNATURE)
    (held,) = signed_by(checkpoint.note.with_signatures([line]), [key])
    assert (held.key.name, held.time) == ("audit.example/map", 2_000)
    for report in (audit(batches[:2], tmp_path), audit([], tmp_path)):
        with pytest.raises(Tampered) as problem:
            vouch(report, checkpoint, signer, 2_000)
        assert problem.value.code == "map.audit-failed"


def test_a_statement_kept_from_the_map_is_found(batches, tmp_path):
    # the store logged a map head over fewer keys: as if it had hidden one statement
    hidden = changed(batches, 1, subject=canonical("urn:x:hidden"))
    report = audit(hidden, tmp_path)
    assert not report.holds
    assert {fault.code for fault in report.faults} == {"map.head-differs"}


def test_a_map_head_for_another_size_or_log_is_found(batches, tmp_path):
    head = batches[1][4].statement
    for payload, subject in (
        (map_head_claim(8, b"r" * 32), head.subject),
        (map_head_claim(9, b"r" * 32), head.subject),
        (Claim(type="map-head", claims={"size": 9, "root": "zz", "keys": 1}), head.subject),
        (Claim(type="map-head", claims={"size": 9, "root": "a" * 64, "keys": 2}), head.subject),
    ):
        report = audit(changed(batches, 9, payload=payload, subject=subject), tmp_path)
        assert not report.holds
        assert report.faults[0].where == "index 9"


def test_gaps_strangers_and_entries_without_a_statement_are_found(batches, tmp_path):
    gap = [batches[0][:2] + batches[0][3:]]
    report = audit_map(ORIGIN, gap, entries(batches), tmp_path / "s")
    assert {fault.code for fault in report.faults} == {"log.out-of-step"}
    swapped = changed(batches, 2, digest=digest_of(b"another"))
    report = audit_map(ORIGIN, swapped, entries(batches), tmp_path / "s")
    assert "log.entry-differs" in {fault.code for fault in report.faults}
    report = audit_map(ORIGIN, batches[:2], entries(batches), tmp_path / "s")
    assert {fault.code for fault in report.faults} == {"log.entry-missing"}


def test_an_erased_statement_is_counted_as_taken_on_trust(batches, tmp_path):
    gone = changed(batches, 3, payload=None, document=digest_of(b"document"))
    before = {one.statement.digest: one.statement for batch in batches for one in batch}
    report = audit(gone, tmp_path, stored_keys=lambda found: keys_of(before[found.digest]))
    assert report.holds
    assert report.on_trust == 1
    assert not audit(gone, tmp_path).holds


def test_only_a_map_head_is_read_as_one(batches):
    head = batches[0][4]
    assert read_map_head(head.statement, ORIGIN, 4).size == 4
    for one, origin, index in (
        (batches[0][0].statement, ORIGIN, 0),
        (head.statement, "other.example", 4),
        (head.statement, ORIGIN, 5),
    ):
        with pytest.raises(Tampered) as problem:
            read_map_head(one, origin, index)
        assert problem.value.code == "map.head-wrong"
    assert len(sha256(b"").digest()) == len(read_map_head(head.statement, ORIGIN, 4).root)
