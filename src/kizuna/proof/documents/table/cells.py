# SPDX-License-Identifier: Apache-2.0
"""Cells of a table: dates, numbers, kinds and standards as people write them.

Keeps: 1. What cannot be read is ``None``, never a guess: a date that could be two days is none.
2. A day of validity lasts to its end, in the time zone of those who wrote the table. 3. Full-width
characters mean the same as narrow ones.

Example:
    >>> day_of("令和10年3月31日")
    datetime.date(2028, 3, 31)
    >>> standard_name("ISO/IEC 27001:2022")
    'iso-27001'
"""

from __future__ import annotations

import calendar
import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final

from kizuna.model.identifier import Element, digest_of
from kizuna.proof.documents.names import machine_name

__all__ = [
    "OWN_COMPANY",
    "day_of",
    "element_of",
    "is_of_organisation",
    "narrow",
    "quantity_of",
    "since_day",
    "standard_name",
    "until_day",
]

OWN_COMPANY: Final = frozenset(
    {"own company", "own", "self", "in-house", "inhouse", "自社", "当社", "弊社", "自社製", "内製"}
)

_JAPAN: Final = timezone(timedelta(hours=9))
_ERAS: Final = {"令和": 2018, "R": 2018, "平成": 1988, "H": 1988, "昭和": 1925, "S": 1925}
_WESTERN: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?)?月?")
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_ERA: Final = re.compile(r"(令和|平成|昭和|[RHS])(元|\d{1,2})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_QUANTITY: Final = re.compile(r"(\d{1,15})(?:\.0+)?\s*[^\d\s]{0,8}")
_STANDARD: Final = re.compile(
    r"(ISO/IEC|ISO/SAE|ISO|IEC|JIS\s*[A-Z]|IATF|EN|ETSI\s*EN|FIPS|UL|NIST\s*SP)[\s-]*"
    r"(\d{2,6}(?:[-\s]\d{1,4})*)(?:\s*[:：]\s*\d{4})?",
    re.IGNORECASE,
)
_NAMED: Final = (
    (re.compile(r"jc-?star", re.IGNORECASE), "jc-star"),
    (re.compile(r"common\s*criteria|コモンクライテリア", re.IGNORECASE), "common-criteria"),
    (re.compile(r"プライバシーマーク|pマーク|privacy\s*mark", re.IGNORECASE), "privacy-mark"),
    (re.compile(r"\bscs\b.*?([345])", re.IGNORECASE), "scs-star-"),
    (re.compile(r"^\s*ce(\s|マーク|マーキング|marking|mark|$)", re.IGNORECASE), "ce"),
    (re.compile(r"\brohs", re.IGNORECASE), "rohs"),
    (re.compile(r"\beucc\b", re.IGNORECASE), "eucc"),
)  # fmt: skip
_OF_ORGANISATIONS: Final = (
    "iso-9001", "iso-14001", "iso-27001", "iso-27017", "iso-27701", "iso-22301", "iso-45001",
    "iso-13485", "iso-20000", "iatf-16949", "jis-q-9001", "jis-q-14001", "jis-q-27001",
    "jis-q-15001", "iec-62443-2-1", "iec-62443-2-4", "iec-62443-4-1", "privacy-mark", "scs-star",
)  # fmt: skip
_ELEMENTS: Final = {
    Element.ORGANIZATION: ("organization", "organisation", "company", "組織", "会社", "企業"),
    Element.COMPONENT: ("component", "part", "device", "hardware", "software", "library", "部品",
                        "機器", "装置", "ソフトウェア", "ハードウェア", "モノ", "材料"),
    Element.DATA: ("data", "firmware", "file", "データ", "ファームウェア", "ファイル"),
    Element.SYSTEM: ("system", "platform", "システム"),
    Element.SERVICE: ("service", "cloud", "サービス", "クラウド"),
    Element.PROCEDURE: ("procedure", "process", "手順", "工程", "プロシージャ"),
}  # fmt: skip
_KINDS: Final = {word: element for element, words in _ELEMENTS.items() for word in words}


def narrow(text: str) -> str:
    """The text with full-width forms made narrow and white space at its ends removed."""
    return unicodedata.normalize("NFKC", text).strip()


def day_of(text: str, *, last: bool = True) -> date | None:
    """A day; of a bare month its ``last`` or first day; ``None`` where the order is uncertain."""
    plain = narrow(text).replace(" ", "")
    plain = re.sub(r"T?\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?$", "", plain)
    try:
        if found := _ERA.fullmatch(plain):
            number = 1 if found[2] == "元" else int(found[2])
            return date(_ERAS[found[1]] + number, int(found[3]), int(found[4]))
        if found := _COMPACT.fullmatch(plain):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _WESTERN.fullmatch(plain):
            year, month = int(found[1]), int(found[2])
            if found[3]:
                return date(year, month, int(found[3]))
            return date(year, month, calendar.monthrange(year, month)[1] if last else 1)
    except ValueError:
        return None
    return None


def until_day(day: date, language: str) -> datetime:
    """The last second of ``day`` where those who wrote the table are."""
    return datetime.combine(day, time(23, 59, 59), _JAPAN if language == "ja" else UTC)


def since_day(day: date, language: str) -> datetime:
    """The first second of ``day`` where those who wrote the table are."""
    return datetime.combine(day, time(), _JAPAN if language == "ja" else UTC)


def quantity_of(text: str) -> int | None:
    """A whole number, with thousands separators and a unit as they occur (``1,200 個``)."""
    found = _QUANTITY.fullmatch(narrow(text).replace(",", ""))
    return int(found[1]) if found else None


def element_of(text: str) -> Element | None:
    """The element that a word for a kind of thing means."""
    return _KINDS.get(narrow(text).casefold())


def standard_name(text: str) -> str:
    """The claim type of a certificate: the standard's own name without its year.

    A name in other letters than a type may hold becomes ``certificate:`` and a digest of it, so
    that two such certificates of one part do not take each other's place.
    """
    plain = narrow(text)
    for shape, name in _NAMED:
        if found := shape.search(plain):
            return name + found[1] if name.endswith("-") else name
    if found := _STANDARD.search(plain):
        body = re.sub(r"\s+", "-", found[1].upper().replace("ISO/IEC", "ISO").strip())
        body = re.sub(r"^JIS-?", "JIS-", body.replace("ISO/SAE", "ISO-SAE"))
        return machine_name(body, re.sub(r"\s+", "-", found[2]))
    made = machine_name(plain)
    if made and sum(letter.isascii() for letter in plain) * 2 >= len(plain):
        return made
    return f"certificate:{digest_of(plain.encode()).hex()[:16]}"


def is_of_organisation(standard: str) -> bool:
    """True for management systems: such a certificate is its holder's, never a part's."""
    return standard.startswith(_OF_ORGANISATIONS)
