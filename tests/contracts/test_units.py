# SPDX-License-Identifier: Apache-2.0
"""What every unit keeps, asked of all five: memory, file, process, token, chip."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Malformed, Problem, Refused, Tampered
from kizuna.roots.keys import Algorithm, verify
from kizuna.roots.units import (
    REGISTERS,
    Certification,
    EphemeralUnit,
    Handle,
    Purpose,
    Quote,
    Secret,
    Unit,
    check_certification,
    check_quote,
    composite,
    replay,
)
from kizuna.roots.units.process import ProcessUnit, UnitServer
from kizuna.roots.units.software import SoftwareUnit

SECRET = bytes(range(32))
NONCE = b"a nonce of this verifier"
DIGEST = sha256(b"what was started").digest()
FREE = 16
"""A register that every unit lets us extend."""


@dataclass
class Kind:
    """A unit under test, and how its keys are found again after a restart."""

    name: str
    unit: Unit
    again: Callable[[], Unit] | None


def _software(path: Path) -> Kind:
    unit = SoftwareUnit.create(path / "keys", SECRET, random=True)
    return Kind("software", unit, lambda: SoftwareUnit.open(path / "keys", SECRET))


@pytest.fixture(params=["ephemeral", "software", "process", "pkcs11", "tpm"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    if request.param == "ephemeral":
        yield Kind("ephemeral", EphemeralUnit(), None)
    elif request.param == "software":
        yield _software(tmp_path)
    elif request.param == "process":
        kept = _software(tmp_path)
        server = UnitServer(tmp_path / "unit", lambda _: kept.unit)
        thread = threading.Thread(target=server.serve)
        thread.start()
        unit = ProcessUnit(tmp_path / "unit")
        yield Kind("process", unit, lambda: ProcessUnit(tmp_path / "unit"))
        unit.close()
        server.close()
        thread.join()
    elif request.param == "pkcs11":
        module = request.getfixturevalue("hsm_module")
        from kizuna.roots.units.pkcs11 import Pkcs11Unit  # noqa: PLC0415 - needs its extra

        def token() -> Pkcs11Unit:
            return Pkcs11Unit(module, "kizuna", "1234", tmp_path / "registers")

        unit = token()
        for key in [*unit.handles(), *unit.secrets()]:
            unit.destroy(key)
        yield Kind("pkcs11", unit, token)
        unit.close()
    else:
        swtpm = request.getfixturevalue("new_swtpm")()
        from kizuna.roots.units.tpm import TpmUnit  # noqa: PLC0415 - needs its extra

        unit = TpmUnit(swtpm.tcti, tmp_path / "wrapped", pin=b"1234")

        def chip() -> TpmUnit:
            unit.close()  # a chip without resource manager hears one connection
            return TpmUnit(swtpm.tcti, tmp_path / "wrapped", pin=b"1234")

        yield Kind("tpm", unit, chip)
        unit.close()


@pytest.fixture
def unit(kind: Kind) -> Unit:
    return kind.unit


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(Problem) as problem:
        call()
    assert problem.value.hint
    return problem.value.code


def test_a_unit_says_what_it_is(kind: Kind):
    traits = kind.unit.traits
    assert traits.kind == kind.name
    assert (traits.registers == "native") == (kind.name == "tpm")
    assert (traits.attestation == "native") == (kind.name == "tpm")
    assert traits.durable == (kind.name != "ephemeral")
    assert (Algorithm.EDDSA in traits.algorithms) == (kind.name != "tpm")


def test_what_is_signed_verifies(unit: Unit):
    for algorithm in unit.traits.algorithms:
        handle = unit.generate(algorithm, "traffic")
        public = unit.public(handle)
        assert handle.id == public.thumbprint.hex()
        for message in (b"", b"word", bytes(100_000)):
            signature = unit.sign(handle, message)
            assert len(signature) == 64
            assert unit.verify(public, signature, message)
            assert verify(public, signature, message)
            assert not unit.verify(public, signature, message + b"x")
            assert not unit.verify(public, signature[:-1], message)


def test_signatures_have_the_smaller_s(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "traffic")
    half = 0x7FFFFFFF800000007FFFFFFFFFFFFFFFDE737D56D38BCF4279DCE5617E3192A8
    for signature in unit.sign_many(handle, [b"%d" % n for n in range(12)]):
        assert int.from_bytes(signature[32:], "big") <= half


def test_a_batch_is_signed_and_verified_in_its_order(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "traffic")
    public = unit.public(handle)
    messages = [b"%d" % n for n in range(20)]
    signatures = unit.sign_many(handle, messages)
    checks = [(public, s, m) for s, m in zip(signatures, messages, strict=True)]
    checks[7] = (public, signatures[8], messages[7])
    assert unit.verify_many(checks) == [n != 7 for n in range(20)]
    assert unit.sign_many(handle, []) == []


def test_handles_are_listed_in_the_order_of_their_making(unit: Unit):
    made = [unit.generate(Algorithm.ES256, f"key {n}", p) for n, p in enumerate(Purpose)]
    secret = unit.generate_secret("box")
    assert unit.handles() == made
    assert unit.secrets() == [secret]


def test_keys_outlive_their_unit_where_it_is_durable(kind: Kind):
    if kind.again is None:
        assert not kind.unit.traits.durable
        return
    handle = kind.unit.generate(Algorithm.ES256, "traffic")
    secret = kind.unit.generate_secret("box")
    box = kind.unit.encrypt(secret, b"word")
    again = kind.again()
    assert again.handles() == [handle]
    assert verify(again.public(handle), again.sign(handle, b"word"), b"word")
    assert again.decrypt(secret, box) == b"word"
    again.close()


def test_both_sides_agree_on_one_secret_bound_to_its_use(unit: Unit):
    mine = unit.generate(Algorithm.ES256, "agree", Purpose.AGREE)
    other = EphemeralUnit()
    theirs = other.generate(Algorithm.ES256, "agree", Purpose.AGREE)
    for info in (b"", b"channel 1"):
        shared = unit.ecdh(mine, other.public(theirs), info)
        assert shared == other.ecdh(theirs, unit.public(mine), info)
        assert len(shared) == 32
    assert unit.ecdh(mine, other.public(theirs), b"a") != shared
    edwards = other.public(other.generate(Algorithm.EDDSA, "x"))
    assert _code(lambda: unit.ecdh(mine, edwards, b"")) == "unit.peer"


def test_what_is_encrypted_opens_with_key_and_associated_data_only(unit: Unit):
    secret, other = unit.generate_secret("box"), unit.generate_secret("another")
    for plaintext in (b"", b"word", bytes(5000)):
        box = unit.encrypt(secret, plaintext, b"of")
        assert len(box) == len(plaintext) + 28
        assert unit.decrypt(secret, box, b"of") == plaintext
    assert unit.encrypt(secret, b"word") != unit.encrypt(secret, b"word")
    for call in (
        lambda: unit.decrypt(secret, box, b"another"),
        lambda: unit.decrypt(other, box, b"of"),
        lambda: unit.decrypt(secret, box[:-1] + bytes([box[-1] ^ 1]), b"of"),
        lambda: unit.decrypt(secret, bytes(28), b"of"),
    ):
        assert _code(call) == "unit.box"


def test_random_bytes_are_as_many_as_asked_and_never_the_same(unit: Unit):
    assert len({unit.random(32) for _ in range(20)}) == 20
    assert len(unit.random(100)) == 100


def test_a_register_moves_on_and_the_log_leads_there(unit: Unit):
    before = unit.registers()
    assert len(before) == REGISTERS
    unit.extend(FREE, DIGEST, b"boot loader")
    after = unit.registers()
    assert after[FREE] == sha256(before[FREE] + DIGEST).digest()
    assert [v for n, v in enumerate(after) if n != FREE] == [
        v for n, v in enumerate(before) if n != FREE
    ]
    event = unit.events()[-1]
    assert (event.register, event.digest, event.data) == (FREE, DIGEST, b"boot loader")
    assert replay(unit.events())[FREE] == after[FREE]


def test_what_is_sealed_opens_in_the_same_state_only(unit: Unit):
    box = unit.seal(b"the key of the disk", [0, FREE])
    assert unit.unseal(box) == b"the key of the disk"
    unit.extend(FREE, DIGEST)
    assert _code(lambda: unit.unseal(box)) == "unit.registers-changed"
    fresh = unit.seal(b"again", [FREE])
    assert unit.unseal(fresh) == b"again"


def test_a_quote_says_the_registers_freshly(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "attest", Purpose.ATTEST)
    unit.extend(FREE, DIGEST, b"what was started")
    quote = unit.quote(handle, NONCE, [FREE, 0, 0])
    assert dict(quote.registers) == {n: unit.registers()[n] for n in (0, FREE)}
    assert quote.format == ("tpm2" if unit.traits.attestation == "native" else "kizuna")
    assert check_quote(quote, NONCE)
    assert not check_quote(quote, NONCE[:-1] + b"x")
    values = dict(quote.registers)
    values[FREE] = bytes(32)
    assert not check_quote(replace(quote, registers=tuple(values.items())), NONCE)
    assert not check_quote(replace(quote, registers=quote.registers[:1]), NONCE)
    assert not check_quote(replace(quote, message=_flip(quote.message, -1)), NONCE)
    assert not check_quote(replace(quote, signature=_flip(quote.signature, 5)), NONCE)
    if quote.format == "kizuna":
        assert not check_quote(replace(quote, events=()), NONCE)


def test_a_quote_over_every_register_fits(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "attest", Purpose.ATTEST)
    quote = unit.quote(handle, NONCE, range(REGISTERS))
    assert check_quote(quote, NONCE)
    assert quote.message.find(composite(dict(quote.registers))) > 0


def test_a_certification_binds_a_key_to_the_unit(unit: Unit):
    by = unit.generate(Algorithm.ES256, "attest", Purpose.ATTEST)
    mine = unit.generate(Algorithm.ES256, "traffic")
    soft = EphemeralUnit()
    theirs = soft.public(soft.generate(Algorithm.EDDSA, "short-lived"))
    here, there = unit.certify(by, mine), unit.certify(by, theirs)
    assert (here.claim, here.subject) == ("lives-here", unit.public(mine))
    assert (there.claim, there.subject) == ("presented", theirs)
    for said in (here, there):
        assert said.by == unit.public(by)
        assert check_certification(said)
        assert not check_certification(
            replace(said, subject=soft.public(soft.handles()[0]))
            if said is here
            else replace(said, subject=unit.public(mine))
        )
        assert not check_certification(replace(said, by=unit.public(mine)))
        assert not check_certification(replace(said, message=_flip(said.message, 30)))
        assert not check_certification(replace(said, area=b"x"))
        other = "presented" if said.claim == "lives-here" else "lives-here"
        assert not check_certification(replace(said, claim=other))


def test_one_key_has_one_purpose(unit: Unit):
    keys = {p: unit.generate(Algorithm.ES256, p.value, p) for p in Purpose}
    peer = EphemeralUnit()
    point = peer.public(peer.generate(Algorithm.ES256, "x"))
    uses: dict[Purpose, list[Callable[[Handle], object]]] = {
        Purpose.SIGN: [lambda h: unit.sign(h, b"word"), lambda h: unit.sign_many(h, [b"word"])],
        Purpose.AGREE: [lambda h: unit.ecdh(h, point, b"")],
        Purpose.ATTEST: [lambda h: unit.quote(h, NONCE, [0]), lambda h: unit.certify(h, point)],
    }
    for purpose, calls in uses.items():
        for call in calls:
            for other, handle in keys.items():
                if other is not purpose:
                    for told in (handle, replace(handle, purpose=purpose)):
                        assert _code(lambda c=call, h=told: c(h)) == "unit.purpose"
                else:
                    call(handle)


def test_there_is_no_way_to_have_a_key(unit: Unit):
    names = {name for name in dir(unit) if not name.startswith("_")}
    assert not {n for n in names if "export" in n or "private" in n or "wrap" in n}


def test_a_destroyed_key_is_gone(unit: Unit):
    old, new = unit.generate(Algorithm.ES256, "old"), unit.generate(Algorithm.ES256, "new")
    unit.sign(old, b"word")
    secret = unit.generate_secret("box")
    box = unit.encrypt(secret, b"word")
    unit.destroy(old)
    unit.destroy(secret)
    assert unit.handles() == [new]
    assert unit.secrets() == []
    for call in (
        lambda: unit.sign(old, b"word"),
        lambda: unit.public(old),
        lambda: unit.destroy(old),
        lambda: unit.decrypt(secret, box),
        lambda: unit.destroy(secret),
        lambda: unit.sign(Handle("ab" * 32, "x", Algorithm.ES256), b"word"),
        lambda: unit.encrypt(Secret("ab" * 32, "x"), b"word"),
    ):
        with pytest.raises(Absent) as problem:
            call()
        assert problem.value.code == "unit.no-such-key"
    unit.sign(new, b"word")


def test_what_is_too_large_or_strange_is_refused_and_changes_nothing(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "traffic")
    attest = unit.generate(Algorithm.ES256, "attest", Purpose.ATTEST)
    secret = unit.generate_secret("box")
    before = unit.registers()
    large = bytes((20 << 20) + 1)
    for call in (
        lambda: unit.sign(handle, large),
        lambda: unit.sign_many(handle, [b"x"] * 10_001),
        lambda: unit.encrypt(secret, bytes((1 << 20) + 1)),
        lambda: unit.decrypt(secret, b"short"),
        lambda: unit.random(0),
        lambda: unit.random(5000),
        lambda: unit.extend(FREE, b"not a digest"),
        lambda: unit.extend(FREE, DIGEST, bytes(2000)),
        lambda: unit.seal(bytes(129), [0]),
        lambda: unit.seal(b"x", []),
        lambda: unit.quote(attest, b"short", [0]),
        lambda: unit.quote(attest, bytes(33), [0]),
    ):
        assert _code(call) == "unit.size"
    for register in (-1, REGISTERS):
        assert _code(lambda r=register: unit.extend(r, DIGEST)) == "unit.register"
        assert _code(lambda r=register: unit.quote(attest, NONCE, [r])) == "unit.register"
    for label in ("", "x" * 201):
        assert _code(lambda w=label: unit.generate(Algorithm.ES256, w)) == "unit.label"
    for algorithm in (Algorithm.ES384, Algorithm.PS256):
        with pytest.raises(Malformed):
            unit.generate(algorithm, "no")
    assert _code(lambda: unit.generate(Algorithm.EDDSA, "no", Purpose.AGREE)) == "key.unsupported"
    assert unit.registers() == before
    assert unit.handles() == [handle, attest]


def test_what_a_unit_cannot_make_it_refuses(unit: Unit):
    if Algorithm.EDDSA in unit.traits.algorithms:
        unit.generate(Algorithm.EDDSA, "log")
    else:
        with pytest.raises(Refused) as problem:
            unit.generate(Algorithm.EDDSA, "log")
        assert problem.value.code == "unit.not-offered"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_changed_box_opens_and_no_garbage_harms(unit: Unit, data: st.DataObject):
    box = unit.seal(b"the key of the disk", [FREE])
    broken = data.draw(
        st.one_of(
            st.binary(max_size=300),
            st.tuples(
                st.lists(st.integers(0, 23), max_size=2), st.binary(max_size=80), st.binary()
            ).map(lambda c: cbor2.dumps([*c])),
            st.integers(0, len(box) - 1).map(lambda at: box[:at]),
            st.tuples(st.integers(0, len(box) - 1), st.integers(1, 255)).map(
                lambda c: _flip(box, c[0], c[1])
            ),
        )
    )
    with pytest.raises((Tampered, Refused, Malformed)):
        unit.unseal(broken)
    assert unit.unseal(box) == b"the key of the disk"


def test_a_box_that_no_chip_wrote_is_no_chip_that_is_gone(unit: Unit):
    box = unit.seal(b"the key of the disk", [FREE])
    for public in (b"", b"\0", b"\0@" + bytes(18), b"\xff" * 40, b"\0\x02\0\x23"):
        with pytest.raises((Tampered, Refused, Malformed)):
            unit.unseal(cbor2.dumps([[FREE], public, bytes(9)]))
    assert unit.unseal(box) == b"the key of the disk"


def test_every_single_byte_of_a_box_matters(unit: Unit):
    box = unit.seal(b"the key of the disk", [FREE])
    for at in range(min(len(box), 120)):
        with pytest.raises((Tampered, Refused, Malformed)):
            unit.unseal(_flip(box, at, 2))
    assert unit.unseal(box) == b"the key of the disk"


def test_several_threads_may_use_one_unit(unit: Unit):
    handle = unit.generate(Algorithm.ES256, "traffic")
    public = unit.public(handle)
    held: list[bool] = []

    def work(name: int) -> None:
        for n in range(5):
            message = b"%d %d" % (name, n)
            held.append(verify(public, unit.sign(handle, message), message))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held == [True] * 20


def _flip(data: bytes, at: int, by: int = 1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= by
    return bytes(changed)


def test_checking_survives_whatever_is_sent():
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "x")
    key = unit.public(handle)
    for message in (
        b"",
        os.urandom(60),
        b"\xffTCG",
        b"\xffTCG\x80\x17",
        b"\x80",
        b"\x86" + bytes(5),
    ):
        signature = unit.sign(handle, message)
        for form in ("tpm2", "kizuna"):
            quote = Quote(
                format=form,
                key=key,
                message=message,
                signature=signature,
                registers=((0, bytes(32)),),
                events=(),
            )
            assert not check_quote(quote, NONCE)
            for claim in ("lives-here", "presented"):
                said = Certification(
                    format=form,
                    claim=claim,
                    by=key,
                    subject=key,
                    message=message,
                    signature=signature,
                )
                assert not check_certification(said)
                assert not check_certification(replace(said, area=bytes(100)))
