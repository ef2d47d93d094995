# SPDX-License-Identifier: Apache-2.0
"""A status list at hand ends what was imported; one of another issuer, or out of date, does not."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from kizuna.app.wiring.certificates_status import _resting_on, apply_status, fetch_status
from kizuna.app.wiring.certificates_vc import as_credential
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Malformed, Problem, Refused, Tampered
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Claim, Status, Target, encode_payload
from kizuna.proof.documents import SignatureResult, read
from kizuna.record.log.keys import statement_key
from kizuna.record.status import Bits, StatusList, write_bitstring, write_status_list
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

    def token_credential(self, index):
        return self.sign(
            {
                "type": ["VerifiableCredential", "Label"],
                "credentialSubject": {"id": PUMP},
                "status": {"status_list": {"idx": index, "uri": LIST}},
            }
        )

    def token_list(self, values, *, issued=NOW, expires=None, as_cwt=False, uri=LIST):
        bits = Bits.of_size(64, width=2)
        for index, value in values.items():
            bits[index] = value
        made = StatusList(uri=uri, bits=bits, issued=issued, expires=expires, lifetime=None)
        return write_status_list(self.unit, self.handle, made, as_cwt=as_cwt)

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
    ((row, _),) = _resting_on(workspace, LIST, (issuer.id,))
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


# --- Token Status Lists -------------------------------------------------------------------------


def standing(workspace):
    rows = (row for batch in workspace.store.reader().all() for row in batch)
    said = (row.statement.payload for row in rows)
    return [one.action for one in said if isinstance(one, Status)]


@pytest.mark.parametrize("as_cwt", [False, True])
def test_a_token_status_list_ends_suspends_and_lifts(workspace, as_cwt):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.token_credential(7))])

    def told(value, at):
        made = issuer.token_list({7: value}, issued=NOW + at, as_cwt=as_cwt)
        workspace.clock.now = NOW + at
        return apply_status(workspace, made)

    assert (told(0, 1)["credentials"], told(0, 2)["ended"]) == (1, 0)
    assert told(2, 3)["ended"] == 1
    assert told(2, 4)["ended"] == 0
    assert told(0, 5)["lifted"] == 1
    assert told(1, 6)["ended"] == 1
    assert told(0, 7)["lifted"] == 0  # what was revoked stays revoked
    assert standing(workspace) == [Action.SUSPEND, Action.REINSTATE, Action.REVOKE]


def test_the_age_of_a_list_is_told(workspace):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.token_credential(7))])
    assert apply_status(workspace, issuer.token_list({}, issued=NOW - 3600))["age"] == 3600


def test_a_status_list_of_another_issuer_ends_nothing(workspace):
    issuer, stranger = Issuer(), Issuer()
    workspace.import_files([("a.jwt", issuer.token_credential(7))])
    for as_cwt in (False, True):
        with pytest.raises(Tampered) as caught:
            apply_status(workspace, stranger.token_list({7: 1}, as_cwt=as_cwt))
        assert caught.value.code == "certificate.status-signature"
    # and what the stranger issued itself under the same address is not the issuer's
    workspace.import_files([("b.jwt", stranger.token_credential(9))])
    told = apply_status(workspace, stranger.token_list({7: 1, 9: 1}))
    assert (told["credentials"], told["ended"], told["issuer"]) == (1, 1, stranger.id)
    assert apply_status(workspace, issuer.token_list({7: 1}))["ended"] == 1


def test_an_older_list_is_refused_and_an_expired_one_says_nothing(workspace):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.token_credential(7))])
    apply_status(workspace, issuer.token_list({7: 2}, issued=NOW - 10))
    with pytest.raises(Tampered) as caught:
        apply_status(workspace, issuer.token_list({}, issued=NOW - 20))
    assert caught.value.code == "status.rolled-back"
    with pytest.raises(Malformed) as caught:
        apply_status(workspace, issuer.token_list({7: 1}, issued=NOW - 5, expires=NOW))
    assert caught.value.code == "certificate.status-list"
    assert standing(workspace) == [Action.SUSPEND]


def test_a_list_that_is_kept_holds_for_what_is_imported_later(workspace):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.token_credential(3))])
    assert apply_status(workspace, issuer.token_list({7: 1}))["ended"] == 0
    workspace.import_files([("b.jwt", issuer.token_credential(7))])
    assert standing(workspace) == [Action.REVOKE]


def test_what_is_kept_says_nothing_once_it_has_expired(workspace):
    issuer = Issuer()
    workspace.import_files([("a.jwt", issuer.token_credential(3))])
    apply_status(workspace, issuer.token_list({7: 1}, expires=NOW + 10))
    workspace.clock.now = NOW + 10
    workspace.import_files([("b.jwt", issuer.token_credential(7))])
    assert standing(workspace) == []


def test_a_list_that_no_import_names_is_no_list_of_ours(workspace):
    with pytest.raises(Malformed) as caught:
        apply_status(workspace, Issuer().token_list({1: 1}))
    assert caught.value.code == "certificate.status-list"


@trials(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300) | st.sampled_from([b"\xd2\x84", b"\x84", b"e30.e30.", b"."]))
def test_any_bytes_are_a_list_or_refused(reader, data):
    with pytest.raises(Problem):
        apply_status(reader, data)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lists") / "store"
    settings = Settings(store=folder, clock=SetClock(NOW))
    with Workspace.init(folder, "Bar", now=NOW, policy="open", settings=settings) as made:
        yield made


def test_only_an_address_that_somebody_named_is_asked():
    with pytest.raises(Problem) as caught:
        fetch_status("https://127.0.0.1:1/status")
    assert caught.value.code == "request.unreachable"
    assert caught.value.why
    assert "Errno" not in caught.value.why


def _elsewhere(name="did:web:list.example"):
    """An issuer whose name carries no key: it is handed in."""
    made = Issuer()
    made.id = name
    return made, made.unit.public(made.handle)


def test_a_key_handed_in_for_one_issuer_signs_for_no_other(workspace):
    issuer, (other, key) = Issuer(), _elsewhere()
    files = [("a.jwt", issuer.token_credential(7)), ("b.jwt", other.token_credential(1))]
    workspace.import_files(files)
    assert apply_status(workspace, issuer.token_list({7: 2}))["ended"] == 1
    told = apply_status(workspace, other.token_list({1: 1}), key, issuer=other.id)
    assert (told["issuer"], told["ended"], told["lifted"]) == (other.id, 1, 0)
    signed_by_other = Issuer()
    signed_by_other.unit, signed_by_other.handle, signed_by_other.id = (
        other.unit,
        other.handle,
        issuer.id,
    )
    workspace.import_files([("c.jwt", issuer.credential(9))])
    with pytest.raises(Tampered):
        apply_status(workspace, signed_by_other.listed(9), key, issuer=other.id)


def test_a_kept_list_tells_of_later_imports_of_its_own_issuer_alone(workspace):
    issuer, (other, key) = Issuer(), _elsewhere()
    workspace.import_files([("b.jwt", other.token_credential(1))])
    apply_status(workspace, other.token_list({1: 1, 7: 1, 9: 1}), key, issuer=other.id)
    workspace.import_files([("a.jwt", issuer.token_credential(7))])
    workspace.import_files([("c.jwt", other.token_credential(9))])
    mine = [row for row, _ in _resting_on(workspace, LIST, (issuer.id,))]
    theirs = [row for row, _ in _resting_on(workspace, LIST, (other.id,))]
    assert [_acted(workspace, row) for row in mine] == [False]
    assert [_acted(workspace, row) for row in theirs] == [True, True]


def _acted(workspace, row):
    key = statement_key(row.statement.digest)
    return bool(workspace.store.reader().by_keys([key]).get(key))


@pytest.mark.parametrize("named", [{"issuer": "did:web:list.example"}, {}])
def test_a_key_without_its_issuer_is_not_taken(workspace, named):
    other, key = _elsewhere()
    workspace.import_files([("b.jwt", other.token_credential(1))])
    with pytest.raises(Malformed) as told:
        apply_status(workspace, other.token_list({1: 1}), None if named else key, **named)
    assert told.value.code == "certificate.status-issuer"
