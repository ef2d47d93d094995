# SPDX-License-Identifier: Apache-2.0
"""What the PKCS#11 unit asks of a token's objects, and what a token's refusals mean.

Keeps: a copy of a key is used only where it is as little extractable as the key itself.
"""

from __future__ import annotations

import os
from typing import Any, Final

import pkcs11
from pkcs11 import Attribute, Mechanism
from pkcs11 import exceptions as refusals

from kizuna.model.errors import Misconfigured, Problem, Refused
from kizuna.roots.units.problems import box_broken, gone

__all__ = ["WENT", "close_in", "open_in", "quickened", "told"]

WENT: Final = (
    refusals.DeviceRemoved,
    refusals.DeviceError,
    refusals.SessionClosed,
    refusals.SessionHandleInvalid,
    refusals.TokenNotPresent,
    refusals.TokenNotRecognised,
    refusals.UserNotLoggedIn,
)


def quickened(private: Any) -> Any:  # noqa: ANN401
    """A copy in the session, as little extractable as the key; the key where none is made."""
    try:
        copy = private.copy({Attribute.TOKEN: False})
    except refusals.PKCS11Error:
        return private
    if copy[Attribute.EXTRACTABLE] or not copy[Attribute.SENSITIVE]:
        copy.destroy()
        return private
    return copy


def close_in(key: Any, plaintext: bytes, associated: bytes) -> bytes:  # noqa: ANN401
    """AES-256-GCM in the token: nonce, ciphertext, tag."""
    nonce = os.urandom(12)
    how = pkcs11.GCMParams(nonce, associated, 128)
    return nonce + bytes(key.encrypt(plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=how))


def open_in(key: Any, box: bytes, associated: bytes) -> bytes:  # noqa: ANN401
    """What was closed.

    Raises:
        Tampered: ``unit.box``.
    """
    how = pkcs11.GCMParams(box[:12], associated, 128)
    try:
        return bytes(key.decrypt(box[12:], mechanism=Mechanism.AES_GCM, mechanism_param=how))
    except WENT:
        raise
    except refusals.PKCS11Error as fault:  # tokens disagree on how they say it
        raise box_broken() from fault


def told(fault: refusals.PKCS11Error, token: str = "") -> Problem:
    """What a refusal of the library means, in our words."""
    name = type(fault).__name__
    if isinstance(fault, refusals.NoSuchToken):
        return Misconfigured(
            "unit.no-token",
            f"no token called {token!r} is there",
            hint="plug it in, or give its label after the library: `pkcs11:LIBRARY;TOKEN`",
            token=token,
        )
    if isinstance(fault, refusals.PinLocked):
        return Misconfigured(
            "unit.locked",
            "the unit is locked after too many wrong tries",
            hint="wait until it opens again, or let its officer unlock it",
        )
    if isinstance(fault, refusals.PinIncorrect | refusals.PinInvalid | refusals.PinLenRange):
        return Misconfigured(
            "unit.pin-wrong",
            "the unit does not open with this PIN",
            hint="give the right PIN in KIZUNA_UNIT_PIN_FILE (units with PINs of their own: a "
            "folder with a file for each, called like the unit); too many wrong ones lock the unit",
        )
    if isinstance(fault, WENT):
        return gone("pkcs11", name)
    return Refused(
        "unit.token-refused",
        f"the token refused: {name}",
        hint="see that the token has room and offers ECDSA, ECDH and AES-GCM",
        fault=name,
    )
