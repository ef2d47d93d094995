# SPDX-License-Identifier: Apache-2.0
"""What a visitor sees of a store's federations, what its operator sees, and what clients get."""

import ssl

import httpx
import pytest

from kizuna.app.wiring.federation.reading import Reading
from kizuna.app.wiring.federation.taking import Taking


@pytest.fixture(scope="module")
def country(settled):
    """The guild follows a maker too, so that its operator has something to look at."""
    place = settled.places["guild"]
    Reading(place.workspace.path, settled.clock.now).believe(place.url, {"keys": [place.jwk]})
    Taking(place.workspace).take(
        [settled.places["fuji"].url],
        name="makers",
        mapping=settled.mapping(),
        network=settled.network(),
    )
    return settled


@pytest.fixture
def guild(country):
    tls = ssl.create_default_context(cafile=str(country.certificate))
    with httpx.Client(base_url=country.places["guild"].url, verify=tls) as client:
        yield client


def page(client, lang):
    answer = client.get("/federation", headers={"accept": "text/html", "accept-language": lang})
    assert answer.status_code == 200, answer.text[:500]
    return answer.text


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_whom_the_verifier_follows_is_for_its_operator(country, guild, lang):
    fuji, branch = country.places["fuji"].url, country.places["branch"].url
    public = page(guild, lang)
    assert branch in public
    assert fuji not in public
    guild.post(
        "/sign-in",
        data={"token": "of-the-operator"},
        headers={"origin": str(guild.base_url).rstrip("/")},
    )
    seen = page(guild, lang)
    assert fuji in seen
    assert branch + "/federation/marks/maker" in seen
    assert guild.get("/federation.json").json()["following"][0]["entities"] == [fuji]


def test_the_guild_answers_for_what_it_looked_up(country, guild):
    asked = {"sub": country.places["fuji"].url, "trust_anchor": country.places["guild"].url}
    answer = guild.get("/federation/resolve", params=asked)
    assert answer.headers["content-type"].startswith("application/resolve-response+jwt")


def test_lists_of_members_are_told_by_kind_and_mark(country, guild):
    branch = country.places["branch"].url
    guild_mark = country.places["guild"].url + "/federation/marks/list-operator"
    asked = [
        ("/federation/list", {}, [branch]),
        ("/federation/list", {"intermediate": "true"}, [branch]),
        ("/federation/list", {"entity_type": "openid_provider"}, []),
        ("/federation/list", {"trust_mark_type": guild_mark}, [branch]),
        ("/federation/trust-mark-list", {"trust_mark_type": guild_mark}, [branch]),
        ("/federation/trust-mark-list", {"trust_mark_type": guild_mark, "sub": "https://x.y"}, []),
    ]
    for path, parameters, wanted in asked:
        assert guild.get(path, params=parameters).json() == wanted, (path, parameters)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/federation/fetch", 400),
        ("/federation/fetch?sub=https://nobody.example", 404),
        ("/federation/fetch?sub=" + "x" * 3000, 400),
        ("/federation/trust-mark?sub=https://nobody.example&trust_mark_type=x", 404),
        ("/federation/resolve?sub=https://nobody.example&trust_anchor=https://x.example", 404),
        ("/members/abc/.well-known/openid-federation", 404),
    ],
)
def test_what_is_not_there_is_a_problem(guild, path, status):
    answer = guild.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"]


@pytest.mark.parametrize(
    "body", [b"", b"trust_mark=", b"trust_mark=x", b"\xff" * 500, b"a=b&" * 99]
)
def test_a_mark_that_is_none_has_no_status(guild, body):
    answer = guild.post("/federation/trust-mark-status", content=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"]


@pytest.mark.parametrize("under", ["itself", "stranger"])
@pytest.mark.parametrize("lang", ["en", "ja"])
def test_what_the_guild_cannot_resolve_is_told_clearly(country, guild, under, lang):
    own = country.places["guild"].url
    anchor = own if under == "itself" else "https://other.example"
    for name in ("https://nobody.example", "https://127.0.0.1:1", "not an address"):
        answer = guild.get(
            "/federation/resolve",
            params={"sub": name, "trust_anchor": anchor},
            headers={"accept-language": lang},
        )
        assert 400 <= answer.status_code < 500, answer.text
        told = answer.json()
        assert told["code"].startswith(("federation.", "identifier.", "request.")), told
        assert told["title"] or told["message"]
        assert told["hint"]
