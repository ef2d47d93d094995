# SPDX-License-Identifier: Apache-2.0
"""Doors: command line, HTTP, console, and the wiring that alone reads settings."""
