# SPDX-License-Identifier: Apache-2.0
"""Looking at a device from outside: what is seen, and what is not said where nothing was."""

import asyncio
import socket
import threading
from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.guard.gateway.connector.sight import hardware_address, look, read_ask
from kizuna.model.errors import Malformed
from kizuna.worlds.modbus import PumpDevice

ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.20     0x1         0x2         00:1D:9C:aa:bb:cc     *        eth0
192.168.1.21     0x1         0x0         00:00:00:00:00:00     *        eth0
"""


def seen(place, ask="modbus", wait=60.0, neighbours=""):
    return asyncio.run(look(place, read_ask(ask), wait=wait, neighbours=neighbours))


class Saying:
    """A device that says some bytes to whoever connects, and remembers what it heard."""

    def __init__(self, *parts: bytes, close: bool = True) -> None:
        self.parts, self.close, self.heard = parts, close, b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> tuple[str, int]:
        self._thread.start()
        return self._listening.getsockname()

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._held:
            one.close()
        self._thread.join(60)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._listening.accept()
                self._held.append(one)
                for part in self.parts:
                    one.sendall(part)
                if self.close:
                    one.shutdown(socket.SHUT_WR)


def test_a_modbus_device_says_who_it_is_the_same_each_time_and_another_says_otherwise():
    with PumpDevice(product="P-4") as pump:
        place = pump.address
        first, second = seen(place), seen(place)
    with PumpDevice(product="P-5") as other:
        foreign = seen(other.address)
    assert first.banner == second.banner != foreign.banner
    assert first.address == "127.0.0.1"
    assert first.position == f"127.0.0.1:{place[1]}"
    assert first.interval is not None


def test_a_device_that_speaks_first_is_heard_out():
    with Saying(b"220 pump", b" ready\r\n", close=False) as place:
        assert seen(place, "banner").banner == sha256(b"220 pump ready\r\n").digest()
    with Saying(b"no line") as place:
        assert seen(place, "hex:00ff").banner == sha256(b"no line").digest()


@pytest.mark.parametrize(
    "parts",
    [(), (b"\x4b",), (b"\x4b\x5a\0\0\0\x09\x01",), (b"HTTP/1.1 400 Bad Request\r\n\r\n",)],
    ids=["nothing", "a byte", "cut short", "another protocol"],
)
def test_what_does_not_answer_was_not_seen(parts):
    with Saying(*parts) as place, pytest.raises((OSError, EOFError)):
        seen(place)


def test_a_device_that_holds_its_tongue_is_not_waited_for_without_end():
    with Saying(close=False) as place, pytest.raises(TimeoutError):
        seen(place, wait=0.2)


def test_a_place_where_nobody_listens_is_said_so():
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = free.getsockname()
    with pytest.raises(ConnectionRefusedError):
        seen(place)


def test_the_hardware_address_of_a_neighbour_is_found_and_of_others_not():
    assert hardware_address(ARP, "192.168.1.20") == "00:1d:9c:aa:bb:cc"
    assert hardware_address(ARP, "192.168.1.21") is None
    assert hardware_address(ARP, "192.168.1.2") is None
    assert hardware_address("", "192.168.1.20") is None


@given(st.text(max_size=400), st.text(max_size=20))
def test_a_strange_table_of_neighbours_is_no_fault(table, host):
    hardware_address(table, host)


@pytest.mark.parametrize(
    "text", ["", "modbus:256", "modbus:x", "modbus:-1", "hex:", "hex:0", "hex:zz", "smtp"]
)
def test_only_known_ways_of_asking_are_taken(text):
    with pytest.raises(Malformed) as told:
        read_ask(text)
    assert told.value.code == "connector.ask"


def test_the_unit_of_a_modbus_device_can_be_chosen():
    assert read_ask("modbus:7").request[6] == 7
    assert read_ask("modbus").request[6] == 1
