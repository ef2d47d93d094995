# SPDX-License-Identifier: Apache-2.0
"""A product judged under one profile by what was shown under another catalog, through a mapping:
the same from the workspace, over HTTP and on the page; a proposal is never enough.
"""

import pytest

from kizuna.app.wiring.criteria.catalogs import import_catalog
from kizuna.app.wiring.criteria.mappings import register_mappings
from kizuna.app.wiring.criteria.through import reading_through
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.profiles import read_text
from kizuna.model.errors import Absent
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Status, Target

PROFILE = """
profile: {name}
version: "1"
title: {{en: {name}}}
requirements:
  - id: {requirement}
    title: {{en: {requirement}}}
    claim: {claim}
    from: [self]
    control: {control}
silent: {{default: undetermined}}
"""
MAPPING = """
mapping: left-to-right
version: "1"
title: {en: Left to right}
source: our own reading
from: left
to: right
ties:
  - {from: L-1, relation: equal, to: R.1, confidence: high}
  - {from: L-2, relation: intersects, to: R.2}
"""


def written(name, requirement, claim, control):
    text = PROFILE.format(name=name, requirement=requirement, claim=claim, control=control)
    return text.encode()


@pytest.fixture
def world(workspace):
    """Two catalogs, a profile for each, and a claim made under the left one."""
    import_catalog(workspace, b"id,title\nL-1,a\nL-2,b\n", name="left")
    import_catalog(workspace, b"id,title\nR.1,a\nR.2,b\n", name="right")
    for name, control, claim in (
        ("by-left", "left#L-1", "l-claim"),
        ("by-right", "right#R.1", "r-claim"),
    ):
        profile = read_text(
            written(name, "only", claim, control), f"{name}.yaml", workspace.settings
        )
        workspace.publish_profile(profile)
    subject = SubjectId(f"{workspace.identity}/products/pump")
    workspace.register_one(workspace.sign(Kind.EVIDENCE, subject, Claim(type="l-claim")))
    return subject


def judged(workspace, subject, *, name="by-right"):
    profile = workspace.profile(name)
    reading = reading_through(workspace.settings, profile, ["left-to-right"])
    return reading.judge(lambda by: workspace.verify(Question(subject, by))), reading


def codes(verdict):
    return {f.code for f in verdict.findings}


def test_a_claim_of_the_other_catalog_counts_when_the_mapping_is_accepted(workspace, world):
    register_mappings(workspace, MAPPING.encode(), accept=True)
    plain = workspace.verify(Question(world, workspace.profile("by-right")))
    assert plain.value is Value.UNDETERMINED
    verdict, reading = judged(workspace, world)
    assert verdict.value is Value.TRUSTED
    assert verdict.profile == "by-right"
    assert verdict.profile_digest == reading.profile.digest != plain.profile_digest
    (said,) = (f for f in verdict.findings if f.code is Code.MAPPING_CARRIED)
    assert dict(said.about)["mapping"] == "left-to-right"
    assert not said.counts


def test_a_proposed_mapping_is_shown_and_never_enough(workspace, world):
    register_mappings(workspace, MAPPING.encode(), accept=False)
    verdict, _ = judged(workspace, world)
    assert verdict.value is Value.UNDETERMINED
    assert Code.MAPPING_PROPOSED in codes(verdict)
    assert Code.CLAIM_MISSING in codes(verdict)


def test_what_ends_there_ends_here(workspace, world):
    register_mappings(workspace, MAPPING.encode(), accept=True)
    said = workspace.sign(Kind.EVIDENCE, world, Claim(type="l-claim", note="again"))
    digest, _ = workspace.register_one(said)
    status = Status(action=Action.REVOKE, target=Target(statement=digest))
    workspace.register_one(workspace.sign(Kind.STATUS, world, status))
    verdict, _ = judged(workspace, world)
    assert verdict.value is not Value.TRUSTED


def test_what_is_mapped_in_part_or_not_at_all_is_said_to_be_so(workspace, world):
    register_mappings(workspace, MAPPING.encode(), accept=True)
    for name, control, code in (
        ("part", "right#R.2", Code.MAPPING_PARTLY),
        ("none", "eu-cra-annex-i#CRA-I-I-1", Code.MAPPING_NONE),
    ):
        text = written(name, "only", "other-claim", control)
        workspace.publish_profile(read_text(text, f"{name}.yaml", workspace.settings))
        verdict, _ = judged(workspace, world, name=name)
        assert verdict.value is Value.UNDETERMINED
        assert code in codes(verdict)


def test_a_held_certificate_meets_what_an_accepted_mapping_says_it_covers(workspace, world):
    text = """
mapping: certificates-to-right
version: "1"
title: {en: Certificates to right}
source: our own reading
from: certificates
to: right
ties:
  - {from: iso-27001, relation: superset, to: R.1}
"""
    register_mappings(workspace, text.encode(), accept=True)
    held = Claim(type="iso-27001", claims={"number": "1", "scope": "all"})
    workspace.register_one(workspace.sign(Kind.EVIDENCE, world, held))
    profile = workspace.profile("by-right")
    reading = reading_through(workspace.settings, profile, ["certificates-to-right"])
    verdict = reading.judge(lambda by: workspace.verify(Question(world, by)))
    assert verdict.value is Value.TRUSTED
    assert Code.MAPPING_CARRIED in codes(verdict)


def test_a_mapping_whose_catalog_is_not_here_is_no_mapping_to_nothing(workspace, world):
    with pytest.raises(Absent, match="no catalog named"):
        reading_through(workspace.settings, workspace.profile("by-right"), ["cpsf-1.0-to-csf-2.0"])


def test_a_mapping_that_is_not_here_is_named(workspace, world):
    with pytest.raises(Absent, match="no mapping named"):
        judged(workspace, world)


def test_every_door_says_the_same(served, workspace, world):
    register_mappings(workspace, MAPPING.encode(), accept=True)
    verdict, _ = judged(workspace, world)
    asked = {"subject": world, "profile": "by-right", "through": "left-to-right"}
    told = served.client.get("/api/verify", params=asked).json()
    assert told["verdict"] == verdict.value.word
    assert told["profile_digest"] == verdict.profile_digest
    assert told["through"]["ways"][0]["how"] == "carries"
    assert "mapping.carried" in told["counts"]
    posted = asked | {"through": ["left-to-right"]}
    assert served.client.post("/api/verify", json=posted).json()["verdict"] == told["verdict"]
    page = {"id": world, "profile": "by-right", "through": "left-to-right"}
    twin = served.client.get("/subject.json", params=page).json()
    assert twin["verdict"]["profile_digest"] == verdict.profile_digest
    html = served.client.get("/subject", params=page).text
    assert "mapping.carried" in html
    assert "--through" in html
    gone = served.client.get("/api/verify", params=asked | {"through": "nothing"})
    assert gone.status_code == 404
