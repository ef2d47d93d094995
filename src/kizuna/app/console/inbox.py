# SPDX-License-Identifier: Apache-2.0
"""What came in for whoever looks, on the page of procurement: offers, and requests meant for them.

Keeps: pages only read: what is new stays new until it is marked as seen by command or by a signed
request. Who did not sign in finds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.procure.inbox import Seen, inbox, with_decisions
from kizuna.app.wiring.procure.quoting import quotations

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["inbox_page"]

_JUDGED: Final = 10
"""Offers that one page judges."""


def inbox_page(workspace: Workspace, lang: str, view: View | None) -> dict[str, Any] | None:
    """What came in; None for somebody who did not sign in."""
    operator = view is None or view.everything
    me = workspace.identity if operator else None if view is None else view.reader
    if me is None:
        return None
    seen = Seen(workspace.path).last() if operator else -1
    found = inbox(quotations(workspace, view=view), me, workspace.clock(), seen=seen)
    return with_decisions(workspace, found, lang, view=view, most=_JUDGED)
