# SPDX-License-Identifier: Apache-2.0
"""Types of certificate as doors show them, and warnings about statements being made.

Keeps: a warning is told on the side; what is signed or imported stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kizuna.app.wiring.messages import text
from kizuna.criteria.certificates import CertificateType, Warned, shipped_types, warnings_of
from kizuna.model.errors import Absent
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim

__all__ = ["listed", "shown", "told", "unusual"]


def listed(lang: str) -> list[dict[str, Any]]:
    """One line a type of claim."""
    return [
        {
            "type": name,
            "scheme": one.id,
            "title": _word(one.title, lang),
            "level": level.value,
            "validity": _months(one, lang),
            "issuers": list(one.issuers),
        }
        for one in shipped_types()
        for name, level in one.types.items()
    ]


def shown(name: str, lang: str) -> dict[str, Any]:
    """A scheme whole, by its own name or that of a claim type.

    Raises:
        Absent: ``certificate.unknown``.
    """
    found = next((one for one in shipped_types() if name == one.id or name in one.types), None)
    if found is None:
        raise Absent(
            "certificate.unknown",
            f"no type of certificate named {name[:60]!r}",
            hint="`kizuna assess certificates` lists them",
            name=name[:60],
        )
    return {
        "scheme": found.id,
        "title": _word(found.title, lang),
        "types": {n: level.value for n, level in found.types.items()},
        "issuers": list(found.issuers),
        "concerns": [e.value for e in found.concerns],
        "validity": _months(found, lang),
        "fields": {f.name: _word(f.means, lang) for f in found.fields},
        "required": [f.name for f in found.fields if f.required],
        "note": _word(found.note, lang),
        "source": found.source,
        "sure": found.sure.value,
    }


def unusual(kind: Kind, payload: object) -> tuple[Warned, ...]:
    """What is unusual about a payload that is about to be signed."""
    return warnings_of(kind, payload) if isinstance(payload, Claim) else ()


def told(warned: Iterable[Warned], lang: str) -> list[dict[str, str]]:
    """Warnings in words."""
    return [
        {
            "type": one.type,
            "code": one.what.value,
            "about": one.about,
            "message": text(f"certificate.{one.what.value}", lang, type=one.type, about=one.about),
        }
        for one in warned
    ]


def _months(one: CertificateType, lang: str) -> str:
    if one.validity_months is None:
        return ""
    return text("certificate.months", lang, months=one.validity_months)


def _word(words: Mapping[str, str], lang: str) -> str:
    return " ".join((words.get(lang) or words.get("en") or "").split())
