# SPDX-License-Identifier: Apache-2.0
"""Keeping it true: what watches, stops, and answers while things run."""
