# SPDX-License-Identifier: Apache-2.0
"""Metadata policy: what superiors in a federation demand of the metadata of those below them.

Keeps: 1. A subordinate can only narrow what its superiors allow: merging never widens. 2. Policies
that contradict each other make the chain unusable, they are never silently settled. 3. The result
does not depend on the order of members in a document; operators act in the order of the standard.
Standard: OpenID Federation 1.0 section 6.1.

Example:
    >>> merged = merge({"grant_types": {"subset_of": ["a", "b"]}},
    ...                {"grant_types": {"subset_of": ["b", "c"]}})
    >>> apply(merged, {"grant_types": ["a", "b"], "name": "x"})
    {'grant_types': ['b'], 'name': 'x'}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from kizuna.model.errors import Malformed, Refused

__all__ = ["OPERATORS", "MetadataPolicy", "apply", "merge"]

MetadataPolicy = Mapping[str, Mapping[str, Any]]
"""Operators by metadata parameter, for one kind of entity."""

OPERATORS: Final = (
    "value",
    "add",
    "default",
    "one_of",
    "subset_of",
    "superset_of",
    "essential",
)
"""In the order in which they act."""

_LISTS: Final = frozenset({"add", "one_of", "subset_of", "superset_of"})
_MOST_PARAMETERS: Final = 500
_MOST_VALUES: Final = 1000
_WORDS: Final = frozenset({"scope"})
"""Parameters whose text is a list of words."""


def merge(superior: MetadataPolicy, subordinate: MetadataPolicy) -> dict[str, dict[str, Any]]:
    """One policy of two that follow each other in a chain, the superior's first.

    Raises:
        Malformed: ``federation.policy-malformed``. Refused: ``federation.policy-contradicts``.
    """
    out: dict[str, dict[str, Any]] = {}
    for name in (*superior, *(n for n in subordinate if n not in superior)):
        above, below = _operators(name, superior.get(name)), _operators(name, subordinate.get(name))
        joined = dict(above)
        for operator, value in below.items():
            joined[operator] = (
                _join(name, operator, above[operator], value) if operator in above else value
            )
        _hold_together(name, joined)
        out[name] = joined
    if len(out) > _MOST_PARAMETERS:
        raise _malformed(f"more than {_MOST_PARAMETERS} parameters", "")
    return out


def apply(policy: MetadataPolicy, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata after the policy.

    Raises:
        Malformed: ``federation.policy-malformed``. Refused: ``federation.policy-contradicts``,
        ``federation.metadata-refused`` for metadata that the policy does not allow.
    """
    out = dict(metadata)
    for name, stated in policy.items():
        operators = _operators(name, stated)
        _hold_together(name, operators)
        words = name in _WORDS and isinstance(out.get(name, ""), str)
        value = _values(out[name]) if words and name in out else out.get(name)
        for operator in OPERATORS:
            if operator in operators:
                value = _ACTS[operator](name, value, operators[operator])
        if value is None:
            out.pop(name, None)
        else:
            out[name] = " ".join(map(str, value)) if words and isinstance(value, list) else value
    return out


def _operators(name: str, stated: Mapping[str, Any] | None) -> dict[str, Any]:
    if stated is None:
        return {}
    if not isinstance(stated, Mapping):
        raise _malformed("a parameter's policy is a map of operators", name)
    out: dict[str, Any] = {}
    for operator, given in stated.items():
        value = given
        if operator not in OPERATORS:
            # left out, unless the chain marks it critical, which its reader looks at
            continue
        if operator in _LISTS:
            value = _values(value) if name in _WORDS and isinstance(value, str) else value
            if not isinstance(value, list) or len(value) > _MOST_VALUES:
                raise _malformed(f"{operator} takes a list", name)
        if operator == "essential" and not isinstance(value, bool):
            raise _malformed("essential takes true or false", name)
        if operator == "default" and value is None:
            raise _malformed("default takes a value", name)
        out[operator] = value
    return out


def _join(name: str, operator: str, above: Any, below: Any) -> Any:  # noqa: ANN401 - JSON values
    if operator in ("add", "superset_of"):
        return _union(above, below)
    if operator == "subset_of":
        return _both(above, below)
    if operator == "one_of":
        left = _both(above, below)
        if not left:
            raise _contradicts(name, "one_of", "one_of")
        return left
    if operator == "essential":
        return above or below
    if not _same(above, below):
        raise _contradicts(name, operator, operator)
    return above


def _hold_together(name: str, operators: Mapping[str, Any]) -> None:
    """Refuse operators of one parameter that cannot all hold."""
    for one, other, fits in _TOGETHER:
        if one in operators and other in operators and not fits(operators[one], operators[other]):
            raise _contradicts(name, one, other)


def _values(value: Any) -> list[Any]:  # noqa: ANN401 - JSON values
    if isinstance(value, list):
        return value
    return value.split() if isinstance(value, str) else [value]


def _same(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return _within(one, other) and _within(other, one)
    return type(one) is type(other) and one == other


def _within(part: Iterable[Any], whole: Sequence[Any]) -> bool:
    return all(value in whole for value in part)


def _union(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    return [*one, *(value for value in other if value not in one)]


def _both(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    return [value for value in one if value in other]


def _act_value(_name: str, _value: Any, operand: Any) -> Any:  # noqa: ANN401
    return operand


def _act_add(_name: str, value: Any, operand: list[Any]) -> Any:  # noqa: ANN401
    return list(operand) if value is None else _union(_values(value), operand)


def _act_default(_name: str, value: Any, operand: Any) -> Any:  # noqa: ANN401
    return operand if value is None else value


def _act_one_of(name: str, value: Any, operand: list[Any]) -> Any:  # noqa: ANN401
    if value is not None and value not in operand:
        raise _refused(name, "one_of")
    return value


def _act_subset(_name: str, value: Any, operand: list[Any]) -> Any:  # noqa: ANN401
    return None if value is None else _both(_values(value), operand)


def _act_superset(name: str, value: Any, operand: list[Any]) -> Any:  # noqa: ANN401
    if value is not None and not _within(operand, _values(value)):
        raise _refused(name, "superset_of")
    return value


def _act_essential(name: str, value: Any, operand: bool) -> Any:  # noqa: ANN401, FBT001
    if operand and value is None:
        raise _refused(name, "essential")
    return value


_ACTS: Final[Mapping[str, Callable[[str, Any, Any], Any]]] = {
    "value": _act_value,
    "add": _act_add,
    "default": _act_default,
    "one_of": _act_one_of,
    "subset_of": _act_subset,
    "superset_of": _act_superset,
    "essential": _act_essential,
}

_TOGETHER: Final[tuple[tuple[str, str, Callable[[Any, Any], bool]], ...]] = (
    ("value", "add", lambda v, a: v is not None and _within(a, _values(v))),
    ("value", "default", lambda v, _: v is not None),
    ("value", "one_of", lambda v, o: v is not None and v in o),
    ("value", "subset_of", lambda v, s: v is not None and _within(_values(v), s)),
    ("value", "superset_of", lambda v, s: v is not None and _within(s, _values(v))),
    ("value", "essential", lambda v, e: not (v is None and e)),
    ("add", "one_of", lambda _a, _o: False),
    ("add", "subset_of", _within),
    ("one_of", "subset_of", lambda _o, _s: False),
    ("one_of", "superset_of", lambda _o, _s: False),
    ("superset_of", "subset_of", _within),
)


def _malformed(why: str, name: str) -> Malformed:
    return Malformed(
        "federation.policy-malformed",
        f"the metadata policy for {name!r} cannot be read: {why}",
        why=why,
        hint="the superior that wrote it must correct it",
        parameter=name[:200],
        fault=why,
    )


def _contradicts(name: str, one: str, other: str) -> Refused:
    return Refused(
        "federation.policy-contradicts",
        f"the metadata policies for {name!r} contradict each other: {one} against {other}",
        why="a subordinate may only narrow what its superior allows",
        hint="one of the two superiors must change its policy",
        parameter=name[:200],
        one=one,
        other=other,
    )


def _refused(name: str, operator: str) -> Refused:
    return Refused(
        "federation.metadata-refused",
        f"the metadata parameter {name!r} does not meet the policy: {operator}",
        why="the federation above this entity demands otherwise",
        hint="the entity must change its metadata, or the federation its policy",
        parameter=name[:200],
        operator=operator,
    )
