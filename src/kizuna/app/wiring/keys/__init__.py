# SPDX-License-Identifier: Apache-2.0
"""The keys of an organisation: kept, used, certified, gated, lost and ended."""
