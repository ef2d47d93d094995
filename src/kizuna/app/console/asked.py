# SPDX-License-Identifier: Apache-2.0
"""What the address, the browser's language and the session say of one question.

Keeps: 1. Where the language was asked for by ``?lang=``, every link keeps it. 2. Parameters are
bounded in number; one that is needed and lacks is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode

from kizuna.model.errors import Malformed

if TYPE_CHECKING:
    from kizuna.app.console.signing_in import Visitor

__all__ = ["Asked", "instant"]

_LANGUAGES: Final = ("en", "ja")


class Asked:
    """What the address and the browser's language say."""

    def __init__(self, scope: Mapping[str, Any], *, operator: bool = False) -> None:
        self.operator = operator
        self.visitor: Visitor | None = None
        self.path = str(scope.get("path", "/")) or "/"
        raw = bytes(scope.get("query_string", b"")).decode("latin-1")
        try:
            pairs = parse_qsl(raw, max_num_fields=40, errors="replace")
        except ValueError:
            pairs = []
        self._pairs = pairs
        self._query = dict(pairs)
        asked = self._query.get("lang", "")
        self.explicit = asked in _LANGUAGES
        self.lang = asked if self.explicit else _accepted(scope)

    def text(self, name: str) -> str:
        """A parameter, or an empty text."""
        return self._query.get(name, "").strip()

    def many(self, name: str) -> list[str]:
        """Every value of a parameter that may be given several times."""
        return [value.strip() for key, value in self._pairs if key == name and value.strip()]

    def needed(self, name: str) -> str:
        """A parameter that must be there.

        Raises:
            Malformed: ``http.parameter-missing``.
        """
        value = self.text(name)
        if not value:
            raise Malformed(
                "http.parameter-missing",
                f"the address lacks ?{name}=",
                hint="name what is asked about",
                parameter=name,
            )
        return value

    def url(self, path: str, **parameters: object) -> str:
        """A link to another page, in the same language when that was asked for."""
        pairs = [
            (k, str(one))
            for k, v in parameters.items()
            for one in (v if isinstance(v, list | tuple) else (v,))
            if one not in ("", None)
        ]
        if self.explicit:
            pairs.append(("lang", self.lang))
        return f"{path}?{urlencode(pairs)}" if pairs else path

    def same(self, path: str, **changed: str) -> str:
        """The same question at another path or with a parameter changed."""
        kept = [(k, v) for k, v in self._pairs if k not in changed]
        pairs = [*kept, *changed.items()]
        return f"{path}?{urlencode(pairs)}" if pairs else path


def _accepted(scope: Mapping[str, Any]) -> str:
    """The first of our languages in ``Accept-Language``, by weight; English without one."""
    text = next((v for k, v in scope.get("headers", ()) if k == b"accept-language"), b"")
    best = ("en", 0.0)
    for item in bytes(text).decode("latin-1")[:500].split(","):
        tag, _, weight = item.strip().partition(";q=")
        short = tag.lower().partition("-")[0]
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if short in _LANGUAGES and quality > best[1]:
            best = (short, quality)
    return best[0]


def instant(text: str) -> int | None:
    """Seconds since 1970, an RFC 3339 instant or a date; None for an empty text.

    Raises:
        Malformed: ``http.time-malformed``.
    """
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) < 12:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
    except (ValueError, OverflowError) as fault:
        raise Malformed(
            "http.time-malformed",
            f"at is not an instant: {text[:40]!r}",
            hint="write 2026-11-22T09:00:00Z, 2026-11-22, or seconds since 1970",
            parameter="at",
            value=text[:40],
        ) from fault
