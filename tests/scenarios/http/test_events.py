# SPDX-License-Identifier: Apache-2.0
"""A client listens to verdict changes, goes away, and comes back without missing one."""

import json
import threading
import time
from queue import Queue

import httpx

from kizuna.app.wiring.importing.documents import seal
from kizuna.app.wiring.judging.question import Question
from kizuna.model.finding import Value
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Action, Notice, Severity, Status, Target, encode_payload


def listen(server, events: Queue, started: threading.Event, **headers: str) -> threading.Thread:
    def run() -> None:
        with (
            httpx.Client(base_url=server.url, timeout=60) as client,
            client.stream("GET", "/api/events", headers=headers) as stream,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            event: dict[str, str] = {}
            for line in stream.iter_lines():
                started.set()
                if line:
                    name, _, value = line.partition(":")
                    event[name] = value.strip()
                    continue
                if event.get("event"):
                    events.put(event)
                    return
                event = {}

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_change_is_told_and_can_be_caught_up_on(tower):
    profile = tower.workspace.profile("building-services")
    tower.workspace.watch(tower.root, profile, None)
    events: Queue = Queue()
    started = threading.Event()
    first = listen(tower, events, started)
    assert started.wait(60)
    tower.break_it()
    told = events.get(timeout=60)
    data = json.loads(told["data"])
    assert (data["subject"], data["after"]) == (tower.root, "untrusted")
    first.join(60)
    tower.mend_it()
    again = listen(tower, events, started, **{"last-event-id": told["id"]})
    missed = events.get(timeout=60)
    assert json.loads(missed["data"])["after"] == "trusted"
    assert int(missed["id"].rpartition("-")[2]) > int(told["id"].rpartition("-")[2])
    again.join(60)


def test_who_was_away_too_long_is_told(tower):
    events: Queue = Queue()
    thread = listen(tower, events, threading.Event(), **{"last-event-id": "1-5"})
    assert events.get(timeout=60)["event"] == "gap"
    thread.join(60)


def test_what_only_some_may_read_does_not_show_by_its_time(tower):
    """A restricted notice turns the operator's verdict; the public hears nothing, then or later."""
    profile = tower.workspace.profile("building-services")
    tower.workspace.watch(tower.root, profile, None)
    events: Queue = Queue()
    started = threading.Event()
    listen(tower, events, started)
    assert started.wait(60)
    tower.clock.now += 60
    (maker,) = [p for p in tower.world.parties.values() if p.title["en"].startswith("Aoba Air")]

    def say(kind, payload, audience=()):
        return seal(
            maker.unit,
            maker.handle,
            issuer=maker.id,
            subject=SubjectId(tower.root),
            media_type=media_type_of(kind),
            payload=encode_payload(payload),
            now=tower.clock.now,
            audience=audience,
        )

    notice = Notice(type="incident", severity=Severity.CRITICAL)
    told = say(Kind.NOTICE, notice, (tower.workspace.identity,))
    tower.workspace.register_one(told.statement, told.documents)
    assert tower.workspace.verify(Question(SubjectId(tower.root), profile)).value is Value.UNTRUSTED
    asked = {"subject": tower.root, "profile": "building-services"}
    assert tower.client.get("/api/verify", params=asked).json()["verdict"] == "trusted"
    time.sleep(1)
    tower.clock.now += 60
    withdrawal = Status(action=Action.WITHDRAW, target=Target(statement=told.digest))
    tower.workspace.register_one(say(Kind.STATUS, withdrawal).statement)
    assert tower.workspace.verify(Question(SubjectId(tower.root), profile)).value is Value.TRUSTED
    time.sleep(1)
    assert events.empty()
    tower.break_it()
    heard = json.loads(events.get(timeout=60)["data"])
    assert (heard["before"], heard["after"]) == ("trusted", "untrusted")


def test_the_public_hears_what_changes_for_the_public_only(tower):
    """The operator knows already, from a restricted notice, what the public learns today."""
    profile = tower.workspace.profile("building-services")
    tower.workspace.watch(tower.root, profile, None)
    (maker,) = [p for p in tower.world.parties.values() if p.title["en"].startswith("Aoba Air")]
    tower.clock.now += 60
    told = seal(
        maker.unit,
        maker.handle,
        issuer=maker.id,
        subject=SubjectId(tower.root),
        media_type=media_type_of(Kind.NOTICE),
        payload=encode_payload(Notice(type="incident", severity=Severity.CRITICAL)),
        now=tower.clock.now,
        audience=(tower.workspace.identity,),
    )
    tower.workspace.register_one(told.statement, told.documents)
    assert tower.workspace.verify(Question(SubjectId(tower.root), profile)).value is Value.UNTRUSTED
    events: Queue = Queue()
    started = threading.Event()
    listen(tower, events, started)
    assert started.wait(60)
    tower.break_it()
    heard = events.get(timeout=60)
    data = json.loads(heard["data"])
    assert (data["before"], data["after"]) == ("trusted", "untrusted")
    assert heard["id"].endswith("-1")  # the operator's own events are not even counted
