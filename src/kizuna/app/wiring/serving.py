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
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.gating import for_peers
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Misconfigured

if TYPE_CHECKING:
    from kizuna.roots.units.software import SoftwareUnit

__all__ = ["serve_unit"]

_PR_SET_DUMPABLE: Final = 4


def serve_unit(
    socket: str | Path, keys: str | Path, settings: Settings, ready: Callable[[str], None]
) -> None:
    """Serve a key file at a socket until SIGINT or SIGTERM.

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
    ready(str(socket))
    try:
        server.serve()
    finally:
        server.close()


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
