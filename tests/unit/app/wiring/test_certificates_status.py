# SPDX-License-Identifier: Apache-2.0
"""A status list at hand ends what was imported; one of another issuer, or out of date, does not."""

import json

import pytest

from kizuna.app.wiring.certificates_status import _resting_on, apply_status
from kizuna.app.wiring.certificates_vc import as_credential
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Refused, Tampered
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Claim, Status, Target, encode_payload
from kizuna.proof.documents import SignatureResult, read
from kizuna.record.status import write_bitstring
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.jws import sign_jws
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.ephemeral import EphemeralUnit
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PUMP = canonical("pkg:generic/fuji/pump@4.2")
LIST = "https://issuer.example/status/3"
CONTEXT = ["https://www.w3.org/ns/credentials/v2"]


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Bar", now=NOW, policy="open", settings=settings) as made:
        yield made


class Issuer:
    def __init__(self) -> None:
        self.unit = EphemeralUnit()
        self.handle = self.unit.generate(Algorithm.ES256, "vc")
        self.id = did_key(self.unit.public(self.handle))

    def sign(self, body):
        payload = json.dumps({"@context": CONTEXT, "issuer": self.id, **body}).encode()
        return sign_jws(self.unit, self.handle, payload, {"typ": "vc+jwt"})

    def credential(self, index):
        return self.sign(
            {
                "type": ["VerifiableCredential", "Label"],
                "credentialSubject": {"id": PUMP},
                "credentialStatus": {
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": "revocation",
                    "statusListIndex": str(index),
                    "statusListCredential": LIST,
                },
            }
        )

    def listed(self, *ended, **more):
        content = bytearray(16_384)
        for index in ended:
            content[index >> 3] |= 0x80 >> (index & 7)
        return self.sign(
            {
                "id": LIST,
                "type": ["VerifiableCredential", "BitstringStatusListCredential"],
                "credentialSubject": write_bitstring(f"{LIST}#list", bytes(content)),
                **more,
            }
        )


def test_what_a_list_ends_the_import_ends_once(workspace):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.credential(7))])
    assert apply_status(workspace, issuer.listed(8))["ended"] == 0
    told = apply_status(workspace, issuer.listed(7))
    assert (told["credentials"], told["ended"]) == (1, 1)
    assert apply_status(workspace, issuer.listed(7))["ended"] == 0


def test_nobody_keeps_a_revocation_away_by_a_word_of_their_own(workspace):
    issuer, stranger = Issuer(), Issuer()
    workspace.import_files([("a.jwt", issuer.credential(7))])
    ((row, _),) = _resting_on(workspace, LIST, issuer.id)
    said = Status(action=Action.SUSPEND, target=Target(statement=row.statement.digest.hex()))
    signed = sign_statement(
        stranger.unit, stranger.handle, issuer=stranger.id, subject=row.statement.subject,
        media_type=media_type_of(Kind.STATUS), payload=encode_payload(said), issued_at=NOW,
    )  # fmt: skip
    workspace.register_one(signed)
    assert apply_status(workspace, issuer.listed(7))["ended"] == 1


def test_what_was_suspended_can_still_be_revoked(workspace):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.credential(7))])
    paused = write_bitstring(f"{LIST}#list", bytes([1]) + bytes(16_383), purpose="suspension")
    assert apply_status(workspace, issuer.listed(credentialSubject=paused))["ended"] == 1
    assert apply_status(workspace, issuer.listed(credentialSubject=paused))["ended"] == 0
    assert apply_status(workspace, issuer.listed(7))["ended"] == 1
    assert apply_status(workspace, issuer.listed(credentialSubject=paused))["ended"] == 0


def test_a_stranger_an_old_list_and_a_changed_one_end_nothing(workspace):
    issuer, stranger = Issuer(), Issuer()
    workspace.import_files([("a.jwt", issuer.credential(7))])
    before = workspace.store.head()
    assert apply_status(workspace, stranger.listed(7))["credentials"] == 0
    with pytest.raises(Malformed) as caught:
        apply_status(workspace, issuer.listed(7, validUntil="2020-01-01T00:00:00Z"))
    assert caught.value.code == "certificate.status-list"
    head, _, tail = issuer.listed(7).split(b".")
    with pytest.raises(Tampered):
        apply_status(workspace, b".".join((head, issuer.listed(8).split(b".")[1], tail)))
    assert workspace.store.head() == before


def test_ones_own_claim_leaves_as_a_credential_and_nobody_elses(workspace):
    digest, _ = workspace.register_one(
        workspace.sign(Kind.CERTIFICATE, PUMP, Claim(type="ce", claims={"number": "7"}))
    )
    for untp in (False, True):
        imported = read(as_credential(workspace, digest, untp=untp), "x.jwt")
        assert imported.inner_signatures[0].result is SignatureResult.VALID
        assert imported.root == PUMP
    outcome = workspace.import_files([("a.jwt", Issuer().credential(7))])
    with pytest.raises(Refused) as caught:
        as_credential(workspace, outcome.statements[0])
    assert caught.value.code == "certificate.not-writable"
