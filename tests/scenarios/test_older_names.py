# SPDX-License-Identifier: Apache-2.0
"""Names that were registered before hosts were looked at stay readable; new ones are refused."""

import pytest

import kizuna.roots.cose.envelope
import kizuna.roots.statement
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.upkeep import rebuild
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles import shipped_profile
from kizuna.model.errors import Malformed
from kizuna.model.identifier import readable
from kizuna.model.kind import Kind
from kizuna.model.payload import Described, Links

NOW = 1_795_309_200
OLD = readable("https://fan.example:443/a")


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=lambda: NOW)
    with Workspace.init(tmp_path / "store", "Fuji", now=NOW, settings=settings) as made:
        yield made


@pytest.fixture
def said(workspace, monkeypatch):
    """A statement about the old name, signed as a program of that day signed it."""
    with monkeypatch.context() as patch:
        patch.setattr(kizuna.roots.cose.envelope, "canonical", readable)
        return workspace.sign(Kind.LINK, OLD, Links(described=[Described(name="Fan")]))


def test_a_new_statement_under_an_old_name_is_refused(workspace, said):
    with pytest.raises(Malformed) as refused:
        workspace.register_one(said)
    assert refused.value.code == "identifier.not-canonical"
    assert "https://fan.example/a" in refused.value.why


def test_what_was_registered_before_is_read_and_made_again(workspace, said, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(kizuna.roots.statement, "canonical", readable)
        digest, index = workspace.register_one(said)
    rebuild(workspace)
    found = workspace.subject_of(digest)
    assert found == (OLD, digest)
    verdict = workspace.verify(Question(OLD, shipped_profile("software-product")))
    assert "subject.unknown" not in {f.code.value for f in verdict.findings}
    assert workspace.export_bundle(OLD, shipped_profile("software-product")).statements > 0
    assert index > 0
