# SPDX-License-Identifier: Apache-2.0
"""Trust lists at the doors: entries of one's own, their policy, and the lists of others."""
