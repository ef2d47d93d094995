# SPDX-License-Identifier: Apache-2.0
"""What comes out of a document: statements still to be signed, and everything worth remarking.

Keeps: 1. A draft is a whole valid payload of its kind (or a document of the field as received)
about a canonical subject; nobody has signed it. 2. Every payload made here says ``imported``: it
is the importer's word for what a document says, never the word of whoever wrote the document.
3. What was not understood stands in ``remarks`` with its place; nothing is dropped in silence.
4. A signature found inside a document is reported with what was checked about it and never raises
the standing of a draft.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.roots.keys import PublicKey

__all__ = [
    "Draft",
    "Imported",
    "Importer",
    "InnerSignature",
    "Remark",
    "Settled",
    "SignatureResult",
    "Source",
]

_THUMBPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A statement to be signed by whoever imports: ``payload`` bytes under ``media_type``."""

    kind: Kind
    subject: SubjectId
    payload: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something in a document that made no statement, or not the one its author may expect.

    ``where`` is a JSON pointer, or for tables a cell (``B3``) or the heading of a column. ``code``
    names the sort of remark for the message catalogue; ``about`` is the word that it needs.
    """

    where: str
    code: str
    about: str = ""


class SignatureResult(StrEnum):
    """What checking a signature inside a document came to."""

    VALID = "valid"  # holds under the key named; says nothing of who holds that key
    WRONG = "wrong"  # the key was at hand and the signature does not hold
    UNVERIFIED = "unverified"  # no usable key, or a form that cannot be checked here


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerSignature:
    """A signature that a document brought along, kept and judged.

    ``key_from`` is ``document`` where the key was found beside the signature (then ``valid``
    only means: unchanged since someone with that key signed), ``neighbour`` where another document
    of the same import lists it, and ``caller`` where whoever imports handed it in. ``reason`` says
    why a signature stayed unverified. ``signer`` is who the document says signed; ``identity`` is
    whose key it is, where the caller knows.
    """

    where: str
    form: str
    result: SignatureResult
    algorithm: str = ""
    key_id: str = ""
    thumbprint: str = ""
    key_from: str = ""
    reason: str = ""
    signer: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The document says that a vulnerability does not (or no longer) concern a subject.

    Whoever imports withdraws their own earlier notices of that subject and ``notice`` id.
    """

    subject: SubjectId
    notice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One document, read.

    ``names`` maps the document's own names for its parts (BOM-Links, SPDX element URIs) to the
    subjects they became: hand them to the reading of other documents as ``others``.
    ``handling`` is a mark of restricted distribution (``TLP:RED``) that the document carries.
    """

    format: str
    root: SubjectId | None
    statements: tuple[Draft, ...]
    media_type: str
    document: bytes
    remarks: tuple[Remark, ...] = ()
    inner_signatures: tuple[InnerSignature, ...] = ()
    settled: tuple[Settled, ...] = ()
    names: Mapping[str, SubjectId] = field(default_factory=dict)
    unresolved: frozenset[str] = frozenset()
    """Names of other documents' parts that this one speaks of and nobody could resolve."""
    handling: str = ""
    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    """Keys that the document lists for signatures of others (an in-toto layout), by key id."""

    @property
    def not_understood(self) -> tuple[str, ...]:
        """The places of all remarks, each once, in document order."""
        return tuple(dict.fromkeys(remark.where for remark in self.remarks))

    @property
    def subjects(self) -> tuple[SubjectId, ...]:
        """The subjects of all drafts, each once."""
        return tuple(dict.fromkeys(draft.subject for draft in self.statements))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document on its way to an importer.

    ``value`` is the decoded JSON, ``text`` the decoded text of a document that is no JSON; a
    container format (xlsx) has neither.
    """

    data: bytes
    name: str
    value: Any = None
    text: str | None = None
    issuer: SubjectId | None = None
    others: Mapping[str, SubjectId] = field(default_factory=dict)
    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    lent: Mapping[str, PublicKey] = field(default_factory=dict)

    def key_ring(self) -> dict[str, tuple[PublicKey, str]]:
        """Every key at hand by its id, with where it came from; the caller's own come first."""
        ring = {name: (key, "neighbour") for name, key in self.lent.items()}
        return ring | {name: (key, "caller") for name, key in self.keys.items()}

    def key_of(self, issuer: SubjectId, method: str) -> PublicKey | None:
        """The key that was handed in for an issuer, under the name of its method or the issuer's.

        A method counts only below the issuer's own name: else a key handed in for one issuer
        verifies what claims to be another's. A thumbprint names one of the issuer's keys. What
        another document lists never counts here: anyone can write a document that lists a key
        under an issuer's name.
        """
        fragment = method.removeprefix(issuer).removeprefix("#")
        named = self.keys.get(f"{issuer}#{fragment}")
        if named is not None:
            return named
        key = self.keys.get(issuer)
        if key is not None and _THUMBPRINT.fullmatch(fragment):
            return key if key.thumbprint.hex() == fragment else None  # another key than this one
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """One format: how to tell it, and how to read it."""

    format: str
    media_type: str
    matches: Callable[[Source], bool]
    read: Callable[[Source], Imported]
