# SPDX-License-Identifier: Apache-2.0
"""A federation of stores that really serve, by https on this machine.

An association (the anchor), a branch below it (an intermediate), suppliers below the branch, and a
buyer who serves nothing.
"""

import datetime as dt
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kizuna.app.api import create_app, server_options
from kizuna.app.wiring.federation.book import BookKeeper
from kizuna.app.wiring.federation.joining import host_member, invite, renew_marks
from kizuna.app.wiring.federation.reading import Reading
from kizuna.app.wiring.federation.sources import Network
from kizuna.app.wiring.lists.own import member_services
from kizuna.app.wiring.member.saying import Member
from kizuna.app.wiring.server import background
from kizuna.app.wiring.settings import Settings
from kizuna.app.wiring.workspace import Workspace

NOW = 1_795_309_200
TOKEN = "of-the-operator"  # noqa: S105 - of a test


@dataclass
class Hand:
    """The clock of everybody."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass
class Place:
    """One store, and the server in front of it."""

    workspace: Workspace
    url: str
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None
    listening: socket.socket | None = None

    @property
    def jwk(self) -> dict[str, str]:
        return self.workspace.keys.states()[0]["jwk"]

    def stop(self) -> None:
        if self.server is not None:
            self.server.should_exit = True
            self.thread.join(20)
            self.listening.close()
            self.server = None


@dataclass
class Hosted:
    """A member without a server."""

    entity: str
    identity: str
    statement: str
    mark_kinds: list[str]


@dataclass
class Country:
    """Everybody."""

    folder: Path
    certificate: Path
    key: Path
    clock: Hand
    places: dict[str, Place] = field(default_factory=dict)

    def settle(self, name: str, *, serves: bool = True) -> Place:
        settings = Settings(store=self.folder / name, clock=self.clock)
        workspace = Workspace.init(
            self.folder / name,
            name.title(),
            now=self.clock.now,
            policy="open",
            origin=f"{name}.example/log",
            settings=settings,
        )
        place = Place(workspace, "")
        if serves:
            place.listening = socket.socket()
            place.listening.bind(("127.0.0.1", 0))
            place.url = f"https://localhost:{place.listening.getsockname()[1]}"
            BookKeeper(workspace.path).stand(place.url)
            config = uvicorn.Config(
                create_app(workspace, console_token=TOKEN),
                log_config=None,
                ssl_certfile=str(self.certificate),
                ssl_keyfile=str(self.key),
                **server_options(),
            )
            place.server = uvicorn.Server(config)
            place.thread = threading.Thread(
                target=place.server.run, kwargs={"sockets": [place.listening]}, daemon=True
            )
            place.thread.start()
            until = time.monotonic() + 60
            while not place.server.started and time.monotonic() < until:
                time.sleep(0.01)
            assert place.server.started
        self.places[name] = place
        return place

    def join(self, below: str, above: str, role: str, *scope: str) -> None:
        lower, upper = self.places[below], self.places[above]
        invite(
            upper.workspace,
            lower.url,
            keys=[lower.jwk],
            roles=[role],
            scope=scope or ["*"],
            name=lower.workspace.name,
            until=None,
        )
        BookKeeper(lower.workspace.path).superior(upper.url, remove=False)

    def renew(self, name: str) -> list[str]:
        told = renew_marks(self.places[name].workspace, self.network())
        return [mark["type"] for mark in told["marks"]]

    def network(self) -> Network:
        return Network(loopback=True, authority=str(self.certificate))

    def reading(self) -> Reading:
        """The buyer's eyes."""
        return Reading(self.places["buyer"].workspace.path, self.clock.now)

    def member(self, name: str) -> str:
        port = self.places[name].url.rpartition(":")[2]
        return f"did:web:localhost%3A{port}"

    def member_without_server(self, above: str, name: str, folder: Path) -> Hosted:
        """Somebody who joins a store and has it show their configuration."""
        upper = self.places[above].workspace
        with background(upper) as (host, port):
            code = upper.hosting.invite(
                now=self.clock.now,
                expires_at=self.clock.now + 3600,
                services=member_services(["maker"], [f"pkg:generic/{name.lower()}"]),
            )
            settings = Settings(store=folder, clock=self.clock)
            joined = Member.join(folder, f"http://{host}:{port}", code, name, settings=settings)
            told = host_member(joined, days=30)
        return Hosted(
            told["entity"], joined.identity, told["statement"], [m["type"] for m in told["marks"]]
        )

    def mapping(self) -> bytes:
        """What the branch's marks are worth to the buyer."""
        marks = self.places["branch"].url + "/federation/marks/"
        scopes = {
            self.places[n].workspace.identity: {"scope": [f"pkg:generic/{n}"]}
            for n in ("fuji", "haku")
        }
        types = {
            marks + "maker": {"role": "maker", "scope": ["listed"]},
            marks + "certification-body": {"role": "certification-body", "scope": ["*"]},
        }
        return json.dumps({"types": types, "members": scopes}).encode()

    def close(self) -> None:
        for place in self.places.values():
            place.stop()
            place.workspace.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine's own name, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def empty(tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[Country]:
    made = Country(tmp_path, *certificate, Hand())
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def country(empty: Country) -> Country:
    """Guild, branch, two makers, a laboratory, and the buyer who believes the guild."""
    return peopled(empty)


@pytest.fixture(scope="module")
def settled(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Country]:
    """The same, shared by tests that change nothing."""
    made = Country(tmp_path_factory.mktemp("country"), *certificate, Hand())
    try:
        yield peopled(made)
    finally:
        made.close()


def peopled(empty: Country) -> Country:
    for name in ("guild", "branch", "fuji", "asama", "haku"):
        empty.settle(name)
    empty.settle("buyer", serves=False)
    empty.join("branch", "guild", "list-operator")
    for name, role in (("fuji", "maker"), ("asama", "certification-body"), ("haku", "maker")):
        empty.join(name, "branch", role, f"pkg:generic/{name}")
        empty.renew(name)
    empty.reading().believe(empty.places["guild"].url, {"keys": [empty.places["guild"].jwk]})
    return empty
