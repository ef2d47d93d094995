# SPDX-License-Identifier: Apache-2.0
"""One connector: a relay with an identity, its peers, and an eye on both.

Keeps: 1. Admitted are the keys that ``peers`` names now: a connection whose key is no longer among
them, or whose certificate is over, is ended at the next ``refresh``, not at its own convenience.
2. The peer's certificate is checked a second time, against the enrolled key itself. 3. The
connector's own long-lived key signs a certificate for some hours and nothing else.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from kizuna.guard.gateway.connector.limits import Limits
from kizuna.guard.gateway.connector.refusals import Refusals
from kizuna.guard.gateway.connector.relay import Place, Refused, Relay
from kizuna.guard.gateway.connector.tls import context_of
from kizuna.model.errors import Problem
from kizuna.roots.keys import PublicKey
from kizuna.roots.life import ShortLived, anchor_for, certified_key, issue_short_lived
from kizuna.roots.units import Handle, Unit

__all__ = ["Connector", "Side"]

_LIFE: Final = 86_400


class Side(StrEnum):
    """Which end of the protected stretch this connector is."""

    DEVICE = "device"  # accepts TLS, passes on to the device in the clear
    CLIENT = "client"  # accepts in the clear from programs beside it, passes on by TLS


class Connector:
    """A relay whose one side is TLS with enrolled peers only.

    Args:
        side: which end.
        listen: where to accept.
        to: the device, or the other connector.
        unit: where this connector's key lives.
        handle: that key.
        peers: the keys that are enrolled now.
        clock: seconds since 1970.
        limits: the bounds.
    """

    def __init__(
        self,
        side: Side,
        listen: Place,
        to: Place,
        *,
        unit: Unit,
        handle: Handle,
        peers: Callable[[], Sequence[PublicKey]],
        clock: Callable[[], int],
        limits: Limits | None = None,
    ) -> None:
        self._side = side
        self._unit = unit
        self._handle = handle
        self._peers = peers
        self._clock = clock
        self._enrolled: tuple[PublicKey, ...] = ()
        self._shown: ShortLived | None = None
        self._context: ssl.SSLContext | None = None
        self.refusals = Refusals()
        server = side is Side.DEVICE
        self.relay = Relay(
            listen,
            to,
            near=self._tls if server else lambda: None,
            far=(lambda: None) if server else self._tls,
            admit=self._admit,
            refuse=lambda reason, peer: self.refusals.count(reason, peer, clock()),
            limits=limits,
        )

    async def start(self) -> None:
        """Take keys and peers, then listen."""
        self.refresh()
        await self.relay.start()

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        await self.relay.stop()

    def refresh(self) -> None:
        """See who is enrolled now, end who is not, and renew the own certificate in time."""
        self.take(tuple(self._peers()))

    def take(self, enrolled: tuple[PublicKey, ...]) -> None:
        """As ``refresh``, with the peers at hand."""
        now = self._clock()
        old = self._shown is None or self._shown.not_after - now < _LIFE // 2
        if old:
            self._shown = issue_short_lived(self._unit, self._handle, now, seconds=_LIFE)
        if old or enrolled != self._enrolled:
            self._enrolled = enrolled
            assert self._shown is not None  # noqa: S101 - made above
            self._context = context_of(
                self._shown.certificate,
                self._shown.private_key,
                [anchor_for(key, now) for key in enrolled],
                server=self._side is Side.DEVICE,
            )
        known = {key.thumbprint.hex() for key in enrolled}
        for session in list(self.relay.sessions):
            over = session.until is not None and session.until <= now
            if over or session.peer not in known:
                session.close()
                reason = "certificate-ended" if session.peer in known else "key-ended"
                self.refusals.count(reason, session.peer, now)

    def _tls(self) -> ssl.SSLContext | None:
        return self._context

    def _admit(self, certificate: bytes | None, address: str) -> str:  # noqa: ARG002 - the key names
        if certificate is None:
            raise Refused("unknown-peer")
        try:
            key = certified_key(certificate, self._enrolled, self._clock())
        except Problem as fault:
            raise Refused("unknown-peer") from fault
        return key.thumbprint.hex()
