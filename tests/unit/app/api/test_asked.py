# SPDX-License-Identifier: Apache-2.0
"""What a request asks is bounded, typed, or refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.api.asked import (
    as_instant,
    as_known,
    cursor_of,
    language,
    position_of,
    prefers,
)
from kizuna.model.errors import Malformed, Problem


def scope(query: str = "", **headers: str) -> dict[str, object]:
    return {
        "query_string": query.encode(),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()],
    }


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ("", "", "en"),
        ("", "ja", "ja"),
        ("", "de-DE,de;q=0.9,ja-JP;q=0.5,en;q=0.2", "ja"),
        ("", "en;q=0.1, ja;q=0", "en"),
        ("lang=ja", "en", "ja"),
        ("lang=fr", "ja", "ja"),
        ("", ";;;,,q=;ja;q=x", "en"),
    ],
)
def test_the_language_is_asked_for_or_the_browsers(query: str, accept: str, expected: str):
    assert language(scope(query, accept_language=accept)) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/json;q=0.5", "application/json"),
        ("application/*", "application/json"),
        ("application/cbor;q=0.9, application/json;q=0.2", "application/cbor"),
        ("image/png", ""),
    ],
)
def test_the_media_type_liked_best_is_given(accept: str, expected: str):
    assert prefers(scope(accept=accept), ("application/json", "application/cbor")) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1795309200", 1795309200),
        ("2026-11-22T01:00:00Z", 1795309200),
        ("2026-11-22T10:00:00+09:00", 1795309200),
        ("2026-11-22T10:00:00 09:00", 1795309200),  # a plus sign that nobody escaped
        ("2026-11-22", 1795305600),
        ("", None),
    ],
)
def test_instants_are_read(text: str, seconds: int | None):
    assert as_instant(text) == seconds


@pytest.mark.parametrize("text", ["now", "2026-11-22T01:00:00", "2026-13-01", "99999-01-01", "²"])
def test_what_is_no_instant_is_refused(text: str):
    with pytest.raises(Malformed) as refused:
        as_instant(text)
    assert refused.value.code == "http.time-malformed"


@given(st.integers(0, 10**14))
def test_a_cursor_leads_back_to_its_place(position: int):
    assert position_of(cursor_of(position)) == position


@given(st.text(max_size=60))
def test_a_cursor_that_is_not_ours_is_refused(text: str):
    try:
        position = position_of(text)
    except Malformed as refused:
        assert refused.code == "http.cursor-malformed"
    else:
        assert not text or cursor_of(position) == text


def test_a_checkpoint_has_origin_size_and_root():
    assert as_known([f"kizuna.example/a@b@7:{'ab' * 32}", "kizuna.example/log@9"]) == [
        ("kizuna.example/a@b", 7, "ab" * 32),
        ("kizuna.example/log", 9, None),
    ]


@given(st.lists(st.text(max_size=80), max_size=3))
def test_any_text_is_a_checkpoint_or_a_problem(texts: list[str]):
    try:
        as_known(texts)
    except Problem as problem:
        assert problem.code == "http.known-malformed"
