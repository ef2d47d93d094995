# SPDX-License-Identifier: Apache-2.0
"""A log with its key, and entries to put into it."""

from hashlib import sha256

import pytest

from kizuna.record.log import EvidenceLog, Signer
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

ORIGIN = "log.kizuna.example/bar"


@pytest.fixture(scope="session")
def make_signer():
    """``make_signer(name, seed)``: an Ed25519 key that is the same in every run."""

    def make(name=ORIGIN, seed=b"log"):
        unit = EphemeralUnit(seed)
        return Signer(name, unit, unit.generate(Algorithm.EDDSA, name))

    return make


@pytest.fixture(scope="session")
def signer(make_signer):
    return make_signer()


@pytest.fixture
def log(tmp_path, signer):
    """An empty log, begun at second 1,000."""
    return EvidenceLog.create(tmp_path / "log", ORIGIN, signer, 1_000)


@pytest.fixture(scope="session")
def digests():
    """``digests(n, start)``: entries that are easy to make again."""

    def make(count, start=0):
        return [sha256(b"entry %d" % n).digest() for n in range(start, start + count)]

    return make
