# SPDX-License-Identifier: Apache-2.0
"""The verdict over a chain: findings, reasons, what depends on what, kept true."""

from kizuna.chain.verify.asked import Asked, how_requirements_stand
from kizuna.chain.verify.explain import explain
from kizuna.chain.verify.impact import impact
from kizuna.chain.verify.judge import judge, judgement
from kizuna.chain.verify.judgement import Judgement
from kizuna.chain.verify.watch import Renewed, Watches

__all__ = [
    "Asked",
    "Judgement",
    "Renewed",
    "Watches",
    "explain",
    "how_requirements_stand",
    "impact",
    "judge",
    "judgement",
]
