# SPDX-License-Identifier: Apache-2.0
"""A chain over three operators: a buyer judges, a maker and a laboratory keep stores of their own.

The buyer's list says whose word counts, and in which log it stands; the anchors say where each log
answers. ``Wire`` stands between: it passes answers on, or does what an attacker would.
"""

import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import httpx
from tests.scenarios.http.conftest import Hand

from kizuna.app.api.limits import Limits
from kizuna.app.wiring.judging.across import AcrossJudge
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.criteria.profiles import read_profile
from kizuna.model.identifier import canonical
from kizuna.model.kind import Kind
from kizuna.model.payload import Action, Claim, Level, Link, Links, Status, Target
from kizuna.model.relation import Relation

PUMP = canonical("pkg:generic/kyoto/pump@4.2")
FAN = canonical("pkg:generic/kyoto/fan@1.0")
PROFILE = """
profile: across
version: 1.0.0
title: {en: Across operators, ja: across}
requirements:
  - id: tested
    title: {en: Tested by a laboratory, ja: tested}
    kind: certificate
    claim: tested
    from: [certification-body]
    level: third-party
follow:
  - relation: part-of
"""


@dataclass
class Operators:
    """Three workspaces, their servers, and the profile."""

    folder: Path
    clock: Hand
    running: Callable[..., object]
    stack: ExitStack
    buyer: Workspace = field(init=False)
    maker: Workspace = field(init=False)
    lab: Workspace = field(init=False)
    urls: dict[str, str] = field(default_factory=dict)
    certificates: dict[str, str] = field(default_factory=dict)
    patience: float = 20.0

    def __post_init__(self) -> None:
        for name in ("buyer", "maker", "lab"):
            setattr(self, name, self.workspace(name))
        for name in ("maker", "lab"):
            served = self.stack.enter_context(
                self.running(getattr(self, name), self.clock, Limits())
            )
            self.urls[name] = served.url
        self.buyer.lists.add(
            self.maker.identity, roles=["maker"], scope=["pkg:generic/kyoto"], name="Kyoto",
            logs=[self.maker.log.origin],
        )  # fmt: skip
        self.buyer.lists.add(
            self.lab.identity, roles=["certification-body"], name="Lab",
            logs=[self.lab.log.origin],
        )  # fmt: skip
        for name in ("maker", "lab"):
            self.believe(name, self.urls[name])
        self.product(PUMP, FAN)

    def product(self, thing: str, *parts: str) -> None:
        """A product of the maker with its parts, all tested by the laboratory."""
        self.clock.now += 60  # what is entered and what is said in the same second has no order
        links = [Link(relation=Relation.PART_OF, subject=part) for part in parts]
        said = Links(links=links, complete=[Relation.PART_OF])
        self.maker.register_one(self.maker.sign(Kind.LINK, thing, said))
        for one in (thing, *parts):
            self.certify(one)

    def anew(self) -> None:
        """Forget what was remembered, and ask the true addresses."""
        shutil.rmtree(self.buyer.path / "remote", ignore_errors=True)
        for name in ("maker", "lab"):
            self.believe(name, self.urls[name])
        self.__dict__.pop("_judge", None)

    def workspace(self, name: str) -> Workspace:
        settings = Settings(store=self.folder / name, clock=self.clock)
        made = Workspace.init(
            self.folder / name, name.title(), now=self.clock(), policy="open",
            origin=f"{name}.example/log", settings=settings,
        )  # fmt: skip
        return self.stack.enter_context(made)

    def believe(self, name: str, url: str) -> None:
        log = getattr(self, name).log
        self.buyer.trust.add_log(log.origin, url, [key.vkey for key in log.keys])

    def certify(self, thing: str) -> None:
        claim = Claim(type="tested", level=Level.THIRD)
        digest, _ = self.lab.register_one(self.lab.sign(Kind.CERTIFICATE, thing, claim))
        self.certificates[thing] = digest

    def revoke(self, thing: str) -> None:
        self.clock.now += 60
        status = Status(
            action=Action.REVOKE, target=Target(statement=self.certificates[thing]), reason="void"
        )
        self.lab.register_one(self.lab.sign(Kind.STATUS, thing, status))

    def profile(self, more: str = ""):
        return read_profile((PROFILE + more).encode())

    def judge(self, *, subject=PUMP, more="", fresh=True, offline=False, **asked):
        if fresh or not hasattr(self, "_judge"):
            self._judge = AcrossJudge(self.buyer, patience=self.patience)
        return self._judge.verify(Question(subject, self.profile(more), **asked), offline=offline)


class Wire:
    """A server between: ``deed`` gets the path and the true answer and gives what is sent.

    It returns (status, headers, body), or an iterator of pieces, or None to drop the connection.
    """

    def __init__(self, target: str, deed) -> None:
        self.target = target
        self.deed = deed
        wire = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                told = httpx.post(
                    wire.target + self.path,
                    content=body,
                    headers={"content-type": "application/cbor"},
                    timeout=60,
                )
                answer = wire.deed(body, told)
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, headers, pieces = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for piece in pieces:
                        self.wfile.write(piece)
                        self.wfile.flush()
                except OSError:
                    pass

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


def passed_on(told: httpx.Response):
    return told.status_code, {"content-length": str(len(told.content))}, [told.content]


def codes(verdict):
    return {(f.code.value, f.subject) for f in verdict.findings if f.counts}
