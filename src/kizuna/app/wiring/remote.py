# SPDX-License-Identifier: Apache-2.0
"""Stores elsewhere over HTTP: how they are asked, and what is remembered of them.

Keeps: 1. Only the address that the anchors give is asked; a redirect is refused, a certificate must
fit its name. 2. An answer is bounded in bytes and in time as a whole: whoever drips is cut off.
3. What is remembered lies in files that are opened like any answer: they are not believed because
they are ours. 4. Checkpoints that contradict each other are kept for ever, as they came.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.network import checked_url
from kizuna.app.wiring.owner import Owner
from kizuna.model.errors import Malformed, Problem, Unavailable
from kizuna.model.trust import Anchors, LogAnchor

if TYPE_CHECKING:
    from kizuna.chain.exchange.remote import Proven
    from kizuna.model.verdict import Known

__all__ = ["PATH", "Forks", "StoreMemory", "ask_store", "publish_forks", "transport_within"]

PATH: Final = "/api/evidence"
MEDIA_TYPE: Final = "application/cbor"

_log = logging.getLogger(__name__)

_CHUNK: Final = 1 << 16
_KEPT: Final = 256 << 20
_LIMIT: Final = 128 << 20


Shown = dict[tuple[str, tuple[str, ...]], "tuple[Known, bytes]"]
"""By log and its keys, the newest checkpoint that its store has shown to anybody here."""

Sign = Callable[[str, str, bytes], dict[str, str]]
"""The headers that sign a question, by method, address and body."""


def transport_within(
    seconds: float, *, signed: Container[str] = (), sign: Sign | None = None
) -> Any:  # noqa: ANN401 - chain.exchange.asking.Transport
    """A transport whose every exchange ends within this time.

    Questions to the stores of the logs ``signed`` are signed. A store that does not know the key
    is asked as the public, in the same time.
    """

    def send(log: LogAnchor, question: bytes) -> bytes:
        until = time.monotonic() + seconds
        if sign is not None and log.origin in signed:
            more = sign("POST", checked_url(log.url or "") + PATH, question)
            try:
                return ask_store(log, question, seconds=seconds, headers=more)
            except Unavailable as refused:
                if not more or not 400 <= int(refused.about.get("status", 0)) < 500:
                    raise
                _log.warning("asking as the public: %s %s", refused.what, refused.why)
        return ask_store(log, question, seconds=max(until - time.monotonic(), 0.001))

    return send


def ask_store(
    log: LogAnchor,
    question: bytes,
    *,
    seconds: float,
    limit: int = _LIMIT,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Send a question to the store that keeps a log; ``headers`` sign it.

    Raises:
        Unavailable: ``exchange.unreachable``, ``exchange.refused``, ``exchange.too-slow``.
        Malformed: ``exchange.too-large``, ``request.address``.
    """
    url = checked_url(log.url or "")
    parts = urlsplit(url)
    host = parts.hostname or ""
    until = time.monotonic() + seconds
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, parts.port, timeout=seconds, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=seconds)
    # a socket's own time-out begins anew with every byte; this one does not
    held: list[socket.socket] = []
    watchdog = threading.Timer(seconds, _cut, (held,))
    watchdog.daemon = True
    watchdog.start()
    answer: http.client.HTTPResponse | None = None
    try:
        connection.connect()
        held.append(connection.sock)
        connection.request(
            "POST",
            parts.path + PATH,
            question,
            {"content-type": MEDIA_TYPE, "accept": MEDIA_TYPE, **(headers or {})},
        )
        answer = connection.getresponse()
        body = bytearray()
        while len(body) <= limit and (piece := answer.read1(_CHUNK)):
            body += piece
    except (OSError, http.client.HTTPException, ValueError, AttributeError) as fault:
        if time.monotonic() >= until:
            raise _too_slow(log, seconds) from fault
        raise Unavailable(
            "exchange.unreachable",
            f"cannot reach the store at {url}",
            why=str(fault) or type(fault).__name__,
            hint="try again later, or ask its operator",
            url=url,
            origin=log.origin,
        ) from fault
    finally:
        watchdog.cancel()
        if answer is not None:
            answer.close()
        connection.close()
    if time.monotonic() >= until:
        raise _too_slow(log, seconds)
    if len(body) > limit:
        raise Malformed(
            "exchange.too-large",
            f"the store at {url} answers with more than {limit >> 20} MiB",
            hint="check the address that the anchors give for this log",
            url=url,
            limit=limit >> 20,
        )
    if answer.status != 200:
        raise Unavailable(
            "exchange.refused",
            f"the store at {url} answers {answer.status}",
            why="it sends elsewhere" if 300 <= answer.status < 400 else _said(bytes(body[:200])),
            hint="check the address that the anchors give for this log, or ask its operator",
            url=url,
            origin=log.origin,
            status=answer.status,
        )
    return bytes(body)


def _cut(held: list[socket.socket]) -> None:
    for one in held:
        with suppress(OSError):  # over already
            one.shutdown(socket.SHUT_RDWR)


def _too_slow(log: LogAnchor, seconds: float) -> Unavailable:
    return Unavailable(
        "exchange.too-slow",
        f"the store of {log.origin} did not finish its answer in {seconds:g} seconds",
        hint="try again later, or ask its operator",
        origin=log.origin,
        seconds=f"{seconds:g}",
    )


def _said(body: bytes) -> str:
    return body.decode("utf-8", "replace")


class StoreMemory:
    """What stores elsewhere proved, in a folder of this store; and in memory, for a server."""

    def __init__(
        self,
        folder: Path,
        anchors: Anchors,
        signed: Container[str] = (),
        shown: Shown | None = None,
    ) -> None:
        """``signed``: logs whose stores were asked as oneself; that is remembered apart, so that
        nobody else is answered from it. ``shown``: kept with the memories of other anchors.
        """
        self._shown: Shown = {} if shown is None else shown
        self._folder = folder
        self._anchors = anchors
        self._signed = signed
        self._known: dict[str, Proven | None] = {}

    def recall(self, log: LogAnchor) -> Proven | None:
        """What was proved at the last good checkpoint, opened again."""
        if log.origin not in self._known:
            self._known[log.origin] = self._read(log)
        proven = self._known[log.origin] = self._newest(log, self._known[log.origin])
        if proven is not None and log.origin in self._signed:
            # what was withheld is asked for again: the store may know by now who is asking
            for key, rows in list(proven.lists.items()):
                if any(digest not in proven.items for _, digest in rows):
                    del proven.lists[key]
        return proven

    def _newest(self, log: LogAnchor, proven: Proven | None) -> Proven | None:
        """What was proved; where the store has shown more, under other anchors or to another
        reader, no more than that checkpoint, which all that it shows must continue.
        """
        from kizuna.chain.exchange.remote import Proven

        name = (log.origin, tuple(log.keys))
        head, note = self._shown.get(name, (None, b""))
        if proven is not None and (head is None or head.size < proven.head.size):
            head = proven.head
            self._shown[name] = head, proven.note
        if proven is not None and proven.head == head:
            return proven
        if head is None:
            return None
        return Proven(head=head, note=note, quorum=0, as_of=None, before=proven)

    def keep(self, log: LogAnchor, proven: Proven) -> None:
        """Remember it; a disk that refuses costs the next question time, and no more."""
        from kizuna.roots.cose import encode

        proven.before = None
        self._known[log.origin] = self._newest(log, proven)
        bundles, room = [], _KEPT
        for bundle in proven.bundles:
            room -= len(bundle)
            if room >= 0:
                bundles.append(bundle)
        home = self._home(log.origin)
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(home / self._file(log.origin), encode({1: log.origin, 2: bundles}))
        except OSError as fault:
            _log.warning("what %s proved is not kept: %s", log.origin, fault)

    def contradiction(self, log: LogAnchor, before: bytes, after: bytes, reason: str) -> None:
        """Keep two checkpoints that cannot both be true."""
        from kizuna.record.log.evidence import keep_evidence

        try:
            keep_evidence(self._home(log.origin) / reason, before, after)
        except (OSError, Problem) as fault:
            _log.warning("evidence against %s is not kept: %s", log.origin, fault)

    def _read(self, log: LogAnchor) -> Proven | None:
        from kizuna.chain.exchange.bundle import Bundle
        from kizuna.chain.exchange.opening import opened
        from kizuna.chain.exchange.remote import Proven
        from kizuna.roots.cose import decode

        proven: Proven | None = None
        try:
            path = self._home(log.origin) / self._file(log.origin)
            content = decode(path.read_bytes(), max_depth=3)
            if content[1] != log.origin:
                return None
            for data in content[2]:
                bundle = Bundle.from_bytes(data)
                evidence = opened(bundle, self._anchors)
                heads = evidence.heads()
                if bundle.origin != log.origin or not heads:
                    continue
                if proven is None or proven.head != heads[0]:
                    proven = Proven(
                        head=heads[0],
                        note=bundle.checkpoint,
                        quorum=evidence.quorum,
                        as_of=evidence.as_of,
                    )
                proven.take(data, bundle.checkpoint, evidence)
        except FileNotFoundError:
            return None
        except (OSError, Problem, KeyError, TypeError) as fault:
            _log.warning("what was kept of %s is not used: %s", log.origin, fault)
            return None
        return proven

    def _file(self, origin: str) -> str:
        return "proven-to-oneself" if origin in self._signed else "proven"

    def _home(self, origin: str) -> Path:
        return self._folder / sha256(origin.encode()).hexdigest()[:32]


class Forks:
    """Evidence against logs, as it was kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def all(self) -> list[dict[str, Any]]:
        """Every pair of checkpoints that contradict each other."""
        found = []
        for first in sorted(self._folder.glob("*/*/*-0")):
            notes = [p for p in (first, first.with_name(first.name[:-1] + "1")) if p.is_file()]
            texts = [p.read_bytes().decode("utf-8", "replace") for p in notes]
            found.append(
                {
                    "origin": texts[0].partition("\n")[0] or texts[-1].partition("\n")[0],
                    "what": first.parent.name,
                    "files": [str(p) for p in notes],
                    "checkpoints": texts,
                }
            )
        return found


def publish_forks(workspace: Owner) -> list[dict[str, Any]]:
    """Say of every forked log, in a notice with both checkpoints, what its store did; once each.

    A notice is one's own word: it weighs with those who list its issuer; the checkpoints weigh by
    themselves with everyone who has the log's key.
    """
    from kizuna.model.identifier import canonical
    from kizuna.model.kind import Kind
    from kizuna.model.payload import Notice, Severity
    from kizuna.record.log.keys import subject_key

    urls = {log.origin: log.url for log in workspace.anchors().logs}
    made = []
    for fork in Forks(workspace.path / "remote").all():
        url = urls.get(fork["origin"])
        if fork["what"] != "forked" or url is None:
            continue
        subject, name = canonical(url), Path(fork["files"][0]).name.removesuffix("-0")
        key = subject_key(subject)
        rows = workspace.store.reader().by_keys([key]).get(key, ())
        said = (row.statement.payload for row in rows if row.statement.issuer == workspace.identity)
        if any(isinstance(one, Notice) and one.id == name for one in said):
            continue
        notice = Notice(
            type="tampering",
            severity=Severity.CRITICAL,
            id=name,
            summary=f"the log {fork['origin']} was shown with two histories",
            ext={"checkpoints": fork["checkpoints"]},
        )
        digest, index = workspace.register_one(workspace.sign(Kind.NOTICE, subject, notice))
        made.append(
            {"origin": fork["origin"], "subject": subject, "statement": digest, "index": index}
        )
    return made
