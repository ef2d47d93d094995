# SPDX-License-Identifier: Apache-2.0
"""Receipts in bulk are, byte for byte, the receipts of each entry alone."""

import pytest

from kizuna.record.log import EvidenceLog
from kizuna.record.store.receipts import receipts_of

SIZES = (9, 255, 256, 257, 300, 511, 512, 600, 1024, 1300)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory, make_signer, digests):
    signer = make_signer()
    log = EvidenceLog.create(tmp_path_factory.mktemp("log"), signer.name, signer, 1_000)
    entries, before = digests(SIZES[-1]), 0
    for size in SIZES:
        log.append(entries[before:size])
        log.publish(2_000 + size)
        before = size
    return log


@pytest.mark.parametrize("size", SIZES)
def test_all_of_them(long_log, size):
    indices = list(range(size))
    assert receipts_of(long_log, indices, size) == [long_log.receipt(i, size) for i in indices]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_some_of_them_in_any_order_and_twice(long_log, size, share):
    indices = [7919 * n * n % size for n in range(max(9, int(size * share)))]
    assert receipts_of(long_log, indices, size) == [long_log.receipt(i, size) for i in indices]


def test_few_of_them(long_log):
    assert receipts_of(long_log, [700, 3], 1300) == [
        long_log.receipt(700, 1300),
        long_log.receipt(3, 1300),
    ]
