# SPDX-License-Identifier: Apache-2.0
"""Superiors that lead in a ring, and towers of them, over real https: asked a bounded number of
times, told by name, and no request makes a store's `resolve` end point run after them.
"""

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from kizuna.app.wiring.federation.reading import Reading
from kizuna.model.errors import Problem
from kizuna.record.lists.federation import (
    Anchor,
    jwks_of,
    read_resolve_response,
    sign_entity_statement,
)
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import EphemeralUnit

RING = ("guild", "branch", "fuji")


@pytest.fixture
def ring(empty):
    """Each stands under the next, and the last under the first; a buyer who believes nobody yet."""
    for name in RING:
        empty.settle(name)
    empty.settle("buyer", serves=False)
    for below, above in zip(RING, (*RING[1:], RING[0]), strict=True):
        empty.join(below, above, "list-operator", "*")
    return empty


def believe(country, who, anchor):
    reading = Reading(country.places[who].workspace.path, country.clock.now)
    place = country.places[anchor]
    reading.believe(place.url, {"keys": [place.jwk]})
    return reading


def asked(country, of, subject, anchor):
    """What a store's end point answers: the status, and the body."""
    url = f"{country.places[of].url}/federation/resolve?" + urlencode(
        {"sub": subject, "trust_anchor": anchor}
    )
    try:
        return 200, country.network().get(url)
    except Problem as problem:
        return 404, problem.code.encode()


def test_a_ring_of_superiors_ends_at_the_anchor_that_stands_in_it(ring):
    reading = believe(ring, "buyer", "branch")
    network = ring.network()
    found = reading.resolve(ring.places["guild"].url, network=network)
    assert [c.path[-1] for c, _ in found.chains] == [ring.places["branch"].url]
    assert len(network.answers) <= 3 * len(RING)


def test_a_ring_without_an_anchor_is_walked_once_and_is_a_problem(ring):
    ring.settle("other", serves=False)
    unit = EphemeralUnit(b"other")
    jwk = unit.public(unit.generate(Algorithm.ES256, "other")).to_jwk()
    reading = Reading(ring.places["buyer"].workspace.path, ring.clock.now)
    reading.believe("https://other.example", {"keys": [jwk]})
    network = ring.network()
    with pytest.raises(Problem) as told:
        reading.resolve(ring.places["fuji"].url, network=network)
    assert told.value.code == "federation.no-path"
    assert told.value.hint
    assert len(network.answers) <= 3 * len(RING)


def test_the_end_point_of_a_store_in_a_ring_answers_from_what_it_has(ring):
    places = ring.places
    believe(ring, "branch", "guild").resolve(places["fuji"].url, network=ring.network())
    status, raw = asked(ring, "branch", places["fuji"].url, places["guild"].url)
    assert status == 200
    key = PublicKey.from_jwk(places["branch"].jwk)
    theirs = Anchor(places["guild"].url, {k.thumbprint.hex(): k for k in [
        PublicKey.from_jwk(places["guild"].jwk)
    ]})  # fmt: skip
    found = read_resolve_response(raw, {key.thumbprint.hex(): key}, [theirs], now=ring.clock.now)
    assert found.path[-1] == places["guild"].url
    for subject, anchor in (
        (places["guild"].url, places["fuji"].url),  # nobody here believes it
        (places["fuji"].url, "https://nowhere.example"),
        ("https://nowhere.example", places["branch"].url),
    ):
        status, code = asked(ring, "branch", subject, anchor)
        assert (status, code) == (404, b"federation.not-there")
    # itself the anchor of the ring: its own member by way of the others, or nobody
    status, _ = asked(ring, "guild", places["guild"].url, places["guild"].url)
    assert status in (200, 404)


@contextmanager
def tower(certificate, count, now):
    """A server of ``count`` entities, each below the next; gives addresses and the top's key."""
    unit = EphemeralUnit(b"tower")
    keys = [unit.generate(Algorithm.ES256, f"e{i}") for i in range(count)]
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            requests.append(parts.path)
            by = int(parts.path.split("/")[1][1:])
            about = by
            if parts.path.endswith("/fetch"):
                about = int(parse_qs(parts.query)["sub"][0].rpartition("/e")[2])
            place = [f"{url}/e{i}" for i in range(count)]
            words = {
                "iss": place[by], "sub": place[about], "iat": now - 60, "exp": now + 86_400,
                "jwks": jwks_of([unit.public(keys[about])]),
            }  # fmt: skip
            if about == by:
                words["metadata"] = {
                    "federation_entity": {"federation_fetch_endpoint": place[by] + "/fetch"}
                }
                words |= {"authority_hints": [place[by + 1]]} if by + 1 < count else {}
            data = sign_entity_statement(unit, keys[by], words)
            self.send_response(200)
            self.send_header("content-type", "application/entity-statement+jwt")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    url = f"https://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        jwk = unit.public(keys[-1]).to_jwk()
        yield [f"{url}/e{i}" for i in range(count)], jwk, requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.mark.parametrize(("count", "code"), [(5, None), (40, "federation.too-deep")])
def test_a_tower_over_https_is_climbed_so_far_and_no_further(empty, certificate, count, code):
    place = empty.settle("store")
    with tower(certificate, count, empty.clock.now) as (entities, jwk, requests):
        reading = Reading(place.workspace.path, empty.clock.now)
        reading.believe(entities[-1], {"keys": [jwk]})
        if code is None:
            found = reading.resolve(entities[0], network=empty.network())
            assert [c.path for c, _ in found.chains] == [tuple(entities)]
        else:
            with pytest.raises(Problem) as told:
                reading.resolve(entities[0], network=empty.network())
            assert told.value.code == code
        assert len(requests) <= 3 * 16
        made = len(requests)
        status, _ = asked(empty, "store", entities[0], entities[-1])
        assert status == (200 if code is None else 404)
        assert len(requests) == made  # asking the end point makes the store ask nobody
