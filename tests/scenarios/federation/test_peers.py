# SPDX-License-Identifier: Apache-2.0
"""Peers that answer badly over real TLS: too slowly, too much, elsewhere, under another name."""

import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from kizuna.app.wiring.federation import sources
from kizuna.app.wiring.federation.sources import Network
from kizuna.model.errors import Problem

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def peer(certificate, answer):
    """A server that answers one connection after another by ``answer(connection, stopped)``."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)

        def serve():
            while not stopped.is_set():
                try:
                    plain, _ = listening.accept()
                    with tls.wrap_socket(plain, server_side=True) as connection:
                        connection.recv(9000)
                        answer(connection, stopped)
                except OSError:
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://localhost:{listening.getsockname()[1]}"
        finally:
            stopped.set()
            thread.join()


def asked(url, certificate):
    with pytest.raises(Problem) as told:
        Network(loopback=True, authority=str(certificate[0])).get(url + "/x")
    return told.value


def drip(connection, stopped):
    connection.sendall(OK)
    while not stopped.wait(0.1):
        connection.sendall(b"x-a: b\r\n")


def drip_body(connection, stopped):
    connection.sendall(OK + b"content-length: 9999\r\n\r\n")
    while not stopped.wait(0.1):
        connection.sendall(b"x")


def drip_last(connection, stopped):
    connection.sendall(OK + b"connection: close\r\n\r\n")
    while not stopped.wait(0.1):
        connection.sendall(b"x")


def silent(connection, stopped):
    stopped.wait(5)


def endless(connection, stopped):
    connection.sendall(OK + b"\r\n")
    while not stopped.is_set():
        connection.sendall(b"x" * 65536)


def elsewhere(connection, stopped):
    connection.sendall(b"HTTP/1.1 302 Found\r\nlocation: https://10.0.0.1/\r\n\r\n")


def noise(connection, stopped):
    connection.sendall(b"\x00\xff" * 40 + b"\r\n\r\n")


@pytest.mark.parametrize("answer", [drip, drip_body, drip_last, silent, endless, elsewhere, noise])
def test_a_bad_peer_costs_a_bounded_time_and_is_a_problem(certificate, answer, monkeypatch):
    monkeypatch.setattr(sources, "_PATIENCE", 0.8)
    with peer(certificate, answer) as url:
        assert asked(url, certificate).code == "federation.unreachable"


def test_a_certificate_that_nobody_vouches_for_ends_it(certificate):
    with peer(certificate, noise) as url, pytest.raises(Problem) as told:
        Network(loopback=True).get(url)
    assert told.value.code == "federation.unreachable"
    assert "certificate" in told.value.why


def test_this_machine_is_asked_only_where_that_was_allowed(certificate):
    with peer(certificate, noise) as url, pytest.raises(Problem) as told:
        Network(authority=str(certificate[0])).get(url)
    assert told.value.code == "federation.address-refused"
