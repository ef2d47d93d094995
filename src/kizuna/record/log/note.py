# SPDX-License-Identifier: Apache-2.0
"""Signed notes: a text and the signature lines of those who signed it.

Keeps: 1. Name and key id together name a key; signatures of unknown keys are ignored, whatever
they hold; a line under a known name and id that does not verify refuses the whole note. 2. A note
has one form: what does not come back byte for byte when written again is refused. 3. Size and
number of lines are bounded before anything is decoded.
Standard: C2SP signed-note v1.0.0 (type 0x01), tlog-cosignature v1 (type 0x04), both Ed25519.
Does not: know what the text says, or whom to believe.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.record.log.signer import Signer
from kizuna.roots.keys import Algorithm, PublicKey, verify

__all__ = [
    "COSIGNATURE",
    "MAX_NOTE",
    "NOTE",
    "Note",
    "NoteKey",
    "Signature",
    "Signed",
    "cosign",
    "is_key_name",
    "parse_note",
    "parse_signature_lines",
    "sign_note",
    "signed_by",
]

NOTE: Final = 1
"""Signature type of a plain Ed25519 note signature."""

COSIGNATURE: Final = 4
"""Signature type of a timestamped Ed25519 witness cosignature."""

MAX_NOTE: Final = 1 << 17
MAX_SIGNATURES: Final = 100
MAX_TIME: Final = 2**63 - 1

_DASH: Final = "\u2014 "
_LINE = re.compile(r"\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})")
_KEY = re.compile(r"(\S+?)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: who says to have signed, and the signature bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line, with its line end."""
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signature lines, none of them checked."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """The note as it travels."""
        return f"{self.text}\n{''.join(s.line() for s in self.signatures)}".encode()

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """The note with further lines; of two lines under one name and key id the later stays."""
        lines = {(s.name, s.key_id): s for s in (*self.signatures, *more)}
        return Note(self.text, tuple(lines.values()))


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A verifier key: name, signature type and Ed25519 public key."""

    name: str
    public: PublicKey
    kind: int = NOTE

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or self.kind not in (NOTE, COSIGNATURE):
            raise _key_malformed(self.name)
        if self.public.algorithm is not Algorithm.EDDSA:
            raise Malformed(
                "log.key-not-ed25519",
                f"the key of {self.name[:80]} is not Ed25519",
                why="tlog clients check Ed25519 signatures on checkpoints",
                hint="make an Ed25519 key for the log or witness",
                name=self.name[:80],
            )

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand before a signature."""
        raw = bytes((self.kind,)) + self.public.to_raw()
        return sha256(self.name.encode() + b"\n" + raw).digest()[:4]

    @property
    def label(self) -> str:
        """``name+hash``: how ``LogAnchor.closed`` names a key."""
        return f"{self.name}+{self.key_id.hex()}"

    @property
    def vkey(self) -> str:
        """The C2SP verifier key, as it stands in a file of anchors."""
        raw = bytes((self.kind,)) + self.public.to_raw()
        return f"{self.label}+{base64.b64encode(raw).decode()}"

    @staticmethod
    def of(signer: Signer, kind: int = NOTE) -> NoteKey:
        """The verifier key that belongs to a signer."""
        return NoteKey(signer.name, signer.public, kind)

    @staticmethod
    def parse(text: str) -> NoteKey:
        """Read a C2SP verifier key.

        Raises:
            Malformed: ``log.key-malformed``, ``log.key-not-ed25519``, ``key.weak``.
        """
        match = _KEY.fullmatch(text) if len(text) <= 4096 else None
        if match is None:
            raise _key_malformed(text)
        raw = _decoded(match[3])
        if raw is None or len(raw) != 33 or raw[0] not in (NOTE, COSIGNATURE):
            raise _key_malformed(text)
        key = NoteKey(match[1], PublicKey.from_raw(Algorithm.EDDSA, raw[1:]), raw[0])
        if key.key_id.hex() != match[2]:
            raise _key_malformed(text)
        return key


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds: whose, and for a cosignature when it was given."""

    key: NoteKey
    time: int | None


def is_key_name(name: str) -> bool:
    """Whether a text can name a key: not empty, no spaces, no plus sign, no controls."""
    return (
        0 < len(name) <= 1024
        and "+" not in name
        and not any(c.isspace() or ord(c) < 0x20 for c in name)
    )


def parse_note(data: bytes) -> Note:
    """A note as it travels.

    Raises:
        Malformed: ``log.note-malformed``.
    """
    if len(data) > MAX_NOTE:
        raise _malformed(f"it has {len(data)} bytes, at most {MAX_NOTE}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as fault:
        raise _malformed("it is not UTF-8") from fault
    if any(c < " " and c != "\n" for c in whole):
        raise _malformed("it holds control characters")
    at = whole.rfind("\n\n")
    if at < 0:
        raise _malformed("no empty line stands before the signatures")
    note = Note(whole[: at + 1], parse_signature_lines(whole[at + 2 :]))
    if note.to_bytes() != data:
        raise _malformed("it is not in its one form")
    return note


def parse_signature_lines(text: str) -> tuple[Signature, ...]:
    """Signature lines alone: what a witness answers.

    Raises:
        Malformed: ``log.note-malformed``.
    """
    if not text.endswith("\n") or len(text) > MAX_NOTE:
        raise _malformed("the last signature line has no end")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed(f"more than {MAX_SIGNATURES} signatures")
    found: list[Signature] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        raw = _decoded(match[2]) if match else None
        if match is None or raw is None or len(raw) < 5 or not is_key_name(match[1]):
            raise _malformed("a signature line is not one")
        found.append(Signature(match[1], raw[:4], raw[4:]))
    return tuple(found)


def sign_note(text: str, signer: Signer) -> Signature:
    """A plain signature over the text (which ends with a line end)."""
    key = NoteKey.of(signer)
    return Signature(signer.name, key.key_id, signer.sign(text.encode()))


def cosign(text: str, signer: Signer, now: int) -> Signature:
    """A timestamped cosignature over the text, as witnesses give it."""
    key = NoteKey.of(signer, COSIGNATURE)
    message = _cosigned(text, now)
    return Signature(signer.name, key.key_id, now.to_bytes(8, "big") + signer.sign(message))


def signed_by(note: Note, keys: Sequence[NoteKey]) -> tuple[Signed, ...]:
    """Which of these keys signed the note; each key counts once.

    Raises:
        Tampered: ``log.signature-wrong`` when a line under a known name and id does not verify.
    """
    known = {(key.name, key.key_id): key for key in keys}
    held: dict[tuple[str, bytes], Signed] = {}
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        time: int | None = None
        message, signature = note.text.encode(), line.signature
        if key.kind == COSIGNATURE:
            time = int.from_bytes(signature[:8], "big")
            message, signature = _cosigned(note.text, time), signature[8:]
        if (time or 0) > MAX_TIME or not verify(key.public, signature, message):
            raise Tampered(
                "log.signature-wrong",
                f"the signature of {key.name} does not fit the note",
                why="the text was changed, or the signature was not made with this key",
                hint="take the checkpoint from the log again; keep this one as evidence",
                name=key.name,
            )
        held.setdefault((line.name, line.key_id), Signed(key, time))
    return tuple(held.values())


def _cosigned(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def _decoded(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def _malformed(why: str) -> Malformed:
    return Malformed(
        "log.note-malformed",
        f"not a signed note: {why}",
        why=why,
        hint="send the checkpoint as the log serves it",
        fault=why,
    )


def _key_malformed(text: str) -> Malformed:
    return Malformed(
        "log.key-malformed",
        f"not a verifier key: {text[:80]!r}",
        why="it has the form name+hash+key, and the hash fits name and key",
        hint="copy the key as the log or witness prints it",
        key=text[:80],
    )
