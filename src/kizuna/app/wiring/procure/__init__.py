# SPDX-License-Identifier: Apache-2.0
"""Buying at the doors: what is asked for, what is offered, what may be bought, what changes."""
