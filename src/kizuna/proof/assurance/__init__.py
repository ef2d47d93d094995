# SPDX-License-Identifier: Apache-2.0
"""Assessments: a questionnaire that a profile comes to, its answers, and what they are worth.

Keeps: 1. *Planned* is never *implemented*: only what is implemented becomes a claim that a
requirement reads. 2. *Not applicable* has a reason, *planned* a day and an owner, or the answer is
refused. 3. Nothing here says at what level an answer counts: that follows from the signer's place
in the lists, never from what a file says. 4. Values in, values out: nothing is signed or stored.
"""

from __future__ import annotations

from kizuna.proof.assurance.answers import Answer, Answers, File, State, claims_of, summary_of
from kizuna.proof.assurance.attestation import to_cyclonedx
from kizuna.proof.assurance.joint import apart, back_together, together
from kizuna.proof.assurance.oscal import answers_from_oscal, to_poam, to_results
from kizuna.proof.assurance.questions import Question, Questionnaire
from kizuna.proof.assurance.sheet import read_sheet, to_csv, to_xlsx

__all__ = [
    "Answer",
    "Answers",
    "File",
    "Question",
    "Questionnaire",
    "State",
    "answers_from_oscal",
    "apart",
    "back_together",
    "claims_of",
    "read_sheet",
    "summary_of",
    "to_csv",
    "to_cyclonedx",
    "to_poam",
    "to_results",
    "to_xlsx",
    "together",
]
