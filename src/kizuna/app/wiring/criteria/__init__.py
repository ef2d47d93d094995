# SPDX-License-Identifier: Apache-2.0
"""By what measure: catalogs, mappings, and profiles read through them."""
