# SPDX-License-Identifier: Apache-2.0
"""A client listens to verdict changes, goes away, and comes back without missing one."""

import json
import threading
from queue import Queue

import httpx


def listen(server, events: Queue, started: threading.Event, **headers: str) -> threading.Thread:
    def run() -> None:
        with (
            httpx.Client(base_url=server.url, timeout=20) as client,
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
    assert started.wait(10)
    tower.break_it()
    told = events.get(timeout=20)
    data = json.loads(told["data"])
    assert (data["subject"], data["after"]) == (tower.root, "untrusted")
    first.join(10)
    tower.mend_it()
    for _ in range(100):
        standing = tower.client.get("/api/watches").json()["watches"][0]
        if standing["verdict"] == "trusted":
            break
    again = listen(tower, events, started, **{"last-event-id": told["id"]})
    missed = events.get(timeout=20)
    assert json.loads(missed["data"])["after"] == "trusted"
    assert int(missed["id"].rpartition("-")[2]) > int(told["id"].rpartition("-")[2])
    again.join(10)


def test_who_was_away_too_long_is_told(tower):
    events: Queue = Queue()
    thread = listen(tower, events, threading.Event(), **{"last-event-id": "1-5"})
    assert events.get(timeout=20)["event"] == "gap"
    thread.join(10)
