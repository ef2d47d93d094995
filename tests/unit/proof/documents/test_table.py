# SPDX-License-Identifier: Apache-2.0
import csv
import io
import zipfile
from datetime import date
from typing import Any

import openpyxl
import pytest
from tests.unit.proof.documents.merged import bills_of, links_of, statements_of

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element, SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, decode_payload
from kizuna.model.relation import Relation
from kizuna.proof.documents import Imported, csv_template, read, xlsx_template
from kizuna.proof.documents.table import workbook
from kizuna.proof.documents.table.cells import day_of, quantity_of, standard_name
from kizuna.proof.documents.table.reading import cell_name

OWN = SubjectId("did:web:small.example")
JAPANESE = ["品名", "品番", "版", "製造者", "仕入先", "組込先", "数量", "証明書", "有効期限"]


def table(*rows: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def load(*rows: list[str]) -> Imported:
    return read(table(*rows), "parts.csv", issuer=OWN)


def book(*rows: list[object], **sheets: list[list[object]]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)
    for title, more in sheets.items():
        sheet = made.create_sheet(title)
        for row in more:
            sheet.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def certificates(imported: Imported) -> list[tuple[str, Claim]]:
    return [
        (draft.subject, decode_payload(draft.kind, draft.payload))  # type: ignore[misc]
        for draft in imported.statements
        if draft.kind is Kind.CERTIFICATE
    ]


def codes(imported: Imported) -> dict[str, str]:
    return {remark.where: remark.code for remark in imported.remarks}


# templates and encodings ---------------------------------------------------------------------


@pytest.mark.parametrize("lang", ["en", "ja", "ja-JP", "fr"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16"])
def test_the_template_reads_in_every_encoding_of_excel(lang: str, encoding: str):
    imported = read(csv_template(lang).encode(encoding), issuer=OWN)
    assert imported.format == "CSV"
    assert imported.remarks == ()
    assert imported.root == "did:web:small.example/parts/ahc-200/1.4"
    assert len(bills_of(imported)) == 1
    made = links_of(imported)
    parts = {link.subject for link in made.links if link.relation is Relation.PART_OF}
    assert "https://id.gs1.org/01/04912345678904" in parts
    ((holder, certificate),) = certificates(imported)
    assert holder != imported.root  # a management system is certified at its holder
    assert certificate.type == "iso-9001"


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_workbook_template_says_what_the_csv_template_says(lang: str):
    sheet = read(xlsx_template(lang), issuer=OWN)
    text = read(csv_template(lang).encode(), issuer=OWN)
    assert sheet.format == "XLSX"
    assert sheet.remarks == ()
    assert statements_of(sheet) == statements_of(text)
    assert certificates(sheet) == certificates(text)


def test_the_workbook_template_is_the_same_every_time():
    assert xlsx_template("ja") == xlsx_template("ja")
    assert b"2026-01-01" in zipfile.ZipFile(io.BytesIO(xlsx_template("ja"))).read(
        "docProps/core.xml"
    )


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_the_separators_of_spreadsheets_are_told_apart(separator: str):
    text = separator.join(["part", "version"]) + "\n" + separator.join(["Fan", "1"])
    assert read(text.encode(), issuer=OWN).root == "did:web:small.example/parts/fan/1"


def test_a_title_above_the_headings_does_no_harm():
    imported = load(["部品一覧 2026年"], [], JAPANESE, ["送風機", "F-1", "2"])
    assert imported.root == "did:web:small.example/parts/f-1/2"


# what rows say -------------------------------------------------------------------------------


def test_a_corrected_table_names_the_same_things():
    first = load(["part", "part number", "note"], ["Fan", "F-1", "x"])
    second = load(["part", "part number", "note"], ["Fan (corrected)", "Ｆ-1 ", "y"])
    assert first.root == second.root


def test_without_an_importer_things_are_named_inside_the_document():
    imported = read(table(["part", "version"], ["Fan", "1"]))
    assert str(imported.root).startswith("ni:///sha-256;")


def test_parts_hang_where_the_table_says():
    imported = load(
        ["part number", "part", "contained in", "quantity"],
        ["A", "Unit", "", ""],
        ["B", "Board", "A", "2 pcs"],
        ["C", "Chip", "Board", "1,200"],
    )
    base = "did:web:small.example/parts/"
    assert len(bills_of(imported)) == 1
    made = links_of(imported)
    assert {(i.subject, i.object, i.quantity, i.transitive) for i in made.links} == {
        (f"{base}b", None, 2, False),
        (f"{base}c", f"{base}b", 1200, False),
        (f"{base}c", None, None, True),
    }


def test_a_whole_that_has_no_row_is_made_and_told():
    imported = load(["part", "contained in"], ["Chip", "Board"], ["Fan", "Board"])
    assert imported.root == "did:web:small.example/parts/board"
    assert codes(imported) == {"B2": "whole-not-listed"}


def test_several_products_make_several_bills_and_no_single_root():
    imported = load(["part", "contained in"], ["A", ""], ["B", ""], ["C", "A"])
    assert imported.root is None
    assert len(bills_of(imported)) == 2


def test_a_circle_is_cut_and_told():
    imported = load(["part", "contained in"], ["A", "B"], ["B", "A"], ["C", "C"])
    assert codes(imported) == {"B4": "part-of-itself", "A2": "circle"}


def test_makers_and_suppliers_are_named_by_number_address_or_word():
    imported = load(
        ["part", "maker", "maker id", "supplier", "supplier id"],
        ["A", "例示", "8000000000001", "Trade", "https://trade.example"],
        ["B", "例示", "", "自社", ""],
        ["C", "Lei Ltd.", "5493001KJTIIGC8Y1R12", "", "no good"],
    )
    ends = {link.object for _, made in statements_of(imported) for link in made.links}
    assert ends == {
        "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0188:8000000000001",
        "https://trade.example",
        OWN,
        "urn:lei:5493001KJTIIGC8Y1R12",
    }
    assert codes(imported) == {"E4": "identifier-unreadable"}


def test_identifiers_are_taken_as_they_are():
    imported = load(
        ["part", "JANコード", "sha256"],
        ["A", "４９１２３４５６７８９０４", "AB" * 32],
        ["B", "pkg:npm/left-pad@1.3.0", "xyz"],
    )
    assert set(bills_of(imported)) == {
        "https://id.gs1.org/01/04912345678904",
        "pkg:npm/left-pad@1.3.0",
    }
    assert codes(imported) == {"C3": "hash-unreadable"}
    described = bills_of(imported)["https://id.gs1.org/01/04912345678904"].described[0]
    assert described.hashes == {"sha-256": "ab" * 32}


def test_kinds_of_things_are_told_in_two_languages():
    imported = load(
        ["品名", "種類"], ["a", "ファームウェア"], ["b", "service"], ["c", "謎"], ["d", "会社"]
    )
    kinds = {
        d.name: d.element for _, made in statements_of(imported) for d in made.described if d.name
    }
    assert kinds == {
        "a": Element.DATA,
        "b": Element.SERVICE,
        "c": Element.COMPONENT,
        "d": Element.ORGANIZATION,
    }
    assert codes(imported) == {"B4": "kind-unknown"}


def test_columns_and_rows_that_nobody_knows_are_listed():
    imported = load(["part", "version", "好きな色", "valid until"], ["A", "1", "青", ""], ["", "2"])
    assert codes(imported) == {"好きな色": "unknown-column", "A3": "row-without-part"}


def test_a_certificate_whose_end_cannot_be_read_is_left_out_and_told():
    heads = ["part", "certificate", "valid until"]
    imported = load(heads, ["A", "JC-STAR", "来年"], ["B", "JC-STAR", "03/04/2027"])
    assert certificates(imported) == []
    assert codes(imported) == {"C2": "date-unreadable", "C3": "date-unreadable"}


def test_a_certificate_lasts_to_the_end_of_its_day_where_the_table_was_written():
    ((subject, one),) = certificates(load(JAPANESE, ["A", *[""] * 6, "JC-STAR", "R9.3.31"]))
    assert one.valid_until is not None
    assert one.valid_until.isoformat() == "2027-03-31T23:59:59+09:00"
    assert subject == "did:web:small.example/parts/a"
    ((_, one),) = certificates(load(["part", "certificate", "valid until"], ["A", "CE", "2027-03"]))
    assert one.valid_until is not None
    assert one.valid_until.isoformat() == "2027-03-31T23:59:59+00:00"


def test_a_date_without_a_certificate_is_told():
    assert codes(load(["part", "valid until"], ["A", "2027-01-01"])) == {
        "B2": "certificate-unnamed"
    }


def test_formulas_are_not_evaluated_in_csv():
    imported = load(["part", "version", "number"], ["Fan", "=1+1", '="001"'])
    assert codes(imported)["B2"] == "formula"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ISO 9001:2015", "iso-9001"),
        ("ISO/IEC 27001", "iso-27001"),
        ("ＩＳＯ　１４００１", "iso-14001"),
        ("IEC 62443-4-2", "iec-62443-4-2"),
        ("JIS Q 15001", "jis-q-15001"),
        ("JC-STAR ★1", "jc-star"),
        ("プライバシーマーク", "privacy-mark"),
        ("CEマーキング", "ce"),
        ("IATF 16949", "iatf-16949"),
        ("Common Criteria EAL4", "common-criteria"),
        ("Our own test", "our-own-test"),
    ],
)
def test_standards_are_named_without_their_year(text: str, name: str):
    assert standard_name(text) == name


def test_names_in_japanese_stay_apart():
    one, other = standard_name("計量法校正証明書"), standard_name("計量法検査証明書")
    assert one != other
    assert one.startswith("certificate:")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2027-03-31", date(2027, 3, 31)),
        ("2027/3/31", date(2027, 3, 31)),
        ("2027.3.31", date(2027, 3, 31)),
        ("20270331", date(2027, 3, 31)),
        ("2027年3月31日", date(2027, 3, 31)),
        ("令和9年3月31日", date(2027, 3, 31)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("平成31年4月30日", date(2019, 4, 30)),
        ("2027-03-31T00:00:00Z", date(2027, 3, 31)),
        ("２０２７／３／３１", date(2027, 3, 31)),
        ("2027-02", date(2027, 2, 28)),
        ("2027年2月", date(2027, 2, 28)),
        ("2027-02-30", None),
        ("31/03/2027", None),
        ("soon", None),
        ("", None),
    ],
)
def test_days_are_read_as_people_write_them(text: str, day: date | None):
    assert day_of(text) == day


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("３個", 3),
        ("1,200 pcs", 1200),
        ("2.0", 2),
        ("2.5", None),
        ("-1", None),
        ("x", None),
    ],
)
def test_quantities_are_whole_numbers(text: str, number: int | None):
    assert quantity_of(text) == number


def test_cells_are_named_as_spreadsheets_do():
    assert [cell_name(0, 0), cell_name(9, 25), cell_name(0, 26), cell_name(0, 701)] == [
        "A1",
        "Z10",
        "AA1",
        "ZZ1",
    ]


# bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "document.empty"),
        (b"  \n\n ", "document.empty"),
        (b"hello\nworld\n", "document.unrecognised"),
        ("これは表ではない".encode("cp932"), "document.unrecognised"),
        (b"\xff\xfe\xfd\xfc" * 10, "document.unrecognised"),
        (b"part,version\n", "document.no-rows"),
        (b"part,version\n,,,\n\n", "document.no-rows"),
        (b'part,version\n"' + b"x" * 200_000, "document.table"),
        (b"PK\x03\x04rubbish", "document.unrecognised"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document.format-unsupported"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, code: str):
    with pytest.raises(Malformed) as caught:
        read(data, "x.csv")
    assert caught.value.code == code
    assert caught.value.hint


def test_a_huge_table_is_refused():
    with pytest.raises(Malformed) as caught:
        read(b"part,version\n" + b"a,1\n" * 250_001)
    assert caught.value.code == "document.too-many-parts"


# workbooks -----------------------------------------------------------------------------------


def test_cells_of_a_workbook_are_read_as_shown():
    imported = read(
        book(
            ["part", "part number", "identifier", "quantity", "contained in", "certificate",
             "valid until"],
            ["Fan", 100, 4912345678904, 2.0, "Unit", "CE", date(2027, 3, 31)],
        ),
        issuer=OWN,
    )  # fmt: skip
    assert imported.root == "did:web:small.example/parts/unit"
    ((subject, claim),) = certificates(imported)
    assert subject == "https://id.gs1.org/01/04912345678904"
    assert claim.valid_until is not None
    assert claim.valid_until.date() == date(2027, 3, 31)


def test_the_sheet_with_headings_is_found():
    data = book(["see the other sheet"], Teile=[["part", "version"], ["Fan", 1]])
    assert read(data, issuer=OWN).root == "did:web:small.example/parts/fan/1"


def test_a_workbook_without_headings_is_refused():
    with pytest.raises(Malformed) as caught:
        read(book(["nothing", "here"]))
    assert caught.value.code == "document.headings-missing"


def test_formulas_of_a_workbook_are_not_evaluated_and_listed():
    imported = read(book(["part", "version"], ["Fan", "=1+1"]), issuer=OWN)
    assert codes(imported) == {"B2": "formula"}
    assert imported.root == "did:web:small.example/parts/fan"


def repack(data: bytes, **replaced: bytes) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.namelist():
            if member not in replaced:
                new.writestr(member, old.read(member))
        for member, content in replaced.items():
            new.writestr(member, content)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    "replaced",
    [
        {SHEET: b"<a>" + b" " * (200 << 20)},
        {"xl/media/image1.png": b"\x00" * (40 << 20)},
        {SHEET: b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'},
        {f"xl/{number}": b"" for number in range(2_500)},
    ],
)
def test_an_archive_that_would_grow_without_bound_is_refused(replaced: dict[str, Any]):
    with pytest.raises(Malformed) as caught:
        read(repack(book(["part", "version"], ["Fan", 1]), **replaced))
    assert caught.value.code == "document.archive-unsafe"


def test_a_cell_at_the_far_end_of_the_sheet_costs_nothing():
    far = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>part</t></is></c>'
        b'<c r="B1" t="inlineStr"><is><t>version</t></is></c></row>'
        b'<row r="2"><c r="A2" t="inlineStr"><is><t>Fan</t></is></c><c r="XFD2"><v>1</v></c></row>'
        b'<row r="9"><c r="XFD9"><v>1</v></c></row>'
        b"</sheetData></worksheet>"
    )
    imported = read(repack(book(["part"]), **{SHEET: far}), issuer=OWN)
    assert imported.root == "did:web:small.example/parts/fan"


def test_cells_far_away_on_many_sheets_are_not_walked_to(monkeypatch):
    """Rows are counted, not timed: the library fills up all that lies before a cell."""
    asked = []
    values = workbook._values

    def counted(sheet, most):
        asked.append(most)
        return values(sheet, most)

    monkeypatch.setattr(workbook, "_values", counted)
    made = openpyxl.Workbook()
    for number in range(19):
        made.create_sheet(f"far {number}").cell(row=1_048_576, column=16_384, value="x")
    table = made.create_sheet("parts")
    for row in (["identifier", "part", "version"], ["pkg:generic/fan@1", "Fan", "1"]):
        table.append(row)
    table.cell(row=90_000, column=16_000, value="stray")
    del made["Sheet"]
    data = io.BytesIO()
    made.save(data)
    imported = read(data.getvalue(), issuer=OWN)
    assert "pkg:generic/fan@1" in imported.subjects
    assert sum(asked) < 201_000


@pytest.mark.parametrize("cut", [100, 1000, -200])
def test_a_truncated_workbook_is_refused(cut: int):
    with pytest.raises(Malformed):
        read(book(["part", "version"], ["Fan", 1])[:cut])


@pytest.mark.parametrize(
    "member", [SHEET, "xl/workbook.xml", "xl/styles.xml", "[Content_Types].xml"]
)
def test_a_workbook_with_broken_insides_is_refused(member: str):
    with pytest.raises(Malformed) as caught:
        read(repack(book(["part", "version"], ["Fan", 1]), **{member: b"<broken"}))
    assert caught.value.code == "document.workbook"
