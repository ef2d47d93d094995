# SPDX-License-Identifier: Apache-2.0
"""The building: an HVAC controller in a tower, four tiers of suppliers, and what befalls them.

Keeps: 1. Everything asked by the profile ``building-services`` is said by whoever may say it, so
the world begins trusted; each story breaks one thing far down and mends it without rewriting what
was said. 2. All names are invented. 3. ``hidden`` lists every organisation and component below the
first tier, for whoever wants to show that a proof gives none of them away.

::

    tier 0  the controller in Shiomi Tower      operated by Shiomi Building Services
    tier 1  controller AC-9                     Aoba Air Systems
    tier 2  board · firmware · sensor · damper  Kawase, Hinode, Tsukumo, Misaki
    tier 3  processor · radio · secure element · operating system
                                                Nagisa, Komorebi, Otowa, Fukurou
    tier 4  wafer · sensing film · TLS library  Yukishiro, Hoshizora
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kizuna.model.identifier import Digest, SubjectId, digest_of
from kizuna.model.trust import Anchors, ListAnchor
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.building.cast import LIST_NAME, PROFILE, ROOT
from kizuna.worlds.building.statements import Voices
from kizuna.worlds.building.stories import Story, certificate_revoked, firmware_tampered
from kizuna.worlds.party import Party

__all__ = ["LIST_NAME", "PROFILE", "ROOT", "Building", "Story", "building"]

_CDX: Final = "application/vnd.cyclonedx+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """The world, ready to register: ``memberships`` first, then ``statements``, in order."""

    root: SubjectId
    profile: str
    anchors: Anchors
    council: Party
    """Who operates the trust list."""
    parties: Mapping[str, Party]
    titles: Mapping[SubjectId, Mapping[str, str]]
    """Names for people, by identifier and language."""
    memberships: tuple[bytes, ...]
    statements: tuple[bytes, ...]
    documents: Mapping[Digest, bytes]
    """Documents that stand beside the log: the firmware's bill of materials."""
    firmware_bom: bytes
    hidden: tuple[SubjectId, ...]
    stories: tuple[Story, ...]


def building(
    now: int,
    *,
    seed: bytes | None = None,
    council: Party | None = None,
    list_id: SubjectId | None = None,
) -> Building:
    """Build the world as it stands at ``now``.

    Args:
        now: seconds since 1970 at which it is registered.
        seed: makes keys (and so all statements) the same every time; without it they are random,
            so that nobody else can speak for these organisations.
        council: who operates the trust list, for instance the store's own organisation; without
            one the world brings its own.
        list_id: the list's identifier, where it exists already.
    """
    voices = Voices(now, EphemeralUnit(seed), council, list_id)
    bom = voices.bom("2.3.1")
    documents = {digest_of(bom): bom}
    memberships = tuple(voices.memberships())
    statements = [*voices.organisations(), *voices.chain(), *voices.equipment()]
    firmware = SubjectId(voices.things["firmware"].id)
    statements.append(voices.parties["hinode"].attach(firmware, bom, _CDX, voices.now))
    return Building(
        root=ROOT,
        profile=PROFILE,
        anchors=Anchors(
            lists=[
                ListAnchor(
                    id=voices.list_id,
                    operator=voices.council.id,
                    name=LIST_NAME,
                    title=voices.council.title["en"],
                )
            ]
        ),
        council=voices.council,
        parties=voices.parties,
        titles=voices.titles(),
        memberships=memberships,
        statements=tuple(statements),
        documents=documents,
        firmware_bom=bom,
        hidden=voices.hidden(),
        stories=(certificate_revoked(voices), firmware_tampered(voices)),
    )
