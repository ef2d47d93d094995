# SPDX-License-Identifier: Apache-2.0
"""Answers as OSCAL: assessment results and plans of action and milestones, out and in.

Keeps: 1. The same answers give the same bytes: identifiers are made from what they name. 2. What
is planned or not applicable is *not satisfied* in results; only what is implemented is satisfied.
3. Reading is bounded, and a finding that names nothing that was asked is refused, not dropped.
Standard: OSCAL 1.1 JSON, assessment-results and plan-of-action-and-milestones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from kizuna.model.errors import Absent, Malformed
from kizuna.proof.assurance.answers import Answer, Answers, State, day_of, end_of
from kizuna.proof.assurance.questions import Question, Questionnaire
from kizuna.roots.strict_json import read_object

__all__ = ["answers_from_oscal", "to_poam", "to_results"]

OSCAL: Final = "1.1.3"
NAMESPACE: Final = "https://kizuna.invalid/ns/oscal"
"""Namespace of our properties: an address that leads nowhere, on purpose."""

_LIMIT: Final = 16 << 20
_MOST: Final = 5_000


def to_results(asked: Questionnaire, answers: Answers, *, at: int, lang: str = "en") -> bytes:
    """The answers as assessment results."""
    seed = f"{asked.digest}/{asked.subject}/{at}"
    given = {q.id: a for a in answers.answers if (q := asked.question(a.requirement))}
    observations, findings = [], []
    for question in asked.questions:
        answer = given.get(question.id) or Answer(requirement=question.id, state=State.OPEN)
        observation = _uuid(seed, "observation", question.id)
        observations.append(
            {
                "uuid": observation,
                "description": answer.note or answer.reason or _title(question, lang),
                "methods": ["INTERVIEW"],
                "collected": _instant(at),
                **_evidence(answer),
            }
        )
        satisfied = answer.state is State.IMPLEMENTED
        findings.append(
            {
                "uuid": _uuid(seed, "finding", question.id),
                "title": _title(question, lang),
                "description": answer.note or _title(question, lang),
                "props": _props(question, answer),
                "target": {
                    "type": "objective-id",
                    "target-id": _token(question.control or question.id),
                    "status": {"state": "satisfied" if satisfied else "not-satisfied"},
                },
                "related-observations": [{"observation-uuid": observation}],
            }
        )
    controls = sorted({c for q in asked.questions for c in _controls(q)})
    selection: dict[str, Any] = (
        {"include-controls": [{"control-id": one} for one in controls]}
        if controls
        else {"include-all": {}}
    )
    result = {
        "uuid": _uuid(seed, "result", ""),
        "title": f"{asked.profile} {asked.version}",
        "description": asked.subject,
        "start": _instant(at),
        "reviewed-controls": {"control-selections": [selection]},
        **({"observations": observations, "findings": findings} if findings else {}),
    }
    return _bytes(
        {
            "assessment-results": {
                "uuid": _uuid(seed, "results", ""),
                "metadata": _metadata(asked, at),
                "import-ap": {"href": f"#{asked.digest}"},
                "results": [result],
            }
        }
    )


def to_poam(asked: Questionnaire, answers: Answers, *, at: int, lang: str = "en") -> bytes:
    """What is planned, or open, as a plan of action and milestones.

    Raises:
        Absent: ``assess.no-gaps`` where there is nothing to plan: the format has no empty plan.
    """
    seed = f"{asked.digest}/{asked.subject}/{at}"
    given = {q.id: a for a in answers.answers if (q := asked.question(a.requirement))}
    items, risks = [], []
    for question in asked.questions:
        answer = given.get(question.id) or Answer(requirement=question.id, state=State.OPEN)
        if answer.state not in (State.PLANNED, State.OPEN):
            continue
        risk = _uuid(seed, "risk", question.id)
        words = answer.note or answer.reason or _title(question, lang)
        risks.append(
            {
                "uuid": risk,
                "title": _title(question, lang),
                "description": words,
                "statement": words,
                "status": "open",
                **({"deadline": _instant(end)} if (end := end_of(answer.due)) else {}),
            }
        )
        items.append(
            {
                "uuid": _uuid(seed, "item", question.id),
                "title": _title(question, lang),
                "description": words,
                "props": _props(question, answer),
                "related-risks": [{"risk-uuid": risk}],
            }
        )
    if not items:
        raise Absent(
            "assess.no-gaps",
            "nothing is planned or open: there is no plan to write",
            hint="export the results instead",
        )
    return _bytes(
        {
            "plan-of-action-and-milestones": {
                "uuid": _uuid(seed, "poam", ""),
                "metadata": _metadata(asked, at),
                "system-id": {"identifier-type": NAMESPACE, "id": asked.subject},
                "risks": risks,
                "poam-items": items,
            }
        }
    )


def answers_from_oscal(asked: Questionnaire, data: bytes) -> Answers:
    """The answers that assessment results or a plan of action hold.

    Raises:
        Malformed: ``assess.oscal``, ``assess.unknown-requirement``.
    """
    document = read_object(data, "assess.oscal", _LIMIT)
    if isinstance(body := document.get("assessment-results"), dict):
        found = list(_of_results(asked, body))
    elif isinstance(body := document.get("plan-of-action-and-milestones"), dict):
        found = list(_of_poam(asked, body))
    else:
        raise _wrong("neither assessment-results nor plan-of-action-and-milestones")
    return Answers(answers=tuple({a.requirement: a for a in found}.values()))


def _of_results(asked: Questionnaire, body: dict[str, Any]) -> Iterator[Answer]:
    for result in _dicts(body.get("results")):
        for finding in _dicts(result.get("findings")):
            target = finding.get("target")
            status = target.get("status") if isinstance(target, dict) else None
            if not isinstance(target, dict) or not isinstance(status, dict):
                raise _wrong("a finding without target or status")
            props = _values(finding)
            question = _asked(asked, props, str(target.get("target-id", "")))
            state = State.IMPLEMENTED if status.get("state") == "satisfied" else State.OPEN
            if state is State.OPEN:
                state = _state(props)
            if state is State.OPEN:
                continue
            yield _answer(question, state, props, str(finding.get("description", "")))


def _of_poam(asked: Questionnaire, body: dict[str, Any]) -> Iterator[Answer]:
    deadlines = {
        str(risk.get("uuid")): str(risk.get("deadline", ""))[:10]
        for risk in _dicts(body.get("risks"))
    }
    for item in _dicts(body.get("poam-items")):
        props = _values(item)
        related = _dicts(item.get("related-risks"))
        due = next((d for r in related if (d := deadlines.get(str(r.get("risk-uuid"))))), "")
        question = _asked(asked, props, "")
        state = _state(props)
        if state is State.OPEN and not due:
            continue
        yield _answer(
            question,
            State.PLANNED,
            {**props, "due": props.get("due") or due},
            str(item.get("description", "")),
        )


def _answer(question: Question, state: State, props: dict[str, str], note: str) -> Answer:
    due = props.get("due", "")
    return Answer(
        requirement=question.id,
        state=state,
        due=str(day_of(due) or due),
        owner=props.get("owner", "")[:2_000],
        reason=props.get("reason", "")[:2_000],
        note=note[:2_000],
    )


def _asked(asked: Questionnaire, props: dict[str, str], target: str) -> Question:
    for name in (props.get("requirement", ""), target):
        found = asked.question(name) if name else None
        if found is None and name:
            same = [q for q in asked.questions if name in (_token(q.id), _token(q.control or q.id))]
            found = same[0] if len(same) == 1 else None
        if found is not None:
            return found
    named = props.get("requirement") or target
    raise Malformed(
        "assess.unknown-requirement",
        f"{named[:80] or 'a finding'}: {asked.profile} asks nothing of that name",
        hint="export with the same profile, or name the requirement in a property",
        requirement=named[:80],
        fault="nothing of that name is asked",
    )


def _state(props: dict[str, str]) -> State:
    try:
        return State(props.get("answer", State.OPEN.value))
    except ValueError:
        return State.OPEN


def _values(item: dict[str, Any]) -> dict[str, str]:
    return {
        str(p.get("name")): str(p.get("value", ""))[:4_000]
        for p in _dicts(item.get("props"))
        if p.get("ns") == NAMESPACE
    }


def _dicts(value: object) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST:
        raise _wrong(f"a list of at most {_MOST} entries is expected")
    if not all(isinstance(one, dict) for one in value):
        raise _wrong("a list of objects is expected")
    return value


def _props(question: Question, answer: Answer) -> list[dict[str, str]]:
    told = {
        "requirement": question.id,
        "answer": answer.state.value,
        "due": answer.due,
        "owner": answer.owner,
        "reason": answer.reason,
    }
    return [
        {"name": name, "ns": NAMESPACE, "value": " ".join(value.split())}
        for name, value in told.items()
        if value.strip()
    ]


def _evidence(answer: Answer) -> dict[str, Any]:
    pieces = [
        {"href": f"ni:///sha-256;{one.sha256}", "description": one.name or one.sha256}
        for one in answer.files
    ]
    pieces += [{"href": link, "description": link} for link in answer.links]
    return {"relevant-evidence": pieces} if pieces else {}


def _metadata(asked: Questionnaire, at: int) -> dict[str, Any]:
    return {
        "title": f"{asked.profile}: {asked.subject}",
        "last-modified": _instant(at),
        "version": asked.version,
        "oscal-version": OSCAL,
    }


def _title(question: Question, lang: str) -> str:
    return " ".join((question.title.get(lang) or question.title.get("en") or question.id).split())


def _controls(question: Question) -> list[str]:
    """The controls that a question stands for, each by its own id."""
    named = [c.strip().rpartition("#")[2] for c in question.control.split(",")]
    return [_token(c).lower() for c in named if c] or [_token(question.id).lower()]


def _token(text: str) -> str:
    made = re.sub(r"[^A-Za-z0-9._-]", "_", text)
    return made if made[:1].isalpha() or made[:1] == "_" else f"_{made}"


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def _uuid(seed: str, kind: str, name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{NAMESPACE}/{seed}/{kind}/{name}"))


def _bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"


def _wrong(why: str) -> Malformed:
    return Malformed(
        "assess.oscal",
        f"not OSCAL results or a plan that can be read: {why}",
        why=why,
        hint="export it as OSCAL JSON again",
        fault=why,
    )
