# SPDX-License-Identifier: Apache-2.0
"""A confirmation body elsewhere proposes over HTTP; the operator enters, and its entry cites it."""

from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.trust_lists_authoring import Authoring, list_id_for, propose
from kizuna.model.trust import Anchors
from kizuna.record.lists import Role, service_for
from kizuna.record.store.hosting import Hosting

NOW = 1_795_309_200


def test_a_body_that_joined_proposes_and_the_operator_enters(served, party, tmp_path, clock):
    store = served.workspace
    settings = Settings(store=tmp_path / "body", clock=clock)
    services = [service_for(Role.CONFIRMATION_BODY)]
    code = Hosting(store.store).invite(now=NOW, expires_at=NOW + 3600, services=services)
    body = Member.join(tmp_path / "body", served.url, code, "Confirmers", settings=settings)
    supplier = party().identity
    (known,) = Anchors.from_json(body.folder.trust_file.read_bytes()).lists
    assert list_id_for(body, known.name) == list_id_for(body, known.id) == store.list_id
    made = propose(
        body,
        supplier,
        list_id_for(body, known.name),
        state="granted",
        roles=["maker"],
        scope=["pkg:npm/supplier"],
        level=None,
        name="Supplier",
        until=NOW + 86_400,
        reason="audit passed",
        keys=(),
    )
    assert supplier not in store.lists.state().entries, "a proposal gives nothing by itself"
    authoring = Authoring(store, store.lists)
    assert [p["proposal"] for p in authoring.proposals(None)] == [made["proposal"]]
    told = authoring.enter_proposal(made["proposal"])
    assert told["proposed_by"] == body.identity
    entry = store.lists.state().entries[supplier]
    assert (entry.issuer, entry.valid_until) == (store.identity, NOW + 86_400)
    assert entry.ext["proposed-by"] == body.identity
