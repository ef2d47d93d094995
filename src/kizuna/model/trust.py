# SPDX-License-Identifier: Apache-2.0
"""Anchors: whom the verifier believes to begin with. They come from the verifier, never from the
thing verified.

Keeps: a file of anchors is complete in itself: lists with their operators, log keys, witness keys
with quorum, and pinned key documents of identities whose name does not carry their key.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from kizuna.model.errors import Malformed
from kizuna.model.payload.terms import Name, Text, Uri

__all__ = ["Anchors", "ListAnchor", "LogAnchor", "PinnedIdentity", "WitnessAnchor"]


class ListAnchor(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A trust list that the verifier accepts: its identifier and who operates it."""

    id: Uri
    operator: Uri
    name: Name
    title: Text | None = None
    fresh_until: int | None = None
    """For a list that follows one of somebody else: when that one's next issue was due. Later
    judgements by it are stale, and no more than undetermined.
    """


class LogAnchor(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A log whose checkpoints the verifier accepts; ``keys`` are C2SP verifier keys.

    ``closed`` is the size at which a compromised log key was retired: nothing later counts.
    """

    origin: Text
    keys: list[Text]
    url: Text | None = None
    closed: dict[str, int] = {}
    """By verifier key name+hash: the last size for which that key counts."""
    signed: bool = False
    """Whether the verifier signs what it asks the store of this log, and so reads as itself."""


class WitnessAnchor(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """A witness whose cosignature counts towards the quorum; ``key`` is a C2SP verifier key."""

    name: Text
    key: Text


class PinnedIdentity(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """The keys (public JWKs) of an identity whose name does not carry them, e.g. ``did:web``."""

    id: Uri
    keys: list[dict[str, str]]


class Anchors(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Everything the verifier believes before reading a single statement."""

    lists: list[ListAnchor] = []
    logs: list[LogAnchor] = []
    witnesses: list[WitnessAnchor] = []
    quorum: Annotated[int, Meta(ge=0, le=100)] = 0
    """How many of the witnesses must have cosigned a checkpoint; 0 trusts the log's own clock."""
    identities: list[PinnedIdentity] = []
    verifier: Uri | None = None
    """Who judges: waivers signed by this identity count."""

    @staticmethod
    def from_json(data: bytes) -> Anchors:
        """Read a ``--trust`` file.

        Raises:
            Malformed: ``trust.malformed``.
        """
        try:
            return msgspec.json.decode(data, type=Anchors)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise Malformed(
                "trust.malformed",
                f"not a file of trust anchors: {fault}",
                why=str(fault),
                hint="make one with `kizuna trust export --out FILE`",
                fault=str(fault),
            ) from fault

    def to_json(self) -> bytes:
        """Canonical bytes of the anchors."""
        return msgspec.json.encode(self, order="sorted")
