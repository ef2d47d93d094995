# SPDX-License-Identifier: Apache-2.0
"""Federations, as commands, HTTP and pages use them: reading those of others, being part of one.

Keeps: what a federation says becomes entries of a list of the verifier's own, and nothing else;
what is published follows from the entries that are registered.
"""
