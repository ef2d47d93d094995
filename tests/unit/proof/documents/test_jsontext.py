# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from kizuna.model.errors import Malformed
from kizuna.proof.documents.jsontext import MAX_DEPTH, MAX_DOCUMENT, decode_json, pointer, walk


def code_of(data: bytes) -> tuple[str, dict[str, str | int]]:
    with pytest.raises(Malformed) as caught:
        decode_json(data)
    assert caught.value.hint
    return caught.value.code, caught.value.about


def test_a_member_that_stands_twice_is_refused_with_its_place():
    code, about = code_of(b'{"a": [{"x": 1}, {"x/y": {"b": 1, "c": 2, "b": 3}}]}')
    assert code == "document.duplicate-member"
    assert about == {"where": "/a/1/x~1y", "member": "b"}


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
def test_numbers_that_json_does_not_know_are_refused_with_their_place(number: bytes):
    code, about = code_of(b'{"a": [0, ' + number + b"]}")
    assert code == "document.number"
    assert about["where"] == "/a/1"


def test_large_whole_numbers_are_kept():
    assert decode_json(b'{"a": 123456789012345678901234567890}') == {
        "a": 123456789012345678901234567890
    }


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"a":' * 100_000, b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)],
)
def test_deep_nesting_is_refused(data: bytes):
    assert code_of(data)[0] in ("document.too-deep", "document.not-json")


def test_nesting_up_to_the_bound_is_read():
    data = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert sum(1 for _ in walk(decode_json(data))) == MAX_DEPTH


def test_a_document_beyond_the_bound_is_refused_before_it_is_decoded():
    code, about = code_of(b"[" + b" " * (50 << 20) + b"]")
    assert code == "document.too-large"
    assert about["limit"] == MAX_DOCUMENT


@pytest.mark.parametrize("text", [b'{"a": "\\ud800"}', b'{"\\udc00": 1}', b'"\\ud800\\ud800"'])
def test_half_a_surrogate_pair_is_refused(text: bytes):
    assert code_of(text)[0] == "document.text"


def test_whole_surrogate_pairs_are_read():
    assert decode_json(b'"\\ud83e\\udd8a"') == "\N{FOX FACE}"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encodings_of_editors_are_read(encoding: str):
    assert decode_json(json.dumps({"品名": "基板"}, ensure_ascii=False).encode(encoding)) == {
        "品名": "基板"
    }


def test_other_encodings_are_refused():
    assert code_of('{"品名": "基板"}'.encode("cp932"))[0] == "document.encoding"


@pytest.mark.parametrize("data", [b"", b"{", b'{"a" 1}', b"{}x", b"\x00", b"'a'"])
def test_what_is_no_json_is_refused(data: bytes):
    assert code_of(data)[0] == "document.not-json"


def test_pointers_escape_as_the_standard_says():
    assert pointer(["a/b", 0, "c~d", ""]) == "/a~1b/0/c~0d/"
