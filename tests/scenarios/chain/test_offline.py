# SPDX-License-Identifier: Apache-2.0
"""The same question to a store, to a server's memory and to a file: one answer."""

from dataclasses import replace

import pytest

from kizuna.app.wiring.workspace import Workspace
from kizuna.chain.exchange import open_bundle
from kizuna.chain.graph import Graph
from kizuna.chain.verify import judge
from kizuna.model.errors import Problem
from kizuna.model.finding import Code, Value
from kizuna.model.outcome import Outcome
from kizuna.model.trust import Anchors
from kizuna.worlds.building import building

NOW = 1_800_000_000


@pytest.fixture
def made(tmp_path):
    """The building in a store, with one of its stories broken."""
    world = building(NOW, seed=b"offline")
    with Workspace.init(tmp_path / "store", "Reader", now=NOW, policy="open") as workspace:
        workspace.set_anchors(
            Anchors(
                lists=world.anchors.lists,
                logs=[workspace.log.anchor()],
                identities=world.anchors.identities,
                verifier=world.anchors.verifier,
            )
        )
        for batch in (world.memberships, world.statements):
            outcomes = workspace.store.submit(list(batch), now=NOW)
            assert all(hasattr(o, "index") for o in outcomes), outcomes
        yield world, workspace


def answers(world, workspace, at):
    """From the reader cold, from memory, and from the bundle."""
    profile, anchors = workspace.profile(world.profile), workspace.anchors()
    reader = workspace.store.reader()
    cold = judge(reader, world.root, profile, anchors, at=at)
    live = judge(Graph.of(reader), world.root, profile, anchors, at=at)
    data = workspace.export_bundle(world.root, profile).data
    offline = judge(open_bundle(data, anchors), world.root, profile, anchors, at=at)
    return cold, live, offline, data


def test_store_memory_and_file_agree_before_and_after_something_breaks(made):
    world, workspace = made
    cold, live, offline, _ = answers(world, workspace, NOW + 1)
    assert cold.canonical_bytes() == live.canonical_bytes()
    assert (cold.value, offline.value) == (Value.TRUSTED, Value.TRUSTED)
    story = world.stories[0]
    workspace.store.submit(list(story.break_(NOW + 60)), now=NOW + 60)
    cold, live, offline, data = answers(world, workspace, NOW + 61)
    assert cold.canonical_bytes() == live.canonical_bytes()
    assert offline.value is Value.UNTRUSTED
    assert offline.findings == cold.findings
    as_one = {"view": "", "next_change": None}
    assert replace(offline, **as_one).canonical_bytes() == replace(cold, **as_one).canonical_bytes()
    assert len(data) < 200_000


def test_a_file_without_the_verifiers_anchors_or_under_others_is_worth_nothing(made):
    world, workspace = made
    profile = workspace.profile(world.profile)
    data = workspace.export_bundle(world.root, profile).data
    nobody = Anchors()
    verdict = judge(open_bundle(data, nobody), world.root, profile, nobody, at=NOW + 1)
    assert {f.code for f in verdict.findings} == {Code.ANCHORS_MISSING}
    assert (verdict.value, verdict.outcome) == (Value.UNDETERMINED, Outcome.EVIDENCE_MISSING)
    no_lists = Anchors(logs=workspace.anchors().logs)
    verdict = judge(open_bundle(data, no_lists), world.root, profile, no_lists, at=NOW + 1)
    assert verdict.value is Value.UNDETERMINED


def test_a_file_made_for_one_question_does_not_pass_for_another(made):
    world, workspace = made
    profile, anchors = workspace.profile(world.profile), workspace.anchors()
    part = world.stories[0].subject
    data = workspace.export_bundle(part, profile).data
    verdict = judge(open_bundle(data, anchors), world.root, profile, anchors, at=NOW + 1)
    assert verdict.value is Value.UNDETERMINED
    assert Code.PROOF_INCOMPLETE in {f.code for f in verdict.findings}


def test_an_old_file_is_true_as_of_then_and_says_so(made):
    world, workspace = made
    profile, anchors = workspace.profile(world.profile), workspace.anchors()
    data = workspace.export_bundle(world.root, profile).data
    late = NOW + 40 * 86_400
    verdict = judge(open_bundle(data, anchors), world.root, profile, anchors, at=late)
    assert Code.STORE_STALE in {f.code for f in verdict.findings}
    assert verdict.value is not Value.TRUSTED


def test_every_hundredth_bit_of_the_file_matters(made):
    world, workspace = made
    profile, anchors = workspace.profile(world.profile), workspace.anchors()
    data = workspace.export_bundle(world.root, profile).data
    for at in range(0, len(data) * 8, max(1, len(data) * 8 // 150)):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        with pytest.raises(Problem):
            open_bundle(bytes(changed), anchors)
