# SPDX-License-Identifier: Apache-2.0
"""Who may have this server ask other stores: its operator.

Keeps: a stranger's question costs this server work of its own and no other server any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kizuna.model.errors import Refused

if TYPE_CHECKING:
    from kizuna.app.wiring.judging.across import AcrossJudge
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store import View

__all__ = ["across_for"]


def across_for(workspace: Workspace, view: View) -> AcrossJudge:
    """Who judges across stores, for this reader.

    Raises:
        Refused: ``verify.across-operator``.
    """
    if not view.everything:
        raise Refused(
            "verify.across-operator",
            "only the operator of this store has it ask others",
            why="every such question makes this server ask further servers",
            hint="sign the request with the operator's key, or ask without `across`",
        )
    return workspace.judge.across
