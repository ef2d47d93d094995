# SPDX-License-Identifier: Apache-2.0
"""Which unit keeps which key: opening them by name, and what one unit says of a key of another.

A unit is named ``software``, ``process:SOCKET``, ``pkcs11:LIBRARY;TOKEN`` or ``tpm:TCTI``.

Keeps: 1. Concrete units are named here and in ``folder``, ``spares`` and ``logs`` only. 2. A PIN
comes from a file that the settings name, never from a command line; where they name a folder, from
the file there that is called like the unit, so that no unit is given the PIN of another. 3. A store
whose unit is a TPM keeps the keys that sign its traffic in software, and the TPM certifies them: a
chip gives some signatures a second. 4. A certification counts when its signature and its form hold,
whoever tells it; what kind of unit gave it stands beside.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.folder import Description, Folder
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Malformed, Misconfigured, Unavailable

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.roots.units import Unit

__all__ = [
    "HOME",
    "checked_name",
    "home_unit",
    "new_unit",
    "open_home",
    "open_named",
    "open_unit",
    "read_pin",
]

HOME: Final = "home"
"""The unit that has the organisation's keys."""

_KINDS: Final = ("software", "process", "pkcs11", "tpm")
_MAX: Final = 500
_MAX_PIN: Final = 256


def home_unit(said: str) -> str:
    """What a new store remembers of where its keys are: nothing for its own folder.

    Raises:
        Malformed: ``unit.name``.
    """
    kind, _ = _parsed(said)
    return said if kind in ("process", "pkcs11") else ""


def new_unit(folder: Folder, settings: Settings) -> Unit:
    """The unit of a new store.

    Raises:
        Malformed: ``unit.name``. Misconfigured, Unavailable: ``unit.*``.
    """
    if home_unit(settings.unit):
        return open_unit(settings.unit, folder, settings, HOME)
    if settings.unit.startswith("tpm:"):  # see that it is there before anything is made
        open_unit(settings.unit, folder, settings, "tpm").close()
    return folder.create_unit(settings.passphrase)


def open_home(folder: Folder, description: Description, settings: Settings) -> Unit:
    """The unit with the organisation's keys.

    Raises:
        Misconfigured, Unavailable: ``unit.*``, ``store.secret-missing``.
    """
    if description.unit:
        return open_unit(description.unit, folder, settings, HOME)
    return folder.open_unit(settings.passphrase)


def open_named(workspace: Owner, name: str) -> Unit:
    """A unit of this store by its short name, behind the store's gate where it has one.

    Raises:
        Malformed: ``unit.unknown``. Misconfigured, Unavailable: ``unit.*``.
    """
    from kizuna.app.wiring.keys.gating import behind_gate

    if name == HOME:
        return workspace.unit
    said = workspace.description.units.get(name)
    if said is None:
        raise Malformed(
            "unit.unknown",
            f"this store has no unit called {name[:40]!r}",
            hint="`kizuna key units` lists them; `kizuna key attach` adds one",
            name=name[:40],
        )
    unit = open_unit(said, workspace.folder, workspace.settings, name)
    return behind_gate(workspace.folder.path, unit, workspace.settings.clock)


def open_unit(said: str, folder: Folder, settings: Settings, name: str) -> Unit:
    """A unit by its full name.

    Args:
        said: the unit, as in ``KIZUNA_UNIT``.
        folder: what the unit keeps beside lies there.
        settings: name the file of the PIN.
        name: short name, for the files beside.

    Raises:
        Malformed: ``unit.name``. Misconfigured, Unavailable: ``unit.*``.
    """
    kind, rest = _parsed(said)
    if kind == "process":
        from kizuna.roots.units.process import ProcessUnit

        return ProcessUnit(rest)
    pin = read_pin(settings, name)
    if kind == "pkcs11":
        try:
            from kizuna.roots.units.pkcs11 import Pkcs11Unit
        except ModuleNotFoundError as fault:
            raise _extra("pkcs11") from fault
        module, _, token = rest.partition(";")
        return Pkcs11Unit(module, token, pin.decode(), folder.path / f"registers-{name}")
    if kind == "tpm":
        os.environ.setdefault("TSS2_LOG", "all+NONE")  # its library talks on stderr
        try:
            from kizuna.roots.units.tpm import TpmUnit
        except ModuleNotFoundError as fault:
            raise _extra("tpm") from fault
        return TpmUnit(rest, folder.path / f"keys-{name}", pin=pin)
    return folder.open_unit(settings.passphrase)


def checked_name(name: str) -> str:
    """A short name for a unit.

    Raises:
        Malformed: ``unit.short-name``.
    """
    if not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 40) or name == HOME:
        raise Malformed(
            "unit.short-name",
            f"not a name for a unit: {name[:40]!r}",
            why=f"{HOME} is taken; letters, digits and hyphens make a name",
            hint="for instance `tpm` or `hsm-1`",
            name=name[:40],
        )
    return name


def _parsed(said: str) -> tuple[str, str]:
    kind, _, rest = said.partition(":")
    kind = kind or "software"
    fits = (
        kind in _KINDS
        and len(said) <= _MAX
        and bool(rest) == (kind != "software")
        and (kind != "pkcs11" or all(rest.partition(";")[::2]))
    )
    if not fits:
        raise Malformed(
            "unit.name",
            f"no unit is named like this: {said[:80]!r}",
            hint="one of software, process:SOCKET, pkcs11:LIBRARY;TOKEN, tpm:TCTI "
            "(for instance tpm:device:/dev/tpmrm0)",
            name=said[:80],
        )
    return kind, rest


def read_pin(settings: Settings, name: str) -> bytes:
    """The PIN of a unit by its short name; empty where none is set.

    Raises:
        Unavailable: ``unit.pin-unreadable``.
    """
    file: Path | None = settings.unit_pin_file
    if file is None:
        return b""
    try:
        if file.is_dir():
            file /= name
            if not file.exists():
                return b""
        return file.read_bytes()[:_MAX_PIN].rstrip(b"\r\n")
    except OSError as fault:
        raise Unavailable(
            "unit.pin-unreadable",
            f"cannot read the PIN file {file}",
            why=str(fault.strerror or fault),
            hint="check KIZUNA_UNIT_PIN_FILE and the file's permissions",
            path=str(file),
        ) from fault


def _extra(extra: str) -> Misconfigured:
    return Misconfigured(
        "unit.extra-missing",
        f"the library for {extra} units is not installed",
        why=f"it comes with the extra `{extra}`",
        hint=f"pip install 'kizuna[{extra}]'",
        extra=extra,
    )
