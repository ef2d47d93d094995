# SPDX-License-Identifier: Apache-2.0
"""The register: every enrolled device in a few hundred bytes, found by its name.

Keeps: 1. A name has one place, which it keeps: enrolling again replaces what is known of the
device, not where its state stands. 2. What many devices share (scheme, anchors, class, place) is
kept once; of one device only its key and identity, in one buffer. 3. Keys and identities are
handed out as the values that the schemes take.
Owner of the mutable state: one ``Fleet``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kizuna.model.identifier import SubjectId
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.roots.cose import SharedKey
from kizuna.roots.keys import Algorithm, PublicKey

__all__ = ["ENDED", "GATEWAY", "OBSERVED", "Register"]

GATEWAY: Final = "gateway"
"""The scheme of a gateway: its evidence is the bundle that it signs."""
ENDED: Final = "ended"
"""In place of a scheme: the device's key ended, and nothing speaks for it until a new one does."""

OBSERVED: Final = "observed"
"""The scheme of a device that says nothing: somebody else looks at it and signs what they saw."""

_NO_KEY: Final = 0
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, bytes, bytes | None]).decode

_Shared = tuple[str, tuple[Any, ...], str | None, str | None]


class Register:
    """Enrolled devices by index and by name."""

    def __init__(self) -> None:
        self.subjects: list[SubjectId] = []
        self._index: dict[str, int] = {}
        self._blob = bytearray()
        self._at = array("Q")
        self._class = array("I")
        self._shared: list[_Shared] = []
        self._shared_index: dict[_Shared, int] = {}
        self._secrets: dict[int, SharedKey] = {}
        self._about: dict[int, Mapping[str, Any]] = {}
        self._observers: dict[int, str] = {}
        self._children: dict[str, list[int]] = {}
        self._sorted: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.subjects)

    def __iter__(self) -> Iterator[Enrolled]:
        return map(self.device, range(len(self.subjects)))

    def find(self, subject: str) -> int | None:
        """The place of a device; None where it is not enrolled."""
        return self._index.get(subject)

    def put(self, device: Enrolled) -> tuple[int, bool]:
        """Enrol, or enrol again: its place, and whether it is new.

        Raises:
            ValueError: for a device without a name.
        """
        if device.subject is None:
            raise ValueError("a device of a fleet has a name")
        index = self._index.get(device.subject)
        new = index is None
        if index is None:
            index = len(self.subjects)
            self.subjects.append(device.subject)
            self._index[device.subject] = index
            self._at.append(0)
            self._class.append(0)
        else:
            self._leave(index)
        self._class[index] = self._share(device)
        self._at[index] = len(self._blob)
        self._blob += self._record(index, device)
        observer = self._observer(device)
        if observer is None:
            self._observers.pop(index, None)
        else:
            self._observers[index] = observer
        if device.about:
            self._about[index] = device.about
        else:
            self._about.pop(index, None)
        position = self.position_of(index)
        if position is not None:
            self._children.setdefault(position, []).append(index)
            self._sorted.pop(position, None)
        return index, new

    def device(self, index: int) -> Enrolled:
        """What is known of the device at this place."""
        scheme, roots, reference, position = self._shared[self._class[index]]
        at = self._at[index]
        size = int.from_bytes(self._blob[at : at + 2], "big")
        kind, key_bytes, identity = _decode(self._blob[at + 2 : at + 2 + size])
        key: PublicKey | SharedKey | None = self._secrets.get(index)
        if kind != _NO_KEY:
            key = PublicKey(Algorithm(kind), key_bytes)
        return Enrolled(
            scheme=scheme,
            subject=self.subjects[index],
            key=key,
            roots=roots,
            reference=reference,
            identity=identity,
            position=position,
            about=self._about.get(index, {}),
        )

    def scheme_of(self, index: int) -> str:
        """How the device speaks."""
        return self._shared[self._class[index]][0]

    def position_of(self, index: int) -> str | None:
        """The gateway it stands under; None where it speaks for itself.

        A gateway is named by its identifier; any other word for a place is for people. A device
        that another one looks at stands under none: see ``observer_of``.
        """
        if index in self._observers:
            return None
        position = self._shared[self._class[index]][3]
        return position if position is not None and ":" in position else None

    def observer_of(self, index: int) -> str | None:
        """The device that looks at this one and signs what it saw, each time for itself: one that
        attests, and sends no bundles.
        """
        return self._observers.get(index)

    def children_of(self, gateway: str) -> Sequence[int]:
        """The devices under a gateway, by name: the order of its leaves."""
        found = self._sorted.get(gateway)
        if found is None:
            subjects = self.subjects
            found = sorted(self._children.get(gateway, ()), key=subjects.__getitem__)
            self._sorted[gateway] = found
        return found

    def _observer(self, device: Enrolled) -> str | None:
        if device.scheme != OBSERVED or device.position is None:
            return None
        other = self._index.get(device.position)
        gateway = other is None or self.scheme_of(other) == GATEWAY
        return None if gateway else device.position

    def _leave(self, index: int) -> None:
        position = self.position_of(index)
        if position is not None:
            self._children[position].remove(index)
            self._sorted.pop(position, None)

    def _share(self, device: Enrolled) -> int:
        shared = (device.scheme, device.roots, device.reference, device.position)
        found = self._shared_index.get(shared)
        if found is None:
            found = len(self._shared)
            self._shared.append(shared)
            self._shared_index[shared] = found
        return found

    def _record(self, index: int, device: Enrolled) -> bytes:
        kind, key_bytes = _NO_KEY, b""
        self._secrets.pop(index, None)
        if isinstance(device.key, PublicKey):
            kind, key_bytes = device.key.algorithm.value, device.key.cose_key
        elif device.key is not None:
            self._secrets[index] = device.key
        packed = _encode((kind, key_bytes, device.identity))
        return len(packed).to_bytes(2, "big") + packed
