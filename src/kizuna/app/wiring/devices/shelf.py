# SPDX-License-Identifier: Apache-2.0
"""The fleet's own folder in a store: who is enrolled, what is remembered, the secret of epochs.

::

    fleet/devices      one enrolled device a line (JSON), the last line of a name counts; 0600
    fleet/references   one reference value a line (JSON)
    fleet/endorsed     one key that a maker vouches for a line (JSON)
    fleet/state        counters, epochs and digests of recent evidence; written whole
    fleet/notices      digest of the notice in effect, by device
    fleet/results/     signed attestation results (EAR) of standings that went bad, by SHA-256
    fleet/history      one line a minute: how many devices stood how
    fleet/open         there while devices are heard; found at a start, the last end was no end
    fleet/secret       32 random bytes that make epochs' nonces; 0600
    fleet/writer       locked by the one process that keeps the fleet
    fleet/appending    locked for the moment in which a process adds lines to a table

Keeps: 1. A line half written by a crash is left out, the others count. 2. One process keeps the
fleet; others add lines to its tables, one at a time. 3. Shared secrets of HMAC devices stand here
and nowhere else: whoever can read this folder can speak for those devices, as can this verifier
itself.
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
from typing import IO, TYPE_CHECKING, Any

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Malformed, Unavailable
from kizuna.model.identifier import Digest, canonical
from kizuna.proof.attestation.reference import Endorsed, Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes.observed import LEARNT, Learnt
from kizuna.roots.cose import SharedKey
from kizuna.roots.keys import Algorithm, PublicKey

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Shelf"]

_HISTORY: int = 24 * 60
"""Minutes of history that are shown."""


class Shelf:
    """Files of one fleet."""

    def __init__(self, workspace: Workspace) -> None:
        self.path: Path = workspace.path / "fleet"
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

    def devices(self) -> Iterator[Enrolled]:
        """Everybody enrolled, each once, as last enrolled."""
        return self.read_devices(self._lines("devices"))

    def read_devices(self, entries: Iterable[Mapping[str, Any]]) -> Iterator[Enrolled]:
        """The devices of some lines, each once, as the last of them says."""
        last: dict[str, Mapping[str, Any]] = {}
        for entry in entries:
            last[entry["subject"]] = entry
        return map(_device, last.values())

    def add_devices(self, devices: Iterable[Enrolled]) -> None:
        """Write these down, durably."""
        self._append("devices", map(_entry, devices), mode=0o600)

    # --- references ---------------------------------------------------------------------------

    def references(self) -> References:
        """The reference values kept here; a class with one is closed unless it says otherwise."""
        found = References()
        for entry in self._lines("references"):
            found.add(
                Reference(
                    model=entry["model"],
                    component=entry["component"],
                    digest_alg=entry["alg"],
                    digest=bytes.fromhex(entry["digest"]),
                    version=entry.get("version"),
                    signer=bytes.fromhex(entry["signer"]) if entry.get("signer") else None,
                    source=Digest(bytes.fromhex(entry["source"])) if entry.get("source") else None,
                    signed=bool(entry.get("signed")),
                    since=entry.get("since"),
                    until=entry.get("until"),
                )
            )
            if entry.get("closed", True):
                found.close(entry["model"])
        for entry in self._lines("endorsed"):
            found.endorse(
                Endorsed(
                    model=entry["model"],
                    identity=bytes.fromhex(entry["identity"]) if entry.get("identity") else None,
                    key=PublicKey.from_cose(
                        bytes.fromhex(entry["key"]), Algorithm(entry["algorithm"])
                    ),
                    purpose=entry["purpose"],
                    source=Digest(bytes.fromhex(entry["source"])) if entry.get("source") else None,
                    signed=bool(entry.get("signed")),
                    since=entry.get("since"),
                    until=entry.get("until"),
                )
            )
        return found

    def add_endorsed(self, keys: Iterable[Endorsed]) -> None:
        """Accept keys that makers vouch for, durably: for devices enrolled without one."""
        self._append(
            "endorsed",
            (
                {
                    "model": k.model,
                    "identity": None if k.identity is None else k.identity.hex(),
                    "key": k.key.cose_key.hex(),
                    "algorithm": k.key.algorithm.value,
                    "purpose": k.purpose,
                    "source": None if k.source is None else k.source.hex(),
                    "signed": k.signed,
                    "since": k.since,
                    "until": k.until,
                }
                for k in keys
            ),
        )

    def add_references(self, values: Iterable[Reference], *, closed: bool = True) -> None:
        """Accept these values, durably."""
        self._append(
            "references",
            (
                {
                    "model": v.model,
                    "component": v.component,
                    "alg": v.digest_alg,
                    "digest": v.digest.hex(),
                    "version": v.version,
                    "signer": None if v.signer is None else v.signer.hex(),
                    "source": None if v.source is None else v.source.hex(),
                    "signed": v.signed,
                    "since": v.since,
                    "until": v.until,
                    "closed": closed,
                }
                for v in values
            ),
        )

    # --- state --------------------------------------------------------------------------------

    def state(self) -> bytes | None:
        """The last snapshot; None where there is none."""
        try:
            return (self.path / "state").read_bytes()
        except FileNotFoundError:
            return None

    @property
    def open(self) -> bool:
        """Whether somebody heard devices and never closed: what was heard last is lost."""
        return (self.path / "open").exists()

    def mark(self, *, opened: bool) -> None:
        """Note that devices are heard from now on, or that all that was heard is kept."""
        if opened:
            (self.path / "open").touch()
        else:
            (self.path / "open").unlink(missing_ok=True)

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

    def secret(self) -> bytes:
        """The secret of epochs and challenges, made once."""
        file = self.path / "secret"
        with contextlib.suppress(FileNotFoundError):
            found = file.read_bytes()
            if len(found) == 32:
                return found
        made = secrets.token_bytes(32)
        write_whole(file, made)
        return made

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

    def _append(self, name: str, entries: Iterable[Mapping[str, Any]], mode: int = 0o600) -> None:
        data = b"".join(json.dumps(dict(entry)).encode() + b"\n" for entry in entries)
        with self._writing():
            descriptor = os.open(self.path / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
            with os.fdopen(descriptor, "ab") as file:
                end = file.tell()
                if end and not self._ends_whole(name):
                    file.write(b"\n")
                file.write(data)
                file.flush()
                os.fsync(file.fileno())

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One at a time, of all processes: no line runs into another's."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        with (self.path / "appending").open("ab") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield

    def _ends_whole(self, name: str) -> bool:
        with (self.path / name).open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _entry(device: Enrolled) -> dict[str, Any]:
    entry: dict[str, Any] = {"subject": device.subject, "scheme": device.scheme}
    if isinstance(device.key, PublicKey):
        entry["key"] = _key_text(device.key)
    elif device.key is not None:
        entry["secret"] = device.key.secret.hex()
    if device.roots:
        entry["roots"] = [_root_text(root) for root in device.roots]
    for name in ("reference", "position"):
        if getattr(device, name) is not None:
            entry[name] = getattr(device, name)
    if device.identity is not None:
        entry["identity"] = device.identity.hex()
    if isinstance(signer := device.about.get("signer"), bytes):
        entry["signer"] = signer.hex()
    if selection := device.about.get("selection"):
        entry["selection"] = selection
    learnt = device.about.get(LEARNT)
    if isinstance(learnt, Learnt):
        entry["learnt"] = {
            "address": learnt.address,
            "position": learnt.position,
            "banner": None if learnt.banner is None else learnt.banner.hex(),
            "interval": learnt.interval,
            "tolerance": learnt.tolerance,
        }
    return entry


def _device(entry: Mapping[str, Any]) -> Enrolled:
    key: PublicKey | SharedKey | None = None
    if "key" in entry:
        key = _key(entry["key"])
    elif "secret" in entry:
        key = SharedKey(bytes.fromhex(entry["secret"]))
    about: dict[str, Any] = {}
    if learnt := entry.get("learnt"):
        banner = learnt["banner"]
        about[LEARNT] = Learnt(
            address=learnt["address"],
            position=learnt["position"],
            banner=None if banner is None else bytes.fromhex(banner),
            interval=learnt["interval"],
            tolerance=learnt["tolerance"],
        )
    if signer := entry.get("signer"):
        about["signer"] = bytes.fromhex(signer)
    if selection := entry.get("selection"):
        about["selection"] = tuple((bank, tuple(numbers)) for bank, numbers in selection)
    identity = entry.get("identity")
    return Enrolled(
        scheme=entry["scheme"],
        subject=canonical(entry["subject"]),
        key=key,
        roots=tuple(_root(text) for text in entry.get("roots", ())),
        reference=entry.get("reference"),
        identity=None if identity is None else bytes.fromhex(identity),
        position=entry.get("position"),
        about=about,
    )


def _key_text(key: PublicKey) -> str:
    return f"{key.algorithm.value}:{key.cose_key.hex()}"


def _key(text: str) -> PublicKey:
    algorithm, _, cose_key = text.partition(":")
    return PublicKey(Algorithm(int(algorithm)), bytes.fromhex(cose_key))


def _root_text(root: object) -> str:
    if isinstance(root, PublicKey):
        return "key:" + _key_text(root)
    return "bytes:" + root.hex() if isinstance(root, bytes) else ""


def _root(text: str) -> PublicKey | bytes:
    form, _, rest = text.partition(":")
    return _key(rest) if form == "key" else bytes.fromhex(rest)
