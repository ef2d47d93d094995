# SPDX-License-Identifier: Apache-2.0
"""The verdict over a chain: findings, reasons, what depends on what, kept true."""

from kizuna.chain.verify.judge import judge, judgement
from kizuna.chain.verify.judgement import Judgement

__all__ = ["Judgement", "judge", "judgement"]
