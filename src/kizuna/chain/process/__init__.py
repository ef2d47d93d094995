# SPDX-License-Identifier: Apache-2.0
"""What is expected at the borders of a process, what is shown there, and what was agreed.

It stands in ``chain`` because it sets a measure (``criteria``) against what was registered: what is
shown is asked of ``chain/verify``, which stays the only judge.

Keeps: expectation (TWE) minus capability (TWC) is the gap, and nothing else is.
"""

from kizuna.chain.process.agreeing import (
    AGREEMENT,
    EXPECTATION,
    OFFER,
    Course,
    Lack,
    Offered,
    agreement_norm,
    agreement_terms,
    course_of,
    expectation_norm,
    expected_in,
    offer_norm,
    offered_in,
    point_subject,
    process_subject,
)
from kizuna.chain.process.expecting import (
    Expectation,
    Shown,
    State,
    expectations,
    gaps,
    narrowed,
    set_against,
)

__all__ = [
    "AGREEMENT",
    "EXPECTATION",
    "OFFER",
    "Course",
    "Expectation",
    "Lack",
    "Offered",
    "Shown",
    "State",
    "agreement_norm",
    "agreement_terms",
    "course_of",
    "expectation_norm",
    "expectations",
    "expected_in",
    "gaps",
    "narrowed",
    "offer_norm",
    "offered_in",
    "point_subject",
    "process_subject",
    "set_against",
]
