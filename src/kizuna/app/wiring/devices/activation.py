# SPDX-License-Identifier: Apache-2.0
"""On the owner's side: which chip an attesting key lives in, proven before it is enrolled.

::

    fleet/endorsers      certificates of chip makers that are believed (PEM)
    fleet/activations/   a file for each challenge: ten minutes to answer, a day to use it
    fleet/chips          which device has which chip; the first one that came stays

Keeps: 1. Only a chip whose endorsement certificate leads to a believed maker is challenged, and
only for a key that its chip made and that signs nothing but what the chip composes. 2. The secret
is not kept, its digest is. 3. One answer per challenge; a wrong one ends it. 4. One chip is one
device: its endorsement key under another name is refused. 5. Bounded in number and in time.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Refused, Tampered
from kizuna.roots.cose import decode, encode

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.roots.keys import PublicKey

__all__ = ["Activation", "Pending"]

MAX_REQUEST: Final = 32 << 10
_MAX_PENDING: Final = 1_000
_PER_CHIP: Final = 8
"""Challenges of one chip that may wait: one genuine chip must not fill the room of all."""
_MAX_ENDORSERS: Final = 1 << 20
_TO_ANSWER: Final = 600
_TO_USE: Final = 86_400
_NAME: Final = 16


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge that was given out."""

    key: str
    """Thumbprint of the attesting key."""
    chip: str
    """Thumbprint of the endorsement key: a certificate of it can be written in several ways."""
    maker: str
    answer: str
    """SHA-256 of the secret."""
    ends: int
    proven: bool = False


class Activation:
    """The challenges of one store."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.path / "fleet" / "activations"

    def believe(self, certificates: bytes) -> int:
        """Believe makers of chips from now on; how many certificates are believed then.

        Raises:
            Malformed: ``boot.malformed``.
        """
        from kizuna.roots.boot.path import read_anchors

        read_anchors(certificates)
        before = self._endorsers()
        whole = before if certificates.strip() in before else before + certificates.strip() + b"\n"
        if len(whole) > _MAX_ENDORSERS:
            raise Malformed(
                "device.endorsers",
                "too many makers of chips are believed",
                hint="take those out of fleet/endorsers that are not needed",
            )
        self._folder.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(self._folder.parent / "endorsers", whole)
        return whole.count(b"-----BEGIN")

    def challenge(self, request: bytes, anchors: tuple[bytes, ...] = ()) -> bytes:
        """A challenge for the chip that sent a request.

        Args:
            request: what ``kizuna device endorse`` wrote.
            anchors: makers that are believed for this once, beside those that are always.

        Raises:
            Malformed: ``device.endorsement``, ``boot.malformed``.
            Refused: ``device.endorsement-unproven``, ``device.key-elsewhere``,
                ``device.challenges``. Misconfigured: ``device.endorsers-absent``.
        """
        from kizuna.roots.boot.credential import make_challenge
        from kizuna.roots.boot.path import check_path, read_anchors, read_certificate
        from kizuna.roots.boot.public import read_public

        certificate, endorsement, key, between = _parts(request)
        now = self._workspace.clock()
        believed = [a for data in (*anchors, self._endorsers()) if data for a in _each(data)]
        if not believed:
            raise Misconfigured(
                "device.endorsers-absent",
                "no maker of chips is believed here",
                why="what a chip says of itself proves nothing",
                hint="name its maker's root: `kizuna device chip-challenge ... --anchor CERT`",
            )
        read = read_certificate(certificate)
        chain = [read, *(read_certificate(one) for one in between)]
        held = [anchor for data in believed for anchor in read_anchors(data)]
        path = check_path(chain, held, now=now, understood=_UNDERSTOOD)
        area, ours = read_public(endorsement), read_public(key)
        faults = [fault.value for fault in path.faults]
        if area.key != read.key:
            faults.append("key")
        if faults:
            raise Refused(
                "device.endorsement-unproven",
                "the chip's certificate does not prove its maker",
                why=", ".join(faults),
                hint="check that the maker's root is the one you believe and the chain is whole",
                faults=", ".join(faults),
            )
        if not ours.is_attestation_key:
            raise Refused(
                "device.key-elsewhere",
                "the key offered is not one with which a chip attests",
                why="a chip would sign anything with it, or it was not made in one",
                hint="send what `kizuna device endorse` writes",
            )
        chip = read.key.thumbprint.hex()
        self._room(now, chip)
        made = make_challenge(area, ours.name)
        name = secrets.token_bytes(_NAME)
        self._write(
            name.hex(),
            Pending(
                key=ours.key.thumbprint.hex(),
                chip=chip,
                maker=read.parsed.issuer.rfc4514_string()[:200],
                answer=sha256(made.secret).hexdigest(),
                ends=now + _TO_ANSWER,
            ),
        )
        return encode([1, name, made.credential, made.encrypted])

    def answer(self, answer: bytes) -> dict[str, Any]:
        """Take the chip's answer; with it the key can be enrolled as one of that chip.

        Raises:
            Malformed: ``device.answer``. Absent: ``device.activation-unknown``.
            Tampered: ``device.answer-wrong``.
        """
        name, secret = _answered(answer)
        held = self._find(name)
        right = hmac.compare_digest(sha256(secret).hexdigest(), held.answer)
        if held.proven or not right:
            self._path(name).unlink(missing_ok=True)
            raise Tampered(
                "device.answer-wrong",
                "this answer does not open the challenge",
                why="another chip made it, or it was answered before; the challenge is over",
                hint="begin again with `kizuna device endorse` on the device",
            )
        ends = self._workspace.clock() + _TO_USE
        self._write(name, msgspec.structs.replace(held, proven=True, ends=ends))
        return {"activation": name, "key": held.key, "chip": held.chip, "maker": held.maker}

    def proven(self, name: str, key: PublicKey | None, subject: str) -> Pending:
        """What was proven of a device's key; its chip is the device's from now on.

        Raises:
            Absent: ``device.activation-unknown``. Refused: ``device.activation-other``,
                ``device.chip-taken``.
        """
        held = self._find(name)
        if not held.proven or key is None or key.thumbprint.hex() != held.key:
            raise Refused(
                "device.activation-other",
                "nothing was proven of this key",
                why="the challenge is not answered yet, or was for another key",
                hint="enrol the key that `kizuna device endorse` wrote, after its answer was taken",
            )
        owner = self._chips().get(held.chip, subject)
        if owner != subject:
            raise Refused(
                "device.chip-taken",
                f"this chip is enrolled as {owner} already",
                why="one chip is one device",
                hint="find out which name is right; the first one stays",
                subject=owner,
            )
        return held

    def used(self, name: str, chip: str, subject: str) -> None:
        """Note, after its enrolment stands, whose chip it is."""
        with (self._folder.parent / "chips").open("ab") as file:
            file.write(msgspec.json.encode({"chip": chip, "subject": subject}) + b"\n")
        self._path(name).unlink(missing_ok=True)

    # --- inside -------------------------------------------------------------------------------

    def _endorsers(self) -> bytes:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder.parent / "endorsers").read_bytes()[:_MAX_ENDORSERS]
        return b""

    def _chips(self) -> dict[str, str]:
        found: dict[str, str] = {}
        with contextlib.suppress(FileNotFoundError):
            for line in (self._folder.parent / "chips").read_bytes().splitlines():
                with contextlib.suppress(msgspec.DecodeError, KeyError):  # half a line, of a crash
                    entry = msgspec.json.decode(line, type=dict[str, str])
                    found.setdefault(entry["chip"], entry["subject"])
        return found

    def _room(self, now: int, chip: str) -> None:
        waiting = list(self._folder.glob("*.json")) if self._folder.is_dir() else []
        count = same = 0
        for path in waiting:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                held = msgspec.json.decode(path.read_bytes(), type=Pending)
                if held.ends <= now:
                    path.unlink(missing_ok=True)
                    continue
                count += 1
                same += held.chip == chip
        if count >= _MAX_PENDING or same >= _PER_CHIP:
            raise Refused(
                "device.challenges",
                f"{count} challenges wait for their answers already",
                hint="try again in ten minutes",
                limit=count,
            )

    def _find(self, name: str) -> Pending:
        held: Pending | None = None
        if len(name) == 2 * _NAME and set(name) <= set("0123456789abcdef"):
            with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
                held = msgspec.json.decode(self._path(name).read_bytes(), type=Pending)
        if held is None or held.ends <= self._workspace.clock():
            raise Absent(
                "device.activation-unknown",
                "no such challenge waits here",
                why="ten minutes to answer it, or a day to use the answer, are over",
                hint="begin again with `kizuna device endorse` on the device",
            )
        return held

    def _write(self, name: str, held: Pending) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._path(name), msgspec.json.encode(held))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


_UNDERSTOOD: Final = frozenset({"2.5.29.9"})
"""Subject directory attributes: which specification the chip follows."""


def _each(data: bytes) -> list[bytes]:
    """The blocks of a PEM file, each by itself: every one is an anchor of its own."""
    end = b"-----END CERTIFICATE-----"
    if b"-----BEGIN CERTIFICATE" not in data:
        return [data]
    return [part + end + b"\n" for part in data.split(end) if b"-----BEGIN" in part]


def _parts(request: bytes) -> tuple[bytes, bytes, bytes, list[bytes]]:
    if len(request) > MAX_REQUEST:
        raise _unreadable()
    try:
        value = decode(request)
    except Problem as fault:
        raise _unreadable() from fault
    if not isinstance(value, list | tuple) or len(value) not in (4, 5) or value[0] != 1:
        raise _unreadable()
    between = value[4] if len(value) == 5 else []
    if any(type(one) is not bytes for one in value[1:4]) or not isinstance(between, list | tuple):
        raise _unreadable()
    if len(between) > 4 or any(type(one) is not bytes for one in between):
        raise _unreadable()
    return _certificate(value[1]), value[2], value[3], list(between)


def _certificate(data: bytes) -> bytes:
    """Without what pads it: chips keep certificates in places that are larger."""
    if data[:2] == b"\x30\x82":
        return data[: 4 + int.from_bytes(data[2:4], "big")]
    return data


def _answered(answer: bytes) -> tuple[str, bytes]:
    try:
        value = decode(answer[:1_024])
    except Problem as fault:
        raise _no_answer() from fault
    if not isinstance(value, list | tuple) or len(value) != 3 or value[0] != 1:
        raise _no_answer()
    if type(value[1]) is not bytes or type(value[2]) is not bytes:
        raise _no_answer()
    return value[1].hex(), value[2]


def _unreadable() -> Malformed:
    return Malformed(
        "device.endorsement",
        "not what a chip says of itself",
        hint="send what `kizuna device endorse` writes",
    )


def _no_answer() -> Malformed:
    return Malformed(
        "device.answer",
        "not an answer of a chip",
        hint="send what `kizuna device activate` writes",
    )
