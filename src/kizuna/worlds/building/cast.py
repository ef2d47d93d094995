# SPDX-License-Identifier: Apache-2.0
"""Who is there and what there is: the firms of the tower's supply chain and what they make.

Keeps: all names are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kizuna.model.identifier import Element, canonical
from kizuna.record.lists import Role

__all__ = [
    "AUTHORITIES",
    "COUNCIL",
    "FIRMS",
    "LIST_NAME",
    "PLACE",
    "PROFILE",
    "ROOT",
    "THINGS",
    "Firm",
    "Thing",
]

PROFILE: Final = "building-services"
"""The shipped profile under which the world is judged."""

LIST_NAME: Final = "building-systems"
"""The short name of the world's trust list."""

ROOT: Final = canonical("https://id.aoba-air.example/01/09520123456788/21/AC9-0271")
"""The controller in Shiomi Tower: a GS1 Digital Link with its serial number."""

PLACE: Final = "https://shiomi-tower.example/equipment/hvac"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firm:
    """An organisation of the chain."""

    key: str
    tier: int
    english: str
    japanese: str
    space: str = ""
    """The name space under which it names its things."""


FIRMS: Final = (
    Firm(key="shiomi", tier=0, english="Shiomi Building Services", japanese="汐見ビルサービス"),
    Firm(
        key="aoba",
        tier=1,
        english="Aoba Air Systems",
        japanese="青葉空調システム",
        space="aoba-air",
    ),
    Firm(
        key="kawase",
        tier=2,
        english="Kawase Control Boards",
        japanese="川瀬制御基板",
        space="kawase-boards",
    ),
    Firm(
        key="hinode",
        tier=2,
        english="Hinode Firmware Works",
        japanese="日ノ出ファームウェア工房",
        space="hinode-firmware",
    ),
    Firm(
        key="tsukumo",
        tier=2,
        english="Tsukumo Sensors",
        japanese="九十九センサー",
        space="tsukumo-sensors",
    ),
    Firm(
        key="misaki",
        tier=2,
        english="Misaki Damper Drives",
        japanese="岬ダンパー駆動",
        space="misaki-drives",
    ),
    Firm(
        key="nagisa",
        tier=3,
        english="Nagisa Microcontrollers",
        japanese="渚マイコン",
        space="nagisa-micro",
    ),
    Firm(
        key="komorebi",
        tier=3,
        english="Komorebi Radio Modules",
        japanese="木漏れ日無線モジュール",
        space="komorebi-radio",
    ),
    Firm(
        key="otowa",
        tier=3,
        english="Otowa Secure Elements",
        japanese="音羽セキュアエレメント",
        space="otowa-secure",
    ),
    Firm(
        key="fukurou",
        tier=3,
        english="Fukurou RTOS Project",
        japanese="ふくろうRTOSプロジェクト",
        space="fukurou-rtos",
    ),
    Firm(
        key="yukishiro",
        tier=4,
        english="Yukishiro Wafers and Films",
        japanese="雪代ウェハ・薄膜",
        space="yukishiro-wafer",
    ),
    Firm(
        key="hoshizora",
        tier=4,
        english="Hoshizora TLS Project",
        japanese="ほしぞらTLSプロジェクト",
        space="hoshizora-tls",
    ),
)

COUNCIL: Final = ("Building Systems Trust List Council", "ビルシステム信頼リスト協議会")
AUTHORITIES: Final = (
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
class Thing:
    """What one of them makes, and what of others goes into it."""

    key: str
    maker: str
    id: str
    english: str
    japanese: str
    version: str
    parts: tuple[str, ...] = ()
    element: Element = Element.COMPONENT


THINGS: Final = (
    Thing(
        key="model",
        maker="aoba",
        id="pkg:generic/aoba-air/ac-9@2.3",
        english="HVAC controller AC-9",
        japanese="空調制御装置 AC-9",
        version="2.3",
        parts=("board", "firmware", "sensor", "damper"),
    ),
    Thing(
        key="board",
        maker="kawase",
        id="pkg:generic/kawase-boards/cb-40@c",
        english="Control board CB-40",
        japanese="制御基板 CB-40",
        version="c",
        parts=("processor", "radio", "secure"),
    ),
    Thing(
        key="firmware",
        maker="hinode",
        id="pkg:generic/hinode-firmware/ac9-firmware@2.3.1",
        english="AC-9 firmware",
        japanese="AC-9 ファームウェア",
        version="2.3.1",
        parts=("rtos", "tls"),
        element=Element.DATA,
    ),
    Thing(
        key="sensor",
        maker="tsukumo",
        id="pkg:generic/tsukumo-sensors/th-7@1.4",
        english="Temperature and humidity sensor TH-7",
        japanese="温湿度センサー TH-7",
        version="1.4",
        parts=("film",),
    ),
    Thing(
        key="damper",
        maker="misaki",
        id="pkg:generic/misaki-drives/dd-12@3.0",
        english="Damper drive DD-12",
        japanese="ダンパー駆動装置 DD-12",
        version="3.0",
        parts=("processor",),
    ),
    Thing(
        key="processor",
        maker="nagisa",
        id="pkg:generic/nagisa-micro/nm-32@r1",
        english="Microcontroller NM-32",
        japanese="マイコン NM-32",
        version="r1",
        parts=("wafer",),
    ),
    Thing(
        key="radio",
        maker="komorebi",
        id="pkg:generic/komorebi-radio/kr-2@1.1",
        english="Radio module KR-2",
        japanese="無線モジュール KR-2",
        version="1.1",
    ),
    Thing(
        key="secure",
        maker="otowa",
        id="pkg:generic/otowa-secure/se-5@5.2",
        english="Secure element SE-5",
        japanese="セキュアエレメント SE-5",
        version="5.2",
        parts=("wafer",),
    ),
    Thing(
        key="rtos",
        maker="fukurou",
        id="pkg:generic/fukurou-rtos/kernel@4.1.0",
        english="Fukurou RTOS kernel",
        japanese="ふくろうRTOSカーネル",
        version="4.1.0",
        element=Element.DATA,
    ),
    Thing(
        key="tls",
        maker="hoshizora",
        id="pkg:generic/hoshizora-tls/hoshizora@1.8.2",
        english="Hoshizora TLS library",
        japanese="ほしぞらTLSライブラリ",
        version="1.8.2",
        element=Element.DATA,
    ),
    Thing(
        key="wafer",
        maker="yukishiro",
        id="pkg:generic/yukishiro-wafer/w-200@2026.07",
        english="Wafer lot W-200",
        japanese="ウェハ W-200",
        version="2026.07",
    ),
    Thing(
        key="film",
        maker="yukishiro",
        id="pkg:generic/yukishiro-wafer/film-h@1.0",
        english="Humidity sensing film",
        japanese="感湿膜",
        version="1.0",
    ),
)
