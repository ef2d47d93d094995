# SPDX-License-Identifier: Apache-2.0
"""One session with a PKCS#11 token: logging in, finding what this unit made, and losing it.

Keeps: 1. One session, one lock: a session is for one thread at a time. 2. A token that went away
takes with it everything that was found in it; the next call connects anew. 3. Only objects that
this unit made are seen: their ID holds thumbprint, purpose and number. 4. A PIN is asked again
where the token of a process that logged in before would no longer ask.
Standard: PKCS#11 v2.40 and v3.0.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11 import exceptions as refusals
from pkcs11.util.ec import encode_named_curve_parameters

from kizuna.model.errors import Misconfigured
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units.problems import no_such_key
from kizuna.roots.units.token import WENT, told
from kizuna.roots.units.unit import Handle, Purpose, Secret

__all__ = [
    "CURVE",
    "EDWARDS",
    "INSIDE",
    "OF_PURPOSE",
    "PURPOSE_OF",
    "SECRET",
    "Session",
    "serial",
]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_U = TypeVar("_U", bound="Session")
INSIDE: Final = {
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.PRIVATE: True,
}
OF_PURPOSE: Final = {Purpose.SIGN: b"s", Purpose.AGREE: b"a", Purpose.ATTEST: b"t"}
PURPOSE_OF: Final = {value: key for key, value in OF_PURPOSE.items()}
SECRET: Final = b"e"
_STORAGE: Final = b"r"
CURVE: Final = encode_named_curve_parameters("secp256r1")
EDWARDS: Final = encode_named_curve_parameters("1.3.101.112")

_PROCESS_KEY: Final = os.urandom(32)
_opened_with: dict[tuple[str, str], bytes] = {}
"""Which PIN opened a token in this process; written at login, read at the next one."""


def serial(
    method: Callable[Concatenate[_U, _P], _R],
) -> Callable[Concatenate[_U, _P], _R]:
    """One thread at a time, and the library's refusals in our words."""

    def run(unit: _U, /, *given: _P.args, **named: _P.kwargs) -> _R:
        with unit._lock:  # noqa: SLF001 - a method in all but place
            try:
                return method(unit, *given, **named)
            except refusals.PKCS11Error as fault:
                if isinstance(fault, WENT):
                    unit._lose()  # noqa: SLF001
                raise told(fault) from fault

    run.__doc__ = method.__doc__
    return run


class Session:
    """A token that is logged in to, or was and will be again."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        self._lock = threading.RLock()
        self._module, self._token, self._pin = module, token, pin
        self._session: Any = None
        self._maker = ""

    def _forget(self) -> None:
        """What was found in the token is gone with it."""

    def _connect(self) -> None:
        try:
            library = pkcs11.lib(self._module)
        except (pkcs11.PKCS11Error, OSError, RuntimeError) as fault:
            raise Misconfigured(
                "unit.module",
                f"the PKCS#11 library {self._module} does not load",
                why=str(fault),
                hint="give the path of the token maker's library, after `pkcs11:`",
                path=self._module,
            ) from fault
        try:
            token = library.get_token(token_label=self._token)
            self._maker = f"{token.manufacturer_id} {token.model}".strip()
            try:
                self._session = token.open(rw=True, user_pin=self._pin)
                _opened_with[self._module, self._token] = self._tag()
            except refusals.UserAlreadyLoggedIn:
                # this process has logged in before, and the token asks no more: we do
                kept = _opened_with.get((self._module, self._token), b"")
                if not hmac.compare_digest(kept, self._tag()):
                    raise refusals.PinIncorrect from None
                self._session = token.open(rw=True)
        except refusals.PKCS11Error as fault:
            raise told(fault, self._token) from fault

    def _tag(self) -> bytes:
        """The PIN under a key of this process, to compare it without keeping it twice."""
        return hmac.digest(_PROCESS_KEY, self._pin.encode(), "sha256")

    def _open(self) -> Any:  # noqa: ANN401 - an untyped library
        if self._session is None:
            self._connect()
        return self._session

    def _lose(self) -> None:
        session, self._session = self._session, None
        self._forget()
        if session is not None:
            try:
                session.close()
            except refusals.PKCS11Error:
                return  # it went with its token

    def _number(self) -> bytes:
        """The next number, for listing in order."""
        last = 0
        for each in self._open().get_objects():
            name = bytes(each[Attribute.ID]) if hasattr(each, "id") else b""
            if len(name) == 37:
                last = max(last, int.from_bytes(name[33:], "big"))
        return (last + 1).to_bytes(4, "big")

    def _make_secret(self, label: str, name: bytes) -> Any:  # noqa: ANN401
        return self._open().generate_key(
            KeyType.AES,
            256,
            store=True,
            label=label,
            id=name,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            template=INSIDE,
        )

    @serial
    def _public(self, handle: Handle) -> tuple[Any, PublicKey]:
        for each in self._named(handle, ObjectClass.PUBLIC_KEY):
            point = bytes(each[Attribute.EC_POINT])[2:]
            return each, PublicKey.from_raw(handle.algorithm, point)
        raise no_such_key(handle)

    def _private(self, handle: Handle) -> tuple[Any, Purpose]:
        for each in self._named(handle, ObjectClass.PRIVATE_KEY):
            return each, PURPOSE_OF[bytes(each[Attribute.ID])[32:33]]
        raise no_such_key(handle)

    def _secret(self, secret: Secret) -> Any:  # noqa: ANN401
        for each in self._open().get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}):
            if bytes(each[Attribute.ID])[:33] == bytes.fromhex(secret.id) + SECRET:
                return each
        raise no_such_key(secret)

    def _named(self, handle: Handle, kind: ObjectClass) -> list[Any]:
        edwards = handle.algorithm is Algorithm.EDDSA
        return [
            each
            for each in self._open().get_objects(
                {
                    Attribute.CLASS: kind,
                    Attribute.LABEL: handle.label,
                    Attribute.KEY_TYPE: KeyType.EC_EDWARDS if edwards else KeyType.EC,
                }
            )
            if (name := bytes(each[Attribute.ID]))[:32].hex() == handle.id
            and name[32:33] in PURPOSE_OF
        ]

    def _storage(self) -> Any:  # noqa: ANN401
        """The token's key that seals; made when first needed."""
        for each in self._open().get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}):
            if bytes(each[Attribute.ID])[32:33] == _STORAGE:
                return each
        return self._make_secret("kizuna storage", os.urandom(32) + _STORAGE + bytes(4))
