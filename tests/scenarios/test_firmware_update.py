# SPDX-License-Identifier: Apache-2.0
"""A fan gets new firmware: signed by its maker, refused when older, altered or of someone else,
and the verdict of the product that contains the fan follows.
"""

from hashlib import sha256
from pathlib import Path

import pytest

from kizuna.app.wiring.devices.firmware import (
    check_firmware,
    install_firmware,
    installed,
    sign_firmware,
)
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles import read_profile
from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.outcome import Outcome
from kizuna.model.payload import Action, Described, Link, Links, Notice, Service, Status, Target
from kizuna.model.relation import Relation
from kizuna.record.log.keys import subject_key
from kizuna.roots.boot.suit import Firmware, class_id, make_manifest, sign_manifest, vendor_id
from kizuna.roots.boot.suit.manifest import Parameter
from kizuna.roots.cose import decode, encode

NOW = 1_795_309_200
FAN = SubjectId("urn:dev:ser:fan-0042")
ROOM = SubjectId("urn:dev:ser:cold-room-7")
SCOPE = "pkg:generic/fans"
OLD, NEW = b"first firmware" * 200, b"mended firmware" * 200

PROFILE = read_profile(
    b"""
profile: fans
version: "1"
title: {en: Fans, ja: Fans}
requirements:
  - id: described
    title: {en: It has a name, ja: Name}
    where: root
    kind: capability
    claim: description
    from: [self, maker]
    present: [name]
follow:
  - relation: part-of
    counts: blocking
notices:
  - types: "*"
    from: [self, maker]
    severity: high
silent:
  default: ignored
""",
    "fans.yaml",
)


class Org:
    """An organisation with its store and a clock."""

    def __init__(self, folder: Path, name: str) -> None:
        self.now = NOW
        settings = Settings(store=folder / name, clock=lambda: self.now)
        self.workspace = Workspace.init(
            folder / name, name, now=NOW, settings=settings, policy="open"
        )

    def sign(self, image: bytes, sequence: int, version: str, **more) -> bytes:
        return sign_firmware(
            self.workspace,
            image,
            vendor="fans.example",
            model="fan-2",
            sequence=sequence,
            version=version,
            subject=f"{SCOPE}/fan-2-firmware@{version}",
            **more,
        )[0]

    def check(self, manifest: bytes, image: bytes, **more: str):
        return check_firmware(self.workspace, manifest, image, device=FAN, **more)

    def install(self, manifest: bytes, image: bytes, **more: str):
        return install_firmware(self.workspace, self.check(manifest, image, **more))


PLATE = {"vendor": "fans.example", "model": "fan-2"}


@pytest.fixture
def maker(tmp_path: Path):
    org = Org(tmp_path, "maker")
    with org.workspace:
        yield org


@pytest.fixture
def owner(tmp_path: Path, maker: Org):
    org = Org(tmp_path, "owner")
    with org.workspace as workspace:
        workspace.lists.add(maker.workspace.identity, roles=["maker"], scope=[SCOPE], name="Fans")
        yield org


def verdict(owner: Org) -> str:
    return owner.workspace.verify(Question(ROOM, PROFILE)).value.name.lower()


def test_the_verdict_of_the_product_follows_the_firmware(maker: Org, owner: Org):
    workspace = owner.workspace
    tie = Links(
        links=[Link(relation=Relation.PART_OF, subject=FAN)],
        described=[Described(name="Cold room 7")],
    )
    workspace.register_one(workspace.sign(Kind.LINK, ROOM, tie))
    first, second = maker.sign(OLD, 1, "1.0"), maker.sign(NEW, 2, "2.0")
    owner.install(first, OLD, **PLATE)
    before = verdict(owner)

    owner.now += 60
    bad = SubjectId(f"{SCOPE}/fan-2-firmware@1.0")
    notice = Notice(type="vulnerability", severity="high", summary="opens the door")
    workspace.register_one(workspace.sign(Kind.NOTICE, bad, notice))
    findings = workspace.verify(Question(ROOM, PROFILE)).findings
    assert verdict(owner) == "untrusted" != before
    assert bad in {finding.subject for finding in findings}

    owner.now += 60
    done = owner.install(second, NEW)
    assert done["installed"] == 1
    assert verdict(owner) == before
    # the thief brings the vulnerable firmware back: signed, whole, for this device, and refused
    with pytest.raises(Refused) as caught:
        owner.install(first, OLD)
    assert caught.value.code == "firmware.rollback"
    assert caught.value.outcome is Outcome.NOT_TRUSTED
    assert verdict(owner) == before
    said = installed(workspace, FAN)
    assert said is not None
    assert (said["sequence"], said["firmware"]) == (2, f"{SCOPE}/fan-2-firmware@2.0")


@pytest.mark.parametrize("left", [(), (Parameter.VENDOR,), (Parameter.CLASS,)])
def test_a_manifest_that_does_not_ask_whose_device_it_is_fits_none(
    maker: Org, owner: Org, left: tuple[Parameter, ...]
):
    vendor = vendor_id("fans.example")
    ids = {Parameter.VENDOR: vendor, Parameter.CLASS: class_id(vendor, "fan-2")}
    members = decode(
        make_manifest(
            Firmware(
                vendor=vendor,
                model=ids[Parameter.CLASS],
                digest=sha256(NEW).digest(),
                size=len(NEW),
                sequence=1,
                uri="#image",
                reference=f"{SCOPE}/fan-2-firmware@2.0",
            )
        )
    )
    said = {3: encode([-16, sha256(NEW).digest()]), 14: len(NEW)}
    said |= {int(name): ids[name] for name in left}
    shared = [20, said]
    for name in left:
        shared += [int(name), 15]
    members[3] = encode({2: decode(members[3])[2], 4: encode(shared)})
    manifest = sign_manifest(encode(members), [(maker.workspace.unit, maker.workspace.handle)])
    with pytest.raises(Refused) as caught:
        owner.install(manifest, NEW, **PLATE)
    assert caught.value.code == "firmware.wrong-device"


def test_altered_images_and_manifests_are_refused_and_nothing_is_recorded(maker: Org, owner: Org):
    manifest = maker.sign(NEW, 2, "2.0")
    size = owner.workspace.head().size
    with pytest.raises(Tampered) as caught:
        owner.install(manifest, NEW[:-1] + b"!", **PLATE)
    assert caught.value.code == "firmware.altered"
    assert caught.value.outcome is Outcome.TAMPERED
    for at in range(0, len(manifest), 11):
        altered = manifest[:at] + bytes((manifest[at] ^ 0x21,)) + manifest[at + 1 :]
        with pytest.raises(Problem):
            owner.install(altered, NEW, **PLATE)
    assert owner.workspace.head().size == size
    assert installed(owner.workspace, FAN) is None


def test_firmware_of_somebody_else_is_refused(tmp_path: Path, owner: Org):
    rogue = Org(tmp_path, "rogue")
    with rogue.workspace:
        with pytest.raises(Refused) as caught:
            owner.install(rogue.sign(NEW, 9, "9.0"), NEW, **PLATE)
        assert caught.value.code == "suit.unsigned"
        other = sign_firmware(
            owner.workspace, NEW, vendor="pumps.example", model="pump-1", sequence=9
        )[0]
        with pytest.raises(Refused) as caught:
            owner.install(other, NEW, **PLATE)
        assert caught.value.code == "firmware.wrong-device"


def test_a_device_is_not_given_another_class_later(maker: Org, owner: Org):
    owner.install(maker.sign(OLD, 1, "1.0"), OLD, **PLATE)
    newer = maker.sign(NEW, 2, "2.0")
    with pytest.raises(Refused) as caught:
        owner.check(newer, NEW, vendor="fans.example", model="fan-3")
    assert caught.value.code == "firmware.wrong-device"
    assert owner.check(newer, NEW, **PLATE).before == 1


def test_a_maker_that_leaves_the_list_or_revokes_speaks_no_more(maker: Org, owner: Org):
    manifest = maker.sign(NEW, 2, "2.0")
    owner.check(manifest, NEW, **PLATE)
    owner.workspace.lists.set_state(maker.workspace.identity, "withdrawn", reason="closed")
    with pytest.raises(Refused):
        owner.check(manifest, NEW, **PLATE)


@pytest.mark.parametrize(
    ("granted", "may"),
    [
        ({}, True),
        ({"claims": ["firmware"]}, True),
        ({"claims": ["support-period"]}, False),  # speaks for its things, and not of firmware
        ({"kinds": [Kind.NOTICE]}, False),
        ({"type": "supplier"}, False),  # no role of any list here: who sells is not who makes
    ],
)
def test_an_entry_lets_a_maker_sign_firmware_only_where_it_may_say_such_a_thing(
    maker: Org, owner: Org, granted: dict, may: bool
):
    entry = {"type": "maker", "kinds": [Kind.EVIDENCE], "scope": [SCOPE], **granted}
    owner.workspace.lists.add(maker.workspace.identity, services=[Service(**entry)])
    manifest = maker.sign(NEW, 2, "2.0")
    if may:
        assert owner.check(manifest, NEW, **PLATE).sequence == 2
    else:
        with pytest.raises(Refused):
            owner.check(manifest, NEW, **PLATE)


def test_firmware_that_its_maker_took_back_is_not_installed(maker: Org):
    manifest = maker.sign(NEW, 2, "2.0")
    workspace = maker.workspace
    subject = SubjectId(f"{SCOPE}/fan-2-firmware@2.0")
    maker.check(manifest, NEW, **PLATE)
    key = subject_key(subject)
    row = next(
        row
        for row in workspace.store.reader().by_keys([key])[key]
        if row.statement.kind is Kind.EVIDENCE
        and getattr(row.statement.payload, "type", "") == "firmware"
    )
    status = Status(action=Action.REVOKE, target=Target(statement=row.statement.digest.hex()))
    workspace.register_one(workspace.sign(Kind.STATUS, subject, status))
    with pytest.raises(Refused) as caught:
        maker.check(manifest, NEW, **PLATE)
    assert caught.value.code == "firmware.withdrawn"


def test_a_rotated_key_keeps_what_it_signed_and_signs_nothing_new(maker: Org, owner: Org):
    manifest = maker.sign(NEW, 2, "2.0")
    maker.now += 600
    maker.workspace.keys.rotate("ES256")
    maker.now += 600
    assert maker.check(manifest, NEW, **PLATE).sequence == 2
    # where the maker's word was never registered, only keys in force count: here the old one
    assert owner.check(manifest, NEW, **PLATE).sequence == 2
    with pytest.raises(Refused) as caught:
        owner.check(maker.sign(NEW, 3, "3.0"), NEW, **PLATE)
    assert caught.value.code == "suit.unsigned"


def test_a_device_of_which_nothing_is_known_is_asked_for(owner: Org, maker: Org):
    with pytest.raises(Malformed) as caught:
        owner.check(maker.sign(NEW, 2, "2.0"), NEW)
    assert caught.value.code == "firmware.device-unknown"


def test_noise_is_no_manifest(owner: Org):
    for noise in (b"", b"\xd8\x6b\xa0", b"noise", bytes(2 << 20)):
        with pytest.raises(Malformed):
            owner.check(noise, NEW, **PLATE)


def test_a_maker_known_by_its_address_signs_under_the_keys_that_its_listing_pinned(
    maker: Org, owner: Org
):
    name = SubjectId("did:web:fans.example")
    unit, handle = maker.workspace.unit, maker.workspace.handle
    manifest = maker.sign(NEW, 2, "2.0")  # what counts is the key, not what its owner calls itself
    owner.workspace.lists.set_state(maker.workspace.identity, "withdrawn", reason="moved")
    with pytest.raises(Refused) as caught:
        owner.check(manifest, NEW, **PLATE)
    assert caught.value.code == "suit.unsigned"
    key = unit.public(handle)
    owner.workspace.lists.add(
        name, roles=["maker"], scope=[SCOPE], keys=[key.to_jwk()], name="Fans"
    )
    assert owner.check(manifest, NEW, **PLATE).signer == name
    owner.workspace.lists.set_state(name, "withdrawn", reason="closed")
    with pytest.raises(Refused):
        owner.check(manifest, NEW, **PLATE)


def test_a_maker_on_another_list_that_is_accepted_counts_while_that_list_is_fresh(
    maker: Org, owner: Org
):
    workspace = owner.workspace
    workspace.lists.set_state(maker.workspace.identity, "withdrawn", reason="moved")
    workspace.lists.create("association")
    workspace.lists.add(
        maker.workspace.identity,
        roles=["maker"],
        scope=[SCOPE],
        name="Fans",
        list_name="association",
    )
    manifest = maker.sign(NEW, 2, "2.0")
    assert owner.check(manifest, NEW, **PLATE).signer == maker.workspace.identity
    narrow = sign_firmware(
        maker.workspace, NEW, vendor="fans.example", model="fan-2", sequence=2,
        subject="pkg:generic/pumps/pump@1",
    )[0]  # fmt: skip
    with pytest.raises(Refused):
        owner.check(narrow, NEW, **PLATE)


def test_firmware_that_needs_firmware_of_another_maker(tmp_path: Path, maker: Org, owner: Org):
    radios = Org(tmp_path, "radios")
    with radios.workspace:
        about = "pkg:generic/radios/radio@1.0"
        needed = sign_firmware(
            radios.workspace, OLD, vendor="fans.example", model="fan-2", sequence=4,
            subject=about, uri="https://radios.example/1.0",
        )[0]  # fmt: skip
        manifest = maker.sign(NEW, 2, "2.0", needs=[needed])
        parts = {"https://radios.example/1.0": OLD}
        with pytest.raises(Refused) as caught:  # nobody here listed the maker of radios
            owner.install(manifest, NEW, parts=parts, **PLATE)
        assert caught.value.code == "suit.unsigned"
        owner.workspace.lists.add(
            radios.workspace.identity, roles=["maker"], scope=["pkg:generic/radios"], name="R"
        )
        with pytest.raises(Tampered):
            owner.check(manifest, NEW, parts={"https://radios.example/1.0": NEW}, **PLATE)
        done = owner.install(manifest, NEW, parts=parts, **PLATE)
        assert done["parts"] == [about]
        assert done["left"] == ["invoke", "dependency 1: invoke"]
        assert set(done["dependencies"].values()) == {4}
        older = sign_firmware(
            radios.workspace, OLD, vendor="fans.example", model="fan-2", sequence=3,
            subject="pkg:generic/radios/radio@0.9", uri="https://radios.example/1.0",
        )[0]  # fmt: skip
        back = maker.sign(NEW, 3, "3.0", needs=[older])
        with pytest.raises(Refused) as caught:  # a newer manifest brings back an older part
            owner.check(back, NEW, parts=parts, **PLATE)
        assert caught.value.code == "firmware.rollback"
