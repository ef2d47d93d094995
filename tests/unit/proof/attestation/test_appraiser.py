# SPDX-License-Identifier: Apache-2.0
"""Many devices at once: the same answers as one by one, in the order asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.outcome import Outcome
from kizuna.proof.attestation.appraisal import (
    Appraisal,
    AppraisalCode,
    AppraisalFinding,
    Counters,
    Status,
    Tier,
    Vector,
)
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness, went_back
from kizuna.proof.attestation.reference import Endorsed, Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_740_000_000
FRESH = Freshness(now=NOW)
UNIT = EphemeralUnit(b"many")
HANDLES = [UNIT.generate(Algorithm.ES256, str(number)) for number in range(3)]
TPM = Counters(resets=1, restarts=2, clock=9)
SECRET = SharedKey(b"\x0b" * 32)


def claims(number):
    return tiny_claims(
        identity=bytes([number]) * 17, boot=1, sequence=number, measurements={"fw": bytes(32)}
    )


def known():
    references = References()
    references.add(
        Reference(model="m", component="fw", digest_alg="sha-256", digest=bytes(32), signed=True)
    )
    return references


KINDS = ("signed", "maced", "forged", "unreadable", "no-key", "wrong-scheme")


def task(kind, number):
    handle = HANDLES[number % 3]
    key = UNIT.public(handle)
    token = sign1(UNIT, handle, {}, encode(claims(number)))
    scheme = "hmac"
    if kind == "maced":
        key, token = SECRET, make_token(SECRET, claims(number))
    elif kind == "forged":
        key = UNIT.public(HANDLES[(number + 1) % 3])
    elif kind == "unreadable":
        token = token[:-1]
    elif kind == "no-key":
        key = None
    elif kind == "wrong-scheme":
        scheme = "unheard-of"
    return Task(token, scheme, FRESH, Enrolled(scheme=scheme, key=key, reference="m"))


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 200)), max_size=12))
def test_a_batch_and_its_pieces_one_by_one_give_the_same_answers(asked):
    tasks = [task(kind, number) for kind, number in asked]
    appraiser = Appraiser(known(), SCHEMES)
    answers = appraiser.appraise_many(tasks)
    assert answers == [appraiser.appraise(one) for one in tasks]
    for (kind, _), answer in zip(asked, answers, strict=True):
        good = kind in ("signed", "maced")
        assert (answer.status is Status.AFFIRMING) == good


def test_a_batch_larger_than_one_round_keeps_its_order():
    tasks = [task("maced", number % 250) for number in range(4100)]
    answers = Appraiser(known(), SCHEMES).appraise_many(tasks)
    assert [answer.counters.sequence for answer in answers] == [n % 250 for n in range(4100)]


def test_a_device_may_be_found_by_what_its_evidence_calls_itself():
    enrolled = {bytes([7]) * 17: Enrolled(scheme="hmac", key=SECRET, reference="m")}
    appraiser = Appraiser(known(), SCHEMES)
    for number, status in ((7, Status.AFFIRMING), (8, Status.NONE)):
        token = make_token(SECRET, claims(number))
        answer = appraiser.appraise(
            Task(token, "hmac", FRESH, lambda reading: enrolled.get(reading.identity))
        )
        assert answer.status is status


def test_a_key_that_the_maker_endorsed_serves_where_enrolment_brought_none():
    references = known()
    references.endorse(
        Endorsed(
            model="m",
            identity=bytes([7]) * 17,
            key=UNIT.public(HANDLES[1]),
            until=NOW,
            signed=True,
        )
    )
    token = sign1(UNIT, HANDLES[1], {}, encode(claims(7)))
    appraiser = Appraiser(references, SCHEMES)
    device = Enrolled(scheme="hmac", reference="m")
    assert appraiser.appraise(Task(token, "hmac", FRESH, device)).status is Status.AFFIRMING
    late = Freshness(now=NOW + 1)
    answer = appraiser.appraise(Task(token, "hmac", late, device))
    assert answer.findings[0].code is AppraisalCode.KEY_UNKNOWN


def valued(*values, closed=True):
    references = References()
    for component, digest, until in values:
        references.add(
            Reference(
                model="m",
                component=component,
                digest_alg="sha-256",
                digest=digest,
                signed=True,
                until=until,
            )
        )
    if closed:
        references.close("m")
    return references


def judged(references):
    device = Enrolled(scheme="hmac", key=SECRET, reference="m")
    token = make_token(SECRET, claims(7))
    return Appraiser(references, SCHEMES).appraise(Task(token, "hmac", FRESH, device))


@pytest.mark.parametrize("closed", [True, False])
def test_a_device_does_not_choose_which_of_its_parts_are_looked_at(closed):
    fw, app = ("fw", bytes(32), None), ("app", b"a" * 32, None)
    answer = judged(valued(fw, app, closed=closed))
    assert answer.status is Status.NONE
    assert answer.findings[0].code is AppraisalCode.MEASUREMENTS_MISSING
    over = ("app", b"a" * 32, NOW - 1)  # a part of earlier releases
    assert judged(valued(fw, over, closed=closed)).status is Status.AFFIRMING


def test_a_value_that_is_over_neither_vouches_nor_accuses():
    answer = judged(valued(("fw", bytes(32), NOW - 1)))
    assert answer.status is Status.WARNING
    assert answer.findings[0].code is AppraisalCode.FIRMWARE_UNLISTED
    unknown = judged(valued(("fw", b"x" * 32, None)))
    assert unknown.status is Status.CONTRAINDICATED


def test_a_key_that_nobody_signed_for_never_affirms():
    references = known()
    references.endorse(Endorsed(model="m", identity=None, key=UNIT.public(HANDLES[1])))
    token = sign1(UNIT, HANDLES[1], {}, encode(claims(7)))
    device = Enrolled(scheme="hmac", reference="m")
    answer = Appraiser(references, SCHEMES).appraise(Task(token, "hmac", FRESH, device))
    assert answer.status is Status.WARNING
    assert answer.findings[-1].code is AppraisalCode.REFERENCE_UNSIGNED


def test_an_instance_without_class_is_found_only_where_one_key_bears_its_name():
    references = known()
    identity = bytes([7]) * 17
    for place, model in enumerate(("m", "other")):
        references.endorse(
            Endorsed(model=model, identity=identity, key=UNIT.public(HANDLES[1]), signed=True)
        )
        token = sign1(UNIT, HANDLES[1], {}, encode(claims(7)))
        answer = Appraiser(references, SCHEMES).appraise(
            Task(token, "hmac", FRESH, Enrolled(scheme="hmac"))
        )
        assert (answer.status is Status.AFFIRMING) == (place == 0)


def test_the_schemes_have_names_of_their_own():
    assert len({scheme.name for scheme in SCHEMES}) == len(SCHEMES)
    assert {"hmac", "observed", "psa"} <= set(Appraiser(known(), SCHEMES).schemes)


@pytest.mark.parametrize(
    ("last", "shown", "counter"),
    [
        (Counters(boot=2, sequence=5), Counters(boot=2, sequence=6), ""),
        (Counters(boot=2, sequence=5), Counters(boot=3, sequence=0), ""),
        (Counters(boot=2, sequence=5), Counters(boot=2, sequence=5), "sequence"),
        (Counters(boot=2, sequence=5), Counters(boot=1, sequence=9), "boot"),
        (TPM, Counters(resets=1, restarts=2, clock=9), ""),
        (TPM, Counters(resets=1, restarts=2, clock=8), "clock"),
        (TPM, Counters(resets=1, restarts=1, clock=99), "restarts"),
        (TPM, Counters(resets=0, restarts=9, clock=99), "resets"),
        (TPM, Counters(resets=2, restarts=0, clock=0), ""),
        (Counters(), Counters(boot=1), ""),
    ],
)
def test_counters_only_go_forward(last, shown, counter):
    assert went_back(last, shown) == counter


@pytest.mark.parametrize("code", list(AppraisalCode))
def test_no_finding_comes_with_a_pass_and_each_has_its_exit_code(code):
    assert code.status is not Status.AFFIRMING
    assert code.outcome is not Outcome.HOLDS


def test_the_worst_claim_decides():
    assert Vector().status is Status.NONE
    assert Vector(instance_identity=2).status is Status.AFFIRMING
    assert Vector(instance_identity=2, executables=33).status is Status.WARNING
    assert Vector(hardware=-100, executables=2).status is Status.CONTRAINDICATED
    assert Vector.all(99).worsened("hardware", 33) == Vector.all(99)


def test_the_exit_code_follows_status_and_findings():
    def exit_of(status, *codes):
        return Appraisal(
            status=status,
            vector=Vector(),
            tier=Tier.OBSERVED,
            scheme="hmac",
            evidence=bytes(32),
            at=NOW,
            findings=tuple(AppraisalFinding(code) for code in codes),
        ).outcome

    assert exit_of(Status.AFFIRMING) is Outcome.HOLDS
    assert exit_of(Status.NONE) is Outcome.EVIDENCE_MISSING
    assert exit_of(Status.NONE, AppraisalCode.STALE) is Outcome.STALE
    assert exit_of(Status.CONTRAINDICATED, AppraisalCode.SIGNATURE_WRONG) is Outcome.TAMPERED
    assert exit_of(Status.CONTRAINDICATED, AppraisalCode.FIRMWARE_UNKNOWN) is Outcome.TAMPERED
    assert exit_of(Status.WARNING) is Outcome.NOT_TRUSTED
