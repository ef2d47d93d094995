# SPDX-License-Identifier: Apache-2.0
"""The profiles that come with the product: worked examples, and good starting points.

Keeps: each is a plain YAML document of the same form that anybody writes; nothing about them is
special but where they are kept.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from kizuna.criteria.profiles.profile import Profile
from kizuna.criteria.profiles.reader import read_profile
from kizuna.model.errors import Absent

__all__ = ["SHIPPED", "shipped_profile", "shipped_source"]

SHIPPED: Final = ("attested-site", "building-services", "iot-device", "software-product")
"""Names of the shipped profiles."""


def shipped_source(name: str) -> bytes:
    """The YAML text of a shipped profile, to read or to copy and change.

    Raises:
        Absent: ``profile.unknown``.
    """
    if name not in SHIPPED:
        raise Absent(
            "profile.unknown",
            f"no profile named {name[:80]!r}",
            why=f"shipped are {', '.join(SHIPPED)}",
            hint="name one of these, or give the path of a profile document",
            name=name[:80],
            known=", ".join(SHIPPED),
        )
    from importlib.resources import files  # noqa: PLC0415 - slow to import, seldom needed

    return (files(__name__) / f"{name}.yaml").read_bytes()


@cache
def shipped_profile(name: str) -> Profile:
    """A shipped profile.

    Raises:
        Absent: ``profile.unknown``.
    """
    return read_profile(shipped_source(name), f"{name}.yaml")
