# SPDX-License-Identifier: Apache-2.0
"""The building's value creation process: how the controller in Shiomi Tower came to be, and works.

Keeps: it names the world's own organisations and things, so that what its borders ask for can
be set against what the world's statements show. It is stated by the tower's operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.criteria.process import Process, process_of

if TYPE_CHECKING:
    from kizuna.worlds.building import Building

__all__ = ["PROCESS", "building_process"]

PROCESS: Final = "shiomi-air"
"""The process's name."""

_PARTIES: Final = ("fukurou", "hinode", "kawase", "tsukumo", "aoba", "shiomi")

_THINGS: Final = (
    ("rtos", "data", "fukurou-rtos/", "Operating system", "OS", ""),
    ("board", "component", "kawase-boards/", "Control board CB-40", "制御基板 CB-40", ""),
    (
        "firmware",
        "data",
        "hinode-firmware/ac9-firmware",
        "AC-9 firmware",
        "AC-9 ファームウェア",
        "",
    ),
    ("sensor", "component", "tsukumo-sensors/", "Air sensor", "空気センサー", ""),
    ("controller", "component", "AC9-0271", "Controller AC-9", "空調制御装置 AC-9", ""),
    ("readings", "data", "", "Room readings", "室内の計測値", ""),
    ("staff", "person", "", "Facility staff", "設備担当者", "shiomi"),
    ("comfort", "service", "", "Conditioned air", "空調サービス", ""),
)

_ACTIVITIES: Final = (
    ("maintain-rtos", "fukurou", 3, "Maintain the operating system", "OS を保守する", "", "rtos"),
    (
        "build-firmware",
        "hinode",
        3,
        "Build the firmware",
        "ファームウェアを作る",
        "rtos",
        "firmware",
    ),
    ("make-board", "kawase", 1, "Make the board", "基板を製造する", "", "board"),
    (
        "make-sensor",
        "tsukumo",
        2,
        "Make and calibrate sensors",
        "センサーを製造・校正する",
        "",
        "sensor",
    ),
    (
        "assemble",
        "aoba",
        1,
        "Assemble the controller",
        "制御装置を組み立てる",
        "board firmware sensor",
        "controller",
    ),
    (
        "operate",
        "shiomi",
        2,
        "Operate the air conditioning",
        "空調を運転する",
        "controller staff",
        "readings comfort",
    ),
    ("watch", "aoba", 3, "Watch it from afar", "遠隔で見守る", "readings", ""),
)


def building_process(world: Building) -> Process:
    """The process of a built world."""
    document: dict[str, Any] = {
        "process": PROCESS,
        "version": "1",
        "title": {"en": "Air conditioning of Shiomi Tower", "ja": "汐見タワーの空調"},
        "about": {
            "en": "From operating system and parts to conditioned air, and back to the maker.",
            "ja": "OS と部品から空調サービスまで、そして製造者への戻りまで。",
        },
        "organizations": [
            {
                "id": key,
                "title": dict(world.parties[key].title),
                "identifier": world.parties[key].id,
            }
            for key in _PARTIES
        ],
        "elements": [_thing(world, *row) for row in _THINGS],
        "activities": [
            {
                "id": key,
                "title": {"en": english, "ja": japanese},
                "organization": party,
                "layer": layer,
            }
            | ({"consumes": taken.split()} if taken else {})
            | ({"produces": made.split()} if made else {})
            for key, party, layer, english, japanese, taken, made in _ACTIVITIES
        ],
    }
    return process_of(document, PROCESS)


def _thing(  # the columns of the table above
    world: Building, key: str, element: str, part: str, english: str, japanese: str, owner: str
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": key,
        "element": element,
        "title": {"en": english, "ja": japanese},
    }
    if part:
        made["identifier"] = next(known for known in world.titles if part in known)
    if owner:
        made["organization"] = owner
    if key == "controller":
        made["whole"] = True
    return made
