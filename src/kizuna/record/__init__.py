# SPDX-License-Identifier: Apache-2.0
"""Keeping trust (B1, B3): nobody can quietly change it."""
