# SPDX-License-Identifier: Apache-2.0
"""On the device: what its chip's maker says of it, and proof that the attesting key is in it.

Keeps: 1. The attesting key is the one that ``device quote`` uses, made in the chip where there was
none. 2. Nothing secret of the chip is written: the answer opens one challenge and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kizuna.app.wiring.devices.quoting import LABEL
from kizuna.model.errors import Malformed, Refused
from kizuna.roots.cose import decode, encode

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.roots.units.tpm.endorsement import EndorsingChip
    from kizuna.roots.units.tpm.wrapped import Kept

__all__ = ["activate", "endorse"]


def endorse(unit: str, state: Path, settings: Settings) -> tuple[bytes, bytes]:
    """What is sent to who wants to know whose chip this is, and the attesting key (PEM).

    Raises:
        Refused: ``device.quote-imitation``, ``unit.no-endorsement``.
        Misconfigured, Unavailable: ``unit.*``.
    """
    from kizuna.roots.boot.public import read_public

    chip, kept = _opened(unit, state, settings)
    try:
        said = chip.endorsed()
    finally:
        chip.close()
    key = read_public(kept.public).key
    return encode([1, said.certificate, said.endorsement, kept.public]), key.to_pem()


def activate(unit: str, state: Path, settings: Settings, challenge: bytes) -> bytes:
    """The answer to a challenge: the chip opened it, and holds the key that was named.

    Raises:
        Malformed: ``device.challenge``. Refused: ``unit.credential``.
    """
    try:
        value = decode(challenge)
        version, name, credential, encrypted = value
    except (Malformed, ValueError, TypeError) as fault:
        raise _unreadable() from fault
    if version != 1 or not all(type(one) is bytes for one in (name, credential, encrypted)):
        raise _unreadable()
    chip, kept = _opened(unit, state, settings)
    try:
        secret = chip.activate((kept.public, kept.private), credential, encrypted)
    finally:
        chip.close()
    return encode([1, name, secret])


def _opened(unit: str, state: Path, settings: Settings) -> tuple[EndorsingChip, Kept]:
    from kizuna.app.wiring.folder import Folder
    from kizuna.app.wiring.keys.units import open_unit, read_pin
    from kizuna.roots.keys import Algorithm
    from kizuna.roots.units import Purpose

    if not unit.startswith("tpm:"):
        raise Refused(
            "device.quote-imitation",
            "only a TPM quotes its registers",
            why="another unit only imitates registers, and its owner can set them anew",
            hint="name a TPM: --unit tpm:TCTI, for instance tpm:device:/dev/tpmrm0",
        )
    from kizuna.roots.units.tpm.endorsement import EndorsingChip
    from kizuna.roots.units.tpm.wrapped import KeptFile

    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = open_unit(unit, Folder(state), settings, LABEL)
    try:
        found = [h for h in opened.handles() if h.label == LABEL and h.purpose is Purpose.ATTEST]
        handle = found[0] if found else opened.generate(Algorithm.ES256, LABEL, Purpose.ATTEST)
    finally:
        opened.close()
    held = KeptFile(Folder(state).path / f"keys-{LABEL}").read()
    kept = next(one for one in held if one.id == handle.id)
    return EndorsingChip(unit.removeprefix("tpm:"), read_pin(settings, LABEL)), kept


def _unreadable() -> Malformed:
    return Malformed(
        "device.challenge",
        "not a challenge for a chip",
        hint="ask with what `kizuna device endorse` wrote, and give what came back",
    )
