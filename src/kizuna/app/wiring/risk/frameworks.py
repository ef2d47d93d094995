# SPDX-License-Identifier: Apache-2.0
"""Risk frameworks of a store: shipped with the product, one's own, or in a file.

Keeps: a framework of one's own is registered as a signed norm before anything is placed by it, so
that a placement never names a table nobody can read.

::

    risk/frameworks/NAME.json    own frameworks, as they were registered
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.files import read_file
from kizuna.app.wiring.folder import write_whole
from kizuna.criteria.risk import (
    FRAMEWORKS,
    Framework,
    framework_of,
    framework_source,
    read_framework,
    shipped_framework,
)
from kizuna.model.errors import Absent, Refused
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.workspace import Workspace

__all__ = [
    "FRAMEWORK",
    "find_framework",
    "frameworks_of",
    "is_kept",
    "keep_framework",
    "named_framework",
    "source_of",
]

FRAMEWORK: Final = "risk-framework"
"""The type of the norm statement that carries a framework."""

_READ: Final = 1 << 20


def find_framework(name_or_path: str, settings: Settings) -> Framework:
    """The framework of that name, or in that file.

    Raises:
        Absent: ``risk.framework-unknown``. Malformed: ``document.*``, ``risk.table``.
    """
    if name_or_path in FRAMEWORKS:
        return shipped_framework(name_or_path)
    kept = _own(settings) / f"{name_or_path}.json"
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
    folder = _own(workspace.settings)
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


def is_kept(framework: Framework, settings: Settings) -> bool:
    """Whether everybody can read this very framework: it is shipped, or was registered here."""
    if framework.name in FRAMEWORKS:
        return True
    kept = _own(settings) / f"{framework.name}.json"
    return kept.is_file() and _kept(kept).digest == framework.digest


def _own(settings: Settings) -> Path:
    return settings.store / "risk" / "frameworks"


def _files(settings: Settings) -> list[Path]:
    folder = _own(settings)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _kept(path: Path) -> Framework:
    return framework_of(msgspec.json.decode(read_file(path, limit=_READ)), path.stem)
