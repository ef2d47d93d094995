# SPDX-License-Identifier: Apache-2.0
"""A fleet in a store's backup, and brought back from it.

Keeps: 1. The tables and the store's keys are copied in one turn, so that the keys open what the
tables hold; the secret of epochs only where it is closed. 2. A fleet brought back believes nothing
of the epochs that run, and no answer to a challenge given before, as after a crash: nothing that
was heard before the backup, or after it, is heard again as new. 3. Nothing is copied in the open
that is closed in a store of this version. 4. A chip stays the device that it was: one chip is one
device, also after a restore.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kizuna.app.wiring.devices.shelf import OF_EPOCHS, Shelf, in_the_open

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["bring_back", "copied"]

FOLDER: Final = "fleet"
_TABLES: Final = (
    *("devices", "references", "endorsed", "sealing", "state", "notices", "history"),
    *("chips", "endorsers", "registrar", OF_EPOCHS),
)
_RESULTS: Final = "results"


@contextmanager
def copied(workspace: Workspace, target: Path) -> Iterator[None]:
    """Copy the fleet's tables into ``target``; nobody changes them until the block ends."""
    source = workspace.path / FOLDER
    if not source.is_dir():
        yield
        return
    with Shelf(workspace).turn():
        _copy(source, target / FOLDER)
        yield


def bring_back(source: Path, store: Path) -> None:
    """Put the tables of a backup into a store's new folder."""
    if (source / FOLDER).is_dir():
        _copy(source / FOLDER, store / FOLDER)
        (store / FOLDER / "open").touch()


def _copy(source: Path, target: Path) -> None:
    target.mkdir(mode=0o700)
    for name in _TABLES:
        file = source / name
        if file.is_file() and not (name == OF_EPOCHS and in_the_open(file.read_bytes())):
            shutil.copyfile(file, target / name)
            (target / name).chmod(0o600)
    if (source / _RESULTS).is_dir():
        shutil.copytree(source / _RESULTS, target / _RESULTS)
