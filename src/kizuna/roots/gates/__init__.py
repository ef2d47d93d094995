# SPDX-License-Identifier: Apache-2.0
"""Gates: who may use a key, for what, how often, when, and with whose consent.

Keeps: 1. Default is no. 2. A refusal changes nothing but the record of refusals. 3. What is only
said (the name code gives itself) and what is measured (process, user, program) are never mixed.
Does not: protect against whoever controls the machine: they can read the memory behind a software
unit, or write the gate's files (which shows). Where that matters the key lives in a chip behind a
policy that the chip itself holds (``hardware``).
"""

from kizuna.roots.gates.book import Book, Event, FileBook, MemoryBook, State
from kizuna.roots.gates.caller import Caller, Strength, declared, following, measure, peer_of
from kizuna.roots.gates.consent import Agreed, Agreement, read_consent, sign_consent
from kizuna.roots.gates.gate import Gate, Report
from kizuna.roots.gates.gated import UNIT, Gated
from kizuna.roots.gates.policy import CONSENT, NORM_TYPE, Operation, Policy
from kizuna.roots.gates.purpose import purpose_of
from kizuna.roots.gates.reading import read_policy

__all__ = [
    "CONSENT",
    "NORM_TYPE",
    "UNIT",
    "Agreed",
    "Agreement",
    "Book",
    "Caller",
    "Event",
    "FileBook",
    "Gate",
    "Gated",
    "MemoryBook",
    "Operation",
    "Policy",
    "Report",
    "State",
    "Strength",
    "declared",
    "following",
    "measure",
    "peer_of",
    "purpose_of",
    "read_consent",
    "read_policy",
    "sign_consent",
]
