# SPDX-License-Identifier: Apache-2.0
"""OSCAL profiles at the doors: resolved with the catalogs at hand, taken in, given out.

Keeps: 1. Nothing is fetched: what a profile imports is a catalog of the store, one that ships, or
a file that the caller names. 2. A reference that fits nothing is refused by name. 3. Whoever names
one catalog says that it stands for whatever is imported; that is told in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.criteria.catalogs import catalogs_of, find_catalog, source_of
from kizuna.app.wiring.profiles import find_profile
from kizuna.criteria.catalogs import Catalog, oscal_shape, read_yaml, shape_of, short_name
from kizuna.criteria.profiles.oscal_exchange import from_oscal, to_oscal
from kizuna.criteria.profiles.oscal_resolve import Resolved, resolve_profile
from kizuna.criteria.profiles.oscal_tailor import tailored
from kizuna.model.errors import Absent, Malformed

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.criteria.profiles import Profile

__all__ = ["export_oscal", "import_oscal", "resolve_oscal", "to_yaml"]

_SUFFIXES: Final = (".json", ".xml", ".yaml", ".yml")


def resolve_oscal(
    data: bytes, settings: Settings, sources: Sequence[tuple[str, bytes | None]] = ()
) -> tuple[Resolved, dict[str, str]]:
    """Resolve an OSCAL profile, or a tailoring in our YAML.

    Args:
        data: the profile.
        settings: where the catalogs at hand are.
        sources: what to import from: names of catalogs (no bytes), or files.

    Returns:
        What it comes to, and by reference what stood for it.

    Raises:
        Malformed: ``profile.oscal``, ``profile.import-*``, ``profile.control-absent``,
            ``profile.tailoring``. Absent: ``catalog.unknown``.
    """
    find = _Finder(settings, sources)
    document = _document(data, settings)
    resolved = resolve_profile(document, find, now=settings.clock())
    return resolved, find.used


def import_oscal(
    data: bytes,
    settings: Settings,
    sources: Sequence[tuple[str, bytes | None]] = (),
    like: Sequence[str] = (),
) -> tuple[Profile, dict[str, str], tuple[str, ...]]:
    """A profile of ours from an OSCAL profile or a tailoring; what stood for its imports; what it
    changes that is not there.

    ``like`` names profiles that already ask for some of its controls: those are asked as there.

    Raises:
        Malformed: as ``resolve_oscal``, and ``profile.*``.
    """
    document = _document(data, settings)
    try:
        return from_oscal(document), {}, ()  # one of ours brings its requirements along
    except Malformed as fault:
        if fault.code != "profile.oscal":
            raise
    find = _Finder(settings, sources)
    resolved = resolve_profile(document, find, now=settings.clock())
    known = _Known([find_profile(name, settings) for name in like], set(find.used.values()))
    return from_oscal(document, resolved, known), find.used, resolved.lost


def export_oscal(profile: Profile, settings: Settings) -> bytes:
    """A profile of ours as an OSCAL file.

    Raises:
        Malformed: ``profile.no-controls``.
    """
    catalogs = {c.id: c for c, _ in catalogs_of(settings)}
    return as_file(to_oscal(profile, catalogs, now=settings.clock()))


def as_file(document: Mapping[str, Any]) -> bytes:
    """An OSCAL document as a file."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def to_yaml(profile: Profile) -> bytes:
    """A profile in the form that people edit."""
    import yaml

    made: str = yaml.safe_dump(
        profile.document(), allow_unicode=True, sort_keys=False, width=100, default_style=None
    )
    return made.encode()


def _document(data: bytes, settings: Settings) -> dict[str, Any]:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"<"):
        return oscal_shape(data)
    if "tailor" not in read_yaml(data, "profile.tailoring"):
        raise Malformed(
            "profile.tailoring",
            "the tailoring cannot be read: neither OSCAL nor a tailoring",
            why="it has no member `tailor`",
            hint="mend that line; the guide to publishing a profile shows a worked example",
            fault="neither OSCAL nor a tailoring",
        )
    return tailored(data, now=settings.clock())


class _Known:
    """Requirements of profiles by the control that they stand for."""

    def __init__(self, profiles: Sequence[Profile], catalogs: Iterable[str]) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {}
        chosen = {"", *catalogs}
        for profile in profiles:
            rows = profile.document()["requirements"]
            for requirement, row in zip(profile.requirements, rows, strict=True):
                for named, control in requirement.controls:
                    if named in chosen:
                        self._rows.setdefault(_plain(control), []).append(row)

    def __call__(self, control: str) -> list[dict[str, Any]]:
        """The requirements that say how a control is shown."""
        return self._rows.get(_plain(control), [])


def _plain(control: str) -> str:
    """Ids of controls as catalogs compare them: case and leading zeros do not matter."""
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", control.casefold())


class _Finder:
    """Hands over what a profile imports, and remembers what stood for what."""

    def __init__(self, settings: Settings, sources: Sequence[tuple[str, bytes | None]]) -> None:
        self._settings = settings
        self._named: dict[str, dict[str, Any]] = {}
        for name, data in sources:
            self._named[_stem(name)] = self._kept(name) if data is None else oscal_shape(data)
        self.used: dict[str, str] = {}

    def __call__(self, names: Sequence[str]) -> dict[str, Any] | None:
        """The document that one of some references stands for."""
        stems = [_stem(n) for n in names]
        found = next((s for s in stems if s in self._named), None)
        if found is None:  # what nothing else stands for, the one catalog among them stands for
            catalogs = [n for n, shape in self._named.items() if "catalog" in shape]
            alone = catalogs if len(catalogs) == 1 else list(self._named)
            found = alone[0] if len(alone) == 1 else None
        if found is not None:
            self.used[names[-1]] = found
            return self._named[found]
        known = {c.id for c, _ in catalogs_of(self._settings)}
        for stem in (*stems, *(short_name(n, "") for n in names)):
            if stem in known:
                self.used[names[-1]] = stem
                return self._kept(stem)
        return None

    def _kept(self, name: str) -> dict[str, Any]:
        catalog: Catalog = find_catalog(name, self._settings)
        data = source_of(catalog, self._settings)
        if data is not None and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"<"):
            return oscal_shape(data)
        if catalog.source and data is None:
            raise Absent(
                "catalog.source-absent",
                f"the file of {catalog.id} is not here",
                why="only its identifiers were kept",
                hint="import the publisher's file again",
                name=catalog.id,
            )
        return shape_of(catalog)


def _stem(name: str) -> str:
    last = PurePosixPath(name).name or name
    for suffix in _SUFFIXES:
        last = last.removesuffix(suffix)
    return last
