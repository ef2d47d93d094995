# SPDX-License-Identifier: Apache-2.0
"""What is said: pure values of the one idea, shared by every room.

Keeps: 1. Every value is frozen and typed. 2. Nothing here reads a file, a clock, a socket or an
environment; the same input gives the same output. 3. The wire names (kinds, relations, codes,
outcomes) stand here and nowhere else.
"""
