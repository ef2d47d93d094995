# SPDX-License-Identifier: Apache-2.0
"""The risk framework that comes with the product.

Keeps: it is a plain YAML document of the same form that anybody writes, and says itself which of
its names are public and which are ours.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from kizuna.criteria.risk.framework import Framework
from kizuna.criteria.risk.reader import read_framework
from kizuna.model.errors import Absent

__all__ = ["FRAMEWORKS", "framework_source", "shipped_framework"]

FRAMEWORKS: Final = ("iot-ssf",)
"""Names of the shipped frameworks."""


def framework_source(name: str) -> bytes:
    """The YAML text of a shipped framework, to read or to copy and change.

    Raises:
        Absent: ``risk.framework-unknown``.
    """
    if name not in FRAMEWORKS:
        raise Absent(
            "risk.framework-unknown",
            f"no risk framework named {name[:80]!r}",
            why=f"shipped are {', '.join(FRAMEWORKS)}",
            hint="name one of these, or give the path of a document",
            name=name[:80],
            known=", ".join(FRAMEWORKS),
        )
    from importlib.resources import files  # noqa: PLC0415 - slow to import, seldom needed

    return (files(__name__) / f"{name}.yaml").read_bytes()


@cache
def shipped_framework(name: str) -> Framework:
    """A shipped framework.

    Raises:
        Absent: ``risk.framework-unknown``.
    """
    return read_framework(framework_source(name), f"{name}.yaml")
