# SPDX-License-Identifier: Apache-2.0
"""The fleet's own folder in a store: who is enrolled, what is remembered, the secret of epochs.

::

    fleet/devices      one enrolled device a line (JSON), the last line of a name counts; 0600
    fleet/references   one reference value a line (JSON)
    fleet/endorsed     one key, certificate or word of a maker a line (JSON)
    fleet/sealing      what closes the shared secrets among the devices (see ``sealing``)
    fleet/state        counters, epochs and digests of recent evidence; written whole
    fleet/notices      digest of the notice in effect, by device
    fleet/results/     signed attestation results (EAR) of standings that went bad, by SHA-256
    fleet/history      one line a minute: how many devices stood how
    fleet/open         there while devices are heard; found empty at a start, the last end was no
                       end; else it says from when on evidence is believed again after such an end
    fleet/secret       what makes epochs' nonces and challenges, closed like the devices' secrets
    fleet/writer       locked by the one process that keeps the fleet
    fleet/appending    locked for the moment in which a process adds lines to a table

Keeps: 1. A line half written by a crash is left out, the others count. 2. One process keeps the
fleet; others add lines to its tables, one at a time. 3. Shared secrets of HMAC devices stand here
and nowhere else, closed under a key of the store's unit: this folder alone opens none of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from kizuna.app.wiring.devices import lines
from kizuna.app.wiring.devices.sealing import Sealing
from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Malformed, Refused, Tampered, Unavailable
from kizuna.proof.attestation.reference import Reference, References
from kizuna.roots.cose import SharedKey

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.proof.attestation.scheme import Enrolled

__all__ = ["OF_EPOCHS", "Shelf", "in_the_open"]

_HISTORY: Final = 24 * 60
"""Minutes of history that are shown."""
OF_EPOCHS: Final = "secret"
"""The file of the secret of epochs."""
_PLAIN: Final = 32


class Shelf:
    """Files of one fleet."""

    def __init__(self, workspace: Workspace) -> None:
        self.path: Path = workspace.path / "fleet"
        self._sealing = Sealing(workspace, self.path / "sealing")
        self._lock: IO[bytes] | None = None

    # --- one writer ---------------------------------------------------------------------------

    def take(self) -> None:
        """Become the one that keeps the fleet.

        Raises:
            Unavailable: ``fleet.kept-elsewhere``.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        lock = (self.path / "writer").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            lock.close()
            raise Unavailable(
                "fleet.kept-elsewhere",
                "another process keeps this fleet",
                why="a server runs over this store and takes evidence in",
                hint="send evidence to it: POST /api/devices/evidence; or stop it first",
            ) from fault
        self._lock = lock

    def give_back(self) -> None:
        """Let another process keep the fleet."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- devices ------------------------------------------------------------------------------

    def devices(self, *, secrets: bool = True) -> Iterator[Enrolled]:
        """Everybody enrolled, each once, as last enrolled; without ``secrets`` nothing is opened.

        Raises:
            Misconfigured: ``fleet.sealing-lost``. Tampered: ``fleet.secret-changed``.
        """
        return self.read_devices(self._lines("devices"), secrets=secrets)

    def read_devices(
        self, entries: Iterable[Mapping[str, Any]], *, secrets: bool = True
    ) -> Iterator[Enrolled]:
        """The devices of some lines, each once, as the last of them says."""
        last: dict[str, Mapping[str, Any]] = {}
        for entry in entries:
            last[entry["subject"]] = entry
        sealing = self._sealing if secrets else None
        changed: Tampered | None = None
        for entry in last.values():
            try:
                device = lines.device_of(entry, sealing)
            except Tampered as fault:
                changed = changed or fault  # told once the others are known
                continue
            yield device
        if changed is not None:
            raise changed

    def add_devices(self, devices: Iterable[Enrolled]) -> None:
        """Write these down, durably."""
        with self.turn():  # what closes the secrets is made once, and read before it is used
            self._add_lines(
                "devices", [lines.device_entry(device, self._sealing) for device in devices]
            )

    def ready_for(self, key: object) -> None:
        """See that a device with this key can be written down, before it is said in the log.

        Raises:
            Misconfigured: ``fleet.sealing-lost``. Refused: ``gate.*``. Unavailable: ``unit.*``.
        """
        if isinstance(key, SharedKey):
            with self.turn():
                self._sealing.ready()

    def close_secrets(self) -> int:
        """Close the secrets that an earlier version wrote down in the open: how many there were."""
        if not any(lines.in_the_open(entry) for entry in self._lines("devices")):
            return 0
        return self._rewrite()

    def renew_sealing(self) -> int:
        """Close every secret under a new key, and end the old one: how many there are."""
        with self.turn():
            held, epochs = list(self.devices()), self._secret_as_kept()
            if epochs and not in_the_open(epochs):
                epochs = self._opened(epochs)
            self._sealing.renew()
            count = self._write_devices(held)
            if epochs:
                self._keep_secret(epochs)
            self._sealing.forget_former()
        return count

    def _rewrite(self) -> int:
        with self.turn():
            return self._write_devices(list(self.devices()))

    def _write_devices(self, devices: Iterable[Enrolled]) -> int:
        made = [lines.device_entry(device, self._sealing) for device in devices]
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in made)
        write_whole(self.path / "devices", data)
        return sum("sealed" in entry for entry in made)

    # --- references ---------------------------------------------------------------------------

    def references(self) -> References:
        """The reference values kept here; a class with one is closed unless it says otherwise."""
        found = References()
        for entry in self._lines("references"):
            lines.take_reference(found, entry)
        for entry in self._lines("endorsed"):
            lines.take_vouched(found, entry)
        return found

    def add_vouched(self, references: References) -> None:
        """Accept, durably, what makers say of keys and devices beside reference values."""
        made = [lines.endorsed_entry(key) for key in references.endorsed]
        made += [lines.anchor_entry(anchor) for anchor in references.anchors]
        made += [lines.endorsement_entry(one) for one in references.endorsements]
        self._append("endorsed", made)

    def add_references(self, values: Iterable[Reference], *, closed: bool = True) -> None:
        """Accept these values, durably."""
        self._append("references", (lines.reference_entry(v, closed=closed) for v in values))

    # --- state --------------------------------------------------------------------------------

    def state(self) -> bytes | None:
        """The last snapshot; None where there is none."""
        try:
            return (self.path / "state").read_bytes()
        except FileNotFoundError:
            return None

    def left(self) -> tuple[int, int] | None:
        """The bounds that an end left (see ``mark_closed``). None: all that was heard is kept.
        ``(0, 0)``: somebody heard devices and never closed, and what was heard last is lost.
        """
        try:
            first, since = map(int, (self.path / "open").read_text().split() or (0, 0))
        except FileNotFoundError:
            return None
        except ValueError:
            return 0, 0
        return first, since

    def mark_open(self) -> None:
        """Note that devices are heard from now on."""
        write_whole(self.path / "open", b"")

    def mark_closed(self, bounds: tuple[int, int] | None) -> None:
        """Note that all that was heard is kept; but, where an earlier end was none, nothing of the
        epochs before ``bounds``, and no answer to a challenge up to its moment.
        """
        if bounds is None:
            (self.path / "open").unlink(missing_ok=True)
        else:
            write_whole(self.path / "open", b"%d %d" % bounds)

    def keep_state(self, data: bytes) -> None:
        """Replace the snapshot."""
        write_whole(self.path / "state", data)

    def notices(self) -> dict[str, str]:
        """Digest (hex) of the notice in effect, by device."""
        try:
            found = json.loads((self.path / "notices").read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def keep_notices(self, notices: Mapping[str, str]) -> None:
        """Replace the table of notices."""
        write_whole(self.path / "notices", json.dumps(dict(notices)).encode())

    def keep_result(self, result: bytes) -> str:
        """Keep a signed attestation result; its SHA-256 in hexadecimal."""
        digest = sha256(result).hexdigest()
        folder = self.path / "results"
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / digest).exists():
            write_whole(folder / digest, result)
        return digest

    def note_counts(self, now: int, counts: Mapping[str, int]) -> None:
        """One more minute of history."""
        self._append("history", [{"at": now, **counts}])

    def history(self) -> list[dict[str, int]]:
        """How many devices stood how, minute by minute, the last day of it."""
        return list(self._lines("history"))[-_HISTORY:]

    def secret(self, *, keeping: bool = False) -> bytes:
        """The secret of epochs and challenges, made once, and kept closed.

        Args:
            keeping: whether who asks keeps the fleet. An earlier version wrote it down in the open:
                the keeper puts a new one in its place, unless a gate lets nothing be closed.

        Raises:
            Misconfigured: ``fleet.sealing-lost``. Tampered: ``fleet.epochs-changed``.
            Refused: ``gate.*``, where none was made yet.
        """
        with self.turn():
            held = self._secret_as_kept()
            if held and not in_the_open(held):
                return self._opened(held)
            if held and not keeping:
                return held
            made = secrets.token_bytes(_PLAIN)
            try:
                self._keep_secret(made)
            except Refused:
                if not held:
                    raise
                return held
            return made

    def _secret_as_kept(self) -> bytes:
        try:
            return (self.path / OF_EPOCHS).read_bytes()
        except FileNotFoundError:
            return b""

    def _opened(self, held: bytes) -> bytes:
        return self._sealing.open_epochs(held.decode(errors="replace").strip())

    def _keep_secret(self, secret: bytes) -> None:
        write_whole(self.path / OF_EPOCHS, self._sealing.close_epochs(secret).encode() + b"\n")

    # --- lines --------------------------------------------------------------------------------

    def mark_of(self, name: str) -> tuple[int, int]:
        """Which file a table is now, and how long."""
        try:
            found = (self.path / name).stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_ino, found.st_size

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        for _, entry in self.lines_after(name, 0):
            if isinstance(entry, Exception):
                raise entry
            yield entry

    def lines_after(
        self, name: str, after: int
    ) -> Iterator[tuple[int, dict[str, Any] | Malformed]]:
        """Whole lines of a table beyond ``after`` bytes: where each ends, and what it says."""
        try:
            file = (self.path / name).open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(after)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # a crash cut it short, or it is being written
                after += len(line)
                if line == b"\n":
                    continue
                yield after, self._entry_of(name, line)

    def _entry_of(self, name: str, line: bytes) -> dict[str, Any] | Malformed:
        why = "it is no object"
        try:
            entry = json.loads(line)
        except ValueError as fault:
            why = str(fault)
        else:
            if isinstance(entry, dict):
                return entry
        return Malformed(
            "fleet.shelf-damaged",
            f"a line of {self.path / name} cannot be read",
            why=why,
            hint="restore the file from a backup, or take out the line that was changed",
            path=str(self.path / name),
        )

    def _append(self, name: str, entries: Iterable[Mapping[str, Any]]) -> None:
        with self.turn():
            self._add_lines(name, entries)

    def _add_lines(self, name: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add lines durably; whoever calls holds the turn to write."""
        data = b"".join(json.dumps(dict(entry)).encode() + b"\n" for entry in entries)
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            end = file.tell()
            if end and not self._ends_whole(name):
                file.write(b"\n")
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """One at a time, of all processes: no line runs into another's."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        with (self.path / "appending").open("ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _ends_whole(self, name: str) -> bool:
        with (self.path / name).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def in_the_open(held: bytes) -> bool:
    """Whether these bytes of ``OF_EPOCHS`` are the secret itself, as an earlier version kept it."""
    return len(held) == _PLAIN
