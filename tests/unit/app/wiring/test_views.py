# SPDX-License-Identifier: Apache-2.0
"""What is restricted stays out of every answer of a running process, from its first moment on."""

import pytest

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Absent
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim, Described, Links
from kizuna.record.store import PUBLIC
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PUMP = canonical("pkg:generic/fuji/pump@4.2")
SECRET = canonical("pkg:generic/fuji/secret@1")


@pytest.fixture
def workspace(tmp_path):
    settings = Settings(store=tmp_path / "store", clock=SetClock(NOW))
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        yield made


def say(workspace, kind, subject, payload, *, hidden=False):
    audience = [workspace.identity] if hidden else []
    signed = workspace.say(kind, subject, payload, audience=audience)
    return workspace.register_one(signed.statement, signed.documents)[0]


def test_the_first_restricted_statement_is_hidden_from_the_very_next_question(workspace):
    profile = workspace.profile("software-product")
    workspace.live()
    say(workspace, Kind.CAPABILITY, SECRET, Claim(type="price"), hidden=True)
    shown = workspace.verify(Question(SECRET, profile, view=PUBLIC))
    assert [f.code for f in shown.findings if f.subject == SECRET] == ["subject.unknown"]


def test_nor_does_impact_know_it(workspace):
    workspace.live()
    links = Links(described=[Described(name="Secret", subject=PUMP)])
    say(workspace, Kind.LINK, SECRET, links, hidden=True)
    with pytest.raises(Absent):
        workspace.impact(str(SECRET), view=PUBLIC)
    assert workspace.impact(str(SECRET)) is not None


def test_the_portfolio_shows_no_subject_and_no_name_that_the_reader_may_not_read(workspace):
    profile = workspace.profile("software-product")
    workspace.live()
    for subject in (PUMP, SECRET):
        links = Links(described=[Described(name="Code word Fuji")])
        say(workspace, Kind.LINK, subject, links, hidden=True)
        workspace.watch(subject, profile)
    say(workspace, Kind.CAPABILITY, PUMP, Claim(type="pump"))
    assert {s.subject for s in workspace.portfolio()} == {PUMP, SECRET}
    shown = workspace.portfolio(view=PUBLIC)
    assert [s.subject for s in shown] == [PUMP]
    assert "Fuji" not in shown[0].name
