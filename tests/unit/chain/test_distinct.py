# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kizuna.chain.verify.distinct import distinct, distinct_tuples, union

numbers = st.lists(st.integers(-3, 9), max_size=12)


@given(numbers, numbers)
def test_each_value_once_in_order(one, other):
    first, second = np.asarray(one, dtype=np.int64), np.asarray(other, dtype=np.int64)
    assert distinct(first).tolist() == sorted(set(one))
    assert union(first, second).tolist() == sorted({*one, *other})


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_each_tuple_once_in_order_and_the_way_back(rows):
    parts = [np.asarray([row[i] for row in rows], dtype=np.int64) for i in range(3)]
    found, back = distinct_tuples(parts)
    tuples = list(zip(*(part.tolist() for part in found), strict=True))
    assert tuples == sorted(set(rows))
    assert [tuples[i] for i in back.tolist()] == rows
