# SPDX-License-Identifier: Apache-2.0
"""Arrays in PostgreSQL's binary form are those that the driver would send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

psycopg = pytest.importorskip("psycopg")

from psycopg.adapt import PyFormat, Transformer  # noqa: E402 - after the look whether it is there
from psycopg.types.numeric import Int4, Int8  # noqa: E402

from kizuna.record.store.postgresql_arrays import Byteas, Int4s, Int8s  # noqa: E402


def driver(values):
    return bytes(Transformer().get_dumper(values, PyFormat.BINARY).dump(values))


@given(st.lists(st.binary(max_size=40), min_size=1))
def test_bytes(values):
    assert Byteas(values).form() == driver(values)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1))
def test_small_numbers(values):
    assert Int4s.of(values).form() == driver([Int4(value) for value in values])


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1))
def test_numbers_that_are_bytes_already(values):
    numbers = [Int8(int.from_bytes(value, "big", signed=True)) for value in values]
    assert Int8s(values).form() == driver(numbers)


@pytest.mark.parametrize("kind", [Byteas, Int4s, Int8s])
def test_none_at_all_has_no_dimension(kind):
    assert kind([]).form() == bytes(8) + kind.element.to_bytes(4, "big")
