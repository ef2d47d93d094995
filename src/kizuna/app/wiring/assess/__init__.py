# SPDX-License-Identifier: Apache-2.0
"""Assessments at the doors: asked, answered, drafted, signed, measured, given out."""
