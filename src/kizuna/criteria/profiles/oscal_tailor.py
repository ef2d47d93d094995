# SPDX-License-Identifier: Apache-2.0
"""A choice of controls in a few lines of YAML, turned into an OSCAL profile.

::

    tailor: plant-baseline
    version: "1"
    title: {en: Baseline of our plants}
    take:
      - catalog: sp-800-53r5-high
        include: [ac-1, ac-2, "au-*"]      # all where nothing is named
        with_enhancements: true
        exclude: [ac-2.13]
    structure: as-is                       # or flat
    set: {ac-02_odp.06: 30 days}

Keeps: nothing is added to what the lines say; the same lines give the same profile.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from kizuna.criteria.catalogs import read_yaml
from kizuna.criteria.profiles.oscal_resolve import NAMESPACE, OSCAL_VERSION, made_uuid
from kizuna.criteria.profiles.oscal_select import Shape
from kizuna.model.errors import Malformed
from kizuna.model.payload.terms import Name, Text

__all__ = ["tailored"]

_TOKEN: Final = re.compile(r"[^\W\d][\w.-]*")


class _Take(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    catalog: Name
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    with_enhancements: bool = False


class _Tailoring(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Name = msgspec.field(name="tailor")
    version: Name
    title: dict[str, Text]
    take: tuple[_Take, ...]
    structure: str = "as-is"
    values: dict[str, str | tuple[str, ...]] = msgspec.field(name="set", default_factory=dict)


def tailored(data: bytes, *, now: int) -> Shape:
    """``{"profile": …}`` from the YAML above.

    Raises:
        Malformed: ``profile.tailoring``.
    """
    found = read_yaml(data, "profile.tailoring")
    try:
        asked = msgspec.convert(found, _Tailoring, strict=False)
    except msgspec.ValidationError as fault:
        raise _wrong(str(fault)) from fault
    if not asked.take:
        raise _wrong("it takes nothing")
    if asked.structure not in ("as-is", "flat"):
        raise _wrong(f"structure is as-is or flat, not {asked.structure[:40]!r}")
    profile: dict[str, Any] = {
        "uuid": made_uuid("tailoring", asked.name, asked.version),
        "metadata": {
            "title": asked.title.get("en") or asked.name,
            "last-modified": datetime.fromtimestamp(now, UTC).isoformat(),
            "version": asked.version,
            "oscal-version": OSCAL_VERSION,
            "props": [{"name": "profile", "ns": NAMESPACE, "value": asked.name}],
        },
        "imports": [_import(take) for take in asked.take],
        "merge": {"as-is": True} if asked.structure == "as-is" else {"flat": {}},
        "back-matter": {
            "resources": [
                {"uuid": uuid, "title": name, "rlinks": [{"href": f"{name}.json"}]}
                for name, uuid in {
                    t.catalog: made_uuid("catalog", t.catalog) for t in asked.take
                }.items()
            ]
        },
    }
    if asked.values:
        profile["modify"] = {
            "set-parameters": [
                {"param-id": name, "values": [value] if isinstance(value, str) else list(value)}
                for name, value in asked.values.items()
            ]
        }
    return {"profile": profile}


def _import(take: _Take) -> Shape:
    made: Shape = {"href": f"#{made_uuid('catalog', take.catalog)}"}
    if take.include:
        made["include-controls"] = [_select(take.include, children=take.with_enhancements)]
    else:
        made["include-all"] = {}
    if take.exclude:
        made["exclude-controls"] = [_select(take.exclude, children=False)]
    return made


def _select(names: tuple[str, ...], *, children: bool) -> Shape:
    made: Shape = {"with-child-controls": "yes"} if children else {}
    ids = [n for n in names if not set(n) & set("*?[")]
    patterns = [n for n in names if set(n) & set("*?[")]
    for name in ids:
        if not _TOKEN.fullmatch(name):
            raise _wrong(f"not an id of a control: {name[:60]!r}")
    if ids:
        made["with-ids"] = ids
    if patterns:
        made["matching"] = [{"pattern": p} for p in patterns]
    return made


def _wrong(why: str) -> Malformed:
    return Malformed(
        "profile.tailoring",
        f"the tailoring cannot be read: {why}",
        why=why,
        hint="mend that line; the guide to publishing a profile shows a worked example",
        fault=why[:200],
    )
