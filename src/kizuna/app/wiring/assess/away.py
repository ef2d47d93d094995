# SPDX-License-Identifier: Apache-2.0
"""Answers signed where the key is: what is to be signed as a file, and what was signed as another.

Whoever keeps a key of their own answers in the web form of the store that they joined, takes away a
sheet with every statement word for word, and signs it at home. What comes back are signatures and
nothing else that the store did not have: it holds the answers and the evidence already.

Keeps: 1. A sheet holds all that is signed, down to the byte; its digest (``seen``) is the one that
the form shows, and a sheet whose content gives another is refused. 2. Whoever signs sees every
statement, about one subject, in their own name, and of the kinds that answers come to: claims,
evidence, the end of earlier claims. 3. The private key never travels; the salts of evidence do,
since only by them can the store show it. 4. Both files are read under bounds.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.assess.plan import Saying, seen_of, written
from kizuna.model.errors import Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, decode_payload, encode_payload

if TYPE_CHECKING:
    from kizuna.app.wiring.assess.pen import Pen
    from kizuna.app.wiring.assess.plan import Plan

__all__ = ["SHEET", "SIGNED", "Sheet", "Signed", "read_sheet", "read_signed", "sheet_of"]

SHEET: Final = "kizuna-answers-to-sign/1"
SIGNED: Final = "kizuna-answers-signed/1"
MOST: Final = 96 << 20
"""Bytes of a sheet: evidence of a draft in Base64, and the words around it."""
SIGNATURES: Final = 16 << 20
_SAYINGS: Final = 4_000
_PROFILES: Final = 8
_SALT: Final = 16
_WHYS: Final = frozenset({"claim", "withdrawal", "summary"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is to be signed, and for which questionnaire."""

    store: str
    """Name of the log that it is for."""
    issuer: SubjectId
    subject: SubjectId
    profiles: tuple[str, ...]
    element: str
    sayings: tuple[Saying, ...]

    @property
    def seen(self) -> str:
        """The digest of all that is signed."""
        return seen_of(self.issuer, self.subject, self.sayings)

    def to_json(self) -> bytes:
        """As a file."""
        document = {
            "format": SHEET,
            "store": self.store,
            "issuer": self.issuer,
            "subject": self.subject,
            "profiles": list(self.profiles),
            "element": self.element,
            "seen": self.seen,
            "statements": [_written(one) for one in self.sayings],
        }
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    def signed_by(self, pen: Pen) -> Signed:
        """Everything signed.

        Raises:
            Refused: ``assess.other-pen``.
        """
        if pen.identity != self.issuer:
            raise Refused(
                "assess.other-pen",
                "the answers were planned for another signer",
                why=f"they are to be signed by {self.issuer}",
                hint="look again at what would be signed",
            )
        statements, documents = written(self.sayings, self.subject, pen)
        return Signed(
            store=self.store,
            subject=self.subject,
            profiles=self.profiles,
            element=self.element,
            seen=self.seen,
            statements=tuple(statements),
            salts=tuple(kept[:_SALT] for kept in documents.values()),
        )


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was signed: the statements, and the salts of the evidence among them, in order."""

    store: str
    subject: str
    profiles: tuple[str, ...]
    element: str
    seen: str
    statements: tuple[bytes, ...]
    salts: tuple[bytes, ...]

    def to_json(self) -> bytes:
        """As a file; bytes are in Base64."""
        return msgspec.json.encode({"format": SIGNED} | msgspec.to_builtins(self)) + b"\n"


def sheet_of(plan: Plan, *, store: str, element: str = "") -> Sheet:
    """A plan as a sheet to take away."""
    return Sheet(
        store=store,
        issuer=plan.issuer,
        subject=plan.asked.subject,
        profiles=tuple(part.profile for part in plan.asked.each),
        element=element,
        sayings=plan.sayings,
    )


def read_sheet(data: bytes) -> Sheet:
    """A sheet that somebody wants signed.

    Raises:
        Malformed: ``assess.sheet-malformed``. Refused: ``assess.sheet-changed``.
    """
    from kizuna.roots.strict_json import read_object

    document = read_object(data, "assess.sheet-malformed", MOST)
    try:
        if document["format"] != SHEET:
            raise _malformed("it is no sheet of answers to sign")
        profiles, statements = document["profiles"], document["statements"]
        if not isinstance(profiles, list) or not 0 < len(profiles) <= _PROFILES:
            raise _malformed("it names no profile, or too many")
        if not isinstance(statements, list) or not 0 < len(statements) <= _SAYINGS:
            raise _malformed("it holds no statement, or too many")
        sheet = Sheet(
            store=str(document["store"])[:400],
            issuer=canonical(document["issuer"]),
            subject=canonical(document["subject"]),
            profiles=tuple(str(one)[:200] for one in profiles),
            element=str(document["element"])[:40],
            sayings=tuple(_saying(one) for one in statements),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise _malformed(f"{type(fault).__name__}: {fault}") from fault
    if sheet.seen != document.get("seen"):
        raise Refused(
            "assess.sheet-changed",
            "the sheet is not what the store made",
            why="its content gives another digest than the one written on it",
            hint="download it again, and sign that",
            seen=sheet.seen,
        )
    return sheet


def read_signed(data: bytes) -> Signed:
    """What came back signed.

    Raises:
        Malformed: ``assess.sheet-malformed``.
    """
    if len(data) > SIGNATURES:
        raise _malformed(f"{len(data)} bytes, at most {SIGNATURES}")
    try:
        document = msgspec.json.decode(data, type=dict[str, Any])
        if document.pop("format", None) != SIGNED:
            raise _malformed("it is not what `kizuna assess sign` writes")
        signed = msgspec.convert(document, Signed, strict=True)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise _malformed(str(fault)) from fault
    if len(signed.statements) > _SAYINGS or len(signed.profiles) > _PROFILES:
        raise _malformed("it holds too many statements")
    return signed


def _written(saying: Saying) -> dict[str, str]:
    if saying.payload is None:
        data = base64.b64encode(saying.document).decode()
        return {"why": "document", "name": saying.name, "document": data}
    assert saying.kind is not None  # noqa: S101 - a payload has a kind
    payload = encode_payload(saying.payload).decode()
    return {"why": saying.why, "kind": saying.kind.value, "payload": payload}


def _saying(told: Mapping[str, Any]) -> Saying:
    if told["why"] == "document":
        if set(told) != {"why", "name", "document"}:
            raise _malformed("a document has other members than its name and its bytes")
        data = base64.b64decode(told["document"], validate=True)
        return Saying(kind=None, name=str(told["name"])[:400], document=data, why="document")
    if set(told) != {"why", "kind", "payload"} or told["why"] not in _WHYS:
        raise _malformed("a statement has other members than answers have")
    raw, kind = str(told["payload"]).encode(), Kind(told["kind"])
    payload = decode_payload(kind, raw)
    ends = isinstance(payload, Status) and (
        payload.action is Action.WITHDRAW and payload.target.statement is not None
    )
    if not (ends if told["why"] == "withdrawal" else isinstance(payload, Claim)):
        raise _malformed(f"answers never come to such a {kind}")
    if encode_payload(payload) != raw:
        raise _malformed("a payload is not written as it is signed")
    return Saying(kind=kind, payload=payload, why=str(told["why"]))


def _malformed(why: str) -> Malformed:
    return Malformed(
        "assess.sheet-malformed",
        f"not a file of answers to sign, or signed: {why[:200]}",
        why=why[:200],
        hint="download it again from the form; `kizuna assess sign FILE` signs it",
        fault=why[:200],
    )
