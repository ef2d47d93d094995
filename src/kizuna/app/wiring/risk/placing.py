# SPDX-License-Identifier: Apache-2.0
"""Where devices stand on the plane of risk: placed by signed claims, found again by use.

Keeps: a placement is a signed claim about the device; the folder only remembers which devices were
placed, and can be made again from the log.

::

    risk/placed/SHA256           identifiers of devices that were placed here
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.risk.frameworks import is_kept
from kizuna.criteria.risk import Framework, Placement, claim_of, is_placement, place, placement_of
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Level, Link, Links
from kizuna.model.relation import Relation

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.speaking import Organisation
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store import View

__all__ = [
    "all_placements",
    "checked_use",
    "only_placement",
    "place_device",
    "placements_of",
    "planned",
]

_MOST: Final = 10_000


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
    if not is_kept(framework, settings):
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
    folder = _placed(settings)
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
    folder = _placed(workspace.settings)
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


def _placed(settings: Settings) -> Path:
    return settings.store / "risk" / "placed"
