# SPDX-License-Identifier: Apache-2.0
"""A profile, made as strict as a category of risk asks for.

Keeps: 1. Tailoring never loosens: whatever satisfies the tailored profile satisfies the one it was
made from. Levels only rise, ages only shrink, requirements are only added, shares only grow.
2. No issuer is added to a requirement that stands: where only the supplier's own word was asked for
and somebody else is to confirm it, a requirement is added beside it. 3. Every change is named. 4.
The same profile, framework and category give the same document.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from kizuna.criteria.profiles import Counting, Follow, Profile, Requirement
from kizuna.criteria.profiles.profile import duration_text, share_text
from kizuna.criteria.risk.framework import Asks, Category, Framework, Viewpoint
from kizuna.model.errors import Malformed
from kizuna.model.finding import Value
from kizuna.model.payload import Level
from kizuna.model.relation import Relation

__all__ = ["Change", "Tailored", "is_as_strict", "tailor"]

_MOST: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that the tailored profile asks for and the other does not.

    ``what`` is ``level``, ``max_age``, ``missing``, ``added``, ``share``, ``part``; ``viewpoint``
    is empty for parts.
    """

    what: str
    where: str
    before: str
    after: str
    viewpoint: str = ""
    strength: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tailored:
    """The outcome; ``untouched`` are viewpoints that no requirement of the profile speaks to."""

    profile: Profile
    changes: tuple[Change, ...]
    untouched: tuple[str, ...]


def tailor(profile: Profile, framework: Framework, category: str) -> Tailored:
    """Make a profile as strict as the category asks for.

    Raises:
        Absent: ``risk.category-unknown``. Malformed: ``risk.too-many-requirements``,
            ``risk.name-too-long``.
    """
    asked = framework.category(category)
    changes: list[Change] = []
    requirements: list[Requirement] = []
    taken = {r.id for r in profile.requirements}
    spoken: set[str] = set()
    for requirement in profile.requirements:
        changed = requirement
        for viewpoint in framework.viewpoints:
            if not _speaks(requirement, viewpoint):
                continue
            spoken.add(viewpoint.id)
            strength = asked.required[viewpoint.id]
            asks = framework.asks.get(strength, Asks())
            changed, made = _stricter(changed, asks)
            changes += [replace(c, viewpoint=viewpoint.id, strength=strength) for c in made]
            extra = _beside(requirement, viewpoint, asks)
            if extra is not None and extra.id not in taken:
                taken.add(extra.id)
                requirements.append(extra)
                changes.append(
                    Change(
                        what="added",
                        where=extra.id,
                        before="",
                        after=extra.level.value,
                        viewpoint=viewpoint.id,
                        strength=strength,
                    )
                )
        requirements.append(changed)
    follow, parts = _parts(profile.follow, framework, asked)
    changes += parts
    _bounded(requirements, profile, framework, category)
    made_profile = replace(
        profile,
        name=f"{profile.name}.{framework.name}-{asked.id}",
        version=f"{profile.version}+{framework.version}",
        title={
            lang: f"{words} ({framework.name} {asked.id})" for lang, words in profile.title.items()
        },
        requirements=tuple(requirements),
        follow=follow,
    )
    return Tailored(
        profile=made_profile if changes else profile,
        changes=tuple(changes),
        untouched=tuple(v.id for v in framework.viewpoints if v.id not in spoken),
    )


def is_as_strict(tailored: Profile, source: Profile) -> bool:
    """True where nothing that the source asks for is asked for less: what ``tailor`` keeps."""
    for before in source.requirements:
        after = tailored.requirement(before.id)
        if after is None or not _requirement_holds(before, after):
            return False
    for rule in source.follow:
        kept = next(
            (
                f
                for f in tailored.follow
                if (f.relation, f.category) == (rule.relation, rule.category)
            ),
            None,
        )
        if kept is None or _weight(kept) < _weight(rule):
            return False
        if replace(kept, counts=rule.counts, share=rule.share) != rule:
            return False
    added = [f for f in tailored.follow if source.follow_of(f.relation, f.category) is not None]
    for rule in added:
        fallback = source.follow_of(rule.relation, rule.category)
        if fallback is not None and _weight(rule) < _weight(fallback):
            return False
    rest = replace(
        tailored,
        name=source.name,
        version=source.version,
        title=source.title,
        requirements=source.requirements,
        follow=source.follow,
    )
    return rest == source


def _requirement_holds(before: Requirement, after: Requirement) -> bool:
    if after.level.rank < before.level.rank:
        return False
    if before.max_age is not None and (after.max_age is None or after.max_age > before.max_age):
        return False
    if before.missing is Value.UNDETERMINED and after.missing is Value.TRUSTED:
        return False
    same = replace(after, level=before.level, max_age=before.max_age, missing=before.missing)
    return same == before


def _speaks(requirement: Requirement, viewpoint: Viewpoint) -> bool:
    if requirement.risk is not None:
        return requirement.risk == viewpoint.id
    return bool(set(requirement.claim) & set(viewpoint.claims))


def _reachable(requirement: Requirement, asks: Asks) -> bool:
    """True where somebody who may confirm it may say it already."""
    return bool(set(requirement.services) & set(asks.services))


def _stricter(requirement: Requirement, asks: Asks) -> tuple[Requirement, list[Change]]:
    changes = []
    if asks.level.rank > requirement.level.rank and _reachable(requirement, asks):
        changes.append(
            Change(
                what="level",
                where=requirement.id,
                before=requirement.level.value,
                after=asks.level.value,
            )
        )
        requirement = replace(requirement, level=asks.level)
    if asks.max_age is not None and (
        requirement.max_age is None or asks.max_age < requirement.max_age
    ):
        before = "" if requirement.max_age is None else duration_text(requirement.max_age)
        after = duration_text(asks.max_age)
        changes.append(Change(what="max_age", where=requirement.id, before=before, after=after))
        requirement = replace(requirement, max_age=asks.max_age)
    if asks.needed and requirement.missing is Value.TRUSTED:
        changes.append(
            Change(what="missing", where=requirement.id, before="trusted", after="undetermined")
        )
        requirement = replace(requirement, missing=Value.UNDETERMINED)
    return requirement, changes


def _beside(requirement: Requirement, viewpoint: Viewpoint, asks: Asks) -> Requirement | None:
    """The requirement that somebody else confirms what so far was the supplier's own word."""
    if asks.level is Level.SELF or _reachable(requirement, asks):
        return None
    return replace(
        requirement,
        id=f"{requirement.id}.{viewpoint.id}",
        title={
            "en": f"{requirement.title['en']}, confirmed by somebody else",
            "ja": f"{requirement.title.get('ja', requirement.title['en'])}"
            "（第三者または取引先による確認）",
        },
        services=asks.services,
        level=asks.level,
        max_age=min((a for a in (asks.max_age, requirement.max_age) if a), default=None),
        missing=Value.UNDETERMINED if asks.needed else requirement.missing,
        mend={},
    )


def _parts(
    rules: Iterable[Follow], framework: Framework, asked: Category
) -> tuple[tuple[Follow, ...], list[Change]]:
    """Shares rise to the category's, and links that carry a risk category of this framework count
    at least as that category asks for.
    """
    changes: list[Change] = []
    made: list[Follow] = []
    for rule in rules:
        kept = rule
        if asked.share is not None and rule.counts is Counting.SHARE and rule.share < asked.share:
            kept = replace(rule, share=asked.share)
            where = f"{rule.relation.value} {rule.category or ''}".strip()
            changes.append(
                Change(
                    what="share",
                    where=where,
                    before=share_text(rule.share),
                    after=share_text(asked.share),
                )
            )
        made.append(kept)
    plain = next((r for r in made if r.relation is Relation.PART_OF and r.category is None), None)
    named = {r.category for r in made if r.relation is Relation.PART_OF}
    for category in framework.categories:
        name = framework.link_category(category.id)
        if plain is None or category.share is None or name in named:
            continue
        rule = replace(
            plain,
            category=name,
            counts=Counting.SHARE,
            share=category.share,
            complete=False,
            required=False,
        )
        if _weight(rule) > _weight(plain):
            made.append(rule)
            after = share_text(category.share)
            changes.append(Change(what="part", where=f"part-of {name}", before="", after=after))
    return tuple(made), changes


def _weight(rule: Follow) -> int:
    """How much a rule lets parts decide; bigger is stricter."""
    if rule.counts is Counting.BLOCKING:
        return 1 << 20
    return rule.share if rule.counts is Counting.SHARE else -1


def _bounded(
    requirements: list[Requirement], profile: Profile, framework: Framework, category: str
) -> None:
    if len(requirements) > _MOST:
        raise Malformed(
            "risk.too-many-requirements",
            f"the tailored profile would have {len(requirements)} requirements",
            why=f"a profile has at most {_MOST}",
            hint="tailor a smaller profile",
            limit=_MOST,
        )
    longest = max(
        *(len(r.id) for r in requirements),
        len(f"{profile.name}.{framework.name}-{category}"),
        len(f"{profile.version}+{framework.version}"),
    )
    if longest > 200:
        raise Malformed(
            "risk.name-too-long",
            "a name of the tailored profile would be longer than 200 characters",
            why="names of profile, requirements and framework are put together",
            hint="use shorter names",
        )
