# SPDX-License-Identifier: Apache-2.0
"""The catalogs that come with the product: identifiers with short wording of our own.

Keeps: no text of a standard is among them, and nothing that is not publicly verified: a catalog
that is known in part says so in its title and note.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from kizuna.criteria.catalogs.catalog import Catalog, Control
from kizuna.criteria.catalogs.mapping import Mapping, read_mapping
from kizuna.model.errors import Absent

__all__ = ["SHIPPED_CATALOGS", "SHIPPED_MAPPINGS", "shipped_catalog", "shipped_mapping"]

SHIPPED_CATALOGS: Final = ("cpsf-1.0", "eu-cra-annex-i")
"""Names of the shipped catalogs."""

SHIPPED_MAPPINGS: Final = (
    "cpsf-1.0-to-csf-2.0",
    "cpsf-1.0-to-sp-800-171r3",
    "certificates-to-cpsf-1.0",
)
"""Names of the shipped mappings; each is a proposal."""


@cache
def shipped_catalog(name: str) -> Catalog:
    """A shipped catalog.

    Raises:
        Absent: ``catalog.unknown``.
    """
    if name not in SHIPPED_CATALOGS:
        raise Absent(
            "catalog.unknown",
            f"no catalog named {name[:80]!r}",
            why=f"shipped are {', '.join(SHIPPED_CATALOGS)}",
            hint="`kizuna catalog list` prints the names; `kizuna catalog import FILE` adds one",
            name=name[:80],
        )
    from importlib.resources import files  # noqa: PLC0415 - slow to import, seldom needed

    import yaml  # noqa: PLC0415 - only who asks for it loads the parser

    document: dict[str, Any] = yaml.safe_load((files(__name__) / f"{name}.yaml").read_bytes())
    return Catalog(
        id=document["id"],
        title=document["title"],
        version=document["version"],
        note=document["note"],
        controls=tuple(
            Control(
                id=row["id"],
                title=row["en"],
                group=(row["group"],),
                titles={"en": row["en"], "ja": row["ja"]},
            )
            for row in document["controls"]
        ),
    )


@cache
def shipped_mapping(name: str) -> Mapping:
    """A shipped mapping.

    Raises:
        Absent: ``mapping.unknown``.
    """
    if name not in SHIPPED_MAPPINGS:
        raise Absent(
            "mapping.unknown",
            f"no mapping named {name[:80]!r}",
            why=f"shipped are {', '.join(SHIPPED_MAPPINGS)}",
            hint="`kizuna catalog mappings` prints the names; `kizuna catalog map FILE` adds one",
            name=name[:80],
        )
    from importlib.resources import files  # noqa: PLC0415 - slow to import, seldom needed

    return read_mapping((files(__name__) / f"{name}.yaml").read_bytes())
