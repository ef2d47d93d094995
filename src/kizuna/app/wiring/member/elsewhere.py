# SPDX-License-Identifier: Apache-2.0
"""What was registered in the store that was joined, asked for over HTTP.

Keeps: 1. Answers are checked: a statement counts where its signature is that of a key which its
issuer had, by the issuer's own key events; what cannot be checked does not count as said. 2. The
store can leave something out, not put words into anybody's mouth: a proof of completeness is what
bundles carry. 3. Bounded: a store that never finishes its answer is not asked for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status
from kizuna.model.statement import Envelope, Interval, Registered

__all__ = ["Elsewhere"]

_NAMES: Final = 500
_ROUNDS: Final = 64
_STANDING: Final = (Kind.STATUS.value, Kind.MEMBERSHIP.value)

Ask = Callable[[dict[str, Any]], Any]
"""Sends one question, gives the decoded answer."""


class Elsewhere:
    """As a store that was joined tells it. Lives for one command."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._keys: dict[str, dict[bytes, Any]] = {}
        self._documents: dict[Digest, bytes | None] = {}

    def said(self, issuer: str, subjects: Sequence[SubjectId]) -> list[Registered]:
        """See ``Earlier``."""
        wanted = frozenset(subjects)
        rows, _, _ = self._rows("subjects", list(subjects), issuer=issuer)
        found = (self._checked(row) for row in rows)
        return [
            row
            for row in found
            if row is not None
            and row.statement.issuer == issuer
            and row.statement.subject in wanted
        ]

    def about(self, subject: SubjectId) -> list[Registered]:
        """What anybody said of a subject, in order, as far as this organisation may read it."""
        rows, _, _ = self._rows("subjects", [subject])
        found = (self._checked(row) for row in rows)
        return [row for row in found if row is not None and row.statement.subject == subject]

    def naming(self, issuer: str, subject: SubjectId) -> set[str]:
        """See ``Earlier``."""
        from kizuna.app.wiring.importing.earlier import naming

        try:
            rows, _, _ = self._rows("dependents", [subject], issuer=issuer)
        except Problem:
            return {"?"}  # a store that cannot say: somebody may
        found = (self._checked(row) for row in rows)
        return naming(row.statement for row in found if row is not None)

    def acted_on(self, digests: Sequence[Digest]) -> set[Digest]:
        """See ``Earlier``; in doubt something was done to it."""
        names = {digest.hex(): digest for digest in digests}
        _, under, _ = self._rows("statements", list(names))
        return {names[name] for name in under if name in names}

    def acts(self, digests: Sequence[Digest]) -> dict[Digest, list[Registered]]:
        """What was done to some statements, in order."""
        found: dict[Digest, list[Registered]] = {digest: [] for digest in digests}
        rows, _, _ = self._rows("statements", [digest.hex() for digest in digests])
        for raw in rows:
            row = self._checked(raw)
            said = None if row is None else row.statement.payload
            if row is None or not isinstance(said, Status) or said.target.statement is None:
                continue
            target = Digest(bytes.fromhex(said.target.statement))
            if target in found:
                found[target].append(row)
        return found

    def standing(self, identity: SubjectId) -> tuple[list[Registered], int]:
        """See ``Earlier``."""
        rows, _, size = self._rows("subjects", [identity], kinds=_STANDING)
        found = (self._checked(row) for row in rows)
        return [r for r in found if r is not None and r.statement.subject == identity], size

    def documents(self, digests: Sequence[Digest]) -> dict[Digest, bytes | None]:
        """See ``Earlier``: those that came along with what was asked before."""
        return {d: self._documents[d] for d in digests if d in self._documents}

    # --- inside -------------------------------------------------------------------------------

    def _rows(
        self, members: str, names: list[str], **more: object
    ) -> tuple[list[tuple[Envelope, list[Any], str]], set[str], int]:
        """Parsed rows in the order of the log, the names that have any, and the log's size."""
        from kizuna.roots.cose import parse_sign1

        rows: dict[int, tuple[Envelope, list[Any], str]] = {}
        under: set[str] = set()
        size = rounds = 0
        queue = list(names)
        while queue:
            part, queue = queue[:_NAMES], queue[_NAMES:]
            rounds += 1
            told = self._ask({members: part, **more})
            try:
                origin, size = str(told["origin"]), int(told["size"])
                for row in told["rows"]:
                    rows[int(row[0])] = (parse_sign1(bytes(row[4])), row, origin)
                under.update(str(name) for name in told["under"])
                under.update(str(name) for name in told["too_much"])
                left = [str(name) for name in told["left"]]
            except (KeyError, IndexError, TypeError, ValueError, Malformed) as fault:
                raise _no_answer(str(fault)) from fault
            if len(left) >= len(part) or rounds > _ROUNDS + len(names) or not set(left) <= {*part}:
                raise _no_answer("it leaves everything for later")
            queue = [*left, *queue]
        return [rows[index] for index in sorted(rows)], under, size

    def _checked(self, found: tuple[Envelope, list[Any], str]) -> Registered | None:
        """The statement, where its signature is that of one of its issuer's keys."""
        from kizuna.roots.statement import checked

        envelope, row, origin = found
        key = self._keys_of(envelope.issuer).get(envelope.key_id)
        if key is None:
            return None
        document = bytes(row[5]) if row[5] is not None else None
        try:
            statement = checked(envelope, key, document)
        except Problem:
            return None
        if document is not None and statement.document is not None:
            self._documents[statement.document] = document
        return Registered(
            statement=statement,
            origin=origin,
            index=int(row[0]),
            registered=Interval(int(row[1]), int(row[2])),
            erased=bool(row[3]),
        )

    def _keys_of(self, identity: str) -> dict[bytes, Any]:
        """Every key that an identity ever had, by name: each introduced by a key before it."""
        from kizuna.roots.identity import genesis_keys
        from kizuna.roots.keys import PublicKey
        from kizuna.roots.statement import checked

        known = self._keys.get(identity)
        if known is not None:
            return known
        known = self._keys[identity] = {}
        try:
            known.update((key.thumbprint, key) for key in genesis_keys(identity))
        except Problem:
            return known  # pinned by the verifier or by a list: nothing to begin with here
        rows, _, _ = self._rows("subjects", [identity], issuer=identity, kinds=(_STANDING[0],))
        for envelope, _, _ in rows:
            signer = known.get(envelope.key_id)
            if envelope.issuer != identity or envelope.subject != identity or signer is None:
                continue
            try:
                said = checked(envelope, signer).payload
                if (
                    isinstance(said, Status)
                    and said.action in (Action.ENROL, Action.ROTATE)
                    and said.key is not None
                ):
                    key = PublicKey.from_jwk(said.key)
                    known[key.thumbprint] = key
            except Problem:
                continue
        return known


def _no_answer(why: str) -> Malformed:
    return Malformed(
        "request.answer",
        "the store did not say what was registered in it",
        why=why,
        hint="check that this is the address of a kizuna store of the same version",
    )
