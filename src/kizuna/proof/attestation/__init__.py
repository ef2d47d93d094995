# SPDX-License-Identifier: Apache-2.0
"""Attestation (A2): evidence of a device goes in, an appraisal comes out.

Keeps: 1. Every scheme ends in the same ``Appraisal``, which says what the evidence is worth at best
(its tier) beside what it came to (its status). 2. Nothing here looks up its own anchors, reads a
file or asks the time: keys, reference values and the moment are arguments. 3. Evidence that cannot
be verified is never counted for or against the device.
"""
