# SPDX-License-Identifier: Apache-2.0
"""Norms in a bundle that somebody made to be judged better: what was changed later counts."""

import msgspec
import pytest

from kizuna.app.wiring.criteria import travelling
from kizuna.app.wiring.criteria.catalogs import import_catalog
from kizuna.app.wiring.criteria.mappings import register_mappings
from kizuna.app.wiring.criteria.travelling import keys_of_norms, norms_in
from kizuna.app.wiring.profiles import read_text
from kizuna.chain.exchange import open_bundle, pack_bundle
from kizuna.model.finding import Code
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Norm, Status, Target
from kizuna.model.trust import ListAnchor
from kizuna.record.log.keys import statement_key, subject_key

from .conftest import Party
from .test_through_everywhere import MAPPING, NAME, PROFILE


@pytest.fixture
def mapped(workspace):
    """An organisation that accepted a mapping between two of its catalogs."""
    import_catalog(workspace, b"id,title\nL-1,a\n", name="left")
    import_catalog(workspace, b"id,title\nR.1,a\n", name="right")
    text = PROFILE.format(name="by-right", claim="r-claim", control="right#R.1").encode()
    workspace.publish_profile(read_text(text, "by-right.yaml", workspace.settings))
    register_mappings(workspace, MAPPING.encode(), accept=True)
    return workspace


def place(identity):
    return SubjectId(f"{identity}/mappings/{NAME}")


def rows_of(workspace, subject):
    key = subject_key(subject)
    return workspace.store.reader().by_keys([key])[key]


def said_of(mapping, version, *, accepted):
    document = {**mapping.document(), "version": version}
    document["ties"] = [
        {k: v for k, v in tie.items() if k != "accepted"} | ({"accepted": True} if accepted else {})
        for tie in document["ties"]
    ]
    return Norm(type="mapping", name=NAME, version=version, document=document)


class Hiding:
    """A reader that keeps statements back, as whoever makes a bundle can."""

    def __init__(self, reader, hidden) -> None:
        self._reader = reader
        self._hidden = hidden

    def by_digests(self, digests):
        found = self._reader.by_digests(digests)
        return {d: item for d, item in found.items() if d not in self._hidden}

    def __getattr__(self, name) -> object:
        return getattr(self._reader, name)


def norms_of(workspace, *, more=(), hidden=(), less=(), anchors=None):
    """What a verifier reads of a bundle with these keys, and what it says is lacking."""
    keys = [*keys_of_norms(workspace, workspace.profile("by-right"), [NAME]), *more]
    bundle = pack_bundle(
        Hiding(workspace.store.reader(), hidden),
        workspace.log,
        workspace.store.map,
        subject=workspace.identity,
        profile="by-right",
        keys=[key for key in keys if key not in less],
        anchors=workspace.anchors(),
    )
    anchors = anchors or workspace.anchors()
    evidence = open_bundle(bundle.to_bytes(), anchors)
    return norms_in(evidence, anchors), evidence.shortfalls


def test_what_is_shown_in_full_counts(mapped):
    norms, lacking = norms_of(mapped)
    assert norms.mappings[NAME].accepted == 1
    assert not lacking


def test_no_later_version_can_be_kept_back(mapped):
    """Once its author takes it for a proposal again, nobody shows the accepted one alone."""
    register_mappings(mapped, MAPPING.encode(), accept=False)
    later = rows_of(mapped, place(mapped.identity))[-1].statement.digest
    assert norms_of(mapped)[0].mappings[NAME].accepted == 0
    _, lacking = norms_of(mapped, hidden=[later])
    assert Code.PROOF_WITHHELD in lacking, "no verdict over this is better than undetermined"


def test_what_was_done_to_it_must_be_shown(mapped):
    (row,) = rows_of(mapped, place(mapped.identity))
    norms, _ = norms_of(mapped, less=[statement_key(row.statement.digest)])
    assert NAME not in norms.mappings


def said_by(mapped, party, version):
    """The mapping as somebody else would have it, registered; the keys under which it stands."""
    where = place(party.identity)
    norm = said_of(norms_of(mapped)[0].mappings[NAME], version, accepted=True)
    mapped.register_one(party.sign(where, norm, kind=Kind.NORM, at=mapped.clock()))
    (row,) = rows_of(mapped, where)
    return [subject_key(where), statement_key(row.statement.digest)]


def test_no_number_of_norms_pushes_the_newest_out(mapped, monkeypatch):
    register_mappings(mapped, MAPPING.encode(), accept=False)
    stranger = Party()
    more = said_by(mapped, stranger, "7")
    # the mapping of each, and the two catalogs between its versions, are more than are read
    for most in (1, 2, 3, 2_000):
        monkeypatch.setattr(travelling, "_MOST", most)
        norms, _ = norms_of(mapped, more=more)
        assert norms.mappings[NAME].accepted == 0
        assert norms.whose[NAME] == (mapped.identity, True)


def test_the_verifiers_own_word_goes_before_that_of_who_keeps_a_list(mapped):
    register_mappings(mapped, MAPPING.encode(), accept=False)
    keeper = Party()
    more = said_by(mapped, keeper, "9")
    lists = [
        *mapped.anchors().lists,
        ListAnchor(id="urn:list:kept", name="kept", operator=keeper.identity),
    ]
    anchors = msgspec.structs.replace(mapped.anchors(), lists=lists)
    norms, _ = norms_of(mapped, more=more, anchors=anchors)
    assert norms.whose[NAME] == (mapped.identity, True)
    assert norms.mappings[NAME].accepted == 0
    others = msgspec.structs.replace(anchors, verifier=None, lists=lists[-1:])
    norms, _ = norms_of(mapped, more=more, anchors=others)
    assert norms.whose[NAME] == (keeper.identity, True), "it does count where nobody goes before"


def test_what_a_stolen_key_said_is_nobodys_norm(mapped):
    keeper = Party()
    more = said_by(mapped, keeper, "9")
    kept = ListAnchor(id="urn:list:kept", name="kept", operator=keeper.identity)
    anchors = msgspec.structs.replace(mapped.anchors(), verifier=None, lists=[kept])
    assert norms_of(mapped, more=more, anchors=anchors)[0].mappings[NAME].accepted == 1
    thumbprint = keeper.unit.public(keeper.handle).thumbprint.hex()
    stolen = Status(
        action=Action.COMPROMISE,
        target=Target(key=thumbprint),
        since="2020-01-01T00:00:00Z",
    )
    mapped.register_one(keeper.sign(keeper.identity, stolen, kind=Kind.STATUS, at=mapped.clock()))
    norms, _ = norms_of(mapped, more=more, anchors=anchors)
    assert not norms.whose.get(NAME, ("", False))[1]
    assert NAME not in norms.mappings or not norms.mappings[NAME].accepted


def test_a_norm_that_calls_its_mapping_otherwise_is_not_read(mapped):
    """Under another name it would stand in the answer as the verifier's own."""
    document = {**norms_of(mapped)[0].mappings[NAME].document(), "mapping": "another"}
    document = {**document, "name": "another"} if "name" in document else document
    norm = Norm(type="mapping", name=NAME, version="3", document=document)
    mapped.register_one(mapped.sign(Kind.NORM, place(mapped.identity), norm))
    norms, _ = norms_of(mapped)
    assert norms.mappings[NAME].version == "1"
