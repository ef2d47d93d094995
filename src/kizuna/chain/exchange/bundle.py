# SPDX-License-Identifier: Apache-2.0
"""The file: what a proof bundle holds, and its one exact form.

Keeps: one content has one file, byte for byte, so that no byte is without meaning: a magic line,
deterministic CBOR, and SHA-256 over both at the end. The digest finds accidents early; what
protects against an attacker is that every part is proven against the verifier's own anchors.

Does not: prove anything. ``opening`` does.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from kizuna.model.errors import Malformed, Tampered
from kizuna.model.identifier import SubjectId, readable
from kizuna.roots.cose import decode, encode

__all__ = ["MAX_BUNDLE", "Bundle"]

MAX_BUNDLE: Final = 512 << 20
"""Largest file in bytes."""

_MAGIC: Final = b"kizuna-bundle-1\n"
_DIGEST: Final = 32
_MAX_STATEMENTS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Everything needed to judge one subject at one checkpoint of one log.

    ``subject`` and ``profile`` (a name) only say what the bundle was made for.
    """

    subject: SubjectId
    profile: str
    origin: str
    checkpoint: bytes
    """Signed note with cosignatures."""
    statements: Mapping[int, bytes] = field(default_factory=dict)
    """COSE_Sign1 by index in the log; the last leaf, the map head, among them."""
    path: Sequence[bytes] = ()
    """Proof that all these leaves stand in the checkpoint's tree (``record.log.inclusion``)."""
    map_proof: bytes = b""
    """Complete lists of the keys used (``record.log.map``)."""
    dates: Sequence[tuple[bytes, bytes, bytes]] = ()
    """Signed roots that date the entries: protected header, root, signature."""
    notes: Sequence[bytes] = ()
    """Earlier cosigned checkpoints, for verifiers who go by witnesses."""
    documents: Sequence[bytes] = ()
    """Documents of hash envelopes as they were hashed; their digests find them."""

    def to_bytes(self) -> bytes:
        """The file."""
        body = _MAGIC + encode(
            {
                1: self.subject,
                2: self.profile,
                3: self.origin,
                4: self.checkpoint,
                5: [[index, self.statements[index]] for index in sorted(self.statements)],
                6: list(self.path),
                7: self.map_proof,
                8: sorted([list(date) for date in self.dates]),
                9: sorted(self.notes),
                10: sorted(self.documents),
            }
        )
        return body + sha256(body).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Read exactly what ``to_bytes`` writes.

        Raises:
            Malformed: ``bundle.too-large``, ``bundle.malformed``, ``identifier.malformed``.
            Tampered: ``bundle.damaged`` when the digest at the end does not fit.
        """
        if len(data) > MAX_BUNDLE:
            raise Malformed(
                "bundle.too-large",
                f"a bundle of {len(data)} bytes, at most {MAX_BUNDLE}",
                hint="export a smaller part of the chain",
                size=len(data),
                limit=MAX_BUNDLE,
            )
        if not data.startswith(_MAGIC) or len(data) < len(_MAGIC) + _DIGEST + 1:
            raise _malformed("it does not begin as a bundle does")
        body, digest = data[:-_DIGEST], data[-_DIGEST:]
        if not hmac.compare_digest(sha256(body).digest(), digest):
            raise Tampered(
                "bundle.damaged",
                "the bundle was changed or cut short on its way",
                why="the digest at its end does not fit its content",
                hint="ask for the bundle again; keep this one if you suspect an attack",
            )
        try:
            content = decode(body[len(_MAGIC) :], max_depth=4)
        except Malformed as fault:
            raise _malformed(fault.why) from fault
        bundle = cls._of(content)
        if bundle.to_bytes() != data:
            raise _malformed("it is not in the one form of its content")
        return bundle

    @classmethod
    def _of(cls, content: Any) -> Bundle:  # noqa: ANN401 - decoded CBOR
        if not isinstance(content, dict) or set(content) != set(range(1, 11)):
            raise _malformed("members are missing or unknown")
        texts = [content[n] for n in (1, 2, 3)]
        if any(type(text) is not str or len(text) > 4096 for text in texts):
            raise _malformed("subject, profile and origin are texts")
        statements: dict[int, bytes] = {}
        if type(content[5]) is not list or len(content[5]) > _MAX_STATEMENTS:
            raise _malformed("its statements are no list, or too many")
        for pair in content[5]:
            if (
                type(pair) is not list
                or len(pair) != 2
                or type(pair[0]) is not int
                or type(pair[1]) is not bytes
                or pair[0] < 0
                or pair[0] in statements
            ):
                raise _malformed("a statement is not an index with bytes")
            statements[pair[0]] = pair[1]
        dates = [tuple(_byte_strings(date)) for date in _listed(content[8])]
        if any(len(date) != 3 for date in dates):
            raise _malformed("a date has not three parts")
        subject = readable(texts[0])
        if subject != texts[0]:
            raise _malformed("its subject is not in its one spelling")
        return cls(
            subject=subject,
            profile=texts[1],
            origin=texts[2],
            checkpoint=_byte_string(content[4]),
            statements=statements,
            path=_byte_strings(content[6]),
            map_proof=_byte_string(content[7]),
            dates=[(date[0], date[1], date[2]) for date in dates],
            notes=_byte_strings(content[9]),
            documents=_byte_strings(content[10]),
        )


def _listed(value: object) -> list[Any]:
    if type(value) is not list:
        raise _malformed("a list is missing")
    return value


def _byte_string(value: object) -> bytes:
    if type(value) is not bytes:
        raise _malformed("a byte string is missing")
    return value


def _byte_strings(value: object) -> list[bytes]:
    return [_byte_string(item) for item in _listed(value)]


def _malformed(why: str) -> Malformed:
    return Malformed(
        "bundle.malformed",
        f"not a proof bundle: {why}",
        why=why,
        hint="make one with `kizuna export SUBJECT --profile NAME --out FILE`",
        fault=why,
    )
