# SPDX-License-Identifier: Apache-2.0
"""Names: from what a document calls a thing to one canonical subject identifier.

Keeps: 1. Only schemes that the field has defined are used: PURL, GS1 Digital Link, CPE 2.3, SWID
(RFC 9393), SWHID, gitoid, BOM-Link, named information (RFC 6920), ebCore party ids for national
company numbers. 2. A name that stands for many things (a CPE without a version) never becomes the
identifier of one. 3. What cannot be spelt canonically is ``None``, never a guess.

Example:
    >>> gtin("4912345678904")
    'https://id.gs1.org/01/04912345678904'
    >>> cpe("cpe:2.3:a:acme:fan:*:*:*:*:*:*:*:*") is None
    True
"""

from __future__ import annotations

import re
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from kizuna.model.errors import Malformed
from kizuna.model.identifier import MAX_IDENTIFIER, SubjectId, canonical, digest_of

__all__ = [
    "bom_link",
    "clean",
    "corporate_number",
    "cpe",
    "document_name",
    "fragment",
    "gtin",
    "identifier",
    "lei",
    "machine_name",
    "named_by_digests",
    "named_by_word",
    "part_of_document",
    "purl",
    "swid",
    "unquote",
    "web_address",
]

_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
_BOM_LINK: Final = re.compile(
    r"urn:cdx:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/([1-9][0-9]{0,17})"
    r"(?:#(.+))?",
    re.IGNORECASE | re.DOTALL,
)
_FRAGMENT_SAFE: Final = "!$&'()*+,;=:@/?-._~"
_HEX: Final = re.compile(r"[0-9a-f]+")
_NI_ALGORITHMS: Final = {
    "sha256": ("sha-256", 64),
    "sha384": ("sha-384", 96),
    "sha512": ("sha-512", 128),
    "sha3_256": ("sha3-256", 64),
    "sha3_384": ("sha3-384", 96),
    "sha3_512": ("sha3-512", 128),
}
_GIT_OBJECTS: Final = {
    "gitCommit": "rev",
    "gitTree": "dir",
    "gitBlob": "cnt",
    "gitTag": "rel",
}


def identifier(text: object) -> SubjectId | None:
    """The canonical spelling of an absolute URI, or ``None``."""
    if not isinstance(text, str):
        return None
    try:
        return canonical(text.strip())
    except Malformed:
        return None


def purl(text: object) -> SubjectId | None:
    """A package URL."""
    if isinstance(text, str) and text.strip()[:4].lower() == "pkg:":
        return identifier(text)
    return None


def web_address(text: object) -> SubjectId | None:
    """An https or http address; without the slash that means nothing but the site itself."""
    name = identifier(text)
    if name is None or not name.startswith(("https://", "http://")):
        return None
    if name.count("/") == 3 and name.endswith("/"):
        return SubjectId(name[:-1])
    return name


def named_by_word(base: str, sort: str, *words: str) -> SubjectId | None:
    """What an importer knows by words alone: a name below its own (a DID path).

    The same words give the same name in whatever document the importer reads them.
    """
    plain = (unicodedata.normalize("NFKC", word).strip().casefold() for word in words if word)
    path = "/".join((sort, *(quote(word, safe="") for word in plain)))
    named = identifier(f"{base}/{path}")
    if named is None or len(named) > MAX_IDENTIFIER // 2:
        named = identifier(f"{base}/{sort}/{digest_of(path.encode()).hex()}")
    return named


def cpe(text: object) -> SubjectId | None:
    """A CPE that names one version of a product; the wider ones name a set of things."""
    if not isinstance(text, str):
        return None
    text = text.strip()
    if text[:8].lower() == "cpe:2.3:":
        fields = re.split(r"(?<!\\):", text[8:])
        if len(fields) != 11 or fields[3] in ("*", "-", ""):
            return None
        bound = text if "\\" not in text else _cpe_uri(fields)
        return identifier(f"cpe:{bound[4:].lower()}")
    if text[:5].lower() == "cpe:/":
        fields = text[5:].split(":")
        if len(fields) < 4 or fields[3] in ("", "-"):
            return None
        return identifier(f"cpe:{text[4:].lower()}")
    return None


def _cpe_uri(fields: list[str]) -> str:
    """The URI binding of CPE 2.2 (NISTIR 7695 section 6.1) of the fields of a formatted string:
    the formatted string escapes with a backslash, which no URI may hold.
    """

    def bound(field: str) -> str:
        if field == "*":
            return ""
        text = re.sub(r"\\(.)", lambda m: m[1] if m[1] in "-._" else quote(m[1], safe=""), field)
        return text.replace("?", "%01").replace("*", "%02")

    part, vendor, product, version, update, edition, language = (bound(f) for f in fields[:7])
    extended = [bound(f) for f in fields[7:]]
    if any(extended):
        edition = "~" + "~".join((edition, *extended))
    whole = f"cpe:/{part}:{vendor}:{product}:{version}:{update}:{edition}:{language}"
    return whole.rstrip(":")


def swid(tag_id: object) -> SubjectId | None:
    """The ``swid`` URI (RFC 9393 section 5) of a SWID tag id."""
    if not isinstance(tag_id, str) or not tag_id.strip():
        return None
    return identifier(f"swid:{quote(tag_id.strip(), safe=_FRAGMENT_SAFE)}")


def gtin(text: object) -> SubjectId | None:
    """The GS1 Digital Link of a GTIN-8, -12, -13 (JAN, EAN) or -14 whose check digit is right."""
    if not isinstance(text, str):
        return None
    digits = text.strip().replace("-", "").replace(" ", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) not in (8, 12, 13, 14):
        return None
    padded = digits.zfill(14)
    total = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(padded[:13]))
    if (10 - total % 10) % 10 != int(padded[13]) or not int(padded):
        return None
    return identifier(f"https://id.gs1.org/01/{padded}")


def lei(text: object) -> SubjectId | None:
    """A legal entity identifier (ISO 17442) whose check digits are right."""
    if not isinstance(text, str):
        return None
    letters = text.strip().upper()
    if not re.fullmatch(r"[0-9A-Z]{18}[0-9]{2}", letters, re.ASCII):
        return None
    if int("".join(str(int(letter, 36)) for letter in letters)) % 97 != 1:
        return None
    return identifier(f"urn:lei:{letters}")


def corporate_number(text: object) -> SubjectId | None:
    """A Japanese corporate number (法人番号, ISO 6523 code 0188) as an OASIS ebCore party id."""
    if not isinstance(text, str):
        return None
    digits = text.strip().replace("-", "")
    if not re.fullmatch(r"[1-9][0-9]{12}", digits, re.ASCII):
        return None
    total = sum(
        int(digit) * (1 if place % 2 == 0 else 2) for place, digit in enumerate(digits[:0:-1])
    )
    if 9 - total % 9 != int(digits[0]):
        return None
    return identifier(f"urn:oasis:names:tc:ebcore:partyid-type:iso6523:0188:{digits}")


def named_by_digests(digests: object) -> SubjectId | None:
    """A file or Git object by its digests as in-toto writes them: ``ni`` (RFC 6920) or SWHID."""
    if not isinstance(digests, Mapping):
        return None
    for algorithm, (name, length) in _NI_ALGORITHMS.items():
        value = digests.get(algorithm)
        if isinstance(value, str):
            value = value.lower()
            if len(value) == length and _HEX.fullmatch(value):
                return _ni(name, bytes.fromhex(value))
    for algorithm, sort in _GIT_OBJECTS.items():
        value = digests.get(algorithm)
        if isinstance(value, str) and len(value) == 40 and _HEX.fullmatch(value.lower()):
            return identifier(f"swh:1:{sort}:{value.lower()}")
    return None


def document_name(data: bytes) -> SubjectId:
    """The name of a document that has none: its own SHA-256 as named information."""
    return _ni("sha-256", digest_of(data))


def _ni(algorithm: str, value: bytes) -> SubjectId:
    return canonical(f"ni:///{algorithm};{urlsafe_b64encode(value).rstrip(b'=').decode()}")


def bom_link(text: object) -> SubjectId | None:
    """A BOM-Link (``urn:cdx:serial/version#reference``) in one spelling, or ``None``."""
    if not isinstance(text, str) or (found := _BOM_LINK.fullmatch(text.strip())) is None:
        return None
    document = f"urn:cdx:{found[1].lower()}/{found[2]}"
    if found[3] is None:
        return identifier(document)
    return identifier(f"{document}#{fragment(unquote(found[3]))}")


def part_of_document(document: SubjectId, reference: str) -> SubjectId | None:
    """The part of a document that it calls ``reference``; ``None`` when that is too long."""
    name = f"{document}#{fragment(reference)}"
    return identifier(name) if len(name) <= MAX_IDENTIFIER else None


def fragment(text: str) -> str:
    """``text`` as the fragment of a URI, in one spelling."""
    return quote(text, safe=_FRAGMENT_SAFE)


def machine_name(*words: object, lower: bool = True) -> str:
    """A short name that payloads accept as type or id, made of ``words``; ``""`` if none is left.

    Example:
        >>> machine_name("ISO/IEC 27001", "2022")
        'iso/iec-27001-2022'
    """
    joined = "-".join(str(word) for word in words if word not in (None, ""))
    made = re.sub(r"[^A-Za-z0-9._:/+-]+", "-", joined.strip()).strip("-").lstrip("._:/+-")
    made = made[:200].rstrip("-")
    return made.lower() if lower else made


def clean(value: object, limit: int = 4000) -> str:
    """Words for people: without controls and marks that reorder text, cut to ``limit``."""
    if not isinstance(value, str):
        return ""
    text = _CONTROLS.sub(" ", value.replace("\r\n", "\n")).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"
