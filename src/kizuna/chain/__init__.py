# SPDX-License-Identifier: Apache-2.0
"""Joining trust (B2, B3, C1): the graph of statements and the verdict over it."""
