# SPDX-License-Identifier: Apache-2.0
"""OSCAL made here is read and resolved by an independent implementation, compliance-trestle.

It wants older libraries than ours, so it lives in an environment of its own, made once.
"""

import json
import subprocess
from pathlib import Path

import pytest

from kizuna.app.wiring.criteria.catalogs import find_catalog
from kizuna.app.wiring.settings import Settings
from kizuna.criteria.catalogs import (
    SHIPPED_CATALOGS,
    SHIPPED_MAPPINGS,
    oscal_shape,
    read_oscal,
    shipped_catalog,
    shipped_mapping,
    write_oscal_mapping,
)
from kizuna.criteria.profiles import SHIPPED, shipped_profile
from kizuna.criteria.profiles.oscal_exchange import to_oscal
from kizuna.criteria.profiles.oscal_resolve import resolve_profile
from kizuna.criteria.profiles.oscal_tailor import tailored
from kizuna.model.identifier import SubjectId
from kizuna.proof.assurance import (
    Answer,
    Answers,
    File,
    Question,
    Questionnaire,
    State,
    to_poam,
    to_results,
)

WANTED = "compliance-trestle==5.2.0"
NOW = 1_760_000_000
BASE = "data/oscal/SP800-53/rev5/json/NIST_SP-800-53_rev5_"
VALIDATE = """
import json, sys
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog
from trestle.oscal.mapping import MappingCollection
from trestle.oscal.poam import PlanOfActionAndMilestones
from trestle.oscal.profile import Profile
models = {
    "assessment-results": AssessmentResults,
    "catalog": Catalog,
    "mapping-collection": MappingCollection,
    "plan-of-action-and-milestones": PlanOfActionAndMilestones,
    "profile": Profile,
}
told = []
for document in json.load(sys.stdin):
    (kind, body), = document.items()
    try:
        models[kind].model_validate(body)
        told.append(None)
    except Exception as fault:
        told.append(str(fault)[:500])
print(json.dumps(told))
"""
RESOLVE = """
import json, pathlib, sys
from trestle.core.catalog.catalog_interface import CatalogInterface
from trestle.core.profile_resolver import ProfileResolver
root, profile = pathlib.Path(sys.argv[1]), sys.argv[2]
made = ProfileResolver.get_resolved_profile_catalog(root, profile)
print(json.dumps([c.id for c in CatalogInterface(made).get_all_controls_from_catalog(True)]))
"""


@pytest.fixture(scope="session")
def trestle(interpreter_with):
    """Python of an environment that has the oracle."""
    python = interpreter_with(WANTED)

    def ask(script, *words, stdin=""):
        done = subprocess.run(
            [str(python), "-c", script, *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    return ask


@pytest.mark.vectors
def test_what_we_export_is_valid_oscal(trestle, shared):
    catalogs = {name: shipped_catalog(name) for name in SHIPPED_CATALOGS}
    goals = [
        read_oscal((shared / "data/oscal" / file).read_bytes())
        for file in (
            "CSF/v2.0/xml/NIST_CSF_v2.0_catalog.xml",
            "SP800-171/rev3/xml/NIST_SP800-171_rev3_catalog.xml",
        )
    ]
    every = catalogs | {goal.id: goal for goal in goals}
    every["certificates"] = find_catalog("certificates", Settings(store=Path("nowhere")))
    mappings = [shipped_mapping(name) for name in SHIPPED_MAPPINGS]
    high = oscal_shape(
        (shared / f"{BASE}HIGH-baseline-resolved-profile_catalog-min.json").read_bytes()
    )
    low = oscal_shape((shared / f"{BASE}LOW-baseline_profile.json").read_bytes())
    tailoring = tailored(
        b'tailor: x\nversion: "1"\ntitle: {en: X}\n'
        b"take:\n  - {catalog: h, include: [ac-2, 'au-*'], exclude: [au-2]}\n"
        b"set: {ac-02_odp.06: 30 days}\n",
        now=NOW,
    )
    documents = [
        *(to_oscal(shipped_profile(name), catalogs, now=NOW) for name in SHIPPED),
        *(write_oscal_mapping(m, every[m.origin], every[m.goal], now=NOW) for m in mappings),
        {"catalog": resolve_profile(low, lambda _: high, now=NOW).catalog},
        tailoring,
        {"catalog": resolve_profile(tailoring, lambda _: high, now=NOW).catalog},
    ]
    assert trestle(VALIDATE, stdin=json.dumps(documents)) == [None] * len(documents)


QUESTIONS = tuple(
    Question(id=name, title={"en": name.title(), "ja": "設問"}, claims=(name,), control=control)
    for name, control in (
        ("contact", "CPS.RA-1"),
        ("update", "eu-cra-annex-i#CRA-I-I-2c, CPS.MA-1"),
        ("1-odd id/!", ""),
        ("other", "cpsf-1.0#CPS.GV-1"),
    )
)
EVERY_STATE = (
    Answer(
        requirement="contact",
        state=State.IMPLEMENTED,
        note="psirt@fuji.example <ok>",
        files=(File(name="方針.pdf", sha256="ab" * 32, media_type="application/octet-stream"),),
        links=("https://fuji.example/security.txt",),
        fields={"address": "psirt@fuji.example", "days": 30, "public": True},
    ),
    Answer(
        requirement="update", state=State.PLANNED, due="2027-03-31", owner="佐藤", note="line\ntwo"
    ),
    Answer(requirement="1-odd id/!", state=State.NOT_APPLICABLE, reason="no such part"),
)


def test_results_and_plans_that_we_export_are_valid_oscal(trestle):
    asked = Questionnaire(
        profile="small",
        version="1",
        digest="a" * 64,
        subject=SubjectId("pkg:generic/fuji/pump@4.2"),
        questions=QUESTIONS,
    )
    made = [
        form(asked, Answers(answers=answers), at=NOW, lang=lang)
        for lang in ("en", "ja")
        for answers in (EVERY_STATE, EVERY_STATE[:1], EVERY_STATE[1:], ())
        for form in (to_results, to_poam)
    ]
    documents = [json.loads(one) for one in made]
    assert trestle(VALIDATE, stdin=json.dumps(documents)) == [None] * len(documents)


@pytest.mark.vectors
def test_both_resolve_a_profile_to_the_same_controls(trestle, shared, tmp_path):
    (tmp_path / ".trestle").mkdir()
    name = f"{BASE}HIGH-baseline-resolved-profile_catalog-min.json"
    high = oscal_shape((shared / name).read_bytes())
    folder = tmp_path / "catalogs" / "high"
    folder.mkdir(parents=True)
    modern = json.loads((shared / name).read_text())
    modern["catalog"]["metadata"]["oscal-version"] = "1.2.1"
    (folder / "catalog.json").write_text(json.dumps(modern))
    profile = oscal_shape((shared / f"{BASE}LOW-baseline_profile.json").read_bytes())
    profile["profile"]["imports"][0]["href"] = "trestle://catalogs/high/catalog.json"
    profile["profile"]["metadata"]["oscal-version"] = "1.2.1"
    place = tmp_path / "profiles" / "low"
    place.mkdir(parents=True)
    (place / "profile.json").write_text(json.dumps(profile))
    theirs = trestle(RESOLVE, tmp_path, place / "profile.json")
    ours = resolve_profile(profile, lambda _: high, now=NOW).ids
    assert sorted(theirs) == sorted(ours)
    assert len(ours) == 149
