# SPDX-License-Identifier: Apache-2.0
"""The store: where statements are kept, in order, for good.

Keeps: a receipt exists only for what is durable; every way out goes through one view; what is
derived can be made again from log and archive.
Does not: judge; name a database (its back ends are chosen in ``app.wiring``).
"""

from kizuna.record.store.arriving import Accepted, Refusal
from kizuna.record.store.backend import Backend
from kizuna.record.store.policy import RegistrationPolicy
from kizuna.record.store.reader import StoreReader
from kizuna.record.store.store import MapAnswer, Store, StoreSettings
from kizuna.record.store.view import OPERATOR, PUBLIC, View
from kizuna.record.store.writer import OperatorKey

__all__ = [
    "OPERATOR",
    "PUBLIC",
    "Accepted",
    "Backend",
    "MapAnswer",
    "OperatorKey",
    "Refusal",
    "RegistrationPolicy",
    "Store",
    "StoreReader",
    "StoreSettings",
    "View",
]
