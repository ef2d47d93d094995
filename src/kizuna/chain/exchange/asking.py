# SPDX-License-Identifier: Apache-2.0
"""One question to a store and its answer: everything under some keys of the map, with proof.

The answer is a proof bundle over those keys, and the proof that the log only grew since the size
that the asker remembers. Nothing in it is believed: it is opened with the verifier's own anchors.

Keeps: 1. Bounded in keys and bytes on both sides. 2. A question names keys, never the subject that
is judged or the profile: a store learns no more than which of its lists somebody reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from kizuna.chain.exchange.bundle import Bundle
from kizuna.chain.exchange.packing import BundleSource, pack_bundle
from kizuna.model.errors import Malformed
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.payload import Links
from kizuna.model.trust import Anchors, LogAnchor
from kizuna.record.log import EvidenceLog, VerifiableMap
from kizuna.record.log.keys import statement_key, subject_key
from kizuna.roots.cose import decode, encode

__all__ = ["MOST_KEYS", "Answer", "Question", "Transport", "answer_question"]

MOST_KEYS: Final = 20_000
"""Most map keys of one question."""

MOST_BYTES: Final = 256 << 20
"""Largest answer."""

_HASH: Final = 32
_PATH: Final = 256
_FOLLOWED: Final = 6
_MOST_FOLLOWED: Final = 100_000

Transport = Callable[[LogAnchor, bytes], bytes]
"""Sends a question to the store that keeps a log and gives its answer, bounded in bytes and time.

Raises a ``Problem`` where there is no answer.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Map keys, and the size of the log that the asker remembers (0: none)."""

    keys: tuple[bytes, ...]
    since: int = 0

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return encode({1: list(self.keys), 2: self.since})

    @staticmethod
    def from_bytes(data: bytes) -> Question:
        """Read what was sent.

        Raises:
            Malformed: ``exchange.question``.
        """
        try:
            content = decode(data, max_depth=3)
        except Malformed as fault:
            raise _question(fault.why) from fault
        if type(content) is not dict or set(content) != {1, 2}:
            raise _question("members are missing or unknown")
        keys, since = content[1], content[2]
        if type(keys) is not list or len(keys) > MOST_KEYS:
            raise _question(f"not a list of at most {MOST_KEYS} keys")
        if any(type(key) is not bytes or len(key) != _HASH for key in keys):
            raise _question(f"a key has {_HASH} bytes")
        if type(since) is not int or since < 0:
            raise _question("a size is a number")
        return Question(keys=tuple(dict.fromkeys(keys)), since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A bundle, and the hashes that show growth since the asker's size (none where it has none).

    ``documents``: how many documents the bundle holds, known to whoever made it.
    """

    bundle: bytes
    grown: tuple[bytes, ...] = ()
    documents: int = 0

    def to_bytes(self) -> bytes:
        """As it is sent."""
        return encode({1: self.bundle, 2: list(self.grown)})

    @staticmethod
    def from_bytes(data: bytes) -> Answer:
        """Read what came back.

        Raises:
            Malformed: ``exchange.answer``.
        """
        try:
            content = decode(data, max_depth=3)
        except Malformed as fault:
            raise _answer(fault.why) from fault
        if type(content) is not dict or set(content) != {1, 2} or type(content[1]) is not bytes:
            raise _answer("members are missing or unknown")
        grown = content[2]
        if type(grown) is not list or len(grown) > _PATH:
            raise _answer("not a list of hashes")
        if any(type(node) is not bytes or len(node) != _HASH for node in grown):
            raise _answer(f"a hash has {_HASH} bytes")
        return Answer(bundle=content[1], grown=tuple(grown))


def answer_question(
    question: Question,
    source: BundleSource,
    log: EvidenceLog,
    verifiable_map: VerifiableMap,
    *,
    owner: SubjectId,
    anchors: Anchors,
) -> Answer:
    """What a store answers, as far as ``source``'s view shows.

    Args:
        question: what is asked.
        source: a reader that stands at the log's last published checkpoint.
        log: the log.
        verifiable_map: the map beside it.
        owner: whose store it is; the bundle is about nobody's product.
        anchors: whose witnesses date the entries.

    Raises:
        Absent: ``bundle.nothing-recorded``. Unavailable: ``bundle.*``.
    """
    bundle: Bundle = pack_bundle(
        source,
        log,
        verifiable_map,
        subject=owner,
        profile="",
        keys=_and_what_follows(source, question.keys),
        anchors=anchors,
    )
    (known,) = source.heads()
    grown: Sequence[bytes] = ()
    if 0 < question.since < known.size:
        grown = log.consistency(question.since, known.size)
    return Answer(bundle=bundle.to_bytes(), grown=tuple(grown), documents=len(bundle.documents))


def _and_what_follows(source: BundleSource, keys: Sequence[bytes]) -> set[bytes]:
    """The keys, and those that verifiers ask for next: what was done to each statement found, the
    keys of whoever made it, and the things that it ties together. So a chain takes one way there
    and back a store, however deep it is in there; what is too much is left out.
    """
    wanted, fresh = set(keys), set(keys)
    seen: set[Digest] = set()
    for _ in range(_FOLLOWED):
        if not fresh or len(wanted) > _MOST_FOLLOWED:
            break
        found = source.rows_under(sorted(fresh))
        digests = {digest for listed in found.values() for _, digest in listed} - seen
        seen |= digests
        follow = {statement_key(digest) for digest in digests}
        names: set[str] = set()
        for item in source.by_digests(sorted(digests)).values():
            said = item.statement
            names.add(said.issuer)
            if isinstance(said.payload, Links):
                for link in said.payload.links:
                    names.update(end for end in (link.subject, link.object) if end is not None)
        follow.update(map(subject_key, names))
        fresh = follow - wanted
        wanted |= fresh
    return wanted


def _question(why: str) -> Malformed:
    return Malformed(
        "exchange.question",
        f"not a question for evidence: {why}",
        why=why,
        hint="ask with a kizuna of the same version",
        fault=why,
    )


def _answer(why: str) -> Malformed:
    return Malformed(
        "exchange.answer",
        f"the store answers with something else than evidence: {why}",
        why=why,
        hint="check the address that the anchors give for this log",
        fault=why,
    )
