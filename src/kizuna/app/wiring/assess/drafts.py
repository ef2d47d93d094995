# SPDX-License-Identifier: Apache-2.0
"""Drafts of answers, until they are sent: unsigned, beside the log, their author's alone.

Keeps: 1. A draft belongs to one identity: nobody else's drafts can be named. 2. It is renewed only
by whoever saw its last state; a stale one changes nothing. 3. Bounded in number and size; evidence
is kept by hash. 4. What was sent is remembered by the digest of what was signed, so that sending it
again gives the same answer and signs nothing.

::

    drafts/AUTHOR/KEY.json      one draft
    drafts/AUTHOR/KEY/SHA256    its evidence, until it is sent
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.assess.plan import given_answers
from kizuna.app.wiring.folder import write_whole
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId
from kizuna.proof.assurance import Answer, Answers, File, Questionnaire, State
from kizuna.proof.assurance.answers import FILE

if TYPE_CHECKING:
    from pathlib import Path

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Draft", "Drafts", "as_answers"]

_DRAFTS: Final = 100
_BYTES: Final = 8 << 20
_FILES: Final = 60
_ALL: Final = 32 << 20
_READ: Final = 8 << 20
_LOCK: Final = threading.Lock()
_SENDING: Final[dict[str, threading.Lock]] = {}
"""One lock an author, for as long as the process lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Answers as far as they have come."""

    subject: SubjectId
    profiles: tuple[str, ...]
    element: str = ""
    version: int = 0
    changed: int = 0
    answers: tuple[Answer, ...] = ()
    sent: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """``seen`` and ``told`` of what was sent last; empty: nothing yet."""

    @property
    def key(self) -> str:
        """Its name among its author's drafts."""
        told = json.dumps([self.subject, sorted(self.profiles), self.element])
        return sha256(told.encode()).hexdigest()[:32]


class Drafts:
    """The drafts of one author."""

    def __init__(self, workspace: Workspace, author: SubjectId) -> None:
        self._workspace = workspace
        self._author = author
        self._folder = workspace.path / "drafts" / sha256(author.encode()).hexdigest()[:32]

    def every(self) -> list[Draft]:
        """The drafts that are not sent, the one changed last first."""
        found = [d for p in self._paths() if (d := _read(p)) is not None and not d.sent]
        return sorted(found, key=lambda d: d.changed, reverse=True)

    def open(self, asked: Questionnaire, element: str = "") -> Draft:
        """The draft of a questionnaire; a new one begins with what is registered."""
        fresh = Draft(
            subject=asked.subject, profiles=tuple(p.profile for p in asked.each), element=element
        )
        kept = _read(self._path(fresh))
        if kept is not None and not kept.sent:
            return kept
        given, _ = given_answers(self._workspace, asked, by=self._author)
        named = {q.id for q in asked.questions}
        answers = tuple(replace(a, statement="") for a in given.answers if a.requirement in named)
        if kept is not None:
            return replace(kept, answers=answers)
        return replace(fresh, answers=answers)

    def keep(
        self,
        draft: Draft,
        answers: Sequence[Answer],
        evidence: Mapping[str, bytes] | None = None,
        *,
        version: int,
    ) -> Draft:
        """The draft with these answers, kept.

        Args:
            draft: as it was opened.
            answers: all of its answers.
            evidence: bytes of files by their SHA-256 (hex).
            version: of the draft that the author saw.

        Raises:
            Refused: ``assess.draft-stale``, ``assess.drafts-many``.
            Malformed: ``assess.file-large``, ``assess.files-many``.
        """
        with _LOCK:
            now = _read(self._path(draft))
            if (now.version if now is not None else 0) != version:
                raise Refused(
                    "assess.draft-stale",
                    "the draft was changed elsewhere since this page was opened",
                    why="another window or another person saved it",
                    hint="compare your answers with those saved, then save again",
                )
            if now is None and len(self._paths()) >= _DRAFTS:
                raise Refused(
                    "assess.drafts-many",
                    f"there are {_DRAFTS} drafts already",
                    hint="send or delete one first",
                    limit=_DRAFTS,
                )
            self._keep_files(draft, answers, evidence or {})
            kept = replace(
                draft,
                answers=tuple(answers),
                version=version + 1,
                changed=self._workspace.clock(),
                sent={},
            )
            self._write(kept)
            return kept

    def evidence(self, draft: Draft, asked: Questionnaire) -> dict[str, bytes]:
        """The files of a draft by name; where two differ under one name, the hash goes before.

        Raises:
            Absent: ``assess.draft-file``.
        """
        given, _ = given_answers(self._workspace, asked, by=self._author)
        registered = {f.sha256 for f in _files(given.answers)}
        named: dict[str, bytes] = {}
        for file in _files(draft.answers):
            path = self._files(draft) / file.sha256
            if file.sha256 in registered:
                continue
            data = path.read_bytes() if path.is_file() else b""
            if sha256(data).hexdigest() != file.sha256:
                raise Absent(
                    "assess.draft-file",
                    f"{file.name}: the file kept with the draft is not what was handed in",
                    hint="hand it in again",
                    name=file.name,
                )
            name = file.name
            if name in named and named[name] != data:
                name = f"{file.sha256[:8]}-{name}"
            named[name] = data
        return named

    def held(self, draft: Draft) -> dict[str, int]:
        """Sizes of the files kept with a draft, by their SHA-256."""
        folder = self._files(draft)
        found = folder.iterdir() if folder.is_dir() else ()
        return {p.name: p.stat().st_size for p in found}

    @contextmanager
    def sending(self) -> Iterator[None]:
        """One author sends one thing at a time: what two windows send at once is signed once."""
        with _lock_of(str(self._folder)):
            yield

    def sent(self, draft: Draft, seen: str, told: Mapping[str, Any]) -> None:
        """Remember what was sent; the draft and its files end."""
        with _LOCK:
            self._write(
                replace(
                    draft,
                    answers=(),
                    version=draft.version + 1,
                    changed=self._workspace.clock(),
                    sent={"seen": seen, "told": dict(told)},
                )
            )
            shutil.rmtree(self._files(draft), ignore_errors=True)

    def sent_as(self, draft: Draft) -> Mapping[str, Any]:
        """What was sent last of this questionnaire: ``seen`` and ``told``; empty: nothing."""
        kept = _read(self._path(draft))
        return {} if kept is None else kept.sent

    def drop(self, draft: Draft, *, version: int) -> None:
        """Delete a draft and its files.

        Raises:
            Refused: ``assess.draft-stale``.
        """
        with _LOCK:
            now = _read(self._path(draft))
            if now is None:
                return
            if now.version != version:
                raise Refused(
                    "assess.draft-stale",
                    "the draft was changed elsewhere since this page was opened",
                    why="another window or another person saved it",
                    hint="compare your answers with those saved, then save again",
                )
            shutil.rmtree(self._files(draft), ignore_errors=True)
            self._path(draft).unlink(missing_ok=True)

    def _keep_files(
        self, draft: Draft, answers: Sequence[Answer], evidence: Mapping[str, bytes]
    ) -> None:
        wanted = {f.sha256 for f in _files(answers)}
        folder = self._files(draft)
        sizes = {n: s for n, s in self.held(draft).items() if n in wanted}
        for digest, data in evidence.items():
            if len(data) > _BYTES:
                raise Malformed(
                    "assess.file-large",
                    f"a file of {len(data)} bytes; evidence has at most {_BYTES}",
                    hint="hand in a smaller one, or give its address",
                    size=len(data),
                    limit=_BYTES,
                )
            if digest in wanted:
                sizes[digest] = len(data)
        if len(sizes) > _FILES or sum(sizes.values()) > _ALL:
            raise Malformed(
                "assess.files-many",
                f"{len(sizes)} files of {sum(sizes.values())} bytes in one draft",
                hint=f"at most {_FILES} files and {_ALL} bytes; take some away",
                count=len(sizes),
                limit=_FILES,
            )
        for digest in evidence.keys() & wanted:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(folder / digest, evidence[digest])
        for name in self.held(draft):
            if name not in wanted:
                (folder / name).unlink(missing_ok=True)

    def _write(self, draft: Draft) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._path(draft), msgspec.json.encode(_document(draft)))

    def _path(self, draft: Draft) -> Path:
        return self._folder / f"{draft.key}.json"

    def _files(self, draft: Draft) -> Path:
        return self._folder / draft.key

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []


def _lock_of(name: str) -> threading.Lock:
    with _LOCK:
        return _SENDING.setdefault(name, threading.Lock())


def _files(answers: Sequence[Answer]) -> list[File]:
    return [f for a in answers for f in a.files if f.media_type == FILE]


def _document(draft: Draft) -> dict[str, Any]:
    return {
        "subject": draft.subject,
        "profiles": list(draft.profiles),
        "element": draft.element,
        "version": draft.version,
        "changed": draft.changed,
        "sent": dict(draft.sent),
        "answers": [_told(a) for a in draft.answers],
    }


def _told(answer: Answer) -> dict[str, Any]:
    words = ("requirement", "claim", "due", "owner", "reason", "note")
    return {
        **{name: getattr(answer, name) for name in words},
        "state": answer.state.value,
        "fields": dict(answer.fields),
        "links": list(answer.links),
        "files": [
            {"name": f.name, "sha256": f.sha256, "media_type": f.media_type} for f in answer.files
        ],
    }


def _read(path: Path) -> Draft | None:
    """A draft as it was kept; None where there is none, or a file that is none of ours."""
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(_READ))
        return Draft(
            subject=SubjectId(found["subject"]),
            profiles=tuple(found["profiles"]),
            element=found["element"],
            version=int(found["version"]),
            changed=int(found["changed"]),
            sent=dict(found["sent"]),
            answers=tuple(_answer(one) for one in found["answers"]),
        )
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def _answer(told: dict[str, Any]) -> Answer:
    return Answer(
        **{n: told[n] for n in ("requirement", "claim", "due", "owner", "reason", "note")},
        state=State(told["state"]),
        fields=dict(told["fields"]),
        links=tuple(told["links"]),
        files=tuple(File(**one) for one in told["files"]),
    )


def as_answers(draft: Draft) -> Answers:
    """A draft's answers; open ones are left out."""
    return Answers(answers=tuple(a for a in draft.answers if a.state is not State.OPEN))
