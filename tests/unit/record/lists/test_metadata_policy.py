# SPDX-License-Identifier: Apache-2.0
"""Metadata policies of a federation: every published case, and what merging must never do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Malformed, Problem, Refused
from kizuna.record.lists.federation.policy import apply, merge

FILE = "vectors/openid-federation/metadata-policy-test-vectors-2025-02-13.json"


def _plain(value):
    """Lists are sets here: the standard gives their order no meaning."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return sorted(value, key=repr)
    return value


@pytest.mark.vectors
def test_every_published_case_is_answered_as_published(shared):
    cases = json.loads((shared / FILE).read_text())
    assert len(cases) == 2019
    wrong = []
    for case in cases:
        wanted = case.get("error")
        try:
            merged = merge(case["TA"], case["INT"])
        except Refused as told:
            if wanted != "invalid_policy" or told.code != "federation.policy-contradicts":
                wrong.append(case["n"])
            continue
        if wanted == "invalid_policy" or _plain(merged) != _plain(case["merged"]):
            wrong.append(case["n"])
            continue
        try:
            resolved = apply(merged, case["metadata"])
        except Refused as told:
            if wanted != "invalid_metadata" or told.code != "federation.metadata-refused":
                wrong.append(case["n"])
            continue
        if wanted is not None or _plain(resolved) != _plain(case["resolved"]):
            wrong.append(case["n"])
    assert wrong == []


words = st.lists(st.sampled_from("abcd"), max_size=4, unique=True)
policies = st.fixed_dictionaries(
    {},
    optional={"subset_of": words, "superset_of": words, "add": words, "essential": st.booleans()},
)


@given(policies, policies, words)
def test_a_subordinate_never_widens_what_its_superior_allows(above, below, values):
    try:
        merged = merge({"p": above}, {"p": below})
        found = apply(merged, {"p": values})
    except Problem:
        return
    alone = above.get("subset_of")
    if alone is not None and "p" in found:
        assert set(found["p"]) <= set(alone)
    if "p" in found:
        assert set(above.get("superset_of", ())) <= set(found["p"])


def test_scope_is_a_list_of_words():
    merged = merge({"scope": {"subset_of": ["openid", "read"]}}, {})
    assert apply(merged, {"scope": "openid write"}) == {"scope": "openid"}


@pytest.mark.parametrize(
    "stated",
    [{"p": 3}, {"p": {"add": "a"}}, {"p": {"essential": 1}}, {"p": {"default": None}}],
)
def test_what_is_no_policy_is_refused(stated):
    with pytest.raises(Malformed) as told:
        merge(stated, {})
    assert told.value.code == "federation.policy-malformed"
