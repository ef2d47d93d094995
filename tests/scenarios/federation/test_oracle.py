# SPDX-License-Identifier: Apache-2.0
"""Somebody else's program walks the federation that we publish, and finds what we find.

The oracle is ``spid-cie-oidc`` (Apache-2.0). It wants older libraries than ours, so it lives in an
environment of its own, made once. Two ways of its own are met here: how long a path may be it looks
for in the anchor's configuration (1.0 has it in subordinate statements), so the walk is told; and
it reads each superior's policy on its own, so the policies here do not overlap.
"""

import json
import os
import subprocess

import pytest

from kizuna.app.wiring.federation.book import BookKeeper

WANTED = "spid-cie-oidc==1.6.3"
WALK = """
import json, sys
from django.conf import settings
settings.configure(HTTP_CLIENT_SYNC=True)
from spid_cie_oidc.entity.statements import EntityConfiguration, get_entity_configurations
from spid_cie_oidc.entity.trust_chain import TrustChainBuilder
subject, anchor, longest, *marks = sys.argv[1:]
params = {"timeout": 20}
top = EntityConfiguration(get_entity_configurations(anchor, params)[0], httpc_params=params)
top.validate_by_itself()
walk = TrustChainBuilder(subject, top, params, required_trust_marks=marks)
walk.max_path_len = int(longest)
walk.start()
print(json.dumps({
    "valid": walk.is_valid,
    "path": [entity.sub for entity in walk.trust_path],
    "metadata": walk.final_metadata,
    "marks": [mark.id for mark in walk.verified_trust_marks],
}))
"""


@pytest.fixture(scope="session")
def oracle(interpreter_with):
    """Python of an environment that has the oracle."""
    return interpreter_with(WANTED)


def walk(oracle, country, name, longest, *marks):
    done = subprocess.run(
        [
            str(oracle), "-c", WALK,
            country.places[name].url, country.places["guild"].url, str(longest), *marks,
        ],
        env={**os.environ, "REQUESTS_CA_BUNDLE": str(country.certificate)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_oracle_finds_the_same_path_metadata_and_mark(oracle, country):
    rule = {"federation_entity": {"contacts": {"default": ["help@guild.example"]}}}
    BookKeeper(country.places["guild"].workspace.path).rule(rule, {})
    rule = {"federation_entity": {"organization_name": {"essential": True}}}
    BookKeeper(country.places["branch"].workspace.path).rule(rule, {})
    mark = country.places["branch"].url + "/federation/marks/maker"
    theirs = walk(oracle, country, "fuji", 1, mark)
    ((ours, marks),) = (
        country.reading()
        .resolve(country.places["fuji"].url, network=country.network(), status=True)
        .chains
    )
    assert theirs["valid"]
    assert theirs["path"] == list(ours.path)
    assert theirs["metadata"] == ours.metadata
    assert ours.metadata["federation_entity"]["contacts"] == ["help@guild.example"]
    assert theirs["marks"] == [m.mark.kind for m in marks if m.counts] == [mark]


def test_the_oracle_finds_no_path_for_whoever_is_suspended(oracle, country):
    branch = country.places["branch"].workspace
    branch.lists.set_state(country.member("fuji"), "suspended", reason="an audit is open")
    assert walk(oracle, country, "fuji", 1)["path"] == []
