# SPDX-License-Identifier: Apache-2.0
"""Answers as CycloneDX attestations: who says which requirement is met, by what evidence.

Keeps: only what is implemented is claimed, with full conformance; what is planned says so as a
counter claim without conformance, and what was not answered is not spoken of.
Standard: CycloneDX 1.6, declarations.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from kizuna.model.payload import Level
from kizuna.proof.assurance.answers import Answers, State
from kizuna.proof.assurance.questions import Questionnaire

__all__ = ["to_cyclonedx"]


def to_cyclonedx(
    asked: Questionnaire, answers: Answers, *, assessor: str, level: Level, lang: str = "en"
) -> bytes:
    """The answers as a CycloneDX document.

    Args:
        asked: the questions.
        answers: checked answers.
        assessor: the name of whoever answers.
        level: the level of their word, as the lists have it.
        lang: language of titles.
    """
    serial = uuid5(NAMESPACE_URL, f"{asked.digest}/{asked.subject}/{assessor}")
    requirements: list[dict[str, Any]] = []
    claims: list[dict[str, Any]] = []
    evidence: dict[str, dict[str, Any]] = {}
    mapped: list[dict[str, Any]] = []
    given = {q.id: a for a in answers.answers if (q := asked.question(a.requirement))}
    for question in asked.questions:
        answer = given.get(question.id)
        title = " ".join(
            (question.title.get(lang) or question.title.get("en") or question.id).split()
        )
        requirements.append(
            {"bom-ref": f"requirement-{question.id}", "identifier": question.id, "title": title}
        )
        if answer is None or answer.state not in (State.IMPLEMENTED, State.PLANNED):
            continue
        for file in answer.files:
            evidence[file.sha256] = {
                "bom-ref": f"evidence-{file.sha256}",
                "description": file.name or file.sha256,
                "data": [
                    {
                        "name": file.name or file.sha256,
                        "contents": {"url": f"urn:sha256:{file.sha256}"},
                    }
                ],
            }
        claims.append(
            {
                "bom-ref": f"claim-{question.id}",
                "target": "subject",
                "predicate": answer.note or title,
                **(
                    {"evidence": [f"evidence-{f.sha256}" for f in answer.files]}
                    if answer.files
                    else {}
                ),
            }
        )
        done = answer.state is State.IMPLEMENTED
        mapped.append(
            {
                "requirement": f"requirement-{question.id}",
                "claims" if done else "counterClaims": [f"claim-{question.id}"],
                "conformance": {
                    "score": 1 if done else 0,
                    "rationale": "implemented" if done else f"planned until {answer.due}",
                },
            }
        )
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "subject",
                "name": asked.subject,
                **({"purl": asked.subject} if asked.subject.startswith("pkg:") else {}),
            }
        },
        "declarations": {
            "assessors": [
                {
                    "bom-ref": "assessor",
                    "thirdParty": level is Level.THIRD,
                    "organization": {"name": assessor},
                }
            ],
            "attestations": [
                {
                    "summary": f"{asked.profile} {asked.version}",
                    "assessor": "assessor",
                    "map": mapped,
                }
            ],
            "claims": claims,
            "evidence": list(evidence.values()),
        },
        "definitions": {
            "standards": [
                {
                    "bom-ref": "standard",
                    "name": asked.profile,
                    "version": asked.version,
                    "requirements": requirements,
                }
            ]
        },
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n"
