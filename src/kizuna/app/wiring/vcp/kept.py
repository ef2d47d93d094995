# SPDX-License-Identifier: Apache-2.0
"""Processes of a store, kept by name.

Keeps: 1. A process is a signed norm; the folder is derived from it. 2. One organisation's process
never takes the place of another's of the same name.

::

    processes/NAME.json    the registered norm's document, its owner and its digest
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from kizuna.app.wiring.files import read_file
from kizuna.app.wiring.folder import write_whole
from kizuna.criteria.process import Process, is_bpmn, process_of, read_bpmn, read_process
from kizuna.model.errors import Absent, Malformed, Refused
from kizuna.model.identifier import SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings

__all__ = [
    "Kept",
    "find_process",
    "keep",
    "kept_as",
    "named_process",
    "own_name",
    "processes_of",
    "source_of",
    "stem_of",
]

_READ: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A process as it can be named here; ``owner`` is empty for a file that nobody signed yet."""

    process: Process
    owner: str
    statement: str

    def registered_by(self) -> SubjectId:
        """Who registered it.

        Raises:
            Refused: ``vcp.not-registered``.
        """
        if not self.owner:
            name = self.process.name
            raise Refused(
                "vcp.not-registered",
                f"the process {name} was not registered",
                why="what is expected at its points must be about a process that everybody can "
                "read",
                hint="`kizuna vcp import FILE` registers it",
                name=name,
            )
        return SubjectId(self.owner)


def processes_of(settings: Settings) -> list[Kept]:
    """Every process of the store, by name."""
    return [_kept(path) for path in _files(settings)]


def find_process(name_or_path: str | None, settings: Settings) -> Kept:
    """The process of that name, in that file, or the only one there is.

    Raises:
        Absent: ``vcp.unknown``. Malformed: ``document.*``, ``vcp.which``.
    """
    files = _files(settings)
    if name_or_path is None:
        if len(files) == 1:
            return _kept(files[0])
        if files:
            names = ", ".join(path.stem for path in files)
            raise Malformed(
                "vcp.which",
                "there are several processes here",
                why=f"they are {names}",
                hint="name one",
                names=names,
            )
    else:
        for path in files:
            if path.stem == name_or_path:
                return _kept(path)
        path = Path(name_or_path)
        if path.is_file():
            data = read_file(path, limit=_READ)
            found = read_bpmn(data, stem_of(path)).process if is_bpmn(data) else None
            return Kept(found or read_process(data, path.name), "", "")
    raise Absent(
        "vcp.unknown",
        f"no process named {(name_or_path or '')[:80]!r}" if name_or_path else "no process here",
        why=f"there are {', '.join(p.stem for p in files) or 'none'}, and no file of that name",
        hint="`kizuna vcp import FILE` takes one in; `kizuna demo` brings one along",
        name=(name_or_path or "")[:80],
    )


def named_process(name: str, settings: Settings) -> Kept:
    """The process of that name; never a file. For those who ask from afar.

    Raises:
        Absent: ``vcp.unknown``.
    """
    for found in processes_of(settings):
        if found.process.name == name:
            return found
    raise Absent(
        "vcp.unknown",
        f"no process named {name[:80]!r}",
        hint="`kizuna vcp import FILE` takes one in",
        name=name[:80],
    )


def source_of(name: str | None, process: Process) -> str:
    """The text in which a process was written, or its document as YAML."""
    path = Path(name) if name else None
    if path is not None and path.is_file():
        data = read_file(path, limit=_READ)
        if not is_bpmn(data):
            return data.decode("utf-8-sig")
    import yaml

    text: str = yaml.safe_dump(process.document(), allow_unicode=True, sort_keys=False, width=100)
    return text


def kept_as(name: str, settings: Settings) -> Kept | None:
    """The process kept under this name, if any."""
    path = _folder(settings) / f"{name}.json"
    return _kept(path) if path.is_file() else None


def keep(settings: Settings, process: Process, owner: str, statement: str) -> None:
    """Keep a registered process under its name.

    Raises:
        Refused: ``vcp.name-taken``.
    """
    folder = _folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    own_name(settings, process.name, owner)
    row = {"document": process.document(), "owner": owner, "statement": statement}
    write_whole(folder / f"{process.name}.json", msgspec.json.encode(row, order="sorted"))


def own_name(settings: Settings, name: str, owner: str) -> None:
    """One organisation's process never takes the place of another's of the same name.

    Raises:
        Refused: ``vcp.name-taken``.
    """
    before = kept_as(name, settings)
    if before is not None and before.owner != owner:
        raise Refused(
            "vcp.name-taken",
            f"{name} is the name of another organisation's process here",
            why=f"it belongs to {before.owner}",
            hint="give yours another name",
            name=name,
        )


def stem_of(path: Path) -> str:
    """A name for a process that bears none, after its file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:60] or "process"


def _folder(settings: Settings) -> Path:
    return settings.store / "processes"


def _files(settings: Settings) -> list[Path]:
    folder = _folder(settings)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _kept(path: Path) -> Kept:
    row = msgspec.json.decode(read_file(path, limit=_READ))
    return Kept(process_of(row["document"], path.stem), row["owner"], row["statement"])
