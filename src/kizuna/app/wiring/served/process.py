# SPDX-License-Identifier: Apache-2.0
"""The process of a process unit: keys in its memory, a socket, nothing else.

Keeps: 1. The process lets itself not be read by others of the same user (no core, not dumpable),
before a key is in it. 2. The key file's version is remembered beside, so that an older copy put
back is noticed at the next start; keep that witness elsewhere where you can.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.keys.gating import for_peers
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Misconfigured, Problem

if TYPE_CHECKING:
    from kizuna.roots.units.software import SoftwareUnit

__all__ = ["serve_unit"]

_PR_SET_DUMPABLE: Final = 4


def serve_unit(
    socket: str | Path,
    keys: str | Path,
    settings: Settings,
    ready: Callable[[str], None],
    *,
    report: float | None = None,
) -> None:
    """Serve a key file at a socket until SIGINT or SIGTERM.

    Args:
        socket: where.
        keys: the key file.
        settings: of the folder whose organisation tells of refusals.
        ready: is told when it answers.
        report: seconds between looks at what is to be told; None tells nobody.

    Raises:
        Misconfigured: ``unit.socket``, ``unit.*`` of the key file, ``store.secret-missing``.
        Tampered: ``unit.rolled-back``, ``unit.tampered``.
    """
    from kizuna.roots.units.process import UnitServer

    _close_off()
    unit = _opened(Path(keys), settings.passphrase)
    server = UnitServer(socket, for_peers(Path(keys), unit, settings.clock))

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    telling = None if report is None else _Telling(Path(keys), settings, report)
    ready(str(socket))
    try:
        if telling is not None:
            telling.start()
        server.serve()
    finally:
        server.close()
        if telling is not None:
            telling.stop()


class _Telling:
    """Tells of refusals from a thread of its own, and once more at the end."""

    def __init__(self, keys: Path, settings: Settings, every: float) -> None:
        self._keys, self._settings, self._every = keys, settings, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(_LAST_WORDS)

    def _run(self) -> None:
        while not self._over.wait(self._every):
            self._tell()
        self._tell()

    def _tell(self) -> None:
        from kizuna.app.wiring.served.gate import ServedGate

        with contextlib.suppress(Problem, OSError):  # the gate keeps what was not told
            ServedGate(self._keys, self._settings.clock).report(self._settings)


_LAST_WORDS: Final = 30.0
"""Seconds that the end waits for what is told last."""


def _opened(path: Path, passphrase: bytes | None) -> SoftwareUnit:
    from kizuna.roots.units.software import SoftwareUnit

    witness = path.with_name(path.name + ".version")
    secret_file = path.with_name(path.name + ".secret")
    if not path.exists():
        secret = passphrase or secrets.token_bytes(32)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if passphrase is None:
            write_whole(secret_file, secret)
        return SoftwareUnit.create(path, secret, random=passphrase is None, witness=witness)
    if passphrase is None:
        try:
            passphrase = secret_file.read_bytes()
        except OSError as fault:
            raise Misconfigured(
                "store.secret-missing",
                "the keys are closed and nothing here opens them",
                why=f"neither KIZUNA_PASSPHRASE nor {secret_file} is there",
                hint="put the secret file back there, or set KIZUNA_PASSPHRASE or "
                "KIZUNA_PASSPHRASE_FILE",
                path=str(secret_file),
            ) from fault
    return SoftwareUnit.open(path, passphrase, witness=witness)


def _close_off() -> None:
    """Let nobody read this process's memory but root."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
