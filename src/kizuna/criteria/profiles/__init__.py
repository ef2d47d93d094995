# SPDX-License-Identifier: Apache-2.0
"""Profiles: by what measure a chain is judged.

Keeps: a profile comes from the verifier, as a name we ship or a document; it is read whole or
refused with the line that is wrong.
"""

from kizuna.criteria.profiles.condition import Condition, Facts, Undecided
from kizuna.criteria.profiles.profile import (
    ANY_TYPE,
    SELF,
    SUPPLIER,
    Counting,
    Follow,
    NoticeRule,
    Place,
    Profile,
    Requirement,
    Silence,
    Silent,
)
from kizuna.criteria.profiles.reader import from_document, from_norm, read_profile, to_norm
from kizuna.criteria.profiles.shipped import SHIPPED, shipped_profile, shipped_source

__all__ = [
    "ANY_TYPE",
    "SELF",
    "SHIPPED",
    "SUPPLIER",
    "Condition",
    "Counting",
    "Facts",
    "Follow",
    "NoticeRule",
    "Place",
    "Profile",
    "Requirement",
    "Silence",
    "Silent",
    "Undecided",
    "from_document",
    "from_norm",
    "read_profile",
    "shipped_profile",
    "shipped_source",
    "to_norm",
]
