# SPDX-License-Identifier: Apache-2.0
"""Questionnaires and answers in the forms of the field: tables, OSCAL, CycloneDX.

Keeps: one list of forms for every door; what goes out of one door comes in at the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kizuna.model.errors import Malformed
from kizuna.model.identifier import Element
from kizuna.proof.assurance import (
    Answers,
    Question,
    Questionnaire,
    answers_from_oscal,
    read_sheet,
    to_csv,
    to_cyclonedx,
    to_poam,
    to_results,
    to_xlsx,
)

if TYPE_CHECKING:
    from kizuna.app.wiring.speaking import Organisation

__all__ = [
    "EXPORTS",
    "TABLES",
    "element_named",
    "exported",
    "question_json",
    "read_answers",
    "table",
]

TABLES: Final = {"csv": "utf-8-sig", "csv-cp932": "cp932", "xlsx": ""}
"""Forms of a questionnaire to fill in, and the encoding of each."""

EXPORTS: Final = ("oscal-results", "oscal-poam", "cyclonedx", *TABLES)
"""Forms of answers."""


def table(asked: Questionnaire, form: str, lang: str, given: Answers | None = None) -> bytes:
    """The questionnaire as a table.

    Raises:
        Malformed: ``assess.form-unknown``.
    """
    if form not in TABLES:
        raise _unknown(form, tuple(TABLES))
    if form == "xlsx":
        return to_xlsx(asked, lang, given)
    return to_csv(asked, lang, given, encoding=TABLES[form])


def exported(
    organisation: Organisation, asked: Questionnaire, answers: Answers, form: str, lang: str
) -> bytes:
    """The answers in a form of the field.

    Raises:
        Malformed: ``assess.form-unknown``. Absent: ``assess.no-gaps``.
    """
    if form in TABLES:
        return table(asked, form, lang, answers)
    if form == "oscal-results":
        return to_results(asked, answers, at=organisation.clock(), lang=lang)
    if form == "oscal-poam":
        return to_poam(asked, answers, at=organisation.clock(), lang=lang)
    if form == "cyclonedx":
        from kizuna.app.wiring.assess.asking import level_of

        level = level_of(organisation, asked.subject)
        return to_cyclonedx(asked, answers, assessor=organisation.name, level=level, lang=lang)
    raise _unknown(form, EXPORTS)


def read_answers(asked: Questionnaire, data: bytes) -> Answers:
    """Answers in any form that holds them: a table, OSCAL results, an OSCAL plan.

    Raises:
        Malformed: ``assess.sheet``, ``assess.oscal``, ``assess.*``.
    """
    if data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return answers_from_oscal(asked, data)
    return read_sheet(data)


def element_named(name: str | None) -> Element | None:
    """An element by its name; none for no name.

    Raises:
        Malformed: ``assess.element``.
    """
    if name is None:
        return None
    try:
        return Element(name)
    except ValueError as fault:
        raise Malformed(
            "assess.element",
            f"no element named {name[:40]!r}",
            hint=f"one of {', '.join(Element)}",
            element=name[:40],
            known=", ".join(Element),
        ) from fault


def question_json(one: Question, lang: str) -> dict[str, Any]:
    """One question as every door shows it."""
    return {
        "id": one.id,
        "title": " ".join((one.title.get(lang) or one.title.get("en") or "").split()),
        "advice": " ".join((one.advice.get(lang) or one.advice.get("en") or "").split()),
        "claims": list(one.claims),
        "kinds": [k.value for k in one.kinds],
        "from": list(one.services),
        "fields": list(one.fields),
        "level": one.level.value,
        "control": one.control,
    }


def _unknown(form: str, known: tuple[str, ...]) -> Malformed:
    return Malformed(
        "assess.form-unknown",
        f"no form named {form[:40]!r}",
        hint=f"one of {', '.join(known)}",
        form=form[:40],
        known=", ".join(known),
    )
