# SPDX-License-Identifier: Apache-2.0
"""A second judge, slow and plain, written from the definitions alone: one statement at a time,
dictionaries, recursion over values until nothing changes. It shares no code with the engine, so
that what both say is unlikely to be the same mistake.

Truths are 0 (no), 1 (cannot be told) and 2 (yes). ``judge`` gives the value, the findings as
(code, subject, requirement, counts), the coverage and the next instant of change.
"""

from collections import defaultdict

import msgspec

from kizuna.criteria.profiles import Counting, Place, Silence
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import Element
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import (
    Action,
    Claim,
    Level,
    Links,
    Membership,
    Notice,
    Standing,
    Status,
    Waiver,
    seconds,
)
from kizuna.model.relation import Relation

FAR = 2**62
BORDERS = "/:@?#"
OWN_MEDIA = {media_type_of(k) for k in Kind}
INFORMATIVE_ORDER = [
    Code.CLAIM_MISSING, Code.CLAIM_ERASED, Code.CLAIM_RESTRICTED, Code.CLAIM_UNAUTHORISED,
    "lacking", Code.KEY_COMPROMISED, Code.KEY_ENDED, Code.CLAIM_TIME_UNCERTAIN,
    Code.CONDITION_UNDECIDED,
    Code.CLAIM_NOT_YET_VALID, Code.CLAIM_STALE, Code.CLAIM_EXPIRED, Code.LEVEL_TOO_LOW,
    Code.CONDITION_FAILED, Code.CLAIM_SUSPENDED, Code.CLAIM_REVOKED,
]  # fmt: skip


def sec(moment, otherwise):
    return otherwise if moment is None else seconds(moment)


def in_scope(name, scope, own):
    if name == own:
        return True
    for prefix in scope:
        if prefix in ("*", name):
            return True
        if name.startswith(prefix) and (prefix[-1] in BORDERS or name[len(prefix)] in BORDERS):
            return True
    return False


class Row:
    def __init__(self, item) -> None:
        said = item.statement
        self.item, self.payload, self.kind = item, said.payload, said.kind
        self.issuer, self.subject, self.key = said.issuer, said.subject, said.key_id
        self.digest, self.media = said.digest.hex(), said.media_type
        self.origin, self.index = item.origin, item.index
        self.low, self.high = item.registered.earliest, item.registered.latest
        self.since = sec(getattr(self.payload, "valid_from", None), -FAR)
        self.until = sec(getattr(self.payload, "valid_until", None), FAR)
        self.void = 0
        self.over = False
        self.bill = getattr(self.payload, "bill", None) if self.kind is Kind.LINK else None
        self.links = getattr(self.payload, "links", [])
        self.described = getattr(self.payload, "described", [])
        if self.bill is not None:
            # in a bill a statement speaks of its own subject alone
            self.described = [d for d in self.described if d.subject is None]
            self.links = [
                link
                for link in self.links
                if link.relation is not Relation.SAME_AS
                and (link.object if link.relation.object_depends else link.subject) is None
            ]

    @property
    def hidden(self):
        return self.payload is None and (self.item.erased or self.media in OWN_MEDIA)

    def word(self):
        return getattr(self.payload, "type", None)


class Reference:
    def __init__(self, statements, profile, anchors, at, known=None, gaps=None) -> None:
        self.profile, self.anchors, self.at = profile, anchors, at
        self.gaps = gaps or {}  # by name: what stores could not tell of it
        accepted = {log.origin for log in anchors.logs}
        sizes = None if known is None else {k.origin: k.size for k in known}
        self.rows = [
            Row(s)
            for s in statements
            if s.origin in accepted and (sizes is None or s.index < sizes.get(s.origin, 0))
        ]
        # one log's order is its own; several are put side by side by their clocks
        rising = {}
        for row in sorted(self.rows, key=lambda r: r.index):
            rising[row.origin] = max(rising.get(row.origin, -FAR), row.low)
            row.clock = rising[row.origin]
        self.rows.sort(key=lambda r: (r.clock, r.origin, r.index))
        for order, row in enumerate(self.rows):
            row.order = order
        self.by_digest = {r.digest: r for r in self.rows}
        self.on = defaultdict(list)
        for row in self.rows:
            if isinstance(row.payload, Status) and row.payload.target.statement:
                self.on[row.payload.target.statement].append(row)
        self.operators = {a.id: a.operator for a in anchors.lists}
        self._void()
        self._walk()
        self._merge()
        self.heard = {
            (self.r(row.subject), row.issuer, row.bill)
            for row in self.rows
            if row.bill is not None and row.void < 2 and self.may_tie(row, row.subject, None)
        }

    # --- stratum 0 --------------------------------------------------------------------------

    def _above(self, actor, identity):
        return any(
            isinstance(r.payload, Membership)
            and r.subject == identity
            and r.issuer == actor
            and self.operators.get(r.payload.list_id) == actor
            for r in self.rows
        )

    def _ended(self):
        """Of each row whether its key had ended in another log when it was registered."""
        ends = []  # (row that ended a key, how surely, [(row that took it back, how surely)])
        for row in self.rows:
            row.ended = 0
            for by, sure, lifts in ends:
                if (by.subject, by.payload.target.key) != (row.issuer, row.key.hex()):
                    continue
                if by.origin == row.origin:
                    continue  # that log's own intake has seen to it
                held = min(sure, self.before(by, row))
                for lift, surely in lifts:
                    held = min(held, 2 - min(surely, self.before(lift, row)))
                row.ended = max(row.ended, held)
            said = row.payload
            if not isinstance(said, Status) or row.ended == 2:
                continue
            for by, _, lifts in ends:
                ended = by.payload
                if row.issuer != by.issuer and not self._above(row.issuer, by.subject):
                    continue
                if (said.action is Action.WITHDRAW and said.target.statement == by.digest) or (
                    said.action is Action.REINSTATE
                    and ended.action is Action.SUSPEND
                    and row.subject == by.subject
                    and said.target.key == ended.target.key
                ):
                    lifts.append((row, 2 - row.ended))
            if (
                said.action in (Action.REVOKE, Action.SUSPEND, Action.ROTATE, Action.COMPROMISE)
                and said.target.key
                and (row.issuer == row.subject or self._above(row.issuer, row.subject))
            ):
                ends.append((row, 2 - row.ended, []))

    def _void(self):
        self._ended()
        marks = []
        for row in self.rows:
            said = row.payload
            if not isinstance(said, Status) or said.action is not Action.COMPROMISE:
                continue
            if row.issuer != row.subject and not self._above(row.issuer, row.subject):
                continue
            if any(
                by.payload.action is Action.WITHDRAW
                and by.order > row.order
                and (by.issuer == row.issuer or self._above(by.issuer, row.subject))
                for by in self.on[row.digest]
            ):
                continue
            sure = 2 - row.ended if row.issuer == row.subject else 2
            marks.append((row.subject, said.target.key, sec(said.since, 0), sure))
        for row in self.rows:
            row.void, doubt = row.ended, 0
            for identity, key, since, sure in marks:
                if row.issuer == identity and row.key.hex() == key:
                    worth = 2 if row.low > since else 1 if row.high > since else 0
                    doubt = max(doubt, min(sure, worth))
            row.void = max(row.void, doubt)
            row.over = doubt < row.void

    # --- stratum 1 --------------------------------------------------------------------------

    def before(self, first, second):
        if first.origin == second.origin:
            return 2 if first.index < second.index else 0
        if first.high < second.low:
            return 2
        return 0 if first.low > second.high else 1

    def _walk(self):
        """Grants: (member, service, list, start, end, since, until, value, level)."""
        self.grants = defaultdict(list)
        self.members = set()
        entries, of_row = {}, {}
        for row in self.rows:
            said = row.payload
            if isinstance(said, Membership) and said.list_id in self.operators:
                value, cap, types, names = self._entitled(row)
                if not value:
                    continue
                key = (said.list_id, row.subject)
                old = entries.get(key)
                if old:
                    self._close(old, row)
                    if value == 1:
                        self._open(old, row, 1)
                entry = {
                    "row": row, "state": said.state, "said": said, "open": [], "cap": cap,
                    "types": types, "value": value, "issuer": row.issuer, "names": names,
                }  # fmt: skip
                entries[key] = entry
                of_row[row.digest] = key
                self.members.add(row.subject)
                self._open(entry, row, value)
            elif isinstance(said, Status) and said.target.statement in of_row and row.void < 2:
                entry = entries[of_row[said.target.statement]]
                if (
                    entry["row"].digest != said.target.statement
                    or entry["state"] is Standing.WITHDRAWN
                    or row.issuer not in (entry["issuer"], self.operators[entry["said"].list_id])
                ):
                    continue
                value = 2 - row.void
                if said.action is Action.REINSTATE:
                    if entry["state"] is Standing.SUSPENDED:
                        entry["state"] = Standing.GRANTED
                        self._open(entry, row, min(value, entry["value"]))
                elif said.action in (Action.SUSPEND, Action.REVOKE, Action.WITHDRAW):
                    self._close(entry, row)
                    if value == 1 and entry["state"] is Standing.GRANTED:
                        self._open(entry, row, 1)
                    else:
                        entry["state"] = (
                            Standing.SUSPENDED
                            if said.action is Action.SUSPEND
                            else Standing.WITHDRAWN
                        )

    def _close(self, entry, row):
        for grant in entry["open"]:
            grant["end"] = row
        entry["open"] = []

    def _open(self, entry, row, value):
        if entry["state"] is not Standing.GRANTED:
            return
        said = entry["said"]
        for service in said.services:
            if entry["types"] is not None and service.type not in entry["types"]:
                continue
            if "*" not in entry["names"]:
                # what both the service and its giver reach
                reach = [
                    longer
                    for mine in service.scope
                    for his in entry["names"]
                    for longer, shorter in ((mine, his), (his, mine))
                    if longer != "*" and in_scope(longer, [shorter], None)
                ]
                service = msgspec.structs.replace(service, scope=reach)  # noqa: PLW2901
            grant = {
                "service": service, "list": said.list_id, "start": row, "end": None,
                "since": sec(said.valid_from, -FAR), "until": sec(said.valid_until, FAR),
                "value": value, "level": min(service.level.rank, entry["cap"]),
            }  # fmt: skip
            entry["open"].append(grant)
            self.grants[entry["row"].subject].append(grant)

    def _entitled(self, row):
        held = 2 - row.void
        said = row.payload
        if not held:
            return 0, 0, None, {"*"}
        if row.issuer == self.operators[said.list_id]:
            return held, 2, None, {"*"}
        if row.issuer == row.subject:
            return 0, 0, None, {"*"}
        best, cap, types, names = 0, 0, set(), set()
        for grant in self.grants[row.issuer]:
            service = grant["service"]
            if (
                grant["list"] == said.list_id
                and Kind.MEMBERSHIP in service.kinds
                and in_scope(row.subject, service.scope, None)
                and (truth := self._holds(grant, row))
            ):
                best, cap = max(best, truth), max(cap, grant["level"])
                names |= set(service.scope)
                if types is not None:
                    types = None if "*" in service.claims else types | set(service.claims)
        return min(best, held), cap, types, names

    def _holds(self, grant, row):
        if row.high < grant["since"] or row.low >= grant["until"]:
            return 0
        truth = 2 if grant["since"] <= row.low and row.high < grant["until"] else 1
        truth = min(truth, self.before(grant["start"], row), grant["value"])
        if grant["end"]:
            truth = min(truth, 2 - self.before(grant["end"], row))
        return truth

    def superior(self, by, row):
        """Whether the issuer of a status stands above a statement."""
        if by.issuer == row.subject:
            return 0
        if self._above(by.issuer, row.issuer):
            return 2
        word = row.word()
        mine = max(
            (level for _, _, level in self.held(row, row.kind, row.subject, word)), default=-1
        )
        best = 0
        for grant in self.grants[by.issuer]:
            service = grant["service"]
            if Kind.STATUS not in service.kinds:
                continue
            if not in_scope(row.subject, service.scope, by.issuer):
                continue
            if word is not None and not {"*", word} & set(service.claims):
                continue
            office = set(service.kinds) <= {Kind.STATUS, Kind.MEMBERSHIP}
            if office or (row.kind in service.kinds and grant["level"] > mine):
                best = max(best, self._holds(grant, by))
        return best

    def held(self, row, kind, about, word, *, unknown=True):
        """The grants under which the issuer of a row may say it: (service type, truth, level)."""
        for grant in self.grants[row.issuer]:
            service = grant["service"]
            if kind not in service.kinds or not in_scope(about, service.scope, row.issuer):
                continue
            if "*" not in service.claims and not (
                unknown if word is None else word in service.claims
            ):
                continue
            truth = self._holds(grant, row)
            if truth:
                yield service.type, truth, grant["level"]

    # --- stratum 2 --------------------------------------------------------------------------

    def begun(self, row):
        said = sec(getattr(row.payload, "since", None), None)
        if said is not None:
            return (2, FAR) if self.at >= said else (0, said)
        if self.at >= row.high:
            return 2, FAR
        return (0, row.low) if self.at < row.low else (1, row.high)

    def fate(self, row):
        """(what became of it, next change): fine, uncertain, replaced, suspended, revoked."""
        acts = [
            by
            for by in sorted(self.on[row.digest], key=lambda r: r.order)
            if by.void < 2 and (not isinstance(row.payload, Status) or by.order > row.order)
        ]
        soonest = FAR
        effect, superior = {}, {}
        for by in acts:
            above = self.superior(by, row)
            superior[by.digest] = above
            entitled = min(2 if by.issuer == row.issuer else above, 2 - by.void)
            in_time, boundary = self.begun(by)
            ended, later = self.fate(by)
            soonest = min(soonest, boundary, later)
            over = {"fine": 2, "uncertain": 1}.get(ended, 0)
            effect[by.digest] = min(entitled, in_time, over)
        worst = defaultdict(int)
        for by in acts:
            truth = effect[by.digest]
            action = by.payload.action
            if action in (Action.REVOKE, Action.WITHDRAW):
                worst["revoked"] = max(worst["revoked"], truth)
            elif action is Action.REPLACE:
                worst["replaced"] = max(worst["replaced"], truth)
            elif action is Action.SUSPEND:
                for lift in acts:
                    if lift.payload.action is Action.REINSTATE and lift.order > by.order:
                        lifted = effect[lift.digest]
                        if lift.issuer != by.issuer:
                            lifted = min(lifted, superior[lift.digest])
                        truth = min(truth, 2 - lifted)
                worst["suspended"] = max(worst["suspended"], truth)
        for name in ("revoked", "suspended", "replaced"):
            if worst[name] == 2:
                return name, soonest
        return ("uncertain" if 1 in worst.values() else "fine"), soonest

    # --- ties and names ---------------------------------------------------------------------

    def renewed(self, row):
        """Whether a later bill of the same issuer, subject and part took the place of a row."""
        truth, soonest = 0, FAR
        for other in self.rows:
            if (
                isinstance(other.payload, Links)
                and isinstance(row.payload, Links)
                and (other.issuer, other.subject, other.payload.part or "", other.bill)
                == (row.issuer, row.subject, row.payload.part or "", row.bill)
                and other.order > row.order
                and other.void < 2
            ):
                if other.since <= self.at:
                    truth = max(truth, 2 - other.void)
                else:
                    soonest = min(soonest, other.since)
        return truth, soonest

    def instead(self, row, bill):
        """How far a bill has its own word in the place of a row, and when that changes."""
        truth, soonest = 0, FAR
        if row.kind is Kind.LINK and row.payload and not row.bill and bill:
            for other in self.rows:
                if (
                    (other.issuer, other.bill) == bill
                    and other.issuer == row.issuer
                    and other.subject == row.subject
                    and (other.payload.part or "") == (row.payload.part or "")
                    and other.void < 2
                ):
                    if other.since <= self.at:
                        truth = max(truth, 2 - other.void)
                    else:
                        soonest = min(soonest, other.since)
        return truth, soonest

    def said_in(self, row, bill):
        """Whether a row is heard of a thing as a bill has it (None: at large)."""
        return row.bill is None or (row.issuer, row.bill) == bill

    def leads_to(self, state, row, far):
        """The states that a tie leads to."""
        name, bill = state
        far = self.r(far)
        for found in ((row.issuer, row.bill or row.subject), bill):
            if found and (far, *found) in self.heard:
                return [(far, found)]
        of_mine = [
            (far, (issuer, product))
            for thing, issuer, product in self.heard
            if thing == far and product in self.names_of(name)
        ]
        return of_mine or [(far, None)]

    def stands(self, row):
        renewed, soonest = self.renewed(row)
        fate, later = self.fate(row)
        truth = min(2 - renewed, 2 - row.void, {"fine": 2, "uncertain": 1}.get(fate, 0))
        return truth, min(soonest, later)

    def may_tie(self, row, end, word):
        if row.issuer == end:
            return 2 - row.void
        return min(
            max((t for _, t, _ in self.held(row, Kind.LINK, end, word)), default=0), 2 - row.void
        )

    def ties(self):
        """Every tie but same-as: (row, dependent, dependency, link, truth, next change)."""
        if not hasattr(self, "_ties"):
            self._ties = []
            for row in self.rows:
                if not isinstance(row.payload, Links):
                    continue
                stands, later = self.stands(row)
                for link in row.links:
                    if link.relation in (Relation.SAME_AS, Relation.REPLACES):
                        continue
                    near, far = link.subject or row.subject, link.object or row.subject
                    if link.relation.object_depends:
                        near, far = far, near
                    may = self.may_tie(row, near, link.relation.value)
                    since = max(row.since, sec(link.valid_from, -FAR))
                    until = min(row.until, sec(link.valid_until, FAR))
                    bounds = [b for b in (since, until, later) if b > self.at] if may else []
                    truth = min(may, stands) if since <= self.at < until else 0
                    self._ties.append((row, near, far, link, truth, bounds))
        return self._ties

    def ties_of(self, state):
        """The ties of a thing, at large or as a bill has it."""
        name, bill = state
        for row, near, far, link, truth, bounds in self.ties():
            if self.r(near) == name and self.said_in(row, bill):
                replaced, soonest = self.instead(row, bill)
                yield row, far, link, min(truth, 2 - replaced), [*bounds, soonest]

    def _merge(self):
        sides, self.same_bounds = {}, defaultdict(list)
        for row in self.rows:
            if not isinstance(row.payload, Links):
                continue
            for link in row.links:
                if link.relation is not Relation.SAME_AS:
                    continue
                ends = (link.subject or row.subject, link.object or row.subject)
                stands, later = self.stands(row)
                since = max(row.since, sec(link.valid_from, -FAR))
                until = min(row.until, sec(link.valid_until, FAR))
                heard = max(self.may_tie(row, end, "same-as") for end in ends)
                for end in ends if heard else ():
                    self.same_bounds[end] += [b for b in (since, until, later) if b > self.at]
                for end in ends:
                    now = since <= self.at < until and stands == 2
                    if now and self.may_tie(row, end, "same-as") == 2:
                        sides.setdefault(frozenset(ends), set()).add(end)
        group = {}
        for pair, said in sides.items():
            if pair == said and len(pair) == 2:
                a, b = pair
                joined = group.get(a, {a}) | group.get(b, {b})
                for name in joined:
                    group[name] = joined
        order = {"pkg": 0, "did": 1, "https": 2, "urn": 3}
        self.names = group
        self.rep = {
            n: min(g, key=lambda x: (order.get(x.partition(":")[0], 9), x))
            for n, g in group.items()
        }

    def r(self, name):
        return self.rep.get(name, name)

    def names_of(self, node):
        return self.names.get(node, {node})

    # --- stratum 3: one node, as a part or as the root, in a bill or in none ---------------------

    def makers(self, state):
        found = defaultdict(int)
        for _, far, link, truth, _ in self.ties_of(state):
            supplies = link.relation in (Relation.MADE_BY, Relation.SUPPLIED_BY)
            if supplies and truth:
                found[self.r(far)] = max(found[self.r(far)], truth)
        return found

    def own(self, state, issuer):
        if self.r(issuer) == state[0]:
            return 2
        return self.makers(state).get(self.r(issuer), 0)

    def claims(self, state, bill):
        """Current claims about a thing, met in a bill: (row, type, kind, fields, element, fate)."""
        node, within = state
        found = []
        for row in self.rows:
            said = row.payload
            if isinstance(said, Claim) and self.r(row.subject) == node:
                found.append((row, row.subject, said.type, row.kind, dict(said.claims), None))
            elif isinstance(said, Links):
                ends = {row.subject}
                for link in row.links:
                    near, far = link.subject or row.subject, link.object or row.subject
                    if link.relation is Relation.SAME_AS:
                        ends |= {near, far}
                    elif link.relation is not Relation.REPLACES:
                        ends.add(far if link.relation.object_depends else near)
                for d in row.described:
                    about = d.subject or row.subject
                    if self.r(about) != node:
                        continue
                    if about not in ends and bill != (row.issuer, row.subject):
                        continue
                    if not self.said_in(row, within):
                        continue
                    replaced, later = self.instead(row, within)
                    self._soon(self.stands(row)[1], later)
                    if self.renewed(row)[0] == 2 or replaced == 2:
                        continue
                    fields = dict(d.claims)
                    for name in ("name", "version", "hashes", "licenses"):
                        if getattr(d, name):
                            fields[name] = getattr(d, name)
                    if d.element:
                        fields["element"] = d.element.value
                    found.append((row, about, "description", Kind.CAPABILITY, fields, d.element))
        latest = {}
        for row, about, word, kind, *_ in found:
            if row.void == 0 and row.since <= self.at:
                key = (row.issuer, kind, word, about)
                latest[key] = max(latest.get(key, -1), row.order)
        made = []
        for row, about, word, kind, fields, element in found:
            if row.order < latest.get((row.issuer, kind, word, about), -1):
                continue
            fate, later = self.fate(row)
            self._soon(later)
            if fate != "replaced":
                made.append((row, about, word, kind, fields, element, fate))
        return made

    def _soon(self, *instants):
        self.next = min([self.next, *(i for i in instants if i > self.at)])

    def elements(self, node, claims):
        node, _ = node
        bits, others = set(), False
        for row, about, word, kind, _, element, fate in claims:
            if element is None:
                continue
            self._soon(row.since, row.until)
            told = any(t == 2 for _, t, _ in self.held(row, kind, about, word))
            if told and not row.void and fate == "fine" and row.since <= self.at < row.until:
                bits.add(element)
                others |= self.r(row.issuer) != node
        usual = usual_element(node)
        if not bits or not others:
            bits.add(usual)
        things = {Element.COMPONENT, Element.DATA, Element.SYSTEM, Element.SERVICE}
        if usual is Element.COMPONENT and not bits & things:
            bits.add(Element.COMPONENT)
        if usual is not Element.COMPONENT and self.names_of(node) & self.members:
            bits.add(Element.ORGANIZATION)
        return bits

    def rank(self, rule, node, claims):
        """The code that a requirement comes to, or None where it is met."""
        found = []
        for row, about, word, kind, fields, _, fate in claims:
            if word not in rule.claim or kind not in rule.kinds:
                continue
            if rule.max_age is not None:
                self._soon(row.low + rule.max_age + 1, row.high + rule.max_age + 1)
            own = self.own(node, row.issuer)
            imported = row.payload.imported
            claimed = getattr(row.payload, "level", Level.SELF).rank
            levels = [
                (0 if own else min(claimed, level), truth)
                for service, truth, level in self.held(row, kind, about, word)
                if service in rule.services and service != "supplier"
            ]
            if "supplier" in rule.services and own and not imported:
                levels.append((0, own))
            if "self" in rule.services and row.issuer == self.anchors.verifier:
                levels.append((0 if own else min(claimed, 1), 2))
            sure = max((lv for lv, t in levels if t == 2), default=-1)
            maybe = max((lv for lv, t in levels), default=-1)
            found.append((self._code(rule, row, fields, fate, sure, maybe, about, claimed), row))
        if not found:
            return Code.CLAIM_MISSING
        if any(code is None for code, _ in found):
            for code, row in found:
                if code is Code.CONDITION_FAILED and all(
                    self.r(row.issuer) != self.r(other.issuer)
                    for none, other in found
                    if none is None
                ):
                    return Code.CLAIM_CONTRADICTED
            return None
        return max((code for code, _ in found), key=INFORMATIVE_ORDER.index)

    def _code(self, rule, row, fields, fate, sure, maybe, about, level):
        at, age = self.at, rule.max_age
        if maybe < 0:
            return Code.CLAIM_UNAUTHORISED
        if row.void == 2:
            return Code.KEY_ENDED if row.over else Code.KEY_COMPROMISED
        if fate in ("revoked", "suspended"):
            return Code.CLAIM_REVOKED if fate == "revoked" else Code.CLAIM_SUSPENDED
        if at >= row.until:
            return Code.CLAIM_EXPIRED
        if at < row.since:
            return Code.CLAIM_NOT_YET_VALID
        if age is not None and at > row.high + age:
            return Code.CLAIM_STALE
        if maybe < rule.level.rank:
            return Code.LEVEL_TOO_LOW
        if any(fields.get(name) in (None, "", [], {}) for name in rule.present):
            return "lacking"
        if sure < rule.level.rank or row.void or fate == "uncertain":
            return Code.CLAIM_TIME_UNCERTAIN
        if age is not None and at > row.low + age:
            return Code.CLAIM_TIME_UNCERTAIN
        if rule.condition is not None:
            answer = rule.compiled().evaluate(
                fields, issuer=row.issuer, subject=about, level=list(Level)[level].value
            )
            if answer is False:
                return Code.CONDITION_FAILED
            if answer is not True:
                return Code.CONDITION_UNDECIDED
        return None

    def accepts(self, services, row, kind, about, node):
        """Whether a row whose content is hidden comes from somebody accepted."""
        if any(s in services for s, _, _ in self.held(row, kind, about, None)):
            return True
        if "supplier" in services and self.own(node, row.issuer):
            return True
        return "self" in services and row.issuer == self.anchors.verifier

    def look(self, node, *, root, bill=None):
        """(findings as (code, requirement), silent, proven, elements, next change)."""
        self.next = FAR
        for name in self.names_of(node[0]):
            self._soon(*self.same_bounds.get(name, ()))
        claims = self.claims(node, bill)
        words = {w for q in self.profile.requirements for w in q.claim}
        for row, _, word, *_ in claims:
            if word in words:
                self._soon(row.since, row.until)
        for _, _, _, _, bounds in self.ties_of(node):
            self._soon(*bounds)
        elements = self.elements(node, claims)
        about = [
            r
            for r in self.rows
            if self.r(r.subject) == node[0] and r.void < 2 and self.said_in(r, node[1])
        ]
        silent = not self._spoke(node, claims, about)
        found, proven, some_met, all_met = [], True, False, True
        asked_of = False
        for rule in self.profile.requirements:
            if rule.elements and not elements & set(rule.elements):
                continue
            if (rule.place is Place.ROOT and not root) or (rule.place is Place.PARTS and root):
                continue
            asked_of = True
            code = self.rank(rule, node, claims)
            for row in about:
                hides = Code.CLAIM_ERASED if row.item.erased else Code.CLAIM_RESTRICTED
                if (
                    row.hidden
                    and row.kind in rule.kinds
                    and self.accepts(rule.services, row, row.kind, row.subject, node)
                ) and (
                    code is not None
                    and code in INFORMATIVE_ORDER
                    and (INFORMATIVE_ORDER.index(code) < INFORMATIVE_ORDER.index(hides))
                ):
                    code = hides
            weak = code in (Code.CLAIM_MISSING, Code.CLAIM_UNAUTHORISED)
            excused = weak and rule.missing is Value.TRUSTED
            if code is None:
                some_met = True
            elif not excused:
                all_met = False
                if not (silent and weak):
                    found.append((Code.CLAIM_MISSING if code == "lacking" else code, rule.id))
            if code is not None and not (
                code is Code.CLAIM_MISSING and rule.missing is Value.TRUSTED
            ):
                proven = False
        found += self._shape(node, elements, about, silent=silent, root=root)
        found += self._hidden(node, about)
        for name in self.names_of(node[0]):
            found += [(code, "store") for code, _ in self.gaps.get(name, ())]
        if self._bills_differ(node):
            found.append((Code.BILLS_DIFFER, "bill"))
        found += self._notices(node, about)
        if root and self.profile.requirements and not asked_of and not self.out(node):
            found.append((Code.NOTHING_ASKED, "root"))
        if silent and not (some_met and all_met):
            policy = self._silence(elements)
            if policy is Silence.REFUSED:
                found.append((Code.PARTY_SILENT_REFUSED, "silent"))
            elif policy is Silence.UNDETERMINED:
                found.append((Code.PARTY_SILENT, "silent"))
        value = min((c.value_given for c, _ in found), default=Value.TRUSTED)
        proven = proven and not silent and value is Value.TRUSTED  # what is waived is not met
        found = self._waive(node, about, found)
        return set(found), silent, proven, elements, self.next

    def _bills_differ(self, state):
        """Whether some issuer's bills have other ties of a thing than what is followed here."""
        name, bill = state
        differ = False
        for issuer in {issuer for thing, issuer, _ in self.heard if thing == name}:
            said = defaultdict(list)
            for row in self.rows:
                key = (self.r(row.subject), row.issuer, row.bill)
                if key in self.heard and key[:2] == (name, issuer):
                    said[row.bill].append(row)
            spoken = {
                (row.subject, row.payload.part or "") for rows in said.values() for row in rows
            }
            said[None] = [
                row
                for row in self.rows
                if isinstance(row.payload, Links)
                and row.issuer == issuer
                and not row.bill
                and (row.subject, row.payload.part or "") in spoken
            ]
            made = {}
            for product, rows in said.items():
                ties = [
                    (row, link, far, truth, bounds)
                    for row, near, far, link, truth, bounds in self.ties()
                    if row in rows and self.r(near) == name
                ]
                for *_, bounds in ties:
                    self._soon(*bounds)
                ties = [(row, link.relation, far) for row, link, far, t, _ in ties if t == 2]
                last = max((row for row, *_ in ties), key=lambda r: r.order, default=None)
                # what is said at large was said in some product's bill first
                of = product or (last and last.payload.ext.get("bill"))
                made[product] = of, {(relation, far) for _, relation, far in ties}
            of, mine = made[bill[1] if bill and bill[0] == issuer else None]
            differ |= bool(mine) and any(
                other and other != mine and (not name or name != of)
                for name, other in made.values()
            )
        return differ

    def _silence(self, elements):
        policies = {self.profile.silent.of(e) for e in elements}
        for policy in (Silence.REFUSED, Silence.UNDETERMINED):
            if policy in policies:
                return policy
        return Silence.IGNORED

    def _spoke(self, node, claims, about):
        if self.names_of(node[0]) & self.members:
            return True
        for row, subject, word, kind, _, _, _ in claims:
            if row.void == 2:
                continue
            if self.own(node, row.issuer):
                return True
            if isinstance(row.payload, Claim) and any(self.held(row, kind, subject, word)):
                return True
        for row in about:
            if row.kind is Kind.LINK and (
                self.own(node, row.issuer) or self.may_tie(row, row.subject, None)
            ):
                return True
            claim = row.kind in (Kind.CERTIFICATE, Kind.CAPABILITY, Kind.EVIDENCE)
            if claim and row.payload is None:
                if self.own(node, row.issuer):
                    return True
                if any(self.held(row, row.kind, row.subject, None)):
                    return True
        return False

    def _shape(self, node, elements, about, *, silent, root):
        found = []
        links = [r for r in about if r.kind is Kind.LINK]
        for row in links:
            self._soon(row.since, row.until, self.stands(row)[1], self.instead(row, node[1])[1])
        for rule in self.profile.follow:
            if rule.elements and not elements & set(rule.elements):
                continue
            name = f"follow:{rule.relation.value}"
            asked = rule.place is Place.ANY or (rule.place is Place.ROOT) == root
            if asked and rule.required:
                there = max(
                    (
                        truth
                        for _, _, link, truth, _ in self.ties_of(node)
                        if link.relation is rule.relation and rule.category in (None, link.category)
                    ),
                    default=0,
                )
                if not there and not silent:
                    found.append((Code.LINK_MISSING, name))
            if asked and rule.complete and not silent:
                there = 0
                for row in links:
                    if row.payload and rule.relation in row.payload.complete:
                        truth = min(
                            self.stands(row)[0],
                            2 - self.instead(row, node[1])[0],
                            self.may_tie(row, row.subject, rule.relation.value),
                        )
                        if row.since <= self.at < row.until:
                            there = max(there, truth)
                if there < 2:
                    found.append(
                        (
                            Code.CLAIM_TIME_UNCERTAIN if there else Code.COMPLETENESS_UNPROVEN,
                            name,
                        )
                    )
        for _, _, link, truth, _ in self.ties_of(node):
            if truth == 1 and self.followed(link, elements):
                found.append((Code.CLAIM_TIME_UNCERTAIN, f"follow:{link.relation.value}"))
        return found

    def followed(self, link, elements):
        rule = self.profile.follow_of(link.relation, link.category)
        if rule is None or (rule.elements and not elements & set(rule.elements)):
            return None
        return rule

    def _hidden(self, node, about):
        found = []
        for row in about:
            if not row.hidden:
                continue
            code = Code.CLAIM_ERASED if row.item.erased else Code.CLAIM_RESTRICTED
            ties = row.kind is Kind.LINK and self.profile.follow
            if ties and self.may_tie(row, row.subject, None):
                found.append((code, "follow:links"))
            if row.kind is Kind.NOTICE and any(
                any(s in rule.services for s, _, _ in self.held(row, row.kind, row.subject, None))
                or ("supplier" in rule.services and self.own(node, row.issuer))
                for rule in self.profile.notices
            ):
                found.append((code, "notice:unread"))
        return found

    def _notices(self, node, about):
        found = []
        for row in about:
            said = row.payload
            if not isinstance(said, Notice):
                continue
            begun, boundary = self.begun(row)
            fate, later = self.fate(row)
            self._soon(boundary, later, row.until)
            effect = min(begun, {"fine": 2, "uncertain": 1}.get(fate, 0), 2 - row.void)
            if not effect or self.at >= row.until:
                continue
            believed, listed = 0, False
            for rule in self.profile.notices:
                if "*" not in rule.types and said.type not in rule.types:
                    continue
                here = max(
                    (
                        t
                        for s, t, _ in self.held(row, Kind.NOTICE, row.subject, said.type)
                        if s in rule.services
                    ),
                    default=0,
                )
                if "supplier" in rule.services and not said.imported:
                    here = max(here, self.own(node, row.issuer))
                if "self" in rule.services and row.issuer == self.anchors.verifier:
                    here = 2
                listed |= here > 0
                if said.type == "tampering" or said.severity.rank >= rule.severity.rank:
                    believed = max(believed, here)
            name = f"notice:{said.type}"
            if not believed:
                if not listed:
                    found.append((Code.NOTICE_UNCONFIRMED, name))
            elif min(effect, believed) == 1:
                found.append((Code.CLAIM_TIME_UNCERTAIN, name))
            else:
                tampered = said.type == "tampering"
                found.append((Code.TAMPERED if tampered else Code.NOTICE_ADVERSE, name))
        return found

    def _waive(self, node, about, found):
        for row in about:
            said = row.payload
            if not isinstance(said, Waiver) or said.profile != self.profile.name:
                continue
            fate, later = self.fate(row)
            until = seconds(said.until)
            self._soon(row.since, until, later)
            if not (row.since <= self.at < until and fate == "fine" and not row.void):
                continue
            if self.own(node, row.issuer):
                continue
            verifier = self.anchors.verifier
            allowed = row.issuer == verifier or (
                (not said.parties or verifier in said.parties)
                and (
                    row.issuer in self.profile.waivers_from
                    or any(
                        s in self.profile.waivers_from and t == 2
                        for s, t, _ in self.held(
                            row, Kind.WAIVER, row.subject, said.requirement, unknown=False
                        )
                    )
                )
            )
            hit = [
                (c, q)
                for c, q in found
                if q == said.requirement and c.waivable and c.value_given is not Value.TRUSTED
            ]
            named = {r.id for r in self.profile.requirements}
            named |= {f"follow:{f.relation.value}" for f in self.profile.follow}
            named |= {"silent", "root", "follow:links"}
            if allowed and said.requirement not in named and said.requirement[:7] != "notice:":
                found = [*found, (Code.WAIVER_IDLE, said.requirement)]
            if allowed and hit:
                found = [f for f in found if f not in hit] + [(Code.WAIVED, said.requirement)]
        return found

    # --- stratum 5 --------------------------------------------------------------------------

    def out(self, node):
        """Counted ties of a node: (dependency, rule, alternative, bill)."""
        if node not in self._out:
            claims = self.claims(node, None)
            elements = self.elements(node, claims)
            made = []
            for row, far, link, truth, _ in self.ties_of(node):
                if truth == 2 and self.r(far) != node[0]:
                    rule = self.followed(link, elements)
                    if rule is not None:
                        bill = (row.issuer, row.bill or row.subject)
                        made += [
                            (target, rule, link.alternative, bill)
                            for target in self.leads_to(node, row, far)
                        ]
            self._out[node] = made
        return self._out[node]

    def judge(self, subject):
        root = (self.r(subject), None)
        self._out = {}
        self.next = FAR
        nodes, waiting = {root}, [root]
        while waiting:
            for below, *_ in self.out(waiting.pop()):
                if below not in nodes:
                    nodes.add(below)
                    waiting.append(below)
        seen = {}

        def as_part(node, bill):
            if (node, bill) not in seen:
                seen[node, bill] = self.look(node, root=False, bill=bill)
            return seen[node, bill]

        def own(looked):
            return min((c.value_given for c, _ in looked[0]), default=Value.TRUSTED)

        # the worth of everything below a node, from the top down until it holds
        below = dict.fromkeys(nodes, Value.TRUSTED)

        def worth(node, tie):
            return min(below[tie[0]], own(as_part(tie[0], tie[3])))

        def counted(node):
            value, units, shares = Value.TRUSTED, {}, defaultdict(list)
            for tie in self.out(node):
                target, rule, alternative, _ = tie
                if rule.counts is Counting.INFORMATIVE:
                    continue
                if rule.counts is Counting.BLOCKING and alternative is None:
                    value = min(value, worth(node, tie))
                    continue
                key = (id(rule), alternative, None if alternative else target)
                units[key] = max(units.get(key, Value.UNTRUSTED), worth(node, tie))
            rules = {id(r): r for r in self.profile.follow}
            for (number, _, _), best in units.items():
                if rules[number].counts is Counting.BLOCKING:
                    value = min(value, best)
                else:
                    shares[number].append(best)
            for number, bests in shares.items():
                value = min(value, share(rules[number], bests))
            return value

        moved = True
        while moved:
            moved = False
            for node in nodes:
                fresh = counted(node)
                if fresh != below[node]:
                    below[node] = fresh
                    moved = True
        top = self.look(root, root=True)
        value = min(own(top), below[root])
        # which ties decide, and so which findings count
        decisive = defaultdict(list)
        for node in nodes:
            decisive[node] = self._decisive(node, worth)
        reached, waiting = {root}, [root]
        while waiting:
            for tie in decisive[waiting.pop()]:
                if tie[0] not in reached:
                    reached.add(tie[0])
                    waiting.append(tie[0])
        findings = {(c, subject, q): True for c, q in top[0]}
        standing = defaultdict(list)
        boundaries = [top[4], self.look(root, root=False)[4]]
        for node in nodes:
            deciding = {(t[0], t[3]) for t in decisive[node]} if node in reached else set()
            for target, _, _, bill in self.out(node):
                looked = as_part(target, bill)
                standing[target[0]].append(looked)
                boundaries.append(looked[4])
                for code, requirement in looked[0]:
                    named = (code, subject if target == root else target[0], requirement)
                    counts = (target, bill) in deciding
                    findings[named] = findings.get(named, False) or counts
        silent, proven = int(top[1]), int(top[2])
        soonest = min(boundaries)
        things = {node[0] for node in nodes}
        for thing in things - {root[0]}:
            silent += all(looked[1] for looked in standing[thing])
            proven += all(looked[2] for looked in standing[thing])
        return {
            "value": value,
            "findings": {(c, s, q, counts) for (c, s, q), counts in findings.items()},
            "coverage": (len(things), len(things) - silent, proven, silent),
            "next": None if soonest >= FAR else soonest,
        }

    def _decisive(self, node, worth):
        chosen = []
        units, shares = defaultdict(list), defaultdict(list)
        for tie in self.out(node):
            target, rule, alternative, _ = tie
            if rule.counts is Counting.INFORMATIVE:
                continue
            if rule.counts is Counting.BLOCKING and alternative is None:
                chosen.append(tie)
            else:
                key = (id(rule), alternative, None if alternative else target)
                units[key].append(tie)
        rules = {id(r): r for r in self.profile.follow}
        best = {k: max(worth(node, t) for t in ties) for k, ties in units.items()}
        for key, value in best.items():
            if rules[key[0]].counts is Counting.SHARE:
                shares[key[0]].append(value)
        for key, ties in units.items():
            rule = rules[key[0]]
            floor = Value.UNTRUSTED
            if rule.counts is Counting.SHARE:
                floor = share(rule, shares[key[0]])
            if best[key] >= floor:
                chosen += [t for t in ties if worth(node, t) == best[key]]
        return chosen


def share(rule, bests):
    needed = rule.share * len(bests)
    good = sum(b is Value.TRUSTED for b in bests) * 10_000
    possible = sum(b is not Value.UNTRUSTED for b in bests) * 10_000
    if good >= needed:
        return Value.TRUSTED
    return Value.UNDETERMINED if possible >= needed else Value.UNTRUSTED


def usual_element(name):
    scheme, _, rest = name.partition(":")
    parties = ("urn:lei:", "urn:oid:", "urn:oasis:names:tc:ebcore:partyid-type:", "mailto:")
    if scheme == "did" or name.startswith(parties):
        return Element.ORGANIZATION
    if scheme in ("https", "http") and "/" not in rest[2:].rstrip("/"):
        return Element.ORGANIZATION
    return Element.COMPONENT
