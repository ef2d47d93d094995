# SPDX-License-Identifier: Apache-2.0
"""A real server on the loopback address, over a real store."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cbor2
import httpx
import pytest
import uvicorn

from kizuna.app.api import create_app, server_options
from kizuna.app.api.limits import Limits
from kizuna.app.api.shell import Shell
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, Payload, encode_payload
from kizuna.roots.cose import sign_statement
from kizuna.roots.http_signatures import Request, sign_request
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units.software import SoftwareUnit
from kizuna.worlds.building import Building, building
from kizuna.worlds.party import Party as WorldParty

NOW = 1_795_309_200


@dataclass
class Hand:
    """The server's clock, which the test turns."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Party:
    """Somebody with a key of their own."""

    unit: SoftwareUnit = field(default_factory=SoftwareUnit.ephemeral)

    def __post_init__(self) -> None:
        self.handle = self.unit.generate(Algorithm.ES256, "test")
        self.identity: SubjectId = did_key(self.unit.public(self.handle))
        self.nonces = 0

    def sign(
        self,
        subject: str,
        payload: Payload | None = None,
        *,
        kind: Kind = Kind.CERTIFICATE,
        at: int = NOW,
        audience: tuple[SubjectId, ...] = (),
    ) -> bytes:
        """One signed statement."""
        return sign_statement(
            self.unit,
            self.handle,
            issuer=self.identity,
            subject=SubjectId(subject),
            media_type=media_type_of(kind),
            payload=encode_payload(payload or Claim(type="iso-9001")),
            issued_at=at,
            audience=audience,
        )

    def headers(self, url: str, *, method: str = "GET", body: bytes = b"") -> dict[str, str]:
        """The headers of a signed request."""
        parts = httpx.URL(url)
        self.nonces += 1
        return sign_request(
            self.unit,
            self.handle,
            Request(
                method=method,
                authority=parts.netloc.decode(),
                path=parts.raw_path.decode().partition("?")[0],
                query=parts.query.decode(),
                body=body,
            ),
            identity=self.identity,
            created=NOW,
            nonce=f"nonce-{id(self)}-{self.nonces:06d}",
        )


@dataclass
class Served:
    """A running server."""

    workspace: Workspace
    url: str
    client: httpx.Client
    clock: Hand
    app: Shell

    def signed(self, who: Party, path: str, **parameters: str) -> httpx.Response:
        """A GET that ``who`` signed."""
        url = str(httpx.URL(self.url + path, params=parameters or None))
        return self.client.get(url, headers=who.headers(url))


@contextmanager
def running(
    workspace: Workspace, clock: Hand, limits: Limits, *, token: str | None = None
) -> Iterator[Served]:
    """Serve a workspace until the block ends."""
    app = create_app(workspace, limits=limits, console_token=token)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, **server_options()))
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            yield Served(workspace, url, client, clock, app)
    finally:
        server.should_exit = True
        thread.join(60)
        listening.close()


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def workspace(tmp_path: Path, clock: Hand) -> Iterator[Workspace]:
    settings = Settings(store=tmp_path / "store", clock=clock)
    made = Workspace.init(
        tmp_path / "store",
        "Fuji Climate Systems",
        now=NOW,
        policy="open",
        origin="fuji.example/log",
        settings=settings,
    )
    with made:
        yield made


@pytest.fixture
def limits() -> Limits:
    return Limits()


@pytest.fixture
def served(workspace: Workspace, clock: Hand, limits: Limits) -> Iterator[Served]:
    with running(workspace, clock, limits) as server:
        yield server


@pytest.fixture
def opened(workspace: Workspace, clock: Hand, limits: Limits) -> Iterator[Served]:
    """A server whose operator can sign in to the pages."""
    with running(workspace, clock, limits, token="token-of-this-server") as server:  # noqa: S106
        yield server


@pytest.fixture
def party() -> Callable[[], Party]:
    return Party


@dataclass
class Tower(Served):
    """A server over the building world: a controller with four tiers behind it."""

    world: Building = field(kw_only=True)

    @property
    def root(self) -> str:
        """The controller."""
        return self.world.root

    def take(self, statements: list[bytes]) -> None:
        """Register statements over HTTP, as their issuers would."""
        body = cbor2.dumps(
            {"statements": statements, "documents": list(self.world.documents.values())}
        )
        told = self.client.post(
            "/api/statements", content=body, headers={"content-type": "application/cbor"}
        ).json()
        assert told["refused"] == 0, told

    def break_it(self) -> None:
        """Let the world's mishap happen."""
        self.clock.now += 60
        self.take(self.world.stories[0].break_(self.clock.now))

    def mend_it(self) -> None:
        """Do what the finding asks for."""
        self.clock.now += 60
        self.take(self.world.stories[0].mend(self.clock.now))


@pytest.fixture
def tower(workspace: Workspace, clock: Hand, limits: Limits) -> Iterator[Tower]:
    world = building(
        NOW,
        council=WorldParty(
            id=workspace.identity,
            title={"en": workspace.name, "ja": workspace.name},
            unit=workspace.unit,
            handle=workspace.handle,
        ),
        list_id=workspace.list_id,
    )
    workspace.live()
    with running(workspace, clock, limits) as server:
        made = Tower(workspace, server.url, server.client, clock, server.app, world=world)
        made.take([*world.memberships, *world.statements])
        yield made
