# SPDX-License-Identifier: Apache-2.0
"""What the shell offers while a command is typed: from the store, bounded, and never a failure."""

import pytest

DOCUMENT = b"""{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": {"type":
"firmware", "name": "pump", "purl": "pkg:generic/pump@1"}}, "components": [{"type": "library",
"name": "seal", "purl": "pkg:generic/seal@2"}]}"""


def offered(kizuna, words, place):
    env = {"_KIZUNA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    ran = kizuna(env=env)
    assert (ran.code, ran.stderr) == (0, "")
    return ran.stdout.split()


@pytest.fixture
def filled(store):
    assert store("import", "-", "-q", stdin=DOCUMENT).code == 0
    return store


def test_subjects_of_the_store_are_offered(filled):
    assert offered(filled, "kizuna verify p", 2) == ["pkg:generic/pump@1", "pkg:generic/seal@2"]
    assert offered(filled, "kizuna explain nothing", 2) == []


def test_bash_cuts_names_at_colons_and_is_offered_the_rest(filled):
    assert offered(filled, "kizuna verify pkg : generic/p", 4) == ["generic/pump@1"]
    assert offered(filled, "kizuna verify pkg : ", 4) == ["generic/pump@1", "generic/seal@2"]
    assert offered(filled, "kizuna verify pkg : generic/pump @ ", 6) == ["1"]


def test_profiles_lists_and_keys_are_offered(filled):
    assert "software-product" in offered(filled, "kizuna verify --profile ", 3)
    assert offered(filled, "kizuna verify -p iot", 3) == ["iot-device"]
    assert offered(filled, "kizuna verify --list ", 3) == ["own"]
    (key,) = offered(filled, "kizuna key revoke ", 3)
    assert len(key) == 64


def test_roles_kinds_and_what_profiles_ask_for_are_offered(kizuna):
    assert offered(kizuna, "kizuna list add did --role mak", 5) == ["maker"]
    assert offered(kizuna, "kizuna statement sign --kind cap", 4) == ["capability"]
    assert offered(kizuna, "kizuna statement claim pkg security", 4) == ["security-test"]


def test_without_a_store_nothing_is_offered_and_nothing_fails(kizuna):
    assert offered(kizuna, "kizuna verify p", 2) == []
    assert offered(kizuna, "kizuna verify --list ", 3) == []
    assert offered(kizuna, "kizuna key revoke ", 3) == []
    assert "verify" in offered(kizuna, "kizuna ver", 1)
