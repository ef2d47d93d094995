# SPDX-License-Identifier: Apache-2.0
"""A store put back whole from an old copy is noticed by what was kept outside its folder."""

import shutil
from dataclasses import replace

import pytest

from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.upkeep import resume
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Tampered
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PART = SubjectId("pkg:generic/part@1")


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store", clock=SetClock(NOW), state=tmp_path / "state/seen")


def say(workspace, word):
    workspace.register_one(workspace.sign(Kind.CAPABILITY, PART, Claim(type=word)))


def made_and_copied(settings):
    """A store that grew after a copy of its folder was made."""
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as workspace:
        say(workspace, "first")
    copy = settings.store.with_name("copy")
    shutil.copytree(settings.store, copy)
    with Workspace.open(settings=settings) as workspace:
        say(workspace, "second")
        size = workspace.head().size
    return copy, size


def put_back(settings, copy):
    settings.store.rename(settings.store.with_name("newer"))
    shutil.copytree(copy, settings.store)


def asked(settings, *, read_only=True):
    with Workspace.open(settings=settings, read_only=read_only) as workspace:
        return workspace.verify(Question(PART, workspace.profile("software-product")))


def test_an_old_copy_shows_in_every_verdict_and_writes_nothing(settings):
    copy, size = made_and_copied(settings)
    assert not any(f.code is Code.LOG_ROLLED_BACK for f in asked(settings).findings)
    put_back(settings, copy)
    verdict = asked(settings)
    (found,) = [f for f in verdict.findings if f.code is Code.LOG_ROLLED_BACK]
    assert dict(found.about)["signed"] == str(size)
    assert verdict.value is Value.UNDETERMINED
    with (
        Workspace.open(settings=settings) as workspace,
        pytest.raises(Tampered) as caught,
    ):
        say(workspace, "third")
    assert caught.value.code == "log.rolled-back"
    assert any(f.code is Code.LOG_ROLLED_BACK for f in asked(settings).findings)  # still


def test_the_newer_folder_is_welcome_again(settings):
    copy, _ = made_and_copied(settings)
    put_back(settings, copy)
    asked(settings)
    shutil.rmtree(settings.store)
    settings.store.with_name("newer").rename(settings.store)
    with Workspace.open(settings=settings) as workspace:
        say(workspace, "third")
    assert not any(f.code is Code.LOG_ROLLED_BACK for f in asked(settings).findings)


def test_another_history_under_the_same_name_is_a_fork(settings):
    copy, _ = made_and_copied(settings)
    put_back(settings, copy)
    apart = replace(settings, state=None)
    with Workspace.open(settings=apart) as workspace:
        for word in ("other", "history", "longer"):
            say(workspace, word)
    verdict = asked(settings)
    assert any(f.code is Code.LOG_FORKED for f in verdict.findings)
    assert verdict.value is Value.UNTRUSTED


def test_what_was_declared_lost_is_no_longer_missed(settings):
    copy, _ = made_and_copied(settings)
    put_back(settings, copy)
    with Workspace.open(settings=settings) as workspace:
        resume(workspace, None, lost=True)
    with Workspace.open(settings=settings) as workspace:
        say(workspace, "third")
    assert not any(f.code is Code.LOG_ROLLED_BACK for f in asked(settings).findings)


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"\xff" * 100, b"\n\n", b"a\n1\nAA==\n\n"])
def test_a_damaged_record_says_nothing_and_is_made_again(settings, damage):
    made_and_copied(settings)
    (record,) = settings.state.iterdir()
    good = record.read_bytes()
    record.write_bytes(damage)
    asked(settings)
    assert record.read_bytes() == good


def test_it_can_be_switched_off_and_fails_nothing_where_it_cannot_be_written(settings, tmp_path):
    state = settings.state
    off = replace(settings, state=None)
    with Workspace.init(off.store, "Bar", now=NOW, settings=off) as workspace:
        say(workspace, "first")
    assert not state.exists()
    state.parent.write_bytes(b"a file where a folder should be")
    asked(settings)


def test_where_it_is_kept_follows_the_environment():
    def state(**environment):
        return Settings.from_environment(environment).state

    assert str(state(HOME="/home/a")) == "/home/a/.local/state/kizuna/seen"
    assert str(state(HOME="/home/a", XDG_STATE_HOME="/s")) == "/s/kizuna/seen"
    assert str(state(HOME="/home/a", XDG_STATE_HOME="s")) == "/home/a/.local/state/kizuna/seen"
    assert state(HOME="/home/a", KIZUNA_SEEN="off") is None
    assert state() is None
