# SPDX-License-Identifier: Apache-2.0
"""Risk at the doors: the tables one places by, where devices stand, how that is shown."""
