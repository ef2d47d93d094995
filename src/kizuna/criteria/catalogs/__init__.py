# SPDX-License-Identifier: Apache-2.0
"""Catalogs of controls: what standards ask, by their own identifiers."""

from kizuna.criteria.catalogs.catalog import Catalog, Control, Parameter
from kizuna.criteria.catalogs.oscal import oscal_shape, read_oscal

__all__ = ["Catalog", "Control", "Parameter", "oscal_shape", "read_oscal"]
