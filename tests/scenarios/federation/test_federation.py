# SPDX-License-Identifier: Apache-2.0
"""A buyer judges by what a federation says, over real https; every way in which it may be wrong."""

import pytest

from kizuna.model.errors import Problem


def code_of(act):
    with pytest.raises(Problem) as told:
        act()
    return told.value.code


def resolve(country, name, **more):
    return country.reading().resolve(country.places[name].url, network=country.network(), **more)


def test_a_maker_is_found_under_the_guild_and_its_mark_counts(country):
    found = resolve(country, "fuji", status=True)
    ((chain, marks),) = found.chains
    place = country.places
    assert chain.path == (place["fuji"].url, place["branch"].url, place["guild"].url)
    assert [(m.mark.kind, m.status, m.counts) for m in marks] == [
        (place["branch"].url + "/federation/marks/maker", "active", True)
    ]


def test_what_was_fetched_is_shown_later_with_its_age(country):
    resolve(country, "fuji")
    country.places["branch"].stop()
    country.clock.now += 7200
    told = country.reading().told(resolve(country, "fuji"))
    assert (told["source"], told["age"]) == ("kept", 7200)
    country.clock.now += 86_400
    assert code_of(lambda: resolve(country, "fuji")) == "federation.unreachable"
    assert code_of(lambda: country.reading().show(told["entity"])) == "federation.expired"
