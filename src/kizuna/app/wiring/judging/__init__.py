# SPDX-License-Identifier: Apache-2.0
"""Judging at the doors: one question, one judgement, from evidence here and elsewhere."""
