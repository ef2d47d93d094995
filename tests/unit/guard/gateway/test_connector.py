# SPDX-License-Identifier: Apache-2.0
"""The connector: a Modbus device behind it is reached by enrolled peers and by nobody else."""

import asyncio
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException

from kizuna.guard.gateway.connector import Connector, Limits, Refusals, Relay, Side
from kizuna.guard.gateway.connector.tls import context_of
from kizuna.roots.keys import Algorithm
from kizuna.roots.life import anchor_for, issue_short_lived
from kizuna.roots.units import EphemeralUnit
from kizuna.worlds.modbus import PumpDevice

UNIT = EphemeralUnit(b"connector")
DEVICE_KEY, CLIENT_KEY, STRANGER_KEY = (
    UNIT.generate(Algorithm.ES256, n) for n in ("device", "client", "stranger")
)
AMPLE = Limits(handshake=60, idle=120, connections=8, per_address=8, session=600)
"""Few connections, and no time that a busy machine could use up."""


class Running:
    """A connector or relay in an event loop of its own."""

    def __init__(self, thing: Connector | Relay) -> None:
        self.thing = thing
        self.relay = thing.relay if isinstance(thing, Connector) else thing
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self.call(self.thing.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.thing.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _refresh(self) -> None:
        self.thing.refresh()

    def refresh(self) -> None:
        self.call(self._refresh())

    @property
    def address(self):
        return self.relay.address


class Stretch:
    """Device, its connector, and the client's connector; with the sets of enrolled keys."""

    def __init__(self, stack: ExitStack, limits: Limits = AMPLE) -> None:
        self.device = stack.enter_context(PumpDevice())
        self.now = int(time.time())
        self.admitted = [UNIT.public(CLIENT_KEY)]
        self.near = stack.enter_context(
            Running(
                Connector(
                    Side.DEVICE,
                    ("127.0.0.1", 0),
                    self.device.address,
                    unit=UNIT,
                    handle=DEVICE_KEY,
                    peers=lambda: self.admitted,
                    clock=lambda: self.now,
                    limits=limits,
                )
            )
        )
        self.client = self.connector(stack, CLIENT_KEY, limits)

    def connector(self, stack, handle, limits=AMPLE):
        return stack.enter_context(
            Running(
                Connector(
                    Side.CLIENT,
                    ("127.0.0.1", 0),
                    self.near.address,
                    unit=UNIT,
                    handle=handle,
                    peers=lambda: [UNIT.public(DEVICE_KEY)],
                    clock=lambda: self.now,
                    limits=limits,
                )
            )
        )

    def refused(self, reason: str) -> int:
        refusals = self.near.thing.refusals
        return sum(n for (r, _), (n, _, _) in refusals._open.items() if r == reason)

    def tls(self, handle=CLIENT_KEY, *, now: int | None = None, seconds: int = 3_600):
        shown = issue_short_lived(UNIT, handle, self.now if now is None else now, seconds=seconds)
        anchor = anchor_for(UNIT.public(DEVICE_KEY), self.now)
        return context_of(shown.certificate, shown.private_key, [anchor], server=False)


@pytest.fixture
def stretch():
    with ExitStack() as stack:
        yield Stretch(stack)


def modbus(address) -> ModbusTcpClient:
    return ModbusTcpClient(address[0], port=address[1], timeout=60, retries=0)


def until(claim, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if claim():
            return True
        time.sleep(0.02)
    return bool(claim())


def knock(stretch: Stretch, context: ssl.SSLContext) -> bytes:
    """Say a Modbus request over TLS straight to the device's connector; what came back."""
    request = bytes.fromhex("000100000006010300000001")
    try:
        with (
            socket.create_connection(stretch.near.address, timeout=60) as raw,
            context.wrap_socket(raw) as secured,
        ):
            secured.sendall(request)
            return secured.recv(100)
    except OSError:
        return b""


def test_registers_are_read_and_written_through_both_connectors(stretch):
    with modbus(stretch.client.address) as client:
        assert client.write_register(0, 1_500).registers == [1_500]
        assert client.read_holding_registers(0, count=2).registers == [1_500, 0]
        client.write_registers(10, list(range(50)))
        assert client.read_holding_registers(10, count=50).registers == list(range(50))
    with modbus(stretch.device.address) as direct:
        assert direct.read_holding_registers(0, count=1).registers == [1_500]


def test_what_passes_between_the_connectors_is_not_readable():
    with ExitStack() as stack:
        stretch = Stretch(stack)
        seen = bytearray()
        tap = socket.create_server(("127.0.0.1", 0))
        stack.callback(tap.close)

        def carry() -> None:
            near, _ = tap.accept()
            far = socket.create_connection(stretch.near.address)
            with near, far:
                threads = [
                    threading.Thread(target=_copy, args=(a, b, seen))
                    for a, b in ((near, far), (far, near))
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()

        thread = threading.Thread(target=carry)
        thread.start()
        client = stack.enter_context(
            Running(
                Connector(
                    Side.CLIENT,
                    ("127.0.0.1", 0),
                    tap.getsockname(),
                    unit=UNIT,
                    handle=CLIENT_KEY,
                    peers=lambda: [UNIT.public(DEVICE_KEY)],
                    clock=lambda: stretch.now,
                    limits=AMPLE,
                )
            )
        )
        with modbus(client.address) as talking:
            talking.write_registers(0, [0x4B5A] * 40)
        thread.join(60)
        assert len(seen) > 500
        assert b"\x4b\x5a" * 4 not in bytes(seen)


def _copy(source: socket.socket, target: socket.socket, seen: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(4_096):
            seen.extend(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_an_enrolled_key_is_admitted_directly_too(stretch):
    assert knock(stretch, stretch.tls())[:4] == bytes.fromhex("00010000")


def test_a_peer_that_is_not_enrolled_reaches_nothing(stretch):
    assert knock(stretch, stretch.tls(STRANGER_KEY)) == b""
    assert until(lambda: stretch.refused("unknown-peer") == 1)
    with ExitStack() as stack:
        other = stretch.connector(stack, STRANGER_KEY)
        with modbus(other.address) as client, pytest.raises(ConnectionException):
            client.read_holding_registers(0)


def test_a_certificate_that_is_over_is_refused(stretch):
    old = stretch.tls(now=stretch.now - 90_000, seconds=3_600)
    assert knock(stretch, old) == b""
    assert until(lambda: stretch.refused("unknown-peer") == 1)


def test_another_keys_certificate_under_an_enrolled_name_is_refused(stretch):
    """The name of a certificate's issuer can be written by anybody; the signature cannot."""
    mine = issue_short_lived(UNIT, STRANGER_KEY, stretch.now)
    theirs = UNIT.public(CLIENT_KEY).thumbprint.hex().encode()
    assert theirs not in mine.certificate
    anchor = anchor_for(UNIT.public(DEVICE_KEY), stretch.now)
    context = context_of(mine.certificate, mine.private_key, [anchor], server=False)
    assert knock(stretch, context) == b""


def test_no_certificate_and_old_tls_are_refused(stretch):
    anchor = anchor_for(UNIT.public(DEVICE_KEY), stretch.now).decode()
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname = False
    bare.load_verify_locations(cadata=anchor)
    assert knock(stretch, bare) == b""
    old = stretch.tls()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert knock(stretch, old) == b""


def test_a_client_does_not_talk_to_a_device_connector_it_does_not_know():
    with ExitStack() as stack:
        stretch = Stretch(stack)
        stretch.client.thing._peers = lambda: [UNIT.public(STRANGER_KEY)]
        stretch.client.refresh()
        with modbus(stretch.client.address) as client, pytest.raises(ConnectionException):
            client.read_holding_registers(0)
        assert until(lambda: stretch.client.thing.refusals.total >= 1)


def test_a_revoked_key_loses_the_connection_it_has_and_gets_no_other(stretch):
    with modbus(stretch.client.address) as client:
        assert client.read_holding_registers(0).registers == [0]
        stretch.admitted = []
        stretch.near.refresh()
        assert until(lambda: not stretch.near.relay.sessions)
        with pytest.raises(ConnectionException):
            client.read_holding_registers(0)
    assert knock(stretch, stretch.tls()) == b""
    assert stretch.refused("key-ended") == 1
    stretch.admitted = [UNIT.public(CLIENT_KEY)]
    stretch.near.refresh()
    assert knock(stretch, stretch.tls())


def test_plain_tcp_is_refused_by_name_and_the_device_hears_nothing(stretch):
    with socket.create_connection(stretch.near.address, timeout=60) as plain:
        plain.sendall(bytes.fromhex("00010000000601060000ffff"))
        assert plain.recv(100)[:1] in (b"", b"\x15")  # nothing, or a TLS alert
    assert until(lambda: stretch.refused("not-tls") + stretch.refused("handshake-failed") == 1)
    with modbus(stretch.device.address) as direct:
        assert direct.read_holding_registers(0).registers == [0]


def test_slow_handshakes_end_and_leave_room():
    with ExitStack() as stack:
        stretch = Stretch(stack, replace(AMPLE, handshake=0.5))
        slow = [socket.create_connection(stretch.near.address) for _ in range(5)]
        slow[0].sendall(b"\x16\x03\x01")
        assert until(lambda: stretch.refused("handshake-slow") == 5)
        for one in slow:
            one.close()
        assert until(lambda: knock(stretch, stretch.tls()) != b"")


def test_a_flood_is_turned_away_and_counted_not_stored(stretch):
    open_now = [socket.create_connection(stretch.near.address) for _ in range(60)]
    assert until(lambda: stretch.refused("too-many") >= 40)
    for one in open_now:
        one.close()
    assert until(lambda: knock(stretch, stretch.tls()) != b"")
    reports = stretch.near.thing.refusals.due(stretch.now)
    assert len(reports) <= 4
    assert stretch.near.thing.refusals.due(stretch.now) == []


def test_a_silent_connection_is_closed():
    with ExitStack() as stack:
        stretch = Stretch(stack, replace(AMPLE, idle=0.6))
        raw = stack.enter_context(socket.create_connection(stretch.near.address, timeout=60))
        secured = stack.enter_context(stretch.tls().wrap_socket(raw))
        with suppress(ConnectionError, ssl.SSLError):  # closed, however the system says it
            assert secured.recv(1) == b""


def test_a_reader_that_does_not_read_costs_no_memory():
    """The sender is slowed down: far less than was offered lies in the relay."""
    far = socket.create_server(("127.0.0.1", 0))
    limits = Limits(buffered=65_536, idle=120)
    with ExitStack() as stack:
        stack.callback(far.close)
        running = stack.enter_context(
            Running(Relay(("127.0.0.1", 0), far.getsockname(), limits=limits))
        )
        sender = socket.create_connection(running.address)
        receiver, _ = far.accept()
        stack.callback(sender.close)
        stack.callback(receiver.close)
        sender.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 200_000_000:
                sent += sender.send(bytes(65_536))
        assert sent < 200_000_000
        (session,) = running.relay.sessions
        assert session.far.waiting <= 65_536
        received = 0
        receiver.settimeout(60)
        sender.shutdown(socket.SHUT_WR)
        while data := receiver.recv(1 << 20):
            received += len(data)
        assert received == sent


def test_a_half_closed_connection_still_answers_and_then_leaves_nothing_behind():
    far = socket.create_server(("127.0.0.1", 0))
    with ExitStack() as stack:
        stack.callback(far.close)
        running = stack.enter_context(Running(Relay(("127.0.0.1", 0), far.getsockname())))
        for _ in range(5):
            with socket.create_connection(running.address, timeout=60) as asking:
                answering, _ = far.accept()
                asking.sendall(b"all I have")
                asking.shutdown(socket.SHUT_WR)
                with answering:
                    heard = b""
                    while data := answering.recv(100):
                        heard += data
                    answering.sendall(heard[::-1])
                assert asking.recv(100) == b"evah I lla"
                assert asking.recv(100) == b""
        assert until(lambda: not running.relay.sessions)


def test_a_device_that_is_gone_is_told(stretch):
    with ExitStack() as stack:
        gone = socket.create_server(("127.0.0.1", 0))
        address = gone.getsockname()
        gone.close()
        running = stack.enter_context(
            Running(
                Connector(
                    Side.DEVICE,
                    ("127.0.0.1", 0),
                    address,
                    unit=UNIT,
                    handle=DEVICE_KEY,
                    peers=lambda: [UNIT.public(CLIENT_KEY)],
                    clock=lambda: stretch.now,
                    limits=AMPLE,
                )
            )
        )
        stretch.near, before = running, stretch.near
        assert knock(stretch, stretch.tls()) == b""
        assert until(lambda: stretch.refused("device-unreachable") == 1)
        stretch.near = before


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 200)), max_size=300))
def test_every_refusal_is_told_once_in_some_count(events):
    refusals = Refusals(period=100)
    now = told = 0
    for reason, peer in events:
        refusals.count(reason, str(peer), now)
        now += 7
        told += sum(r.count for r in refusals.due(now))
    for _ in range(20):
        now += 100
        told += sum(r.count for r in refusals.due(now))
    assert told == len(events)


class Tap:
    """Between the client and the device's connector: hears all, and can say it again."""

    def __init__(self, stack: ExitStack, to) -> None:
        self.heard = bytearray()
        self._listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._to = to
        self._far: socket.socket | None = None
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    @property
    def address(self):
        return self._listening.getsockname()

    def say_again(self, data: bytes) -> None:
        assert self._far is not None
        self._far.sendall(data)

    def _carry(self) -> None:
        near, _ = self._listening.accept()
        with near, socket.create_connection(self._to) as far:
            self._far = far
            back = threading.Thread(target=_copy, args=(far, near, bytearray()), daemon=True)
            back.start()
            _copy(near, far, self.heard)
            back.join(60)


def _write(register: int, value: int) -> bytes:
    return bytes.fromhex("00010000000601 06") + register.to_bytes(2) + value.to_bytes(2)


def _talk(secured: ssl.SSLSocket, request: bytes) -> bytes:
    secured.sendall(request)
    return secured.recv(100)


@pytest.fixture
def tapped(stretch):
    with ExitStack() as stack:
        tap = Tap(stack, stretch.near.address)
        raw = stack.enter_context(socket.create_connection(tap.address, timeout=60))
        secured = stack.enter_context(stretch.tls().wrap_socket(raw))
        yield stretch, tap, secured


def _held(stretch) -> int:
    with modbus(stretch.device.address) as direct:
        return direct.read_holding_registers(0, count=1).registers[0]


def test_a_recorded_session_said_again_does_nothing(tapped):
    stretch, tap, secured = tapped
    assert _talk(secured, _write(0, 111))
    recorded = bytes(tap.heard)
    assert _talk(secured, _write(0, 222))
    for _ in range(3):
        with socket.create_connection(stretch.near.address, timeout=60) as thief, suppress(OSError):
            thief.sendall(recorded)
            thief.shutdown(socket.SHUT_WR)
            while thief.recv(4_096):
                pass
    assert _held(stretch) == 222
    assert _talk(secured, _write(0, 333))  # whom it was recorded from works on
    assert _held(stretch) == 333


def test_a_recorded_command_said_again_inside_the_session_ends_it_unheard(tapped):
    stretch, tap, secured = tapped
    assert _talk(secured, _write(0, 111))
    before = len(tap.heard)
    assert _talk(secured, _write(0, 222))
    command = bytes(tap.heard[before:])  # the records of the second command
    assert _talk(secured, _write(0, 333))
    tap.say_again(command)
    assert until(lambda: not stretch.near.relay.sessions)
    assert _held(stretch) == 333


def _cut_short(context: ssl.SSLContext, address, request: bytes) -> bytes:
    """Say a request, then that this was all; what came back until the other side ended, too."""
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    state = context.wrap_bio(coming, going)
    heard = b""
    with socket.create_connection(address, timeout=60) as raw:

        def said(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    if going.pending:
                        raw.sendall(going.read())
                    data = raw.recv(16_384)
                    coming.write(data) if data else coming.write_eof()

        said(state.do_handshake)
        state.write(request)
        with suppress(ssl.SSLWantReadError):
            state.unwrap()
        raw.sendall(going.read())
        raw.shutdown(socket.SHUT_WR)
        with suppress(ssl.SSLZeroReturnError):
            while data := said(lambda: state.read(100)):
                heard += data
    return heard


def test_a_half_closed_connection_answers_over_tls_too():
    with ExitStack() as stack:
        far = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stretch = Stretch(stack)
        near = stack.enter_context(
            Running(
                Connector(
                    Side.DEVICE,
                    ("127.0.0.1", 0),
                    far.getsockname(),
                    unit=UNIT,
                    handle=DEVICE_KEY,
                    peers=lambda: stretch.admitted,
                    clock=lambda: stretch.now,
                    limits=AMPLE,
                )
            )
        )

        def answer() -> None:
            asked, _ = far.accept()
            with asked:
                heard = b""
                while data := asked.recv(100):
                    heard += data
                asked.sendall(heard[::-1] * 3_000)

        thread = threading.Thread(target=answer)
        thread.start()
        assert _cut_short(stretch.tls(), near.address, b"all I have") == b"evah I lla" * 3_000
        thread.join(60)
        assert until(lambda: not near.relay.sessions)


def test_a_connection_ends_with_the_certificate_it_was_admitted_by(stretch):
    context = stretch.tls(seconds=600)
    with (
        socket.create_connection(stretch.near.address, timeout=60) as raw,
        context.wrap_socket(raw) as secured,
    ):
        assert _talk(secured, _write(0, 7))
        stretch.now += 500
        stretch.near.refresh()
        assert _talk(secured, _write(0, 8))
        stretch.now += 101
        stretch.near.refresh()
        assert until(lambda: not stretch.near.relay.sessions)
    assert stretch.refused("certificate-ended") == 1
    assert _held(stretch) == 8


def _echo(listening: socket.socket) -> None:
    with suppress(OSError):
        while True:
            asked, _ = listening.accept()
            with asked:
                asked.sendall(asked.recv(100))


def test_a_device_that_was_restarted_is_reached_again():
    with ExitStack() as stack:
        device = socket.create_server(("127.0.0.1", 0))
        place = device.getsockname()
        thread = threading.Thread(target=_echo, args=(device,))
        thread.start()
        stretch = Stretch(stack)
        stretch.near = stack.enter_context(
            Running(
                Connector(
                    Side.DEVICE,
                    ("127.0.0.1", 0),
                    place,
                    unit=UNIT,
                    handle=DEVICE_KEY,
                    peers=lambda: stretch.admitted,
                    clock=lambda: stretch.now,
                    limits=AMPLE,
                )
            )
        )
        assert knock(stretch, stretch.tls())
        device.shutdown(socket.SHUT_RDWR)
        device.close()
        thread.join(60)
        assert knock(stretch, stretch.tls()) == b""
        assert until(lambda: stretch.refused("device-unreachable") == 1)
        device = stack.enter_context(socket.create_server(place))
        thread = threading.Thread(target=_echo, args=(device,))
        thread.start()
        assert knock(stretch, stretch.tls())
        device.shutdown(socket.SHUT_RDWR)
        thread.join(60)


def test_bytes_pass_unchanged_through_both_connectors_whatever_their_pieces():
    """More than any buffer holds, in pieces of every size, while the reader reads in its own."""
    with ExitStack() as stack:
        far = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        limits = replace(AMPLE, buffered=20_000)
        device = Connector(
            Side.DEVICE,
            ("127.0.0.1", 0),
            far.getsockname(),
            unit=UNIT,
            handle=DEVICE_KEY,
            peers=lambda: [UNIT.public(CLIENT_KEY)],
            clock=lambda: int(time.time()),
            limits=limits,
        )
        near = stack.enter_context(Running(device))
        client = Connector(
            Side.CLIENT,
            ("127.0.0.1", 0),
            near.address,
            unit=UNIT,
            handle=CLIENT_KEY,
            peers=lambda: [UNIT.public(DEVICE_KEY)],
            clock=lambda: int(time.time()),
            limits=limits,
        )
        beside = stack.enter_context(Running(client))
        sent = bytes(i * 7 & 0xFF for i in range(251)) * 20_000
        asking = stack.enter_context(socket.create_connection(beside.address, timeout=60))
        answering, _ = far.accept()
        answering.settimeout(60)

        def speak() -> None:
            at, step = 0, 1
            while at < len(sent):
                asking.sendall(sent[at : at + step])
                at, step = at + step, step * 3 % 70_001 + 1
            asking.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=speak)
        thread.start()
        heard, size = bytearray(), 1
        while data := answering.recv(size):
            heard += data
            size = size * 5 % 100_003 + 1
        thread.join(60)
        assert bytes(heard) == sent
        answering.sendall(sent[:1_000_000])
        answering.close()
        back = bytearray()
        while data := asking.recv(65_536):
            back += data
        assert bytes(back) == sent[:1_000_000]
        assert until(lambda: not near.relay.sessions and not beside.relay.sessions)


def test_many_slow_readers_hold_no_more_than_one_read_each():
    with ExitStack() as stack:
        far = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        limits = Limits(buffered=32_768, connections=40, per_address=40, idle=120)
        running = stack.enter_context(
            Running(Relay(("127.0.0.1", 0), far.getsockname(), limits=limits))
        )
        senders = []
        for _ in range(40):
            sender = stack.enter_context(socket.create_connection(running.address, timeout=60))
            stack.enter_context(far.accept()[0])
            sender.setblocking(False)
            senders.append(sender)

        def all_wait() -> bool:
            for sender in senders:  # the system takes some of it first
                with suppress(BlockingIOError):
                    sender.send(bytes(1 << 20))
            return all(one.far.waiting for one in list(running.relay.sessions))

        assert until(all_wait)
        assert len(running.relay.sessions) == 40
        assert all(one.far.waiting <= 32_768 for one in running.relay.sessions)
