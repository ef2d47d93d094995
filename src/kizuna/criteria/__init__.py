# SPDX-License-Identifier: Apache-2.0
"""By what measure (B1, X4): profiles and the catalogs they refer to."""
