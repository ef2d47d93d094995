# SPDX-License-Identifier: Apache-2.0
"""Roles: the services that entries of a list usually grant, ready to use.

Keeps: a role is a template and nothing more: what counts is the service written into the entry,
so a list may grant less (fewer claims, a narrower scope, a lower level) or name a role of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kizuna.model.errors import Malformed
from kizuna.model.kind import Kind
from kizuna.model.payload import Level, Service
from kizuna.record.lists.scope import ANYTHING, check_scope

__all__ = ["ROLES", "Role", "RoleTemplate", "service_for"]


class Role(StrEnum):
    """The roles that the shipped profiles know."""

    MAKER = "maker"
    DEVICE_MAKER = "device-maker"
    CERTIFICATION_BODY = "certification-body"
    CONFIRMATION_BODY = "confirmation-body"
    ASSESSOR = "assessor"
    COORDINATOR = "coordinator"
    FACILITY_OPERATOR = "facility-operator"
    LIST_OPERATOR = "list-operator"
    SELF = "self"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTemplate:
    """What a role may say, the highest level its word has, and whether its scope must be named."""

    kinds: tuple[Kind, ...]
    level: Level
    scoped: bool
    claims: tuple[str, ...] = ("*",)
    """The types of claim that it may be about, where the entry names none itself."""


ROLES: Final[Mapping[Role, RoleTemplate]] = MappingProxyType(
    {
        # makes things, and speaks about those that carry its own names
        Role.MAKER: RoleTemplate(
            kinds=(Kind.CAPABILITY, Kind.EVIDENCE, Kind.LINK, Kind.NOTICE),
            level=Level.SELF,
            scoped=True,
        ),
        # gives devices their first identity. A role of its own: were `certificate` among a maker's
        # kinds, every maker could certify its own things under profiles that ask only for a role
        Role.DEVICE_MAKER: RoleTemplate(
            kinds=(Kind.CERTIFICATE,), level=Level.SELF, scoped=True, claims=("idevid",)
        ),
        # independent of maker and buyer: may certify anything of its field
        Role.CERTIFICATION_BODY: RoleTemplate(
            kinds=(Kind.CERTIFICATE,), level=Level.THIRD, scoped=False
        ),
        # looks whether an organisation is fit for a list, and proposes it to the list's operator
        Role.CONFIRMATION_BODY: RoleTemplate(kinds=(Kind.NORM,), level=Level.THIRD, scoped=False),
        # a customer or auditor who looked for itself
        Role.ASSESSOR: RoleTemplate(
            kinds=(Kind.CERTIFICATE, Kind.EVIDENCE, Kind.CAPABILITY),
            level=Level.SECOND,
            scoped=False,
        ),
        # collects and publishes what happened: a CSIRT, an ISAC
        Role.COORDINATOR: RoleTemplate(kinds=(Kind.NOTICE,), level=Level.THIRD, scoped=False),
        # runs the place in which things are used
        Role.FACILITY_OPERATOR: RoleTemplate(
            kinds=(Kind.EVIDENCE, Kind.LINK, Kind.NOTICE, Kind.WAIVER),
            level=Level.SECOND,
            scoped=True,
        ),
        # may enter others into the same list
        Role.LIST_OPERATOR: RoleTemplate(
            kinds=(Kind.MEMBERSHIP, Kind.STATUS), level=Level.THIRD, scoped=True
        ),
        # one's own organisation: may say anything, and all of it is only its own word
        Role.SELF: RoleTemplate(kinds=tuple(Kind), level=Level.SELF, scoped=False),
    }
)


def service_for(
    role: Role | str,
    *,
    scope: Sequence[str] = (),
    claims: Sequence[str] | None = None,
    level: Level | None = None,
) -> Service:
    """The service that an entry grants for a role.

    Args:
        role: one of ``Role``.
        scope: prefixes of the names it may speak about; needed where the role speaks about its
            own names only, else everything.
        claims: the types of claim, notice or norm, and relations for links; ``*`` is all.
            None: the role's own, which is all but for a ``device-maker``.
        level: a lower level than the role's own.

    Raises:
        Malformed: ``list.role-unknown``, ``list.scope``, ``list.scope-missing``,
            ``list.level`` when ``level`` is above the role's.
    """
    known = [r.value for r in Role]
    if role not in known:
        raise Malformed(
            "list.role-unknown",
            f"no role named {str(role)[:60]!r}",
            why=f"known are {', '.join(known)}",
            hint="for a role of your own, write the service out in a membership payload",
            role=str(role)[:60],
            known=", ".join(known),
        )
    template = ROLES[Role(role)]
    if template.scoped and not scope:
        raise Malformed(
            "list.scope-missing",
            f"a {Role(role).value} speaks about names of its own: which?",
            why="without a scope the entry would allow nothing but its own identifier",
            hint="give the prefixes of its identifiers, or * to allow every name",
            role=Role(role).value,
        )
    if level is not None and level.rank > template.level.rank:
        raise Malformed(
            "list.level",
            f"a {Role(role).value} cannot speak at level {level.value}",
            why=f"its highest is {template.level.value}",
            hint="choose another role or a lower level",
            role=Role(role).value,
            level=level.value,
            highest=template.level.value,
        )
    return Service(
        type=Role(role).value,
        kinds=list(template.kinds),
        claims=_narrowed(template, claims),
        scope=list(check_scope(scope)) or [ANYTHING],
        level=level or template.level,
    )


def _narrowed(template: RoleTemplate, claims: Sequence[str] | None) -> list[str]:
    """The claims asked for, within the role's own: a role is narrowed and never widened."""
    if claims is None:
        return list(template.claims)
    if "*" in template.claims:
        return list(claims)
    return [claim for claim in claims if claim in template.claims] or list(template.claims)
