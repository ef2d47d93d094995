# SPDX-License-Identifier: Apache-2.0
"""Norms that travel with a bundle: mappings, and what they must be read with.

A bundle made to be judged through mappings holds them as the signed statements that they are, with
the catalogs whose controls they tie and the profiles that say by which claims those are shown.

Keeps: 1. A norm counts for the verifier where the verifier, or who operates a list that the
verifier believes, said so; anybody else's mapping is a proposal, and anybody else's catalog or
profile is not read at all. 2. What the verifier has at hand itself goes before what travels, and
the verifier's own word before that of others. 3. A norm that was taken back is not there; nor is
one of which the bundle does not show whether it was, or whether there is a later one; nor one that
was signed by a key in somebody else's hands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.criteria.catalogs import CATALOG
from kizuna.criteria.catalogs import MAPPING, Catalog, Mapping
from kizuna.criteria.profiles import SHIPPED, from_norm
from kizuna.criteria.profiles.reader import NORM_TYPE
from kizuna.model.errors import Malformed, Problem
from kizuna.model.identifier import Digest, SubjectId, canonical
from kizuna.model.payload import Action, Norm, Status

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner
    from kizuna.chain.exchange import BundleEvidence
    from kizuna.criteria.profiles import Profile
    from kizuna.model.statement import Registered
    from kizuna.model.trust import Anchors

__all__ = ["Norms", "keys_of_norms", "norms_in"]

_PLACES: Final = {MAPPING: "mappings", CATALOG: "catalogs", NORM_TYPE: "profiles"}
_MOST: Final = 2_000


@dataclass(slots=True)
class Norms:
    """What travelled and may be read, by name."""

    mappings: dict[str, Mapping] = field(default_factory=dict)
    catalogs: dict[str, Catalog] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    whose: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Of each mapping who said so, and whether that counts for the verifier."""


def keys_of_norms(workspace: Owner, profile: Profile, through: Sequence[str]) -> list[bytes]:
    """The keys under which the norms stand that a profile is read with through mappings, and
    whatever was done to them.

    Raises:
        Absent: ``mapping.unknown``, ``catalog.unknown``.
    """
    from kizuna.app.wiring.criteria.mappings import find_mapping
    from kizuna.app.wiring.profiles import every_profile
    from kizuna.record.log.keys import statement_key, subject_key

    mappings = [find_mapping(name, workspace.settings) for name in dict.fromkeys(through)]
    ends = {end for one in mappings for end in (one.origin, one.goal)}
    asking = [
        one.name
        for one in every_profile(workspace.settings)
        if one.name not in SHIPPED
        and one.digest != profile.digest
        and any(named in ("", *ends) for r in one.requirements for named, _ in r.controls)
    ]
    names = [
        *((_PLACES[MAPPING], one.name) for one in mappings),
        *((_PLACES[CATALOG], end) for end in sorted(ends)),
        *((_PLACES[NORM_TYPE], name) for name in asking),
    ]
    subjects = [canonical(f"{workspace.identity}/{place}/{name}") for place, name in names]
    keys = [subject_key(subject) for subject in subjects]
    found = workspace.store.reader().by_keys(keys)
    rows = [row for listed in found.values() for row in listed]
    return [*keys, *(statement_key(row.statement.digest) for row in rows)]


def norms_in(evidence: BundleEvidence, anchors: Anchors) -> Norms:
    """The norms that a bundle proves and that are not taken back."""
    believed = {anchors.verifier, *(found.operator for found in anchors.lists)} - {None}
    rows = [row for page in evidence.all() for row in page if _is_norm(row)]
    heard = [row for row in rows if row.statement.issuer in believed]
    proposed = [row for row in rows if row.statement.issuer not in believed]
    # no number of norms pushes the newest out, or a stranger's one that counts
    taken = [*_newest(proposed), *_newest(heard)]
    found = Norms()
    standing = _standing(evidence, anchors, taken, {row.statement.digest for row in heard})
    for row in sorted(standing, key=lambda row: _order(row, believed, anchors)):
        norm = row.statement.payload
        assert isinstance(norm, Norm)  # noqa: S101 - looked at above
        issuer = row.statement.issuer
        counts = issuer in believed
        if norm.type == MAPPING:
            _take_mapping(found, norm, issuer, counts=counts)
        elif counts and norm.type == CATALOG:
            _take(found.catalogs, norm.name, lambda norm=norm: _catalog(norm))  # type: ignore[misc]
        elif counts:
            _take(found.profiles, norm.name, lambda norm=norm: from_norm(norm))  # type: ignore[misc]
    return found


def _newest(rows: Sequence[Registered]) -> Sequence[Registered]:
    return sorted(rows, key=lambda row: row.index)[-_MOST:]


def _order(
    row: Registered, believed: Collection[str | None], anchors: Anchors
) -> tuple[bool, bool, int]:
    """Strangers first, then who is believed, then the verifier: the last of a name stays."""
    issuer = row.statement.issuer
    return issuer in believed, issuer == anchors.verifier, row.index


def _take_mapping(found: Norms, norm: Norm, issuer: SubjectId, *, counts: bool) -> None:
    taken: dict[str, Mapping] = {}
    _take(taken, norm.name, lambda: _mapping(norm))
    for name, mapping in taken.items():
        found.mappings[name] = mapping if counts else mapping.with_acceptance(accepted=False)
        found.whose[name] = (issuer, counts)


def _take(into: dict[str, Any], name: str, read: Callable[[], Any]) -> None:
    """A norm that cannot be read is not there; the last good one of its name is."""
    try:
        into[name] = read()
    except Problem:
        return


def _mapping(norm: Norm) -> Mapping:
    found = Mapping.from_document(norm.document)
    if (found.name, found.version) != (norm.name, norm.version):
        raise Malformed(
            "mapping.malformed",
            f"the norm names {norm.name} {norm.version}, its document {found.name[:80]}",
            hint="register the mapping under its own name",
        )
    return found


def _catalog(norm: Norm) -> Catalog:
    return Catalog.from_document(norm.name, norm.version, norm.document)


def _is_norm(row: Registered) -> bool:
    """Whether a statement is a norm that its own author named."""
    said = row.statement
    if not isinstance(said.payload, Norm) or said.payload.type not in _PLACES:
        return False
    return said.subject == f"{said.issuer}/{_PLACES[said.payload.type]}/{said.payload.name}"


def _standing(
    evidence: BundleEvidence,
    anchors: Anchors,
    rows: Sequence[Registered],
    heard: Collection[Digest],
) -> list[Registered]:
    """Those that are shown to stand; ``heard``: those of whom the verifier believes."""
    if not rows:
        return []
    from kizuna.app.wiring.in_force import not_taken_back
    from kizuna.chain.graph import Graph
    from kizuna.chain.verify.authority import Authority
    from kizuna.record.log.keys import statement_key, subject_key

    keys = {row.statement.digest: statement_key(row.statement.digest) for row in rows}
    places = {row.statement.digest: subject_key(row.statement.subject) for row in rows}
    shown = evidence.lists()
    proven = [
        row
        for row in rows
        if keys[row.statement.digest] in shown and places[row.statement.digest] in shown
    ]
    # a later norm of that name that is kept back is a shortfall, as everywhere
    evidence.by_keys(sorted({places[d] for r in proven if (d := r.statement.digest) in heard}))
    acts = evidence.by_keys([keys[row.statement.digest] for row in proven])
    graph = Graph.of(evidence)
    authority = Authority(graph, anchors)

    def held(row: Registered) -> bool:
        at = graph.row_of.get(row.statement.digest)
        return at is not None and bool(authority.exists.view[at] and not authority.void.view[at])

    done = {
        digest: [act for act in acts.get(key, ()) if held(act) or not _reinstates(act)]
        for digest, key in keys.items()
    }
    return not_taken_back([row for row in proven if held(row)], done)


def _reinstates(act: Registered) -> bool:
    payload = act.statement.payload
    return isinstance(payload, Status) and payload.action is Action.REINSTATE
