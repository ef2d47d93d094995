# SPDX-License-Identifier: Apache-2.0
"""Simulated organisations, products and attackers that ship: for demo, tests and figures."""
