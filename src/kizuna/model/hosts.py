# SPDX-License-Identifier: Apache-2.0
"""Host names in identifiers: one spelling, and none that a reader takes for another.

Keeps: 1. A host is written as the network knows it: lower case, letters of other scripts as
``xn--`` labels, no default port, no dot at its end. 2. A label is of one script, or of those that
one language writes together (Japanese, Korean, Chinese with Latin); a label wholly of letters that
pass for Latin ones is refused. 3. What two versions of the standard would write differently is
refused.
Standard: RFC 3986, RFC 3490 (the form that the standard library knows), Unicode TS 39 in parts.

Example:
    >>> host_of("FAN.example:443", "https")
    'fan.example'
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

__all__ = ["host_of"]

_PORTS: Final = {"https": 443, "http": 80}
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_ADDRESS = re.compile(r"\[[0-9a-f:.]{2,45}\]")
_LONGEST: Final = 253
_DIFFERENT: Final = frozenset("ßς\u200c\u200d")
"""What RFC 3490 and RFC 5891 write differently."""

_COMMON: Final = frozenset({"DIGIT", "HYPHEN-MINUS", "LOW"})
_TOGETHER: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
_LIKE_LATIN: Final = frozenset("аеорсухіјѕһԁԛԝѵӏпгвкмтнοαικνρτυχωγμη")
"""Cyrillic and Greek letters that pass for Latin ones."""


@lru_cache(maxsize=16_384)
def host_of(authority: str, scheme: str) -> str:
    """The one spelling of a host with its port.

    Args:
        authority: host, perhaps with a port; no user.
        scheme: ``https`` or ``http``: its own port is left out.

    Raises:
        ValueError: why it is no host name, or one that passes for another.
    """
    name, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        name, port = authority, ""
    if port and (not _PORT.fullmatch(port) or not 0 < int(port) < 65_536):
        raise ValueError("the port is no number below 65536")
    kept = f":{int(port)}" if port and int(port) != _PORTS.get(scheme) else ""
    return _name(name) + kept


def _name(name: str) -> str:
    name = name.lower()
    if _ADDRESS.fullmatch(name):
        return name
    if "%" in name:
        raise ValueError("a host name has no escapes")
    labels = unicodedata.normalize("NFKC", name).removesuffix(".").split(".")
    found = ".".join(map(_label, labels))
    if len(found) > _LONGEST:
        raise ValueError("the host name is too long")
    return found


def _label(label: str) -> str:
    shown = label
    if label.startswith("xn--"):
        try:
            shown = label[4:].encode("ascii").decode("punycode")
        except (UnicodeError, ValueError, OverflowError) as fault:
            raise ValueError(f"the label {label[:40]!r} stands for nothing") from fault
    if shown.isascii():
        if shown != label or not _LABEL.fullmatch(label) or label[2:4] == "--":
            raise ValueError(f"the label {label[:40]!r} is none of a host name")
        return label
    if not _DIFFERENT.isdisjoint(shown):
        raise ValueError(f"the label {label[:40]!r} is written differently by different programs")
    _one_script(shown)
    try:
        written = shown.encode("idna").decode("ascii")
    except UnicodeError as fault:
        raise ValueError(f"the label {label[:40]!r} cannot stand in a host name") from fault
    if not _LABEL.fullmatch(written):  # ASCII signs beside other letters, or made of them by NFKC
        raise ValueError(f"the label {label[:40]!r} is none of a host name")
    again = written[4:].encode("ascii").decode("punycode") if written.startswith("xn--") else ""
    if not again or (label.startswith("xn--") and (written != label or again != shown)):
        raise ValueError(f"the label {label[:40]!r} is another one in disguise")
    return written


def _one_script(shown: str) -> None:
    scripts = {unicodedata.name(c, "UNKNOWN").split()[0] for c in shown if c.isalpha()}
    scripts -= _COMMON
    if "UNKNOWN" in scripts:
        raise ValueError("a letter of the host name is not known")
    if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
        raise ValueError("a label of the host name mixes scripts that no language mixes")
    letters = [c for c in shown if c.isalpha()]
    if scripts <= {"CYRILLIC", "GREEK"} and all(c in _LIKE_LATIN for c in letters):
        raise ValueError("a label of the host name passes for one in Latin letters")
