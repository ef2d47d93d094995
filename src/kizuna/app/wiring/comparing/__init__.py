# SPDX-License-Identifier: Apache-2.0
"""Measures side by side: several lists at once, two versions of a profile."""
