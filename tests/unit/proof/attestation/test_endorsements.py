# SPDX-License-Identifier: Apache-2.0
"""What makers say beyond measurements: taken where it can be judged, listed where it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.devices import lines
from kizuna.model.errors import Malformed, Problem
from kizuna.model.outcome import Outcome
from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Measurement, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.corim import Corim, open_corim, read_corim
from kizuna.proof.attestation.endorsement import spoken
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Anchor, Endorsed, Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.cose.cbor import Tag
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_790_000_000
UNIT = EphemeralUnit(b"endorsements")
MAKER, DEVICE, OTHER = (UNIT.generate(Algorithm.ES256, name) for name in ("m", "d", "o"))
SECRET = SharedKey(b"s" * 32)
ENVIRONMENT: dict[int, Any] = {0: {1: "acme", 2: "fan"}}
MODEL = "acme/fan"
SECURE, RECOVERY, DEBUG = 1, 2, 3


def wanted(digest: bytes | None = None, name: str = "fw", **more: Any) -> dict[int, Any]:  # noqa: ANN401
    says: dict[int, Any] = {11: name} | more.get("says", {})
    if digest is not None:
        says[2] = [[1, digest]]
    return {1: says}


def said(**flags_and_more: Any) -> dict[int, Any]:  # noqa: ANN401
    return {1: {11: "fw"} | flags_and_more.get("says", {})}


def document(triples: dict[int, Any], **more: Any) -> bytes:  # noqa: ANN401
    comid = {1: {0: "tag"}, 4: triples} | more.get("comid", {})
    tags = [Tag(506, encode(comid)), *more.get("tags", ())]
    return encode(Tag(501, {0: "doc", 1: tags} | more.get("corim", {})))


def signed(content: bytes) -> bytes:
    return sign1(UNIT, MAKER, {3: "application/rim+cbor", 8: encode({0: {0: "ACME"}})}, content)


def opened(content: bytes) -> Corim:
    return open_corim(signed(content), keys=[UNIT.public(MAKER)], now=NOW)


def known(content: bytes, *digests: bytes) -> References:
    references = References()
    for digest in digests:
        references.add(
            Reference(model=MODEL, component="fw", digest_alg="sha-256", digest=digest, signed=True)
        )
    opened(content).feed(references)
    return references


def appraised(references: References, digest: bytes, identity: bytes = b"device-1") -> Appraisal:
    claims = tiny_claims(identity=identity, boot=1, sequence=1, measurements={"fw": digest})
    enrolled = Enrolled(scheme="hmac", key=SECRET, reference=MODEL)
    task = Task(make_token(SECRET, claims), "hmac", Freshness(now=NOW), enrolled)
    return Appraiser(references, SCHEMES).appraise(task)


def codes(appraisal: Appraisal) -> list[AppraisalCode]:
    return [finding.code for finding in appraisal.findings]


OLD, NEW = b"1" * 32, b"2" * 32


def conditional(condition: list[Any], endorsement: list[Any]) -> bytes:
    return document({10: [[[[ENVIRONMENT, condition]], [[ENVIRONMENT, endorsement]]]]})


def test_a_condition_that_is_met_adds_what_the_maker_says() -> None:
    endorsement = [said(says={0: {0: "2.1"}, 1: Tag(552, 7), 3: {SECURE: True}})]
    references = known(conditional([wanted(NEW)], endorsement), OLD, NEW)

    new, old = appraised(references, NEW), appraised(references, OLD)

    assert new.status is old.status is Status.AFFIRMING
    assert new.claims["endorsed"] == [
        {
            "component": "fw",
            "name": "fw",
            "version": "2.1",
            "svn": 7,
            "flags": {"is-secure": True},
            "signed": True,
        }
    ]
    assert "endorsed" not in old.claims


@pytest.mark.parametrize(
    ("flags", "code", "status"),
    [
        ({SECURE: False}, AppraisalCode.DEVICE_OPEN, Status.CONTRAINDICATED),
        ({DEBUG: True}, AppraisalCode.DEVICE_OPEN, Status.CONTRAINDICATED),
        ({RECOVERY: True}, AppraisalCode.DEBUG_OPEN, Status.WARNING),
    ],
)
def test_firmware_that_its_maker_calls_insecure_is_not_affirmed(
    flags: dict[int, bool], code: AppraisalCode, status: Status
) -> None:
    references = known(conditional([wanted(OLD)], [said(says={3: flags})]), OLD, NEW)

    old = appraised(references, OLD)

    assert (codes(old), old.status) == ([code], status)
    assert appraised(references, NEW).status is Status.AFFIRMING


def test_an_endorsement_makes_nothing_good_that_measurements_leave_open() -> None:
    references = known(conditional([wanted(OLD)], [said(says={3: {SECURE: True}})]), NEW)
    references.close(MODEL)

    assert appraised(references, OLD).status is Status.CONTRAINDICATED


def test_of_a_series_the_first_selection_that_fits_counts() -> None:
    options = [
        [[wanted(NEW)], [said(says={8: "new"})]],
        [[wanted()], [said(says={8: "any"})]],
        [[wanted(OLD)], [said(says={8: "never reached"})]],
    ]
    references = known(document({8: [[[ENVIRONMENT, []], options]]}), OLD, NEW)

    def serials(digest: bytes) -> list[str]:
        found: Any = appraised(references, digest).claims["endorsed"]
        return [one["serial-number"] for one in found]

    assert serials(NEW) == ["new"]
    assert serials(OLD) == ["any"]


def test_a_series_whose_condition_is_not_met_says_nothing() -> None:
    options = [[[wanted()], [said(says={8: "x"})]]]
    references = known(document({8: [[[ENVIRONMENT, [wanted(NEW)]], options]]}), OLD, NEW)

    assert "endorsed" in appraised(references, NEW).claims
    assert "endorsed" not in appraised(references, OLD).claims


def test_endorsed_values_of_one_instance_are_of_no_other() -> None:
    where = ENVIRONMENT | {1: Tag(550, b"device-1")}
    references = known(document({1: [[where, [said(says={3: {DEBUG: True}})]]]}), OLD)

    assert appraised(references, OLD).status is Status.CONTRAINDICATED
    assert appraised(references, OLD, b"device-2").status is Status.AFFIRMING


def test_evidence_that_does_not_hold_shows_nothing() -> None:
    references = known(conditional([wanted(NEW)], [said(says={8: "x"})]), NEW)
    claims = tiny_claims(identity=b"device-1", boot=1, sequence=1, measurements={"fw": NEW})
    other = Enrolled(scheme="hmac", key=SharedKey(b"t" * 32), reference=MODEL)
    task = Task(make_token(SECRET, claims), "hmac", Freshness(now=NOW), other)

    appraisal = Appraiser(references, SCHEMES).appraise(task)

    assert appraisal.status is Status.CONTRAINDICATED
    assert "endorsed" not in appraisal.claims


def test_an_endorsement_ends_with_its_document() -> None:
    content = document(
        {1: [[ENVIRONMENT, [said(says={3: {DEBUG: True}})]]]},
        corim={4: {1: Tag(1, NOW + 10)}},
    )
    references = known(content, OLD)
    claims = tiny_claims(identity=b"device-1", boot=1, sequence=1, measurements={"fw": OLD})
    enrolled = Enrolled(scheme="hmac", key=SECRET, reference=MODEL)

    def at(moment: int) -> Status:
        task = Task(make_token(SECRET, claims), "hmac", Freshness(now=moment), enrolled)
        return Appraiser(references, SCHEMES).appraise(task).status

    assert (at(NOW + 10), at(NOW + 11)) == (Status.CONTRAINDICATED, Status.AFFIRMING)


# --- security versions and flags ----------------------------------------------------------------


def spoken_of(content: bytes, svn: int | None = None, **flags: bool) -> Any:  # noqa: ANN401
    references = known(content)
    told = tuple((name.replace("_", "-"), value) for name, value in flags.items())
    shown = Measurement(component="fw", digest_alg="sha-256", digest=NEW, svn=svn, flags=told)
    (endorsement,) = references.endorsements
    return spoken(endorsement, None, (shown,), NOW)


@pytest.mark.parametrize(
    ("asked", "svn", "met"),
    [
        (5, 5, True),
        (Tag(552, 5), 5, True),
        (Tag(552, 5), 6, False),
        (Tag(553, 5), 6, True),
        (Tag(553, 5), 5, True),
        (Tag(553, 5), 4, False),
        (5, None, None),
        (Tag(553, 0), None, None),
    ],
)
def test_a_security_version_is_asked_exactly_or_at_least(
    asked: object, svn: int | None, met: bool | None
) -> None:
    found = spoken_of(conditional([wanted(says={1: asked})], [said(says={8: "x"})]), svn)

    assert (bool(found.said), bool(found.perhaps)) == (met is True, met is None)
    assert found.asks == (("svn",) if met is None else ())


@pytest.mark.parametrize(
    ("told", "met"),
    [
        ({"is_debug": False, "is_secure": True}, True),
        ({"is_debug": True, "is_secure": True}, False),
        ({"is_debug": True}, False),
        ({"is_debug": False}, None),
        ({}, None),
    ],
)
def test_flags_that_are_not_told_leave_a_condition_open(
    told: dict[str, bool], met: bool | None
) -> None:
    asked = wanted(says={3: {DEBUG: False, SECURE: True}})
    found = spoken_of(conditional([asked], [said(says={8: "x"})]), **told)

    assert (bool(found.said), bool(found.perhaps)) == (met is True, met is None)


def test_what_might_be_said_against_a_device_is_no_pass() -> None:
    asked = wanted(NEW, says={1: Tag(553, 3)})
    against = known(conditional([asked], [said(says={3: {SECURE: False}})]), OLD, NEW)
    added = known(conditional([asked], [said(says={8: "x"})]), OLD, NEW)

    left, other, plain = appraised(against, NEW), appraised(against, OLD), appraised(added, NEW)

    assert (codes(left), left.status) == ([AppraisalCode.ENDORSEMENT_OPEN], Status.NONE)
    assert left.outcome is Outcome.EVIDENCE_MISSING
    assert left.claims["endorsed-open"] == [{"component": "fw", "asks": ["svn"]}]
    assert other.status is Status.AFFIRMING  # the digest already says that it is not meant
    assert (codes(plain), plain.status) == ([], Status.AFFIRMING)
    assert "endorsed" not in plain.claims


def test_an_open_selection_lets_none_behind_it_count_for_certain() -> None:
    options = [
        [[wanted(OLD)], [said(says={8: "not this"})]],
        [[wanted(says={1: 3})], [said(says={3: {SECURE: True}})]],
        [[wanted()], [said(says={3: {DEBUG: True}})]],
        [[wanted()], [said(says={8: "never reached"})]],
    ]
    content = document({8: [[[ENVIRONMENT, []], options]]})

    assert [one.claims.get("flags") for one in spoken_of(content, 3).said] == [{"is-secure": True}]
    assert [one.claims.get("flags") for one in spoken_of(content, 4).said] == [{"is-debug": True}]
    found = spoken_of(content)
    assert not found.said
    assert [one.claims.get("flags") for one in found.perhaps] == [
        {"is-secure": True},
        {"is-debug": True},
    ]


# --- what cannot be judged ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (conditional([wanted(says={1: "3"})], [said(says={8: "x"})]), "ask for a security version"),
        (conditional([wanted(says={1: Tag(555, 3)})], [said(says={8: "x"})]), "ask for a security"),
        (conditional([wanted(says={3: {0: 1}})], [said(says={8: "x"})]), "ask for flags of an"),
        (conditional([wanted(says={3: {77: True}})], [said(says={8: "x"})]), "ask for flags of an"),
        (conditional([wanted(says={4: b"r"})], [said(says={8: "x"})]), "ask for raw-value"),
        (conditional([wanted() | {2: [1]}], [said(says={8: "x"})]), "ask for authorized-by"),
        (
            document(
                {
                    10: [
                        [
                            [[ENVIRONMENT, [wanted()]], [{0: {2: "pump"}}, [wanted()]]],
                            [[ENVIRONMENT, [said(says={8: "x"})]]],
                        ]
                    ]
                }
            ),
            "ask for several environments",
        ),
        (
            document({10: [[[[ENVIRONMENT, [wanted()]]], [[{0: {2: "pump"}}, [said()]]]]]}),
            "ask for another environment",
        ),
        (
            document({8: [[[ENVIRONMENT, [], [1]], [[[wanted()], [said()]]]]]}),
            "series that ask for authorized-by",
        ),
        (document({1: [[ENVIRONMENT, [said(says={4: b"raw"})]]]}), "raw-value of endorsed-values"),
        (document({1: [[ENVIRONMENT | {2: 1}, [said()]]]}), "endorsed-values of one group"),
        (document({4: [[ENVIRONMENT, [ENVIRONMENT]]]}), "dependencies"),
        (document({5: [[ENVIRONMENT, [ENVIRONMENT]]]}), "memberships"),
        (document({6: [[ENVIRONMENT, ["swid"]]]}), "software-links"),
        (document({11: [1]}), "triples 11"),
        (document({0: [[ENVIRONMENT, [wanted(NEW)]]]}, comid={3: [{0: "t", 1: 0}]}), "linked-tags"),
        (document({0: [[ENVIRONMENT, [wanted(NEW)]]]}, corim={2: [{0: "u"}]}), "dependent-rims"),
        (document({0: [[ENVIRONMENT, [wanted(NEW)]]]}, tags=[Tag(505, b"x")]), "coswid"),
        (document({0: [[ENVIRONMENT, [wanted(NEW)]]]}, tags=[Tag(507, b"x")]), "cots"),
        (document({0: [[ENVIRONMENT, [wanted(NEW)]]]}, tags=[Tag(508, b"x")]), "cotl"),
        (document({0: [[ENVIRONMENT, [wanted(NEW)]]]}, tags=[Tag(999, b"x")]), "tag 999"),
        (document({0: [[ENVIRONMENT, [wanted(NEW, says={1: 3})]]]}), "svn of reference-values"),
        (
            document({0: [[ENVIRONMENT, [wanted(NEW) | {2: [1]}]]]}),
            "authorized-by of reference-values",
        ),
        (
            document({0: [[ENVIRONMENT | {1: Tag(550, b"device-1")}, [wanted(NEW)]]]}),
            "reference-values of one instance of a class",
        ),
        (document({0: [[ENVIRONMENT | {2: 1}, [wanted(NEW)]]]}), "group of reference-values"),
    ],
)
def test_whatever_is_not_judged_is_listed(content: bytes, left: str) -> None:
    corim = read_corim(content)

    assert any(left in one for one in corim.left), corim.left
    assert bool(corim.endorsements) is (left == "raw-value of endorsed-values")


def test_keys_that_would_count_for_more_than_was_said_are_left_out() -> None:
    pem = UNIT.public(DEVICE).to_pem().decode()
    key = [Tag(554, pem)]
    for record, left in (
        ([ENVIRONMENT, key, {0: "fw"}], "keys under conditions"),
        ([{}, key], "keys without class or instance"),
        ([{}, [Tag(555, pem)]], "keys without class or instance"),
        ([ENVIRONMENT | {2: 5}, key], "group of keys"),
    ):
        corim = read_corim(document({3: [record]}))
        assert (corim.keys, corim.anchors, corim.left) == ((), (), (left,))


@pytest.mark.parametrize("number", [1, 8, 10])
@pytest.mark.parametrize("record", [[], [1], [1, 2], [{}, []], [[], {}], [[{}], [1]], [[1], [[1]]]])
def test_a_record_of_another_shape_refuses_the_document(number: int, record: list[Any]) -> None:
    try:
        corim = read_corim(document({number: [record]}))
    except Malformed:
        return
    assert not corim.endorsements


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 20) | st.text(max_size=3) | st.binary(max_size=33),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, 14), inner, max_size=4)
        | st.builds(Tag, st.sampled_from([37, 111, 550, 552, 553, 554, 560]), inner)
    ),
    max_leaves=24,
)


@given(st.sampled_from([0, 1, 2, 3, 8, 10]), plain)
def test_no_triples_break_the_reader_and_what_is_read_can_be_kept(number: int, value: Any) -> None:  # noqa: ANN401
    try:
        corim = read_corim(document({number: value}))
    except Problem:
        return
    references, again = References(), References()
    corim.feed(references)
    for one in references.endorsements:
        lines.take_vouched(again, lines.endorsement_entry(one))
    assert list(again.endorsements) == list(references.endorsements)
    appraised(references, NEW)


# --- keys ---------------------------------------------------------------------------------------


def key_document(number: int) -> bytes:
    key = [Tag(554, UNIT.public(DEVICE).to_pem().decode())]
    return document({number: [[ENVIRONMENT, key]]})


@pytest.mark.parametrize(
    ("number", "code"),
    [(2, AppraisalCode.KEY_UNKNOWN), (3, AppraisalCode.REFERENCE_MISSING)],
)
def test_a_key_that_only_says_who_a_device_is_signs_no_evidence(
    number: int, code: AppraisalCode
) -> None:
    references = References()
    opened(key_document(number)).feed(references)
    claims = tiny_claims(
        identity=b"device-1", boot=1, sequence=1, measurements={"fw": NEW}, model=MODEL
    )
    token = sign1(UNIT, DEVICE, {}, encode(claims))
    task = Task(token, "hmac", Freshness(now=NOW), Enrolled(scheme="hmac"))

    assert codes(Appraiser(references, SCHEMES).appraise(task)) == [code]


def test_an_identity_key_takes_no_attesting_key_s_place() -> None:
    references = References()
    attesting, naming = UNIT.public(DEVICE), UNIT.public(OTHER)
    for key, purpose in ((attesting, "attest"), (naming, "identity")):
        references.endorse(Endorsed(model=MODEL, identity=b"i", key=key, purpose=purpose))

    for model in (MODEL, None):
        found = references.key_of(model, b"i")
        named = references.key_of(model, b"i", "identity")
        assert (found and found.key, named and named.key) == (attesting, naming)


def test_everything_that_a_maker_says_survives_being_kept() -> None:
    references, again = References(), References()
    references.endorse(Endorsed(model=MODEL, identity=b"i", key=UNIT.public(DEVICE), until=9))
    references.endorse(
        Endorsed(model=None, identity=b"i", key=UNIT.public(OTHER), purpose="identity")
    )
    references.vouch(Anchor(model=MODEL, identity=None, certificates=b"PEM", signed=True, since=3))
    opened(
        document({8: [[[ENVIRONMENT, [wanted(NEW)]], [[[wanted()], [said(says={3: {1: True}})]]]]]})
    ).feed(references)

    for entry in (
        *(lines.endorsed_entry(key) for key in references.endorsed),
        *(lines.anchor_entry(anchor) for anchor in references.anchors),
        *(lines.endorsement_entry(one) for one in references.endorsements),
    ):
        lines.take_vouched(again, entry)

    assert list(again.endorsed) == list(references.endorsed)
    assert list(again.anchors) == list(references.anchors)
    assert list(again.endorsements) == list(references.endorsements)
    assert len(again) == len(references) == 4


def test_certificates_count_while_their_document_does() -> None:
    references = References()
    references.vouch(Anchor(model=MODEL, identity=None, certificates=b"PEM", since=5, until=9))

    found = [len(references.anchors_of(MODEL, None, moment)) for moment in (4, 5, 9, 10)]

    assert found == [0, 1, 1, 0]
