# SPDX-License-Identifier: Apache-2.0
"""With what an organisation signs in its own store: its unit, and the key that signs now.

Keeps: 1. A key that took over in another process signs here too, from the next signature on. 2. On
failure the former key signs again.

Owner of mutable state: the description of the folder, the unit and the handle, under one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from kizuna.app.wiring.folder import Description, Folder
from kizuna.app.wiring.keys.gating import behind_gate
from kizuna.app.wiring.keys.units import open_home
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Misconfigured

if TYPE_CHECKING:
    from kizuna.roots.units import Handle, Unit

__all__ = ["Signing"]


class Signing:
    """Unit, key and description of one folder."""

    def __init__(self, settings: Settings, folder: Folder, description: Description) -> None:
        self.settings = settings
        self.folder = folder
        self.description = description
        self._lock = threading.RLock()
        self._unit: Unit | None = None
        self._handle: Handle | None = None
        self._described = 0

    def bind(self, unit: Unit) -> None:
        """Use this unit (construction only)."""
        self._unit = unit

    def close(self) -> None:
        """Let go of the unit."""
        if self._unit is not None:
            self._unit.close()

    def _open(self) -> Unit:
        unit = open_home(self.folder, self.description, self.settings)
        return behind_gate(self.folder.path, unit, self.settings.clock)

    @property
    def unit(self) -> Unit:
        """Where the private keys are; opened when first needed."""
        with self._lock:
            if self._unit is None:
                self._unit = self._open()
            return self._unit

    @property
    def handle(self) -> Handle:
        """The key that signs in the organisation's name now.

        Another process may have let a new key take over: then the description on disk changed.
        """
        with self._lock:
            self._notice_rotation()
            if self._handle is None or self._handle.id != self.description.key:
                self._handle = self._find_handle()
            return self._handle

    def use_key(self, handle: Handle) -> None:
        """Sign with this key from now on, and remember it."""
        with self._lock:
            self._handle = handle
            self.describe(msgspec.structs.replace(self.description, key=handle.id))

    def describe(self, description: Description) -> None:
        """Remember this of the store from now on."""
        with self._lock:
            self.description = description
            self.folder.write_description(description)
            self._described = self.folder.description_file.stat().st_mtime_ns

    @contextmanager
    def using(self, handle: Handle) -> Iterator[None]:
        """Sign with this key for a while; on failure the former one signs again."""
        with self._lock:
            before, self._handle = self.handle, handle
            described = self.description
            self.description = msgspec.structs.replace(described, key=handle.id)
        try:
            yield
        except BaseException:
            with self._lock:
                self._handle, self.description = before, described
            raise

    def _notice_rotation(self) -> None:
        try:
            changed = self.folder.description_file.stat().st_mtime_ns
        except OSError:
            return  # not written yet: the store is being made
        if changed != self._described:
            before = self._described
            self._described = changed
            if before:
                self.description = self.folder.describe()

    def _find_handle(self) -> Handle:
        wanted = self.description.key
        for again in (False, True):
            if again:  # the key may be newer than the unit that was read
                self._unit = self._open()
            for handle in self.unit.handles():
                if handle.id == wanted:
                    return handle
        raise Misconfigured(
            "store.key-missing",
            "the organisation's key is not among the keys of this folder",
            why="the key file belongs to another store, or is older than kizuna.json",
            hint="restore the key file from a backup",
            path=str(self.folder.keys),
        )
