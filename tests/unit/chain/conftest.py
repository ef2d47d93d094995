# SPDX-License-Identifier: Apache-2.0
"""A small world of registered statements, said in one line each; nothing is signed."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from kizuna.criteria.profiles import (
    Counting,
    Follow,
    NoticeRule,
    Place,
    Profile,
    Requirement,
    Silence,
    Silent,
)
from kizuna.model.finding import Value
from kizuna.model.identifier import Digest, Element, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Action,
    Claim,
    Described,
    Level,
    Link,
    Links,
    Membership,
    Notice,
    Service,
    Severity,
    Standing,
    Status,
    Target,
    Waiver,
)
from kizuna.model.relation import Relation
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.model.trust import Anchors, ListAnchor, LogAnchor

DAY = 86_400
T0 = 1_700_000_000
ALL_KINDS = list(Kind)


def when(at):
    return None if at is None else datetime.fromtimestamp(at, UTC)


class World:
    """Statements in the order of one log (or several); time goes by a minute a statement."""

    OPERATOR = "did:example:operator"
    VERIFIER = "did:example:verifier"
    LIST = "https://example.org/list"
    ORIGIN = "log.example"

    def __init__(self) -> None:
        self.statements = []
        self.sizes = {}
        self.now = T0
        self._count = 0

    # --- saying -----------------------------------------------------------------------------

    def say(
        self, issuer, kind, subject, payload, *, key=None, at=None, until=None, origin=None,
        media_type=None, erased=False, audience=(), content=None,
    ):  # fmt: skip
        self._count += 1
        origin = origin or self.ORIGIN
        index = self.sizes.get(origin, 0)
        self.sizes[origin] = index + 1
        self.now += 60
        low = self.now if at is None else at
        digest = Digest(sha256(f"{self._count}".encode()).digest())
        item = Registered(
            statement=Statement(
                digest=digest,
                content=content or digest,
                issuer=SubjectId(issuer),
                subject=SubjectId(subject),
                kind=kind,
                media_type=media_type or media_type_of(kind),
                key_id=sha256((key or issuer).encode()).digest(),
                payload=payload,
                audience=audience,
            ),
            origin=origin,
            index=index,
            registered=Interval(low, low if until is None else until),
            erased=erased,
        )
        self.statements.append(item)
        return item

    def member(
        self, member, service="maker", *, kinds=ALL_KINDS, claims=("*",), scope=("*",),
        level=Level.THIRD, state=Standing.GRANTED, by=None, list_id=None, since=None, ends=None,
        **more,
    ):  # fmt: skip
        services = [
            Service(type=service, kinds=list(kinds), claims=list(claims), scope=list(scope),
                    level=level)
        ]  # fmt: skip
        payload = Membership(
            list_id=list_id or self.LIST, state=state, services=services,
            valid_from=when(since), valid_until=when(ends),
        )  # fmt: skip
        return self.say(by or self.OPERATOR, Kind.MEMBERSHIP, member, payload, **more)

    def claim(
        self, issuer, subject, kind_of_claim="good", *, kind=Kind.CERTIFICATE, level=Level.THIRD,
        since=None, ends=None, imported=False, fields=None, **more,
    ):  # fmt: skip
        payload = Claim(
            type=kind_of_claim, level=level, valid_from=when(since), valid_until=when(ends),
            claims=fields or {}, imported=imported,
        )  # fmt: skip
        return self.say(issuer, kind, subject, payload, **more)

    def links(
        self, issuer, subject, *links, complete=(), part=None, described=(), since=None, ends=None,
        imported=False, bill=None, ext=None, **more,
    ):  # fmt: skip
        payload = Links(
            links=list(links), complete=list(complete), part=part, described=list(described),
            valid_from=when(since), valid_until=when(ends), imported=imported, bill=bill,
            ext=ext or {},
        )  # fmt: skip
        return self.say(issuer, Kind.LINK, subject, payload, **more)

    def parts(self, issuer, whole, *parts, **more):
        return self.links(
            issuer, whole, *(Link(relation=Relation.PART_OF, subject=p) for p in parts), **more
        )

    def made_by(self, issuer, thing, maker, **more):
        more.setdefault("part", "maker")
        return self.links(issuer, thing, Link(relation=Relation.MADE_BY, object=maker), **more)

    def notice(
        self, issuer, subject, type_="vulnerability", severity=Severity.HIGH, *, since=None,
        ends=None, imported=False, **more,
    ):  # fmt: skip
        payload = Notice(
            type=type_, severity=severity, since=when(since), valid_until=when(ends),
            imported=imported,
        )  # fmt: skip
        return self.say(issuer, Kind.NOTICE, subject, payload, **more)

    def waive(
        self, issuer, subject, requirement, *, profile="test", ends=T0 + 900 * DAY, since=None,
        parties=(), **more,
    ):  # fmt: skip
        payload = Waiver(
            requirement=requirement, profile=profile, until=when(ends), reason="accepted",
            valid_from=when(since), parties=list(parties),
        )  # fmt: skip
        return self.say(issuer, Kind.WAIVER, subject, payload, **more)

    def status(self, issuer, action, target, *, since=None, subject=None, by=None, **more):
        payload = Status(
            action=action,
            target=Target(statement=target.statement.digest.hex()),
            since=when(since),
            by=by,
        )
        return self.say(issuer, Kind.STATUS, subject or target.statement.subject, payload, **more)

    def compromise(self, issuer, identity, bad_key, since, **more):
        payload = Status(
            action=Action.COMPROMISE,
            target=Target(key=sha256(bad_key.encode()).hexdigest()),
            since=when(since),
        )
        return self.say(issuer, Kind.STATUS, identity, payload, **more)

    def on_key(self, issuer, identity, which, action, **more):
        payload = Status(action=action, target=Target(key=sha256(which.encode()).hexdigest()))
        return self.say(issuer, Kind.STATUS, identity, payload, **more)

    # --- asking -----------------------------------------------------------------------------

    def anchors(self, **more):
        made = {
            "lists": [ListAnchor(id=self.LIST, operator=self.OPERATOR, name="main")],
            "logs": [LogAnchor(origin=o, keys=["k"]) for o in sorted({self.ORIGIN, *self.sizes})],
            "verifier": self.VERIFIER,
        }
        return Anchors(**(made | more))


def profile(*, requirements=None, follow=None, notices=None, silent=None, **more):
    if requirements is None:
        requirements = (requirement(),)
    if follow is None:
        follow = (Follow(relation=Relation.PART_OF), Follow(relation=Relation.MADE_BY))
    if notices is None:
        notices = (NoticeRule(types=("*",), services=("maker", "csirt"), severity=Severity.LOW),)
    return Profile(
        name="test", version="1", title={"en": "Test"}, requirements=tuple(requirements),
        follow=tuple(follow), notices=tuple(notices),
        silent=silent or Silent(default=Silence.UNDETERMINED), **more,
    )  # fmt: skip


def requirement(id_="good", **more):
    made = {
        "claim": ("good",),
        "services": ("maker", "supplier"),
        "title": {"en": id_},
        "elements": (Element.COMPONENT,),
    } | more
    return Requirement(id=id_, **made)


def accepted_log(origin):
    return LogAnchor(origin=origin, keys=["k"])


class Shop:
    """Everything a test needs, under one name."""

    DAY, T0 = DAY, T0
    World, profile, requirement = World, staticmethod(profile), staticmethod(requirement)
    replace = staticmethod(replace)
    Follow, Requirement, NoticeRule, Silent = Follow, Requirement, NoticeRule, Silent
    Counting, Silence, Place = Counting, Silence, Place
    Value = Value

    log = staticmethod(accepted_log)

    Described, Link, Relation, Element = Described, Link, Relation, Element


@pytest.fixture(scope="session")
def shop():
    return Shop
