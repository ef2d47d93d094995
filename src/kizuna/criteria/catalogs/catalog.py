# SPDX-License-Identifier: Apache-2.0
"""Catalogs: the controls that a standard names, without its text.

Keeps: 1. Identifiers, titles and order are the publisher's own, taken as they are. 2. A withdrawn
control stays known, with what took its place, and is never asked of anyone. 3. A catalog's document
holds no text of a control: text is read from the publisher's file, which the user has.

Example:
    >>> c = Catalog(id="x", title="X", version="1", controls=(Control(id="A-1", title="Do it"),))
    >>> c.find("a-1").title, c.active, c.withdrawn
    ('Do it', 1, 0)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from kizuna.model.errors import Absent, Malformed

__all__ = ["MAX_CONTROLS", "Catalog", "Control", "Parameter"]

MAX_CONTROLS: Final = 20_000
_PADDED: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")
_BRACKETED: Final = re.compile(r"\(([^()]{1,40})\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A blank in a control that whoever tailors it fills in."""

    id: str
    label: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control, requirement, category or subcategory."""

    id: str
    title: str
    label: str = ""
    """How people write it; the id where the publisher gives no other."""
    kind: str = ""
    """The publisher's class, e.g. ``SP800-53-enhancement``."""
    group: tuple[str, ...] = ()
    """Titles of the groups above it, outermost first."""
    parent: str | None = None
    withdrawn: bool = False
    replaced_by: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The title in further languages, where somebody wrote one."""

    def named(self, lang: str) -> str:
        """The title in a language, else as its publisher wrote it."""
        return self.titles.get(lang, self.title)

    @property
    def short(self) -> str:
        """The shortest name that people use: ``03.01.16`` of ``Wireless Access (03.01.16)``."""
        found = _BRACKETED.search(self.label)
        return found[1] if found else self.label or self.id


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """One version of one catalog."""

    id: str
    """Name that mappings and profiles use, e.g. ``nist-csf-2.0``."""
    title: str
    version: str
    controls: tuple[Control, ...]
    source: str = ""
    """SHA-256 (hexadecimal) of the file it was read from; empty for one that was typed in."""
    note: str = ""

    def __post_init__(self) -> None:
        if not self.controls or len(self.controls) > MAX_CONTROLS:
            raise malformed(f"it has {len(self.controls)} controls; 1 to {MAX_CONTROLS} are read")
        seen: set[str] = set()
        for control in self.controls:
            if not control.id or control.id in seen:
                raise malformed(f"the id {control.id[:80]!r} stands twice, or is empty")
            seen.add(control.id)

    @property
    def active(self) -> int:
        """How many controls are in force."""
        return sum(not c.withdrawn for c in self.controls)

    @property
    def withdrawn(self) -> int:
        """How many were withdrawn."""
        return len(self.controls) - self.active

    @cached_property
    def _names(self) -> Mapping[str, Control]:
        out: dict[str, Control] = {}
        for control in self.controls:
            for name in (control.id, control.label, control.short):
                if name:
                    out.setdefault(_plain(name), control)
        return out

    def find(self, name: str) -> Control:
        """A control by its id, label or short name; letter case and leading zeros do not matter.

        Raises:
            Absent: ``catalog.no-such-control``.
        """
        found = self._names.get(_plain(name))
        if found is None:
            raise Absent(
                "catalog.no-such-control",
                f"{self.id} has no control {name[:80]!r}",
                hint=f"`kizuna catalog show {self.id}` lists them",
                control=name[:80],
                catalog=self.id,
            )
        return found

    def within(self, name: str) -> tuple[Control, ...]:
        """The controls in force that a name stands for: itself, or all of a family (``03.04``).

        Raises:
            Absent: ``catalog.no-such-control``.
        """
        found = self._names.get(_plain(name))
        if found is not None:
            return (found,)
        stem = _plain(name)
        family = tuple(
            c
            for c in self.controls
            if not c.withdrawn and _plain(c.short).startswith((f"{stem}.", f"{stem}-"))
        )
        return family or (self.find(name),)

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._names

    def document(self) -> dict[str, Any]:
        """The form in which a catalog is signed and registered (a ``norm`` of type ``catalog``)."""
        return {
            "title": self.title,
            "source": self.source,
            "note": self.note,
            "controls": [_row(c) for c in self.controls],
        }

    @staticmethod
    def from_document(name: str, version: str, document: Mapping[str, Any]) -> Catalog:
        """A catalog from its registered form.

        Raises:
            Malformed: ``catalog.malformed``.
        """
        rows = document.get("controls")
        if not isinstance(rows, list):
            raise malformed("no list of controls")
        return Catalog(
            id=name,
            title=_text(document, "title"),
            version=version,
            controls=tuple(_control(row) for row in rows),
            source=_text(document, "source"),
            note=_text(document, "note"),
        )


def _row(control: Control) -> dict[str, Any]:
    row: dict[str, Any] = {"id": control.id, "title": control.title}
    row |= {"label": control.label} if control.label else {}
    row |= {"class": control.kind} if control.kind else {}
    row |= {"group": list(control.group)} if control.group else {}
    row |= {"parent": control.parent} if control.parent else {}
    row |= {"withdrawn": True} if control.withdrawn else {}
    row |= {"replaced_by": list(control.replaced_by)} if control.replaced_by else {}
    row |= {"titles": dict(control.titles)} if control.titles else {}
    if control.parameters:
        row["parameters"] = [
            {"id": p.id, "label": p.label, "choices": list(p.choices)} for p in control.parameters
        ]
    return row


def _control(row: object) -> Control:
    if not isinstance(row, dict):
        raise malformed("a control is a map")
    parameters = row.get("parameters", [])
    if not isinstance(parameters, list) or not all(isinstance(p, dict) for p in parameters):
        raise malformed("parameters is a list of maps")
    titles = row.get("titles", {})
    if not isinstance(titles, dict) or not all(isinstance(t, str) for t in titles.values()):
        raise malformed("titles are words by language")
    return Control(
        id=_text(row, "id"),
        title=_text(row, "title"),
        label=_text(row, "label"),
        kind=_text(row, "class"),
        group=_words(row, "group"),
        parent=_text(row, "parent") or None,
        withdrawn=row.get("withdrawn") is True,
        replaced_by=_words(row, "replaced_by"),
        parameters=tuple(
            Parameter(id=_text(p, "id"), label=_text(p, "label"), choices=_words(p, "choices"))
            for p in parameters
        ),
        titles=titles,
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    if not isinstance(value, str):
        raise malformed(f"{name} is text")
    return value


def _words(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise malformed(f"{name} is a list of words")
    return tuple(value)


def _plain(name: str) -> str:
    """One spelling of a control's name: ``AC-01`` and ``ac-1`` are one."""
    return _PADDED.sub("", name.strip().casefold())


def malformed(why: str) -> Malformed:
    """The problem of a catalog that cannot be read."""
    return Malformed(
        "catalog.malformed",
        f"the catalog cannot be read: {why}",
        why=why,
        hint="get the file again from its publisher; OSCAL (JSON, XML) and CSV are read",
        fault=why[:200],
    )
