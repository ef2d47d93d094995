# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from kizuna.model.errors import Malformed
from kizuna.model.identifier import MAX_IDENTIFIER, canonical


@pytest.mark.parametrize(
    ("spelling", "one"),
    [
        ("pkg:npm/left-pad@1.3.0", "pkg:npm/left-pad@1.3.0"),
        ("PKG:NPM/Left-Pad@1.3.0", "pkg:npm/left-pad@1.3.0"),
        ("pkg:npm/%40acme/Fan@1.0", "pkg:npm/%40acme/fan@1.0"),
        ("pkg:pypi/My_Pack@1", "pkg:pypi/my-pack@1"),
        (
            "HTTPS://ID.GS1.org/01/09520123456788/10/ABC",
            "https://id.gs1.org/01/09520123456788/10/ABC",
        ),
        (
            "URN:UUID:3E671687-395B-41F5-A30F-A58921A69B79",
            "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
        ),
        ("urn:lei:5493001KJTIIGC8Y1R12", "urn:lei:5493001KJTIIGC8Y1R12"),
        ("did:web:example.jp", "did:web:example.jp"),
    ],
)
def test_one_thing_has_one_spelling(spelling, one):
    assert canonical(spelling) == one


@pytest.mark.parametrize(
    "text",
    ["", "x", "no scheme", "pkg:", "pkg:npm", "https://", "https:/x", "urn:uuid", "a:b c",
     "a:\u202f\x85",     "did:web:a\nb", "https://x/\ufeff", "a:" + "b" * MAX_IDENTIFIER],
)  # fmt: skip
def test_what_is_no_identifier_is_refused_with_a_hint(text):
    with pytest.raises(Malformed) as caught:
        canonical(text)
    assert caught.value.code == "identifier.malformed"
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["https://acme.example@evil.example/fan", "https://acme.example:443@evil.example/",
     "https://acme.example/\u202egnp", "https://acme.example/a\u200bb", "urn:x:a\u00adb",
     "https://acme.example/\u3164", "https://acme.example/\u2066x", "did:x:\U000e0041"],
)  # fmt: skip
def test_a_name_that_looks_like_another_by_what_is_not_seen_is_refused(text):
    with pytest.raises(Malformed):
        canonical(text)


@given(st.text(max_size=80) | st.from_regex(r"\A(pkg|urn|https|did):[!-~]{1,60}\Z"))
def test_canonical_is_idempotent_or_refuses(text):
    try:
        once = canonical(text)
    except Malformed:
        return
    assert canonical(once) == once


@given(
    st.from_regex(
        r"\Apkg:(npm|cargo|composer|gem|generic|github|maven)/"
        r"(%40[a-z0-9.-]{1,4}/|[a-z0-9.-]{1,4}/)?[a-z0-9.-]{1,4}(@[A-Za-z0-9.-]{1,4})?\Z"
    )
)
def test_the_short_way_for_plain_package_names_agrees_with_the_full_parser(text):
    try:
        expected = PackageURL.from_string(text).to_string()
    except ValueError:
        expected = None
    try:
        found = canonical(text)
    except Malformed:
        found = None
    assert found == expected
