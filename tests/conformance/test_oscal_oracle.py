# SPDX-License-Identifier: Apache-2.0
"""OSCAL made here is read and resolved by an independent implementation, compliance-trestle.

It wants older libraries than ours, so it lives in an environment of its own, made once.
"""

import json
import subprocess

import pytest

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

WANTED = "compliance-trestle==5.2.0"
NOW = 1_760_000_000
BASE = "data/oscal/SP800-53/rev5/json/NIST_SP-800-53_rev5_"
VALIDATE = """
import json, sys
from trestle.oscal.catalog import Catalog
from trestle.oscal.mapping import MappingCollection
from trestle.oscal.profile import Profile
models = {"catalog": Catalog, "profile": Profile, "mapping-collection": MappingCollection}
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
            timeout=120,
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
