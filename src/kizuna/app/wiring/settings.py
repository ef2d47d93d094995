# SPDX-License-Identifier: Apache-2.0
"""Settings: read once from environment and arguments, frozen, handed down.

Keeps: 1. Every variable that is read stands in ``VARIABLES`` with its meaning (``kizuna env``
prints them; a test holds the docs to it). 2. A secret never shows in a representation or an error.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from kizuna.model.errors import Misconfigured

__all__ = ["DEFAULT_STORE", "LANGUAGES", "VARIABLES", "Clock", "Settings", "language", "now"]

Clock = Callable[[], int]
"""Seconds since 1970."""

DEFAULT_STORE: Final = ".kizuna"
LOOK_EVERY: Final = 300
_OFTENEST, _RAREST = 10, 86_400
LANGUAGES: Final = ("en", "ja")

VARIABLES: Final[dict[str, str]] = {
    "KIZUNA_STORE": "folder of the store (default ./.kizuna)",
    "KIZUNA_DATABASE": "PostgreSQL address of the store's database (default: SQLite in the folder)",
    "KIZUNA_PASSPHRASE": "passphrase that opens the store's keys (default: the secret file)",
    "KIZUNA_PASSPHRASE_FILE": "file that holds the passphrase",
    "KIZUNA_SPARE_PASSPHRASE": "passphrase of a spare key (default: asked for on a terminal)",
    "KIZUNA_UNIT": "unit that keeps a new store's keys: software, process:SOCKET, "
    "pkcs11:LIBRARY;TOKEN or tpm:TCTI (default: software)",
    "KIZUNA_UNIT_PIN_FILE": "file that holds the PIN of token or TPM keys, or a folder with such a "
    "file for each unit, called like it (home, tpm ...)",
    "KIZUNA_LANG": "language of messages, en or ja (default: from LC_ALL, LC_MESSAGES, LANG)",
    "LC_ALL": "language of messages where KIZUNA_LANG is not set",
    "LC_MESSAGES": "language of messages where LC_ALL is not set",
    "LANG": "language of messages where LC_MESSAGES is not set",
    "KIZUNA_SEEN": "off: keep no record, outside the store, of the newest checkpoint seen of a log",
    "XDG_STATE_HOME": "folder of that record, in kizuna/seen (default ~/.local/state)",
    "HOME": "where ~ is",
    "KIZUNA_LOOK_EVERY": "seconds between two looks of a server at the other stores that its "
    "watches cross, 10 to 86400, or off (default 300)",
    "NO_COLOR": "no colours when set to anything",
}


def now() -> int:
    """The system's clock, the only place where it is read."""
    return int(time.time())


def language(environment: Mapping[str, str]) -> str:
    """``ja`` where the environment asks for Japanese, else ``en``."""
    for name in ("KIZUNA_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "")
        if value:
            return "ja" if value.lower().startswith("ja") else "en"
    return "en"


def _state(environment: Mapping[str, str]) -> Path | None:
    if environment.get("KIZUNA_SEEN", "") == "off":
        return None
    named, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    if not named.startswith("/"):  # the standard: a relative one is ignored
        if not home.startswith("/"):
            return None
        named = f"{home}/.local/state"
    return Path(named) / "kizuna" / "seen"


def _look_every(text: str) -> int | None:
    if text == "off":
        return None
    if not text:
        return LOOK_EVERY
    if not text.isascii() or not text.isdigit() or not _OFTENEST <= int(text[:9]) <= _RAREST:
        raise Misconfigured(
            "setting.interval",
            f"KIZUNA_LOOK_EVERY is no number of seconds: {text[:40]!r}",
            why=f"it is {_OFTENEST} to {_RAREST}, or off",
            hint="set it to 300, or leave it out",
            text=text[:40],
            least=_OFTENEST,
            most=_RAREST,
        )
    return int(text[:9])


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the outside says about this run.

    ``database`` is ``None`` for the SQLite file in the store's folder, else a PostgreSQL address.
    """

    store: Path = Path(DEFAULT_STORE)
    database: str | None = field(default=None, repr=False)
    passphrase: bytes | None = field(default=None, repr=False)
    spare_passphrase: bytes | None = field(default=None, repr=False)
    unit: str = ""
    """Where a new store's keys go; empty for the software unit in its folder."""
    unit_pin_file: Path | None = None
    state: Path | None = None
    """Where it is kept what was seen of each log; none: nowhere."""
    look_every: int | None = LOOK_EVERY
    """Seconds between two looks at the stores that watches cross; none: never."""
    lang: str = "en"
    color: bool = True
    clock: Clock = now

    @staticmethod
    def from_environment(
        environment: Mapping[str, str] | None = None,
        *,
        store: str | os.PathLike[str] | None = None,
        database: str | None = None,
        lang: str | None = None,
    ) -> Settings:
        """Arguments first, then the environment, then defaults.

        Raises:
            Misconfigured: ``setting.unreadable`` (the passphrase file), ``setting.language``,
            ``setting.interval``.
        """
        env = os.environ if environment is None else environment
        secret = env.get("KIZUNA_PASSPHRASE", "").encode() or None
        named = env.get("KIZUNA_PASSPHRASE_FILE", "")
        if secret is None and named:
            try:
                secret = Path(named).read_bytes().rstrip(b"\r\n") or None
            except OSError as fault:
                raise Misconfigured(
                    "setting.unreadable",
                    f"cannot read the passphrase file {named}",
                    why=str(fault.strerror or fault),
                    hint="check KIZUNA_PASSPHRASE_FILE and the file's permissions",
                    path=named,
                ) from fault
        if lang is not None and lang not in LANGUAGES:
            raise Misconfigured(
                "setting.language",
                f"no messages in language {lang!r}",
                hint="use --lang en or --lang ja",
                language=lang,
            )
        return Settings(
            store=Path(store or env.get("KIZUNA_STORE", "") or DEFAULT_STORE),
            database=database or env.get("KIZUNA_DATABASE", "") or None,
            passphrase=secret,
            spare_passphrase=env.get("KIZUNA_SPARE_PASSPHRASE", "").encode() or None,
            unit=env.get("KIZUNA_UNIT", ""),
            unit_pin_file=Path(pin) if (pin := env.get("KIZUNA_UNIT_PIN_FILE", "")) else None,
            state=_state(env),
            look_every=_look_every(env.get("KIZUNA_LOOK_EVERY", "")),
            lang=lang or language(env),
            color=not env.get("NO_COLOR", ""),
        )
