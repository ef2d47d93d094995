# SPDX-License-Identifier: Apache-2.0
"""One host has one spelling, and no host passes for another."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed
from kizuna.model.hosts import host_of
from kizuna.model.identifier import canonical, readable


@pytest.mark.parametrize(
    ("spelling", "one"),
    [
        ("https://fan.example:443/a", "https://fan.example/a"),
        ("http://fan.example:80", "http://fan.example"),
        ("https://fan.example:/a", "https://fan.example/a"),
        ("https://fan.example:0443/a", "https://fan.example/a"),
        ("https://fan.example:80/a", "https://fan.example:80/a"),
        ("https://fan.example./a", "https://fan.example/a"),
        ("https://[2001:DB8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://日本語.example/扇", "https://xn--wgv71a119e.example/扇"),
        ("https://XN--WGV71A119E.example/", "https://xn--wgv71a119e.example/"),
        ("https://ｆａｎ.example/", "https://fan.example/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://bu\u0308cher.example/", "https://xn--bcher-kva.example/"),
        ("https://fan.example/caf\u0065\u0301", "https://fan.example/caf\u00e9"),
        ("did:web:Fan.example:a", "did:web:fan.example:a"),
        ("did:web:Op.example/lists/Makers", "did:web:op.example/lists/Makers"),
        ("did:web:Op.example#key-1", "did:web:op.example#key-1"),
        ("did:web:fan.example%3A443", "did:web:fan.example"),
        ("did:web:fan.example%3a8443:x", "did:web:fan.example%3A8443:x"),
        ("pkg:generic/cafe%CC%81@1", "pkg:generic/caf%C3%A9@1"),
        ("urn:x:cafe\u0301", "urn:x:caf\u00e9"),
    ],
)
def test_what_is_one_thing_is_written_in_one_way(spelling, one):
    assert canonical(spelling) == one
    assert canonical(one) == one


@pytest.mark.parametrize(
    "text",
    [
        "https://xn--80ak6aa92e.com/",  # аррӏе in Cyrillic
        "https://\u0430\u0440\u0440\u04cf\u0435.com/",
        "https://p\u0430ypal.example/",  # one Cyrillic letter among Latin ones
        "https://xn--pypal-4ve.example/",
        "https://g\u03bf\u03bfgle.example/",
        "https://stra\u00dfe.example/",
        "https://xn--a.example/",
        "https://xn--.example/",
        "https://xn--fan-.example/",
        "https://ab--c.example/",
        "https://fan%2eexample/",
        "https://fan..example/",
        "https://:\u00fc:/",
        "https://\u00fc\uff0fa.example/",
        "https://-fan.example/",
        "https://fan.example:99999/",
        "https://fan.example:8a/",
        "https://fan.example:0/",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a.b" * 100 + "/",
        "did:web:p\u0430ypal.example",
        "did:key:z\u0430",
        "did:web:fan..example",
    ],
)
def test_what_passes_for_another_is_refused_with_a_reason(text):
    with pytest.raises(Malformed) as caught:
        canonical(text)
    assert caught.value.code == "identifier.malformed"


@given(st.text(alphabet="abаеοß日本語ｱü\u0308.-%:0123[]xn", max_size=24))
def test_a_host_has_one_spelling_or_none(name):
    try:
        once = host_of(name, "https")
    except ValueError:
        return
    assert host_of(once, "https") == once
    assert once.isascii()
    assert once == once.lower()


@given(
    st.text(max_size=60)
    | st.from_regex(r"\A(pkg:npm/|https://|did:web:)[!-~\u00c0-\u017f]{1,40}\Z")
)
def test_accents_do_not_make_another_thing(text):
    try:
        composed = canonical(unicodedata.normalize("NFC", text))
    except Malformed:
        return
    assert canonical(unicodedata.normalize("NFD", text)) == composed


@given(st.text(max_size=60) | st.from_regex(r"\A(pkg|urn|https|did):[!-~]{1,60}\Z"))
def test_what_is_canonical_is_readable_as_it_is(text):
    try:
        one = canonical(text)
    except Malformed:
        return
    assert readable(one) == one


@pytest.mark.parametrize(
    "text", ["https://fan.example:443/a", "https://p\u0430ypal.example/", "https://x/e\u0301"]
)
def test_what_was_registered_before_stays_readable(text):
    assert readable(text) == text
