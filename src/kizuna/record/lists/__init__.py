# SPDX-License-Identifier: Apache-2.0
"""Trust lists: who may say what, about whose names, since when, and why that changed.

Keeps: 1. A list is nothing but registered memberships in order; its state at any instant and its
whole history follow from them. 2. Authority comes from entries alone, and an entry counts only
when its issuer was entitled to make it *at its place in the log*. 3. Pure: no store, no clock.
"""

from kizuna.record.lists.entries import grant, list_id_of, suspend, withdraw
from kizuna.record.lists.roles import ROLES, Role, service_for
from kizuna.record.lists.scope import check_scope, in_scope
from kizuna.record.lists.state import Change, Disregarded, Entry, ListState, difference

__all__ = [
    "ROLES",
    "Change",
    "Disregarded",
    "Entry",
    "ListState",
    "Role",
    "check_scope",
    "difference",
    "grant",
    "in_scope",
    "list_id_of",
    "service_for",
    "suspend",
    "withdraw",
]
