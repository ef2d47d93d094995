# SPDX-License-Identifier: Apache-2.0
"""Catalogs of a store: imported, registered as signed norms, found again by name.

Keeps: 1. What is registered holds no text of any control; the publisher's file lies beside, named
by its hash, and is read when somebody asks for the text. 2. A file that cannot be read changes
nothing: the last good catalog stays. 3. The folder is derived: each of its catalogs is a norm in
the log.

::

    catalogs/NAME.json          the registered norm's members
    catalogs/sources/SHA256     the file it was read from
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from kizuna.app.wiring.files import read_file
from kizuna.app.wiring.folder import write_whole
from kizuna.criteria.catalogs import (
    SHIPPED_CATALOGS,
    Catalog,
    Control,
    checked_name,
    checked_version,
    read_catalog,
    shipped_catalog,
    wording_of,
)
from kizuna.model.errors import Absent, Refused, Tampered
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Norm, encode_payload

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.values import Signed
    from kizuna.model.identifier import Digest, SubjectId

__all__ = [
    "CATALOG",
    "CERTIFICATES",
    "catalog_text",
    "catalogs_of",
    "control_json",
    "find_catalog",
    "import_catalog",
    "kept_folder",
    "source_of",
]

CATALOG: Final = "catalog"
"""The type of the norm statement that carries a catalog."""

CERTIFICATES: Final = "certificates"
"""The catalog whose controls are the kinds of certificate: mappings lead from them to controls."""

_INLINE: Final = 1 << 20
_READ: Final = 32 << 20


class _Author(Protocol):
    """Who registers catalogs: the owner of a store."""

    settings: Settings
    identity: SubjectId

    def say_document(
        self, media_type: str, subject: SubjectId, document: bytes, *, by_hash: bool = False
    ) -> Signed:
        """One signed document."""

    def register_one(
        self, statement: bytes, documents: Mapping[Digest, bytes] | None = None
    ) -> tuple[str, int]:
        """Register one statement."""


def kept_folder(settings: Settings) -> Path:
    """Where the store's own catalogs are kept."""
    return settings.store / "catalogs"


def import_catalog(
    workspace: _Author,
    data: bytes,
    *,
    name: str | None = None,
    title: str | None = None,
    version: str = "1",
    stem: str | None = None,
) -> dict[str, Any]:
    """Read a catalog, register it, keep its file beside.

    Raises:
        Malformed: ``catalog.malformed``, ``catalog.name``. Refused: ``catalog.shipped``.
    """
    catalog = read_catalog(data, name=name, title=title or stem, version=version)
    checked_name(catalog.id)
    if catalog.id in (*SHIPPED_CATALOGS, CERTIFICATES):
        raise Refused(
            "catalog.shipped",
            f"{catalog.id} comes with the product and stays as it is",
            why="a mapping that names it must mean the same everywhere",
            hint="give yours another name with --name",
            name=catalog.id,
        )
    norm = Norm(
        type=CATALOG,
        name=catalog.id,
        version=checked_version(catalog.version),
        document=catalog.document(),
        title=catalog.title[:4000],
    )
    folder = kept_folder(workspace.settings)
    (folder / "sources").mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / f"{catalog.id}.json"
    told = {
        "name": catalog.id,
        "title": catalog.title,
        "version": norm.version,
        "controls": len(catalog.controls),
        "active": catalog.active,
        "withdrawn": catalog.withdrawn,
        "source": catalog.source,
    }
    canonical_norm = encode_payload(norm)
    if kept.is_file():
        before = msgspec.json.decode(kept.read_bytes())
        if sha256(canonical_norm).hexdigest() == before.get("norm_sha256"):
            return told | {"statement": before["statement"], "unchanged": True}
    subject = canonical(f"{workspace.identity}/catalogs/{catalog.id}")
    signed = workspace.say_document(
        media_type_of(Kind.NORM), subject, canonical_norm, by_hash=len(canonical_norm) > _INLINE
    )
    digest, index = workspace.register_one(signed.statement, signed.documents)
    write_whole(folder / "sources" / catalog.source, data)
    row = {
        "name": catalog.id,
        "version": catalog.version,
        "document": norm.document,
        "statement": digest,
        "norm_sha256": sha256(canonical_norm).hexdigest(),
    }
    write_whole(kept, msgspec.json.encode(row, order="sorted"))
    return told | {"subject": subject, "statement": digest, "index": index, "unchanged": False}


def find_catalog(name: str, settings: Settings) -> Catalog:
    """A catalog by name: shipped, or kept in the store.

    Raises:
        Absent: ``catalog.unknown``. Malformed: ``catalog.malformed``.
    """
    if name in SHIPPED_CATALOGS:
        return shipped_catalog(name)
    if name == CERTIFICATES:
        return _kinds()
    kept = kept_folder(settings) / f"{checked_name(name)}.json"
    if kept.is_file():
        return _from_file(kept)
    known = [*SHIPPED_CATALOGS, *(p.stem for p in _files(settings))]
    raise Absent(
        "catalog.unknown",
        f"no catalog named {name[:80]!r}",
        why=f"there are {', '.join(known)}",
        hint="`kizuna catalog list` prints the names; `kizuna catalog import FILE` adds one",
        name=name[:80],
    )


def catalogs_of(settings: Settings) -> list[tuple[Catalog, str]]:
    """Every catalog that can be named and where it is from, shipped ones first."""
    shipped = [(shipped_catalog(name), "shipped") for name in SHIPPED_CATALOGS]
    return shipped + [(_from_file(path), "store") for path in _files(settings)]


def source_of(catalog: Catalog, settings: Settings) -> bytes | None:
    """The publisher's file that a catalog was read from; None where there is none.

    Raises:
        Tampered: ``catalog.source-changed``.
    """
    if not catalog.source:
        return None
    path = kept_folder(settings) / "sources" / catalog.source
    if not path.is_file():
        return None
    data = read_file(path, limit=_READ * 2)
    if sha256(data).hexdigest() != catalog.source:
        raise Tampered(
            "catalog.source-changed",
            f"the file of {catalog.id} is not the one that was imported",
            why="its hash is another than the one that was registered",
            hint="get the file again from its publisher and import it",
            name=catalog.id,
        )
    return data


def catalog_text(catalog: Catalog, control: str, settings: Settings) -> list[str]:
    """The lines of a control's text from the user's own file; none where there is no file."""
    data = source_of(catalog, settings)
    return [] if data is None else wording_of(catalog, control, data)


def control_json(control: Control, lang: str) -> dict[str, Any]:
    """One control, in the one shape that every door shows."""
    return {
        "id": control.id,
        "short": control.short,
        "title": control.named(lang),
        "class": control.kind,
        "group": list(control.group),
        "parent": control.parent,
        "withdrawn": control.withdrawn,
        "replaced_by": list(control.replaced_by),
        "parameters": [
            {"id": p.id, "label": p.label, "choices": list(p.choices)} for p in control.parameters
        ],
    }


def _kinds() -> Catalog:
    """The kinds of certificate that are known, as a catalog."""
    from kizuna.criteria.certificates import shipped_types

    return Catalog(
        id=CERTIFICATES,
        title="Kinds of certificate",
        version="1",
        controls=tuple(
            Control(id=name, title=one.title["en"], group=(one.id,), titles=dict(one.title))
            for one in shipped_types()
            for name in one.types
        ),
    )


def _files(settings: Settings) -> list[Path]:
    folder = kept_folder(settings)
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _from_file(path: Path) -> Catalog:
    data = read_file(path, limit=_READ)
    try:
        row = msgspec.json.decode(data)
        return Catalog.from_document(row["name"], row["version"], row["document"])
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as fault:
        raise Tampered(
            "catalog.kept-changed",
            f"{path.name} is not what was kept",
            why=str(fault)[:200],
            hint="import the publisher's file again; the registered norm is in the log",
            name=path.stem,
        ) from fault
