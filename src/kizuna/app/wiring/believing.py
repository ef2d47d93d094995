# SPDX-License-Identifier: Apache-2.0
"""Whom a verifier believes: ``trust.json``, read and added to.

Keeps: 1. What another process wrote is read before the next answer. 2. What is believed already
stays as it is when more is added. 3. A log is never believed without a key.

Owner of mutable state: the file, and what was read of it last, under one lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Absent, Malformed
from kizuna.model.trust import Anchors, LogAnchor, WitnessAnchor

__all__ = ["Trust", "only_lists"]


class Trust:
    """The anchors of one folder."""

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        self._file = file
        self._changed = changed
        self._lock = threading.RLock()
        self._read: tuple[int, Anchors] | None = None

    def anchors(self, lists: Sequence[str] | None = None) -> Anchors:
        """Whom this verifier believes; ``lists``: of the lists only these, by name or id.

        Raises:
            Absent: ``list.unknown``. Malformed: ``trust.malformed``.
        """
        return only_lists(self._believed(), lists)

    def set(self, anchors: Anchors) -> None:
        """Believe these, and nobody else."""
        with self._lock:
            self._write(anchors)
        self._changed()

    def add(self, more: Anchors) -> Anchors:
        """Believe also what ``more`` names; what is believed already stays as it is."""
        with self._lock:
            have = self.anchors()
            merged = msgspec.structs.replace(
                have,
                lists=[*have.lists, *_new(more.lists, {a.id for a in have.lists}, "id")],
                logs=[*have.logs, *_new(more.logs, {a.origin for a in have.logs}, "origin")],
                witnesses=[
                    *have.witnesses,
                    *_new(more.witnesses, {w.key for w in have.witnesses}, "key"),
                ],
                identities=[
                    *have.identities,
                    *_new(more.identities, {i.id for i in have.identities}, "id"),
                ],
            )
            self._write(merged)
        self._changed()
        return merged

    def add_log(
        self, origin: str, url: str | None, keys: Sequence[str], *, signed: bool | None = None
    ) -> Anchors:
        """Believe the checkpoints of a log under these keys, and ask its store at this address.

        ``signed``: whether its store is asked as oneself; None leaves it as it is.

        Raises:
            Malformed: ``log.key-malformed``, ``request.address``, ``trust.log-without-key``.
        """
        from kizuna.app.wiring.network import checked_url
        from kizuna.record.log import NoteKey

        for key in keys:
            NoteKey.parse(key)
        with self._lock:
            have = self.anchors()
            before = next((g for g in have.logs if g.origin == origin), None)
            held = list(dict.fromkeys([*(before.keys if before else ()), *keys]))
            if not held:
                raise Malformed(
                    "trust.log-without-key",
                    f"no key is known for the log {origin[:120]}",
                    why="without its key nothing that the log says can be checked",
                    hint="give the key that its operator names: --key VKEY",
                    origin=origin[:120],
                )
            logs = [g for g in have.logs if g.origin != origin]
            if url is not None:
                address: str | None = checked_url(url)
            else:
                address = before.url if before is not None else None
            made = LogAnchor(
                origin=origin,
                keys=held,
                url=address,
                closed={} if before is None else before.closed,
                signed=(before is not None and before.signed) if signed is None else signed,
            )
            changed = msgspec.structs.replace(have, logs=[*logs, made])
            self._write(changed)
        self._changed()
        return changed

    def add_witness(self, key: str, quorum: int | None) -> Anchors:
        """Believe a witness, and say how many must have cosigned.

        Raises:
            Malformed: ``log.key-malformed``, ``trust.quorum``.
        """
        from kizuna.record.log import NoteKey

        witness = NoteKey.parse(key)
        with self._lock:
            have = self.anchors()
            witnesses = [w for w in have.witnesses if w.key != key]
            witnesses.append(WitnessAnchor(name=witness.name, key=key))
            wanted = have.quorum if quorum is None else quorum
            if wanted > len(witnesses):
                raise Malformed(
                    "trust.quorum",
                    f"a quorum of {wanted} cannot be met by {len(witnesses)} witnesses",
                    hint="add witnesses first, or ask for fewer",
                    quorum=wanted,
                    witnesses=len(witnesses),
                )
            changed = msgspec.structs.replace(have, witnesses=witnesses, quorum=wanted)
            self._write(changed)
        self._changed()
        return changed

    def _write(self, anchors: Anchors) -> None:
        write_whole(self._file, msgspec.json.format(anchors.to_json(), indent=2) + b"\n")
        self._read = None

    def _believed(self) -> Anchors:
        """What trust.json says, read again when another process has changed it."""
        try:
            changed = self._file.stat().st_mtime_ns
            with self._lock:
                if self._read is None or self._read[0] != changed:
                    data = self._file.read_bytes()
                    self._read = (changed, Anchors.from_json(data))
                return self._read[1]
        except FileNotFoundError:
            return Anchors()


def only_lists(anchors: Anchors, lists: Sequence[str] | None) -> Anchors:
    """The anchors with only the lists of these names or identifiers.

    Raises:
        Absent: ``list.unknown``.
    """
    if lists is None:
        return anchors
    chosen = []
    for name in lists:
        found = next((a for a in anchors.lists if name in (a.name, a.id)), None)
        if found is None:
            raise Absent(
                "list.unknown",
                f"no list named {name!r} is believed here",
                why="there are " + (", ".join(a.name for a in anchors.lists) or "none"),
                hint="`kizuna trust show` prints them; `kizuna list accept` adds one",
                name=name[:200],
            )
        chosen.append(found)
    return msgspec.structs.replace(anchors, lists=chosen)


def _new(items: Sequence[Any], have: set[str], member: str) -> list[Any]:
    return [item for item in items if getattr(item, member) not in have]
