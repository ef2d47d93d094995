# SPDX-License-Identifier: Apache-2.0
"""The headings of the table, what they mean, and the templates to fill in.

Keeps: 1. A heading is told whatever its case, width, spaces and punctuation, in English or
Japanese, in any order; columns nobody knows are listed, not refused. 2. Nothing but one of part,
part number or identifier is required. 3. The template of each language reads without a remark.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

__all__ = ["COLUMNS", "SEARCHED", "csv_template", "find_headings", "template_rows"]

COLUMNS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "name": (
        "part",
        "品名",
        ("part name", "item", "item name", "name", "product", "product name", "component", "部品",
         "部品名", "製品名", "製品", "名称", "品目", "品目名"),
    ),
    "number": (
        "part number",
        "品番",
        ("part no", "part no.", "item number", "model", "model number", "mpn", "型番", "型式",
         "部品番号", "製品番号", "図番"),
    ),
    "version": ("version", "版", ("revision", "rev", "バージョン", "リビジョン", "版数")),
    "kind": ("kind", "種類", ("type", "category", "種別", "区分", "分類")),
    "maker": (
        "maker",
        "製造者",
        ("manufacturer", "made by", "メーカー", "メーカ", "製造元", "製造会社", "製造業者"),
    ),
    "maker_id": (
        "maker id",
        "製造者番号",
        ("manufacturer id", "maker number", "製造者id", "製造者法人番号", "メーカー番号"),
    ),
    "supplier": (
        "supplier",
        "仕入先",
        ("vendor", "supplied by", "供給者", "サプライヤー", "サプライヤ", "購入先", "調達先",
         "納入者", "仕入れ先"),
    ),
    "supplier_id": (
        "supplier id",
        "仕入先番号",
        ("vendor id", "supplier number", "仕入先id", "仕入先法人番号", "供給者番号"),
    ),
    "parent": (
        "contained in",
        "組込先",
        ("parent", "part of", "used in", "installed in", "組込み先", "親", "親品番", "親品名",
         "親部品", "使用先", "使用製品"),
    ),
    "quantity": ("quantity", "数量", ("qty", "count", "員数", "個数")),
    "certificate": (
        "certificate",
        "証明書",
        ("certification", "standard", "認証", "認証規格", "規格", "証明書名", "適合規格"),
    ),
    "certificate_number": (
        "certificate number",
        "証明書番号",
        ("certificate no", "certificate no.", "認証番号", "登録番号"),
    ),
    "certificate_issuer": (
        "issued by",
        "発行者",
        ("certification body", "issuer", "認証機関", "発行機関", "審査機関"),
    ),
    "valid_from": (
        "valid from",
        "有効開始日",
        ("issue date", "issued", "発行日", "認証日", "登録日"),
    ),
    "valid_until": (
        "valid until",
        "有効期限",
        ("expiry", "expiry date", "expires", "valid to", "満了日", "有効期限日", "期限"),
    ),
    "identifier": (
        "identifier",
        "識別子",
        ("id", "uri", "purl", "gtin", "jan", "jan code", "ean", "janコード", "gtinコード"),
    ),
    "sha256": ("sha256", "ハッシュ値", ("sha-256", "hash", "ハッシュ", "ハッシュ値(sha256)")),
    "license": ("license", "ライセンス", ("licence", "licenses", "使用許諾")),
    "note": ("note", "備考", ("notes", "remark", "remarks", "comment", "comments", "メモ", "摘要")),
}  # fmt: skip
"""By column: its English and Japanese heading, and other words that mean the same."""

_NAMING: Final = frozenset({"name", "number", "identifier"})
_NOISE: Final = re.compile(r"[\s_\-・:：.()（）*＊/]+")
SEARCHED: Final = 20

_EXAMPLES: Final = {
    "en": (
        {"name": "Air handling controller", "number": "AHC-200", "version": "1.4",
         "maker": "own company", "kind": "device"},
        {"name": "Control board", "number": "CB-77", "version": "B", "maker": "Example Boards Ltd.",
         "maker_id": "https://boards.example", "supplier": "Example Trading",
         "parent": "AHC-200", "quantity": "1", "certificate": "ISO 9001",
         "certificate_number": "Q-12345", "certificate_issuer": "Example Certification",
         "valid_from": "2025-04-01", "valid_until": "2028-03-31"},
        {"name": "Temperature sensor", "number": "TS-3", "maker": "Example Sensors",
         "supplier": "Example Trading", "parent": "CB-77", "quantity": "2",
         "identifier": "4912345678904"},
        {"name": "Controller firmware", "number": "FW-AHC", "version": "1.4.2",
         "kind": "firmware", "maker": "own company", "parent": "AHC-200", "quantity": "1",
         "license": "Apache-2.0"},
    ),
    "ja": (
        {"name": "空調コントローラ", "number": "AHC-200", "version": "1.4", "maker": "自社",
         "kind": "機器"},
        {"name": "制御基板", "number": "CB-77", "version": "B", "maker": "例示基板株式会社",
         "maker_id": "8000000000001", "supplier": "例示商事", "parent": "AHC-200",
         "quantity": "1", "certificate": "ISO 9001", "certificate_number": "Q-12345",
         "certificate_issuer": "例示認証機構", "valid_from": "2025年4月1日",
         "valid_until": "令和10年3月31日"},
        {"name": "温度センサ", "number": "TS-3", "maker": "例示センサ", "supplier": "例示商事",
         "parent": "CB-77", "quantity": "2", "identifier": "4912345678904"},
        {"name": "制御ファームウェア", "number": "FW-AHC", "version": "1.4.2",
         "kind": "ファームウェア", "maker": "自社", "parent": "AHC-200", "quantity": "1",
         "license": "Apache-2.0"},
    ),
}  # fmt: skip


def _plain(heading: str) -> str:
    return _NOISE.sub("", unicodedata.normalize("NFKC", heading).casefold())


_WORDS: Final = {
    _plain(word): (column, language)
    for column, (english, japanese, others) in COLUMNS.items()
    for language, words in (
        ("en", (english, *(w for w in others if w.isascii()))),
        ("ja", (japanese, *(w for w in others if not w.isascii()))),
    )
    for word in words
}


def find_headings(rows: Sequence[Sequence[str]]) -> tuple[int, dict[int, str], str] | None:
    """The row of headings among the first rows: its place, column by place, and its language.

    A row counts as headings when two of its cells are known words and one of them names the part.
    """
    for place, row in enumerate(rows[:SEARCHED]):
        columns: dict[int, str] = {}
        japanese = 0
        for spot, cell in enumerate(row):
            found = _WORDS.get(_plain(cell))
            if found is not None and found[0] not in columns.values():
                columns[spot] = found[0]
                japanese += found[1] == "ja"
        if len(columns) >= 2 and _NAMING & set(columns.values()):
            return place, columns, "ja" if japanese * 2 > len(columns) else "en"
    return None


def template_rows(lang: str) -> list[list[str]]:
    """Headings and four example rows in English or (``ja``) Japanese."""
    language = "ja" if lang.lower().startswith("ja") else "en"
    headings = [
        japanese if language == "ja" else english for english, japanese, _ in COLUMNS.values()
    ]
    rows = [[row.get(column, "") for column in COLUMNS] for row in _EXAMPLES[language]]
    return [headings, *rows]


def csv_template(lang: str = "en") -> str:
    """The table to fill in, as CSV text; Excel shows it well when a byte order mark leads it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(template_rows(lang))
    return out.getvalue()
