# SPDX-License-Identifier: Apache-2.0
"""Processes of a store: imported, signed, found again; what is expected, shown, offered, agreed."""
