# SPDX-License-Identifier: Apache-2.0
"""Endorsed values in a CoMID, with and without conditions.

Keeps: 1. A condition is taken whole or not at all: one that asks for what no evidence here shows
(a raw value, an authority, another environment) would otherwise hold too often; its endorsement is
left out and listed. Security versions (exact or least) and flags are asked of each device's
evidence. 2. What is said is kept as plain claims by readable name; a member that is not known is
listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kizuna.proof.attestation.corim.parts import (
    component_of,
    digests_of,
    environment_of,
    is_list,
    malformed,
)
from kizuna.proof.attestation.corim.rules import Environment
from kizuna.proof.attestation.endorsement import Endorsement, Option, Said, Wanted
from kizuna.roots.cose.cbor import Tag

__all__ = ["MEMBERS", "conditional", "endorsed", "series", "signer_of"]

MEMBERS: Final = {
    0: "version",
    1: "svn",
    2: "digests",
    3: "flags",
    4: "raw-value",
    5: "raw-value-mask",
    6: "mac-addr",
    7: "ip-addr",
    8: "serial-number",
    9: "ueid",
    10: "uuid",
    11: "name",
    13: "cryptokeys",
    14: "integrity-registers",
    15: "int-range",
}
"""Members of a measurement's values."""
_FLAGS: Final = (
    "is-configured",
    "is-secure",
    "is-recovery",
    "is-debug",
    "is-replay-protected",
    "is-integrity-protected",
    "is-runtime-meas",
    "is-immutable",
    "is-tcb",
    "is-confidentiality-protected",
)
_BYTES: Final = frozenset({560, 600})
_SVN, _MIN_SVN = 552, 553
_MOST: Final = 4096
_JUDGED: Final = frozenset({0, 1, 2, 3, 11, 13})
"""Members of a condition that evidence can be held against."""


class _NotJudged(Exception):  # noqa: N818 - no error: control within this module
    """A condition asks for what evidence here does not show."""


def endorsed(record: Sequence[Any], left: set[str]) -> Iterator[Endorsement]:
    """An ``endorsed-triple-record``: said of an environment without condition."""
    where = environment_of(_part(record, 0, Mapping, "environment"))
    model = _model(where)
    said = tuple(_said(_measurements(_part(record, 1, list, "values")), left))
    if model is None:
        left.add("endorsed-values without class")
    elif where.narrower:
        left.add(f"endorsed-values of one {where.narrower}")
    elif said:
        yield Endorsement(model=model, identity=where.identity, options=(Option(said=said),))


def conditional(record: Sequence[Any], left: set[str]) -> Iterator[Endorsement]:
    """A ``conditional-endorsement-triple-record``: stateful environments, and what is then said."""
    return _judged("conditional-endorsements", _conditional(record, left), left)


def series(record: Sequence[Any], left: set[str]) -> Iterator[Endorsement]:
    """A ``conditional-endorsement-series-triple-record``: the first selection that fits counts."""
    return _judged("conditional-endorsement-series", _series(record, left), left)


def _judged(name: str, found: Iterator[Endorsement], left: set[str]) -> Iterator[Endorsement]:
    """All of a record, or nothing of it where its condition cannot be judged."""
    try:
        return iter(list(found))
    except _NotJudged as reason:
        left.add(f"{name} that ask for {reason}")
        return iter(())


def _conditional(record: Sequence[Any], left: set[str]) -> Iterator[Endorsement]:
    wanted: list[Wanted] = []
    places: set[tuple[str | None, bytes | None]] = set()
    for one in _part(record, 0, list, "conditions"):
        whole = _record(one)
        where = environment_of(_part(whole, 0, Mapping, "environment"))
        if where.narrower:
            raise _NotJudged(where.narrower)
        places.add((_model(where), where.identity))
        wanted += _wanted(_part(whole, 1, list, "claims"))
    if len(places) != 1:
        raise _NotJudged("several environments")
    model, identity = places.pop()
    if model is None:
        raise _NotJudged("no class")
    for one in _part(record, 1, list, "endorsements"):
        whole = _record(one)
        where = environment_of(_part(whole, 0, Mapping, "environment"))
        said = tuple(_said(_measurements(_part(whole, 1, list, "values")), left))
        if _model(where) != model or where.narrower or where.identity not in (None, identity):
            raise _NotJudged("another environment")
        if said:
            yield Endorsement(
                model=model,
                identity=identity,
                condition=tuple(wanted),
                options=(Option(said=said),),
            )


def _series(record: Sequence[Any], left: set[str]) -> Iterator[Endorsement]:
    condition = _part(record, 0, list, "condition")
    where = environment_of(_part(condition, 0, Mapping, "environment"))
    model = _model(where)
    if where.narrower or model is None:
        raise _NotJudged(where.narrower or "no class")
    if len(condition) > 2 and condition[2] is not None:
        raise _NotJudged("authorized-by")
    found: list[Option] = []
    for one in _part(record, 1, list, "series"):
        whole = _record(one)
        selection = tuple(_wanted(_part(whole, 0, list, "selection")))
        said = tuple(_said(_measurements(_part(whole, 1, list, "addition")), left))
        found.append(Option(selection=selection, said=said))
    if not found:
        raise malformed("a series of endorsements is empty")
    yield Endorsement(
        model=model,
        identity=where.identity,
        condition=tuple(_wanted(_part(condition, 1, list, "claims"))),
        options=tuple(found),
    )


def signer_of(says: Mapping[Any, Any]) -> bytes | None:
    """The key that is named as a component's signer, where it is named by bytes."""
    keys = says.get(13)
    for key in keys if is_list(keys) else ():
        if isinstance(key, Tag) and key.tag in _BYTES and isinstance(key.value, bytes):
            return key.value
    return None


def _model(where: Environment) -> str | None:
    return where.model or where.instance_name or None


def _wanted(items: Sequence[Any]) -> Iterator[Wanted]:
    """The measurements that a condition asks for; raises where one cannot be judged."""
    for one, says in _measurements(items):
        if 2 in one:
            raise _NotJudged("authorized-by")
        for member in says:
            if member not in _JUDGED:
                raise _NotJudged(_member(member))
        version = says.get(0)
        number = version.get(0) if isinstance(version, Mapping) else None
        if (0 in says and type(number) is not str) or (13 in says and signer_of(says) is None):
            raise _NotJudged("a version or key of an unknown form")
        svn, least = _svn(says)
        yield Wanted(
            component=_component(one, says),
            digests=tuple(digests_of(says.get(2))),
            version=number,
            signer=signer_of(says),
            svn=svn,
            min_svn=least,
            flags=_flags(says),
        )


def _svn(says: Mapping[Any, Any]) -> tuple[int | None, int | None]:
    """The security version asked for: exactly this one, or at least this one."""
    if 1 not in says:
        return None, None
    number = _number(says[1])
    if type(number) is not int:
        raise _NotJudged("a security version of an unknown form")
    least = isinstance(says[1], Tag) and says[1].tag == _MIN_SVN
    return (None, number) if least else (number, None)


def _flags(says: Mapping[Any, Any]) -> tuple[tuple[str, bool], ...]:
    value = says.get(3, {})
    if not isinstance(value, Mapping):
        raise _NotJudged("flags of an unknown form")
    found = _flags_named(value)
    if len(found) != len(value):
        raise _NotJudged("flags of an unknown form")
    return tuple(found.items())


def _flags_named(value: Mapping[Any, Any]) -> dict[str, bool]:
    return {
        _FLAGS[number]: held
        for number, held in value.items()
        if type(number) is int and 0 <= number < len(_FLAGS) and type(held) is bool
    }


def _said(
    items: Iterator[tuple[Mapping[Any, Any], Mapping[Any, Any]]], left: set[str]
) -> Iterator[Said]:
    for one, says in items:
        claims = dict(_claims(says, left))
        if claims:
            yield Said(component=_component(one, says), claims=claims)


def _claims(says: Mapping[Any, Any], left: set[str]) -> Iterator[tuple[str, Any]]:
    for member, value in says.items():
        name = _member(member)
        if member == 0 and isinstance(value, Mapping) and type(value.get(0)) is str:
            yield "version", value[0][:200]
        elif member == 1 and type(_number(value)) is int:
            kind = "min-svn" if isinstance(value, Tag) and value.tag == _MIN_SVN else "svn"
            yield kind, _number(value)
        elif member == 2:
            yield "digests", [f"{alg}:{digest.hex()}" for alg, digest in digests_of(value)]
        elif member == 3 and isinstance(value, Mapping):
            known = _flags_named(value)
            if len(known) != len(value):
                left.add("flags of endorsed-values")
            yield "flags", known
        elif member in (8, 11) and type(value) is str:
            yield name, value[:200]
        else:
            left.add(f"{name} of endorsed-values")


def _number(value: object) -> object:
    inner = value.value if isinstance(value, Tag) and value.tag in (_SVN, _MIN_SVN) else value
    return inner if type(inner) is int and 0 <= inner < 2**64 else None


def _member(member: object) -> str:
    known = MEMBERS.get(member) if type(member) is int else None
    return known or f"member {str(member)[:20]}"


def _component(one: Mapping[Any, Any], says: Mapping[Any, Any]) -> str:
    name = says.get(11)
    if 0 in one or type(name) is not str:
        return component_of(one.get(0))
    return name[:200]


def _measurements(items: Sequence[Any]) -> Iterator[tuple[Mapping[Any, Any], Mapping[Any, Any]]]:
    if len(items) > _MOST:
        raise malformed(f"more than {_MOST} measurements in one record")
    for one in items:
        if not isinstance(one, Mapping) or not isinstance(one.get(1), Mapping):
            raise malformed("a measurement has no values")
        yield one, one[1]


def _record(value: object) -> Sequence[Any]:
    if not is_list(value):
        raise malformed("a record of endorsements is no list")
    return value


def _part(record: Sequence[Any], place: int, kind: type, name: str) -> Any:  # noqa: ANN401
    value = record[place] if len(record) > place else None
    if not (is_list(value) if kind is list else isinstance(value, kind)):
        raise malformed(f"a record of endorsements has no {name}")
    return value
