# SPDX-License-Identifier: Apache-2.0
"""Judging a proof bundle on a machine without a store.

Keeps: anchors and profile come from the caller, never from the bundle; without anchors the answer
is undetermined, whatever the bundle says.
"""

from __future__ import annotations

from collections.abc import Sequence

from kizuna.app.wiring.naming import identifiers_in, names_of
from kizuna.app.wiring.workspace import only_lists
from kizuna.criteria.profiles import Profile
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Verdict

__all__ = ["judge_bundle", "judge_with_names"]


def judge_bundle(
    data: bytes,
    profile: Profile,
    trust: bytes | None,
    *,
    subject: SubjectId | None,
    at: int,
    lists: Sequence[str] | None,
) -> Verdict:
    """The verdict over what the bundle proves; see ``judge_with_names``."""
    return judge_with_names(data, profile, trust, subject=subject, at=at, lists=lists)[0]


def judge_with_names(
    data: bytes,
    profile: Profile,
    trust: bytes | None,
    *,
    subject: SubjectId | None,
    at: int,
    lists: Sequence[str] | None,
) -> tuple[Verdict, dict[str, str]]:
    """The verdict over what the bundle proves, and what its findings' subjects are called.

    Raises:
        Malformed, Tampered: ``bundle.*``, ``trust.malformed``, ``profile.*``,
            ``verify.subject-differs``.
    """
    from kizuna.chain.exchange import open_bundle
    from kizuna.chain.verify import judge

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
    verdict = judge(bundle, bundle.subject, profile, anchors, at=at)
    return verdict, names_of(bundle, identifiers_in(verdict.findings))
