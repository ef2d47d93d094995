# SPDX-License-Identifier: Apache-2.0
"""Where statements of a federation come from: the network, files, what was kept.

Keeps: 1. The network is asked because a person said so, by https alone, without following anything
elsewhere, and only at addresses of the public internet (of this machine too where that was
allowed): an entity cannot make this verifier ask somebody's inner network. The address that was
checked is the one that is connected to. 2. Answers are bounded in size, in time, and all together.
3. What does not depend on each other is fetched at once.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from kizuna.app.wiring.files import read_file
from kizuna.model.errors import Absent, Malformed, Problem, Refused, Unavailable
from kizuna.record.lists.federation import (
    EntityStatement,
    configuration_url,
    read_entity_statement,
)

__all__ = ["Gathered", "Kept", "Network", "Noting", "gathered"]

_LARGEST: Final = 256 << 10
_PATIENCE: Final = 10.0
_ALL_TOGETHER: Final = 60.0
_AT_ONCE: Final = 8
_MOST_FILES: Final = 2_000
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_PUBLIC: Final = ipaddress.IPv6Network("2000::/3")
"""All that is given out of IPv6: what lies beside it may lead to an address of IPv4 inside."""


@dataclass(slots=True)
class Network:
    """Asks addresses by https.

    Args:
        loopback: whether this machine's own addresses may be asked.
        authority: certificates (PEM) of an authority to believe beside the system's.
    """

    loopback: bool = False
    authority: str | None = None
    answers: dict[str, bytes] = field(default_factory=dict)
    """What was answered, by address."""
    _faults: dict[str, Problem] = field(default_factory=dict)
    _until: float | None = None
    _tls: ssl.SSLContext | None = None

    def get(self, url: str) -> bytes:
        """The bytes at an address.

        Raises:
            Absent: ``federation.not-there``. Unavailable: ``federation.unreachable``.
            Refused: ``federation.address-refused``.
        """
        if url not in self.answers and url not in self._faults:
            self._ask(url)
        if url in self._faults:
            raise self._faults[url]
        return self.answers[url]

    def ahead(self, urls: Sequence[str]) -> None:
        """Fetch at once what will be asked for next."""
        wanted = [u for u in dict.fromkeys(urls) if u not in self.answers and u not in self._faults]
        if len(wanted) > 1:
            self._context()
            with ThreadPoolExecutor(min(_AT_ONCE, len(wanted))) as pool:
                list(pool.map(self._ask, wanted))

    def post(self, url: str, body: bytes) -> bytes:
        """The answer to a form."""
        return self._exchange(
            "POST", url, body, {"content-type": "application/x-www-form-urlencoded"}
        )

    def _ask(self, url: str) -> None:
        try:
            self.answers[url] = self._exchange("GET", url, None, {})
        except Problem as fault:
            self._faults[url] = fault

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            if self.authority is not None:
                try:
                    self._tls.load_verify_locations(cafile=self.authority)
                except (OSError, ssl.SSLError) as fault:
                    raise Malformed(
                        "federation.authority",
                        f"{self.authority} holds no certificates of an authority",
                        why=str(fault),
                        hint="give a file in PEM",
                        path=self.authority,
                    ) from fault
        return self._tls

    def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> bytes:
        now = time.monotonic()
        if self._until is None:
            self._until = now + _ALL_TOGETHER
        left = min(_PATIENCE, self._until - now)
        try:
            parts = urlsplit(url)
            port = parts.port or 443
        except ValueError as fault:
            raise _address_refused(url[:80], "it is no address") from fault
        host = parts.hostname or ""
        if left <= 0:
            raise _unreachable(host, "all asking together took too long")
        if parts.scheme != "https" or not host or parts.username or not url.isascii():
            raise _address_refused(host, "only https is asked")
        peer = self._peer(host, port)
        connection = _Pinned(host, port, peer, left, self._context())
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # a peer that sends a letter at a time meets no time-out of a single reading
        guard = Timer(left, connection.cut)
        guard.daemon = True
        guard.start()
        try:
            connection.request(method, target, body, dict(headers))
            with connection.getresponse() as answer:
                data = bytearray()
                while len(data) <= _LARGEST:
                    part = answer.read1(64 << 10)
                    if not part:
                        break
                    data += part
        except (OSError, http.client.HTTPException) as fault:
            raise _unreachable(host, str(fault) or type(fault).__name__) from fault
        finally:
            guard.cancel()
            connection.close()
        if connection.was_cut:
            raise _unreachable(host, "it answers too slowly")
        if len(data) > _LARGEST:
            raise _unreachable(host, f"it answers with more than {_LARGEST >> 10} KiB")
        if answer.status in (404, 410):
            raise Absent(
                "federation.not-there",
                f"nothing is at {url[:200]}",
                why=f"it answered {answer.status}",
                hint="the entity is not there, or its superior does not know it (any more)",
                url=url[:200],
            )
        if answer.status != 200:
            raise _unreachable(host, f"it answered {answer.status}")
        return bytes(data)

    def _peer(self, host: str, port: int) -> str:
        """An address of the host that may be asked; every address it has must be such a one."""
        try:
            found = {
                str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            }
        except (OSError, UnicodeError) as fault:
            raise _unreachable(host, str(fault)) from fault
        for text in found:
            place = _meant(text.partition("%")[0])
            own = place.is_loopback and self.loopback
            outside = isinstance(place, ipaddress.IPv4Address) or place in _PUBLIC
            if not own and (not place.is_global or place.is_multicast or not outside):
                raise _address_refused(host, f"it leads to {place}, which is no public address")
        return min(found, key=lambda text: (":" in text, text))


def _meant(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that is reached in the end, where one of IPv6 stands for one of IPv4."""
    place = ipaddress.ip_address(text)
    if isinstance(place, ipaddress.IPv4Address):
        return place
    if place in _NAT64:
        return ipaddress.IPv4Address(int(place) & 0xFFFFFFFF)
    teredo = place.teredo
    return place.ipv4_mapped or place.sixtofour or (teredo[1] if teredo else place)


class _Pinned(http.client.HTTPSConnection):
    """A connection to the very address that was checked."""

    def __init__(
        self, host: str, port: int, peer: str, patience: float, tls: ssl.SSLContext
    ) -> None:
        super().__init__(host, port, timeout=patience, context=tls)
        self._peer = peer
        self._tls = tls
        self._wire: socket.socket | None = None
        self.was_cut = False

    def cut(self) -> None:
        """End it, whatever it is waiting for."""
        self.was_cut = True
        if self._wire is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._wire, socket.SHUT_RDWR)

    def connect(self) -> None:
        plain = socket.create_connection((self._peer, self.port), self.timeout)
        try:
            # the library lets go of the socket once an answer has begun that ends with it
            self._wire = self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


@dataclass(slots=True)
class Noting:
    """The network as one question asks it: what it was told is noted, to be kept."""

    line: Network
    answers: dict[str, bytes] = field(default_factory=dict)

    def get(self, url: str) -> bytes:
        """As ``Network.get``."""
        self.answers[url] = data = self.line.get(url)
        return data


@dataclass(slots=True)
class Kept:
    """What was fetched before."""

    answers: Mapping[str, bytes]

    def get(self, url: str) -> bytes:
        """The bytes that were at an address.

        Raises:
            Absent: ``federation.not-kept``.
        """
        if url not in self.answers:
            raise _not_kept(url)
        return self.answers[url]


@dataclass(slots=True)
class Gathered:
    """Statements that came as files, in any order and under any name."""

    own: dict[str, EntityStatement] = field(default_factory=dict)
    about: dict[tuple[str, str], EntityStatement] = field(default_factory=dict)

    def add(self, statement: EntityStatement) -> None:
        """One more; of two the later issued counts."""
        place: dict[Any, EntityStatement] = self.own if statement.of_itself else self.about
        key: Any = (
            configuration_url(statement.subject)
            if statement.of_itself
            else (statement.issuer, statement.subject)
        )
        held = place.get(key)
        if held is None or held.issued < statement.issued:
            place[key] = statement

    def get(self, url: str) -> bytes:
        """The statement that would be at an address.

        Raises:
            Absent: ``federation.not-kept``.
        """
        if url in self.own:
            return self.own[url].raw
        subject = parse_qs(urlsplit(url).query).get("sub", [""])[0]
        plain = url.partition("?")[0]
        for statement in self.own.values():
            endpoint = statement.endpoint("federation_fetch_endpoint")
            if endpoint is not None and endpoint.partition("?")[0] == plain:
                found = self.about.get((statement.issuer, subject))
                if found is not None:
                    return found.raw
        raise _not_kept(url)


def gathered(path: str) -> Gathered:
    """The statements in a folder, or in one file: a JSON array (a trust chain), or one a line.

    Raises:
        Absent: ``file.absent``. Unavailable: ``file.unreadable``. Malformed:
        ``file.too-large``, ``federation.files``.
    """
    place = Path(path)
    out = Gathered()
    if place.is_dir():
        files = sorted(p for p in place.iterdir() if p.suffix in (".jwt", ".json", ".jws"))
    elif place.is_file():
        files = [place]
    else:
        raise Absent("file.absent", f"no file {path}", hint="check the path", path=path)
    for file in files[:_MOST_FILES]:
        for text in _texts(read_file(file, limit=_LARGEST * 20)):
            try:
                out.add(read_entity_statement(text))
            except Problem as fault:
                raise Malformed(
                    "federation.files",
                    f"{file.name} holds no statements of a federation",
                    why=fault.what,
                    hint="give entity statements (JWT), one a file, or a trust chain as JSON",
                    path=file.name[:200],
                ) from fault
    return out


def _texts(data: bytes) -> list[str]:
    text = data.decode("utf-8", "replace").strip()
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list) and all(isinstance(t, str) for t in found):
            return found[:_MOST_FILES]
    return text.split()[:_MOST_FILES]


def _not_kept(url: str) -> Absent:
    return Absent(
        "federation.not-kept",
        f"what is at {url[:200]} was not given and is not kept here",
        why="the network is asked only where you say so",
        hint="repeat `kizuna federation resolve` with --from network",
        url=url[:200],
    )


def _unreachable(host: str, why: str) -> Unavailable:
    return Unavailable(
        "federation.unreachable",
        f"cannot ask {host[:200]}",
        why=why,
        hint="try again later; what was kept shows its age with `kizuna federation show`",
        host=host[:200],
    )


def _address_refused(host: str, why: str) -> Refused:
    return Refused(
        "federation.address-refused",
        f"{host[:200]} is not asked: {why}",
        why=why,
        hint="an entity of this machine is asked with --loopback; others must be public, by https",
        host=host[:200],
        fault=why[:200],
    )
