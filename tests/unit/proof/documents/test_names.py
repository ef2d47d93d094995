# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.identifier import canonical
from kizuna.proof.documents import names


@pytest.mark.parametrize(
    ("article", "name"),
    [
        ("4912345678904", "https://id.gs1.org/01/04912345678904"),
        ("822348522712", "https://id.gs1.org/01/00822348522712"),
        ("96385074", "https://id.gs1.org/01/00000096385074"),
        ("4912345678905", None),
        ("0000000000000", None),
        ("491234567890", None),
        ("４９１２３４５６７８９０４", None),
    ],
)
def test_article_numbers_count_with_a_right_check_digit(article: str, name: str | None):
    assert names.gtin(article) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cpe:2.3:a:Acme:Fan:1.0:*:*:*:*:*:*:*", "cpe:2.3:a:acme:fan:1.0:*:*:*:*:*:*:*"),
        ("cpe:2.3:a:acme:fan:*:*:*:*:*:*:*:*", None),
        ("cpe:2.3:a:acme:fan:-:*:*:*:*:*:*:*", None),
        ("cpe:/a:acme:fan:1.0", "cpe:/a:acme:fan:1.0"),
        ("cpe:/a:acme:fan", None),
        (r"cpe:2.3:a:ac\:me:fan\!:1\.0:*:*:*:*:linux:*:*", "cpe:/a:ac%3ame:fan%21:1.0::~~~linux~~"),
        ("acme fan 1.0", None),
    ],
)
def test_only_a_cpe_of_one_version_names_a_thing(text: str, name: str | None):
    assert names.cpe(text) == name


def test_company_numbers_are_checked():
    assert names.corporate_number("8000000000001") == (
        "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0188:8000000000001"
    )
    assert names.corporate_number("9000000000001") is None
    assert names.lei("5493001KJTIIGC8Y1R12") == "urn:lei:5493001KJTIIGC8Y1R12"
    assert names.lei("5493001KJTIIGC8Y1R13") is None


def test_a_bom_link_has_one_spelling():
    one = names.bom_link("urn:cdx:2C385CF7-e1ee-46e9-a51c-13de1ecb380a/1#acme product")
    assert one == "urn:cdx:2c385cf7-e1ee-46e9-a51c-13de1ecb380a/1#acme%20product"
    assert names.bom_link(str(one)) == one
    assert names.bom_link("urn:cdx:2c385cf7/1") is None


def test_files_and_git_objects_are_named_by_their_digests():
    assert names.named_by_digests({"sha256": "00" * 32}) == (
        "ni:///sha-256;AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    )
    assert names.named_by_digests({"gitCommit": "ab" * 20}) == "swh:1:rev:" + "ab" * 20
    assert names.named_by_digests({"md5": "00" * 16}) is None
    assert names.named_by_digests({"sha256": "00"}) is None
    assert names.named_by_digests(None) is None


def test_controls_and_marks_that_reorder_text_are_taken_out():
    assert names.clean("a\x1b[31mb\u202ec\r\nd") == "a [31mb c\nd"
    assert names.clean("x" * 5000)[-1] == "…"
    assert names.clean(None) == ""


@given(st.text(max_size=100))
def test_every_name_made_is_canonical(text: str):
    for make in (
        names.identifier, names.purl, names.web_address, names.cpe, names.swid, names.gtin,
        names.lei, names.corporate_number, names.bom_link,
    ):  # fmt: skip
        made = make(text)
        assert made is None or canonical(made) == made
    inside = names.part_of_document(names.document_name(b""), text)
    assert inside is None or canonical(inside) == inside
