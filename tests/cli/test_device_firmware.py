# SPDX-License-Identifier: Apache-2.0
"""``kizuna device firmware`` as makers and owners of devices meet it."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

FAN = ("--device", "urn:dev:ser:fan-0042")
PLATE = ("--vendor", "fans.example", "--class", "fan-2")


@pytest.fixture
def release(store, tmp_path):
    """Two releases of one firmware, signed by the store's organisation."""
    made = []
    for number in (1, 2):
        image, manifest = tmp_path / f"v{number}.bin", tmp_path / f"v{number}.suit"
        image.write_bytes(b"release %d" % number * 99)
        done = store("device", "firmware", "sign", image, *PLATE, "--sequence", number,
                     "--version", f"{number}.0", "--out", manifest, "--json")  # fmt: skip
        assert done.code == 0, done.stderr
        assert done.json["firmware"] == f"pkg:generic/fan-2-firmware@{number}.0"
        made.append((manifest, image))
    return made


def test_a_release_is_installed_and_never_goes_back(store, release, tmp_path):
    (old, old_image), (new, new_image) = release
    assert store("device", "firmware", "check", old, old_image, *FAN).code == 2  # of which class?
    done = store("device", "firmware", "install", old, old_image, *FAN, *PLATE, "--json")
    assert (done.code, done.json["sequence"], done.json["installed"]) == (0, 1, None)
    copy = tmp_path / "copy.bin"
    done = store("device", "firmware", "install", new, new_image, *FAN, "--out", copy)
    assert (done.code, copy.read_bytes()) == (0, new_image.read_bytes())
    assert "fan-0042 runs pkg:generic/fan-2-firmware@2.0" in done.stdout
    back = store("device", "firmware", "install", old, old_image, *FAN, "--json")
    assert (back.code, back.json["code"]) == (10, "firmware.rollback")


def test_what_was_changed_is_told_as_tampering(store, release):
    (manifest, image), (_, other) = release
    done = store("device", "firmware", "check", manifest, other, *FAN, *PLATE, "--json")
    assert (done.code, done.json["code"]) == (11, "firmware.altered")
    whole = bytearray(manifest.read_bytes())
    whole[-40] ^= 1
    manifest.write_bytes(whole)
    done = store("device", "firmware", "check", manifest, image, *FAN, *PLATE, "--json")
    assert (done.code, done.json["code"]) == (11, "suit.digest")
    manifest.write_bytes(b"noise")
    done = store("device", "firmware", "check", manifest, image, *FAN, *PLATE, "--lang", "ja")
    assert done.code == 2
    assert "suit.malformed" in done.stderr


def test_an_encrypted_image_is_for_its_devices_only(store, tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = tmp_path / "device.pem", tmp_path / "device.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    image, manifest, sealed = (tmp_path / name for name in ("fan.bin", "fan.suit", "fan.enc"))
    image.write_bytes(b"secret firmware" * 40)
    sign = ("device", "firmware", "sign", image, *PLATE, "--sequence", 1, "--out", manifest)
    assert store(*sign, "--encrypt-for", public).code == 2  # where should it go?
    done = store(*sign, "--encrypt-for", public, "--encrypted", sealed,
                 "--text", "Mends the lock.", "--json")  # fmt: skip
    assert (done.code, done.json["encrypted"]) == (0, True)
    assert b"secret firmware" not in sealed.read_bytes() + manifest.read_bytes()

    check = ("device", "firmware", "check", manifest, sealed, *FAN, *PLATE)
    done = store(*check, "--json")
    assert (done.code, done.json["code"]) == (10, "envelope.not-for-us")
    done = store(*check, "--key", private)
    assert done.code == 0, done.stderr
    assert "Mends the lock." in done.stdout
    assert "left for the device's start" in done.stdout
    whole = bytearray(sealed.read_bytes())
    whole[9] ^= 1
    sealed.write_bytes(whole)
    done = store(*check, "--key", private, "--json")
    assert (done.code, done.json["code"]) == (11, "firmware.altered")
    whole[9] ^= 1
    sealed.write_bytes(whole)
    opened = tmp_path / "opened.bin"
    done = store("device", "firmware", "install", manifest, sealed, *FAN, *PLATE,
                 "--key", private, "--out", opened, "--json")  # fmt: skip
    assert (done.code, opened.read_bytes()) == (0, image.read_bytes())
    assert store(*check, "--key", image).code == 2  # no key at all
