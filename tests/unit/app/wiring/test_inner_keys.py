# SPDX-License-Identifier: Apache-2.0
"""Keys from files are called what the file calls them, and are nobody's by that."""

import json

import pytest

from kizuna.app.wiring.inner_keys import handed_in
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Status, Target
from kizuna.proof.documents import SignatureResult, read
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit
from kizuna.worlds.party import SetClock

VICTIM = "did:web:victim.example"
NOW = 1_795_305_600


@pytest.fixture
def signer():
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "vc")
    return unit, handle


@pytest.mark.parametrize(
    "kid", [VICTIM, f"{VICTIM}#k", VICTIM.upper(), "https://victim.example#k", "urn:x:victim"]
)
def test_a_key_set_of_one_issuer_verifies_no_credential_of_another(signer, kid):
    unit, handle = signer
    jwk = {**unit.public(handle).to_jwk(), "kid": kid}
    keys = handed_in([("keys.json", json.dumps({"keys": [jwk]}).encode())])
    assert kid not in keys
    issuer = kid.partition("#")[0].lower()
    body = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "pkg:generic/fuji/pump@4.2", "star": 1},
    }
    token = sign_jws(unit, handle, json.dumps(body).encode(), {"typ": "vc+jwt"})
    (signature,) = read(token, "x.jwt", keys=keys).inner_signatures
    assert signature.result is SignatureResult.UNVERIFIED


def test_a_key_keeps_the_plain_name_that_its_file_gives(signer):
    unit, handle = signer
    jwk = {**unit.public(handle).to_jwk(), "kid": "release-2026"}
    keys = handed_in([("key.json", json.dumps(jwk).encode())])
    assert keys["release-2026"] == keys[handle.id] == unit.public(handle)


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Bar", now=NOW, policy="open", settings=settings) as made:
        yield made


def of_lists(workspace):
    return set(workspace._keys_of_lists())


@pytest.mark.parametrize("action", [Action.REVOKE, Action.COMPROMISE, Action.SUSPEND])
def test_a_key_that_is_no_longer_its_members_own_is_lent_by_no_list(workspace, signer, action):
    unit, handle = signer
    key = unit.public(handle)
    workspace.lists.add(VICTIM, roles=["assessor"], keys=[key.to_jwk()])
    names = {VICTIM, f"{VICTIM}#{handle.id}", handle.id}
    assert names <= of_lists(workspace)
    since = "2026-01-01T00:00:00Z" if action is Action.COMPROMISE else None
    ended = Status(action=action, target=Target(key=handle.id), since=since)
    workspace.register_one(workspace.sign(Kind.STATUS, VICTIM, ended))
    assert not names & of_lists(workspace)


def test_a_stranger_ends_no_key_that_a_list_lends(workspace, signer):
    unit, handle = signer
    workspace.lists.add(VICTIM, roles=["assessor"], keys=[unit.public(handle).to_jwk()])
    stranger = Workspace.init(
        workspace.path.parent / "other",
        "Foo",
        now=NOW,
        policy="open",
        settings=Settings(store=workspace.path.parent / "other", clock=SetClock(NOW)),
    )
    with stranger:
        ended = Status(action=Action.REVOKE, target=Target(key=handle.id))
        said = stranger.sign(Kind.STATUS, VICTIM, ended)
    workspace.register_each([said])
    assert handle.id in of_lists(workspace)
