# SPDX-License-Identifier: Apache-2.0
"""Judging a proof bundle on a machine without a store.

Keeps: anchors and profile come from the caller, never from the bundle; without anchors the answer
is undetermined, whatever the bundle says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kizuna.app.wiring.believing import only_lists
from kizuna.app.wiring.naming import (
    identifiers_in,
    names_in_tree,
    names_of,
    unnamed_in_tree,
)
from kizuna.app.wiring.values import Explained
from kizuna.criteria.profiles import Profile
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Verdict

if TYPE_CHECKING:
    from kizuna.app.wiring.criteria.travelling import Norms
    from kizuna.chain.exchange import BundleEvidence

__all__ = ["Opened", "opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle proven as far as the verifier's anchors reach, and those anchors."""

    evidence: BundleEvidence
    anchors: Anchors

    def norms(self) -> Norms:
        """Mappings, catalogs and profiles that came along, as far as the anchors let them count."""
        from kizuna.app.wiring.criteria.travelling import norms_in

        return norms_in(self.evidence, self.anchors)

    def verify(self, profile: Profile, *, at: int) -> tuple[Verdict, dict[str, str]]:
        """The verdict over what the bundle proves, and what its findings' subjects are called."""
        from kizuna.chain.verify import judge

        verdict = judge(self.evidence, self.evidence.subject, profile, self.anchors, at=at)
        return verdict, names_of(self.evidence, identifiers_in(verdict.findings), self.anchors)

    def explain(self, profile: Profile, *, at: int) -> tuple[Explained, dict[str, str]]:
        """As ``verify``, with the tree of reasons."""
        from kizuna.chain.graph.closure import closure
        from kizuna.chain.verify import explain, judgement

        bundle = self.evidence
        graph = closure(bundle, bundle.subject, profile, self.anchors).graph(bundle)
        asked = judgement(graph, profile, self.anchors, at=at)
        verdict = asked.verdict(bundle.subject, shortfalls=bundle.shortfalls)
        tree = explain(asked, bundle.subject)
        if bundle.shortfalls:  # what the bundle could not prove is said of the whole
            own = [finding for finding in verdict.findings if finding.subject == bundle.subject]
            tree = {**tree, "value": verdict.value, "findings": own}
        told = Explained(verdict=verdict, tree=tree)
        spoken_of = identifiers_in(told.verdict.findings) | unnamed_in_tree(told.tree)
        return told, names_of(bundle, spoken_of, self.anchors) | names_in_tree(told.tree)


def opened(
    data: bytes,
    trust: bytes | None,
    *,
    subject: SubjectId | None,
    lists: Sequence[str] | None = None,
) -> Opened:
    """Open a bundle with the anchors in ``trust`` (of them only these lists); None: without any.

    Raises:
        Malformed, Tampered: ``bundle.*``, ``trust.malformed``, ``verify.subject-differs``.
    """
    from kizuna.chain.exchange import open_bundle

    anchors = Anchors() if trust is None else only_lists(Anchors.from_json(trust), lists)
    bundle = open_bundle(data, anchors)
    if subject is not None and subject != bundle.subject:
        raise Malformed(
            "verify.subject-differs",
            f"the bundle is about {bundle.subject}",
            why=f"{subject} was asked for",
            hint="leave the subject out, or ask for a bundle about it",
            subject=subject,
            found=bundle.subject,
        )
    return Opened(bundle, anchors)
