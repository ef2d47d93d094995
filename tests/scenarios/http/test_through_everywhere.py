# SPDX-License-Identifier: Apache-2.0
"""Mappings are read by watches, by comparisons of lists and by bundles as ``verify`` reads them."""

import json
import shutil
import threading

import msgspec
import pytest
from typer.testing import CliRunner

from kizuna.app.cli.tree import build
from kizuna.app.wiring.criteria.catalogs import import_catalog
from kizuna.app.wiring.criteria.mappings import register_mappings
from kizuna.app.wiring.criteria.through import reading_through
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.profiles import read_text
from kizuna.app.wiring.settings import Settings
from kizuna.model.errors import Absent
from kizuna.model.finding import Code, Value
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Norm, Status, Target
from kizuna.record.lists import Role, service_for
from kizuna.record.log.keys import subject_key
from kizuna.record.store.hosting import Hosting
from kizuna.record.store.watches import measure_of, measure_parts

from .conftest import Party

NAME = "left-to-right"
PROFILE = """
profile: {name}
version: "1"
title: {{en: {name}}}
requirements:
  - id: only
    title: {{en: only}}
    claim: {claim}
    from: [self]
    control: {control}
silent: {{default: undetermined}}
"""
MAPPING = f"""
mapping: {NAME}
version: "1"
title: {{en: Left to right}}
source: our own reading
from: left
to: right
ties:
  - {{from: L-1, relation: equal, to: R.1, confidence: high}}
"""


def prepared(workspace):
    """Two catalogs, a profile for each, and a claim made under the left one."""
    import_catalog(workspace, b"id,title\nL-1,a\n", name="left")
    import_catalog(workspace, b"id,title\nR.1,a\n", name="right")
    for name, control, claim in (
        ("by-left", "left#L-1", "l-claim"),
        ("by-right", "right#R.1", "r-claim"),
    ):
        text = PROFILE.format(name=name, claim=claim, control=control).encode()
        workspace.publish_profile(read_text(text, f"{name}.yaml", workspace.settings))
    subject = SubjectId(f"{workspace.identity}/products/pump")
    claim = workspace.sign(Kind.EVIDENCE, subject, Claim(type="l-claim"))
    return subject, workspace.register_one(claim)[0]


@pytest.fixture
def world(workspace):
    return prepared(workspace)


def verified(workspace, subject):
    profile = workspace.profile("by-right")
    reading = reading_through(workspace.settings, profile, [NAME])
    return reading.judge(lambda by: workspace.verify(Question(subject, by)))


def accept(workspace, *, accepted=True):
    register_mappings(workspace, MAPPING.encode(), accept=accepted)


# --- watches --------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [False, True])
def test_a_watch_says_what_verify_says(workspace, world, live):
    subject, digest = world
    accept(workspace)
    if live:
        workspace.live()
    profile = workspace.profile("by-right")
    made = workspace.watch(subject, profile, through=[NAME])
    assert made.value is verified(workspace, subject).value is Value.TRUSTED
    plain = workspace.watch(subject, profile)
    assert plain.value is Value.UNDETERMINED
    rows = workspace.portfolio()
    assert [(s.profile, s.through, s.value) for s in rows] == [
        ("by-right", (), Value.UNDETERMINED),
        ("by-right", (NAME,), Value.TRUSTED),
    ]
    ended = Status(action=Action.REVOKE, target=Target(statement=digest))
    workspace.register_one(workspace.sign(Kind.STATUS, subject, ended))
    if live:
        workspace.judge.watching._changes()  # or the thread that renews was faster
    after = {s.through: s.value for s in workspace.portfolio()}
    assert after[NAME,] is verified(workspace, subject).value is not Value.TRUSTED
    assert workspace.unwatch(subject, "by-right", through=[NAME]) == 1
    assert [s.through for s in workspace.portfolio()] == [()]
    assert workspace.unwatch(subject, "by-right") == 1
    assert workspace.portfolio() == []


@pytest.mark.parametrize("live", [False, True])
def test_a_mapping_that_is_accepted_later_moves_the_watch_and_tells_it(workspace, world, live):
    subject, _ = world
    accept(workspace, accepted=False)
    if live:
        workspace.live()
    heard, changes = threading.Event(), []

    def hear(change):
        changes.append(change)
        heard.set()

    workspace.judge.watching.subscribe(hear)
    assert workspace.watch(subject, workspace.profile("by-right"), through=[NAME]).value is (
        Value.UNDETERMINED
    )
    accept(workspace)
    (row,) = workspace.portfolio()
    assert row.value is verified(workspace, subject).value is Value.TRUSTED
    if live:
        for change in workspace.judge.watching._changes():
            hear(change)  # or the thread that renews tells it
        assert heard.wait(60)
        (told,) = {(c.subject, c.profile, c.through, c.before, c.after) for c in changes}
        assert told == (subject, "by-right", (NAME,), Value.UNDETERMINED, Value.TRUSTED)


def test_a_watch_with_and_without_a_mapping_that_carries_nothing_are_both_told(workspace, world):
    """Both are one measure then, and one judgement; each has its own line."""
    subject, digest = world
    accept(workspace)
    workspace.live()
    profile = workspace.profile("by-left")
    workspace.watch(subject, profile)
    workspace.watch(subject, profile, through=[NAME])
    ended = Status(action=Action.REVOKE, target=Target(statement=digest))
    workspace.register_one(workspace.sign(Kind.STATUS, subject, ended))
    workspace.judge.watching._changes()  # or the thread that renews was faster
    rows = workspace.portfolio()
    assert {s.through for s in rows} == {(), (NAME,)}
    assert all(s.value is not Value.TRUSTED for s in rows)
    workspace.unwatch(subject, "by-left", through=[])
    assert [s.through for s in workspace.portfolio()] == [(NAME,)]


def test_a_watch_outlives_the_process(workspace, world):
    subject, _ = world
    accept(workspace)
    workspace.watch(subject, workspace.profile("by-right"), through=[NAME])
    from kizuna.record.store.watches import Watchlist  # noqa: PLC0415 - looked at once

    (kept,) = Watchlist(workspace.store.backend).all()
    assert (kept.profile, kept.through, kept.value) == ("by-right", (NAME,), Value.TRUSTED)


def test_a_mapping_that_is_not_at_hand_is_not_watched(workspace, world):
    subject, _ = world
    with pytest.raises(Absent):
        workspace.watch(subject, workspace.profile("by-right"), through=["nothing"])
    assert workspace.portfolio() == []


@pytest.mark.parametrize("through", [(), ("a",), ("b", "a"), ("a", "a")])
def test_a_measure_is_read_as_it_was_written(through):
    assert measure_parts(measure_of("by-right", through)) == (
        "by-right",
        tuple(sorted(set(through))),
    )


def test_over_http_and_on_the_page(served, workspace, world):
    subject, _ = world
    accept(workspace)
    hand = Party(workspace.unit)
    hand.handle, hand.identity = workspace.handle, workspace.identity
    url = f"{served.url}/api/watches"
    body = json.dumps({"subject": subject, "profile": "by-right", "through": [NAME]}).encode()
    headers = hand.headers(url, method="POST", body=body) | {"content-type": "application/json"}
    told = served.client.post(url, content=body, headers=headers).json()
    assert (told["verdict"], told["through"]) == ("trusted", [NAME])
    (row,) = served.client.get("/api/watches").json()["watches"]
    assert row["through"] == [NAME]
    (shown,) = served.client.get("/portfolio.json").json()["watches"]
    assert shown["through"] == [NAME]
    html = served.client.get("/", headers={"accept": "text/html"}).text
    assert f"through={NAME}" in html
    gone = f"{url}?subject={subject}&profile=by-right&through={NAME}"
    answer = served.client.delete(gone, headers=hand.headers(gone, method="DELETE"))
    assert answer.json() == {"removed": 1}


# --- several lists ----------------------------------------------------------------------------


def run(workspace, monkeypatch, *words):
    monkeypatch.setattr(Settings, "from_environment", lambda **_: workspace.settings)
    monkeypatch.setattr("kizuna.app.cli.door.Door.workspace", lambda *_, **__: workspace)
    done = CliRunner().invoke(build(), [*map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_each_list_is_asked_through_the_mapping(served, workspace, world, monkeypatch):
    subject, _ = world
    accept(workspace)
    verdict = verified(workspace, subject)
    words = ("verify", subject, "-p", "by-right", "--each-list", "--through", NAME)
    code, told = run(workspace, monkeypatch, *words)
    (one,) = told["verdicts"]
    assert code == 0
    assert (one["verdict"], one["profile_digest"]) == ("trusted", verdict.profile_digest)
    assert one["through"]["ways"][0]["how"] == "carries"
    assert Code.MAPPING_CARRIED.value in {f["code"] for f in one["findings"]}
    asked = {"subject": subject, "profile": "by-right", "through": NAME}
    (over,) = served.client.get("/api/compare", params=asked).json()["verdicts"]
    assert over["profile_digest"] == one["profile_digest"]
    page = {"id": subject, "profile": "by-right", "through": NAME}
    (seen,) = served.client.get("/compare.json", params=page).json()["verdicts"]
    assert seen["profile_digest"] == one["profile_digest"]
    html = served.client.get("/compare", params=page, headers={"accept": "text/html"}).text
    assert "--through" in html


def test_several_profiles_are_each_read_through_it(workspace, world, monkeypatch):
    subject, _ = world
    accept(workspace)
    words = ("verify", subject, "-p", "by-right", "-p", "by-left", "--through", NAME)
    code, told = run(workspace, monkeypatch, *words)
    assert code == 0
    assert [v["verdict"] for v in told["verdicts"]] == ["trusted", "trusted"]
    code, told = run(workspace, monkeypatch, *words[:-2])
    assert [v["verdict"] for v in told["verdicts"]] == ["undetermined", "trusted"]
    assert told["differences"]


# --- bundles ----------------------------------------------------------------------------------


@pytest.fixture
def offline(workspace, world, tmp_path, monkeypatch):
    """A verifier without a store: a profile in a file, a trust file, and nothing else at hand."""
    (tmp_path / "by-right.yaml").write_text(
        PROFILE.format(name="by-right", claim="r-claim", control="right#R.1")
    )
    settings = Settings(store=tmp_path / "nobody", clock=workspace.clock)

    def verify(bundle, *, lists=None, verifier=None, through=NAME):
        anchors = workspace.anchors()
        if lists is not None:
            anchors = msgspec.structs.replace(anchors, lists=lists, verifier=verifier)
        (tmp_path / "trust.json").write_bytes(anchors.to_json())
        (tmp_path / "proof.kz").write_bytes(bundle)
        with monkeypatch.context() as patch:
            patch.setattr(Settings, "from_environment", lambda **_: settings)
            words = ["verify", "--bundle", tmp_path / "proof.kz", "--trust"]
            words += [tmp_path / "trust.json", "-p", tmp_path / "by-right.yaml"]
            words += ["--through", through] if through else []
            done = CliRunner().invoke(build(), [*map(str, words), "--json"])
            return done.exit_code, json.loads(done.stdout)

    verify.settings = settings
    return verify


def bundled(workspace, subject, *through):
    return workspace.export_bundle(subject, workspace.profile("by-right"), through=through).data


def test_a_mapping_travels_and_the_verifier_says_the_same(workspace, world, offline):
    subject, _ = world
    accept(workspace)
    verdict = verified(workspace, subject)
    code, told = offline(bundled(workspace, subject, NAME))
    assert (code, told["verdict"]) == (0, "trusted")
    assert told["profile_digest"] == verdict.profile_digest
    (mapping,) = told["through"]["mappings"]
    assert (mapping["origin"], mapping["by"], mapping["counts"]) == (
        "bundle",
        workspace.identity,
        True,
    )
    assert offline(bundled(workspace, subject, NAME), through=None)[1]["verdict"] == "undetermined"


def test_a_verifier_who_does_not_believe_its_author_takes_it_for_a_proposal(
    workspace, world, offline
):
    subject, _ = world
    accept(workspace)
    data = bundled(workspace, subject, NAME)
    stranger = Party().identity
    code, told = offline(data, lists=[], verifier=stranger)
    assert (code, told["code"]) == (13, "catalog.unknown"), "a stranger's catalog is not read"
    for folder in ("catalogs", "profiles"):
        shutil.copytree(workspace.path / folder, offline.settings.store / folder)
    shutil.rmtree(offline.settings.store / "catalogs" / "mappings")
    code, told = offline(data, lists=[], verifier=stranger)
    (mapping,) = told["through"]["mappings"]
    assert (mapping["status"], mapping["counts"]) == ("proposed", False)
    assert told["verdict"] != "trusted"


def test_what_the_verifier_says_itself_goes_before_what_travels(workspace, world, offline):
    subject, _ = world
    accept(workspace)
    data = bundled(workspace, subject, NAME)
    shutil.copytree(workspace.path / "catalogs", offline.settings.store / "catalogs")
    own = offline.settings.store / "catalogs" / "mappings" / f"{NAME}.json"
    document = json.loads(own.read_bytes())
    for tie in document["ties"]:
        tie.pop("accepted", None)
    own.write_text(json.dumps(document))
    code, told = offline(data)
    (mapping,) = told["through"]["mappings"]
    assert "counts" not in mapping
    assert (mapping["status"], told["verdict"], code != 0) == ("proposed", "undetermined", True)


def test_a_bundle_made_without_it_lacks_it(workspace, world, offline):
    subject, _ = world
    accept(workspace)
    code, told = offline(bundled(workspace, subject))
    assert (code, told["code"]) == (13, "mapping.unknown")


def test_a_mapping_that_was_taken_back_does_not_travel_as_one(workspace, world, offline):
    subject, _ = world
    accept(workspace)
    where = SubjectId(f"{workspace.identity}/mappings/{NAME}")
    reader = workspace.store.reader()
    (row,) = reader.by_keys([subject_key(where)])[subject_key(where)]
    status = Status(action=Action.WITHDRAW, target=Target(statement=row.statement.digest.hex()))
    workspace.register_one(workspace.sign(Kind.STATUS, where, status))
    code, told = offline(bundled(workspace, subject, NAME))
    assert (code, told["code"]) == (13, "mapping.unknown")


def test_a_norm_under_somebody_elses_name_is_nobodys(workspace, world, offline):
    """Whoever writes into another's name space gets no mapping accepted by it."""
    subject, _ = world
    accept(workspace)
    stranger = Party()
    where = SubjectId(f"{workspace.identity}/mappings/{NAME}")
    document = json.loads((workspace.path / "catalogs/mappings" / f"{NAME}.json").read_bytes())
    norm = Norm(type="mapping", name=NAME, version="9", document=document)
    workspace.register_one(stranger.sign(where, norm, kind=Kind.NORM, at=workspace.clock()))
    _, told = offline(bundled(workspace, subject, NAME))
    (mapping,) = told["through"]["mappings"]
    assert (mapping["by"], mapping["version"]) == (workspace.identity, "1")


def test_a_member_judges_through_the_mapping_of_the_store_it_joined(
    served, workspace, world, tmp_path, clock, monkeypatch
):
    subject, _ = world
    accept(workspace)
    hosting = Hosting(workspace.store)
    services = [service_for(Role.MAKER, scope=["pkg:generic/sato"])]
    code = hosting.invite(now=clock(), expires_at=clock() + 3600, services=services)
    settings = Settings(store=tmp_path / "member", clock=clock)
    Member.join(settings.store, served.url, code, "Sato", settings=settings)
    (tmp_path / "by-right.yaml").write_text(
        PROFILE.format(name="by-right", claim="r-claim", control="right#R.1")
    )
    monkeypatch.setattr(Settings, "from_environment", lambda **_: settings)

    def run_it(*words):
        done = CliRunner().invoke(build(), [*map(str, words), "--json"])
        return done.exit_code, json.loads(done.stdout)

    measure = ("-p", tmp_path / "by-right.yaml")
    code, told = run_it("verify", subject, *measure, "--through", NAME)
    assert (code, told["verdict"]) == (0, verified(workspace, subject).value.word)
    code, made = run_it(
        "export", subject, *measure, "--through", NAME, "--out", tmp_path / "proof.kz"
    )
    assert (code, made["through"]) == (0, [NAME])
    code, told = run_it(
        "verify", "--bundle", tmp_path / "proof.kz", "--trust", settings.store / "trust.json",
        *measure, "--through", NAME,
    )  # fmt: skip
    assert (code, told["verdict"]) == (0, "trusted")
    over = served.client.get(
        "/api/export", params={"subject": subject, "profile": "by-right", "through": "nothing"}
    )
    assert over.status_code == 404


def test_what_was_withdrawn_about_a_thing_below_an_identitys_name_leaves_proofs_readable(
    workspace, world, offline
):
    """Such a name begins like an identity and is none: it has no keys that could have ended."""
    subject, digest = world
    assert subject.startswith(f"{workspace.identity}/")
    gone = Status(action=Action.WITHDRAW, target=Target(statement=digest))
    workspace.register_one(workspace.sign(Kind.STATUS, subject, gone))
    told = offline(bundled(workspace, subject), through=None)[1]
    plain = workspace.verify(Question(subject, workspace.profile("by-right")))
    assert told["verdict"] == plain.value.word
