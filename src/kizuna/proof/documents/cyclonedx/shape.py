# SPDX-License-Identifier: Apache-2.0
"""The shape of a CycloneDX document: checked against the published schema of its version.

Keeps: 1. A document with a fault is refused with the JSON pointer of the fault and its reason.
2. A member that the schema does not know is no fault: it is taken out before reading, and its
place is listed. Two exceptions: inside a choice (a licence) a known member in the wrong place is a
fault, because leaving it out would choose for the author; and a mark of limited distribution that
is not understood is a fault, because leaving it out would spread the document further than allowed.
3. Addresses and e-mail addresses that are not well formed are no fault: half of the field's
documents have some, and nothing here rests on them.
Standard: CycloneDX 1.2 to 1.7, JSON.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from kizuna.model.errors import Malformed
from kizuna.proof.documents.jsontext import pointer
from kizuna.proof.documents.values import Remark

__all__ = ["VERSIONS", "check_shape"]

VERSIONS: Final = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")

_BASE: Final = "http://cyclonedx.org/schema/"
_SHARED: Final = (
    "spdx.SNAPSHOT.schema.json",
    "jsf-0.82.SNAPSHOT.schema.json",
    "cryptography-defs.SNAPSHOT.schema.json",
)
_ROUNDS: Final = 8
_MOST_FAULTS: Final = 100_000
_ADDRESS_FORMATS: Final = ("iri-reference", "iri", "idn-email", "email")
_SPREADING: Final = ("distribution", "tlp")

Path = tuple[str | int, ...]


class _Shape:
    """The compiled schema of one version, and all names of members that it knows."""

    def __init__(self, version: str) -> None:
        import jsonschema_rs  # noqa: PLC0415 - costs time that most commands need not spend

        strict = "-strict" if version in ("1.2", "1.3") else ""
        schema = _schema(f"bom-{version}{strict}.SNAPSHOT.schema.json")
        shared = [(name, _schema(name)) for name in _SHARED]
        registry = jsonschema_rs.Registry(
            [(_BASE + name, value) for name, value in shared]
            + [(str(value["$id"]), value) for _, value in shared]
        )
        self.validator = jsonschema_rs.validator_for(
            schema,
            registry=registry,
            validate_formats=True,
            mask="the value",
            pattern_options=jsonschema_rs.RegexOptions(),
        )
        self.names = frozenset(
            name for value in (schema, *(v for _, v in shared)) for name in _member_names(value)
        )


@lru_cache(maxsize=len(VERSIONS))
def _shape(version: str) -> _Shape:
    return _Shape(version)


def _schema(name: str) -> dict[str, Any]:
    text = files("cyclonedx.schema").joinpath("_res", name).read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text, object_hook=_without_address_formats)
    return value


def _without_address_formats(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("format") in _ADDRESS_FORMATS:
        del value["format"]
    return value


def _member_names(schema: object) -> set[str]:
    names: set[str] = set()
    stack = [schema]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            members = here.get("properties")
            if isinstance(members, dict):
                names.update(members)
            stack.extend(here.values())
        elif isinstance(here, list):
            stack.extend(here)
    return names


def check_shape(document: dict[str, Any], version: str) -> list[Remark]:
    """Refuse a faulty document; take unknown members out of one that is otherwise sound.

    Returns:
        A remark for each member taken out of ``document``.

    Raises:
        Malformed: ``document.shape``.
    """
    shape = _shape(version)
    remarks: list[Remark] = []
    for _ in range(_ROUNDS):
        unknown: dict[tuple[Path, str], None] = {}
        try:
            faults = shape.validator.iter_errors(document)
            for count, fault in enumerate(faults):
                names = _unknown_members(fault, shape.names)
                if not names or count >= _MOST_FAULTS:
                    raise _faulty(fault, version)
                unknown.update(dict.fromkeys(names))
        except ValueError as odd:
            if isinstance(odd, _validation_error()):
                raise
            raise Malformed(
                "document.shape",
                f"not a CycloneDX {version} document: {odd}",
                why=str(odd)[:300],
                where="/",
                format=f"CycloneDX {version}",
                fault=str(odd)[:300],
            ) from odd
        if not unknown:
            return remarks
        for path, name in unknown:
            holder: Any = document
            for step in path:
                holder = holder[step]
            holder.pop(name, None)
            remarks.append(Remark(pointer([*path, name]), "unknown-member", name[:80]))
    return remarks


def _validation_error() -> type[Exception]:
    import jsonschema_rs  # noqa: PLC0415 - see _Shape

    error: type[Exception] = jsonschema_rs.ValidationError
    return error


def _unknown_members(fault: Any, known: frozenset[str]) -> list[tuple[Path, str]]:  # noqa: ANN401
    """The members that alone make up ``fault``; none where it is a fault of another kind."""
    path: Path = tuple(fault.instance_path)
    kind = fault.kind
    if kind.name == "additionalProperties":
        if path == ("metadata",) and any(n.lower().startswith(_SPREADING) for n in kind.unexpected):
            return []
        return [(path, name) for name in kind.unexpected]
    if kind.name not in ("oneOf", "anyOf"):
        return []
    for branch in kind.context:
        found: list[tuple[Path, str]] = []
        for inner in branch:
            names = _unknown_members(inner, known)
            if not names or any(name in known for _, name in names):
                break
            found += names
        else:
            if found:
                return found
    return []


def _faulty(fault: Any, version: str) -> Malformed:  # noqa: ANN401 - of a library without types
    deepest = _deepest(fault)
    where = pointer(deepest.instance_path) or "/"
    why = str(deepest.message)[:300]
    return Malformed(
        "document.shape",
        f"not a sound CycloneDX {version} document: at {where}: {why}",
        why=why,
        hint="mend that place, or ask whoever made the document for one that follows its standard",
        where=where,
        format=f"CycloneDX {version}",
        fault=why,
    )


def _deepest(fault: Any) -> Any:  # noqa: ANN401 - of a library without types
    """Of a choice in which no alternative fits, the fault of the alternative that fits best."""
    while fault.kind.name in ("oneOf", "anyOf"):
        context = getattr(fault.kind, "context", None)
        branches = [branch for branch in context or () if branch]
        if not branches:
            return fault
        best = max(branches, key=lambda branch: (len(branch[0].instance_path), -len(branch)))
        if len(best[0].instance_path) <= len(fault.instance_path):
            return fault
        fault = best[0]
    return fault
