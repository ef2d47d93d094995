# SPDX-License-Identifier: Apache-2.0
"""The one error tree, split by whose turn it is.

::

    Problem                  code, what, why, next step: always all four
    ├── Malformed            the sender: bytes that are not what they should be      exit 2
    ├── Refused              the sender: well formed, but this store will not take it exit 10
    ├── Tampered             nobody: a signature, proof or log does not hold          exit 11
    ├── Absent               the asker: no such thing, or not visible to this reader  exit 13
    ├── Unavailable          wait: a peer, disk or lock cannot be reached now         exit 20
    └── Misconfigured        the operator: a setting, store or key is wrong           exit 21

Keeps: 1. Every problem has a stable dotted code that CLI, JSON and HTTP share. 2. A problem is
raised only for "could not do it"; what is wrong with a *subject* is a finding, which is a value.
3. Bad input never changes state: whoever raises has changed nothing, or rolled it back.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kizuna.model.outcome import Outcome

__all__ = [
    "Absent",
    "Malformed",
    "Misconfigured",
    "Problem",
    "Refused",
    "Tampered",
    "Unavailable",
]


class Problem(Exception):  # noqa: N818 - RFC 9457 calls them problems, and so do we
    """Something that could not be done, in words a person can act on.

    Args:
        code: stable dotted name, e.g. ``"envelope.signature-wrong"``; the key of the message
            catalogue.
        what: what happened, one English line (the catalogue's translation replaces it).
        why: the cause, as far as it is known.
        hint: what to do next.
        **about: the values the translated message needs (strings and integers only).
    """

    outcome: ClassVar[Outcome] = Outcome.FAULT
    status: ClassVar[int] = 500

    def __init__(
        self, code: str, what: str, *, why: str = "", hint: str = "", **about: str | int
    ) -> None:
        super().__init__(what)
        self.code: Final = code
        self.what: Final = what
        self.why: Final = why
        self.hint: Final = hint
        self.about: Final[dict[str, str | int]] = about

    def as_json(self) -> dict[str, Any]:
        """The members every door shows: ``code``, ``message``, ``why``, ``hint``, ``about``."""
        return {
            "code": self.code,
            "message": self.what,
            "why": self.why,
            "hint": self.hint,
            "about": self.about,
        }


class Malformed(Problem):
    """Bytes or arguments that are not what they claim to be."""

    outcome = Outcome.USAGE
    status = 400


class Refused(Problem):
    """Well formed and authentic, but not allowed here (policy, authority, duplicate writer)."""

    outcome = Outcome.NOT_TRUSTED
    status = 403


class Tampered(Problem):
    """A signature, hash, proof or log that does not hold."""

    outcome = Outcome.TAMPERED
    status = 422


class Absent(Problem):
    """No such thing here, or not visible to this reader: the two look the same on purpose."""

    outcome = Outcome.EVIDENCE_MISSING
    status = 404


class Unavailable(Problem):
    """A peer, lock, disk or database that cannot be reached now; trying again may help."""

    outcome = Outcome.UNREACHABLE
    status = 503


class Misconfigured(Problem):
    """A setting, key or store that only its operator can mend."""

    outcome = Outcome.MISCONFIGURED
    status = 500
