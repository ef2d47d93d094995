# SPDX-License-Identifier: Apache-2.0
"""Judging a proof bundle on a machine without a store.

Keeps: anchors and profile come from the caller, never from the bundle; without anchors the answer
is undetermined, whatever the bundle says.
"""

from __future__ import annotations

from collections.abc import Sequence

from kizuna.app.wiring.profiles import find_profile
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import only_lists
from kizuna.model.errors import Malformed
from kizuna.model.identifier import SubjectId
from kizuna.model.trust import Anchors
from kizuna.model.verdict import Verdict

__all__ = ["judge_bundle"]


def judge_bundle(
    data: bytes,
    profile: str,
    trust: bytes | None,
    settings: Settings,
    *,
    subject: SubjectId | None,
    at: int,
    lists: Sequence[str] | None,
) -> Verdict:
    """The verdict over what the bundle proves.

    Raises:
        Malformed, Tampered: ``bundle.*``, ``trust.malformed``, ``profile.*``,
            ``verify.subject-differs``.
    """
    from kizuna.chain.exchange.bundle import read_bundle
    from kizuna.chain.verify import judge

    anchors = Anchors() if trust is None else only_lists(Anchors.from_json(trust), lists)
    chosen = find_profile(profile, settings)
    bundle = read_bundle(data, anchors)
    if subject is not None and subject != bundle.subject:
        raise Malformed(
            "verify.subject-differs",
            f"the bundle is about {bundle.subject}",
            why=f"{subject} was asked for",
            hint="leave the subject out, or ask for a bundle about it",
            subject=subject,
            found=bundle.subject,
        )
    return judge(bundle, bundle.subject, chosen, anchors, at=at)
