# SPDX-License-Identifier: Apache-2.0
"""The keyring: which key may sign for which issuer, at the place where the log now stands.

Keeps: 1. A key's authority is judged in the order of the log: an event of the same batch counts
for what follows it and not for what stands before it. 2. Histories are values; a batch that fails
is undone by forgetting the identities it touched. 3. Bounded: what is forgotten is read again.

Owner of the mutable state: the store's writer thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from kizuna.model.errors import Absent, Problem, Refused
from kizuna.model.statement import Envelope, Interval, Statement
from kizuna.roots.identity import CLOCK_SKEW, KeyEvent, KeyHistory, event_of, genesis_keys
from kizuna.roots.keys import PublicKey, forget

__all__ = ["Keyring", "Pin"]

MAX_IDENTITIES = 50_000
"""Histories kept in memory."""

Pin = tuple[int, tuple[PublicKey, ...]]
"""Index of a list entry and the keys it pinned."""


class Signed(Protocol):
    """What a keyring asks of a statement: an envelope, or what a helper saw of one."""

    @property
    def issuer(self) -> str:
        """Who says it."""

    @property
    def key_id(self) -> bytes:
        """The key it names."""

    @property
    def issued_at(self) -> int | None:
        """When it was said, as the issuer claims."""


class Keyring:
    """Key histories of issuers, read when first needed.

    Args:
        pinned: keys of identities whose name does not carry one, from the store's settings.
        load_events: the key events of these identities, in order of index.
        pins_of: the keys that the store's own list pinned for an identity.
        is_superior: whether an issuer stands above an identity, so that its key events count.
    """

    def __init__(
        self,
        *,
        pinned: Mapping[str, Sequence[PublicKey]],
        load_events: Callable[[Sequence[str]], Mapping[str, Sequence[KeyEvent]]],
        pins_of: Callable[[str], Pin | None],
        is_superior: Callable[[str, str], bool],
    ) -> None:
        self._pinned = pinned
        self._load_events = load_events
        self._pins_of = pins_of
        self._is_superior = is_superior
        self._histories: dict[str, KeyHistory] = {}
        self._plain: dict[str, PublicKey] = {}  # one key, from the name, and nothing befell it
        self._unnamed: set[str] = set()

    def load(self, issuers: Iterable[str]) -> None:
        """Have the histories of these issuers at hand."""
        known, plain, unnamed = self._histories, self._plain, self._unnamed
        wanted = [
            name
            for name in set(issuers)
            if name not in known and name not in plain and name not in unnamed
        ]
        if not wanted:
            return
        events = self._load_events(wanted)
        for name in wanted:
            self._read(name, events.get(name, ()))

    def _read(self, name: str, events: Sequence[KeyEvent]) -> None:
        pin = self._pins_of(name)
        try:
            genesis = genesis_keys(name, self._pinned)
        except Absent:
            genesis = ()
        except Problem:
            self._unnamed.add(name)
            return
        if not events and pin is None and len(genesis) == 1:
            self._plain[name] = genesis[0]
            return
        history = KeyHistory.of(name, genesis)
        place = list(events)
        if pin is not None:
            at, keys = pin
            before = [event for event in place if event.index < at]
            place = place[len(before) :]
            for event in before:
                history = self._apply(history, event)
            for key in keys:
                history = history.pin(key, at)
        for event in place:
            history = self._apply(history, event)
        if history.keys():
            self._histories[name] = history
        else:
            self._unnamed.add(name)

    def _apply(self, history: KeyHistory, event: KeyEvent) -> KeyHistory:
        return history.apply(event, superior=self._is_superior(event.issuer, history.identity))

    def find(self, envelope: Signed) -> PublicKey | None:
        """The key that an envelope names, if its issuer ever had it; ``load`` came before.

        A ``kid`` that is no thumbprint is a name of the signer's own making: it finds the key
        where the issuer has only one.
        """
        issuer, named = envelope.issuer, envelope.key_id
        key = self._plain.get(issuer)
        if key is not None:
            return key if len(named) != 32 or key.thumbprint == named else None
        history = self._histories.get(issuer)
        if history is None:
            return None
        found = history.key(named)
        if found is None and len(named) != 32:
            keys = history.keys()
            found = keys[0] if len(keys) == 1 else None
        return found

    def may_register(
        self, envelope: Signed, key: PublicKey, *, index: int, now: int
    ) -> Problem | None:
        """None where the key may sign what is registered now at ``index``."""
        plain = self._plain.get(envelope.issuer)
        claimed = envelope.issued_at
        if (
            plain is not None
            and (plain is key or plain == key)
            and (claimed is None or claimed <= now + CLOCK_SKEW)
        ):
            return None
        history = self._histories.get(envelope.issuer)
        if history is None:
            history = KeyHistory.of(envelope.issuer, () if plain is None else (plain,))
        return history.may_register(
            key.thumbprint, index=index, now=now, issued_at=envelope.issued_at
        )

    def present(self, issuer: str, thumbprint: bytes, index: int) -> PublicKey | None:
        """A key of this name that may sign at ``index``; ``load`` came before."""
        plain = self._plain.get(issuer)
        if plain is not None:
            return plain if plain.thumbprint == thumbprint else None
        history = self._histories.get(issuer)
        current = () if history is None else history.current(index)
        return next((key for key in current if key.thumbprint == thumbprint), None)

    def unknown(self, envelope: Envelope) -> Problem:
        """The problem of an envelope for which ``find`` gave nothing."""
        try:
            genesis_keys(envelope.issuer, self._pinned)
        except Problem as problem:
            if envelope.issuer not in self._histories:
                return problem
        return Refused(
            "key.unknown",
            "this key is not known as one of the issuer's",
            why="the issuer's name does not carry it and no registered statement enrolled it",
            hint="sign with a key of the issuer, or enrol this one first (`kizuna key enrol`)",
            identity=envelope.issuer[:120],
            key=envelope.key_id[:32].hex(),
        )

    def event(self, statement: Statement, index: int, registered: Interval) -> KeyEvent | None:
        """The key event that a statement is.

        Raises:
            Malformed: ``key.event``, ``key.*`` for one that contradicts itself.
        """
        return event_of(statement, index, registered)

    def apply(self, event: KeyEvent) -> None:
        """Let an event of the batch being written take effect.

        Raises:
            Refused: ``key.too-many``.
        """
        name = event.identity
        self.load((name,))
        plain = self._plain.pop(name, None)
        history = self._histories.get(name)
        if history is None:
            history = KeyHistory.of(name, () if plain is None else (plain,))
        self._unnamed.discard(name)
        self._histories[name] = self._apply(history, event)
        if event.key is None:
            forget(event.target)

    def pin(self, name: str, keys: Sequence[PublicKey], index: int) -> None:
        """Let a list entry of the batch being written pin keys."""
        self.load((name,))
        plain = self._plain.pop(name, None)
        history = self._histories.get(name) or KeyHistory.of(
            name, () if plain is None else (plain,)
        )
        self._unnamed.discard(name)
        for key in keys:
            history = history.pin(key, index)
        self._histories[name] = history

    def drop(self, names: Iterable[str]) -> None:
        """Forget what a failed batch did."""
        for name in names:
            self._histories.pop(name, None)
            self._plain.pop(name, None)
            self._unnamed.discard(name)

    def trim(self) -> None:
        """Stay within bounds; only between batches, because events of a batch are only here."""
        if len(self._histories) + len(self._plain) + len(self._unnamed) > MAX_IDENTITIES:
            self.clear()

    def clear(self) -> None:
        """Forget everything; it is read again when needed."""
        self._histories.clear()
        self._plain.clear()
        self._unnamed.clear()
