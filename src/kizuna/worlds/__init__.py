# SPDX-License-Identifier: Apache-2.0
"""Simulated organisations, products and mishaps that ship: for the demo, drills, tests, benchmarks.

Keeps: 1. A world says what is true in it, apart from any engine that judges it. 2. The same
arguments give the same world. 3. No world reads a clock: when it plays is an argument.
"""
