# SPDX-License-Identifier: Apache-2.0
from hashlib import sha256

import pytest

from kizuna.model.identifier import canonical, digest_of
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Action,
    Claim,
    Described,
    Link,
    Links,
    Membership,
    Norm,
    Standing,
    Status,
    Target,
)
from kizuna.model.relation import Relation
from kizuna.model.statement import Statement
from kizuna.record.log.keys import (
    KEYS_VERSION,
    dependents_key,
    keys_of,
    members_key,
    statement_key,
    subject_key,
)

PRODUCT = canonical("pkg:generic/controller@1.0")
PART = canonical("pkg:generic/fan@2.0")
MAKER = canonical("did:web:maker.example")
LIST = canonical("https://lists.example/makers")


def statement(kind, payload, subject=PRODUCT, issuer=MAKER):
    return Statement(
        digest=digest_of(b"statement"),
        content=digest_of(b"content"),
        issuer=issuer,
        subject=subject,
        kind=kind,
        media_type=media_type_of(kind),
        key_id=b"k" * 32,
        payload=payload,
    )


def keys(*expected):
    return tuple(sorted(expected))


def test_version_one_is_pinned():
    assert KEYS_VERSION == 1
    assert subject_key(PART) == sha256(b"pkg:generic/fan@2.0").digest()
    assert dependents_key(PART) == sha256(b"pkg:generic/fan@2.0#dependents").digest()
    assert members_key(LIST) == sha256(b"https://lists.example/makers#members").digest()
    assert statement_key(b"\xab" * 32) == sha256(b"urn:sha256:" + b"ab" * 32).digest()


def test_a_claim_stands_under_its_subject():
    assert keys_of(statement(Kind.CERTIFICATE, Claim(type="ce"))) == keys(subject_key(PRODUCT))
    norm = Norm(type="profile", name="p", version="1", document={})
    assert keys_of(statement(Kind.NORM, norm)) == keys(subject_key(PRODUCT))


@pytest.mark.parametrize("relation", list(Relation))
def test_the_end_that_depends_is_found_by_its_subject_key(relation):
    link = Link(relation=relation, subject=PART, object=PRODUCT)
    found = keys_of(statement(Kind.LINK, Links(links=[link]), subject=MAKER))
    if relation.both_depend:
        ends = (subject_key(PART), subject_key(PRODUCT))
    elif relation.object_depends:
        ends = (subject_key(PRODUCT), dependents_key(PART))
    else:
        ends = (subject_key(PART), dependents_key(PRODUCT))
    assert found == keys(subject_key(MAKER), *ends)


def test_an_end_left_out_is_the_statements_subject():
    links = Links(
        links=[
            Link(relation=Relation.PART_OF, subject=PART),
            Link(relation=Relation.SUPPLIED_BY, object=MAKER),
        ],
        described=[Described(name="the product"), Described(subject=LIST, name="something")],
    )
    assert keys_of(statement(Kind.LINK, links)) == keys(
        subject_key(PRODUCT), dependents_key(PART), dependents_key(MAKER), dependents_key(LIST)
    )


def test_what_acts_on_a_statement_or_key_is_found_by_it():
    target = digest_of(b"target")
    revoke = Status(action=Action.REVOKE, target=Target(statement=target.hex()))
    assert keys_of(statement(Kind.STATUS, revoke)) == keys(
        subject_key(PRODUCT), statement_key(target)
    )
    rotate = Status(action=Action.ROTATE, target=Target(key="ab" * 32), key={"kty": "OKP"})
    assert keys_of(statement(Kind.STATUS, rotate, subject=PRODUCT)) == keys(
        subject_key(PRODUCT), subject_key(MAKER)
    )
    enrol = Status(action=Action.ENROL, target=Target(), key={"kty": "OKP"})
    assert subject_key(MAKER) in keys_of(statement(Kind.STATUS, enrol))


def test_a_membership_is_found_by_member_and_list():
    entry = Membership(list_id=LIST, state=Standing.GRANTED)
    assert keys_of(statement(Kind.MEMBERSHIP, entry, subject=PART)) == keys(
        subject_key(PART), members_key(LIST)
    )


def test_a_document_of_the_field_stands_under_its_subject():
    assert keys_of(statement(Kind.EVIDENCE, None)) == keys(subject_key(PRODUCT))
