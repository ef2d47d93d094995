# SPDX-License-Identifier: Apache-2.0
"""The graph of statements in memory, and what a question needs of it."""

from kizuna.chain.graph.closure import Closure, closure
from kizuna.chain.graph.evidence import Evidence, MemoryEvidence
from kizuna.chain.graph.graph import Graph

__all__ = ["Closure", "Evidence", "Graph", "MemoryEvidence", "closure"]
