# SPDX-License-Identifier: Apache-2.0
"""What befalls the building: mishaps far down the chain, and how each is mended.

Keeps: a story breaks one thing and mends it without rewriting what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Level, Link, Links, Notice, Severity, Status, Target
from kizuna.model.relation import Relation
from kizuna.worlds.building.statements import DAY, RENEWED, Voices, instant, renewed

__all__ = ["Draw", "Story", "certificate_revoked", "firmware_tampered"]

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


def certificate_revoked(world: Voices) -> Story:
    """A maker in the third tier loses its certificate, and gets another."""
    nagisa = world.parties["nagisa"]
    akatsuki = world.parties["akatsuki"]

    def break_(at: int) -> list[bytes]:
        status = Status(
            action=Action.REVOKE,
            target=Target(statement=world.certificates["nagisa"]),
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
                    valid_from=instant(at - DAY),
                    valid_until=instant(at + 730 * DAY),
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


def firmware_tampered(world: Voices) -> Story:
    """A lot of firmware carries foreign code, and is replaced."""
    firmware = world.things["firmware"]
    successor = renewed(firmware)
    liaison, hinode = world.parties["liaison"], world.parties["hinode"]

    def break_(at: int) -> list[bytes]:
        notice = Notice(
            type="tampering",
            severity=Severity.CRITICAL,
            id="BESL-2026-041",
            summary="images of this firmware lot on a mirror carry foreign code",
            mend="replace the lot by 2.3.2, whose hash the maker has published",
            since=instant(at - 3_600),
        )
        return [liaison.say(Kind.NOTICE, SubjectId(firmware.id), notice, at)]

    def mend(at: int) -> list[bytes]:
        bill = Links(
            links=[
                *(
                    Link(relation=Relation.PART_OF, subject=world.things[part].id)
                    for part in firmware.parts
                ),
                Link(relation=Relation.MADE_BY, object=hinode.id),
                Link(relation=Relation.REPLACES, object=firmware.id),
            ],
            described=[world.described(firmware, RENEWED)],
            complete=[Relation.PART_OF],
        )
        return [
            hinode.say(Kind.LINK, successor, bill, at),
            world.parts_of(world.things["model"], at, {firmware.id: successor}),
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
