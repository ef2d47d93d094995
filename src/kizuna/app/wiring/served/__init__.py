# SPDX-License-Identifier: Apache-2.0
"""Keys in a process of their own, and those kept for members: served, gated, told of."""
