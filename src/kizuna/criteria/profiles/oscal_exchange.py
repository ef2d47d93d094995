# SPDX-License-Identifier: Apache-2.0
"""Our profiles as OSCAL profiles, and back.

A requirement goes along as a part of the control that it stands for, its members as properties
under our name space; what stands for no control at hand goes into the metadata.

Keeps: 1. What goes out comes back equal, digest and all. 2. A profile that others wrote becomes one
requirement a control, asked of the product itself, and says so; where a profile that the caller
names already asks for a control, that is how it is asked. 3. Nothing is taken in unread:
what comes back passes the same reader as any profile.
Standard: OSCAL 1.2.1 profile model, JSON form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from kizuna.criteria.catalogs import Catalog, short_name
from kizuna.criteria.profiles.oscal_resolve import NAMESPACE, OSCAL_VERSION, Resolved, made_uuid
from kizuna.criteria.profiles.oscal_select import Shape, maps, oscal_problem
from kizuna.criteria.profiles.profile import Profile
from kizuna.criteria.profiles.reader import from_document
from kizuna.model.errors import Malformed

__all__ = ["from_oscal", "to_oscal"]

_PART: Final = "kizuna-requirement"
_TOKEN: Final = re.compile(r"[^\W\d][\w.-]*")
_PLAIN: Final = re.compile(r"\S(.*\S)?")
_MANY: Final = frozenset({"claim", "from", "kind", "for", "present"})
_WORDS: Final = frozenset({"title", "mend"})
_WHOLE: Final = frozenset(
    {"profile", "title", "about", "follow", "notices", "silent", "waivers_from", "max_store_age"}
)
_LABELS: Final = 40
_OTHER: Final = re.compile(r"[^A-Za-z0-9._:/+-]+")


def to_oscal(profile: Profile, catalogs: Mapping[str, Catalog], *, now: int) -> Shape:
    """``{"profile": …}`` of a profile of ours.

    Args:
        profile: the profile.
        catalogs: those at hand, by name; controls are looked up in them.
        now: seconds since 1970, for the document's date.

    Raises:
        Malformed: ``profile.no-controls`` where none of its controls is in a catalog at hand.
    """
    document = profile.document()
    wanted: dict[str, list[str]] = {}
    alters: dict[str, list[Shape]] = {}
    homeless: list[Shape] = []
    for place, (requirement, row) in enumerate(
        zip(profile.requirements, document["requirements"], strict=True)
    ):
        homes = [
            (catalog, catalog.find(control).id)
            for named, control in requirement.controls
            for catalog in catalogs.values()
            if named in ("", catalog.id)
            and control in catalog
            and _TOKEN.fullmatch(catalog.find(control).id)
        ]
        for catalog, control in homes:
            ids = wanted.setdefault(catalog.id, [])
            if control not in ids:
                ids.append(control)
        numbered = row | {"place": str(place)}
        if homes:
            alters.setdefault(homes[0][1], []).append(_part(numbered))
        else:
            homeless.append(_prop("requirement", numbered))
    if not wanted:
        raise Malformed(
            "profile.no-controls",
            f"{profile.name} stands for no control of a catalog at hand",
            why="an OSCAL profile takes controls from a catalog",
            hint="import the catalog that its `control` members name",
            name=profile.name,
        )
    members = [_prop(m, v) for m, v in sorted(document.items()) if m in _WHOLE]
    return {
        "profile": {
            "uuid": made_uuid("profile", profile.digest),
            "metadata": {
                "title": profile.title.get("en") or profile.name,
                "last-modified": datetime.fromtimestamp(now, UTC).isoformat(),
                "version": profile.version,
                "oscal-version": OSCAL_VERSION,
                "props": [*members, *homeless],
            },
            "imports": [
                {
                    "href": f"#{made_uuid('catalog', name)}",
                    "include-controls": [{"with-ids": ids}],
                }
                for name, ids in wanted.items()
            ],
            "merge": {"as-is": True},
            "modify": {
                "alters": [
                    {"control-id": control, "adds": [{"position": "ending", "parts": parts}]}
                    for control, parts in alters.items()
                ]
            },
            "back-matter": {
                "resources": [
                    {
                        "uuid": made_uuid("catalog", name),
                        "title": name,
                        "description": catalogs[name].title,
                        "rlinks": [{"href": f"{name}.json"}],
                    }
                    for name in wanted
                ]
            },
        }
    }


def from_oscal(
    document: Shape,
    resolved: Resolved | None = None,
    like: Callable[[str], Sequence[Shape]] = lambda _: (),
) -> Profile:
    """A profile of ours from an OSCAL profile.

    Args:
        document: ``{"profile": …}``.
        resolved: what it comes to with its catalogs; needed where it is not one of ours.
        like: requirements that already say how a control is shown, as members of a document.

    Raises:
        Malformed: ``profile.oscal``, or as ``from_document``.
    """
    shape = document.get("profile")
    if not isinstance(shape, dict) or not isinstance(shape.get("metadata"), dict):
        raise oscal_problem("no OSCAL profile")
    metadata = shape["metadata"]
    ours: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for prop in maps(metadata, "props"):
        if prop.get("ns") != NAMESPACE:
            continue
        if prop.get("name") == "requirement":
            rows.append(_member(prop))
        elif prop.get("name") in _WHOLE:
            ours[str(prop["name"])] = _member(prop)
    rows += [_row(part) for part in _parts(shape)]
    title = str(metadata.get("title") or "profile")[:4000]
    version = _OTHER.sub("-", str(metadata.get("version") or "1")).strip("-._:/+") or "1"
    if rows and "profile" in ours:
        rows.sort(key=lambda row: int(str(row.get("place", "0"))))
        made = ours | {
            "version": version,
            "requirements": [{k: v for k, v in r.items() if k != "place"} for r in rows],
        }
        return from_document(made, title)
    if resolved is None:
        raise oscal_problem("it holds no requirements of ours; its catalogs are needed")
    name = str(ours.get("profile") or short_name(title, version))
    return from_document(
        {
            "profile": name,
            "version": version[:200],
            "title": {"en": title},
            "about": {
                "en": f"Made from an OSCAL profile ({shape.get('uuid')}): one requirement a "
                "control, asked of the subject itself. Say who must show what, and how fresh."
            },
            "requirements": [row for c in _every(resolved.catalog) for row in _specific(c, like)],
            "silent": {"default": "undetermined"},
        },
        title,
    )


def _specific(control: Shape, like: Callable[[str], Sequence[Shape]]) -> list[Shape]:
    """How a control is asked: as somebody who knows asks it, else by one plain requirement."""
    plain = _asked(control)
    known = like(str(plain["control"]))
    first = len(known) == 1
    return [
        row | {"id": plain["id"] if first else f"{plain['id']}.{row['id']}"[:200]} | _of(plain)
        for row in known
    ] or [plain]


def _of(plain: Shape) -> Shape:
    return {"control": plain["control"]}


def _asked(control: Shape) -> Shape:
    own = str(control.get("id"))
    name = _OTHER.sub("-", own).strip("-._:/+") or "control"
    asked: Shape = {
        "id": name,
        "title": {"en": str(control.get("title") or own)[:4000]},
        "claim": [f"control/{name}"],
        "from": ["self", "supplier", "assessor", "certification-body"],
        "where": "root",
        "control": own,
    }
    looked_at = list(_objectives(control))
    if looked_at:
        shown = ", ".join(looked_at[:_LABELS])
        more = f" (+{len(looked_at) - _LABELS})" if len(looked_at) > _LABELS else ""
        asked["mend"] = {"en": f"Assess and show: {shown}{more}", "ja": f"評価項目: {shown}{more}"}
    return asked


def _objectives(node: Shape) -> Iterator[str]:
    """The labels of what an assessor of a control determines, innermost only: no text of it."""
    for part in maps(node, "parts"):
        below = list(_objectives(part))
        yield from below
        if below or part.get("name") != "assessment-objective":
            continue
        label = next((p for p in maps(part, "props") if p.get("name") == "label"), None)
        if label is not None and isinstance(label.get("value"), str):
            yield label["value"][:60]


def _every(node: Shape) -> Iterator[Shape]:
    for control in maps(node, "controls"):
        yield control
        yield from _every(control)
    for group in maps(node, "groups"):
        yield from _every(group)


def _part(row: Shape) -> Shape:
    props = []
    for member, value in row.items():
        if member in _MANY:
            props += [_prop(member, one) for one in value]
        elif member in _WORDS:
            props += [_prop(f"{member}.{lang}", words) for lang, words in value.items()]
        else:
            props.append(_prop(member, value))
    return {"name": _PART, "ns": NAMESPACE, "title": str(row["title"]["en"]), "props": props}


def _parts(profile: Shape) -> Iterator[Shape]:
    modify = profile.get("modify", {})
    for alter in maps(modify, "alters") if isinstance(modify, dict) else ():
        for add in maps(alter, "adds"):
            for part in maps(add, "parts"):
                if part.get("name") == _PART and part.get("ns") == NAMESPACE:
                    yield part


def _row(part: Shape) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for prop in maps(part, "props"):
        if prop.get("ns") != NAMESPACE:
            continue
        name, value = str(prop.get("name")), _member(prop)
        stem, _, lang = name.partition(".")
        if name in _MANY:
            row.setdefault(name, []).append(value)
        elif stem in _WORDS and lang:
            row.setdefault(stem, {})[lang] = value
        else:
            row[name] = value
    return row


def _prop(name: str, value: object) -> Shape:
    """A property; what is no plain word goes as JSON, marked so."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return {"name": name, "ns": NAMESPACE, "value": value}
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return {"name": name, "ns": NAMESPACE, "value": text, "class": "json"}


def _member(prop: Shape) -> Any:  # noqa: ANN401 - JSON values
    value = prop.get("value")
    if not isinstance(value, str):
        raise oscal_problem("the value of a property is text")
    if prop.get("class") != "json":
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as fault:
        raise oscal_problem(f"property {prop.get('name')}: {str(fault)[:80]}") from fault
