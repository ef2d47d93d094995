# SPDX-License-Identifier: Apache-2.0
"""The organisation's keys: what each may still do, and the four ways in which that changes.

Keeps: 1. Every change is a registered ``status`` statement; the unit only keeps private parts.
2. After ``rotate`` the new key signs; if the process dies between registering and remembering
that, the next opening finds it out from the log. 3. ``revoke`` and ``compromise`` need a key that
may sign and stays good, so that nobody locks the door from outside; a spare key is such a key.
4. Where a spare key declares the daily one stolen, a new daily key comes with it in the same batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.importing.documents import seal
from kizuna.app.wiring.owner import Speaker
from kizuna.app.wiring.values import Spare
from kizuna.model.errors import Absent, Malformed, Problem, Refused, Unavailable
from kizuna.model.identifier import Digest
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Status, Target, encode_payload
from kizuna.model.statement import Interval
from kizuna.roots.identity import KeyEvent, KeyHistory, genesis_keys, key_event
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import Handle

if TYPE_CHECKING:
    from kizuna.model.statement import Registered

__all__ = ["ORGANISATION", "Keys", "algorithm_named", "the_one"]

ORGANISATION = "organization"
"""Label of the keys that sign in the organisation's name."""

_ALGORITHMS = {"ES256": Algorithm.ES256, "EDDSA": Algorithm.EDDSA, "ED25519": Algorithm.EDDSA}
_STATE = {
    Action.ROTATE: "rotated",
    Action.REVOKE: "revoked",
    Action.SUSPEND: "suspended",
    Action.COMPROMISE: "compromised",
}


class Keys:
    """Keys of one organisation that speaks."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def states(self) -> list[dict[str, Any]]:
        """Every key, in the order they came, with what it may do."""
        rows, size = self._speaker.told_of_itself()
        history = self._history(rows)
        current = {key.thumbprint for key in history.current(size)}
        said: dict[str, str] = {}
        for row in rows:
            status = row.statement.payload
            if isinstance(status, Status) and status.target.key and status.action in _STATE:
                said[status.target.key] = _STATE[status.action]
        here = {handle.id for handle in self._speaker.unit.handles()}
        signs_now = self._speaker.handle.id
        told = []
        every = history.keys()
        for key in every:
            name = key.thumbprint.hex()
            if key.thumbprint not in current:
                state = said.get(name, "revoked")
            else:
                state = "current" if name == signs_now else "active"
            told.append(
                {
                    "thumbprint": name,
                    "algorithm": key.algorithm.jose_name,
                    "state": state,
                    "here": name in here,
                    "jwk": key.to_jwk(),
                }
            )
        return told

    def rotate(self, algorithm: str = "ES256", *, by: Spare | None = None) -> dict[str, Any]:
        """Make a new key and let it take over; signed by the spare key where one is given.

        Raises:
            Malformed: ``key.algorithm-unknown``. Refused: ``spare.not-in-force``.
        """
        chosen = algorithm_named(algorithm)
        self._in_force(by)
        old = self._speaker.handle
        new, (told,) = self._take_over(chosen, by)
        digest, index = _done(told)
        return {"old": old.id, "new": new.id, "statement": digest, "index": index}

    def enrol(self, jwk: dict[str, str]) -> dict[str, Any]:
        """A further key of the organisation, kept elsewhere, that may sign from now on.

        Raises:
            Malformed: ``key.*``.
        """
        key = PublicKey.from_jwk(jwk)
        name = key.thumbprint.hex()
        status = Status(action=Action.ENROL, target=Target(key=name), key=key.to_jwk())
        (told,) = self._speaker.register_each([self._signed(status, None)])
        digest, index = _done(told)
        return {"key": name, "statement": digest, "index": index}

    def revoke(
        self, key: str, *, reason: str | None = None, by: Spare | None = None
    ) -> dict[str, Any]:
        """End a key's use from now on.

        Raises:
            Absent: ``key.not-found``. Refused: ``key.last``, ``spare.not-in-force``.
        """
        return self._end(key, Action.REVOKE, reason=reason, since=None, by=by)

    def compromise(
        self, key: str, *, since: int, reason: str | None = None, by: Spare | None = None
    ) -> dict[str, Any]:
        """Declare that others had a key since an instant.

        Raises:
            Absent: ``key.not-found``.
            Refused: ``key.last``, ``spare.not-in-force``; ``key.came-by`` where the key that is to
                sign it came by a signature that this would void.
        """
        return self._end(key, Action.COMPROMISE, reason=reason, since=since, by=by)

    def recover(self) -> Handle | None:
        """The key that took over although this folder does not say so, if there is one."""
        rows, size = self._speaker.told_of_itself()
        current = {key.thumbprint.hex() for key in self._history(rows).current(size)}
        if self._speaker.handle.id in current:
            return None
        for handle in reversed(self._speaker.unit.handles()):
            if handle.label == ORGANISATION and handle.id in current:
                return handle
        return None

    def _end(
        self, key: str, action: Action, *, reason: str | None, since: int | None, by: Spare | None
    ) -> dict[str, Any]:
        self._in_force(by)
        rows, size = self._speaker.told_of_itself()
        history = self._history(rows)
        name = _find(history, key).thumbprint.hex()
        daily = self._speaker.handle.id
        signer = daily if by is None else by.handle.id
        if name == signer:
            raise Refused(
                "key.last",
                "this is the key that would sign this",
                why="without another key nobody could speak for the organisation any more",
                hint="first let a new key take over: `kizuna key rotate`",
                key=name,
            )
        after = self._afterwards(history, size, bytes.fromhex(name), action, since, signer)
        if bytes.fromhex(signer) not in after:
            raise Refused(
                "key.came-by",
                "the key that signs now took over by a signature of the stolen one after that",
                why="nobody could tell this take-over from one by the thief: both would be void, "
                "and nobody could speak for the organisation any more",
                hint="if a spare key was enrolled before that time, sign with it (--with); else "
                "`kizuna key revoke` the stolen one, and revoke each statement that is not yours",
                key=name,
            )
        status = Status(
            action=action,
            target=Target(key=name),
            since=None if since is None else datetime.fromtimestamp(since, UTC),
            reason=reason,
        )
        said = self._signed(status, by)
        new = None
        if by is None or bytes.fromhex(daily) in after:
            (told,) = self._speaker.register_each([said])
        else:  # the daily key falls: the spare one gives the organisation another
            new, (_, told) = self._take_over(Algorithm.ES256, by, said)
        digest, index = _done(told)
        return {
            "key": name,
            "action": action.value,
            "since": None if since is None else datetime.fromtimestamp(since, UTC).isoformat(),
            "new": None if new is None else new.id,
            "statement": digest,
            "index": index,
        }

    def _take_over(
        self, algorithm: Algorithm, by: Spare | None, *more: bytes
    ) -> tuple[Handle, Sequence[tuple[str, int] | Problem]]:
        """A new daily key, introduced in one batch with ``more``; answers in the same order."""
        speaker = self._speaker
        new = speaker.unit.generate(algorithm, ORGANISATION)
        status = Status(
            action=Action.ROTATE,
            target=Target(key=speaker.handle.id),
            key=speaker.unit.public(new).to_jwk(),
        )
        said = self._signed(status, by)
        try:
            # a store's batch ends with a map head, which the new key must sign already
            with speaker.signing_with(new):
                told = speaker.register_each([said, *more])
                _done(told[0])
        except Problem as problem:
            if not isinstance(problem, Unavailable):
                speaker.unit.destroy(new)  # refused for certain; else it may yet be needed
            raise
        speaker.use_key(new)
        return new, told

    def _signed(self, status: Status, by: Spare | None) -> bytes:
        speaker = self._speaker
        return seal(
            speaker.unit if by is None else by.unit,
            speaker.handle if by is None else by.handle,
            issuer=speaker.identity,
            subject=speaker.identity,
            media_type=media_type_of(Kind.STATUS),
            payload=encode_payload(status),
            now=speaker.clock(),
        ).statement

    def _in_force(self, by: Spare | None) -> None:
        """See that a spare key may speak for the organisation now."""
        if by is None:
            return
        rows, size = self._speaker.told_of_itself()
        current = {key.thumbprint.hex() for key in self._history(rows).current(size)}
        if by.handle.id not in current:
            raise Refused(
                "spare.not-in-force",
                "the spare key may not speak for the organisation",
                why="it was never enrolled, or was ended since; a thief who had the daily key can "
                "have ended it",
                hint="see `kizuna key list`; where a thief was faster, ask the operator of a list "
                "that names you to declare the theft",
                key=by.handle.id,
            )

    def _history(self, rows: Sequence[Registered]) -> KeyHistory:
        """The organisation's keys as the log tells."""
        identity = self._speaker.identity
        history = KeyHistory.of(identity, genesis_keys(identity))
        above = self._speaker.above()
        for row in rows:
            event = key_event(row)
            if event is not None and event.identity == identity:
                history = history.apply(event, superior=event.issuer in above)
        return history

    def _afterwards(
        self,
        history: KeyHistory,
        size: int,
        target: bytes,
        action: Action,
        since: int | None,
        signer: str,
    ) -> set[bytes]:
        """The keys that would be in force once this was registered."""
        now = self._speaker.clock()
        declared = KeyEvent(
            digest=Digest(bytes(32)),
            index=size,
            registered=Interval(now, now),
            issuer=self._speaker.identity,
            identity=self._speaker.identity,
            signed_by=bytes.fromhex(signer),
            action=action,
            target=target,
            since=since,
        )
        return {key.thumbprint for key in history.apply(declared).current(size + 1)}


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of a new key.

    Raises:
        Malformed: ``key.algorithm-unknown``.
    """
    chosen = _ALGORITHMS.get(name.upper())
    if chosen is None:
        raise Malformed(
            "key.algorithm-unknown",
            f"signature algorithm not supported: {name[:40]!r}",
            hint="use ES256 or EdDSA",
            algorithm=name[:40],
        )
    return chosen


def _done(told: tuple[str, int] | Problem) -> tuple[str, int]:
    if isinstance(told, Problem):
        raise told
    return told


def _find(history: KeyHistory, begins: str) -> PublicKey:
    keys = history.keys()
    named = {key.thumbprint.hex(): key for key in keys}
    return named[the_one(named, begins)]


def the_one(thumbprints: Iterable[str], begins: str) -> str:
    """The one thumbprint that begins so.

    Raises:
        Absent: ``key.not-found``.
    """
    found = [name for name in thumbprints if name.startswith(begins.lower())]
    if len(found) != 1 or len(begins) < 4:
        raise Absent(
            "key.not-found",
            f"no single key whose thumbprint begins with {begins[:64]!r}",
            why=f"{len(found)} keys do" if len(begins) >= 4 else "four digits at least",
            hint="`kizuna key list` prints them",
            key=begins[:64],
        )
    return found[0]
