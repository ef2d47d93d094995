# SPDX-License-Identifier: Apache-2.0
"""What came in: offers under the requests that they answer, with what each still lacks.

Keeps: 1. Nothing is decided here: what an offer lacks is read from it and from its request; what
its supplier's evidence is worth is told by the same judgement as ``check``. 2. Everybody finds
their own: a buyer the offers made to it, a supplier the requests meant for it and what became of
its offers. 3. *New* is what came after the last one that was marked as seen, in this folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.procure.request import Line, Request, when
from kizuna.model.errors import Malformed, Problem

if TYPE_CHECKING:
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.model.identifier import SubjectId
    from kizuna.record.store import View

__all__ = ["Seen", "inbox", "told_elsewhere", "with_decisions"]

_FILE: Final = "procure-inbox.json"
_JUDGED: Final = 50
"""Offers that are judged in one answer; how many more there are is said."""
_FINDINGS: Final = 5
_MISSING: Final = 200
"""Things that one offer lacks and that are named; ``lacking`` says how many there are."""
_BETWEEN: Final = "/requests/"


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request, as another store tells it."""

    request: str
    subject: str
    index: int
    by: str
    to: list[str]
    public: bool
    lines: list[dict[str, str | int]]
    at: int = 0
    title: str = ""
    deadline: str | None = None
    profile: dict[str, str] | None = None


class _Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An offer, as another store tells it."""

    offer: str
    subject: str
    index: int
    by: str
    request: str
    at: int = 0
    agreed: bool = False
    lines: list[str] = []
    terms: str = ""
    until: str | None = None


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    requests: list[_Asked]
    offers: list[_Offered]


def told_elsewhere(data: bytes) -> dict[str, Any]:
    """Requests and offers as another store tells them; offers to requests unseen are left out.

    Raises:
        ValueError: where it is something else.
    """
    told = msgspec.json.decode(data, type=_Told)
    known = {one.request for one in told.requests}
    return {
        "requests": [msgspec.to_builtins(one) for one in told.requests],
        "offers": [msgspec.to_builtins(one) for one in told.offers if one.request in known],
    }


class Seen:
    """Up to which place in the log offers and requests were looked at, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def last(self) -> int:
        """The place; -1 where nothing was marked yet."""
        try:
            found = msgspec.json.decode(self._path.read_bytes())
            return int(found["seen"])
        except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
            return -1

    def mark(self, upto: int) -> int:
        """Remember that everything up to this place was looked at; it never goes back."""
        last = max(self.last(), upto)
        write_whole(self._path, msgspec.json.encode({"seen": last}))
        return last


def inbox(
    told: Mapping[str, Any], me: SubjectId | None, now: int, *, seen: int = -1
) -> dict[str, Any]:
    """Requests and offers as ``quotations`` gives them, with how each stands.

    Args:
        told: as ``procure_quoting.quotations`` gives it.
        me: for whom; None: for nobody in particular.
        now: the present.
        seen: up to which place in the log everything was looked at.

    Returns:
        ``requests``, each with ``name``, ``mine``, ``offers`` (how many), ``state`` (``waiting``,
        ``offered``, ``to-answer``, ``answered``, ``agreed``, ``ended``), ``new``; ``offers``, each
        with ``name`` (of the request), ``mine``, ``state`` (``complete``, ``incomplete``,
        ``agreed``, ``ended``), ``missing`` (``what`` and, of a line, ``line``; the first of them),
        ``lacking`` (how many), ``new``; ``new``: how many are; ``last``: the last place in the log.
    """
    asked = {one["request"]: one for one in told["requests"]}
    offers = [_offer(one, asked[one["request"]], me, now, seen) for one in told["offers"]]
    under: dict[str, list[Mapping[str, Any]]] = {}
    for one in offers:
        under.setdefault(one["request"], []).append(one)
    requests = [
        _request(one, under.get(one["request"], ()), me, now, seen) for one in told["requests"]
    ]
    both = [*requests, *offers]
    return {
        "requests": requests,
        "offers": offers,
        "new": sum(one["new"] for one in both),
        "last": max((one["index"] for one in both), default=-1),
    }


def _request(
    one: Mapping[str, Any],
    offers: Iterable[Mapping[str, Any]],
    me: SubjectId | None,
    now: int,
    seen: int,
) -> dict[str, Any]:
    mine = one["by"] == me
    its = [o for o in offers if mine or o["mine"]]
    over = _over(one.get("deadline"), now)
    if any(o["agreed"] for o in its):
        state = "agreed"
    elif its:
        state = "offered" if mine else "answered"
    elif over:
        state = "ended"
    else:
        state = "waiting" if mine or me is None else "to-answer"
    return {
        **one,
        "name": one["subject"].partition(_BETWEEN)[2],
        "mine": mine,
        "offers": len(its),
        "state": state,
        "new": me is not None and not mine and one["index"] > seen,
    }


def _offer(
    one: Mapping[str, Any], asked: Mapping[str, Any], me: SubjectId | None, now: int, seen: int
) -> dict[str, Any]:
    mine = one["by"] == me
    lacking = 0
    lacks = []
    for lack in _missing(one, asked):
        lacking += 1
        if lacking <= _MISSING:
            lacks.append(lack)
    if one["agreed"]:
        state = "agreed"
    elif _over(one["until"], now):
        state = "ended"
    else:
        state = "incomplete" if lacks else "complete"
    return {
        **one,
        "name": asked["subject"].partition(_BETWEEN)[2],
        "mine": mine,
        "state": state,
        "missing": lacks,
        "lacking": lacking,
        "new": me is not None and not mine and one["index"] > seen,
    }


def _missing(one: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterable[dict[str, str]]:
    """What keeps an offer from answering the whole request."""
    lines = [str(line.get("line", "")) for line in asked["lines"]]
    offered = list(one.get("lines") or ()) or lines
    # looked up by hash: both lists may be long, and are of others' making
    asks, offers = frozenset(lines), frozenset(offered)
    for line in lines:
        if line not in offers:
            yield {"what": "line", "line": line}
    for line in offered:
        if line not in asks:
            yield {"what": "unasked", "line": line}
    if not one.get("terms"):
        yield {"what": "terms", "line": ""}
    deadline = _end(asked.get("deadline"))
    if deadline is not None and one["at"] > deadline:
        yield {"what": "late", "line": ""}


def _end(day: object) -> int | None:
    """The end of a day that somebody else wrote; none where it is none."""
    try:
        return when(None if day is None else str(day))
    except Malformed:
        return None


def _over(day: object, now: int) -> bool:
    end = _end(day)
    return end is not None and end < now


def with_decisions(
    workspace: Workspace,
    found: Mapping[str, Any],
    lang: str,
    *,
    view: View | None = None,
    most: int = _JUDGED,
) -> dict[str, Any]:
    """An inbox whose open offers say what the evidence of their suppliers comes to.

    Each gets ``decision`` (``go``, ``hold``, ``no-go``; empty where it cannot be judged here),
    ``lacks`` (lines with what is missing) and ``why_not``; ``unjudged``: how many of them were left
    out, beyond ``most``.
    """
    asked = {one["request"]: one for one in found["requests"]}
    judged = 0
    offers = []
    for one in found["offers"]:
        open_ = one["state"] in ("complete", "incomplete") and asked[one["request"]]["mine"]
        judged += open_
        told = (
            _decision(workspace, one, asked[one["request"]], lang, view)
            if (open_ and judged <= most)
            else {"decision": "", "lacks": [], "why_not": ""}
        )
        offers.append({**one, **told})
    return {**found, "offers": offers, "unjudged": max(0, judged - most)}


def _decision(
    workspace: Workspace,
    one: Mapping[str, Any],
    asked: Mapping[str, Any],
    lang: str,
    view: View | None,
) -> dict[str, Any]:
    from kizuna.app.wiring.judging.answers import problem_json
    from kizuna.app.wiring.procure.buying import check
    from kizuna.app.wiring.showing import profile_named

    measure = asked.get("profile") or {}
    wanted = set(one.get("lines") or ()) or {str(x.get("line", "")) for x in asked["lines"]}
    try:
        profile = profile_named(workspace, str(measure.get("name") or ""))
        lines = [
            Line(
                part=x["part"], line=x.get("line"), quantity=x.get("quantity"),
                suppliers=[one["by"]],
            )
            for x in asked["lines"]
            if str(x.get("line", "")) in wanted
        ]  # fmt: skip
        request = Request(request=asked["subject"].partition(_BETWEEN)[2], lines=lines)
        told = check(workspace, request, profile, view=view).told(lang)
    except (Problem, KeyError, TypeError, msgspec.ValidationError) as fault:
        why = problem_json(fault, lang)["message"] if isinstance(fault, Problem) else str(fault)
        return {"decision": "", "lacks": [], "why_not": str(why)[:500]}
    return {
        "decision": told["decision"],
        "lacks": [
            {
                "line": line["line"],
                "decision": line["decision"],
                "messages": [
                    m["message"]
                    for m in (
                        *line["missing"],
                        *(m for s in line["suppliers"] for m in s["missing"]),
                    )
                ][:_FINDINGS],
            }
            for line in told["lines"]
            if line["decision"] != "go"
        ],
        "why_not": ""
        if measure.get("sha256") == profile.digest
        else f"{profile.name} {profile.version}",
    }
