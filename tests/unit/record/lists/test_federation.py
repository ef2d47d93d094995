# SPDX-License-Identifier: Apache-2.0
"""A federation: chains that hold, and every way in which one does not."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizuna.model.errors import Absent, Problem, Refused
from kizuna.record.lists.federation import (
    Anchor,
    Resolver,
    check_chain,
    check_mark_status,
    configuration_url,
    jwks_of,
    read_entity_statement,
    read_mark,
    read_resolve_response,
    sign_delegation,
    sign_entity_statement,
    sign_mark,
    sign_mark_status,
    sign_resolve_response,
)
from kizuna.record.lists.federation.chain import _within
from kizuna.record.lists.federation.entity import Constraints
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

NOW = 1_800_000_000
DAY = 86_400
GUILD = "https://guild.example"
BRANCH = "https://branch.example"
MAKER = "https://maker.example/fans"
OTHER = "https://other-guild.example"
MARK = "https://guild.example/marks/inspected"


class World:
    """Entities that publish; a source that hands out what they publish."""

    def __init__(self) -> None:
        self.unit = EphemeralUnit(b"federation")
        self.keys = {}
        self.own = {}
        self.about = {}
        self.asked = []

    def key(self, entity):
        if entity not in self.keys:
            self.keys[entity] = self.unit.generate(Algorithm.ES256, entity)
        return self.keys[entity]

    def public(self, entity):
        return self.unit.public(self.key(entity))

    def sign(self, by, claims):
        return sign_entity_statement(self.unit, self.key(by), claims)

    def publish(self, entity, *, above=(), metadata=None, by=None, **more):
        federation = {
            "federation_fetch_endpoint": f"{entity}/fetch",
            "organization_name": entity.split("/")[2],
        }
        claims = {
            "iss": entity,
            "sub": entity,
            "iat": NOW - 10,
            "exp": NOW + DAY,
            "jwks": jwks_of([self.public(entity)]),
            "metadata": {"federation_entity": federation, **(metadata or {})},
            **({"authority_hints": list(above)} if above else {}),
            **more,
        }
        self.own[entity] = self.sign(by or entity, claims)

    def vouch(self, superior, subject, *, by=None, key=None, **more):
        claims = {
            "iss": superior,
            "sub": subject,
            "iat": NOW - 10,
            "exp": NOW + DAY // 2,
            "jwks": jwks_of([self.public(key or subject)]),
            **more,
        }
        self.about[superior, subject] = self.sign(by or superior, claims)

    def get(self, url):
        self.asked.append(url)
        for entity, data in self.own.items():
            if url == configuration_url(entity):
                return data
        parts = urlsplit(url)
        superior = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/fetch')}"
        found = self.about.get((superior, parse_qs(parts.query).get("sub", [""])[0]))
        if found is None:
            raise Absent("federation.not-there", f"nothing at {url}", url=url)
        return found

    def anchor(self, entity=GUILD):
        public = self.public(entity)
        return Anchor(entity, {public.thumbprint.hex(): public})

    def resolver(self, *anchors):
        return Resolver(self, [self.anchor(a) for a in anchors or (GUILD,)], NOW)


@pytest.fixture
def world():
    made = World()
    made.publish(GUILD, trust_mark_issuers={MARK: [BRANCH]})
    made.publish(BRANCH, above=[GUILD])
    made.publish(
        MAKER,
        above=[BRANCH],
        metadata={"openid_provider": {"grant_types": ["a", "b"], "issuer": MAKER}},
    )
    made.vouch(GUILD, BRANCH, metadata_policy={"openid_provider": {"grant_types": {"add": ["c"]}}})
    made.vouch(
        BRANCH,
        MAKER,
        metadata_policy={"openid_provider": {"grant_types": {"superset_of": ["a"]}}},
    )
    return made


def code_of(act):
    with pytest.raises(Problem) as told:
        act()
    return told.value.code


def test_an_entity_is_resolved_up_to_the_anchor(world):
    (found,) = world.resolver().resolve(MAKER)
    assert found.path == (MAKER, BRANCH, GUILD)
    assert found.metadata["openid_provider"]["grant_types"] == ["a", "b", "c"]
    assert found.expires == NOW + DAY // 2
    assert list(found.keys) == [world.public(MAKER).thumbprint.hex()]


def test_the_anchor_resolves_to_itself(world):
    (found,) = world.resolver().resolve(GUILD)
    assert found.path == (GUILD,)


def test_a_chain_given_as_a_whole_may_end_with_the_anchors_configuration(world):
    chain = [
        world.own[MAKER],
        world.about[BRANCH, MAKER],
        world.about[GUILD, BRANCH],
        world.own[GUILD],
    ]
    found = check_chain(chain, [world.anchor()], now=NOW)
    assert found.path == (MAKER, BRANCH, GUILD)
    assert check_chain(chain[:3], [world.anchor()], now=NOW).metadata == found.metadata


def test_an_anchor_of_the_chains_own_making_is_no_anchor(world):
    world.publish(OTHER)
    chain = [world.own[MAKER], world.about[BRANCH, MAKER], world.about[GUILD, BRANCH]]
    assert (
        code_of(lambda: check_chain(chain, [world.anchor(OTHER)], now=NOW))
        == "federation.anchor-unknown"
    )


def test_two_anchors_that_claim_one_name_are_refused(world):
    twin = Anchor(GUILD, {"x": world.public(OTHER)})
    chain = [world.own[GUILD]]
    assert (
        code_of(lambda: check_chain(chain, [world.anchor(), twin], now=NOW))
        == "federation.anchor-twice"
    )


def test_chains_to_two_anchors_are_told_apart(world):
    world.publish(OTHER)
    world.publish(BRANCH, above=[GUILD, OTHER])
    world.vouch(
        OTHER,
        BRANCH,
        metadata_policy={"openid_provider": {"grant_types": {"subset_of": ["b"]}}},
    )
    world.vouch(BRANCH, MAKER)
    found = {r.anchor: r for r in world.resolver(GUILD, OTHER).resolve(MAKER)}
    assert found[GUILD].metadata["openid_provider"]["grant_types"] == ["a", "b", "c"]
    assert found[OTHER].metadata["openid_provider"]["grant_types"] == ["b"]


def test_a_superior_that_does_not_know_the_entity_is_no_superior(world):
    del world.about[BRANCH, MAKER]
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.not-there"


def test_an_entity_that_does_not_name_its_superior_is_not_below_it(world):
    world.publish(MAKER, above=[OTHER])
    chain = [world.own[MAKER], world.about[BRANCH, MAKER], world.about[GUILD, BRANCH]]
    assert code_of(lambda: check_chain(chain, [world.anchor()], now=NOW)) == "federation.broken"


def test_a_new_key_counts_only_once_the_superior_takes_it_up(world):
    world.vouch(BRANCH, MAKER, key=OTHER)
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.signature-wrong"


def test_a_statement_forged_in_the_middle_is_found(world):
    world.vouch(GUILD, BRANCH, by=MAKER)
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.signature-wrong"
    world.publish(MAKER, above=[BRANCH], by=OTHER)
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.signature-wrong"


@pytest.mark.parametrize("moment", [NOW + DAY // 2, NOW - 100])
def test_a_chain_lasts_as_long_as_its_first_statement_to_expire(world, moment):
    resolver = Resolver(world, [world.anchor()], moment)
    assert code_of(lambda: resolver.resolve(MAKER)) == "federation.expired"


@pytest.mark.parametrize(
    "constraints",
    [
        {"max_path_length": 0},
        {"naming_constraints": {"permitted": ["branch.example"]}},
        {"naming_constraints": {"excluded": [".example"]}},
    ],
)
def test_what_a_superior_demands_of_its_branch_holds(world, constraints):
    world.vouch(GUILD, BRANCH, constraints=constraints)
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.constraint"


@pytest.mark.parametrize("host", ["bad.example", "bad.example.", "BAD.example."])
def test_a_dot_at_the_end_makes_no_other_host(host):
    constraints = Constraints(excluded=("bad.example",))
    with pytest.raises(Refused):
        _within(constraints, f"https://{host}/x", below=0, issuer=GUILD)


def test_kinds_that_a_superior_does_not_allow_are_left_out(world):
    world.vouch(GUILD, BRANCH, constraints={"allowed_entity_types": ["oauth_client"]})
    (found,) = world.resolver().resolve(MAKER)
    assert set(found.metadata) == {"federation_entity"}


def test_policies_that_contradict_make_the_chain_unusable(world):
    world.vouch(
        GUILD, BRANCH, metadata_policy={"openid_provider": {"x": {"value": 1, "essential": True}}}
    )
    world.vouch(BRANCH, MAKER, metadata_policy={"openid_provider": {"x": {"value": 2}}})
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.policy-contradicts"


def test_a_circle_of_superiors_ends(world):
    world.publish(GUILD, above=[MAKER])
    world.publish(OTHER, above=[BRANCH])
    world.publish(BRANCH, above=[OTHER])
    world.vouch(OTHER, BRANCH)
    world.vouch(BRANCH, OTHER)
    assert code_of(lambda: world.resolver().resolve(MAKER)) == "federation.no-path"
    assert len(world.asked) < 20


def test_a_crowd_of_superiors_is_bounded(world):
    crowd = [f"https://e{i}.example" for i in range(15)]
    for one in crowd:
        others = [o for o in crowd if o != one]
        world.publish(one, above=others)
        for other in others:
            world.vouch(other, one)
    world.publish(MAKER, above=crowd)
    for one in crowd:
        world.vouch(one, MAKER)
    with pytest.raises(Problem):
        world.resolver().resolve(MAKER)
    assert len(world.asked) <= 200


def test_a_tower_of_superiors_is_too_deep(world):
    tower = [f"https://t{i}.example" for i in range(14)]
    for below, over in zip([MAKER, *tower], tower, strict=False):
        world.publish(below, above=[over])
        world.vouch(over, below)
    world.publish(tower[-1])
    resolver = world.resolver()
    with pytest.raises(Problem):
        resolver.resolve(MAKER)
    assert "federation.too-deep" in {f.code for f in resolver.faults}


def mark(world, **more):
    claims = {
        "iss": BRANCH,
        "sub": MAKER,
        "iat": NOW - 5,
        "exp": NOW + 50,
        "trust_mark_type": MARK,
        **more,
    }
    return sign_mark(world.unit, world.key(more.get("iss", BRANCH)), claims)


def shown(world, raw, *, kind=MARK):
    world.publish(
        MAKER,
        above=[BRANCH],
        trust_marks=[{"trust_mark_type": kind, "trust_mark": raw.decode()}],
    )
    resolver = world.resolver()
    (found,) = resolver.resolve(MAKER)
    (counted,) = resolver.marks(found)
    return counted


def test_a_mark_from_an_issuer_that_the_anchor_allows_counts(world):
    assert shown(world, mark(world)).fault is None


@pytest.mark.parametrize(
    "wrong",
    [{"sub": BRANCH}, {"iss": GUILD}, {"exp": NOW - 1}, {"trust_mark_type": MARK + "2"}],
)
def test_a_mark_that_does_not_fit_does_not_count(world, wrong):
    assert shown(world, mark(world, **wrong)).fault.code == "federation.mark-refused"


def test_a_forged_mark_does_not_count(world):
    claims = {"iss": BRANCH, "sub": MAKER, "iat": NOW, "trust_mark_type": MARK}
    forged = sign_mark(world.unit, world.key(MAKER), claims)
    assert shown(world, forged).fault.code == "federation.mark-forged"


def test_a_mark_with_an_owner_needs_its_delegation(world):
    world.publish(
        GUILD,
        trust_mark_issuers={MARK: [BRANCH]},
        trust_mark_owners={MARK: {"sub": OTHER, "jwks": jwks_of([world.public(OTHER)])}},
    )
    assert shown(world, mark(world)).fault.code == "federation.mark-refused"
    given_ = {"iss": OTHER, "sub": BRANCH, "iat": NOW, "trust_mark_type": MARK}
    word = sign_delegation(world.unit, world.key(OTHER), given_).decode()
    assert shown(world, mark(world, delegation=word)).fault is None
    forged = sign_delegation(world.unit, world.key(BRANCH), given_).decode()
    assert shown(world, mark(world, delegation=forged)).fault.code == "federation.mark-forged"


def test_the_status_of_a_mark_is_a_signed_answer(world):
    raw = mark(world)
    public = world.public(BRANCH)
    keys = {public.thumbprint.hex(): public}
    answer = sign_mark_status(
        world.unit, world.key(BRANCH), issuer=BRANCH, mark=raw, status="revoked", now=NOW
    )
    assert check_mark_status(answer, read_mark(raw), keys, now=NOW) == "revoked"
    other = read_mark(mark(world, exp=NOW + 60))
    assert (
        code_of(lambda: check_mark_status(answer, other, keys, now=NOW))
        == "federation.mark-refused"
    )
    assert (
        code_of(lambda: check_mark_status(answer, read_mark(raw), keys, now=NOW + 2 * DAY))
        == "federation.mark-refused"
    )


def test_a_resolvers_answer_is_checked_again(world):
    (found,) = world.resolver().resolve(MAKER)
    public = world.public(BRANCH)
    keys = {public.thumbprint.hex(): public}
    answer = sign_resolve_response(world.unit, world.key(BRANCH), found, issuer=BRANCH, now=NOW)
    again = read_resolve_response(answer, keys, [world.anchor()], now=NOW)
    assert again.metadata == found.metadata
    assert (
        code_of(lambda: read_resolve_response(answer, keys, [world.anchor(OTHER)], now=NOW))
        == "federation.anchor-unknown"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"crit": ["pets"], "pets": 1},
        {"crit": []},
        {"metadata_policy": {}},
        {"exp": "soon"},
        {"jwks": {"keys": []}},
        {"metadata": []},
        {"authority_hints": []},
        {"authority_hints": ["http://plain.example"]},
        {"sub": "https://a.example?x=1", "iss": "https://a.example?x=1"},
        {"trust_marks": [{"trust_mark": 1}]},
    ],
)
def test_a_statement_that_is_not_one_is_refused(world, wrong):
    claims = {
        "iss": MAKER,
        "sub": MAKER,
        "iat": NOW,
        "exp": NOW + 1,
        "jwks": jwks_of([world.public(MAKER)]),
    } | wrong
    raw = world.sign(MAKER, claims)
    assert code_of(lambda: read_entity_statement(raw)) == "federation.malformed"


@given(st.binary(max_size=200))
def test_noise_is_a_clear_problem(noise):
    for read in (read_entity_statement, read_mark):
        with pytest.raises(Problem):
            read(noise)
