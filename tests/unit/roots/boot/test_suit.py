# SPDX-License-Identifier: Apache-2.0
"""SUIT manifests: verified before they are read, carried out within bounds, refused when older."""

import re
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.roots.boot.suit import (
    Content,
    Device,
    Envelope,
    Firmware,
    Procedure,
    boot,
    class_id,
    install,
    mac_manifest,
    make_manifest,
    read_envelope,
    read_manifest,
    sign_manifest,
    vendor_id,
)
from kizuna.roots.boot.suit.manifest import Command, Parameter
from kizuna.roots.cose import encode
from kizuna.roots.cose.mac0 import SharedKey
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit

IMAGE = b"firmware image" * 100
VENDOR = vendor_id("fans.example")
MODEL = class_id(VENDOR, "fan-2")
UNIT = EphemeralUnit(b"maker")
HANDLE = UNIT.generate(Algorithm.ES256, "maker")
KEY = UNIT.public(HANDLE)
SLOT = (b"\x00",)


def manifest(sequence: int = 5, image: bytes = IMAGE) -> bytes:
    return make_manifest(
        Firmware(
            vendor=VENDOR,
            model=MODEL,
            digest=sha256(image).digest(),
            size=len(image),
            sequence=sequence,
            uri="#image",
        )
    )


def fetch(_: str) -> Content:
    return Content.of(IMAGE)


def device(sequence: int | None = None, image: bytes | None = None) -> Device:
    slots = {} if image is None else {SLOT: Content.of(image)}
    return Device(vendor=VENDOR, model=MODEL, sequence=sequence, slots=slots)


def test_what_is_signed_is_opened_installed_and_started():
    opened = read_envelope(sign_manifest(manifest(), [(UNIT, HANDLE)])).open([KEY])
    run = install(opened, device(4), fetch)
    assert run.succeeded
    assert run.slots[SLOT].data == IMAGE
    started = boot(opened, device(5, image=IMAGE))
    assert started.invoked == 0
    assert started.steps[-1] == "invoke 0"


@pytest.mark.parametrize("installed", [5, 6, 2**40])
def test_older_and_equal_sequence_numbers_are_not_installed(installed: int):
    with pytest.raises(Refused) as caught:
        install(read_manifest(manifest()), device(installed), fetch)
    assert caught.value.code == "firmware.rollback"


def test_an_older_manifest_is_not_started():
    with pytest.raises(Refused):
        boot(read_manifest(manifest()), device(6, image=IMAGE))


def test_another_image_is_not_installed_and_nothing_changes():
    run = install(read_manifest(manifest()), device(4, image=b"old"), lambda _: Content.of(b"evil"))
    assert run.failure is not None
    assert (run.failure.command, run.failure.why) == ("image-match", "size")
    assert run.slots[SLOT].data == b"old"
    same_size = IMAGE[:-1] + b"!"
    run = install(read_manifest(manifest()), device(4), lambda _: Content.of(same_size))
    assert run.failure is not None
    assert run.failure.why == "digest"


def test_other_vendors_and_classes_are_refused():
    read = read_manifest(manifest())
    other = Device(vendor=vendor_id("pumps.example"), model=MODEL)
    run = install(read, other, fetch)
    assert run.failure is not None
    assert run.failure.why == "vendor"
    run = install(read, Device(vendor=VENDOR, model=class_id(VENDOR, "fan-3")), fetch)
    assert run.failure is not None
    assert run.failure.why == "class"


def test_a_fetch_that_brings_nothing_fails():
    run = install(read_manifest(manifest()), device(), lambda _: None)
    assert run.failure is not None
    assert run.failure.why == "fetch"


def test_unsigned_unknown_and_wrong_signers_are_told_apart():
    other = EphemeralUnit(b"other")
    stranger = other.public(other.generate(Algorithm.ES256, "x"))
    signed = read_envelope(sign_manifest(manifest(), [(UNIT, HANDLE)]))
    with pytest.raises(Refused):
        signed.open([stranger])
    with pytest.raises(Refused):
        read_envelope(sign_manifest(manifest(), [])).open([KEY])
    broken = bytearray(sign_manifest(manifest(), [(UNIT, HANDLE)]))
    at = bytes(broken).index(signed.signatures[0].signature)
    broken[at + 5] ^= 1
    with pytest.raises(Tampered):
        read_envelope(bytes(broken)).open([KEY])


@given(st.data())
def test_no_changed_byte_gets_a_manifest_through(data: st.DataObject):
    whole = sign_manifest(manifest(), [(UNIT, HANDLE)])
    at = data.draw(st.integers(0, len(whole) - 1))
    altered = whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :]
    try:
        opened = read_envelope(altered).open([KEY])
    except Problem:
        return
    assert opened == read_manifest(manifest())  # an unsigned hint (a header's spelling) changed


@given(st.binary(max_size=200))
def test_noise_never_breaks_the_readers(noise: bytes):
    for read in (read_envelope, read_manifest):
        with pytest.raises(Problem):
            read(noise)


def test_a_shared_key_does_where_nothing_else_can():
    key = SharedKey(b"k" * 32)
    sealed = mac_manifest(manifest(), key)
    assert read_envelope(sealed).open([key]).sequence == 5
    with pytest.raises(Tampered):
        read_envelope(sealed).open([SharedKey(b"x" * 32)])


def suit(shared_commands: list[object], install_commands: list[object], parts: int = 1) -> bytes:
    return encode(
        {
            1: 1,
            2: 1,
            3: encode({2: [[bytes((n,))] for n in range(parts)], 4: encode(shared_commands)}),
            20: encode(install_commands),
        }
    )


def digest(data: bytes) -> bytes:
    return encode([-16, sha256(data).digest()])


def test_alternatives_are_tried_in_order_and_leave_nothing_behind():
    one = encode([20, {21: "a", 3: digest(b"A")}, 21, 2, 3, 15])
    two = encode([20, {21: "b", 3: digest(b"B")}, 21, 2, 3, 15])
    read = read_manifest(suit([20, {1: VENDOR}, 1, 15], [15, [one, two]]))
    asked: list[str] = []

    def only_b(uri: str) -> Content | None:
        asked.append(uri)
        return Content.of(b"not A" if uri == "a" else b"B")

    run = install(read, device(), only_b)
    assert run.succeeded
    assert asked == ["a", "b"]
    assert run.slots[SLOT].data == b"B"
    run = install(read_manifest(suit([1, 15], [15, [one, None]])), device(), only_b)
    assert run.failure is not None  # a vendor condition without its parameter
    run = install(
        read_manifest(suit([20, {1: VENDOR}, 1, 15], [15, [one, None]])), device(), only_b
    )
    assert run.succeeded
    assert run.slots == {}


def test_components_are_copied_swapped_and_written():
    read = read_manifest(
        suit(
            [20, {1: VENDOR}, 1, 15],
            [
                12,
                [0, 1],
                20,
                {18: b"new"},
                18,
                2,
                12,
                1,
                20,
                {18: b"one"},
                18,
                2,
                20,
                {22: 0},
                31,
                2,
                12,
                0,
                20,
                {18: b"one"},
                6,
                15,
            ],
            parts=2,
        )
    )
    run = install(read, device(), fetch)
    assert run.failure is None
    assert run.slots[(b"\x01",)].data == b"new"


@pytest.mark.parametrize(
    "commands",
    [
        [99, 15],
        [21],
        [12, 1],
        [20, {99: 1}],
        [20, {}],
        [20, {1: b"short"}],
        [20, {14: -1}],
        [21, 99],
        [15, [encode([14, 15])]],
        [3, 15] * 600,
    ],
)
def test_what_is_not_understood_is_refused_before_anything_is_done(commands: list[object]):
    with pytest.raises(Malformed):
        read_manifest(suit([20, {1: VENDOR}, 1, 15], commands))


def test_nesting_and_shared_sequences_are_bounded():
    nested = encode([14, 15])
    for _ in range(6):
        nested = encode([32, nested])
    with pytest.raises(Malformed):
        read_manifest(suit([1, 15], [32, nested]))
    with pytest.raises(Malformed):
        read_manifest(suit([21, 2], [14, 15]))


def vectors(shared: Path, number: int) -> list[bytes]:
    text = (shared / "vectors/suit" / f"example{number}.txt").read_text()
    found = re.findall(r"~~~\n([0-9a-f\n]+)~~~", text)
    return [bytes.fromhex(block.replace("\n", "")) for block in found]


def vector_key(shared: Path) -> PublicKey:
    pem = (shared / "vectors/suit/private_key.pem").read_bytes()
    return PublicKey.from_loaded(load_pem_private_key(pem, None).public_key())


FIRST = bytes.fromhex("00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210")
SECOND = bytes.fromhex("0123456789abcdeffedcba987654321000112233445566778899aabbccddeeff")
IMAGES = {
    "http://example.com/file.bin": Content(34768, {-16: FIRST}),
    "http://example.com/very/long/path/to/file/file.bin": Content(34768, {-16: FIRST}),
    "http://example.com/file1.bin": Content(34768, {-16: FIRST}),
    "http://example.com/file2.bin": Content(76834, {-16: SECOND}),
}


def opened(shared: Path, number: int) -> tuple[Envelope, list[Envelope]]:
    envelopes = [read_envelope(block) for block in vectors(shared, number)]
    signed = [one for one in envelopes if one.signatures]
    return signed[-1], envelopes


@pytest.mark.parametrize("number", range(6))
def test_the_published_examples_open_under_their_key_only(shared: Path, number: int):
    envelope, all_of_them = opened(shared, number)
    key = vector_key(shared)
    assert envelope.open([key]).sequence == number
    with pytest.raises((Refused, Tampered)):
        envelope.open([KEY])
    for one in all_of_them:
        if not one.signatures:
            with pytest.raises(Refused):
                one.open([key])


@pytest.mark.parametrize("number", range(6))
def test_the_published_examples_are_carried_out(shared: Path, number: int):
    read = opened(shared, number)[0].open([vector_key(shared)])
    held = Device(
        vendor=bytes.fromhex("fa6b4a53d5ad5fdfbe9de663e4d41ffe"),
        model=bytes.fromhex("1492af1425695e48bf429b2d51f2ab45"),
        slots={(b"\x00",): IMAGES["http://example.com/file.bin"]},
    )
    run = install(read, held, IMAGES.get)
    assert run.failure is None
    assert run.slots[(b"\x00",)].digest(-16) in (FIRST, SECOND)
    if Procedure.INVOKE in read.procedures:
        after = Device(vendor=held.vendor, model=held.model, sequence=number, slots=run.slots)
        started = boot(read, after)
        if number == 4:  # loading would unpack the image, which this manifest does not describe
            assert started.failure is not None
            assert (started.failure.command, started.failure.component) == ("image-match", 2)
        else:
            assert started.succeeded
            assert started.invoked == 0
    other = Device(vendor=bytes(16), model=held.model, slots=held.slots)
    failed = install(read, other, IMAGES.get)
    assert failed.failure is not None
    assert failed.failure.why == "vendor"


@pytest.mark.parametrize("number", range(6))
def test_altered_examples_are_refused(shared: Path, number: int):
    key = vector_key(shared)
    whole = max((b for b in vectors(shared, number) if read_envelope(b).signatures), key=len)
    good = read_envelope(whole).open([key])
    for at in range(0, len(whole), 3):
        altered = whole[:at] + bytes((whole[at] ^ 0x41,)) + whole[at + 1 :]
        try:
            read = read_envelope(altered).open([key])
        except Problem:
            continue
        assert read == good, at


def test_severed_parts_may_be_left_out_and_not_exchanged(shared: Path):
    short, whole = vectors(shared, 2)[1:3]
    key = vector_key(shared)
    without = read_envelope(short).open([key])
    assert Procedure.INSTALL not in without.procedures
    assert set(without.severed) == {20, 23}
    held = Device(vendor=bytes.fromhex("fa6b4a53d5ad5fdfbe9de663e4d41ffe"), model=bytes(16))
    assert install(without, held, lambda _: None).failure is not None
    envelope = read_envelope(whole)
    assert envelope.open([key]).procedures[Procedure.INSTALL]
    with pytest.raises(Tampered):
        read_manifest(envelope.manifest, {**envelope.severed, 20: b"\x82\x0e\x0f"})


def test_parameters_tell_what_image_belongs_to_a_manifest():
    found = read_manifest(manifest()).parameters()
    assert found[Parameter.IMAGE_DIGEST].value == sha256(IMAGE).digest()
    assert found[Parameter.IMAGE_SIZE] == len(IMAGE)
    assert Command.FETCH in [
        command for command, _ in read_manifest(manifest()).procedures[Procedure.INSTALL]
    ]
