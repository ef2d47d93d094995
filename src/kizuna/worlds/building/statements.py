# SPDX-License-Identifier: Apache-2.0
"""What everybody in the building's chain says while all is well, each with its own key.

Keeps: everything asked by the profile ``building-services`` is said by whoever may say it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Described, Level, Link, Links, Scalar
from kizuna.model.relation import Relation
from kizuna.record.lists import Role, grant, list_id_of, service_for
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.building.cast import (
    AUTHORITIES,
    COUNCIL,
    FIRMS,
    LIST_NAME,
    PLACE,
    ROOT,
    THINGS,
    Firm,
    Thing,
)
from kizuna.worlds.party import Party, new_party

__all__ = ["DAY", "RENEWED", "Voices", "instant", "renewed"]

DAY: Final = 86_400
RENEWED: Final = "2.3.2"
"""The version of the firmware that takes the place of a tampered one."""


class Voices:
    """The organisations with their keys, and what they say at one moment."""

    def __init__(
        self, now: int, unit: EphemeralUnit, council: Party | None, list_id: SubjectId | None
    ) -> None:
        self.now = now
        self.council = council or new_party(unit, *COUNCIL)
        self.list_id = list_id or list_id_of(self.council.id, LIST_NAME)
        self.firms = {firm.key: firm for firm in FIRMS}
        self.parties = {f.key: new_party(unit, f.english, f.japanese) for f in FIRMS}
        self.parties |= {key: new_party(unit, en, ja) for key, en, ja, _ in AUTHORITIES}
        self.things = {thing.key: thing for thing in THINGS}
        self.certificates: dict[str, str] = {}
        """Digest (hex) of the security certificate of each firm."""

    # who may say what --------------------------------------------------------------------------

    def memberships(self) -> list[bytes]:
        """Entries of the council's list: who may speak about what."""

        def enter(party: Party, role: Role, scope: list[str]) -> bytes:
            entry = grant(
                self.list_id,
                [service_for(role, scope=scope)],
                name=party.title["en"],
                valid_from=self._day(-400),
                valid_until=self._day(700),
                reason="identity and competence were checked",
                ext={"name_ja": party.title["ja"]},
            )
            return self.council.say(Kind.MEMBERSHIP, party.id, entry, self.now)

        made = [enter(self.parties[key], role, []) for key, _, _, role in AUTHORITIES]
        made.append(
            enter(
                self.parties["shiomi"],
                Role.FACILITY_OPERATOR,
                [PLACE, ROOT],
            )
        )
        made += [
            enter(
                self.parties[firm.key],
                Role.MAKER,
                [f"pkg:generic/{firm.space}", f"https://id.{firm.space}.example"],
            )
            for firm in FIRMS
            if firm.space
        ]
        return made

    # what is said ------------------------------------------------------------------------------

    def organisations(self) -> list[bytes]:
        """Each firm: its certificate, its name, how it looks after its own suppliers."""
        made: list[bytes] = []
        for number, firm in enumerate(FIRMS):
            party = self.parties[firm.key]
            certificate = self._certificate(firm, number)
            self.certificates[firm.key] = _digest(certificate)
            made.append(certificate)
            made.append(
                party.say(
                    Kind.LINK,
                    party.id,
                    Links(
                        described=[
                            Described(
                                element=Element.ORGANIZATION,
                                name=firm.english,
                                claims={"name_ja": firm.japanese},
                            )
                        ]
                    ),
                    self.now,
                )
            )
            made.append(
                self._claim(
                    party,
                    Kind.CAPABILITY,
                    party.id,
                    "supply-chain-management",
                    {"suppliers_checked": True, "contact": f"security@{firm.key}.example"},
                )
            )
        return made

    def _certificate(self, firm: Firm, number: int) -> bytes:
        """A certificate for the firm's information security: most by the certification body, the
        two open-source projects by an assessor, who looked at how they work.
        """
        project = firm.key in ("fukurou", "hoshizora")
        authority = self.parties["sakigake" if project else "akatsuki"]
        return authority.say(
            Kind.CERTIFICATE,
            self.parties[firm.key].id,
            Claim(
                type="scs-star-4" if project else "iso-27001",
                level=Level.SECOND if project else Level.THIRD,
                valid_from=self._day(-30 * (1 + number % 5)),
                valid_until=self._day(500 + 40 * (number % 7)),
                claims={"certificate": f"{'SSA' if project else 'ACI'}-2026-{310 + number}"},
            ),
            self.now,
        )

    def chain(self) -> list[bytes]:
        """What goes into what, by each maker; and the controller, by maker and operator."""
        made = [self.parts_of(thing, self.now) for thing in THINGS]
        made.append(
            self.parties["aoba"].say(
                Kind.LINK,
                ROOT,
                Links(
                    links=[
                        Link(relation=Relation.INSTANCE_OF, object=self.things["model"].id),
                        Link(relation=Relation.MADE_BY, object=self.parties["aoba"].id),
                    ],
                    described=[
                        Described(
                            element=Element.COMPONENT,
                            name="HVAC controller AC-9, serial number 0271",
                            version="2.3",
                            claims={"name_ja": "空調制御装置 AC-9 製造番号0271"},
                        )
                    ],
                    complete=[Relation.PART_OF],
                ),
                self.now,
            )
        )
        made.append(
            self.parties["shiomi"].say(
                Kind.LINK,
                ROOT,
                Links(
                    links=[Link(relation=Relation.OPERATED_BY, object=self.parties["shiomi"].id)],
                    part="operation",
                ),
                self.now,
            )
        )
        return made

    def parts_of(self, thing: Thing, at: int, instead: Mapping[str, str] | None = None) -> bytes:
        """The bill of one thing by its maker: parts, maker and description; all of its parts."""
        swapped = instead or {}
        links = [
            Link(
                relation=Relation.PART_OF,
                subject=swapped.get(self.things[part].id, self.things[part].id),
            )
            for part in thing.parts
        ]
        links.append(Link(relation=Relation.MADE_BY, object=self.parties[thing.maker].id))
        return self.parties[thing.maker].say(
            Kind.LINK,
            SubjectId(thing.id),
            Links(links=links, described=[self.described(thing)], complete=[Relation.PART_OF]),
            at,
        )

    def described(self, thing: Thing, version: str = "") -> Described:
        """How its maker describes a thing."""
        version = version or thing.version
        image = sha256(f"{thing.key} {version}".encode()).hexdigest()
        return Described(
            element=thing.element,
            name=thing.english,
            version=version,
            hashes={"SHA-256": image} if thing.element is Element.DATA else {},
            licenses=["Apache-2.0"] if thing.maker in ("fukurou", "hoshizora") else [],
            claims={"name_ja": thing.japanese},
        )

    def equipment(self) -> list[bytes]:
        """What is said about the controller itself."""
        aoba, shiomi = self.parties["aoba"], self.parties["shiomi"]
        end = self._day(1_400)
        return [
            self._claim(
                self.parties["akatsuki"],
                Kind.CERTIFICATE,
                ROOT,
                "iec-62443-4-2",
                {"certificate": "ACI-2026-0412", "model": "AC-9", "security_level": 2},
                level=Level.THIRD,
                until=900,
            ),
            self._claim(
                aoba,
                Kind.CAPABILITY,
                ROOT,
                "vulnerability-contact",
                {"contact": "psirt@aoba-air.example"},
            ),
            self._claim(
                aoba,
                Kind.EVIDENCE,
                ROOT,
                "vulnerability-review",
                {"exploitable": 0, "advisories": 212},
            ),
            self._claim(
                aoba,
                Kind.CAPABILITY,
                ROOT,
                "support-period",
                {"until": end.date().isoformat()},
                until=1_400,
            ),
            self._claim(aoba, Kind.CAPABILITY, ROOT, "secure-update", {"signature": "ES256"}),
            self._claim(
                shiomi,
                Kind.EVIDENCE,
                ROOT,
                "commissioning",
                {"default_passwords": False, "network_zone": "bas-3"},
                level=Level.SECOND,
            ),
            self._claim(
                shiomi,
                Kind.EVIDENCE,
                ROOT,
                "maintenance-record",
                {"performed_by": "Shiomi Building Services, team 2", "findings": 0},
                level=Level.SECOND,
            ),
            self._claim(
                shiomi,
                Kind.EVIDENCE,
                ROOT,
                "access-review",
                {"accounts": 4, "removed": 1},
                level=Level.SECOND,
            ),
        ]

    def _claim(
        self,
        party: Party,
        kind: Kind,
        subject: SubjectId,
        word: str,
        claims: Mapping[str, Scalar],
        *,
        level: Level = Level.SELF,
        until: int | None = None,
    ) -> bytes:
        return party.say(
            kind,
            subject,
            Claim(
                type=word,
                level=level,
                valid_from=self._day(-20),
                valid_until=None if until is None else self._day(until),
                claims=dict(claims),
            ),
            self.now,
        )

    # documents and names -----------------------------------------------------------------------

    def bom(self, version: str) -> bytes:
        """The firmware's bill of materials in CycloneDX 1.6, as its maker delivers it."""
        firmware = self.things["firmware"]
        parts = [self.things[part] for part in firmware.parts]

        def component(thing: Thing) -> dict[str, object]:
            made = self.described(thing)
            return {
                "type": "firmware" if thing is firmware else "library",
                "bom-ref": thing.id,
                "name": thing.english,
                "version": thing.version,
                "purl": thing.id,
                "supplier": {"name": self.firms[thing.maker].english},
                "hashes": [
                    {"alg": name, "content": value} for name, value in sorted(made.hashes.items())
                ],
            }

        document = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": UUID(bytes=sha256(firmware.id.encode()).digest()[:16], version=4).urn,
            "version": 1,
            "metadata": {
                "timestamp": self._day(-12).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "component": component(firmware) | {"version": version},
            },
            "components": [component(part) for part in parts],
            "dependencies": [{"ref": firmware.id, "dependsOn": [part.id for part in parts]}],
            "compositions": [{"aggregate": "complete", "assemblies": [firmware.id]}],
        }
        return json.dumps(document, indent=1, ensure_ascii=False).encode()

    def titles(self) -> dict[SubjectId, Mapping[str, str]]:
        """Names for people."""
        titles: dict[SubjectId, Mapping[str, str]] = {
            ROOT: {
                "en": "HVAC controller AC-9, serial number 0271",
                "ja": "空調制御装置 AC-9 製造番号0271",
            },
            self.council.id: self.council.title,
        }
        titles |= {party.id: party.title for party in self.parties.values()}
        titles |= {SubjectId(t.id): {"en": t.english, "ja": t.japanese} for t in THINGS}
        return titles

    def hidden(self) -> tuple[SubjectId, ...]:
        """Every organisation and component below the first tier."""
        firms = [self.parties[firm.key].id for firm in FIRMS if firm.tier > 1]
        things = [SubjectId(t.id) for t in THINGS if self.firms[t.maker].tier > 1]
        return (*firms, *things, renewed(self.things["firmware"]))

    def _day(self, days: int) -> datetime:
        return instant(self.now + days * DAY)


def renewed(firmware: Thing) -> SubjectId:
    """What takes the place of the tampered firmware."""
    return SubjectId(firmware.id.replace(firmware.version, RENEWED))


def instant(at: int) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(at, UTC)


def _digest(statement: bytes) -> str:
    """The identity of a statement that we signed ourselves: its bytes are in plain form already."""
    return sha256(statement).hexdigest()
