# SPDX-License-Identifier: Apache-2.0
"""Devices in a workspace: enrolment and life of their keys, appraisal, firmware, fleets."""
