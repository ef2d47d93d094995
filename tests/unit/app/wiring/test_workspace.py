# SPDX-License-Identifier: Apache-2.0
"""The workspace: one facade, the same answers cold and live."""

import json
import threading

import pytest

from kizuna.app.wiring.construction import without_password
from kizuna.app.wiring.demo import open_demo
from kizuna.app.wiring.folder import Folder
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Misconfigured, Refused
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId, canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.record.store import PUBLIC, View
from kizuna.worlds.party import SetClock

NOW = 1_795_305_600
PUMP = canonical("pkg:generic/fuji/pump@4.2")


@pytest.fixture
def settings(tmp_path):
    return Settings(store=tmp_path / "store", clock=SetClock(NOW))


@pytest.fixture
def workspace(settings):
    with Workspace.init(settings.store, "Bar", now=NOW, settings=settings) as made:
        yield made


def test_init_leaves_nothing_usable_when_refused(settings):
    settings.store.mkdir()
    (settings.store / "something").write_text("mine")
    with pytest.raises(Refused) as caught:
        Workspace.init(settings.store, "Bar", now=NOW, settings=settings)
    assert caught.value.code == "store.folder-used"
    assert [p.name for p in settings.store.iterdir()] == ["something"]


def test_a_folder_half_made_is_no_store(settings):
    settings.store.mkdir()
    with pytest.raises(Misconfigured) as caught:
        Workspace.open(settings=settings)
    assert caught.value.code == "store.absent"


def test_the_database_password_is_never_written_down(tmp_path):
    assert without_password("postgresql://u:secret@h:5433/d") == "postgresql://u@h:5433/d"


def test_a_damaged_description_is_told(workspace, settings):
    Folder(settings.store).description_file.write_text("{")
    with pytest.raises(Misconfigured) as caught:
        Workspace.open(settings=settings)
    assert caught.value.code == "store.description"


def test_another_process_rotates_and_this_one_signs_with_the_new_key(workspace, settings):
    before = workspace.handle.id
    with Workspace.open(settings=settings) as other:
        made = other.keys.rotate()
    assert made["old"] == before
    assert workspace.handle.id == made["new"]
    claim = Claim(type="x")
    digest, _ = workspace.register_one(workspace.sign(Kind.CAPABILITY, PUMP, claim))
    assert digest


def test_a_rotation_that_was_not_remembered_is_found_in_the_log(workspace, settings):
    old = workspace.handle.id
    workspace.keys.rotate()
    folder = Folder(settings.store)
    told = json.loads(folder.description_file.read_text())
    folder.description_file.write_text(json.dumps(told | {"key": old}))
    with Workspace.open(settings=settings) as again:
        assert again.handle.id != old
        again.register_one(again.sign(Kind.CAPABILITY, PUMP, Claim(type="y")))


def test_restricted_statements_are_for_their_readers(workspace):
    reader = SubjectId("did:key:zReader")
    signed = workspace.say(
        Kind.CAPABILITY, PUMP, Claim(type="secret"), audience=[workspace.identity]
    )
    workspace.register_one(signed.statement, signed.documents)
    everything = workspace.store.reader().all()
    assert any(r.statement.audience for page in everything for r in page)
    for view in (PUBLIC, View.of(reader)):
        shown = [r for page in workspace.store.reader(view).all() for r in page]
        assert not [r for r in shown if r.statement.audience]


@pytest.fixture
def demo(settings):
    made = open_demo(settings, named=True)
    made.register()
    try:
        yield made
    finally:
        made.workspace.close()


def test_cold_and_live_give_the_same_bytes_through_the_story(demo, settings):
    root, profile = demo.world.root, demo.workspace.profile(demo.world.profile)
    live = demo.workspace
    live.live()
    clock = settings.clock
    for step in (lambda: 0, demo.break_it, demo.mend_it):
        clock.forward(60)
        step()
        warm = live.verify(Question(root, profile))
        with Workspace.open(settings=settings, read_only=True) as other:
            cold = other.verify(Question(root, profile))
            assert cold.canonical_bytes() == warm.canonical_bytes()
            assert (
                other.explain(Question(root, profile)).tree
                == live.explain(Question(root, profile)).tree
            )
            assert other.impact(root) == live.impact(root)


def test_views_name_themselves_and_agree_where_nothing_is_restricted(demo):
    root, profile = demo.world.root, demo.workspace.profile(demo.world.profile)
    cold = demo.workspace.verify(Question(root, profile, view=PUBLIC))
    demo.workspace.live()
    warm = demo.workspace.verify(Question(root, profile, view=PUBLIC))
    assert warm.view == "public"
    assert cold.canonical_bytes() == warm.canonical_bytes()


def test_watches_tell_of_every_change(demo, settings):
    root, profile = demo.world.root, demo.workspace.profile(demo.world.profile)
    standing = demo.workspace.watch(root, profile)
    assert standing.value is Value.TRUSTED
    told: list[tuple[Value | None, Value]] = []
    woken = threading.Condition()

    def hear(change):
        with woken:
            told.append((change.before, change.after))
            woken.notify_all()

    demo.workspace.live()
    stop = demo.workspace.subscribe(hear)
    with woken:
        settings.clock.forward(60)
        demo.break_it()
        assert woken.wait_for(lambda: told, timeout=60)
        demo.mend_it()
        assert woken.wait_for(lambda: len(told) == 2, timeout=60)
    stop()
    assert told == [(Value.TRUSTED, Value.UNTRUSTED), (Value.UNTRUSTED, Value.TRUSTED)]
    (line,) = demo.workspace.portfolio()
    assert line.value is Value.TRUSTED
    assert line.name


def test_a_store_of_ones_own_is_no_place_for_a_demo(workspace, settings):
    with pytest.raises(Refused) as caught:
        open_demo(settings, named=False)
    assert caught.value.code == "demo.own-store"


def test_a_second_demo_is_told_by_the_same_voices(demo, settings):
    hidden = demo.world.hidden
    demo.workspace.close()
    settings.clock.forward(600)
    again = open_demo(settings, named=False)
    try:
        assert again.world.hidden == hidden
        again.register()
        assert again.judge().verdict.value is Value.TRUSTED
        again.break_it()
        assert again.judge().verdict.value is Value.UNTRUSTED
        again.mend_it()
        assert again.judge().verdict.value is Value.TRUSTED
    finally:
        again.workspace.close()
