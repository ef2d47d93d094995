# SPDX-License-Identifier: Apache-2.0
"""Risk frameworks and placements of a store: kept, signed, found again, compared, tailored by.

Keeps: 1. A placement is a signed claim about the device; the folder only remembers which devices
were placed, and can be made again from the log. 2. A framework of one's own is registered as a
signed norm before anything is placed by it, so that a placement never names a table nobody can
read.

::

    risk/frameworks/NAME.json    own frameworks, as they were registered
    risk/placed/SHA256           identifiers of devices that were placed here
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring import showing
from kizuna.app.wiring.files import read_file
from kizuna.app.wiring.folder import write_whole
from kizuna.criteria.risk import (
    FRAMEWORKS,
    Difference,
    Framework,
    Placement,
    claim_of,
    compare,
    draw_plane,
    framework_of,
    framework_source,
    in_language,
    is_placement,
    place,
    placement_of,
    read_framework,
    shipped_framework,
    shortfalls,
    tailor,
)
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level, Link, Links, Norm
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.criteria.profiles import Profile
    from kizuna.record.store import View

__all__ = [
    "FRAMEWORK",
    "all_placements",
    "checked_use",
    "comparison",
    "difference_json",
    "find_framework",
    "framework_json",
    "frameworks_of",
    "keep_framework",
    "named_framework",
    "only_placement",
    "place_device",
    "placement_json",
    "placements_of",
    "plane_of",
    "planned",
    "shown_placements",
    "source_of",
    "tailored",
]

FRAMEWORK: Final = "risk-framework"
"""The type of the norm statement that carries a framework."""

_READ: Final = 1 << 20
_MOST: Final = 10_000


def find_framework(name_or_path: str, settings: Settings) -> Framework:
    """The framework of that name, or in that file.

    Raises:
        Absent: ``risk.framework-unknown``. Malformed: ``document.*``, ``risk.table``.
    """
    if name_or_path in FRAMEWORKS:
        return shipped_framework(name_or_path)
    kept = _folder(settings, "frameworks") / f"{name_or_path}.json"
    if "/" not in name_or_path and kept.is_file():
        return _kept(kept)
    path = Path(name_or_path)
    if path.is_file():
        return read_framework(read_file(path, limit=_READ), path.name)
    known = ", ".join([*FRAMEWORKS, *(p.stem for p in _files(settings))])
    raise Absent(
        "risk.framework-unknown",
        f"no risk framework named {name_or_path[:80]!r}",
        why=f"there are {known}, and no file of that name",
        hint="`kizuna risk frameworks` shows the names; a file is given by its path",
        name=name_or_path[:80],
        known=known,
    )


def named_framework(name: str, settings: Settings) -> Framework:
    """The framework of that name; never a file. For those who ask from afar.

    Raises:
        Absent: ``risk.framework-unknown``.
    """
    every = [framework for framework, _ in frameworks_of(settings)]
    for framework in every:
        if framework.name == name:
            return framework
    known = ", ".join(framework.name for framework in every)
    raise Absent(
        "risk.framework-unknown",
        f"no risk framework named {name[:80]!r}",
        why=f"there are {known}",
        hint="name one of these",
        name=name[:80],
        known=known,
    )


def frameworks_of(settings: Settings) -> list[tuple[Framework, str]]:
    """Every framework that can be named and where it is from, shipped ones first."""
    shipped = [(shipped_framework(name), "shipped") for name in FRAMEWORKS]
    return shipped + [(_kept(path), "store") for path in _files(settings)]


def source_of(name: str, framework: Framework) -> str:
    """The text in which a framework was written, or its document as JSON."""
    if name in FRAMEWORKS:
        return framework_source(name).decode()
    path = Path(name)
    if path.is_file():
        return path.read_text(encoding="utf-8-sig")
    return msgspec.json.format(framework.canonical_bytes(), indent=2).decode()


def keep_framework(workspace: Workspace, framework: Framework) -> dict[str, Any]:
    """Register a framework of one's own as a signed norm, and keep it under its name.

    Raises:
        Refused: ``risk.framework-shipped``.
    """
    if framework.name in FRAMEWORKS:
        raise Refused(
            "risk.framework-shipped",
            f"{framework.name} comes with the product and stays as it is",
            why="a placement that names it must mean the same everywhere",
            hint="give yours another name",
            name=framework.name,
        )
    subject = canonical(f"{workspace.identity}/risk-frameworks/{framework.name}")
    norm = Norm(
        type=FRAMEWORK,
        name=framework.name,
        version=framework.version,
        document=framework.document(),
        title=framework.title.get("en"),
    )
    digest, index = workspace.register_one(workspace.sign(Kind.NORM, subject, norm))
    folder = _folder(workspace.settings, "frameworks")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / f"{framework.name}.json", framework.canonical_bytes())
    return {
        "name": framework.name,
        "version": framework.version,
        "digest": framework.digest,
        "subject": subject,
        "statement": digest,
        "index": index,
    }


def place_device(
    organisation: Organisation,
    framework: Framework,
    placement: Placement,
    settings: Settings,
    *,
    level: Level = Level.SELF,
    whole: SubjectId | None = None,
) -> dict[str, Any]:
    """Sign and register a placement; and that the device is part of ``whole`` in its category.

    A verdict reads the link: profiles say by its category how much the part counts. The placement
    itself says why the link has that category.

    Raises:
        Refused: ``risk.framework-not-kept``.
    """
    if framework.name not in FRAMEWORKS:
        kept = _folder(settings, "frameworks") / f"{framework.name}.json"
        if not kept.is_file() or _kept(kept).digest != framework.digest:
            raise Refused(
                "risk.framework-not-kept",
                f"{framework.name} as it is here was not registered",
                why="whoever reads the placement must be able to read the table it was made by",
                hint="kizuna risk frameworks FILE --keep",
                name=framework.name,
            )
    claim = claim_of(placement, framework, level)
    said = organisation.say(Kind.EVIDENCE, placement.device, claim)
    digest, index = organisation.register_one(said.statement, said.documents)
    folder = _folder(settings, "placed")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = sha256(placement.device.encode()).hexdigest()
    write_whole(folder / name, placement.device.encode())
    told: dict[str, Any] = {"statement": digest, "index": index, "whole": None, "link": None}
    if whole is not None:
        tie = Link(
            relation=Relation.PART_OF,
            subject=placement.device,
            category=framework.link_category(placement.category),
        )
        links = Links(links=[tie], part=f"risk-{placement.use}-{name[:16]}")
        signed = organisation.say(Kind.LINK, whole, links)
        link, _ = organisation.register_one(signed.statement, signed.documents)
        told |= {"whole": whole, "link": link}
    return told


def placements_of(
    workspace: Workspace,
    device: SubjectId,
    framework: Framework,
    *,
    view: View | None = None,
) -> list[Placement]:
    """The placements of a device that stand, each issuer's latest for each use.

    One that was made by another framework is left out: it stands in the log like any claim.
    """
    from kizuna.app.wiring.in_force import in_force
    from kizuna.record.log.keys import subject_key

    reader = workspace.store.reader() if view is None else workspace.store.reader(view)
    key = subject_key(device)
    latest = {}
    for row in reader.by_keys([key]).get(key, ()):
        payload = row.statement.payload
        if (
            row.statement.kind is Kind.EVIDENCE
            and row.statement.subject == device
            and isinstance(payload, Claim)
            and is_placement(payload)
        ):
            latest[(row.statement.issuer, payload.type)] = row
    made = []
    for row in in_force(reader, list(latest.values())):
        claim = row.statement.payload
        assert isinstance(claim, Claim)  # noqa: S101 - chosen above
        try:
            found = placement_of(
                claim,
                framework,
                device,
                issuer=row.statement.issuer,
                statement=row.statement.digest.hex(),
            )
        except (Malformed, Absent):
            continue  # a stranger's claim that does not hold together places nothing
        made.append(found)
    return sorted(made, key=lambda p: p.key)


def all_placements(
    workspace: Workspace, framework: Framework, *, view: View | None = None
) -> list[Placement]:
    """The placements of every device that was placed here."""
    folder = _folder(workspace.settings, "placed")
    if not folder.is_dir():
        return []
    devices = sorted(path.read_text() for path in sorted(folder.iterdir())[:_MOST])
    return [
        placement
        for device in devices
        for placement in placements_of(workspace, SubjectId(device), framework, view=view)
    ]


def only_placement(placements: Sequence[Placement], device: str, use: str | None) -> Placement:
    """The one placement that is meant.

    Raises:
        Absent: ``risk.not-placed``. Malformed: ``risk.use-needed``.
    """
    found = [p for p in placements if use is None or p.use == use]
    if not found:
        raise Absent(
            "risk.not-placed",
            f"{device} is not placed" + (f" in the use {use[:80]}" if use else ""),
            hint="kizuna risk place DEVICE --use USE --level AXIS=LEVEL",
            device=device,
        )
    if len({p.category for p in found}) > 1:
        uses = ", ".join(sorted({p.use for p in found}))
        raise Malformed(
            "risk.use-needed",
            f"{device} stands in several categories",
            why=f"its uses are {uses}",
            hint="name one with --use; where issuers differ, name the category with --category",
            device=device,
            uses=uses,
        )
    return found[0]


def tailored(profile: Profile, framework: Framework, category: str) -> dict[str, Any]:
    """The profile made as strict as the category asks for, and what that changed."""
    made = tailor(profile, framework, category)
    return {
        "profile": made.profile.name,
        "version": made.profile.version,
        "digest": made.profile.digest,
        "from": {"profile": profile.name, "version": profile.version, "digest": profile.digest},
        "framework": framework.name,
        "category": category,
        "changes": [
            {
                "what": c.what,
                "where": c.where,
                "before": c.before,
                "after": c.after,
                "viewpoint": c.viewpoint,
                "strength": c.strength,
            }
            for c in made.changes
        ],
        "untouched": list(made.untouched),
        "document": made.profile.document(),
    }


def plane_of(
    workspace: Workspace, framework: Framework, lang: str, *, view: View | None = None
) -> str:
    """The plane as SVG, with everything that was placed here."""
    placed = all_placements(workspace, framework, view=view)
    names = showing.names(workspace, sorted({p.device for p in placed}), view)
    return draw_plane(framework, placed, lang, names)


def shown_placements(
    workspace: Workspace, framework: Framework, lang: str, *, view: View | None = None
) -> dict[str, Any]:
    """Everything placed here and what is inconsistent about it, for doors that show it all."""
    placed = all_placements(workspace, framework, view=view)
    return {
        "framework": framework_json(framework, lang),
        "placements": [placement_json(framework, p, lang) for p in placed],
        "differences": [difference_json(framework, d, lang) for d in compare(framework, placed)],
    }


def comparison(framework: Framework, lang: str) -> dict[str, Any]:
    """The categories side by side: what each asks for from every viewpoint, the lightest first."""
    words = {s.id: in_language(s.title, lang) for s in framework.strengths}
    return {
        "framework": framework.name,
        "categories": [
            {"id": c.id, "title": in_language(c.title, lang), "share": c.share}
            for c in framework.categories
        ],
        "viewpoints": [
            {
                "id": v.id,
                "title": in_language(v.title, lang),
                "required": {
                    c.id: words.get(c.required.get(v.id, ""), "") for c in framework.categories
                },
            }
            for v in framework.viewpoints
        ],
    }


def framework_json(framework: Framework, lang: str) -> dict[str, Any]:
    """A framework, in the one shape that every door shows."""
    return {
        "name": framework.name,
        "version": framework.version,
        "digest": framework.digest,
        "title": in_language(framework.title, lang),
        "origin": in_language(framework.origin, lang),
        "axes": [
            {
                "id": a.id,
                "title": in_language(a.title, lang),
                "levels": [{"id": s.id, "title": in_language(s.title, lang)} for s in a.levels],
            }
            for a in framework.axes
        ],
        "viewpoints": [
            {"id": v.id, "title": in_language(v.title, lang), "claims": list(v.claims)}
            for v in framework.viewpoints
        ],
        "strengths": [
            {"id": s.id, "title": in_language(s.title, lang)} for s in framework.strengths
        ],
        "categories": [
            {
                "id": c.id,
                "title": in_language(c.title, lang),
                "required": dict(c.required),
                "share": c.share,
            }
            for c in framework.categories
        ],
        "plane": [list(row) for row in framework.cells],
    }


def placement_json(framework: Framework, placement: Placement, lang: str) -> dict[str, Any]:
    """A placement, in the one shape that every door shows."""
    category = framework.category(placement.category)
    return {
        "device": placement.device,
        "use": placement.use,
        "site": placement.site,
        "reason": placement.reason,
        "framework": placement.framework,
        "levels": {a.id: s for a, s in zip(framework.axes, placement.levels, strict=True)},
        "category": category.id,
        "category_title": in_language(category.title, lang),
        "required": dict(category.required),
        "in_place": dict(placement.in_place),
        "short": [
            {"what": d.what.value, "viewpoint": d.viewpoint, "has": d.has, "asked": d.asked}
            for d in shortfalls(framework, placement)
        ],
        "link_category": framework.link_category(category.id),
        "issuer": placement.issuer,
        "statement": placement.statement,
    }


def difference_json(framework: Framework, found: Difference, lang: str) -> dict[str, Any]:
    """A difference, in the one shape that every door shows."""
    other = found.other
    return {
        "what": found.what.value,
        "device": found.placement.device,
        "use": found.placement.use,
        "category": found.placement.category,
        "viewpoint": found.viewpoint,
        "viewpoint_title": in_language(framework.viewpoint(found.viewpoint).title, lang),
        "has": found.has,
        "asked": found.asked,
        "other": None
        if other is None
        else {"device": other.device, "use": other.use, "category": other.category},
    }


def planned(
    framework: Framework,
    device: str,
    use: str,
    levels: Mapping[str, str],
    **words: Any,  # noqa: ANN401 - handed on to ``place`` as they are
) -> Placement:
    """A placement from what a person gave: the levels by axis.

    Raises:
        Malformed: ``risk.axis-unknown``, ``risk.axis-missing``, ``risk.use-name``, and ``place``'s.
    """
    axes = [a.id for a in framework.axes]
    for axis in levels:
        if axis not in axes:
            raise Malformed(
                "risk.axis-unknown",
                f"{framework.name} has no axis {axis[:60]!r}",
                why=f"its axes are {', '.join(axes)}",
                hint=f"give --level {axes[0]}=… and --level {axes[1]}=…",
                axis=axis[:60],
                known=", ".join(axes),
            )
    for axis in axes:
        if axis not in levels:
            raise Malformed(
                "risk.axis-missing",
                f"where on the axis {axis} does it stand?",
                hint=f"give --level {axis}=…",
                axis=axis,
            )
    return place(
        framework,
        canonical(device),
        checked_use(use),
        (levels[axes[0]], levels[axes[1]]),
        **words,
    )


def checked_use(use: str) -> str:
    """A use that can stand in a claim type.

    Raises:
        Malformed: ``risk.use-name``.
    """
    good = use.replace("-", "").replace(".", "").replace("_", "")
    if not (good.isascii() and good.isalnum() and use[0].isalnum() and len(use) <= 100):
        raise Malformed(
            "risk.use-name",
            f"not a short name for a use: {use[:60]!r}",
            why="it becomes part of the claim's type",
            hint="write letters, digits and hyphens, e.g. `hvac-operating-theatre`",
            use=use[:60],
        )
    return use


def _folder(settings: Settings, name: str) -> Path:
    return settings.store / "risk" / name


def _files(settings: Settings) -> list[Path]:
    folder = _folder(settings, "frameworks")
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _kept(path: Path) -> Framework:
    return framework_of(msgspec.json.decode(read_file(path, limit=_READ)), path.stem)
