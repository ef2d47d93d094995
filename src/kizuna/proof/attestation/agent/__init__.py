# SPDX-License-Identifier: Apache-2.0
"""What runs on a device: the agent (one file, copied there) and the plan by which it measures."""

from kizuna.proof.attestation.agent.plan import Detection, Entry, Plan, Region, make_plan

__all__ = ["Detection", "Entry", "Plan", "Region", "make_plan"]
