# SPDX-License-Identifier: Apache-2.0
"""Reference values: what the makers say their devices should measure, and with which keys.

Keeps: 1. A value counts for one class of device, one component and one digest: looking it up is one
step, whatever the number of values. 2. A class is *closed* only where its operator said that the
list is whole; only then is an unknown digest held against a device. 3. Every value remembers the
signed document it came from, or that it came from none.

Example:
    >>> known = References()
    >>> known.add(Reference(model="fan", component="fw", digest_alg="sha-256", digest=b"1" * 32))
    >>> known.find("fan", "fw", "sha-256", b"1" * 32).component
    'fw'
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.identifier import Digest
from kizuna.roots.keys import PublicKey

if TYPE_CHECKING:
    from kizuna.proof.attestation.appraisal import AppraisalFinding, Measurement
    from kizuna.proof.attestation.endorsement import Endorsement

__all__ = ["ATTEST", "Anchor", "Endorsed", "Reference", "References"]

ATTEST: Final = "attest"
_FOR_EVER: Final = 2**63

_Place = tuple[str, str | None, bytes | None]
_Kept = tuple[tuple["Measurement", ...], int, tuple["AppraisalFinding", ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One value that a component of a class may measure; an empty component means any."""

    model: str
    component: str
    digest_alg: str
    digest: bytes
    version: str | None = None
    signer: bytes | None = None
    source: Digest | None = None
    """The document (SHA-256) that said so."""
    signed: bool = False
    """Whether a key that the verifier accepts signed that document."""
    since: int | None = None
    until: int | None = None

    def counts_at(self, now: int) -> bool:
        """Whether ``now`` lies in its validity."""
        return (self.since is None or now >= self.since) and (
            self.until is None or now <= self.until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsed:
    """A key that a maker vouches for: an attestation or identity key of one instance, or of all of
    a class.
    """

    model: str | None
    identity: bytes | None
    key: PublicKey
    purpose: str = ATTEST
    """``attest``: it signs evidence. ``identity``: it says who the device is, and no more."""
    source: Digest | None = None
    signed: bool = False
    since: int | None = None
    until: int | None = None

    def counts_at(self, now: int) -> bool:
        """Whether ``now`` lies in its validity."""
        return (self.since is None or now >= self.since) and (
            self.until is None or now <= self.until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Certificates (PEM) by which a maker vouches for the keys of a class or of one instance."""

    model: str | None
    identity: bytes | None
    certificates: bytes
    source: Digest | None = None
    signed: bool = False
    since: int | None = None
    until: int | None = None

    def counts_at(self, now: int) -> bool:
        """Whether ``now`` lies in its validity."""
        return (self.since is None or now >= self.since) and (
            self.until is None or now <= self.until
        )


class References:
    """The reference values and endorsed keys that one verifier accepts. Owner of its own tables;
    fill it before use, read it from any thread.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str, bytes], Reference] = {}
        self._models: dict[str, int] = {}
        self._components: dict[str, dict[str, int]] = {}
        self._closed: set[str] = set()
        self._keys: dict[_Place, Endorsed] = {}
        self._of_instance: dict[tuple[str, bytes], set[_Place]] = {}
        self._anchors: dict[tuple[str | None, bytes | None, bytes], Anchor] = {}
        self._said: dict[str, list[Endorsement]] = {}
        self.kept: dict[tuple[int, str, int], _Kept] = {}
        """What sets of measurements came to at a moment; emptied by every change."""
        self.tables: dict[str, Any] = {}
        """The values as a scheme looks them up, by its name; emptied by every change."""

    def __len__(self) -> int:
        said = sum(map(len, self._said.values()))
        return len(self._values) + len(self._keys) + len(self._anchors) + said

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._values.values())

    @property
    def endorsed(self) -> Iterable[Endorsed]:
        """The keys that makers vouch for."""
        return self._keys.values()

    @property
    def models(self) -> tuple[str, ...]:
        """The classes that have values, sorted."""
        return tuple(sorted(self._models))

    def add(self, value: Reference) -> None:
        """Accept one value; one from a signed document is not replaced by an unsigned one."""
        place = (value.model, value.component, value.digest_alg, value.digest)
        held = self._values.get(place)
        if held is not None and held.signed and not value.signed:
            return
        self._changed()
        if held is None:
            self._models[value.model] = self._models.get(value.model, 0) + 1
        self._values[place] = value
        if value.component:
            parts = self._components.setdefault(value.model, {})
            until = _FOR_EVER if value.until is None else value.until
            parts[value.component] = max(until, parts.get(value.component, 0))

    def _changed(self) -> None:
        self.kept.clear()
        self.tables.clear()

    def endorse(self, key: Endorsed) -> None:
        """Accept a key that a maker vouches for; the same rule as for values."""
        place = (key.purpose, key.model, key.identity)
        held = self._keys.get(place)
        if held is None or key.signed or not held.signed:
            self._keys[place] = key
            if key.identity is not None:
                self._of_instance.setdefault((key.purpose, key.identity), set()).add(place)

    def vouch(self, anchor: Anchor) -> None:
        """Accept certificates that vouch for keys; the same rule as for values."""
        place = (anchor.model, anchor.identity, anchor.certificates)
        held = self._anchors.get(place)
        if held is None or anchor.signed or not held.signed:
            self._anchors[place] = anchor

    def say(self, endorsement: Endorsement) -> None:
        """Accept what a maker says of devices beyond their measurements."""
        said = self._said.setdefault(endorsement.model, [])
        if endorsement not in said:
            said.append(endorsement)

    def merge(self, other: References) -> None:
        """Accept everything that another collection holds."""
        for value in other:
            self.add(value)
        for key in other.endorsed:
            self.endorse(key)
        for anchor in other.anchors:
            self.vouch(anchor)
        for endorsement in other.endorsements:
            self.say(endorsement)
        for model in other.models:
            if other.closed(model):
                self.close(model)

    @property
    def anchors(self) -> Iterable[Anchor]:
        """The certificates that vouch for keys."""
        return self._anchors.values()

    @property
    def endorsements(self) -> Iterable[Endorsement]:
        """What is said of devices beyond their measurements."""
        return (one for said in self._said.values() for one in said)

    def endorsements_of(self, model: str) -> Sequence[Endorsement]:
        """What is said of a class and its instances."""
        return self._said.get(model, ())

    def anchors_of(
        self, model: str | None, identity: bytes | None, now: int | None = None
    ) -> tuple[Anchor, ...]:
        """The certificates that vouch for keys of this instance or class, at ``now``."""
        return tuple(
            one
            for one in self._anchors.values()
            if one.identity in (None, identity)
            and one.model in (None, model)
            and (now is None or one.counts_at(now))
        )

    def close(self, model: str) -> None:
        """Say that the values of a class are all there are: any other digest is then wrong."""
        self._closed.add(model)
        self._changed()

    def closed(self, model: str) -> bool:
        """Whether the values of a class are all there are."""
        return model in self._closed

    def knows(self, model: str) -> bool:
        """Whether there is any value for a class."""
        return model in self._models or model in self._closed

    def left_out(self, model: str, shown: Collection[str], now: int) -> str:
        """A part of a class that values in force name and that is not shown; empty for none."""
        parts = self._components.get(model, {})
        return next((name for name, end in parts.items() if name not in shown and now <= end), "")

    def find(self, model: str, component: str, digest_alg: str, digest: bytes) -> Reference | None:
        """The value that fits, or None."""
        return self._values.get((model, component, digest_alg, digest)) or self._values.get(
            (model, "", digest_alg, digest)
        )

    def key_of(
        self, model: str | None, identity: bytes | None, purpose: str = ATTEST
    ) -> Endorsed | None:
        """The key vouched for with this purpose: of this instance, else of the whole class.

        Evidence that names no class is found by its instance alone, where that names one key. A key
        that only says who a device is signs no evidence.
        """
        if model is None and identity is not None:
            places = self._of_instance.get((purpose, identity), ())
            return self._keys[next(iter(places))] if len(places) == 1 else None
        return (
            self._keys.get((purpose, model, identity))
            or self._keys.get((purpose, None, identity))
            or (self._keys.get((purpose, model, None)) if model is not None else None)
        )
