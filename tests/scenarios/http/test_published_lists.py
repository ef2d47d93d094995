# SPDX-License-Identifier: Apache-2.0
"""Published lists and status over HTTP: as signed, kept by caches no longer than they say."""

from kizuna.app.wiring.lists.foreign import ForeignLists, Signer
from kizuna.app.wiring.lists.publishing import Publishing
from kizuna.app.wiring.lists.reading import load_list
from kizuna.app.wiring.lists.status import StatusLists
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.errors import Problem
from kizuna.record.lists.etsi602 import read_lote
from kizuna.record.status import read_status_list

DAY = 86_400


def key_of(workspace):
    return workspace.unit.public(workspace.handle)


def test_an_issue_is_served_as_it_was_signed(served, party):
    workspace = served.workspace
    workspace.lists.create("makers")
    workspace.lists.add(party().identity, roles=["assessor"], name="Aki", list_name="makers")
    assert served.client.get("/api/lists/makers/etsi-602").status_code == 404
    data, told = Publishing(workspace, workspace.lists).publish("makers", days=2)
    answer = served.client.get("/api/lists/makers/etsi-602")
    assert answer.content == data
    assert answer.headers["content-type"].startswith("application/jose")
    assert answer.headers["cache-control"] == "public, max-age=3600"
    found = read_lote(answer.content, keys=[key_of(workspace)], now=served.clock())
    assert [e.name for e in found.entries] == ["Aki"]
    again = served.client.get(
        "/api/lists/makers/etsi-602", headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    served.clock.now += 2 * DAY
    late = served.client.get("/api/lists/makers/etsi-602")
    assert (late.content, late.headers["cache-control"]) == (data, "no-cache")
    assert told["document"] in late.headers["etag"]


def test_status_is_served_in_both_forms(served):
    lists = StatusLists(served.workspace)
    address = "https://fuji.example/api/status-list"
    assert served.client.get("/api/status-list").json()["code"] == "status.not-published"
    lists.publish(address=address, hours=4)
    for form in ("jwt", "cwt"):
        kind = f"application/statuslist+{form}"
        answer = served.client.get("/api/status-list", headers={"accept": kind})
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"] == "public, max-age=3600"
        found = read_status_list(answer.content, key_of(served.workspace), uri=address)
        assert found.bits.width == 2
    refused = served.client.get("/api/status-list", headers={"accept": "text/html"})
    assert refused.status_code == 406


def test_a_jwt_travels_under_gzip_to_whoever_takes_that(served):
    StatusLists(served.workspace).publish(address="https://fuji.example/status", hours=4)
    asked = {"accept": "application/statuslist+jwt", "accept-encoding": "gzip"}
    plain = served.client.get("/api/status-list", headers=asked | {"accept-encoding": "identity"})
    small = served.client.get("/api/status-list", headers=asked)
    assert small.content == plain.content  # the client unpacks it
    assert small.headers["content-encoding"] == "gzip"
    assert int(small.headers["content-length"]) < len(plain.content)
    assert "content-encoding" not in plain.headers
    assert small.headers["vary"] == plain.headers["vary"] == "accept, accept-encoding"
    assert small.headers["etag"] != plain.headers["etag"]
    again = served.client.get(
        "/api/status-list", headers=asked | {"if-none-match": small.headers["etag"]}
    )
    assert again.status_code == 304
    cwt = served.client.get(
        "/api/status-list", headers=asked | {"accept": "application/statuslist+cwt"}
    )
    assert "content-encoding" not in cwt.headers


def test_the_light_is_red_while_a_followed_list_does_not_load(served, party, tmp_path):
    theirs = served.workspace
    theirs.lists.create("makers")
    theirs.lists.add(party().identity, roles=["assessor"], name="Aki", list_name="makers")
    Publishing(theirs, theirs.lists).publish("makers", days=2)
    settings = Settings(store=tmp_path / "follower", clock=served.clock)
    with Workspace.init(settings.store, "Buyer", now=served.clock(), settings=settings) as follower:
        foreign = ForeignLists(follower, follower.lists)
        address = f"{served.url}/api/lists/makers/etsi-602"
        foreign.take(
            address, load_list, name="theirs", signer=Signer.of([key_of(theirs)], []),
            mapping=f'types: {{"{theirs.lists.anchor("makers").id}#assessor": {{role: assessor}}}}'
            .encode(),
        )  # fmt: skip
        assert follower.lists.show("theirs")["members"] == 1
        told = foreign.refresh(load_list)
        assert "problem" not in told[0]
        (theirs.path / "published").rename(theirs.path / "gone")
        (told,) = foreign.refresh(load_list)
        assert told["problem"]["code"] == "list.not-published"
        assert follower.lists.show("theirs")["taken"]["failure"] == "list.not-published"
        assert follower.lists.show("theirs")["members"] == 1


def test_health_of_lists(served, party, tmp_path):
    assert served.client.get("/health/lists").json() == {"status": "ok", "lists": []}
    ours, theirs = served.workspace, tmp_path / "association"
    settings = Settings(store=theirs, clock=served.clock)
    with Workspace.init(theirs, "Association", now=served.clock(), settings=settings) as other:
        other.lists.create("bodies")
        data, _ = Publishing(other, other.lists).publish("bodies", days=1)
        file = tmp_path / "issue"
        file.write_bytes(data)
        foreign = ForeignLists(ours, ours.lists)
        foreign.take(str(file), load_list, name="bodies", signer=Signer.of([key_of(other)], []))
    assert served.client.get("/health/lists").status_code == 200
    file.write_bytes(data[:-9] + b"AAAAAAAAA")
    try:
        foreign.take(str(file), load_list, name="bodies")
    except Problem as problem:
        assert problem.code == "list.signature-wrong"
    red = served.client.get("/health/lists")
    assert red.status_code == 503
    assert red.json()["lists"] == [{"name": "bodies", "code": "list.signature-wrong"}]
    assert str(tmp_path) not in served.client.get("/api/lists/bodies").text
    assert served.client.get("/health").status_code == 200


def test_the_page_of_lists_tells_how_old_a_followed_list_is(served, party, tmp_path):
    theirs = tmp_path / "association"
    settings = Settings(store=theirs, clock=served.clock)
    with Workspace.init(theirs, "Association", now=served.clock(), settings=settings) as other:
        other.lists.create("bodies")
        data, _ = Publishing(other, other.lists).publish("bodies", days=1)
        file = tmp_path / "issue"
        file.write_bytes(data)
        foreign = ForeignLists(served.workspace, served.workspace.lists)
        signer = Signer.of([key_of(other)], [])
        foreign.take(str(file), load_list, name="bodies", signer=signer)
    page = served.client.get("/lists", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "issue 1, next due" in page.text
    assert "Out of date" not in page.text
    served.clock.now += DAY
    assert "Out of date" in served.client.get("/lists", headers={"accept": "text/html"}).text
