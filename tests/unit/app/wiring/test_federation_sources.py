# SPDX-License-Identifier: Apache-2.0
"""Where statements come from: what is never asked, and files in any order."""

import contextlib
import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.app.wiring.federation.book import BookKeeper, checked_policy, named
from kizuna.app.wiring.federation.members import did_web_of, entity_of
from kizuna.app.wiring.federation.reading import Reading, left
from kizuna.app.wiring.federation.sources import Network, gathered
from kizuna.app.wiring.federation.taking import _entry, _stands_alone
from kizuna.model.errors import Absent, Problem, Refused, Unavailable
from kizuna.record.lists.federation import (
    Anchor,
    Resolver,
    check_chain,
    configuration_url,
    jwks_of,
    sign_entity_statement,
)
from kizuna.record.lists.federation.entity import check_entity_id, read_keys
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_800_000_000
GUILD = "https://guild.example"
MAKER = "https://maker.example/fans"


def code_of(act):
    with pytest.raises(Problem) as told:
        act()
    return told.value.code


@pytest.fixture
def resolves(monkeypatch):
    """Give a host these addresses."""

    def to(*addresses):
        rows = [(0, 0, 0, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)

    return to


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.5.5",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104 - never asked
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "::10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b:1::a00:1",
        "fec0::1",
    ],
)
def test_addresses_that_are_not_public_are_never_asked(resolves, address):
    resolves(address)
    assert code_of(lambda: Network().get("https://evil.example/x")) == "federation.address-refused"


def test_a_name_with_one_inner_address_among_public_ones_is_not_asked(resolves):
    resolves("93.184.216.34", "10.0.0.1")
    assert code_of(lambda: Network().get("https://evil.example/x")) == "federation.address-refused"


def test_loopback_opens_this_machine_and_nothing_else(resolves):
    resolves("10.0.0.1")
    line = Network(loopback=True)
    assert code_of(lambda: line.get("https://evil.example/x")) == "federation.address-refused"


@pytest.mark.parametrize(
    "url", ["http://guild.example/x", "ftp://guild.example/x", "https://a:b@guild.example/x", "x"]
)
def test_only_https_is_asked(url):
    assert code_of(lambda: Network().get(url)) == "federation.address-refused"


@pytest.mark.parametrize(
    "url",
    ["https://[x/", "https://a]b/", "https://guild.example:99999/", "https://guild.example/é"],
)
def test_what_is_no_address_is_a_problem_and_no_fault(url):
    assert code_of(lambda: Network().get(url)) == "federation.address-refused"


@pytest.mark.parametrize("url", ["https://[x", "https://a]b/", "https://guild.example:99999"])
def test_an_entity_of_no_address_is_malformed(url):
    assert code_of(lambda: check_entity_id(url)) == "federation.malformed"


@pytest.fixture
def statements():
    unit = EphemeralUnit(b"sources")
    keys = {e: unit.generate(Algorithm.ES256, e) for e in (GUILD, MAKER)}
    publics = {e: unit.public(k) for e, k in keys.items()}

    def say(by, about, **more):
        claims = {
            "iss": by,
            "sub": about,
            "iat": NOW - 5,
            "exp": NOW + 500,
            "jwks": jwks_of([publics[about]]),
            **more,
        }
        return sign_entity_statement(unit, keys[by], claims).decode()

    endpoint = {"federation_entity": {"federation_fetch_endpoint": GUILD + "/f?x=1"}}
    return publics, [
        say(MAKER, MAKER, authority_hints=[GUILD], metadata={"federation_entity": {}}),
        say(GUILD, MAKER),
        say(GUILD, GUILD, metadata=endpoint),
    ]


@pytest.mark.parametrize("form", ["folder", "chain", "lines"])
def test_statements_from_files_give_the_same_chain_in_every_form(tmp_path, statements, form):
    publics, tokens = statements
    place = tmp_path / "from"
    if form == "folder":
        place.mkdir()
        for number, token in enumerate(tokens):
            (place / f"{9 - number}.jwt").write_text(token)
    else:
        place.write_text(json.dumps(tokens) if form == "chain" else "\n".join(tokens))
    reading = Reading(tmp_path, NOW)
    reading.believe(GUILD, publics[GUILD].to_jwk())
    told = reading.told(reading.resolve(MAKER, source=str(place)))
    assert told["chains"][0]["path"] == [MAKER, GUILD]
    assert told["source"] == str(place)


@given(st.binary(max_size=300))
def test_no_file_is_more_than_a_problem(tmp_path_factory, data):
    place = tmp_path_factory.mktemp("from") / "x.jwt"
    place.write_bytes(data)
    with contextlib.suppress(Problem):
        gathered(str(place))


def test_an_anchor_answers_to_every_name_of_its_key(statements):
    publics, _ = statements
    key = publics[GUILD]
    names = named({**key.to_jwk(), "kid": "of-its-own"})
    assert {"of-its-own", key.thumbprint.hex()} <= names.keys()
    assert len(names) == 3
    assert set(names.values()) == {key}


def test_a_file_that_somebody_else_wrote_is_told(tmp_path):
    (tmp_path / "federation.json").write_text('{"anchors": 1}')
    assert code_of(BookKeeper(tmp_path).read) == "federation.file"


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b'{"x": 1}', b'{"metadata_policy": 1}', b'{"metadata_policy": {"a": 1}}', b"\xff"],
)
def test_policies_that_are_none_are_refused(text):
    assert code_of(lambda: checked_policy(text)).startswith(("federation.", "envelope."))


@pytest.mark.parametrize(
    ("entity", "did"),
    [
        ("https://example.com/a", "did:web:example.com:a"),
        ("https://example.com", "did:web:example.com"),
        ("https://example.com:8443/a/b", "did:web:example.com%3A8443:a:b"),
    ],
)
def test_an_address_and_a_did_web_are_one_name(entity, did):
    assert did_web_of(entity) == did
    assert entity_of(did, GUILD) == (entity, False)


def test_a_member_named_by_its_key_has_an_address_of_the_store(statements):
    publics, _ = statements
    key = publics[MAKER]
    assert entity_of(did_key(key), GUILD) == (f"{GUILD}/members/{key.thumbprint.hex()}", True)
    assert entity_of("urn:lei:x", GUILD) is None


def test_what_does_not_depend_on_each_other_is_fetched_at_once(monkeypatch):
    inside, most = [], []
    changed = threading.Condition()

    def ask(self, method, url, body, headers):
        with changed:
            inside.append(url)
            most.append(len(inside))
            changed.notify_all()
            assert changed.wait_for(lambda: max(most) >= 4, timeout=60)
            inside.remove(url)
        return url.encode()

    monkeypatch.setattr(Network, "_exchange", ask)
    line = Network()
    urls = [f"https://e{n}.example" for n in range(16)]
    line.ahead([*urls, *urls])
    assert 4 <= max(most) <= 8
    assert len(most) == 16
    assert [line.get(url) for url in urls] == [url.encode() for url in urls]
    assert len(most) == 16


@pytest.mark.parametrize(
    ("url", "gone"),
    [(GUILD + "/fetch?sub=x", True), (configuration_url(MAKER), False)],
)
def test_only_a_superior_says_that_an_entity_does_not_belong(url, gone):
    assert left(MAKER, Absent("federation.not-there", "x", url=url)) is gone
    assert not left(MAKER, Unavailable("federation.unreachable", "x", url=url))
    assert not left(MAKER, Refused("federation.expired", "x"))
    assert left(MAKER, Refused("federation.no-path", "x"))


def test_not_there_is_not_heard_while_another_superior_cannot_be_asked(statements):
    publics, _ = statements
    unit = EphemeralUnit(b"two superiors")
    key = unit.generate(Algorithm.ES256, "maker")

    class Source:
        def get(self, url):
            if url == configuration_url(MAKER):
                claims = {
                    "iss": MAKER,
                    "sub": MAKER,
                    "iat": NOW,
                    "exp": NOW + 9,
                    "jwks": jwks_of([unit.public(key)]),
                    "authority_hints": [GUILD, "https://b.example", "https://c.example"],
                }
                return sign_entity_statement(unit, key, claims)
            if url == configuration_url("https://c.example"):
                raise Unavailable("federation.unreachable", "x")
            raise Absent("federation.not-there", "x", url=url)

    anchor = Anchor(GUILD, {"x": publics[GUILD]})
    assert code_of(lambda: Resolver(Source(), [anchor], NOW).resolve(MAKER)) == (
        "federation.unreachable"
    )


def test_nobody_gets_a_mark_by_calling_a_kind_of_entity_like_it():
    """What an entity is, it says itself; a mark is its issuer's word. Both are types of a list."""
    unit = EphemeralUnit(b"a kind like a mark")
    keys = {e: unit.generate(Algorithm.ES256, e) for e in (GUILD, MAKER)}
    publics = {e: unit.public(k) for e, k in keys.items()}

    def say(by, **more):
        claims = {"iss": by, "sub": MAKER, "iat": NOW - 5, "exp": NOW + 500}
        claims |= {"jwks": jwks_of([publics[MAKER]]), **more}
        return sign_entity_statement(unit, keys[by], claims)

    kinds = ("federation_entity", "openid_provider", GUILD + "/federation/marks/maker", "urn:x:1")
    own = say(MAKER, authority_hints=[GUILD], metadata={kind: {} for kind in kinds})
    anchor = Anchor(GUILD, read_keys(jwks_of([publics[GUILD]])))
    resolved = check_chain([own, say(GUILD)], [anchor], now=NOW)
    assert _entry(resolved, ()).types == ("openid_provider",)


def test_two_spellings_of_an_address_are_not_one_member_with_the_keys_of_both():
    unit = EphemeralUnit(b"two spellings")
    made = []
    for entity in ("https://maker.example/fans", "https://maker.example/fans/"):
        key = unit.generate(Algorithm.ES256, entity)
        claims = {
            "iss": entity,
            "sub": entity,
            "iat": NOW - 5,
            "exp": NOW + 500,
            "jwks": jwks_of([unit.public(key)]),
            "metadata": {"federation_entity": {"organization_name": "Maker"}},
        }
        anchor = Anchor(entity, read_keys(claims["jwks"]))
        own = sign_entity_statement(unit, key, claims)
        made.append(_entry(check_chain([own], [anchor], now=NOW), ()))
    one, other = made
    assert one.member == other.member
    _stands_alone(one, [one])
    with pytest.raises(Problem) as caught:
        _stands_alone(other, [one])
    assert caught.value.code == "list.claimed-twice"
