# SPDX-License-Identifier: Apache-2.0
"""Mappings of a store.

Keeps: 1. What is registered is proposed, unless this organisation says that it accepts it. 2. A
mapping that points nowhere, or between catalogs that are not at hand, is refused and the last good
one stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.criteria.catalogs import catalogs_of, find_catalog, kept_folder
from kizuna.app.wiring.files import read_file
from kizuna.app.wiring.folder import write_whole
from kizuna.criteria.catalogs import (
    MAPPING,
    SHIPPED_CATALOGS,
    SHIPPED_MAPPINGS,
    Mapping,
    checked_name,
    read_mapping,
    read_oscal_mappings,
    shipped_mapping,
    write_oscal_mapping,
)
from kizuna.model.errors import Refused, Tampered
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Norm

if TYPE_CHECKING:
    from kizuna.app.wiring.settings import Settings
    from kizuna.app.wiring.speaking import Organisation

__all__ = [
    "find_mapping",
    "kept_mapping",
    "mapping_json",
    "mappings_of",
    "oscal_of",
    "register_mappings",
]

_READ: Final = 32 << 20


def register_mappings(
    organisation: Organisation, data: bytes | str, *, accept: bool
) -> list[dict[str, Any]]:
    """Read our YAML or an OSCAL mapping collection; register what it holds.

    Args:
        organisation: who registers it.
        data: the file, or the name of a mapping at hand.
        accept: whether this organisation accepts it.

    Raises:
        Malformed: ``mapping.malformed``, ``mapping.points-nowhere``. Absent: ``catalog.unknown``.
        Refused: ``mapping.shipped``.
    """
    settings = organisation.settings
    if isinstance(data, str):
        found = [find_mapping(data, settings)]
    elif data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"<"):
        known = [*SHIPPED_CATALOGS, *(c.id for c, _ in catalogs_of(settings))]
        found = list(read_oscal_mappings(data, known))
    else:
        found = [read_mapping(data)]
    chosen = [m.with_acceptance(accepted=True) if accept else _proposed(m) for m in found]
    for mapping in chosen:  # all of them before the first is registered
        checked_name(mapping.name)
        if mapping.name in SHIPPED_MAPPINGS and not accept:
            raise Refused(
                "mapping.shipped",
                f"{mapping.name} comes with the product and stays as it is",
                why="it is a proposal already",
                hint="accept it with --accept, or give yours another name",
                name=mapping.name,
            )
        mapping.check_ends(
            find_catalog(mapping.origin, settings), find_catalog(mapping.goal, settings)
        )
    return [
        _register(organisation, mapping)
        | {
            "withdrawn": [
                {"catalog": name, "control": control.short, "replaced_by": control.replaced_by}
                for name, control in mapping.withdrawn_ends(
                    find_catalog(mapping.origin, settings), find_catalog(mapping.goal, settings)
                )
            ]
        }
        for mapping in chosen
    ]


def find_mapping(name: str, settings: Settings) -> Mapping:
    """A mapping by name: kept in the store, or shipped.

    Raises:
        Absent: ``mapping.unknown``.
    """
    return kept_mapping(name, settings) or shipped_mapping(name)


def kept_mapping(name: str, settings: Settings) -> Mapping | None:
    """A mapping of the store's own; None where it has none of this name."""
    kept = _folder(settings) / f"{checked_name(name)}.json"
    return _from_file(kept) if kept.is_file() else None


def mappings_of(settings: Settings) -> list[tuple[Mapping, str]]:
    """Every mapping that can be named and where it is from; the store's own go before."""
    folder = _folder(settings)
    kept = [_from_file(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    own = {m.name for m in kept}
    shipped = [(shipped_mapping(n), "shipped") for n in SHIPPED_MAPPINGS if n not in own]
    return [*((m, "store") for m in kept), *shipped]


def mapping_json(mapping: Mapping, origin: str, lang: str) -> dict[str, Any]:
    """One mapping, in the one shape that every door shows."""
    return {
        "name": mapping.name,
        "version": mapping.version,
        "title": mapping.title.get(lang) or mapping.title.get("en") or mapping.name,
        "from": mapping.origin,
        "to": mapping.goal,
        "source": mapping.source,
        "ties": len(mapping.ties),
        "accepted": mapping.accepted,
        "status": "accepted" if mapping.accepted == len(mapping.ties) else "proposed",
        "origin": origin,
    }


def oscal_of(mapping: Mapping, settings: Settings) -> bytes:
    """A mapping as an OSCAL file.

    Raises:
        Absent: ``catalog.unknown`` where one of its catalogs is not at hand.
    """
    made = write_oscal_mapping(
        mapping,
        find_catalog(mapping.origin, settings),
        find_catalog(mapping.goal, settings),
        now=settings.clock(),
    )
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def _register(organisation: Organisation, mapping: Mapping) -> dict[str, Any]:
    norm = Norm(
        type=MAPPING,
        name=mapping.name,
        version=mapping.version,
        document=mapping.document(),
        title=mapping.title.get("en"),
    )
    subject = canonical(f"{organisation.identity}/mappings/{mapping.name}")
    signed = organisation.say(Kind.NORM, subject, norm)
    digest, index = organisation.register_one(signed.statement, signed.documents)
    folder = _folder(organisation.settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(folder / f"{mapping.name}.json", msgspec.json.encode(mapping.document()))
    return mapping_json(mapping, "store", "en") | {
        "subject": subject,
        "statement": digest,
        "index": index,
    }


def _proposed(mapping: Mapping) -> Mapping:
    return mapping.with_acceptance(accepted=False)


def _folder(settings: Settings) -> Path:
    return kept_folder(settings) / "mappings"


def _from_file(path: Path) -> Mapping:
    data = read_file(path, limit=_READ)
    try:
        return Mapping.from_document(msgspec.json.decode(data))
    except msgspec.DecodeError as fault:
        raise Tampered(
            "mapping.kept-changed",
            f"{path.name} is not what was kept",
            why=str(fault)[:200],
            hint="register the mapping again; the registered norm is in the log",
            name=path.stem,
        ) from fault
