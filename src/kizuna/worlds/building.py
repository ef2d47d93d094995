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

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from kizuna.model.identifier import Digest, Element, SubjectId, canonical, digest_of
from kizuna.model.kind import Kind
from kizuna.model.payload import (
    Action,
    Claim,
    Described,
    Level,
    Link,
    Links,
    Notice,
    Scalar,
    Severity,
    Status,
    Target,
)
from kizuna.model.relation import Relation
from kizuna.model.trust import Anchors, ListAnchor
from kizuna.record.lists import Role, grant, list_id_of, service_for
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.party import Party, new_party

__all__ = ["LIST_NAME", "PROFILE", "ROOT", "Building", "Story", "building"]

PROFILE: Final = "building-services"
"""The shipped profile under which the world is judged."""

LIST_NAME: Final = "building-systems"
"""The short name of the world's trust list."""

ROOT: Final = canonical("https://id.aoba-air.example/01/09520123456788/21/AC9-0271")
"""The controller in Shiomi Tower: a GS1 Digital Link with its serial number."""

_DAY: Final = 86_400
_PLACE: Final = "https://shiomi-tower.example/equipment/hvac"
_RENEWED: Final = "2.3.2"
_CDX: Final = "application/vnd.cyclonedx+json"

Draw = Callable[[int], list[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One mishap: signed statements that break the chain and that mend it, made when it happens.

    ``subject`` is the node that turns bad, ``party`` whose turn it then is.
    """

    name: str
    title: Mapping[str, str] = field(hash=False)
    broken: Mapping[str, str] = field(hash=False)
    """What happens, by language."""
    mended: Mapping[str, str] = field(hash=False)
    """What is done about it, by language."""
    subject: SubjectId
    party: SubjectId
    break_: Draw = field(compare=False, repr=False)
    mend: Draw = field(compare=False, repr=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Firm:
    key: str
    tier: int
    english: str
    japanese: str
    space: str = ""
    """The name space under which it names its things."""


_FIRMS: Final = (
    _Firm(key="shiomi", tier=0, english="Shiomi Building Services", japanese="汐見ビルサービス"),
    _Firm(
        key="aoba",
        tier=1,
        english="Aoba Air Systems",
        japanese="青葉空調システム",
        space="aoba-air",
    ),
    _Firm(
        key="kawase",
        tier=2,
        english="Kawase Control Boards",
        japanese="川瀬制御基板",
        space="kawase-boards",
    ),
    _Firm(
        key="hinode",
        tier=2,
        english="Hinode Firmware Works",
        japanese="日ノ出ファームウェア工房",
        space="hinode-firmware",
    ),
    _Firm(
        key="tsukumo",
        tier=2,
        english="Tsukumo Sensors",
        japanese="九十九センサー",
        space="tsukumo-sensors",
    ),
    _Firm(
        key="misaki",
        tier=2,
        english="Misaki Damper Drives",
        japanese="岬ダンパー駆動",
        space="misaki-drives",
    ),
    _Firm(
        key="nagisa",
        tier=3,
        english="Nagisa Microcontrollers",
        japanese="渚マイコン",
        space="nagisa-micro",
    ),
    _Firm(
        key="komorebi",
        tier=3,
        english="Komorebi Radio Modules",
        japanese="木漏れ日無線モジュール",
        space="komorebi-radio",
    ),
    _Firm(
        key="otowa",
        tier=3,
        english="Otowa Secure Elements",
        japanese="音羽セキュアエレメント",
        space="otowa-secure",
    ),
    _Firm(
        key="fukurou",
        tier=3,
        english="Fukurou RTOS Project",
        japanese="ふくろうRTOSプロジェクト",
        space="fukurou-rtos",
    ),
    _Firm(
        key="yukishiro",
        tier=4,
        english="Yukishiro Wafers and Films",
        japanese="雪代ウェハ・薄膜",
        space="yukishiro-wafer",
    ),
    _Firm(
        key="hoshizora",
        tier=4,
        english="Hoshizora TLS Project",
        japanese="ほしぞらTLSプロジェクト",
        space="hoshizora-tls",
    ),
)

_COUNCIL: Final = ("Building Systems Trust List Council", "ビルシステム信頼リスト協議会")
_AUTHORITIES: Final = (
    ("akatsuki", "Akatsuki Certification Institute", "暁認証機構", Role.CERTIFICATION_BODY),
    ("sakigake", "Sakigake Security Assessment", "先駆セキュリティ評価", Role.ASSESSOR),
    (
        "liaison",
        "Building Equipment Security Liaison",
        "ビル設備セキュリティ連絡会",
        Role.COORDINATOR,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Thing:
    key: str
    maker: str
    id: str
    english: str
    japanese: str
    version: str
    parts: tuple[str, ...] = ()
    element: Element = Element.COMPONENT


_THINGS: Final = (
    _Thing(
        key="model",
        maker="aoba",
        id="pkg:generic/aoba-air/ac-9@2.3",
        english="HVAC controller AC-9",
        japanese="空調制御装置 AC-9",
        version="2.3",
        parts=("board", "firmware", "sensor", "damper"),
    ),
    _Thing(
        key="board",
        maker="kawase",
        id="pkg:generic/kawase-boards/cb-40@c",
        english="Control board CB-40",
        japanese="制御基板 CB-40",
        version="c",
        parts=("processor", "radio", "secure"),
    ),
    _Thing(
        key="firmware",
        maker="hinode",
        id="pkg:generic/hinode-firmware/ac9-firmware@2.3.1",
        english="AC-9 firmware",
        japanese="AC-9 ファームウェア",
        version="2.3.1",
        parts=("rtos", "tls"),
        element=Element.DATA,
    ),
    _Thing(
        key="sensor",
        maker="tsukumo",
        id="pkg:generic/tsukumo-sensors/th-7@1.4",
        english="Temperature and humidity sensor TH-7",
        japanese="温湿度センサー TH-7",
        version="1.4",
        parts=("film",),
    ),
    _Thing(
        key="damper",
        maker="misaki",
        id="pkg:generic/misaki-drives/dd-12@3.0",
        english="Damper drive DD-12",
        japanese="ダンパー駆動装置 DD-12",
        version="3.0",
        parts=("processor",),
    ),
    _Thing(
        key="processor",
        maker="nagisa",
        id="pkg:generic/nagisa-micro/nm-32@r1",
        english="Microcontroller NM-32",
        japanese="マイコン NM-32",
        version="r1",
        parts=("wafer",),
    ),
    _Thing(
        key="radio",
        maker="komorebi",
        id="pkg:generic/komorebi-radio/kr-2@1.1",
        english="Radio module KR-2",
        japanese="無線モジュール KR-2",
        version="1.1",
    ),
    _Thing(
        key="secure",
        maker="otowa",
        id="pkg:generic/otowa-secure/se-5@5.2",
        english="Secure element SE-5",
        japanese="セキュアエレメント SE-5",
        version="5.2",
        parts=("wafer",),
    ),
    _Thing(
        key="rtos",
        maker="fukurou",
        id="pkg:generic/fukurou-rtos/kernel@4.1.0",
        english="Fukurou RTOS kernel",
        japanese="ふくろうRTOSカーネル",
        version="4.1.0",
        element=Element.DATA,
    ),
    _Thing(
        key="tls",
        maker="hoshizora",
        id="pkg:generic/hoshizora-tls/hoshizora@1.8.2",
        english="Hoshizora TLS library",
        japanese="ほしぞらTLSライブラリ",
        version="1.8.2",
        element=Element.DATA,
    ),
    _Thing(
        key="wafer",
        maker="yukishiro",
        id="pkg:generic/yukishiro-wafer/w-200@2026.07",
        english="Wafer lot W-200",
        japanese="ウェハ W-200",
        version="2026.07",
    ),
    _Thing(
        key="film",
        maker="yukishiro",
        id="pkg:generic/yukishiro-wafer/film-h@1.0",
        english="Humidity sensing film",
        japanese="感湿膜",
        version="1.0",
    ),
)


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
    return _Cast(now, EphemeralUnit(seed), council, list_id).world()


class _Cast:
    """Who is there and what there is; owns nothing that changes after it was made."""

    def __init__(
        self, now: int, unit: EphemeralUnit, council: Party | None, list_id: SubjectId | None
    ) -> None:
        self.now = now
        self.council = council or new_party(unit, *_COUNCIL)
        self.list_id = list_id or list_id_of(self.council.id, LIST_NAME)
        self.firms = {firm.key: firm for firm in _FIRMS}
        self.parties = {f.key: new_party(unit, f.english, f.japanese) for f in _FIRMS}
        self.parties |= {key: new_party(unit, en, ja) for key, en, ja, _ in _AUTHORITIES}
        self.things = {thing.key: thing for thing in _THINGS}
        self.certificates: dict[str, str] = {}
        """Digest (hex) of the security certificate of each firm."""

    def world(self) -> Building:
        bom = self._bom("2.3.1")
        documents = {digest_of(bom): bom}
        memberships = tuple(self._memberships())
        statements = [*self._organisations(), *self._chain(), *self._equipment()]
        firmware = SubjectId(self.things["firmware"].id)
        statements.append(self.parties["hinode"].attach(firmware, bom, _CDX, self.now))
        return Building(
            root=ROOT,
            profile=PROFILE,
            anchors=Anchors(
                lists=[
                    ListAnchor(
                        id=self.list_id,
                        operator=self.council.id,
                        name=LIST_NAME,
                        title=self.council.title["en"],
                    )
                ]
            ),
            council=self.council,
            parties=self.parties,
            titles=self._titles(),
            memberships=memberships,
            statements=tuple(statements),
            documents=documents,
            firmware_bom=bom,
            hidden=self._hidden(),
            stories=(self._certificate_revoked(), self._firmware_tampered()),
        )

    # who may say what --------------------------------------------------------------------------

    def _memberships(self) -> list[bytes]:
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

        made = [enter(self.parties[key], role, []) for key, _, _, role in _AUTHORITIES]
        made.append(
            enter(
                self.parties["shiomi"],
                Role.FACILITY_OPERATOR,
                [_PLACE, ROOT],
            )
        )
        made += [
            enter(
                self.parties[firm.key],
                Role.MAKER,
                [f"pkg:generic/{firm.space}", f"https://id.{firm.space}.example"],
            )
            for firm in _FIRMS
            if firm.space
        ]
        return made

    # what is said ------------------------------------------------------------------------------

    def _organisations(self) -> list[bytes]:
        made: list[bytes] = []
        for number, firm in enumerate(_FIRMS):
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

    def _certificate(self, firm: _Firm, number: int) -> bytes:
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

    def _chain(self) -> list[bytes]:
        made = [self._parts(thing, self.now) for thing in _THINGS]
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

    def _parts(self, thing: _Thing, at: int, instead: Mapping[str, str] | None = None) -> bytes:
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
            Links(links=links, described=[self._described(thing)], complete=[Relation.PART_OF]),
            at,
        )

    def _described(self, thing: _Thing, version: str = "") -> Described:
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

    def _equipment(self) -> list[bytes]:
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

    # what befalls them -------------------------------------------------------------------------

    def _certificate_revoked(self) -> Story:
        nagisa = self.parties["nagisa"]
        akatsuki = self.parties["akatsuki"]

        def break_(at: int) -> list[bytes]:
            status = Status(
                action=Action.REVOKE,
                target=Target(statement=self.certificates["nagisa"]),
                reason="the yearly audit found shared administrator accounts in production",
            )
            return [akatsuki.say(Kind.STATUS, nagisa.id, status, at)]

        def mend(at: int) -> list[bytes]:
            return [
                akatsuki.say(
                    Kind.CERTIFICATE,
                    nagisa.id,
                    Claim(
                        type="iso-27001",
                        level=Level.THIRD,
                        valid_from=_instant(at - _DAY),
                        valid_until=_instant(at + 730 * _DAY),
                        claims={"certificate": "ACI-2026-0977"},
                    ),
                    at,
                )
            ]

        return Story(
            name="certificate-revoked",
            title={
                "en": "A maker in the third tier loses its certificate",
                "ja": "第3階層の製造者が証明書を失う",
            },
            broken={
                "en": "Akatsuki Certification Institute revokes the ISO/IEC 27001 certificate of "
                "Nagisa Microcontrollers, whose processor is in the control board.",
                "ja": "暁認証機構が、制御基板のマイコンを作る渚マイコンの ISO/IEC 27001 証明書を"
                "失効させます。",
            },
            mended={
                "en": "Nagisa closes the findings and is certified again.",
                "ja": "渚マイコンが指摘を是正し、再び認証を受けます。",
            },
            subject=nagisa.id,
            party=nagisa.id,
            break_=break_,
            mend=mend,
        )

    def _firmware_tampered(self) -> Story:
        firmware = self.things["firmware"]
        renewed = _renewed(firmware)
        liaison, hinode = self.parties["liaison"], self.parties["hinode"]

        def break_(at: int) -> list[bytes]:
            notice = Notice(
                type="tampering",
                severity=Severity.CRITICAL,
                id="BESL-2026-041",
                summary="images of this firmware lot on a mirror carry foreign code",
                mend="replace the lot by 2.3.2, whose hash the maker has published",
                since=_instant(at - 3_600),
            )
            return [liaison.say(Kind.NOTICE, SubjectId(firmware.id), notice, at)]

        def mend(at: int) -> list[bytes]:
            bill = Links(
                links=[
                    *(
                        Link(relation=Relation.PART_OF, subject=self.things[part].id)
                        for part in firmware.parts
                    ),
                    Link(relation=Relation.MADE_BY, object=hinode.id),
                    Link(relation=Relation.REPLACES, object=firmware.id),
                ],
                described=[self._described(firmware, _RENEWED)],
                complete=[Relation.PART_OF],
            )
            return [
                hinode.say(Kind.LINK, renewed, bill, at),
                self._parts(self.things["model"], at, {firmware.id: renewed}),
            ]

        return Story(
            name="firmware-tampered",
            title={
                "en": "A firmware lot was tampered with",
                "ja": "ファームウェアのロットが改ざんされる",
            },
            broken={
                "en": "The Building Equipment Security Liaison reports foreign code in lot 2.3.1 "
                "of the controller's firmware.",
                "ja": "ビル設備セキュリティ連絡会が、制御装置のファームウェア 2.3.1 ロットに不正な"
                "コードがあると報告します。",
            },
            mended={
                "en": "Hinode publishes 2.3.2, and Aoba renews its parts list with it.",
                "ja": "日ノ出ファームウェア工房が 2.3.2 を公開し、青葉空調システムが"
                "部品表を更新します。",
            },
            subject=SubjectId(firmware.id),
            party=hinode.id,
            break_=break_,
            mend=mend,
        )

    # documents and names -----------------------------------------------------------------------

    def _bom(self, version: str) -> bytes:
        """The firmware's bill of materials in CycloneDX 1.6, as its maker delivers it."""
        firmware = self.things["firmware"]
        parts = [self.things[part] for part in firmware.parts]

        def component(thing: _Thing) -> dict[str, object]:
            made = self._described(thing)
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

    def _titles(self) -> dict[SubjectId, Mapping[str, str]]:
        titles: dict[SubjectId, Mapping[str, str]] = {
            ROOT: {
                "en": "HVAC controller AC-9, serial number 0271",
                "ja": "空調制御装置 AC-9 製造番号0271",
            },
            self.council.id: self.council.title,
        }
        titles |= {party.id: party.title for party in self.parties.values()}
        titles |= {SubjectId(t.id): {"en": t.english, "ja": t.japanese} for t in _THINGS}
        return titles

    def _hidden(self) -> tuple[SubjectId, ...]:
        firms = [self.parties[firm.key].id for firm in _FIRMS if firm.tier > 1]
        things = [SubjectId(t.id) for t in _THINGS if self.firms[t.maker].tier > 1]
        return (*firms, *things, _renewed(self.things["firmware"]))

    def _day(self, days: int) -> datetime:
        return _instant(self.now + days * _DAY)


def _renewed(firmware: _Thing) -> SubjectId:
    return SubjectId(firmware.id.replace(firmware.version, _RENEWED))


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _digest(statement: bytes) -> str:
    """The identity of a statement that we signed ourselves: its bytes are in plain form already."""
    return sha256(statement).hexdigest()
