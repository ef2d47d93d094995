# SPDX-License-Identifier: Apache-2.0
"""Federation: entities, superiors above them, and what a chain up to an anchor says."""
