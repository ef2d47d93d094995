# SPDX-License-Identifier: Apache-2.0
"""Proof bundles: one file with everything that a verdict needs, checked by whoever receives it.

Keeps: nothing in the file is believed. Anchors, log and witness keys, quorum and profile come from
the verifier; the file only brings what they can check.
"""

from kizuna.chain.exchange.bundle import MAX_BUNDLE, Bundle
from kizuna.chain.exchange.opening import BundleEvidence, open_bundle
from kizuna.chain.exchange.packing import BundleSource, pack_bundle

__all__ = [
    "MAX_BUNDLE",
    "Bundle",
    "BundleEvidence",
    "BundleSource",
    "open_bundle",
    "pack_bundle",
]
