# SPDX-License-Identifier: Apache-2.0
"""A spare key: a second key of the organisation, kept where a thief of the first does not look.

::

    FOLDER/keys     one key, encrypted under a passphrase or a key file of its own

Keeps: 1. A spare key never lies in the store's folder, nor its key file beside it: whoever copies
one folder has half at most. 2. It has a secret of its own, never the store's. 3. What was not
enrolled is not left behind. 4. A passphrase stands in no argument and in no message.
Does not: help where a thief ended the spare key before the theft was declared; then the operator of
a list that names the organisation can declare it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.keys.life import ORGANISATION, algorithm_named
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.values import Spare
from kizuna.model.errors import Absent, Misconfigured, Refused, Unavailable

if TYPE_CHECKING:
    from kizuna.app.wiring.keys.life import Keys

__all__ = ["make_spare", "open_spare"]

_KEYS: Final = "keys"
_SECRET_LIMIT: Final = 4096

Ask = Callable[[bool], "bytes | None"]
"""Asks a person for the passphrase (True: a new one, twice); None where nobody is there."""


def make_spare(
    keys: Keys,
    folder: str | Path,
    *,
    settings: Settings,
    ask: Ask,
    key_file: str | None = None,
    algorithm: str = "ES256",
) -> dict[str, Any]:
    """Make a spare key in a folder of its own and enrol it.

    Args:
        keys: of the organisation.
        folder: where the spare key will lie; it must not be there, or be empty.
        settings: name the store's folder, and perhaps the passphrase.
        ask: asks for a passphrase.
        key_file: a file with the secret; made, with a random one, where it is not there.
        algorithm: ES256 or EdDSA.

    Raises:
        Refused: ``spare.inside-store``, ``spare.secret-beside``, ``spare.folder-used``, and what
            refuses the enrolment.
        Misconfigured: ``spare.no-secret``, ``unit.*``. Malformed: ``key.algorithm-unknown``.
    """
    from kizuna.roots.units.software import SoftwareUnit

    chosen = algorithm_named(algorithm)
    place = _apart(Path(folder), settings, key_file)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise Refused(
            "spare.folder-used",
            f"{folder} is not empty",
            why="a spare key is never written over something else",
            hint="name a folder that is not there yet",
            path=str(folder),
        )
    wrote_secret = key_file is not None and not Path(key_file).exists()
    if key_file is not None and wrote_secret:
        write_whole(Path(key_file), secrets.token_bytes(32).hex().encode() + b"\n")
    made_folder = not place.exists()
    try:
        secret = _secret(settings, key_file, ask, new=True)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        unit = SoftwareUnit.create(place / _KEYS, secret, random=wrote_secret)
        handle = unit.generate(chosen, ORGANISATION)
        enrolled = keys.enrol(unit.public(handle).to_jwk())
    except BaseException as fault:
        if not isinstance(fault, Unavailable):  # refused for certain
            for name in (_KEYS, f"{_KEYS}.lock"):
                (place / name).unlink(missing_ok=True)
            if made_folder and place.is_dir():
                place.rmdir()
            if key_file is not None and wrote_secret:
                Path(key_file).unlink(missing_ok=True)
        raise
    return {**enrolled, "folder": str(folder), "key_file": key_file}


def open_spare(
    folder: str | Path, *, settings: Settings, ask: Ask, key_file: str | None = None
) -> Spare:
    """The spare key in a folder.

    Raises:
        Absent: ``spare.absent``. Misconfigured: ``spare.no-secret``, ``unit.*``.
        Tampered: ``unit.tampered``.
    """
    from kizuna.roots.units.software import SoftwareUnit

    file = Path(folder) / _KEYS
    if not file.is_file():
        raise Absent(
            "spare.absent",
            f"no spare key in {folder}",
            hint="name the folder that `kizuna key spare` made",
            path=str(folder),
        )
    unit = SoftwareUnit.open(file, _secret(settings, key_file, ask, new=False))
    handles = unit.handles()
    if not handles:
        raise Absent(
            "spare.absent",
            f"no spare key in {folder}",
            why="the key file is empty",
            hint="name the folder that `kizuna key spare` made",
            path=str(folder),
        )
    return Spare(unit=unit, handle=handles[-1])


def _apart(folder: Path, settings: Settings, key_file: str | None) -> Path:
    """The folder, seen to lie apart from the store and from its own key file."""
    place, store = folder.resolve(), settings.store.resolve()
    if place == store or store in place.parents:
        raise Refused(
            "spare.inside-store",
            "a spare key must not lie in the store's folder",
            why="whoever takes the folder would have both keys",
            hint="name a folder on another disk, a memory stick for instance",
            path=str(folder),
        )
    if key_file is not None and (
        place in (file := Path(key_file).resolve()).parents or file == place
    ):
        raise Refused(
            "spare.secret-beside",
            "the key file must not lie beside the key that it opens",
            why="whoever takes the folder would have key and secret",
            hint="name a file in another place",
            path=key_file,
        )
    return place


def _secret(settings: Settings, key_file: str | None, ask: Ask, *, new: bool) -> bytes:
    if key_file is not None:
        try:
            with Path(key_file).open("rb") as file:
                found = file.read(_SECRET_LIMIT).rstrip(b"\r\n")
        except OSError as fault:
            raise Misconfigured(
                "setting.unreadable",
                f"cannot read the passphrase file {key_file}",
                why=str(fault.strerror or fault),
                hint="check the path and its permissions",
                path=key_file,
            ) from fault
        return found
    secret = settings.spare_passphrase or ask(new)
    if not secret:
        raise Misconfigured(
            "spare.no-secret",
            "nothing is there to lock the spare key with, or to open it",
            why="no key file is named, KIZUNA_SPARE_PASSPHRASE is not set, and nobody can be asked",
            hint="name a key file with --secret, or run the command on a terminal",
        )
    return secret
