# SPDX-License-Identifier: Apache-2.0
"""Figures, measured as ratios to a peer or a physical limit of the same run: ``make bench``."""
