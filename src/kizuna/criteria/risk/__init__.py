# SPDX-License-Identifier: Apache-2.0
"""Risk: where a device in a use stands, and how much more is then asked for.

The pattern is METI's IoT-SSF; every name and number of it is configuration.

Keeps: placing, comparing and tailoring are pure; a placement is a signed claim about the device,
and what a tailored profile asks for is judged by ``chain/verify`` like any other profile.
"""

from kizuna.criteria.risk.framework import (
    Asks,
    Axis,
    Category,
    Framework,
    Step,
    Viewpoint,
    in_language,
)
from kizuna.criteria.risk.placement import (
    CLAIM,
    Difference,
    Placement,
    Unlike,
    claim_of,
    compare,
    is_placement,
    place,
    placement_of,
    shortfalls,
)
from kizuna.criteria.risk.plane import draw_plane
from kizuna.criteria.risk.reader import framework_of, read_framework
from kizuna.criteria.risk.shipped import FRAMEWORKS, framework_source, shipped_framework
from kizuna.criteria.risk.tailoring import Change, Tailored, is_as_strict, tailor

__all__ = [
    "CLAIM",
    "FRAMEWORKS",
    "Asks",
    "Axis",
    "Category",
    "Change",
    "Difference",
    "Framework",
    "Placement",
    "Step",
    "Tailored",
    "Unlike",
    "Viewpoint",
    "claim_of",
    "compare",
    "draw_plane",
    "framework_of",
    "framework_source",
    "in_language",
    "is_as_strict",
    "is_placement",
    "place",
    "placement_of",
    "read_framework",
    "shipped_framework",
    "shortfalls",
    "tailor",
]
