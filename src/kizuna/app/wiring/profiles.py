# SPDX-License-Identifier: Apache-2.0
"""Finding a profile: by the name of a shipped one, from the store's folder, or from a file.

Keeps: 1. A profile comes from the one who judges. Judging needs no store, so neither does this.
2. A version that was published stays as it was, under ``NAME@VERSION``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from kizuna.app.wiring.files import read_file
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.profiles import SHIPPED, Profile, read_profile, shipped_profile, shipped_source
from kizuna.model.errors import Absent, Refused
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner

__all__ = [
    "available",
    "every_profile",
    "find_profile",
    "keep_profile",
    "kept_folder",
    "read_profile",
    "read_text",
    "refuse_taken",
    "source_of",
]

_LIMIT = 4 << 20


def kept_folder(settings: Settings) -> Path:
    """Where the store's own profiles are kept."""
    return settings.store / "profiles"


def available(settings: Settings) -> list[dict[str, Any]]:
    """Every profile that can be named, shipped ones first."""
    rows = [_row(shipped_profile(name), "shipped") for name in SHIPPED]
    folder = kept_folder(settings)
    if folder.is_dir():
        rows += [_row(_from_file(file), "store") for file in sorted(folder.glob("*.json"))]
    return rows


def every_profile(settings: Settings) -> list[Profile]:
    """The profiles themselves, shipped ones first."""
    kept = sorted(kept_folder(settings).glob("*.json"))
    return [*(shipped_profile(name) for name in SHIPPED), *(_from_file(file) for file in kept)]


def find_profile(name_or_path: str, settings: Settings, *, above: tuple[str, ...] = ()) -> Profile:
    """The profile of that name (``NAME@VERSION`` for an earlier version), or in that file.

    Raises:
        Absent: ``profile.unknown``. Malformed: ``profile.*`` with the line that is wrong.
        Refused: ``profile.loosens``, ``profile.extends-version``.
    """
    if name_or_path in SHIPPED:
        return shipped_profile(name_or_path)
    kept = kept_folder(settings) / f"{name_or_path}.json"
    if "/" not in name_or_path and kept.is_file():
        return _from_file(kept)
    name, _, version = name_or_path.partition("@")
    kept = _version_file(name, version, settings)
    if version and kept.is_file():
        return _from_file(kept)
    path = Path(name_or_path)
    if path.is_file():
        return read_text(read_file(path, limit=_LIMIT), str(path), settings, above=above)
    known = [*SHIPPED, *(p.stem for p in sorted(kept_folder(settings).glob("*.json")))]
    raise Absent(
        "profile.unknown",
        f"no profile named {name_or_path[:80]!r}",
        why=f"there are {', '.join(known)}, and no file of that name",
        hint="`kizuna profile list` shows the names; a file is given by its path",
        name=name_or_path[:80],
        known=", ".join(known),
    )


def read_text(
    data: bytes, name: str, settings: Settings, *, above: tuple[str, ...] = ()
) -> Profile:
    """A profile document, and what it extends: by name, or by a path beside it.

    Raises:
        Absent: ``profile.unknown``. Malformed: ``profile.*`` with the line that is wrong.
        Refused: ``profile.loosens``, ``profile.extends-version``.
    """
    if b"extends" not in data and b"loosens" not in data and b"drop" not in data:
        return read_profile(data, Path(name).name)
    from kizuna.criteria.profiles.inheritance import read_inheriting

    def parent(wanted: str, asked_by: tuple[str, ...]) -> Profile:
        beside = Path(name).parent / wanted
        near = wanted not in SHIPPED and beside.is_file()
        return find_profile(str(beside) if near else wanted, settings, above=asked_by)

    return read_inheriting(data, name, parent, above)


def refuse_taken(profile: Profile, settings: Settings) -> None:
    """Refuse other contents under a version that was published.

    Raises:
        Refused: ``profile.version-taken``.
    """
    kept = _version_file(profile.name, profile.version, settings)
    if kept.is_file() and _from_file(kept).digest != profile.digest:
        raise Refused(
            "profile.version-taken",
            f"{profile.name} {profile.version} was published with other contents",
            why="whoever judges by that version must find what they judged by",
            hint="give the profile a new version",
            name=profile.name,
            version=profile.version,
        )


def keep_profile(profile: Profile, settings: Settings) -> None:
    """Remember a published version for good."""
    from kizuna.app.wiring.folder import write_whole

    kept = _version_file(profile.name, profile.version, settings)
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(kept, profile.canonical_bytes())


def publish_profile(workspace: Owner, profile: Profile) -> dict[str, Any]:
    """Register a profile as a signed norm, and keep it under its name."""
    from kizuna.app.wiring.folder import write_whole
    from kizuna.criteria.profiles import to_norm

    refuse_taken(profile, workspace.settings)
    subject = canonical(f"{workspace.identity}/profiles/{profile.name}")
    digest, index = workspace.register_one(workspace.sign(Kind.NORM, subject, to_norm(profile)))
    if profile.name not in SHIPPED:
        folder = kept_folder(workspace.settings)
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / f"{profile.name}.json", profile.canonical_bytes())
    keep_profile(profile, workspace.settings)
    return {
        "name": profile.name,
        "version": profile.version,
        "digest": profile.digest,
        "subject": subject,
        "statement": digest,
        "index": index,
    }


def _version_file(name: str, version: str, settings: Settings) -> Path:
    file = quote(f"{name}@{version}", safe="@+") + ".json"
    return kept_folder(settings) / "versions" / file


def source_of(name: str, profile: Profile) -> str:
    """The text in which a profile was written, or its document as JSON."""
    if name in SHIPPED:
        return shipped_source(name).decode()
    path = Path(name)
    if path.is_file():
        return read_file(path, limit=_LIMIT).decode()
    import msgspec

    return msgspec.json.format(profile.canonical_bytes(), indent=2).decode()


def _from_file(path: Path) -> Profile:
    return read_profile(read_file(path, limit=_LIMIT), path.name)


def _row(profile: Profile, origin: str) -> dict[str, Any]:
    return {
        "name": profile.name,
        "version": profile.version,
        "title": dict(profile.title),
        "about": dict(profile.about),
        "digest": profile.digest,
        "requirements": len(profile.requirements),
        "origin": origin,
    }
