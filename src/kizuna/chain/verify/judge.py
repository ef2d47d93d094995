# SPDX-License-Identifier: Apache-2.0
"""One question, one answer.

Keeps: whoever asks the same of the same statements gets the same bytes, whether the statements
come from a store, a bundle or a graph in memory.

Example:
    >>> judge([], "urn:example:x", PROFILE, ANCHORS, at=0).value.word  # doctest: +SKIP
    'undetermined'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kizuna.chain.graph.closure import closure
from kizuna.chain.graph.evidence import Evidence
from kizuna.chain.graph.graph import Graph
from kizuna.chain.verify.authority import Authority
from kizuna.chain.verify.judgement import Judgement
from kizuna.criteria.profiles import Profile
from kizuna.model.statement import Registered
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Known, Verdict

__all__ = ["judge", "judgement"]


def judgement(
    evidence: Evidence | Graph | Iterable[Registered],
    profile: Profile,
    anchors: Anchors,
    *,
    at: int,
    known: Sequence[Known] | None = None,
    lists: Sequence[str] | None = None,
) -> Judgement:
    """A judgement ready to be asked about any number of subjects.

    Raises:
        Malformed: ``verify.list-unknown``.
        Absent: ``verify.log-unknown``.
    """
    graph = evidence if isinstance(evidence, Graph) else Graph.of(evidence)
    return Judgement(Authority(graph, anchors, lists, known), profile, at)


def judge(
    evidence: Evidence | Graph | Iterable[Registered],
    subject: str,
    profile: Profile,
    anchors: Anchors,
    *,
    at: int,
    known: Sequence[Known] | None = None,
    lists: Sequence[str] | None = None,
) -> Verdict:
    """Is ``subject`` trusted under ``profile``, as of ``at``, knowing what ``known`` says?

    Args:
        evidence: statements, wherever they are held; of a store or a bundle only the closure of the
            question is read.
        subject: canonical identifier.
        profile: by what measure.
        anchors: whom the verifier believes.
        at: seconds since 1970.
        known: one checkpoint a log; None: everything that the evidence holds.
        lists: names or identifiers of accepted lists to go by; None: all anchors.

    Raises:
        Malformed: ``verify.list-unknown``.
        Absent: ``verify.log-unknown``.
    """
    heads = None if known is None else tuple(known)
    if isinstance(evidence, (Graph, Iterable)):
        asked = judgement(evidence, profile, anchors, at=at, known=known, lists=lists)
        return asked.verdict(subject, known=heads)
    reached = closure(evidence, subject, profile, anchors)
    graph = reached.graph(evidence)
    asked = judgement(graph, profile, anchors, at=at, known=known, lists=lists)
    return asked.verdict(subject, known=heads, shortfalls=dict(getattr(evidence, "shortfalls", {})))
