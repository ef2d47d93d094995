# SPDX-License-Identifier: Apache-2.0
"""What somebody would have to type to say what a finding misses, and how a claim is meant.

Keeps: 1. A command is offered only where a word of one's own is enough: where a higher level, or a
certificate, is asked for, no command is. 2. What is offered has gaps (``…``) in place of values,
and a value that is a gap is never signed. 3. A claim is put under the kind that profiles read it
as, and whoever makes one that no profile reads, or without what they read in it, is told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from kizuna.model.finding import Code, Finding
from kizuna.model.kind import Kind
from kizuna.model.payload import Level

if TYPE_CHECKING:
    from kizuna.criteria.profiles import Profile, Requirement

__all__ = ["GAP", "command_for", "kind_read", "remarks_on"]

GAP: Final = "…"
"""Stands where a value is to be put."""
_OWN: Final = (Kind.CAPABILITY, Kind.EVIDENCE)
"""Kinds of claim that anybody makes of what is theirs, in the order in which one is chosen."""
_SAID: Final = frozenset(
    {Code.CLAIM_MISSING, Code.CLAIM_EXPIRED, Code.CLAIM_STALE, Code.CLAIM_UNAUTHORISED}
)
_DESCRIPTION: Final = "description"
"""Comes from a bill of materials or a table, not as a claim by itself."""
_MEASURED: Final = frozenset({"attestation", "attestation-epoch"})
"""Come from the evidence of devices, and from nobody's mouth."""
_PARTS: Final = "follow:part-of"
_NEAR: Final = 0.75


def command_for(finding: Finding, requirement: Requirement | None) -> str:
    """The command by which whoever may speak of the subject says it; empty where none does."""
    if finding.code is Code.COMPLETENESS_UNPROVEN and finding.requirement == _PARTS:
        return f"kizuna statement complete {quote(finding.subject)}"
    if requirement is None or finding.code not in _SAID or requirement.level is not Level.SELF:
        return ""
    kind = next((k for k in _OWN if k in requirement.kinds), None)
    sort = next((c for c in requirement.claim if c != _DESCRIPTION), None)
    if kind is None or sort is None or sort in _MEASURED:
        return ""
    words = ["kizuna statement claim", quote(finding.subject), quote(sort)]
    words += [f"{quote(field)}={GAP}" for field in _fields(requirement)]
    return " ".join([*words, *(() if kind is Kind.CAPABILITY else ("--kind", kind.value))])


def kind_read(sort: str, profiles: Iterable[Profile]) -> Kind:
    """The kind as which most requirements read claims of this type; capability where none does."""
    rules = list(_reading(sort, profiles))
    return max(_OWN, key=lambda kind: sum(kind in rule.kinds for _, rule in rules))


def remarks_on(
    sort: str, kind: Kind, fields: Iterable[str], profiles: Iterable[Profile]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What whoever makes such a claim should know: a message of the catalogue, and its values."""
    known = list(profiles)
    rules = list(_reading(sort, known))
    if not rules:
        from difflib import get_close_matches

        every = sorted({c for p in known for r in p.requirements for c in r.claim})
        near = get_close_matches(sort, every, n=1, cutoff=_NEAR)
        if near:
            yield "claim.unread-near", {"type": sort, "near": near[0]}
        else:
            yield "claim.unread", {"type": sort}
        return
    if not any(kind in rule.kinds for _, rule in rules):
        wanted = ", ".join(sorted({k.value for _, rule in rules for k in rule.kinds}))
        yield "claim.other-kind", {"type": sort, "kind": kind.value, "wanted": wanted}
        return
    given = set(fields)
    lacking: dict[str, list[str]] = {}
    for profile, rule in rules:
        missing = [f for f in rule.present if f not in given]
        if missing and kind in rule.kinds:
            lacking.setdefault(", ".join(missing), []).append(profile.name)
    for missing_fields, names in lacking.items():
        profile_names = ", ".join(dict.fromkeys(names))
        yield "claim.lacks", {"type": sort, "fields": missing_fields, "profiles": profile_names}


def _reading(sort: str, profiles: Iterable[Profile]) -> Iterator[tuple[Profile, Requirement]]:
    return ((p, r) for p in profiles for r in p.requirements if sort in r.claim)


def _fields(requirement: Requirement) -> tuple[str, ...]:
    condition = requirement.compiled()
    looked_at = () if condition is None else condition.fields
    return tuple(dict.fromkeys((*requirement.present, *looked_at)))
