# SPDX-License-Identifier: Apache-2.0
"""Manifests that depend on manifests of others, encrypted payloads, and texts for people."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.roots.boot.suit import (
    Content,
    Device,
    Firmware,
    Needed,
    boot,
    class_id,
    install,
    make_manifest,
    read_envelope,
    read_manifest,
    sign_manifest,
    vendor_id,
)
from kizuna.roots.boot.suit.manifest import Manifest
from kizuna.roots.cose import SharedKey, encode
from kizuna.roots.cose.encrypted import encrypt
from kizuna.roots.keys import Algorithm, PrivateKey
from kizuna.roots.units import EphemeralUnit

IMAGE, RADIO = b"application image" * 50, b"radio image" * 70
VENDOR = vendor_id("fans.example")
MODEL = class_id(VENDOR, "fan-2")
UNIT, RADIOS = EphemeralUnit(b"maker"), EphemeralUnit(b"maker of radios")
HANDLE, RADIO_HANDLE = UNIT.generate(Algorithm.ES256, "a"), RADIOS.generate(Algorithm.ES256, "r")
KEYS = [UNIT.public(HANDLE), RADIOS.public(RADIO_HANDLE)]
DEVICE_KEY = PrivateKey.derive(Algorithm.ES256, b"the device")
NAME = b"radio"


def firmware(image: bytes = IMAGE, **more: object) -> Firmware:
    about = {
        "vendor": VENDOR,
        "model": MODEL,
        "digest": sha256(image).digest(),
        "size": len(image),
        "sequence": 5,
        "uri": "https://example.com/image",
    }
    return Firmware(**(about | more))  # type: ignore[arg-type]


def radio(sequence: int = 3, image: bytes = RADIO) -> bytes:
    made = firmware(image, sequence=sequence, uri="#inside")
    return sign_manifest(make_manifest(made), [(RADIOS, RADIO_HANDLE)], payloads={"#inside": image})


def both(needed: bytes, sequence: int = 5) -> bytes:
    part = Needed(name=NAME, envelope=needed)
    return sign_manifest(
        make_manifest(firmware(sequence=sequence, dependencies=(part,))),
        [(UNIT, HANDLE)],
        payloads={part.inside: needed},
    )


def carried_out(whole: bytes, device: Device | None = None, keys=KEYS, step=install):
    envelope = read_envelope(whole)

    def fetch(uri: str) -> Content | None:
        inside = envelope.payloads.get(uri)
        if inside is not None:
            return Content.of(inside)
        return None if uri.startswith("#") else Content.of(IMAGE)

    def opening(data: bytes):
        return read_envelope(data).open_dependency(keys)

    held = device or Device(vendor=VENDOR, model=MODEL)
    if step is boot:
        return boot(envelope.open(KEYS), held, opening=opening)
    return install(envelope.open(KEYS), held, fetch, opening=opening)


def test_a_dependency_is_installed_first_and_under_its_own_name():
    run = carried_out(both(radio()))
    assert run.failure is None
    assert run.slots[(b"\x00",)].data == IMAGE
    assert run.slots[(NAME, b"\x00")].data == RADIO
    assert dict(run.dependencies) == {(NAME,): 3}
    assert run.steps.index("dependency-1/fetch 0") < run.steps.index("fetch 0")
    assert run.left == ("invoke", "dependency 1: invoke")
    device = Device(
        vendor=VENDOR, model=MODEL, sequence=5, slots=run.slots, dependencies=run.dependencies
    )
    started = carried_out(both(radio()), device, step=boot)
    assert started.failure is None
    assert started.started == (b"\x00",)
    assert "dependency-1/invoke 0" in started.steps


def test_a_dependency_of_an_unknown_signer_is_refused_and_nothing_changes():
    with pytest.raises((Refused, Tampered)):
        carried_out(both(radio()), keys=KEYS[:1])


def test_a_dependency_that_is_older_than_the_installed_one_is_refused():
    device = Device(vendor=VENDOR, model=MODEL, dependencies={(NAME,): 4})
    with pytest.raises(Refused) as caught:
        carried_out(both(radio()), device)
    assert caught.value.code == "firmware.rollback"
    same = Device(vendor=VENDOR, model=MODEL, dependencies={(NAME,): 3})
    assert carried_out(both(radio()), same).succeeded


def test_another_dependency_than_the_dependent_names_is_refused():
    whole = both(radio())
    envelope = read_envelope(whole)
    other = radio(sequence=9)

    def fetch(uri: str) -> Content:
        return Content.of(other if uri == "#radio" else IMAGE)

    run = install(
        envelope.open(KEYS),
        Device(vendor=VENDOR, model=MODEL),
        fetch,
        opening=lambda data: read_envelope(data).open_dependency(KEYS),
    )
    assert run.failure is not None
    assert (run.failure.command, run.failure.why) == ("image-match", "digest")
    assert run.slots == {}


def test_a_dependency_of_which_nobody_can_say_whose_it_is_fails():
    manifest = read_envelope(both(radio())).open(KEYS)
    run = install(
        manifest,
        Device(vendor=VENDOR, model=MODEL),
        lambda uri: Content.of(radio() if uri == "#radio" else IMAGE),
    )
    assert run.failure is not None
    assert (run.failure.command, run.failure.why) == ("process-dependency", "dependency")


def test_a_dependency_for_another_class_fails_the_whole():
    made = firmware(RADIO, model=class_id(VENDOR, "pump-1"), uri="#inside")
    other = sign_manifest(
        make_manifest(made), [(RADIOS, RADIO_HANDLE)], payloads={"#inside": RADIO}
    )
    run = carried_out(both(other))
    assert run.failure is not None
    assert (run.failure.command, run.failure.component, run.failure.why) == ("class", 1, "class")
    assert run.slots == {}


def raw(common: dict[int, object], **procedures: object) -> Manifest:
    members: dict[int, object] = {1: 1, 2: 1, 3: encode(common)}
    members |= {int(key[1:]): value for key, value in procedures.items()}
    return read_manifest(encode(members))


def test_a_dependency_that_is_never_carried_out_is_named():
    made = raw({1: {1: {1: [b"x"]}}, 2: [[b"\x00"]]}, _20=encode([12, 0, 20, {18: b"a"}, 18, 2]))
    run = install(made, Device(vendor=VENDOR, model=MODEL), lambda _: None)
    assert run.succeeded
    assert run.left == ("dependency 1",)


def needing(uri: str, digest: bytes | None) -> bytes:
    """A manifest that fetches another and carries it out, with or without saying which."""
    about: dict[int, object] = {21: uri}
    check: list[object] = []
    if digest is not None:
        about[3], check = encode([-16, digest]), [3, 15]
    members = {
        1: 1,
        2: 1,
        3: encode({1: {1: {1: [b"x"]}}, 2: [[b"\x00"]]}),
        20: encode([12, 1, 20, about, 21, 2, *check, 11, 15]),
    }
    return sign_manifest(encode(members), [(UNIT, HANDLE)])


def carried(whole: bytes, held: dict[str, bytes]):
    return install(
        read_envelope(whole).open([KEYS[0]]),
        Device(vendor=VENDOR, model=MODEL),
        lambda uri: Content.of(held[uri]),
        opening=lambda data: read_envelope(data).open_dependency([KEYS[0]]),
    )


def test_manifests_that_depend_on_ever_more_manifests_come_to_an_end():
    held = {"0": sign_manifest(make_manifest(firmware()), [(UNIT, HANDLE)])}
    for level in range(1, 8):
        before = held[str(level - 1)]
        held[str(level)] = needing(str(level - 1), sha256(before).digest())
    run = carried(held["7"], held)
    assert run.failure is not None
    assert run.failure.why == "depth"


def test_a_fetched_manifest_that_no_digest_names_is_not_carried_out():
    """Signed by somebody who counts is not enough: the network chooses which it brings."""
    other = sign_manifest(make_manifest(firmware()), [(UNIT, HANDLE)])
    run = carried(needing("u", None), {"u": other})
    assert run.failure is not None
    assert (run.failure.command, run.failure.why) == ("process-dependency", "unchecked")


def test_a_condition_asks_whether_a_component_holds_a_manifest():
    common = {1: {1: {1: [b"x"]}}, 2: [[b"\x00"]]}
    for index, why in ((1, None), (0, "dependency")):
        made = raw(common, _20=encode([12, index, 8, 15]))
        run = install(made, Device(vendor=VENDOR, model=MODEL), lambda _: None)
        assert (run.failure and run.failure.why) == why


@pytest.mark.parametrize(
    "dependencies",
    [{}, {0: 5}, {"a": {}}, {0: {2: [b"x"]}}, {3: {1: [b"x"]}}, {1: {}}, {0: {1: []}}, {-1: {}}],
)
def test_dependencies_of_a_wrong_shape_are_refused(dependencies: object):
    with pytest.raises(Malformed):
        raw({1: dependencies, 2: [[b"\x00"]]}, _20=encode([14, 15]))


@pytest.mark.parametrize("member", [24, 99, "name"])
def test_members_that_nobody_carries_out_are_refused_not_passed_over(member: object):
    with pytest.raises(Malformed):
        read_manifest(encode({1: 1, 2: 1, 3: encode({2: [[b"\x00"]]}), member: encode([14, 15])}))


def test_delegated_keys_are_refused_by_name():
    with pytest.raises(Malformed, match="delegation"):
        read_envelope(encode({1: b"", 2: encode([b""]), 3: b""}))


def sealed(recipients) -> tuple[Firmware, bytes]:
    how, travels = encrypt(IMAGE, recipients)
    digest = sha256(travels).digest()
    return firmware(encryption=how, sealed=(digest, len(travels))), travels


def test_an_encrypted_image_is_opened_by_the_device_it_is_for():
    shared = SharedKey(b"w" * 16)
    made, travels = sealed([DEVICE_KEY.public, shared])
    manifest = read_manifest(make_manifest(made))
    for opener in (DEVICE_KEY, shared):
        run = install(
            manifest,
            Device(vendor=VENDOR, model=MODEL),
            lambda _: Content.of(travels),
            openers=[opener],
        )
        assert run.failure is None
        assert run.slots[(b"\x00",)].data == IMAGE
        assert run.slots[(b"encrypted",)].data == travels


def test_an_encrypted_image_stays_closed_to_others_and_is_never_installed_as_it_is():
    made, travels = sealed([DEVICE_KEY.public])
    manifest = read_manifest(make_manifest(made))
    device = Device(vendor=VENDOR, model=MODEL)
    for openers in ((), [PrivateKey.derive(Algorithm.ES256, b"thief")]):
        with pytest.raises(Refused) as caught:
            install(manifest, device, lambda _: Content.of(travels), openers=openers)
        assert caught.value.code == "envelope.not-for-us"
    altered = travels[:-1] + bytes((travels[-1] ^ 1,))
    run = install(manifest, device, lambda _: Content.of(altered), openers=[DEVICE_KEY])
    assert run.failure is not None
    assert run.failure.why == "digest"


def test_encrypted_content_in_the_manifest_is_opened_where_it_is_written():
    how, inside = encrypt(b"settings", [DEVICE_KEY.public])
    made = raw({2: [[b"\x00"]]}, _20=encode([20, {18: inside, 19: how}, 18, 2]))
    device = Device(vendor=VENDOR, model=MODEL)
    run = install(made, device, lambda _: None, openers=[DEVICE_KEY])
    assert run.slots[(b"\x00",)].data == b"settings"
    made = raw({2: [[b"\x00"]]}, _20=encode([20, {18: b"other", 19: how}, 18, 2]))
    with pytest.raises(Tampered):
        install(made, device, lambda _: None, openers=[DEVICE_KEY])


@pytest.mark.parametrize(
    ("parameters", "command", "why"),
    [
        ({21: "u", 19: b"x"}, 21, "encryption"),
        ({21: "u", 30: b"x"}, 21, "arguments"),
        ({22: 0, 19: b"x"}, 31, "encryption"),
    ],
)
def test_parameters_that_a_command_would_not_heed_fail_it(
    parameters: dict[int, object], command: int, why: str
):
    made = raw({2: [[b"\x00"]]}, _20=encode([20, parameters, command, 2]))
    run = install(made, Device(vendor=VENDOR, model=MODEL), lambda _: Content.of(b"x"))
    assert run.failure is not None
    assert run.failure.why == why


def test_what_a_component_is_started_with_is_told():
    made = raw({2: [[b"\x00"]]}, _9=encode([20, {23: b"--safe"}, 23, 2]))
    device = Device(vendor=VENDOR, model=MODEL, slots={(b"\x00",): Content.of(b"x")})
    run = boot(made, device)
    assert (run.started, run.arguments) == ((b"\x00",), b"--safe")


def test_the_published_text_is_read(shared: Path):
    blocks = (shared / "vectors/suit/example2.txt").read_text().split("~~~")
    whole = [bytes.fromhex(block) for block in blocks if _is_hex(block)]
    envelope = read_envelope(whole[-1])
    texts = read_manifest(envelope.manifest, envelope.severed).texts
    assert {(one.language, one.about, one.component) for one in texts} == {
        ("en-US", "manifest-description", None),
        ("en-US", "vendor-domain", (b"\x00",)),
        ("en-US", "component-description", (b"\x00",)),
    }
    assert next(one.text for one in texts if one.about == "vendor-domain") == "arm.com"


def _is_hex(block: str) -> bool:
    return bool(block.strip()) and set(block) <= set("0123456789abcdef\n")


def test_what_the_maker_says_comes_back():
    texts = read_manifest(make_manifest(firmware(text="Mends the door lock."))).texts
    assert [(one.about, one.text) for one in texts] == [
        ("update-description", "Mends the door lock.")
    ]


@given(st.binary(max_size=120), st.sampled_from([1, 4, 23]))
def test_noise_in_new_parts_is_refused(noise: bytes, member: int):
    common: dict[int, object] = {2: [[b"\x00"]]}
    body: dict[int, object] = {1: 1, 2: 1}
    if member == 23:
        body[23] = noise + b"\xff"
    else:
        common[member] = noise
    body[3] = encode(common)
    with pytest.raises(Problem):
        read_manifest(encode(body))
