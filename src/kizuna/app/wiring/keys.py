# SPDX-License-Identifier: Apache-2.0
"""The organisation's keys: what each may still do, and the four ways in which that changes.

Keeps: 1. Every change is a registered ``status`` statement; the unit only keeps private parts.
2. After ``rotate`` the new key signs; if the process dies between registering and remembering
that, the next opening finds it out from the log. 3. ``revoke`` and ``compromise`` of the key that
signs now need another one that may sign and stays good, so that nobody locks the door from outside.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Absent, Malformed, Problem, Refused
from kizuna.model.identifier import Digest
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, Target
from kizuna.model.statement import Interval
from kizuna.roots.identity import KeyEvent, KeyHistory, genesis_keys, key_event
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import Handle

if TYPE_CHECKING:
    from kizuna.model.statement import Registered

__all__ = ["ORGANISATION", "Keys"]

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
    """Keys of one workspace's organisation."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace

    def history(self) -> KeyHistory:
        """The organisation's keys as the log tells."""
        history = KeyHistory.of(self._workspace.identity, genesis_keys(self._workspace.identity))
        for row in self._events():
            event = key_event(row)
            if event is not None:
                history = history.apply(event)
        return history

    def states(self) -> list[dict[str, Any]]:
        """Every key, in the order they came, with what it may do."""
        history = self.history()
        size = self._workspace.head().size
        current = {key.thumbprint for key in history.current(size)}
        said: dict[str, str] = {}
        for row in self._events():
            status = row.statement.payload
            if isinstance(status, Status) and status.target.key and status.action in _STATE:
                said[status.target.key] = _STATE[status.action]
        here = {handle.id for handle in self._workspace.unit.handles()}
        rows = []
        every = history.keys()
        for key in every:
            name = key.thumbprint.hex()
            if name == self._workspace.handle.id:
                state = "current"
            elif key.thumbprint in current:
                state = "active"
            else:
                state = said.get(name, "revoked")
            rows.append(
                {
                    "thumbprint": name,
                    "algorithm": key.algorithm.jose_name,
                    "state": state,
                    "here": name in here,
                    "jwk": key.to_jwk(),
                }
            )
        return rows

    def rotate(self, algorithm: str = "ES256") -> dict[str, Any]:
        """Make a new key and let it take over."""
        chosen = _ALGORITHMS.get(algorithm.upper())
        if chosen is None:
            raise Malformed(
                "key.algorithm-unknown",
                f"signature algorithm not supported: {algorithm[:40]!r}",
                hint="use ES256 or EdDSA",
                algorithm=algorithm[:40],
            )
        workspace = self._workspace
        old = workspace.handle
        new = workspace.unit.generate(chosen, ORGANISATION)
        status = Status(
            action=Action.ROTATE,
            target=Target(key=old.id),
            key=workspace.unit.public(new).to_jwk(),
        )
        said = workspace.sign(Kind.STATUS, workspace.identity, status)
        try:
            # the batch ends with a map head, which the new key must sign already
            with workspace.signing_with(new):
                digest, index = workspace.register_one(said)
        except Problem:
            workspace.unit.destroy(new)
            raise
        workspace.use_key(new)
        return {"old": old.id, "new": new.id, "statement": digest, "index": index}

    def enrol(self, jwk: dict[str, str]) -> dict[str, Any]:
        """A further key of the organisation, kept elsewhere, that may sign from now on.

        Raises:
            Malformed: ``key.*``.
        """
        key = PublicKey.from_jwk(jwk)
        name = key.thumbprint.hex()
        status = Status(action=Action.ENROL, target=Target(key=name), key=key.to_jwk())
        workspace = self._workspace
        digest, index = workspace.register_one(
            workspace.sign(Kind.STATUS, workspace.identity, status)
        )
        return {"key": name, "statement": digest, "index": index}

    def revoke(self, key: str, *, reason: str | None = None) -> dict[str, Any]:
        """End a key's use from now on."""
        return self._end(key, Action.REVOKE, reason=reason, since=None)

    def compromise(self, key: str, *, since: int, reason: str | None = None) -> dict[str, Any]:
        """Declare that others had a key since an instant.

        Raises:
            Refused: ``key.last``, ``key.came-by`` where the key that signs now took over by a
                signature that this would void.
        """
        return self._end(key, Action.COMPROMISE, reason=reason, since=since)

    def recover(self) -> Handle | None:
        """The key that took over although this folder does not say so, if there is one."""
        workspace = self._workspace
        current = {key.thumbprint.hex() for key in self.history().current(workspace.head().size)}
        if workspace.handle.id in current:
            return None
        for handle in reversed(workspace.unit.handles()):
            if handle.label == ORGANISATION and handle.id in current:
                return handle
        return None

    def _end(
        self, key: str, action: Action, *, reason: str | None, since: int | None
    ) -> dict[str, Any]:
        workspace = self._workspace
        found = self._find(key)
        name = found.thumbprint.hex()
        signer = workspace.handle
        if name == signer.id:
            raise Refused(
                "key.last",
                "this is the key that signs now",
                why="without another key nobody could speak for the organisation any more",
                hint="first let a new key take over: `kizuna key rotate`",
                key=name,
            )
        if since is not None:
            self._stays(found, since)
        status = Status(
            action=action,
            target=Target(key=name),
            since=None if since is None else datetime.fromtimestamp(since, UTC),
            reason=reason,
        )
        digest, index = workspace.register_one(
            workspace.sign(Kind.STATUS, workspace.identity, status)
        )
        return {
            "key": name,
            "action": action.value,
            "since": None if since is None else datetime.fromtimestamp(since, UTC).isoformat(),
            "statement": digest,
            "index": index,
        }

    def _stays(self, stolen: PublicKey, since: int) -> None:
        """See that the key that signs now would outlive the declaration that it is to sign."""
        workspace = self._workspace
        signer = bytes.fromhex(workspace.handle.id)
        at, now = workspace.head().size, workspace.clock()
        declared = KeyEvent(
            digest=Digest(bytes(32)),
            index=at,
            registered=Interval(now, now),
            issuer=workspace.identity,
            identity=workspace.identity,
            signed_by=signer,
            action=Action.COMPROMISE,
            target=stolen.thumbprint,
            since=since,
        )
        after = self.history().apply(declared)
        if signer not in {key.thumbprint for key in after.current(at + 1)}:
            raise Refused(
                "key.came-by",
                "the key that signs now took over by a signature of the stolen one after that",
                why="nobody could tell this take-over from one by the thief: both would be void, "
                "and nobody could speak for the organisation any more",
                hint="if a key was enrolled before that time, sign with it; else `kizuna key "
                "revoke` the stolen one, and revoke each statement that is not yours",
                key=stolen.thumbprint.hex(),
            )

    def _find(self, begins: str) -> PublicKey:
        every = self.history().keys()
        found = [k for k in every if k.thumbprint.hex().startswith(begins.lower())]
        if len(found) != 1 or len(begins) < 4:
            raise Absent(
                "key.not-found",
                f"no single key whose thumbprint begins with {begins[:64]!r}",
                why=f"{len(found)} keys do" if len(begins) >= 4 else "four digits at least",
                hint="`kizuna key list` prints them",
                key=begins[:64],
            )
        return found[0]

    def _events(self) -> list[Registered]:
        from kizuna.record.log.keys import subject_key

        key = subject_key(self._workspace.identity)
        rows = self._workspace.store.reader().by_keys([key]).get(key, ())
        return sorted((r for r in rows if r.statement.kind is Kind.STATUS), key=lambda r: r.index)
