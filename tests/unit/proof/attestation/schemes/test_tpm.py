# SPDX-License-Identifier: Apache-2.0
"""TPM evidence: what fits affirms; anything that does not is told apart by what it is."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha1, sha256
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.proof.attestation.appraisal import Appraisal, AppraisalCode, Counters, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.corim import open_corim
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.tpm import Tpm
from kizuna.proof.attestation.schemes.tpm.evidence import epoch_nonce, read_parts, write_evidence
from kizuna.roots.boot.quote import digest_of
from kizuna.roots.keys import Algorithm, PrivateKey, PublicKey

NOW = 1_790_000_000
KEY = PrivateKey.derive(Algorithm.ES256, b"ak")
SIGNER = b"\x00\x0b" + b"\x07" * 32
NONCE = b"n" * 32
Registers = Mapping[tuple[str, int], bytes]


def extended(*digests: bytes) -> bytes:
    value = bytes(32)
    for digest in digests:
        value = sha256(value + digest).digest()
    return value


FIRMWARE, LOADER, APP = (sha256(name).digest() for name in (b"fw", b"loader", b"app"))
REGISTERS = {("sha256", 0): extended(FIRMWARE), ("sha256", 4): extended(LOADER, APP)}
LOG = ((0, FIRMWARE, "firmware"), (4, LOADER, "loader"), (4, APP, "app"))


def quote(registers: Registers, nonce: bytes = NONCE, clock: int = 1000, resets: int = 3) -> bytes:
    bits = sum(1 << number for _, number in registers).to_bytes(3, "little")
    selection = (("sha256", tuple(sorted(number for _, number in registers))),)
    digest = digest_of(selection, registers)
    assert digest is not None
    return b"".join(
        (
            b"\xffTCG\x80\x18" + len(SIGNER).to_bytes(2, "big") + SIGNER,
            len(nonce).to_bytes(2, "big") + nonce,
            clock.to_bytes(8, "big") + resets.to_bytes(4, "big") + bytes(4) + b"\x01" + bytes(8),
            b"\x00\x00\x00\x01\x00\x0b\x03" + bits,
            b"\x00\x20" + digest,
        )
    )


def tpm_signature(message: bytes, key: PrivateKey = KEY) -> bytes:
    raw = key.sign(message)
    return b"\x00\x18\x00\x0b\x00\x20" + raw[:32] + b"\x00\x20" + raw[32:]


def evidence(
    registers: Registers = REGISTERS,
    *,
    unit: tuple[tuple[int, bytes, str], ...] = LOG,
    shown: Registers | None = None,
    epoch: int | None = None,
    **quoted: Any,  # noqa: ANN401 - as quote
) -> bytes:
    attest = quote(registers, **quoted)
    held = registers if shown is None else shown
    return write_evidence(attest, tpm_signature(attest), held, unit=unit, epoch=epoch)


def references(*, values: bool = True, events: bool = False, closed: bool = True) -> References:
    known = References()
    if values:
        for (_, number), digest in REGISTERS.items():
            known.add(_reference(str(number), digest))
    if events:
        for digest in (FIRMWARE, LOADER, APP):
            known.add(_reference("event", digest))
    if closed:
        known.close("server")
    return known


def _reference(component: str, digest: bytes) -> Reference:
    return Reference(
        model="server", component=component, digest_alg="sha-256", digest=digest, signed=True
    )


def appraise(
    data: bytes,
    known: References | None = None,
    nonce: bytes | None = NONCE,
    epochs: range | None = None,
    **enrolled: Any,  # noqa: ANN401 - as Enrolled
) -> Appraisal:
    about = {"scheme": "tpm", "key": KEY.public, "reference": "server"} | enrolled
    return Appraiser(references() if known is None else known, [Tpm()]).appraise(
        Task(data, "tpm", Freshness(now=NOW, nonce=nonce, epochs=epochs), Enrolled(**about))
    )


def codes(appraisal: Appraisal) -> list[AppraisalCode]:
    return [finding.code for finding in appraisal.findings]


def test_known_registers_affirm():
    appraisal = appraise(evidence())
    assert appraisal.status is Status.AFFIRMING
    assert not appraisal.findings
    assert appraisal.tier.value == "hardware"
    assert appraisal.counters == Counters(clock=1000, resets=3, restarts=0)


def test_known_events_affirm_registers_that_nobody_lists():
    assert appraise(evidence(), references(values=False, events=True)).status is Status.AFFIRMING


def test_an_unknown_event_is_named():
    evil = sha256(b"evil").digest()
    registers = REGISTERS | {("sha256", 4): extended(LOADER, evil)}
    log = (*LOG[:2], (4, evil, "evil"))
    appraisal = appraise(evidence(registers, unit=log), references(values=False, events=True))
    assert appraisal.status is Status.CONTRAINDICATED
    assert codes(appraisal) == [AppraisalCode.FIRMWARE_UNKNOWN]
    assert appraisal.findings[0].about["component"] == "4: event 2 evil"


def test_an_unknown_value_warns_where_the_list_is_open():
    registers = REGISTERS | {("sha256", 0): b"\x01" * 32}
    data = evidence(registers, unit=())
    assert appraise(data).status is Status.CONTRAINDICATED
    assert appraise(data, references(closed=False)).status is Status.WARNING
    nothing = appraise(data, References())
    assert nothing.status is Status.NONE
    assert codes(nothing) == [AppraisalCode.REFERENCE_MISSING]


def test_a_log_that_does_not_replay_counts_against_the_device():
    appraisal = appraise(evidence(unit=LOG[:2]))
    assert codes(appraisal) == [AppraisalCode.LOG_DIFFERS]
    assert appraisal.findings[0].about["register"] == 4
    hidden = (*LOG, (4, sha256(b"more").digest(), "more"))
    appraisal = appraise(evidence(unit=hidden))
    assert appraisal.findings[0].about["cause"] == "surplus"
    assert appraisal.findings[0].about["event"] == 3


def test_the_attester_may_not_choose_its_registers():
    harmless = {("sha256", 0): REGISTERS["sha256", 0]}
    appraisal = appraise(evidence(harmless, unit=LOG[:1]))
    assert appraisal.status is Status.NONE
    assert codes(appraisal) == [AppraisalCode.MEASUREMENTS_MISSING]
    asked = {"selection": (("sha256", (0, 4)),)}
    appraisal = appraise(evidence(harmless, unit=LOG[:1]), about=asked)
    assert codes(appraisal) == [AppraisalCode.REGISTERS_DIFFER]


def test_an_unused_bank_does_not_stand_for_a_register_that_is_left_out():
    unused = {("sha256", 0): REGISTERS["sha256", 0], ("sha384", 4): bytes(48)}
    selection = (("sha256", (0,)), ("sha384", (4,)))
    digest = digest_of(selection, unused)
    attest = b"".join(
        (
            b"\xffTCG\x80\x18" + len(SIGNER).to_bytes(2, "big") + SIGNER,
            len(NONCE).to_bytes(2, "big") + NONCE,
            (1000).to_bytes(8, "big") + (3).to_bytes(4, "big") + bytes(4) + b"\x01" + bytes(8),
            b"\x00\x00\x00\x02\x00\x0b\x03\x01\x00\x00\x00\x0c\x03\x10\x00\x00",
            b"\x00\x20" + digest,
        )
    )
    data = write_evidence(attest, tpm_signature(attest), unused)
    appraisal = appraise(data)
    assert codes(appraisal) == [AppraisalCode.MEASUREMENTS_MISSING]
    assert appraisal.status is Status.NONE


def test_a_digest_alone_is_not_made_of_registers_that_software_sets_back():
    for number, status in ((0, Status.AFFIRMING), (16, Status.CONTRAINDICATED)):
        registers = {("sha256", number): REGISTERS["sha256", 0]}
        attest, node = quote(registers), bytes(16)
        data = node + len(attest).to_bytes(2, "big") + attest + tpm_signature(attest)
        known = References()
        digest = digest_of((("sha256", (number,)),), registers)
        known.add(_reference("pcr-digest", digest))
        known.close("server")
        selection = (("sha256", (number,)),)
        assert appraise(data, known, about={"selection": selection}).status is status


@pytest.mark.parametrize("number", [0, 6, 8, 15])
def test_a_digest_alone_counts_only_for_the_registers_bound_at_enrolment(number: int):
    """A register that nobody uses can be led to the value that another one should have."""
    good = {("sha256", 0): REGISTERS["sha256", 0]}
    known = References()
    known.add(_reference("pcr-digest", digest_of((("sha256", (0,)),), good) or b""))
    known.close("server")
    attest = quote({("sha256", number): REGISTERS["sha256", 0]})
    data = bytes(16) + len(attest).to_bytes(2, "big") + attest + tpm_signature(attest)

    unbound = appraise(data, known)
    bound = appraise(data, known, about={"selection": (("sha256", (0,)),)})

    assert codes(unbound) == [AppraisalCode.SELECTION_UNBOUND]
    assert unbound.status is Status.NONE
    assert bound.status is (Status.AFFIRMING if number == 0 else Status.CONTRAINDICATED)
    assert codes(bound) == ([] if number == 0 else [AppraisalCode.REGISTERS_DIFFER])


def test_a_digest_over_registers_whose_values_are_listed_needs_no_selection():
    attest = quote(REGISTERS)
    data = bytes(16) + len(attest).to_bytes(2, "big") + attest + tpm_signature(attest)
    assert appraise(data).status is Status.AFFIRMING


def test_what_no_signature_covers_is_told_from_what_the_chip_signed():
    broken = ((0, FIRMWARE, "firmware"), (4, LOADER, "loader"))
    log = appraise(evidence(unit=broken))
    assert [(f.code, f.vouched) for f in log.findings] == [(AppraisalCode.LOG_DIFFERS, False)]
    values = appraise(evidence(shown=REGISTERS | {("sha256", 0): bytes(32)}))
    assert [f.vouched for f in values.findings] == [False]

    # a device that runs something else and shows the log of what it should run
    other = REGISTERS | {("sha256", 4): extended(LOADER, b"\x66" * 32)}
    tampered = appraise(evidence(other))
    assert [(f.code, f.vouched) for f in tampered.findings] == [
        (AppraisalCode.LOG_DIFFERS, False),
        (AppraisalCode.FIRMWARE_UNKNOWN, True),
    ]


def test_values_that_do_not_give_the_signed_digest_are_found():
    shown = REGISTERS | {("sha256", 0): b"\x01" * 32}
    appraisal = appraise(evidence(shown=shown))
    assert codes(appraisal) == [AppraisalCode.REGISTERS_DIFFER]
    assert appraisal.status is Status.CONTRAINDICATED
    missing = {("sha256", 0): REGISTERS["sha256", 0]}
    assert codes(appraise(evidence(shown=missing))) == [AppraisalCode.REGISTERS_DIFFER]


def test_wrong_nonce_other_key_other_signer_and_old_counters():
    assert codes(appraise(evidence(), nonce=b"other")) == [AppraisalCode.NONCE_DIFFERS]
    other = PrivateKey.derive(Algorithm.ES256, b"other").public
    forged = appraise(evidence(), key=other)
    assert forged.status is Status.CONTRAINDICATED
    assert codes(forged) == [AppraisalCode.SIGNATURE_WRONG]
    assert codes(appraise(evidence(), key=None)) == [AppraisalCode.KEY_UNKNOWN]
    assert codes(appraise(evidence(), about={"signer": b"x"})) == [AppraisalCode.KEY_CHANGED]
    assert appraise(evidence(), about={"signer": SIGNER}).status is Status.AFFIRMING
    for last in (Counters(clock=1001, resets=3), Counters(clock=1, resets=4)):
        assert codes(appraise(evidence(), last=last)) == [AppraisalCode.COUNTER_BACK]
    again = Counters(clock=999, resets=3, restarts=0)
    assert appraise(evidence(), last=again).status is Status.AFFIRMING


def test_an_epoch_is_as_good_as_a_nonce_where_the_chip_signed_it():
    data = evidence(nonce=epoch_nonce(77), epoch=77)
    assert appraise(data, nonce=None, epochs=range(76, 78)).status is Status.AFFIRMING
    assert codes(appraise(data, nonce=None, epochs=range(78, 80))) == [AppraisalCode.STALE]
    claimed = evidence(nonce=epoch_nonce(77), epoch=78)
    assert codes(appraise(claimed, nonce=None, epochs=range(78, 80))) == [AppraisalCode.STALE]


@given(st.data())
def test_no_changed_byte_is_affirmed(data: st.DataObject):
    whole = evidence()
    at = data.draw(st.integers(0, len(whole) - 1))
    altered = whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :]
    appraisal = appraise(altered)
    if appraisal.status is Status.AFFIRMING:  # only a label of the log, which nobody signs
        parts = read_parts(altered)
        assert parts.quote_bytes == read_parts(whole).quote_bytes
        assert parts.registers == REGISTERS


@given(st.binary(max_size=400))
def test_noise_is_malformed_and_stops_nothing(noise: bytes):
    with pytest.raises(Malformed):
        Tpm().read(noise)
    assert codes(appraise(noise)) == [AppraisalCode.MALFORMED]
    wrapped = cbor2.dumps({"attest": noise, "sig": noise, "registers": {}})
    assert codes(appraise(wrapped)) == [AppraisalCode.MALFORMED]


def test_oversized_evidence_is_refused_before_it_is_read():
    assert codes(appraise(bytes((8 << 20) + 1))) == [AppraisalCode.MALFORMED]


def test_a_batch_gives_the_same_answers():
    pieces = [evidence(), evidence(unit=LOG[:2]), b"noise", evidence(clock=5)] * 40
    appraiser = Appraiser(references(), [Tpm()])
    enrolled = Enrolled(scheme="tpm", key=KEY.public, reference="server")
    tasks = [Task(one, "tpm", Freshness(now=NOW, nonce=NONCE), enrolled) for one in pieces]
    assert appraiser.appraise_many(tasks) == [appraiser.appraise(task) for task in tasks]


# --- published evidence ---------------------------------------------------------------------


def scheme_folder(shared: Path, name: str) -> Path:
    return shared / "vectors" / "veraison" / "scheme" / name / "test"


def corim(shared: Path, name: str, file: str) -> References:
    known = References()
    data = (scheme_folder(shared, name) / "corim" / file).read_bytes()
    open_corim(data, keys=(), now=NOW, allow_unsigned=True).feed(known)
    return known


def enacttrust(shared: Path) -> tuple[bytes, PublicKey, bytes]:
    folder = scheme_folder(shared, "tpm-enacttrust")
    token = (folder / "evidence/basic.token").read_bytes()
    return token, PublicKey.from_pem((folder / "keys/basic.pem.pub").read_bytes()), token[:16]


def test_the_published_enacttrust_token_is_appraised_as_expected(shared: Path):
    """Results file ``enacttrust.good.json``: affirming, executables 2."""
    token, _, node = enacttrust(shared)
    known = corim(shared, "tpm-enacttrust", "corim-enacttrust-valid.cbor")
    bound = {"selection": (("sha256", (1, 2, 3, 4)),)}
    unbound = appraise(token, known, nonce=None, key=None, reference=None, identity=node)
    assert codes(unbound) == [AppraisalCode.SELECTION_UNBOUND]
    appraisal = appraise(
        token, known, nonce=None, key=None, reference=None, identity=node, about=bound
    )
    assert appraisal.status in (Status.AFFIRMING, Status.WARNING)
    assert appraisal.vector.executables == 2
    assert appraisal.claims["pcr-selection"] == [1, 2, 3, 4]
    assert appraisal.claims["firmware-version"] == 7
    assert appraisal.claims["node-id"] == node
    # the document is not signed, and that is said
    assert codes(appraisal) == [AppraisalCode.REFERENCE_UNSIGNED]


def test_an_enacttrust_token_of_another_node_is_contraindicated(shared: Path):
    """Results file ``enacttrust.badnode.json``."""
    token, key, node = enacttrust(shared)
    other = bytes((token[0] ^ 1,)) + token[1:]
    known = corim(shared, "tpm-enacttrust", "corim-enacttrust-valid.cbor")
    appraisal = appraise(other, known, nonce=None, key=key, reference=None, identity=node)
    assert appraisal.status is Status.CONTRAINDICATED
    assert codes(appraisal)[0] is AppraisalCode.IDENTITY_DIFFERS


def test_an_altered_enacttrust_token_is_contraindicated(shared: Path):
    token, key, _ = enacttrust(shared)
    for at in range(18, len(token)):
        altered = token[:at] + bytes((token[at] ^ 1,)) + token[at + 1 :]
        appraisal = appraise(altered, References(), nonce=None, key=key)
        assert codes(appraisal)[0] in (AppraisalCode.SIGNATURE_WRONG, AppraisalCode.MALFORMED), at


def parsec(shared: Path) -> bytes:
    return (scheme_folder(shared, "parsec-tpm") / "evidence/evidence.cbor").read_bytes()


def test_the_published_parsec_token_is_appraised_by_its_reference_values(shared: Path):
    known = corim(shared, "parsec-tpm", "corim-parsec-tpm-valid.cbor")
    nonce = bytes.fromhex("a20b9e12fb4e0507f1d7af4a9492943cbeae881db7cefe040edfe487eff354f5")
    model = next(iter(known.models))
    token = parsec(shared)
    assert len(nonce) == 32
    shown = Tpm().read(token)
    appraisal = appraise(token, known, nonce=shown.nonce, key=None, reference=model)
    assert appraisal.status in (Status.AFFIRMING, Status.WARNING)
    assert appraisal.vector.executables == 2
    assert appraisal.claims["pcr-selection"] == [0, 1, 2]


def test_both_halves_of_a_parsec_token_must_hold_together(shared: Path):
    known = corim(shared, "parsec-tpm", "corim-parsec-tpm-valid.cbor")
    model = next(iter(known.models))
    value = cbor2.loads(parsec(shared))
    for half, member in (("kat", "sig"), ("pat", "sig"), ("kat", "pubArea"), ("kat", "certInfo")):
        changed = {name: dict(part) for name, part in value.items()}
        part = bytearray(changed[half][member])
        part[-1] ^= 1
        changed[half][member] = bytes(part)
        data = cbor2.dumps(changed)
        appraisal = appraise(data, known, nonce=None, key=None, reference=model)
        assert appraisal.status in (Status.CONTRAINDICATED, Status.NONE), (half, member)
        assert appraisal.vector.executables != 2


@pytest.mark.parametrize(
    "name", ["no-class", "no-class-id", "class-id", "no-pcr", "no-digests", "multiple-keys"]
)
def test_bad_parsec_reference_values_affirm_nothing(shared: Path, name: str):
    try:
        known = corim(shared, "parsec-tpm", f"corim-parsec-tpm-bad-{name}.cbor")
    except Malformed:
        return
    good = corim(shared, "parsec-tpm", "corim-parsec-tpm-valid.cbor")
    model, key = next(iter(good.models)), next(iter(good.endorsed)).key
    appraisal = appraise(parsec(shared), known, nonce=None, key=key, reference=model)
    assert appraisal.status is not Status.AFFIRMING


# --- logs of firmware and Linux ---------------------------------------------------------------


def le(number: int, size: int = 4) -> bytes:
    return number.to_bytes(size, "little")


def firmware_log(*events: tuple[int, bytes]) -> bytes:
    """A log of PC firmware with one bank; every event measures its own data."""
    spec = (
        b"Spec ID Event03\0" + le(0) + bytes((0, 2, 0, 2)) + le(1) + le(0xB, 2) + le(32, 2) + b"\0"
    )
    parts = [le(0) + le(3) + bytes(20) + le(len(spec)) + spec]
    for register, data in events:
        digest = le(1) + le(0xB, 2) + sha256(data).digest()
        parts.append(le(register) + le(5) + digest + le(len(data)) + data)
    return b"".join(parts)


def ima_line(path: str, content: bytes) -> tuple[bytes, bytes]:
    """A line of Linux's list, and what the SHA-256 bank is extended with."""
    name = path.encode() + b"\0"
    entry = le(40) + b"sha256:\0" + sha256(content).digest() + le(len(name)) + name
    template = sha1(entry, usedforsecurity=False).hexdigest()
    line = f"10 {template} ima-ng sha256:{sha256(content).hexdigest()} {path}\n"
    return line.encode(), sha256(entry).digest()


def test_logs_of_firmware_and_linux_explain_their_registers():
    boot = ((0, b"fw"), (4, b"loader"))
    (one, first), (two, second) = ima_line("/sbin/init", b"init"), ima_line("/bin/sh", b"sh")
    registers = {
        ("sha256", 0): extended(FIRMWARE),
        ("sha256", 4): extended(LOADER),
        ("sha256", 10): extended(first, second),
    }
    attest = quote(registers)
    signature = tpm_signature(attest)

    def shown(log: bytes, ima: bytes) -> bytes:
        return write_evidence(attest, signature, registers, log=log, ima=ima)

    known = References()
    for content in (b"fw", b"loader", b"init", b"sh"):  # of Linux's entries the file's own digest
        known.add(_reference("event", sha256(content).digest()))
    known.close("server")
    assert appraise(shown(firmware_log(*boot), one + two), known).status is Status.AFFIRMING
    hidden = appraise(shown(firmware_log(*boot), one), known)
    assert codes(hidden) == [AppraisalCode.LOG_DIFFERS]
    altered = firmware_log(*boot).replace(b"loader", b"Loader")
    renamed = appraise(shown(altered, one + two), known)
    assert renamed.status is Status.AFFIRMING  # words are no measurement: the digest decides
    other = appraise(shown(firmware_log((0, b"fw"), (4, b"evil")), one + two), known)
    assert other.findings[0].about["cause"] in ("missing", "digest-of-data")
    assert other.findings[0].about["register"] == 4


def test_a_log_that_cannot_be_read_is_told_once_the_signature_holds():
    attest = quote(REGISTERS)
    data = write_evidence(attest, tpm_signature(attest), REGISTERS, log=b"noise" * 20)
    appraisal = appraise(data)
    assert codes(appraisal) == [AppraisalCode.CLAIMS_INVALID]
    assert appraisal.status is Status.NONE
    other = PrivateKey.derive(Algorithm.ES256, b"other").public
    assert codes(appraise(data, key=other)) == [AppraisalCode.SIGNATURE_WRONG]


def test_what_is_kept_of_a_class_never_outlives_its_references_or_their_time():
    known = References()
    for (_, number), digest in REGISTERS.items():
        known.add(replace(_reference(str(number), digest), until=NOW + 10))
    data = evidence(unit=())

    def status(now: int) -> Status:
        enrolled = Enrolled(scheme="tpm", key=KEY.public, reference="server")
        task = Task(data, "tpm", Freshness(now=now, nonce=NONCE), enrolled)
        return Appraiser(known, [Tpm()]).appraise(task).status

    first = status(NOW)
    assert first is Status.AFFIRMING
    assert status(NOW) is first
    assert status(NOW + 3600) is not first
    assert status(NOW) is first
    known.add(_reference("7", b"\x07" * 32))  # from now on a register more is asked for
    assert status(NOW) is not first


def test_other_values_of_a_class_are_judged_by_themselves():
    known = references()
    assert appraise(evidence(unit=()), known).status is Status.AFFIRMING
    evil = REGISTERS | {("sha256", 4): b"\x01" * 32}
    for _ in range(2):
        assert appraise(evidence(evil, unit=()), known).status is Status.CONTRAINDICATED
        assert appraise(evidence(unit=()), known).status is Status.AFFIRMING
        # the good quote, with the values of another machine beside it
        mixed = appraise(evidence(unit=(), shown=evil), known)
        assert mixed.status is Status.CONTRAINDICATED
