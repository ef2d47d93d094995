# SPDX-License-Identifier: Apache-2.0
"""Judging under one profile where claims made under another catalog count through mappings.

Keeps: 1. The verdict is the engine's own, by a profile that holds what accepted mappings carry and
nothing more; its digest says so. 2. What carried, what is only proposed, what is mapped in part and
what is not mapped stand in the findings, each with its reason; none of them decides. 3. Mappings
are those that the verifier names and has at hand, or that came with a bundle from somebody whom the
verifier believes; a proposed one never makes anything trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kizuna.app.wiring.criteria.catalogs import CERTIFICATES, find_catalog
from kizuna.app.wiring.criteria.mappings import find_mapping, kept_mapping, mapping_json
from kizuna.app.wiring.profiles import every_profile
from kizuna.criteria.profiles.through import Carry, How, Through, through
from kizuna.model.errors import Absent, Refused
from kizuna.model.finding import Code, Finding, Value

if TYPE_CHECKING:
    from kizuna.app.wiring.criteria.travelling import Norms
    from kizuna.app.wiring.settings import Settings
    from kizuna.criteria.catalogs import Catalog, Mapping
    from kizuna.criteria.profiles import Profile
    from kizuna.model.verdict import Verdict

__all__ = ["Reading", "reading_through"]

_MAPPINGS: Final = 16
_BEST: Final = (How.CARRIES, How.PROPOSED, How.PARTLY, How.TOGETHER, How.OTHERWISE, How.UNASKED)


class Reading:
    """One profile read through mappings, ready to judge."""

    def __init__(
        self, read: Through, mappings: Sequence[Mapping], whose: dict[str, tuple[str, bool]]
    ) -> None:
        self._read = read
        self._mappings = mappings
        self._whose = whose

    @property
    def profile(self) -> Profile:
        """The measure, with what accepted mappings carry."""
        return self._read.profile

    def judge(self, ask: Callable[[Profile], Verdict]) -> Verdict:
        """The verdict under the measure, with findings that say what mappings did.

        Args:
            ask: judges under a profile; called up to three times.
        """
        read = self._read
        verdict = ask(read.profile)
        plain = verdict if read.profile is read.plain else ask(read.plain)
        more = verdict if read.proposing is read.profile else ask(read.proposing)
        now, before, then = (_unmet(v) for v in (verdict, plain, more))
        said = [
            _finding(Code.MAPPING_CARRIED, place, self._best(place[1], (How.CARRIES,)))
            for place in sorted(before - now)
        ]
        for place in sorted(now):
            if place not in then:
                best = self._best(place[1], (How.PROPOSED,))
                said.append(_finding(Code.MAPPING_PROPOSED, place, best))
            elif place[1] in read.unmapped:
                said.append(_finding(Code.MAPPING_NONE, place, None))
            elif (best := self._best(place[1], _BEST[2:])) is not None:
                said.append(_finding(Code.MAPPING_PARTLY, place, best))
        return replace(verdict, findings=tuple(sorted((*verdict.findings, *said))))

    def told(self, lang: str) -> dict[str, Any]:
        """By what was read: members for ``through`` of a verdict."""
        read = self._read
        return {
            "mappings": [mapping_json(m, "", lang) | self._by(m.name) for m in self._mappings],
            "profile_digest_without": read.plain.digest,
            "ways": [
                {
                    "requirement": way.requirement,
                    "how": way.how.value,
                    "mapping": way.mapping,
                    "relation": way.relation.value,
                    "confidence": way.confidence.value,
                    "catalog": way.catalog,
                    "sources": list(way.sources),
                    "claims": list(way.claims),
                }
                for way in read.ways
            ],
            "unmapped": list(read.unmapped),
        }

    def _by(self, name: str) -> dict[str, Any]:
        """Of a mapping that came with a bundle: by whom, and whether that counts here."""
        if name not in self._whose:
            return {}
        issuer, counts = self._whose[name]
        return {"origin": "bundle", "by": issuer, "counts": counts}

    def _best(self, requirement: str, among: Iterable[How]) -> Carry | None:
        ways = self._read.of(requirement)
        return next((w for how in among for w in ways if w.how is how), None)


def reading_through(
    settings: Settings, profile: Profile, names: Sequence[str], norms: Norms | None = None
) -> Reading:
    """A profile read through the mappings of these names, with the catalogs and profiles at hand.

    Args:
        settings: where the verifier's own are.
        profile: the measure.
        names: mappings; a verifier's own goes before one that travelled.
        norms: what travelled with a bundle, as far as the verifier may read it.

    Raises:
        Absent: ``mapping.unknown``, ``catalog.unknown``. Refused: ``mapping.too-many``.
    """
    if len(names) > _MAPPINGS:
        raise Refused(
            "mapping.too-many",
            f"{len(names)} mappings, at most {_MAPPINGS}",
            hint="name those that lead to the catalogs of the profile",
            count=len(names),
            limit=_MAPPINGS,
        )
    brought = {} if norms is None else norms.mappings
    whose: dict[str, tuple[str, bool]] = {}
    mappings: list[Mapping] = []
    for name in dict.fromkeys(names):
        own = kept_mapping(name, settings)
        if own is None and norms is not None and name in brought:
            whose[name] = norms.whose[name]
        mappings.append(own or brought.get(name) or find_mapping(name, settings))
    # a mapping that is named and cannot be read says so, rather than that nothing is mapped
    ends = {end for one in mappings for end in (one.origin, one.goal)}
    catalogs = {end: _catalog(end, settings, norms) for end in ends}
    measures = every_profile(settings)
    if norms is not None:
        known = {one.name for one in measures}
        measures += [one for name, one in norms.profiles.items() if name not in known]
    read = through(profile, mappings, catalogs, measures, CERTIFICATES)
    return Reading(read, mappings, whose)


def _catalog(name: str, settings: Settings, norms: Norms | None) -> Catalog:
    try:
        return find_catalog(name, settings)
    except Absent:
        if norms is None or name not in norms.catalogs:
            raise
        return norms.catalogs[name]


def _unmet(verdict: Verdict) -> set[tuple[str, str]]:
    """What keeps something from being trusted, by subject and requirement."""
    return {
        (f.subject, f.requirement)
        for f in verdict.findings
        if f.requirement and f.code.value_given < Value.TRUSTED
    }


def _finding(code: Code, place: tuple[Any, str], way: Carry | None) -> Finding:
    subject, requirement = place
    about: dict[str, str] = {}
    if way is not None:
        about = {
            "mapping": way.mapping,
            "catalog": way.catalog,
            "control": ", ".join(way.sources[:5]),
            "relation": way.relation.value,
            "how": way.how.value,
        }
    return Finding(
        subject=subject,
        code=code,
        requirement=requirement,
        about=tuple(sorted(about.items())),
        counts=False,
    )
