# SPDX-License-Identifier: Apache-2.0
"""Short names of catalogs: what people type.

Keeps: a catalog that many use gets the name they use for it; any other gets its title and version.
A name given by hand goes before both.

Example:
    >>> short_name("NIST Special Publication 800-53 Revision 5.1.1 LOW IMPACT BASELINE", "5.1.1")
    'sp-800-53r5-low'
    >>> short_name("House rules", "2")
    'house-rules-2'
"""

from __future__ import annotations

import re
from typing import Final

from kizuna.model.errors import Malformed

__all__ = ["checked_name", "checked_version", "short_name"]

_IDENTITY: Final = (
    (re.compile(r"CSF_(\d+)_(\d+)_\d+"), "csf-{0}.{1}"),
    (re.compile(r"SP_?800_(\d+[A-Z]?)_(\d+)_\d+_\d+"), "sp-800-{0}r{1}"),
)
_TITLE: Final = (
    (
        re.compile(
            r"(?:special publication|sp) 800-(\d+[a-z]?),? rev(?:ision|\.)? ?(\d+)[0-9.]*(.*)"
        ),
        "sp-800-{0}r{1}",
    ),
    (re.compile(r"cybersecurity framework.*?(\d+\.\d+)()(.*)"), "csf-{0}"),
)
_BASELINE: Final = re.compile(r"\b(low|moderate|high|privacy)\b.*\bbaseline\b")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_BETWEEN: Final = re.compile(r"[^A-Za-z0-9._+-]+")


def short_name(title: str, version: str, identity: str = "") -> str:
    """What to call a catalog by its title, version and the publisher's name of the framework."""
    for pattern, name in _IDENTITY:
        found = pattern.fullmatch(identity)
        if found:
            return name.format(*(g.lower() for g in found.groups()))
    plain = " ".join(title.casefold().replace("_", " ").split())
    for pattern, name in _TITLE:
        found = pattern.search(plain)
        if found:
            baseline = _BASELINE.search(found[3])
            return name.format(found[1], found[2]) + (f"-{baseline[1]}" if baseline else "")
    words = re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")[:60].rstrip("-.") or "catalog"
    number = re.sub(r"[^a-z0-9.]+", "-", version.casefold()).strip("-.")[:30]
    return words if not number or number in words else f"{words}-{number}"


def checked_name(name: str) -> str:
    """A name given by hand.

    Raises:
        Malformed: ``catalog.name``.
    """
    if not _NAME.fullmatch(name):
        raise Malformed(
            "catalog.name",
            f"not a short name: {name[:60]!r}",
            why="it is used in commands, profiles and file names",
            hint="use letters, digits and . _ + -, at most 100",
            name=name[:60],
        )
    return name


def checked_version(version: str) -> str:
    """A version as it can stand in a signed statement."""
    return _BETWEEN.sub("-", version.strip()).strip("-._+")[:100] or "1"
