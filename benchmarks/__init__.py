# SPDX-License-Identifier: Apache-2.0
"""Figures, each beside what bounds it in the same run: a rate alone is weather."""
