# SPDX-License-Identifier: Apache-2.0
"""Catalogs of controls: what standards ask, by their own identifiers."""

from kizuna.criteria.catalogs.catalog import Catalog, Control, Parameter
from kizuna.criteria.catalogs.coverage import Covered, Covering, Result, Way, coverage_of
from kizuna.criteria.catalogs.mapping import (
    MAPPING,
    Confidence,
    Kinship,
    Mapping,
    Tie,
    read_mapping,
)
from kizuna.criteria.catalogs.names import checked_name, checked_version, short_name
from kizuna.criteria.catalogs.oscal import oscal_shape, read_oscal
from kizuna.criteria.catalogs.oscal_mapping import read_oscal_mappings, write_oscal_mapping
from kizuna.criteria.catalogs.oscal_write import shape_of
from kizuna.criteria.catalogs.plain_yaml import read_yaml
from kizuna.criteria.catalogs.shipped import (
    SHIPPED_CATALOGS,
    SHIPPED_MAPPINGS,
    shipped_catalog,
    shipped_mapping,
)
from kizuna.criteria.catalogs.spreadsheet import read_table
from kizuna.criteria.catalogs.wording import wording_of

__all__ = [
    "MAPPING",
    "SHIPPED_CATALOGS",
    "SHIPPED_MAPPINGS",
    "Catalog",
    "Confidence",
    "Control",
    "Covered",
    "Covering",
    "Kinship",
    "Mapping",
    "Parameter",
    "Result",
    "Tie",
    "Way",
    "checked_name",
    "checked_version",
    "coverage_of",
    "oscal_shape",
    "read_catalog",
    "read_mapping",
    "read_oscal",
    "read_oscal_mappings",
    "read_table",
    "read_yaml",
    "shape_of",
    "shipped_catalog",
    "shipped_mapping",
    "short_name",
    "wording_of",
    "write_oscal_mapping",
]


def read_catalog(
    data: bytes, *, name: str | None = None, title: str | None = None, version: str = "1"
) -> Catalog:
    """A catalog from a file: OSCAL where it looks like it, else a table.

    Raises:
        Malformed: ``catalog.malformed``, ``catalog.name``.
    """
    chosen = None if name is None else checked_name(name)
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"<", b"{", b"["):
        return read_oscal(data, name=chosen)
    return read_table(data, name=chosen, title=title, version=version)
